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

#include <stdlib.h>

#include "mem/dirty_impl.h"
#include "mem/reader.h"
#include "util/bitmap.h"

#define XLM_MODULE "mem"

struct scan {
    struct xlm__dirty base; /* must be first */
    /* set once */
    struct xlm__pagehash *hash;
    int (*check)(void *user);
    void *user;
    struct xlm__reader *reader;
    /* by pfn, all zero if it was not sent; a pfn's sender writes it */
    struct xlm__hash *sent;
    /* of one fetch(), set before its threads start */
    uint64_t *now;  /* what has memory */
    uint64_t *gone; /* of no interest: it is not sent */
    uint64_t *bitmap;
};

/* ---- what is sent ---- */

static void note(void *user, const struct xlm__entry *e)
{
    struct scan *s = user;

    s->sent[e->pfn] = xlm__entry_hash(s->hash, e);
}

static int scan_sending(struct xlm__dirty *d, struct xlm__batch *b)
{
    return xlm__batch_privatise(b, note, d);
}

/* ---- what differs ---- */

static void compare(void *user, const struct xlm__batch *b)
{
    struct scan *s = user;
    size_t nr;
    const struct xlm__entry *e = xlm__batch_entries(b, &nr);

    for (size_t i = 0; i < nr; i++) {
        if (!xlm__hash_same(xlm__entry_hash(s->hash, &e[i]), s->sent[e[i].pfn]))
            xlm__bitmap_atomic_set(s->bitmap, e[i].pfn);
    }
}

static int check(void *user)
{
    struct scan *s = user;

    return s->check(s->user);
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
    /* A page table that cannot travel now is one that has changed. */
    rc = xlm__reader_run(s->reader, &(struct xlm__reading){
                                        .pages = s->now,
                                        .nr_pages = nr,
                                        .live = !final,
                                        .deferred = bitmap,
                                        .gone = s->gone,
                                        .check = s->check ? check : NULL,
                                        .each = compare,
                                        .user = s,
                                    });
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
    xlm__reader_free(s->reader);
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

/* 16 bytes a page; holes of the pfn space cost nothing, as calloc() leaves
 * them unbacked. */
static int alloc(struct scan *s, unsigned threads)
{
    struct xlm__dom *dom = s->base.dom;
    int rc;

    s->sent = calloc(dom->nr_pfns, sizeof(*s->sent));
    s->now = xlm__bitmap_alloc(dom->nr_pfns);
    s->gone = xlm__bitmap_alloc(dom->nr_pfns);
    if (!s->sent || !s->now || !s->gone)
        return XLM_FAIL(dom->hv->err, XLM_ERR_NOMEM,
                        "content scan of domain %u: hashes of %llu pages",
                        dom->domid, (unsigned long long)dom->nr_pfns);
    rc = xlm__reader_new(dom, threads, &s->reader);
    return rc ? rc : xlm__pagehash_new(dom->hv->err, &s->hash);
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
    rc = alloc(s, p->threads);
    if (rc)
        scan_close(&s->base);
    else
        *dirty_out = &s->base;
    return rc;
}
