/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of PV guests (64-bit only).
 *
 * A PV guest knows its frames by two tables: its own p2m (pfn to mfn), an
 * array in its virtual memory, and Xen's M2P (mfn to pfn).  Every number read
 * from guest memory is hostile and changes under us: it is read once, into a
 * local, and used only after it was found in both tables.
 *
 *      shared info: p2m_cr3, p2m_vaddr, max_pfn, p2m_generation
 *           │
 *           └─> L4 ─> L3 ─> L2 ─> L1 ─> leaf pages, 512 p2m entries each
 */
#ifndef XLM_DOM_DOM_PV_H
#define XLM_DOM_DOM_PV_H

#include <pthread.h>
#include <stdint.h>
#include <xen/xen.h>

#include "dom/dom.h"

#define XLM__PV_WHY_BYTES    160
#define XLM__PV_ENTRIES      512u /* p2m entries, and PTEs, in a page */
#define XLM__PV_PTE_PRESENT  0x001u
#define XLM__PV_PTE_PSE      0x080u
#define XLM__PV_PTE_MFN_MASK 0x000ffffffffff000ull

/* Both tables.  p2m[] has a pointer for every MAP_MAX leaf pages. */
struct xlm__pv_view {
    const uint64_t *m2p;
    uint64_t nr_mfns;
    const struct xlm__map *p2m;
    uint64_t nr_pfns;
};

/* The guest's word for a pfn, unchecked; pfn < nr_pfns. */
static inline uint64_t xlm__pv_p2m_entry(const struct xlm__pv_view *v,
                                         uint64_t pfn)
{
    const uint64_t per_map = (uint64_t)XLM__MAP_MAX * XLM__PV_ENTRIES;
    const volatile uint64_t *part = v->p2m[pfn / per_map].addr;

    return part[pfn % per_map];
}

/* Is the frame the guest's own, and the one it means by *pfn_out? */
static inline bool xlm__pv_mfn_to_pfn(const struct xlm__pv_view *v,
                                      uint64_t mfn, uint64_t *pfn_out)
{
    uint64_t pfn;

    if (mfn >= v->nr_mfns)
        return false;
    pfn = *(const volatile uint64_t *)&v->m2p[mfn];
    if (pfn >= v->nr_pfns || xlm__pv_p2m_entry(v, pfn) != mfn)
        return false;
    *pfn_out = pfn;
    return true;
}

static inline bool xlm__pv_pfn_to_mfn(const struct xlm__pv_view *v,
                                      uint64_t pfn, uint64_t *mfn_out)
{
    uint64_t mfn = xlm__pv_p2m_entry(v, pfn);

    if (mfn >= v->nr_mfns || *(const volatile uint64_t *)&v->m2p[mfn] != pfn)
        return false;
    *mfn_out = mfn;
    return true;
}

/* --- dom_pv_p2m.c: find and map the guest's p2m --- */

struct xlm__pv_anchor { /* copied once from the shared info page */
    uint64_t nr_pfns, cr3, vaddr, generation;
};

struct xlm__pv_p2m {
    uint64_t generation; /* of p2m_generation, when it was walked     */
    uint64_t nr_pfns;
    size_t nr_frames;
    uint64_t *frames; /* mfn of each leaf page                     */
    uint64_t *pfns;   /* pfn of each leaf page                     */
    size_t nr_maps;
    struct xlm__map *maps;
};

void xlm__pv_anchor_read(const shared_info_t *shared,
                         struct xlm__pv_anchor *out);

/*
 * Walk to the p2m and map it.  nr_pfns 0: as many as the guest has, without
 * the end that maps to nothing; else exactly so many.
 *
 * Returns 1, with the reason in `why` and nothing recorded, if what the guest
 * shows is not usable (which may be a moment's matter while it runs).
 * Errors: HYPERVISOR, NOMEM.
 */
int xlm__pv_p2m_load(struct xlm__dom *dom, const struct xlm__pv_anchor *a,
                     const uint64_t *m2p, uint64_t nr_mfns, uint64_t nr_pfns,
                     struct xlm__pv_p2m *out, char why[XLM__PV_WHY_BYTES]);
void xlm__pv_p2m_free(struct xlm__hv *hv, struct xlm__pv_p2m *p2m);

/* Is [vaddr, vaddr + bytes) canonical and outside Xen's own area? */
bool xlm__pv_range_ok(uint64_t vaddr, uint64_t bytes);

/*
 * How many of nr tables to keep: a guest whose p2m has room for more than it
 * has memory lets the tables for the end all be one and the same.
 */
size_t xlm__pv_trim(const uint64_t *mfns, size_t nr);

/* --- dom_pv_pt.c --- */

enum xlm__pv_pt { XLM__PV_PT_OK, XLM__PV_PT_FOREIGN, XLM__PV_PT_SUPERPAGE };

/* 1 to 4 for a page table type, else 0. */
unsigned xlm__pv_pt_level(uint32_t type);

/*
 * Copy a page table with frame numbers turned into pfns, and Xen's own slots
 * cleared.  If not OK, *slot_out is the first entry that cannot be turned.
 */
enum xlm__pv_pt xlm__pv_pt_normalise(const struct xlm__pv_view *v,
                                     unsigned level, const uint64_t *in,
                                     uint64_t *out, unsigned *slot_out);

/* --- dom_pv_vcpu.c --- */

/* Turn the frame numbers in a vcpu's registers into pfns.  False: why says
 * which cannot be. */
bool xlm__pv_vcpu_convert(const struct xlm__pv_view *v, uint32_t vcpu,
                          vcpu_guest_context_t *ctx,
                          char why[XLM__PV_WHY_BYTES]);

/* Records of all vcpus that are online. */
int xlm__pv_emit_vcpus(struct xlm__dom *dom, const struct xlm__pv_view *v,
                       xlm__emit_fn *emit, void *user);

#endif /* XLM_DOM_DOM_PV_H */
