/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory of a PV domain that libxl's helper is done with: populated, mapped,
 * filled in place.  Page tables lead to frames as soon as they are complete.
 * Every mapping ends with its job: Xen pins no table that is mapped for
 * writing.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dom/dom_pv.h"
#include "mem/sink_impl.h"
#include "mem/zero.h"

#define XLM_MODULE "mem"

struct frames_sink {
    struct xlm__sink base; /* must be first */
    struct xlm__pv_frames *frames;
};

struct xlm__job {
    struct frames_sink *sink;
    struct xlm__map map; /* while a job is begun */
    size_t nr;           /* of the job begun     */
    uint64_t pfns[XLM__JOB_MAX];
    uint32_t types[XLM__JOB_MAX];
    void *pages[XLM__JOB_MAX];
    uint64_t gfns[XLM__JOB_MAX];
    int errs[XLM__JOB_MAX];
};

static void frames_close(struct xlm__sink *s)
{
    free(s);
}

static int frames_job_new(struct xlm__sink *s, struct xlm__job **out)
{
    struct xlm__job *j = calloc(1, sizeof(*j));

    if (!j)
        return XLM_FAIL(s->hv->err, XLM_ERR_NOMEM, "job of %u pages",
                        XLM__JOB_MAX);
    j->sink = (struct frames_sink *)s;
    *out = j;
    return 0;
}

static void frames_abort(struct xlm__job *j)
{
    struct xlm__hv *hv = j->sink->base.hv;

    j->nr = 0;
    if (j->map.addr)
        hv->ops->unmap(hv, &j->map);
}

static void frames_job_free(struct xlm__job *j)
{
    if (!j)
        return;
    frames_abort(j);
    free(j);
}

static int populate(struct frames_sink *f, size_t nr, const uint64_t *pfns)
{
    const struct xlm__sink *s = &f->base;
    bool nomem = false;
    int rc = xlm__pv_frames_populate(f->frames, s->hv, s->domid, nr, pfns,
                                     &nomem);

    return !rc && nomem ? xlm__sink_no_memory(s, nr) : rc;
}

static bool has_content(const struct xlm__job *j, size_t i)
{
    return xlm__sink_type_has_content(j->types[i]);
}

/* A page that is in use here is filled beside it. */
static unsigned char *ring_of(const struct xlm__job *j, size_t i)
{
    const struct xlm__pv_ring *r = xlm__pv_frames_ring(j->sink->frames,
                                                       j->pfns[i]);

    return r ? r->copy : NULL;
}

static int provide(struct xlm__job *j, size_t nr)
{
    uint64_t wanted[XLM__JOB_MAX];
    size_t n = 0;

    for (size_t i = 0; i < nr; i++)
        if (has_content(j, i) || j->types[i] == XLM__PT_XALLOC)
            wanted[n++] = j->pfns[i];
    return n ? populate(j->sink, n, wanted) : 0;
}

static int open_job(struct xlm__job *j, size_t nr)
{
    size_t n = 0, at = 0;
    int rc = provide(j, nr);

    for (size_t i = 0; i < nr && !rc; i++) {
        j->pages[i] = has_content(j, i) ? ring_of(j, i) : NULL;
        if (has_content(j, i) && !j->pages[i])
            j->gfns[n++] = j->sink->frames->mfns[j->pfns[i]];
    }
    if (!rc && n)
        rc = xlm__sink_map(&j->sink->base, n, j->gfns, j->errs, &j->map);
    for (size_t i = 0; i < nr && !rc; i++)
        if (has_content(j, i) && !j->pages[i])
            j->pages[i] = (char *)j->map.addr + at++ * XLM__PAGE_SIZE;
    j->nr = rc ? 0 : nr;
    return rc;
}

