/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where dirty pages come from.
 *
 * One implementation asks Xen's log-dirty mode.  Another, for domains whose Xen
 * has none for them, keeps a hash of each page as it was sent, and reads all
 * of memory to find those that differ.  The third knows nothing until the
 * domain is suspended, and then says that everything is dirty.
 *
 * Engine thread only, but for sending().
 */
#ifndef XLM_MEM_DIRTY_H
#define XLM_MEM_DIRTY_H

#include "dom/dom.h"
#include "mem/batch.h"

struct xlm__dirty;

struct xlm__dirty_ops {
    /* Stops tracking (never fails; tells the log if Xen refuses), frees. */
    void (*close)(struct xlm__dirty *d);
    /* Replace bitmap (dom->nr_pfns bits) by the pfns written since tracking
     * began or since the last call; for a content scan by those which are not
     * as they were last sent.  *nr_out is their number by counting bits.
     * final: the domain is suspended, this is the last call.
     * Errors: HYPERVISOR, NOMEM; what check() returned; with final also
     * INCOMPATIBLE, as xlm__batch_load(). */
    int (*fetch)(struct xlm__dirty *d, bool final, uint64_t *bitmap,
                 uint64_t *nr_out);
    /* Before a loaded batch is sent in a live round: notes what travels, and
     * may put private copies in place of memory that changes meanwhile.  Any
     * number of threads at once, but not during fetch().  Errors: NOMEM. */
    int (*sending)(struct xlm__dirty *d, struct xlm__batch *b);
};

enum xlm__dirty_way {
    XLM__DIRTY_AUTO, /* log-dirty, or a content scan if Xen refuses it       */
    XLM__DIRTY_LOG,
    XLM__DIRTY_SCAN,
    XLM__DIRTY_NONE,
};

struct xlm__dirty {
    const struct xlm__dirty_ops *ops;
    struct xlm__dom *dom;    /* borrowed */
    enum xlm__dirty_way way; /* never AUTO */
};

struct xlm__dirty_params {
    enum xlm__dirty_way want;
    /* Pages that exist, borrowed; log-dirty and none read it in fetch(). */
    const uint64_t *ram;
    /* A scan's, which may take long: called by fetch() on its own thread every
     * few MiB; not 0 ends it.  NULL: none. */
    int (*check)(void *user);
    void *user;
    unsigned threads; /* of a scan; 0: one for each processor */
};

/*
 * Start tracking.  With log-dirty: when Xen's log runs out of memory, fetch()
 * switches it off, enlarges the paging pool, starts it again once and reports
 * every page in `ram` as dirty.
 *
 * Errors: BUSY (log-dirty is already on: somebody else is moving, saving or
 * watching this domain), INCOMPATIBLE (log-dirty is wanted, and refused),
 * HYPERVISOR, NOMEM, SYSTEM.
 */
int xlm__dirty_open(struct xlm__dom *dom, const struct xlm__dirty_params *p,
                    struct xlm__dirty **dirty_out);

#endif /* XLM_MEM_DIRTY_H */
