/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory of a translated domain: populated, mapped, filled in place. */
#include "config.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "hv/hv_give.h"
#include "mem/sink_impl.h"
#include "mem/zero.h"
#include "util/bitmap.h"

#define XLM_MODULE "mem"

#define SUPER_ORDER 9u /* 2 MiB */
#define SUPER_PAGES (1u << SUPER_ORDER)

struct hvm_sink {
    struct xlm__sink base; /* must be first */
    /* under lock, which is held across populate and depopulate, so that no
     * two threads populate one page */
    pthread_mutex_t lock;
    uint64_t *populated;
    /* set before the first page comes */
    uint64_t kept[XLM__KEEP_MAX];
    size_t nr_kept;
};

struct xlm__job {
    struct hvm_sink *sink;
    struct xlm__map map; /* while a job is begun */
    uint64_t pfns[XLM__JOB_MAX];
    int errs[XLM__JOB_MAX];
    unsigned char dropped[XLM__PAGE_SIZE]; /* contents of kept pages */
};

static void hvm_close(struct xlm__sink *s)
{
    struct hvm_sink *h = (struct hvm_sink *)s;

    if (!s)
        return;
    pthread_mutex_destroy(&h->lock);
    free(h->populated);
    free(h);
}

static int hvm_job_new(struct xlm__sink *s, struct xlm__job **out)
{
    struct xlm__job *j = calloc(1, sizeof(*j));

    if (!j)
        return XLM_FAIL(s->hv->err, XLM_ERR_NOMEM, "job of %u pages",
                        XLM__JOB_MAX);
    j->sink = (struct hvm_sink *)s;
    *out = j;
    return 0;
}

static int hvm_end(struct xlm__job *j)
{
    struct xlm__hv *hv = j->sink->base.hv;

    if (j->map.addr)
        hv->ops->unmap(hv, &j->map);
    return 0;
}

static void hvm_abort(struct xlm__job *j)
{
    hvm_end(j);
}

static void hvm_job_free(struct xlm__job *j)
{
    if (!j)
        return;
    hvm_end(j);
    free(j);
}

/* Do the next pages make up a 2 MiB extent of which nothing is there yet? */
static bool is_super(const struct hvm_sink *h, size_t nr, const uint64_t *pfns)
{
    if (nr < SUPER_PAGES || pfns[0] % SUPER_PAGES)
        return false;
    for (size_t i = 1; i < SUPER_PAGES; i++) {
        if (pfns[i] != pfns[0] + i)
            return false;
    }
    return xlm__bitmap_all_clear(h->populated, pfns[0], SUPER_PAGES);
}

static int populate_locked(struct hvm_sink *h, size_t nr, const uint64_t *pfns)
{
    struct xlm__hv *hv = h->base.hv;
    uint64_t single[XLM__JOB_MAX];
    size_t nr_single = 0;
    bool nomem = false;
    int rc;

    for (size_t i = 0; i < nr;) {
        if (is_super(h, nr - i, pfns + i)) {
            rc = hv->ops->populate(hv, h->base.domid, SUPER_ORDER, 1, pfns + i,
                                   &nomem);
            if (rc)
                return rc;
            if (!nomem) {
                xlm__bitmap_set_range(h->populated, pfns[i], SUPER_PAGES);
                i += SUPER_PAGES;
                continue;
            }
        }
        /* Memory may be there, only not in one piece: page by page. */
        if (!xlm__bitmap_test(h->populated, pfns[i])) {
            xlm__bitmap_set(h->populated, pfns[i]);
            single[nr_single++] = pfns[i];
        }
        i++;
    }
    if (!nr_single)
        return 0;
    rc = hv->ops->populate(hv, h->base.domid, 0, nr_single, single, &nomem);
    if (!rc && nomem)
        rc = xlm__sink_no_memory(&h->base, nr_single);
    return rc;
}

static int populate(struct hvm_sink *h, size_t nr, const uint64_t *pfns)
{
    int rc;

    pthread_mutex_lock(&h->lock);
    rc = populate_locked(h, nr, pfns);
    pthread_mutex_unlock(&h->lock);
    return rc;
}

/* The first nr of j->pfns. */
static int map_all(struct xlm__job *j, size_t nr)
{
    return xlm__sink_map(&j->sink->base, nr, j->pfns, j->errs, &j->map);
}

static bool is_kept(const struct hvm_sink *h, uint64_t pfn)
{
    for (size_t i = 0; i < h->nr_kept; i++)
        if (h->kept[i] == pfn)
            return true;
    return false;
}

/* Is it ours to fill? */
static bool is_wanted(const struct hvm_sink *h, uint64_t pfn, uint32_t type)
{
    return xlm__sink_type_has_content(type) && !is_kept(h, pfn);
}

