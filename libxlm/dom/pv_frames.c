/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "dom/pv_frames.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dom/dom_pv.h"
#include "hv/hv_give.h"

#define XLM_MODULE "dom"

int xlm__pv_frames_new(struct xlm__errslot *err, uint64_t nr_pfns,
                       struct xlm__pv_frames **out)
{
    struct xlm__pv_frames *f = calloc(1, sizeof(*f));
    bool has_all = false;

    if (f) {
        f->err = err;
        f->nr_pfns = nr_pfns;
        pthread_mutex_init(&f->lock, NULL);
        f->types = calloc(nr_pfns, sizeof(*f->types));
        f->mfns = calloc(nr_pfns, sizeof(*f->mfns));
        has_all = f->types && f->mfns;
    }
    for (size_t i = 0; has_all && i < XLM__PV_RINGS; i++) {
        f->rings[i].pfn = UINT64_MAX;
        f->rings[i].copy = aligned_alloc(XLM__PAGE_SIZE, XLM__PAGE_SIZE);
        has_all = f->rings[i].copy;
        if (has_all)
            memset(f->rings[i].copy, 0, XLM__PAGE_SIZE);
    }
    if (!has_all) {
        xlm__pv_frames_free(f);
        return XLM_FAIL(err, XLM_ERR_NOMEM, "list of %" PRIu64 " frames",
                        nr_pfns);
    }
    *out = f;
    return 0;
}

void xlm__pv_frames_free(struct xlm__pv_frames *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < XLM__PV_RINGS; i++)
        free(f->rings[i].copy);
    pthread_mutex_destroy(&f->lock);
    free(f->mfns);
    free(f->types);
    free(f);
}

const struct xlm__pv_ring *xlm__pv_frames_ring(const struct xlm__pv_frames *f,
                                               uint64_t pfn)
{
    for (size_t i = 0; i < XLM__PV_RINGS; i++)
        if (f->rings[i].pfn == pfn)
            return &f->rings[i];
    return NULL;
}

int xlm__pv_frames_populate(struct xlm__pv_frames *f, struct xlm__hv *hv,
                            uint32_t domid, size_t nr, const uint64_t *pfns,
                            bool *nomem_out)
{
    uint64_t missing[XLM__MAP_MAX], mfns[XLM__MAP_MAX];
    size_t n = 0;
    int rc = 0;

    assert(nr <= XLM__MAP_MAX);
    *nomem_out = false;
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < nr; i++) {
        if (f->mfns[pfns[i]] != XLM__PV_FRAME_NONE)
            continue;
        f->mfns[pfns[i]] = XLM__PV_FRAME_SOON;
        missing[n++] = pfns[i];
    }
    if (n)
        rc = hv->ops->pv_populate(hv, domid, n, missing, mfns, nomem_out);
    for (size_t i = 0; i < n; i++)
        f->mfns[missing[i]] = rc || *nomem_out ? XLM__PV_FRAME_NONE : mfns[i];
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static int release_locked(struct xlm__pv_frames *f, struct xlm__hv *hv,
                          uint32_t domid, uint64_t first, uint64_t end)
{
    uint64_t mfns[XLM__MAP_MAX];
    int rc = 0;

    for (uint64_t pfn = first; pfn < end && !rc;) {
        size_t n = 0;

        for (; pfn < end && n < XLM__MAP_MAX; pfn++) {
            if (!xlm__pv_frames_has(f, pfn) || xlm__pv_frames_ring(f, pfn))
                continue;
            mfns[n++] = f->mfns[pfn];
            f->mfns[pfn] = XLM__PV_FRAME_NONE;
            f->types[pfn] = XLM__PT_XTAB >> 28;
        }
        if (n)
            rc = xlm__hv_give_back(hv, domid, n, mfns);
    }
    return rc;
}

int xlm__pv_frames_release(struct xlm__pv_frames *f, struct xlm__hv *hv,
                           uint32_t domid, uint64_t first, uint64_t nr)
{
    int rc;

    pthread_mutex_lock(&f->lock);
    rc = release_locked(f, hv, domid, first, first + nr);
    pthread_mutex_unlock(&f->lock);
    return rc;
}

int xlm__pv_frames_trim(struct xlm__pv_frames *f, struct xlm__hv *hv,
                        uint32_t domid)
{
    int rc = 0;

    for (uint64_t pfn = 0; pfn < f->nr_pfns && !rc; pfn++)
        if (!(f->types[pfn] & XLM__PV_CAME) && xlm__pv_frames_has(f, pfn))
            rc = xlm__pv_frames_release(f, hv, domid, pfn, 1);
    return rc;
}

static uint64_t pfn_in(uint64_t pte)
{
    return (pte & XLM__PV_PTE_MFN_MASK) >> XLM__PAGE_SHIFT;
}

/* What it leads to: all are pages that the domain can have, and have memory. */
static int provide(struct xlm__pv_frames *f, struct xlm__hv *hv, uint32_t domid,
                   uint64_t pfn, const uint64_t ptes[XLM__PV_ENTRIES],
                   bool *nomem_out)
{
    uint64_t missing[XLM__PV_ENTRIES];
    size_t n = 0;

    *nomem_out = false;
    for (unsigned i = 0; i < XLM__PV_ENTRIES; i++) {
        if (!(ptes[i] & XLM__PV_PTE_PRESENT))
            continue;
        if (pfn_in(ptes[i]) >= f->nr_pfns)
            return XLM_FAIL(f->err, XLM_ERR_STREAM,
                            "page table at page %#" PRIx64
                            ": entry %u leads to page %#" PRIx64
                            ", limit %#" PRIx64,
                            pfn, i, pfn_in(ptes[i]), f->nr_pfns);
        if (!xlm__pv_frames_has(f, pfn_in(ptes[i])))
            missing[n++] = pfn_in(ptes[i]);
    }
    return n ? xlm__pv_frames_populate(f, hv, domid, n, missing, nomem_out) : 0;
}

static int convert(const struct xlm__pv_frames *f, uint64_t pfn,
                   uint64_t ptes[XLM__PV_ENTRIES])
{
    for (unsigned i = 0; i < XLM__PV_ENTRIES; i++) {
        uint64_t mfn;

        if (!(ptes[i] & XLM__PV_PTE_PRESENT))
            continue;
        if (!xlm__pv_frames_mfn(f, pfn_in(ptes[i]), &mfn))
            return XLM_FAIL(f->err, XLM_ERR_STREAM,
                            "page table at page %#" PRIx64
                            ": entry %u leads to page %#" PRIx64
                            ", which was given back meanwhile",
                            pfn, i, pfn_in(ptes[i]));
        ptes[i] = (ptes[i] & ~XLM__PV_PTE_MFN_MASK) |
                  (mfn << XLM__PAGE_SHIFT & XLM__PV_PTE_MFN_MASK);
    }
    return 0;
}

int xlm__pv_frames_localise(struct xlm__pv_frames *f, struct xlm__hv *hv,
                            uint32_t domid, uint64_t pfn, uint64_t *table,
                            bool *nomem_out)
{
    const volatile uint64_t *live = table;
    uint64_t ptes[XLM__PV_ENTRIES];
    int rc;

    /* A peer that sends a page on two channels at once must not change what
     * was checked: each entry is read once. */
    for (unsigned i = 0; i < XLM__PV_ENTRIES; i++)
        ptes[i] = live[i];
    rc = provide(f, hv, domid, pfn, ptes, nomem_out);
    if (!rc && !*nomem_out)
        rc = convert(f, pfn, ptes);
    if (!rc && !*nomem_out)
        memcpy(table, ptes, sizeof(ptes));
    return rc;
}
