/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A batch: up to XLM__BATCH_MAX pages of a source domain, mapped, with their
 * types, zero pages told apart, page tables normalised into private copies.
 *
 *      pfns from a bitmap ──> load() ──> entries[] ──> writev ──> unload()
 *
 * A batch belongs to exactly one thread from load() to unload().
 */
#ifndef XLM_MEM_BATCH_H
#define XLM_MEM_BATCH_H

#include "dom/dom.h"

#define XLM__BATCH_MAX 1024u

enum xlm__entry_kind {
    XLM__ENTRY_DATA, /* page points to 4096 bytes                          */
    XLM__ENTRY_ZERO, /* all bytes were zero when looked at                 */
    XLM__ENTRY_TYPE, /* no content: only the type travels (BROKEN)         */
};

struct xlm__entry {
    uint64_t pfn;
    uint32_t type; /* XLM__PT_* */
    enum xlm__entry_kind kind;
    const void *page; /* in the mapping or in a copy; valid until unload() */
};

/* 2 MiB: what the destination can populate in one extent.  A whole number of
 * words of a bitmap, so that no two threads touch one. */
#define XLM__RANGE_PAGES 512u

/* The pages of a bitmap, handed out to any number of threads. */
struct xlm__ranges {
    const uint64_t *bitmap; /* borrowed; nr_pfns bits */
    uint64_t nr_pfns;
    _Atomic uint64_t next;
};
/* Not while a thread takes of it. */
void xlm__ranges_begin(struct xlm__ranges *r, const uint64_t *bitmap,
                       uint64_t nr_pfns);
/* Up to a batch of ascending pfns that nobody else gets: whole ranges, sparse
 * ones together.  0: there are no more. */
size_t xlm__ranges_take(struct xlm__ranges *r, uint64_t pfns[XLM__BATCH_MAX]);

struct xlm__batch; /* reusable: allocate once a thread */

int xlm__batch_new(struct xlm__dom *dom, struct xlm__batch **out);
void xlm__batch_free(struct xlm__batch *b);

/*
 * Load nr (<= XLM__BATCH_MAX) ascending pfns.  Pages that do not exist any
 * more are left out and set in `gone`; pages that cannot travel while the
 * guest runs are left out and set in `deferred` (both of dom->nr_pfns bits,
 * either may be touched by several threads: bits are set atomically).
 * A zero page is looked at once; it may change afterwards, and is then dirty.
 *
 * What is in `gone` while the guest runs may come back, and for PV not every
 * way of coming back makes it dirty: pages in `gone` which dom's ram() has
 * after the suspend must be sent then, and the others be released.
 *
 * Errors: HYPERVISOR, INCOMPATIBLE (a page of a suspended domain that cannot
 * travel).
 */
int xlm__batch_load(struct xlm__batch *b, size_t nr, const uint64_t *pfns,
                    bool live, uint64_t *deferred, uint64_t *gone);

const struct xlm__entry *xlm__batch_entries(const struct xlm__batch *b,
                                            size_t *nr_out);

/*
 * Put a private copy in place of the guest's own memory wherever an entry
 * points to that, look again whether it is zero, and call each() for every
 * entry, when its page has just been copied and is still in the cache.
 * Errors: NOMEM.
 */
int xlm__batch_privatise(struct xlm__batch *b,
                         void (*each)(void *user, const struct xlm__entry *e),
                         void *user);

/* Drop the mapping.  Safe on an unloaded batch. */
void xlm__batch_unload(struct xlm__batch *b);

#endif /* XLM_MEM_BATCH_H */
