/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Dirty pages by content: a page is dirty if the hash of what would travel of
 * it now is not that of what travelled last.
 *
 *   sending()  copy ── hash ──> sent[pfn]     the copy is what travels
 *   fetch()    guest memory or normalised page table ── hash ── sent[pfn]?
 *
 * A page that is written while fetch() reads it gives any hash.  If that is
 * the old one, the page is found the next time, at last when the domain is
 * suspended: sent[] is of bytes that nobody changed between hash and wire.
 * All of the domain is read each time, by as many threads as there are
 * processors, and where its pages are is asked anew.
 */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "mem/batch.h"
#include "mem/dirty_impl.h"
#include "mem/pagehash.h"
#include "util/bitmap.h"

#define XLM_MODULE "mem"

/* More would wait for memory, not for processors. */
#define THREADS_MAX 32u
/* A thread costs about as much as this many pages. */
#define PAGES_PER_THREAD 4096u

struct scan;

struct scanner {
    struct scan *scan;
    struct xlm__batch *batch;
    pthread_t thread;
    int rc;
    uint64_t pfns[XLM__BATCH_MAX];
};

struct scan {
    struct xlm__dirty base; /* must be first */
    /* set once */
    struct xlm__pagehash *hash;
    int (*check)(void *user);
    void *user;
    bool threads_given;
    unsigned nr_scanners;
    struct scanner *scanners; /* the first is the caller's own thread */
    /* by pfn, all zero if it was not sent; a pfn's sender writes it */
    struct xlm__hash *sent;
    /* of one fetch(), set before its threads start */
    uint64_t *now;  /* what has memory */
    uint64_t *gone; /* of no interest: it is not sent */
    uint64_t *bitmap;
    bool live;
    struct xlm__ranges ranges; /* of now */
    atomic_bool stop;
};

static struct xlm__hash hash_of(const struct scan *s,
                                const struct xlm__entry *e)
{
    switch (e->kind) {
    case XLM__ENTRY_ZERO:
        return xlm__pagehash_zero(s->hash, e->type);
    case XLM__ENTRY_DATA:
        return xlm__pagehash(s->hash, e->type, e->page);
    case XLM__ENTRY_TYPE:
        break;
    }
    return xlm__pagehash(s->hash, e->type, NULL);
}

/* ---- what is sent ---- */

static void note(void *user, const struct xlm__entry *e)
{
    struct scan *s = user;

    s->sent[e->pfn] = hash_of(s, e);
}

static int scan_sending(struct xlm__dirty *d, struct xlm__batch *b)
{
    return xlm__batch_privatise(b, note, d);
}

/* ---- what differs ---- */

static void compare(struct scan *s, const struct xlm__batch *b)
{
    size_t nr;
    const struct xlm__entry *e = xlm__batch_entries(b, &nr);

    for (size_t i = 0; i < nr; i++) {
        if (!xlm__hash_same(hash_of(s, &e[i]), s->sent[e[i].pfn]))
            xlm__bitmap_atomic_set(s->bitmap, e[i].pfn);
    }
}

static int scan_some(struct scanner *t)
{
    struct scan *s = t->scan;
    size_t nr;
    int rc = 0;

    while (!rc && !atomic_load(&s->stop) &&
           (nr = xlm__ranges_take(&s->ranges, t->pfns)) != 0) {
        if (s->check && t == s->scanners)
            rc = s->check(s->user);
        /* A page table that cannot travel now is one that has changed. */
        if (!rc)
            rc = xlm__batch_load(t->batch, nr, t->pfns, s->live, s->bitmap,
                                 s->gone);
        if (!rc)
            compare(s, t->batch);
        xlm__batch_unload(t->batch);
    }
    if (rc)
        atomic_store(&s->stop, true);
    return rc;
}

static void *scan_thread(void *arg)
{
    struct scanner *t = arg;

    t->rc = scan_some(t);
    return NULL;
}

static unsigned useful_threads(const struct scan *s, uint64_t nr_pages)
{
    uint64_t useful = 1 + nr_pages / PAGES_PER_THREAD;

    return s->threads_given || useful > s->nr_scanners ? s->nr_scanners
                                                       : (unsigned)useful;
}