static int hvm_begin(struct xlm__job *j, size_t nr, const uint64_t *pfns,
                     const uint32_t *types, void **pages_out)
{
    struct hvm_sink *h = j->sink;
    size_t nr_want = 0, nr_fill = 0, at = 0;
    int rc = xlm__sink_check(&h->base, nr, pfns, types);

    if (rc)
        return rc;
    for (size_t i = 0; i < nr; i++) {
        if (is_wanted(h, pfns[i], types[i]) || types[i] == XLM__PT_XALLOC)
            j->pfns[nr_want++] = pfns[i];
    }
    rc = populate(h, nr_want, j->pfns);
    if (rc)
        return rc;
    for (size_t i = 0; i < nr; i++) {
        if (is_wanted(h, pfns[i], types[i]))
            j->pfns[nr_fill++] = pfns[i];
    }
    rc = nr_fill ? map_all(j, nr_fill) : 0;
    if (rc)
        return rc;
    for (size_t i = 0; i < nr; i++) {
        pages_out[i] = NULL;
        if (is_wanted(h, pfns[i], types[i]))
            pages_out[i] = (unsigned char *)j->map.addr + at++ * XLM__PAGE_SIZE;
        else if (xlm__sink_type_has_content(types[i]))
            pages_out[i] = j->dropped;
    }
    return 0;
}

/* Xen promises nothing about the content of the memory it gives; writing only
 * where it is needed keeps clean cache lines clean. */
static int zero_some(struct xlm__job *j, uint64_t first, size_t nr)
{
    unsigned char *page;
    size_t n = 0;
    int rc;

    for (size_t i = 0; i < nr; i++)
        if (!is_kept(j->sink, first + i))
            j->pfns[n++] = first + i;
    if (!n)
        return 0;
    rc = populate(j->sink, n, j->pfns);
    if (!rc)
        rc = map_all(j, n);
    if (rc)
        return rc;
    page = j->map.addr;
    for (size_t i = 0; i < n; i++, page += XLM__PAGE_SIZE) {
        if (!xlm__page_is_zero(page))
            memset(page, 0, XLM__PAGE_SIZE);
    }
    return hvm_end(j);
}

static int hvm_zero(struct xlm__job *j, uint64_t first, uint64_t nr,
                    uint32_t type)
{
    int rc = xlm__sink_check_zero(&j->sink->base, first, nr, type);

    while (nr && !rc) {
        /* Up to an aligned page number, so that whole extents stay whole. */
        size_t n = XLM__JOB_MAX - first % XLM__JOB_MAX;

        if (n > nr)
            n = nr;
        rc = zero_some(j, first, n);
        first += n;
        nr -= n;
    }
    return rc;
}

static int release_locked(struct hvm_sink *h, uint64_t first, uint64_t end)
{
    const struct xlm__sink *s = &h->base;
    uint64_t pfns[XLM__JOB_MAX];
    uint64_t pfn = first;

    for (;;) {
        size_t n = 0;
        int rc;

        while (n < XLM__JOB_MAX) {
            pfn = xlm__bitmap_next(h->populated, end, pfn);
            if (pfn >= end)
                break;
            if (!is_kept(h, pfn))
                pfns[n++] = pfn;
            pfn++;
        }
        if (!n)
            return 0;
        rc = xlm__hv_give_back(s->hv, s->domid, n, pfns);
        if (rc)
            return rc;
        for (size_t i = 0; i < n; i++)
            xlm__bitmap_clear(h->populated, pfns[i]);
    }
}

static int hvm_release(struct xlm__sink *s, uint64_t first, uint64_t nr)
{
    struct hvm_sink *h = (struct hvm_sink *)s;
    int rc = xlm__sink_check_range(s, first, nr);

    if (rc)
        return rc;
    pthread_mutex_lock(&h->lock);
    rc = release_locked(h, first, first + nr);
    pthread_mutex_unlock(&h->lock);
    return rc;
}

static int hvm_keep(struct xlm__sink *s, uint64_t pfn)
{
    struct hvm_sink *h = (struct hvm_sink *)s;
    struct xlm__job *j = NULL;
    int rc;

    if (is_kept(h, pfn))
        return 0;
    if (h->nr_kept == XLM__KEEP_MAX)
        return XLM_FAIL(s->hv->err, XLM_ERR_INTERNAL,
                        "page %#" PRIx64 ": %u pages are kept already", pfn,
                        XLM__KEEP_MAX);
    rc = hvm_job_new(s, &j);
    if (rc)
        return rc;
    rc = hvm_zero(j, pfn, 1, XLM__PT_NOTAB);
    hvm_job_free(j);
    if (!rc)
        h->kept[h->nr_kept++] = pfn;
    return rc;
}

static const void *hvm_dropped(const struct xlm__job *j)
{
    return j->dropped;
}

static const struct xlm__sink_ops hvm_ops = {
    .close = hvm_close,
    .job_new = hvm_job_new,
    .job_free = hvm_job_free,
    .begin = hvm_begin,
    .end = hvm_end,
    .dropped = hvm_dropped,
    .abort = hvm_abort,
    .zero = hvm_zero,
    .release = hvm_release,
    .keep = hvm_keep,
};

int xlm__sink_open_hvm(struct xlm__hv *hv, uint32_t domid, uint64_t nr_pfns,
                       struct xlm__sink **out)
{
    struct hvm_sink *h = calloc(1, sizeof(*h));

    if (h)
        h->populated = xlm__bitmap_alloc(nr_pfns);
    if (!h || !h->populated) {
        free(h);
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM,
                        "memory map of %" PRIu64 " pages", nr_pfns);
    }
    pthread_mutex_init(&h->lock, NULL);
    h->base.ops = &hvm_ops;
    h->base.hv = hv;
    h->base.domid = domid;
    h->base.nr_pfns = nr_pfns;
    *out = &h->base;
    return 0;
}
