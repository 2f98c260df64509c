/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 64-bit PV guests. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dom/dom_pv.h"
#include "dom/dom_x86.h"
#include "util/bitmap.h"

#define XLM_MODULE "dom"

/* A guest moves its p2m in microseconds, unless its vcpu loses the CPU in
 * between: wait for up to some scheduling quanta of Xen (30 ms each). */
#define PATIENT_TRIES    100
#define REFRESH_SLEEP_NS 1000000

struct pv {
    struct xlm__dom base; /* must be first */
    /* set once */
    struct xlm__map m2p;
    uint64_t nr_mfns;
    struct xlm__map shared;
    /* under lock (written by refresh(), read by everybody) */
    pthread_rwlock_t lock;
    struct xlm__pv_p2m p2m;
    /* owned by the engine thread: what X86_PV_P2M_FRAMES said */
    uint64_t *emitted;
    size_t nr_emitted;
};

static struct pv *pv_of(struct xlm__dom *dom)
{
    return (struct pv *)dom;
}

/* Valid while the lock is held. */
static struct xlm__pv_view view_of(const struct pv *pv)
{
    return (struct xlm__pv_view){
        .m2p = pv->m2p.addr,
        .nr_mfns = pv->nr_mfns,
        .p2m = pv->p2m.maps,
        .nr_pfns = pv->p2m.nr_pfns,
    };
}

static uint64_t generation(const struct pv *pv)
{
    struct xlm__pv_anchor a;

    xlm__pv_anchor_read(pv->shared.addr, &a);
    return a.generation;
}

static void pv_close(struct xlm__dom *dom)
{
    struct pv *pv = pv_of(dom);

    if (!dom)
        return;
    xlm__pv_p2m_free(dom->hv, &pv->p2m);
    if (pv->shared.addr)
        dom->hv->ops->unmap(dom->hv, &pv->shared);
    if (pv->m2p.addr)
        dom->hv->ops->unmap(dom->hv, &pv->m2p);
    pthread_rwlock_destroy(&pv->lock);
    free(pv->emitted);
    free(pv);
}

enum { UNUSABLE = 1, MOVING = 2 }; /* both with the reason in why */

/*
 * Walk to the p2m (again).  An odd generation means that the guest is at it;
 * one that changed meanwhile, that what we saw was of two times.
 */
static int load(struct pv *pv, int tries, struct xlm__pv_p2m *out,
                char why[XLM__PV_WHY_BYTES])
{
    const struct timespec pause = { .tv_nsec = REFRESH_SLEEP_NS };

    for (int i = 0; i < tries; i++) {
        struct xlm__pv_anchor a;
        int rc;

        if (i)
            nanosleep(&pause, NULL);
        xlm__pv_anchor_read(pv->shared.addr, &a);
        if (a.generation & 1)
            continue;
        rc = xlm__pv_p2m_load(&pv->base, &a, pv->m2p.addr, pv->nr_mfns,
                              pv->base.nr_pfns, out, why);
        if (rc < 0 || generation(pv) == a.generation)
            return rc;
        if (!rc)
            xlm__pv_p2m_free(pv->base.hv, out);
    }
    snprintf(why, XLM__PV_WHY_BYTES,
             "p2m: the guest does not stop moving it (generation %" PRIu64 ")",
             generation(pv));
    return MOVING;
}

static int unusable(struct pv *pv, const char *why)
{
    return XLM_FAIL(pv->base.hv->err, XLM_ERR_INCOMPATIBLE, "domain %u: %s",
                    pv->base.domid, why);
}

static bool is_stale(struct pv *pv)
{
    bool stale;

    pthread_rwlock_rdlock(&pv->lock);
    stale = generation(pv) != pv->p2m.generation;
    pthread_rwlock_unlock(&pv->lock);
    return stale;
}

/*
 * If the guest moved its p2m, follow.  While it is still moving it: wait, or,
 * if not patient, go on with the old one.  That is safe for a running guest:
 * each entry is checked against the M2P, and pages that seem to be gone are
 * looked for again when it is suspended.
 */
static int refresh(struct pv *pv, bool patient)
{
    struct xlm__pv_p2m fresh;
    char why[XLM__PV_WHY_BYTES];
    int rc = 0;

    if (!is_stale(pv))
        return 0;
    pthread_rwlock_wrlock(&pv->lock);
    if (generation(pv) != pv->p2m.generation) {
        rc = load(pv, patient ? PATIENT_TRIES : 1, &fresh, why);
        if (!rc) {
            xlm__pv_p2m_free(pv->base.hv, &pv->p2m);
            pv->p2m = fresh;
        }
    }
    pthread_rwlock_unlock(&pv->lock);
    if (rc == MOVING && !patient)
        return 0;
    return rc > 0 ? unusable(pv, why) : rc;
}

