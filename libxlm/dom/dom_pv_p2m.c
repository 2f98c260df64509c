/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Find and map the p2m of a PV guest. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom/dom_pv.h"

#define XLM_MODULE "dom"

#define VA_BITS 48
#define VA_MASK ((1ull << VA_BITS) - 1)

/* end_pfn of X86_PV_P2M_FRAMES has 32 bits; also bounds what we allocate. */
#define NR_PFNS_MAX (1ull << 32)

void xlm__pv_anchor_read(const shared_info_t *shared,
                         struct xlm__pv_anchor *out)
{
    const volatile struct arch_shared_info *arch = &shared->arch;

    out->generation = arch->p2m_generation;
    out->nr_pfns = arch->max_pfn;
    out->cr3 = arch->p2m_cr3;
    out->vaddr = arch->p2m_vaddr;
}

static bool canonical(uint64_t vaddr)
{
    uint64_t top = vaddr >> (VA_BITS - 1);

    return top == 0 || top == (1ull << (64 - VA_BITS + 1)) - 1;
}

bool xlm__pv_range_ok(uint64_t vaddr, uint64_t bytes)
{
    uint64_t last = vaddr + bytes - 1;

    if (!bytes || last < vaddr || !canonical(vaddr) || !canonical(last))
        return false;
    /* Within one half: the hole in between is not canonical. */
    if (vaddr >> 63 != last >> 63)
        return false;
    return last < HYPERVISOR_VIRT_START || vaddr >= HYPERVISOR_VIRT_END;
}

size_t xlm__pv_trim(const uint64_t *mfns, size_t nr)
{
    size_t first = nr;

    if (nr < 2)
        return nr;
    for (first = nr - 1; first > 0 && mfns[first - 1] == mfns[nr - 1];)
        first--;
    /* The last one differs from its neighbour: it is in use. */
    if (first == nr - 1)
        return nr;
    return first ? first : 1;
}

struct walk {
    struct xlm__dom *dom;
    uint64_t nr_mfns;
    uint64_t vaddr; /* 48 bits of it */
    char *why;
};

/* The slots of one table that map entries first .. first+nr-1 (of all that a
 * level has) to out. */
static int read_table(struct walk *w, unsigned level, uint64_t table,
                      uint64_t first, size_t nr, uint64_t *out)
{
    struct xlm__hv *hv = w->dom->hv;
    struct xlm__map map = { 0 };
    const volatile uint64_t *ptes;
    int err = 0, rc;

    rc = hv->ops->map(hv, w->dom->domid, false, 1, &table, &err, &map);
    if (rc)
        return rc;
    if (err) {
        snprintf(w->why, XLM__PV_WHY_BYTES,
                 "p2m: level %u table at mfn %#" PRIx64 " cannot be mapped",
                 level, table);
        rc = 1;
    }
    ptes = map.addr;
    for (size_t i = 0; i < nr && !rc; i++) {
        uint64_t pte = ptes[(first + i) % XLM__PV_ENTRIES];
        uint64_t mfn = (pte & XLM__PV_PTE_MFN_MASK) >> XLM__PAGE_SHIFT;

        if (!(pte & XLM__PV_PTE_PRESENT) || !mfn || mfn >= w->nr_mfns ||
            (level > 1 && pte & XLM__PV_PTE_PSE)) {
            snprintf(w->why, XLM__PV_WHY_BYTES,
                     "p2m: level %u entry %" PRIu64 " is %#" PRIx64, level,
                     (first + i) % XLM__PV_ENTRIES, pte);
            rc = 1;
        }
        out[i] = mfn;
    }
    hv->ops->unmap(hv, &map);
    return rc;
}

/*
 * One level down: from the tables of `level` to what they map for `bytes`
 * from vaddr on.  *mfns is replaced, *nr with it.
 */