/* Threads that cannot be had are done without. */
static int scan_all(struct scan *s, uint64_t nr_pages)
{
    unsigned wanted = useful_threads(s, nr_pages), nr = 1;
    int rc;

    while (nr < wanted && !pthread_create(&s->scanners[nr].thread, NULL,
                                          scan_thread, &s->scanners[nr]))
        nr++;
    rc = scan_some(&s->scanners[0]);
    while (--nr) {
        pthread_join(s->scanners[nr].thread, NULL);
        rc = rc ? rc : s->scanners[nr].rc;
    }
    return rc;
}

static int scan_fetch(struct xlm__dirty *d, bool final, uint64_t *bitmap,
                      uint64_t *nr_out)
{
    struct scan *s = (struct scan *)d;
    const uint64_t nr_pfns = d->dom->nr_pfns;
    uint64_t nr = 0;
    int rc;

    xlm__bitmap_zero(s->now, nr_pfns);
    rc = d->dom->ops->ram(d->dom, s->now, &nr);
    if (rc)
        return rc;
    xlm__bitmap_zero(bitmap, nr_pfns);
    s->bitmap = bitmap;
    s->live = !final;
    xlm__ranges_begin(&s->ranges, s->now, nr_pfns);
    atomic_store(&s->stop, false);
    rc = scan_all(s, nr);
    if (!rc)
        *nr_out = xlm__bitmap_count(bitmap, nr_pfns);
    return rc;
}

/* ---- */

static void scan_close(struct xlm__dirty *d)
{
    struct scan *s = (struct scan *)d;

    if (!d)
        return;
    for (unsigned i = 0; s->scanners && i < s->nr_scanners; i++)
        xlm__batch_free(s->scanners[i].batch);
    free(s->scanners);
    free(s->sent);
    free(s->now);
    free(s->gone);
    xlm__pagehash_free(s->hash);
    free(s);
}

static const struct xlm__dirty_ops scan_ops = {
    .close = scan_close,
    .fetch = scan_fetch,
    .sending = scan_sending,
};

static unsigned processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    if (n < 1)
        return 1;
    return n < (long)THREADS_MAX ? (unsigned)n : THREADS_MAX;
}

/* 16 bytes a page; holes of the pfn space cost nothing, as calloc() leaves
 * them unbacked. */
static int alloc(struct scan *s)
{
    struct xlm__dom *dom = s->base.dom;

    s->sent = calloc(dom->nr_pfns, sizeof(*s->sent));
    s->now = xlm__bitmap_alloc(dom->nr_pfns);
    s->gone = xlm__bitmap_alloc(dom->nr_pfns);
    s->scanners = calloc(s->nr_scanners, sizeof(*s->scanners));
    if (!s->sent || !s->now || !s->gone || !s->scanners)
        return XLM_FAIL(dom->hv->err, XLM_ERR_NOMEM,
                        "content scan of domain %u: hashes of %llu pages",
                        dom->domid, (unsigned long long)dom->nr_pfns);
    for (unsigned i = 0; i < s->nr_scanners; i++) {
        int rc = xlm__batch_new(dom, &s->scanners[i].batch);

        if (rc)
            return rc;
        s->scanners[i].scan = s;
    }
    return xlm__pagehash_new(dom->hv->err, &s->hash);
}

int xlm__dirty_open_scan(struct xlm__dom *dom,
                         const struct xlm__dirty_params *p,
                         struct xlm__dirty **dirty_out)
{
    struct scan *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return XLM_FAIL(dom->hv->err, XLM_ERR_NOMEM, "dirty pages of domain %u",
                        dom->domid);
    s->base.ops = &scan_ops;
    s->base.dom = dom;
    s->base.way = XLM__DIRTY_SCAN;
    s->check = p->check;
    s->user = p->user;
    s->threads_given = p->threads;
    s->nr_scanners = p->threads ? p->threads : processors();
    rc = alloc(s);
    if (rc)
        scan_close(&s->base);
    else
        *dirty_out = &s->base;
    return rc;
}