static int pv_ram(struct xlm__dom *dom, uint64_t *ram, uint64_t *nr_out)
{
    struct pv *pv = pv_of(dom);
    struct xlm__pv_view v;
    uint64_t nr = 0, mfn;
    int rc = refresh(pv, true);

    if (rc)
        return rc;
    pthread_rwlock_rdlock(&pv->lock);
    v = view_of(pv);
    for (uint64_t pfn = 0; pfn < v.nr_pfns; pfn++) {
        if (!xlm__pv_pfn_to_mfn(&v, pfn, &mfn))
            continue;
        xlm__bitmap_set(ram, pfn);
        nr++;
    }
    pthread_rwlock_unlock(&pv->lock);
    *nr_out = nr;
    return 0;
}

static int pv_gfns(struct xlm__dom *dom, size_t nr, const uint64_t *pfns,
                   uint64_t *gfns_out)
{
    struct pv *pv = pv_of(dom);
    struct xlm__pv_view v;
    int rc = refresh(pv, false);

    if (rc)
        return rc;
    pthread_rwlock_rdlock(&pv->lock);
    v = view_of(pv);
    for (size_t i = 0; i < nr; i++) {
        if (pfns[i] >= v.nr_pfns ||
            !xlm__pv_pfn_to_mfn(&v, pfns[i], &gfns_out[i]))
            gfns_out[i] = UINT64_MAX;
    }
    pthread_rwlock_unlock(&pv->lock);
    return 0;
}

static bool pv_pfn_of(struct xlm__dom *dom, uint64_t gfn, uint64_t *pfn_out)
{
    struct pv *pv = pv_of(dom);
    struct xlm__pv_view v;
    bool is_own;

    pthread_rwlock_rdlock(&pv->lock);
    v = view_of(pv);
    is_own = xlm__pv_mfn_to_pfn(&v, gfn, pfn_out);
    pthread_rwlock_unlock(&pv->lock);
    return is_own;
}

static bool pv_needs_copy(uint32_t type)
{
    return xlm__pv_pt_level(type) != 0;
}

static int pv_page_out(struct xlm__dom *dom, uint64_t pfn, uint32_t type,
                       const void *in, void *out, bool live,
                       enum xlm__page_fate *fate_out)
{
    struct pv *pv = pv_of(dom);
    unsigned level = xlm__pv_pt_level(type), slot = 0;
    struct xlm__pv_view v;
    enum xlm__pv_pt result;

    *fate_out = XLM__PAGE_SEND;
    if (!level) {
        memcpy(out, in, XLM__PAGE_SIZE);
        return 0;
    }
    pthread_rwlock_rdlock(&pv->lock);
    v = view_of(pv);
    result = xlm__pv_pt_normalise(&v, level, in, out, &slot);
    pthread_rwlock_unlock(&pv->lock);
    if (result == XLM__PV_PT_OK)
        return 0;
    /* Half-done updates, grant mappings, a page that has just become
     * something else: while the guest runs that is its good right. */
    if (live) {
        *fate_out = XLM__PAGE_DEFER;
        return 0;
    }
    return XLM_FAIL(dom->hv->err, XLM_ERR_INCOMPATIBLE,
                    "domain %u: page table at pfn %#" PRIx64
                    ", level %u, entry %u %s",
                    dom->domid, pfn, level, slot,
                    result == XLM__PV_PT_SUPERPAGE
                        ? "is a superpage"
                        : "maps a page that is not the guest's own");
}

/* X86_PV_P2M_FRAMES: {u32 first_pfn, u32 last_pfn, u64 pfn of a leaf...} */
static int emit_p2m_frames(struct pv *pv, xlm__emit_fn *emit, void *user)
{
    size_t nr = pv->p2m.nr_frames, bytes = (nr + 1) * sizeof(uint64_t);
    uint64_t *body = malloc(bytes);
    uint32_t range[2] = { 0, (uint32_t)(pv->p2m.nr_pfns - 1) };
    int rc;

    if (!body)
        return XLM_FAIL(pv->base.hv->err, XLM_ERR_NOMEM,
                        "list of %zu p2m pages", nr);
    memcpy(body, range, sizeof(range));
    memcpy(body + 1, pv->p2m.pfns, nr * sizeof(*body));
    rc = emit(user, XLM__XC_X86_PV_P2M_FRAMES, body, bytes);
    memmove(body, body + 1, nr * sizeof(*body));
    free(pv->emitted);
    pv->emitted = body;
    pv->nr_emitted = nr;
    return rc;
}

