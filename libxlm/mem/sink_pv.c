/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory of a PV domain: passed on as PAGE_DATA records to libxl's helper,
 * which allocates frames and turns the pfns in page tables into them.
 *
 *      u32 count │ u32 0 │ count x u64 (type<<32 | pfn) │ pages with content
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "mem/sink_impl.h"

#define XLM_MODULE "mem"

#define XC_PAGE_DATA 0x01u /* libxc's stream, v3 */
#define ZERO_MAX     256u  /* zero pages in a record: 1 MiB */

struct pv_sink {
    struct xlm__sink base; /* must be first */
    xlm__relay_fn *relay;
    void *user;
};

struct xlm__job {
    struct pv_sink *sink;
    size_t nr, nr_content; /* of the job begun */
    uint64_t entries[XLM__JOB_MAX];
    unsigned char *pages; /* XLM__JOB_MAX of them */
};

static void pv_close(struct xlm__sink *s)
{
    free(s);
}

static int pv_job_new(struct xlm__sink *s, struct xlm__job **out)
{
    struct xlm__job *j = calloc(1, sizeof(*j));

    if (j)
        j->pages = aligned_alloc(XLM__PAGE_SIZE,
                                 (size_t)XLM__JOB_MAX * XLM__PAGE_SIZE);
    if (!j || !j->pages) {
        free(j);
        return XLM_FAIL(s->hv->err, XLM_ERR_NOMEM, "job of %u pages",
                        XLM__JOB_MAX);
    }
    j->sink = (struct pv_sink *)s;
    *out = j;
    return 0;
}

static void pv_job_free(struct xlm__job *j)
{
    if (!j)
        return;
    free(j->pages);
    free(j);
}

static int relay(const struct pv_sink *s, size_t nr, const uint64_t *entries,
                 size_t nr_content, const void *pages)
{
    uint32_t head[2] = { (uint32_t)nr, 0 };
    const struct iovec parts[] = {
        { head, sizeof(head) },
        { (void *)(uintptr_t)entries, nr * sizeof(*entries) },
        { (void *)(uintptr_t)pages, nr_content * XLM__PAGE_SIZE },
    };

    if (!nr)
        return 0;
    return s->relay(s->user, XC_PAGE_DATA, nr_content ? 3 : 2, parts);
}

static uint64_t entry(uint64_t pfn, uint32_t type)
{
    return (uint64_t)type << 32 | pfn;
}

static int pv_begin(struct xlm__job *j, size_t nr, const uint64_t *pfns,
                    const uint32_t *types, void **pages_out)
{
    int rc = xlm__sink_check(&j->sink->base, nr, pfns, types);

    if (rc)
        return rc;
    j->nr = nr;
    j->nr_content = 0;
    for (size_t i = 0; i < nr; i++) {
        j->entries[i] = entry(pfns[i], types[i]);
        pages_out[i] = NULL;
        if (xlm__sink_type_has_content(types[i]))
            pages_out[i] = j->pages + j->nr_content++ * XLM__PAGE_SIZE;
    }
    return 0;
}

static int pv_end(struct xlm__job *j)
{
    size_t nr = j->nr;

    j->nr = 0;
    return relay(j->sink, nr, j->entries, j->nr_content, j->pages);
}

static void pv_abort(struct xlm__job *j)
{
    j->nr = 0;
}

static int pv_zero(struct xlm__job *j, uint64_t first, uint64_t nr,
                   uint32_t type)
{
    int rc = xlm__sink_check_zero(&j->sink->base, first, nr, type);

    if (!rc) /* runs are short where memory is in use */
        memset(j->pages, 0, (nr < ZERO_MAX ? nr : ZERO_MAX) * XLM__PAGE_SIZE);
    while (nr && !rc) {
        size_t n = nr < ZERO_MAX ? nr : ZERO_MAX;

        for (size_t i = 0; i < n; i++)
            j->entries[i] = entry(first + i, type);
        rc = relay(j->sink, n, j->entries, n, j->pages);
        first += n;
        nr -= n;
    }
    return rc;
}

/*
 * The helper has no way to free a page, but must know that it holds nothing:
 * it would else try to pin what was a page table.
 */
static int pv_release(struct xlm__sink *s, uint64_t first, uint64_t nr)
{
    uint64_t entries[XLM__JOB_MAX], left = nr, pfn = first;
    int rc = xlm__sink_check_range(s, first, nr);

    while (left && !rc) {
        size_t n = left < XLM__JOB_MAX ? left : XLM__JOB_MAX;

        for (size_t i = 0; i < n; i++)
            entries[i] = entry(pfn + i, XLM__PT_XTAB);
        rc = relay((struct pv_sink *)s, n, entries, 0, NULL);
        pfn += n;
        left -= n;
    }
    if (!rc)
        XLM_LOG(s->hv->err, DEBUG,
                "domain %u: %" PRIu64 " pages from %#" PRIx64
                " are no longer in use; if they were sent before, their "
                "memory stays allocated",
                s->domid, nr, first);
    return rc;
}

static int pv_keep(struct xlm__sink *s, uint64_t pfn)
{
    return XLM_FAIL(s->hv->err, XLM_ERR_INTERNAL,
                    "page %#" PRIx64 " of a PV domain is to be kept", pfn);
}

static const void *pv_dropped(const struct xlm__job *j)
{
    (void)j;
    return NULL;
}

static const struct xlm__sink_ops pv_ops = {
    .close = pv_close,
    .job_new = pv_job_new,
    .job_free = pv_job_free,
    .begin = pv_begin,
    .end = pv_end,
    .dropped = pv_dropped,
    .abort = pv_abort,
    .zero = pv_zero,
    .release = pv_release,
    .keep = pv_keep,
};

int xlm__sink_open_pv(struct xlm__hv *hv, uint32_t domid, uint64_t nr_pfns,
                      xlm__relay_fn *relay_fn, void *relay_user,
                      struct xlm__sink **out)
{
    struct pv_sink *p = calloc(1, sizeof(*p));

    if (!p)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "handle of domain %u", domid);
    p->base.ops = &pv_ops;
    p->base.hv = hv;
    p->base.domid = domid;
    p->base.nr_pfns = nr_pfns;
    p->relay = relay_fn;
    p->user = relay_user;
    *out = &p->base;
    return 0;
}
