/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where dirty pages come from.
 *
 * One implementation asks Xen's log-dirty mode; another, for domains whose Xen
 * refuses it, knows nothing until the domain is suspended and then says that
 * everything is dirty.  A content scan is to be a third.  Engine thread only.
 */
#ifndef XLM_MEM_DIRTY_H
#define XLM_MEM_DIRTY_H

#include "dom/dom.h"

struct xlm__dirty;

struct xlm__dirty_ops {
    /* Stops tracking (never fails; tells the log if Xen refuses), frees. */
    void (*close)(struct xlm__dirty *d);
    /* Replace bitmap (dom->nr_pfns bits) by the pfns written since tracking
     * began or since the last call; *nr_out is their number by counting
     * bits.  final: the domain is suspended, the log is not needed again.
     * Errors: HYPERVISOR. */
    int (*fetch)(struct xlm__dirty *d, bool final, uint64_t *bitmap,
                 uint64_t *nr_out);
};

struct xlm__dirty {
    const struct xlm__dirty_ops *ops;
    struct xlm__dom *dom; /* borrowed */
    bool live;            /* false: fetch() is of use only when suspended */
};

/*
 * Start tracking with log-dirty.  If Xen has none for this domain, *dirty_out
 * is the implementation that is not live.  When Xen's log runs out of memory,
 * fetch() switches it off, enlarges the paging pool, starts it again once and
 * reports every page in `ram` as dirty.
 *
 * ram: bits of the pages that exist, borrowed for the life of *dirty_out.
 * Errors: BUSY (log-dirty is already on: somebody else is moving, saving or
 * watching this domain), HYPERVISOR, NOMEM.
 */
int xlm__dirty_open(struct xlm__dom *dom, const uint64_t *ram,
                    struct xlm__dirty **dirty_out);

#endif /* XLM_MEM_DIRTY_H */
