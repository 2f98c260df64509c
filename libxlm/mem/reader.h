/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All pages of a bitmap, loaded batch by batch by as many threads as are of
 * use: a content scan (dirty_scan.c), a check of all memory (verify.c).
 *
 *      bitmap ──ranges──> thread 0 (the caller's)  load ── each() ── unload
 *                    └──> thread 1                 load ── each() ── unload
 */
#ifndef XLM_MEM_READER_H
#define XLM_MEM_READER_H

#include "mem/batch.h"
#include "mem/pagehash.h"

/* Of what travels of a page. */
struct xlm__hash xlm__entry_hash(const struct xlm__pagehash *h,
                                 const struct xlm__entry *e);

struct xlm__reader; /* reusable */

/* More would wait for memory, not for processors. */
#define XLM__READERS_MAX 32u
/* How many threads are worth it here: at least 1, at most that. */
unsigned xlm__reader_processors(void);

/* threads: 0 for one a processor.  Errors: NOMEM. */
int xlm__reader_new(struct xlm__dom *dom, unsigned threads,
                    struct xlm__reader **out);
void xlm__reader_free(struct xlm__reader *r);

struct xlm__reading {
    const uint64_t *pages; /* bitmap of dom->nr_pfns bits */
    uint64_t nr_pages;     /* of them */
    bool live;             /* this and the next two as of xlm__batch_load() */
    uint64_t *deferred, *gone;
    /* On the caller's thread, every few MiB: not 0 ends it.  May be NULL. */
    int (*check)(void *user);
    /* On any of the threads, several at once; the batch has whole ranges of
     * XLM__RANGE_PAGES, which no other one has. */
    void (*each)(void *user, const struct xlm__batch *b);
    void *user;
};

/* Errors: those of xlm__batch_load() and of check(). */
int xlm__reader_run(struct xlm__reader *r, const struct xlm__reading *what);

#endif /* XLM_MEM_READER_H */