static int pv_emit_static(struct xlm__dom *dom, xlm__emit_fn *emit, void *user)
{
    /* X86_PV_INFO: guest width in bytes, page table levels, 6 reserved */
    static const unsigned char info[8] = { 8, 4 };
    int rc = refresh(pv_of(dom), true);

    if (!rc)
        rc = emit(user, XLM__XC_X86_PV_INFO, info, sizeof(info));
    if (!rc)
        rc = xlm__emit_policies(dom, emit, user);
    if (!rc)
        rc = emit(user, XLM__XC_STATIC_DATA_END, NULL, 0);
    if (!rc)
        rc = emit_p2m_frames(pv_of(dom), emit, user);
    return rc;
}

static bool p2m_frames_changed(const struct pv *pv)
{
    return pv->nr_emitted != pv->p2m.nr_frames ||
           memcmp(pv->emitted, pv->p2m.pfns,
                  pv->nr_emitted * sizeof(*pv->emitted));
}

static int emit_shared_info(struct pv *pv, xlm__emit_fn *emit, void *user)
{
    unsigned char copy[XLM__PAGE_SIZE];

    memcpy(copy, pv->shared.addr, sizeof(copy));
    return emit(user, XLM__XC_SHARED_INFO, copy, sizeof(copy));
}

static int pv_emit_tail(struct xlm__dom *dom, xlm__emit_fn *emit, void *user)
{
    struct pv *pv = pv_of(dom);
    struct xlm__pv_view v;
    int rc = refresh(pv, true);

    /* Alone with the domain now: it is suspended, the senders are done. */
    if (!rc && p2m_frames_changed(pv))
        rc = emit_p2m_frames(pv, emit, user);
    if (!rc)
        rc = xlm__emit_tsc(dom, emit, user);
    if (!rc)
        rc = emit_shared_info(pv, emit, user);
    if (rc)
        return rc;
    v = view_of(pv);
    return xlm__pv_emit_vcpus(dom, &v, emit, user);
}

static const struct xlm__dom_ops pv_ops = {
    .close = pv_close,
    .ram = pv_ram,
    .gfns = pv_gfns,
    .pfn_of = pv_pfn_of,
    .needs_copy = pv_needs_copy,
    .page_out = pv_page_out,
    .emit_static = pv_emit_static,
    .emit_tail = pv_emit_tail,
};

static int check_width(struct xlm__hv *hv, uint32_t domid)
{
    unsigned width = 0;
    int rc = hv->ops->pv_width(hv, domid, &width);

    if (rc || width == 8)
        return rc;
    return XLM_FAIL(hv->err, XLM_ERR_INCOMPATIBLE,
                    "domain %u is a %u-bit PV guest: only 64-bit ones can be "
                    "moved",
                    domid, width * 8);
}

static int map_shared_info(struct pv *pv, uint64_t mfn)
{
    struct xlm__hv *hv = pv->base.hv;
    int err = 0, rc;

    rc = hv->ops->map(hv, pv->base.domid, false, 1, &mfn, &err, &pv->shared);
    if (rc || !err)
        return rc;
    return XLM_FAIL(hv->err, XLM_ERR_HYPERVISOR,
                    "map shared info page of domain %u at mfn %#" PRIx64
                    ": error %d",
                    pv->base.domid, mfn, err);
}

int xlm__dom_open_pv(struct xlm__hv *hv, const struct xlm__dominfo *info,
                     struct xlm__dom **dom_out)
{
    char why[XLM__PV_WHY_BYTES];
    struct pv *pv;
    int rc = check_width(hv, info->domid);

    if (rc)
        return rc;
    pv = calloc(1, sizeof(*pv));
    if (!pv)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "handle of domain %u",
                        info->domid);
    pv->base.ops = &pv_ops;
    pv->base.hv = hv;
    pv->base.domid = info->domid;
    pthread_rwlock_init(&pv->lock, NULL);

    rc = hv->ops->m2p_map(hv, &pv->m2p, &pv->nr_mfns);
    if (!rc)
        rc = map_shared_info(pv, info->shared_info_mfn);
    if (!rc)
        rc = load(pv, PATIENT_TRIES, &pv->p2m, why);
    if (rc > 0)
        rc = unusable(pv, why);
    if (rc) {
        pv_close(&pv->base);
        return rc;
    }
    pv->base.nr_pfns = pv->p2m.nr_pfns;
    *dom_out = &pv->base;
    return 0;
}