static int frames_begin(struct xlm__job *j, size_t nr, const uint64_t *pfns,
                        const uint32_t *types, void **pages_out)
{
    int rc = xlm__sink_check(&j->sink->base, nr, pfns, types);

    if (rc || !nr)
        return rc;
    memcpy(j->pfns, pfns, nr * sizeof(*pfns));
    memcpy(j->types, types, nr * sizeof(*types));
    rc = open_job(j, nr);
    if (!rc)
        memcpy(pages_out, j->pages, nr * sizeof(*pages_out));
    return rc;
}

static void note_type(struct xlm__job *j, size_t i)
{
    j->sink->frames->types[j->pfns[i]] = (uint8_t)(j->types[i] >> 28 |
                                                   XLM__PV_CAME);
}

static int settle_page(struct xlm__job *j, size_t i)
{
    struct frames_sink *f = j->sink;
    const struct xlm__sink *s = &f->base;
    bool nomem = false;
    int rc = 0;

    note_type(j, i);
    if (xlm__pv_pt_level(j->types[i]) && !ring_of(j, i))
        rc = xlm__pv_frames_localise(f->frames, s->hv, s->domid, j->pfns[i],
                                     j->pages[i], &nomem);
    return !rc && nomem ? xlm__sink_no_memory(s, XLM__PV_ENTRIES) : rc;
}

static int frames_end(struct xlm__job *j)
{
    int rc = 0;

    for (size_t i = 0; i < j->nr && !rc; i++)
        rc = settle_page(j, i);
    frames_abort(j);
    return rc;
}

static int zero_some(struct xlm__job *j, uint64_t first, size_t nr,
                     uint32_t type)
{
    int rc;

    for (size_t i = 0; i < nr; i++) {
        j->pfns[i] = first + i;
        j->types[i] = type;
    }
    rc = open_job(j, nr);
    for (size_t i = 0; i < nr && !rc; i++) {
        if (!xlm__page_is_zero(j->pages[i]))
            memset(j->pages[i], 0, XLM__PAGE_SIZE);
        note_type(j, i);
    }
    frames_abort(j);
    return rc;
}

static int frames_zero(struct xlm__job *j, uint64_t first, uint64_t nr,
                       uint32_t type)
{
    int rc = xlm__sink_check_zero(&j->sink->base, first, nr, type);

    while (nr && !rc) {
        size_t n = nr < XLM__JOB_MAX ? nr : XLM__JOB_MAX;

        rc = zero_some(j, first, n, type);
        first += n;
        nr -= n;
    }
    return rc;
}

static int frames_release(struct xlm__sink *s, uint64_t first, uint64_t nr)
{
    struct frames_sink *f = (struct frames_sink *)s;
    int rc = xlm__sink_check_range(s, first, nr);

    return rc ? rc
              : xlm__pv_frames_release(f->frames, s->hv, s->domid, first, nr);
}

static int frames_keep(struct xlm__sink *s, uint64_t pfn)
{
    return XLM_FAIL(s->hv->err, XLM_ERR_INTERNAL,
                    "page %#" PRIx64 " of a PV domain is to be kept", pfn);
}

static const void *frames_dropped(const struct xlm__job *j)
{
    (void)j;
    return NULL;
}

static const struct xlm__sink_ops frames_ops = {
    .close = frames_close,
    .job_new = frames_job_new,
    .job_free = frames_job_free,
    .begin = frames_begin,
    .end = frames_end,
    .dropped = frames_dropped,
    .abort = frames_abort,
    .zero = frames_zero,
    .release = frames_release,
    .keep = frames_keep,
};

int xlm__sink_open_frames(struct xlm__hv *hv, uint32_t domid,
                          struct xlm__pv_frames *frames, struct xlm__sink **out)
{
    struct frames_sink *f = calloc(1, sizeof(*f));

    if (!f)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "handle of domain %u", domid);
    f->base.ops = &frames_ops;
    f->base.hv = hv;
    f->base.domid = domid;
    f->base.nr_pfns = frames->nr_pfns;
    f->frames = frames;
    *out = &f->base;
    return 0;
}