static int descend(struct walk *w, unsigned level, uint64_t bytes,
                   uint64_t **mfns, size_t *nr)
{
    unsigned shift = XLM__PAGE_SHIFT + 9 * (level - 1);
    uint64_t first = w->vaddr >> shift;
    uint64_t last = (w->vaddr + bytes - 1) >> shift;
    size_t total = last - first + 1, done = 0;
    uint64_t *out = calloc(total, sizeof(*out));
    int rc = 0;

    if (!out)
        return XLM_FAIL(w->dom->hv->err, XLM_ERR_NOMEM,
                        "p2m of domain %u: %zu entries", w->dom->domid, total);
    for (size_t t = 0; t < *nr && done < total && !rc; t++) {
        size_t n = XLM__PV_ENTRIES - (first + done) % XLM__PV_ENTRIES;

        if (n > total - done)
            n = total - done;
        rc = read_table(w, level, (*mfns)[t], first + done, n, out + done);
        done += n;
    }
    if (rc) {
        free(out);
        return rc;
    }
    free(*mfns);
    *mfns = out;
    *nr = total;
    return 0;
}

static uint64_t bytes_of(uint64_t nr_pfns)
{
    return (nr_pfns + XLM__PV_ENTRIES - 1) / XLM__PV_ENTRIES * XLM__PAGE_SIZE;
}

/* From cr3 to the list of leaf pages. */
static int walk(struct walk *w, const struct xlm__pv_anchor *a,
                uint64_t fixed_nr_pfns, struct xlm__pv_p2m *out)
{
    uint64_t nr_pfns = a->nr_pfns;
    size_t nr = 1, keep;
    uint64_t *mfns = malloc(sizeof(*mfns));
    int rc = 0;

    if (!mfns)
        return XLM_FAIL(w->dom->hv->err, XLM_ERR_NOMEM, "p2m of domain %u",
                        w->dom->domid);
    mfns[0] = a->cr3 >> XLM__PAGE_SHIFT;
    for (unsigned level = 4; level > 1 && !rc; level--)
        rc = descend(w, level, bytes_of(nr_pfns), &mfns, &nr);
    if (rc)
        goto out;

    /* Now mfns are the L1 tables, each for 512 leaf pages. */
    keep = xlm__pv_trim(mfns, nr);
    if (keep < nr) {
        uint64_t end = ((w->vaddr >> 21) + keep) << 21;

        nr_pfns = (end - w->vaddr) / sizeof(uint64_t);
    }
    if (fixed_nr_pfns && nr_pfns > fixed_nr_pfns) {
        snprintf(w->why, XLM__PV_WHY_BYTES,
                 "p2m: it grew from %" PRIu64 " to %" PRIu64
                 " pages during the migration",
                 fixed_nr_pfns, nr_pfns);
        rc = 1;
        goto out;
    }
    if (fixed_nr_pfns)
        nr_pfns = fixed_nr_pfns;
    rc = descend(w, 1, bytes_of(nr_pfns), &mfns, &nr);
    if (rc)
        goto out;
    out->nr_pfns = nr_pfns;
    out->frames = mfns;
    out->nr_frames = nr;
    return 0;

out:
    free(mfns);
    return rc;
}

static int map_leaves(struct walk *w, struct xlm__pv_p2m *p2m)
{
    struct xlm__hv *hv = w->dom->hv;
    int errs[XLM__MAP_MAX];

    p2m->maps = calloc((p2m->nr_frames + XLM__MAP_MAX - 1) / XLM__MAP_MAX,
                       sizeof(*p2m->maps));
    if (!p2m->maps)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "p2m of domain %u",
                        w->dom->domid);
    for (size_t at = 0; at < p2m->nr_frames; at += XLM__MAP_MAX) {
        size_t n = p2m->nr_frames - at;
        int rc;

        if (n > XLM__MAP_MAX)
            n = XLM__MAP_MAX;
        rc = hv->ops->map(hv, w->dom->domid, false, n, p2m->frames + at, errs,
                          &p2m->maps[p2m->nr_maps]);
        if (rc)
            return rc;
        p2m->nr_maps++;
        for (size_t i = 0; i < n; i++) {
            if (!errs[i])
                continue;
            snprintf(w->why, XLM__PV_WHY_BYTES,
                     "p2m: leaf page %zu at mfn %#" PRIx64
                     " cannot be mapped: error %d",
                     at + i, p2m->frames[at + i], errs[i]);
            return 1;
        }
    }
    return 0;
}

