/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "mem/frames_verify.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "dom/dom_pv.h"
#include "mem/reader.h"

#define XLM_MODULE "mem"

/* Of all threads. */
struct job {
    const struct xlm__frames_verify *v;
    struct xlm__map m2p;
    uint64_t nr_mfns;
    _Atomic uint64_t next; /* page that nobody has taken yet */
    pthread_mutex_t lock;  /* of differs() */
};

/* One thread's. */
struct batch {
    /* as it came, once more */
    _Alignas(XLM__PAGE_SIZE) uint64_t table[XLM__PV_ENTRIES];
    struct job *job;
    pthread_t thread;
    int rc;
    size_t nr;
    uint64_t pfns[XLM__MAP_MAX], mfns[XLM__MAP_MAX];
    int errs[XLM__MAP_MAX];
};

/* Xen's word for which page a frame is, and ours for which frame it has. */
static bool turn_back(const struct job *j, uint64_t *pte)
{
    const uint64_t mfn = (*pte & XLM__PV_PTE_MFN_MASK) >> XLM__PAGE_SHIFT;
    const struct xlm__pv_frames *f = j->v->frames;
    const uint64_t *m2p = j->m2p.addr;

    if (!(*pte & XLM__PV_PTE_PRESENT))
        return true;
    if (mfn >= j->nr_mfns || m2p[mfn] >= f->nr_pfns || f->mfns[m2p[mfn]] != mfn)
        return false;
    *pte = (*pte & ~XLM__PV_PTE_MFN_MASK) | m2p[mfn] << XLM__PAGE_SHIFT;
    return true;
}

static bool is_same(struct batch *b, uint64_t pfn, const void *page)
{
    const struct xlm__frames_verify *v = b->job->v;
    const uint32_t type = xlm__pv_frames_type(v->frames, pfn);

    if (xlm__pv_pt_level(type)) {
        memcpy(b->table, page, sizeof(b->table));
        for (unsigned i = 0; i < XLM__PV_ENTRIES; i++)
            if (!turn_back(b->job, &b->table[i]))
                return false;
        page = b->table;
    }
    return xlm__hash_same(xlm__pagehash(v->hash, type, page), v->notes[pfn]);
}

static void tell(struct job *j, uint64_t pfn)
{
    pthread_mutex_lock(&j->lock);
    j->v->differs(j->v->user, pfn);
    pthread_mutex_unlock(&j->lock);
}

static int run_batch(struct batch *b)
{
    const struct xlm__frames_verify *v = b->job->v;
    struct xlm__map map = { 0 };
    int rc = v->check(v->user);

    if (!rc)
        rc = v->hv->ops->map(v->hv, v->domid, false, b->nr, b->mfns, b->errs,
                             &map);
    for (size_t i = 0; i < b->nr && !rc; i++) {
        if (b->errs[i])
            rc = XLM_FAIL(v->hv->err, XLM_ERR_HYPERVISOR,
                          "map frame %#" PRIx64 " of domain %u: error %d",
                          b->mfns[i], v->domid, b->errs[i]);
        else if (!is_same(b, b->pfns[i], (char *)map.addr + i * XLM__PAGE_SIZE))
            tell(b->job, b->pfns[i]);
    }
    if (map.addr)
        v->hv->ops->unmap(v->hv, &map);
    b->nr = 0;
    return rc;
}

/* With contents of its own, which nobody here has changed. */
static bool is_wanted(const struct xlm__pv_frames *f, uint64_t pfn)
{
    return (f->types[pfn] & XLM__PV_CAME) && xlm__pv_frames_has(f, pfn) &&
           xlm__pv_frames_type(f, pfn) < XLM__PT_BROKEN &&
           !xlm__pv_frames_ring(f, pfn);
}

static int run_range(struct batch *b, uint64_t first, uint64_t end)
{
    const struct xlm__pv_frames *f = b->job->v->frames;

    for (uint64_t pfn = first; pfn < end; pfn++) {
        if (!is_wanted(f, pfn))
            continue;
        b->pfns[b->nr] = pfn;
        b->mfns[b->nr++] = f->mfns[pfn];
    }
    return b->nr ? run_batch(b) : 0;
}

static void *run(void *arg)
{
    struct batch *b = arg;
    const uint64_t nr_pfns = b->job->v->frames->nr_pfns;
    uint64_t at;

    while (!b->rc &&
           (at = atomic_fetch_add(&b->job->next, XLM__MAP_MAX)) < nr_pfns)
        b->rc = run_range(
            b, at, at + XLM__MAP_MAX < nr_pfns ? at + XLM__MAP_MAX : nr_pfns);
    return NULL;
}

/* As many threads as the system gives, of which this is one. */
static int run_all(struct job *j)
{
    const unsigned wanted = xlm__reader_processors();
    struct batch *all = aligned_alloc(_Alignof(struct batch),
                                      wanted * sizeof(*all));
    unsigned nr = 1;
    int rc;

    if (!all)
        return XLM_FAIL(j->v->hv->err, XLM_ERR_NOMEM, "%zu bytes to compare",
                        wanted * sizeof(*all));
    memset(all, 0, wanted * sizeof(*all));
    for (unsigned i = 0; i < wanted; i++)
        all[i].job = j;
    while (nr < wanted && !pthread_create(&all[nr].thread, NULL, run, &all[nr]))
        nr++;
    (void)run(&all[0]);
    rc = all[0].rc;
    while (--nr) {
        pthread_join(all[nr].thread, NULL);
        rc = rc ? rc : all[nr].rc;
    }
    free(all);
    return rc;
}

int xlm__frames_verify(const struct xlm__frames_verify *v)
{
    struct job j = { .v = v };
    int rc;

    rc = v->hv->ops->m2p_map(v->hv, &j.m2p, &j.nr_mfns);
    if (rc)
        return rc;
    pthread_mutex_init(&j.lock, NULL);
    rc = run_all(&j);
    pthread_mutex_destroy(&j.lock);
    v->hv->ops->unmap(v->hv, &j.m2p);
    return rc;
}