/* The leaf pages travel by pfn. */
static int find_pfns(struct walk *w, const uint64_t *m2p,
                     struct xlm__pv_p2m *p2m)
{
    const struct xlm__pv_view view = {
        .m2p = m2p,
        .nr_mfns = w->nr_mfns,
        .p2m = p2m->maps,
        .nr_pfns = p2m->nr_pfns,
    };

    p2m->pfns = calloc(p2m->nr_frames, sizeof(*p2m->pfns));
    if (!p2m->pfns)
        return XLM_FAIL(w->dom->hv->err, XLM_ERR_NOMEM, "p2m of domain %u",
                        w->dom->domid);
    for (size_t i = 0; i < p2m->nr_frames; i++) {
        if (xlm__pv_mfn_to_pfn(&view, p2m->frames[i], &p2m->pfns[i]))
            continue;
        snprintf(w->why, XLM__PV_WHY_BYTES,
                 "p2m: leaf page %zu at mfn %#" PRIx64
                 " is not among the guest's pages",
                 i, p2m->frames[i]);
        return 1;
    }
    return 0;
}

static bool anchor_ok(const struct xlm__pv_anchor *a, uint64_t nr_mfns,
                      uint64_t fixed_nr_pfns, char *why)
{
    if (!a->nr_pfns || a->nr_pfns > NR_PFNS_MAX || a->nr_pfns < fixed_nr_pfns)
        snprintf(why, XLM__PV_WHY_BYTES,
                 "p2m: max_pfn is %" PRIu64 ", expected %" PRIu64
                 " to %" PRIu64,
                 a->nr_pfns, fixed_nr_pfns ? fixed_nr_pfns : 1,
                 (uint64_t)NR_PFNS_MAX);
    else if (!a->cr3 || a->cr3 >> XLM__PAGE_SHIFT >= nr_mfns)
        snprintf(why, XLM__PV_WHY_BYTES,
                 "p2m: p2m_cr3 is %#" PRIx64
                 ", not an address of this host (0 = no linear p2m)",
                 a->cr3);
    else if (a->vaddr % XLM__PAGE_SIZE ||
             !xlm__pv_range_ok(a->vaddr, bytes_of(a->nr_pfns)))
        snprintf(why, XLM__PV_WHY_BYTES,
                 "p2m: p2m_vaddr %#" PRIx64 " for %" PRIu64
                 " pages is no range a guest can have",
                 a->vaddr, a->nr_pfns);
    else
        return true;
    return false;
}

int xlm__pv_p2m_load(struct xlm__dom *dom, const struct xlm__pv_anchor *a,
                     const uint64_t *m2p, uint64_t nr_mfns, uint64_t nr_pfns,
                     struct xlm__pv_p2m *out, char why[XLM__PV_WHY_BYTES])
{
    struct walk w = {
        .dom = dom,
        .nr_mfns = nr_mfns,
        .vaddr = a->vaddr & VA_MASK,
        .why = why,
    };
    int rc;

    memset(out, 0, sizeof(*out));
    out->generation = a->generation;
    if (!anchor_ok(a, nr_mfns, nr_pfns, why))
        return 1;
    rc = walk(&w, a, nr_pfns, out);
    if (!rc)
        rc = map_leaves(&w, out);
    if (!rc)
        rc = find_pfns(&w, m2p, out);
    if (rc)
        xlm__pv_p2m_free(dom->hv, out);
    return rc;
}

void xlm__pv_p2m_free(struct xlm__hv *hv, struct xlm__pv_p2m *p2m)
{
    for (size_t i = 0; i < p2m->nr_maps; i++)
        hv->ops->unmap(hv, &p2m->maps[i]);
    free(p2m->maps);
    free(p2m->pfns);
    free(p2m->frames);
    memset(p2m, 0, sizeof(*p2m));
}
