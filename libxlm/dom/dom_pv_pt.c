/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Page tables of PV guests. */
#include "config.h"

#include "dom/dom_pv.h"

/* Slots of an L4 table that are Xen's: HYPERVISOR_VIRT_START 0xffff8000... up
 * to HYPERVISOR_VIRT_END 0xffff8800..., 512 GiB each.  The destination's Xen
 * fills in its own. */
#define XEN_SLOT_FIRST 256u
#define XEN_SLOT_LAST  271u

unsigned xlm__pv_pt_level(uint32_t type)
{
    unsigned level = (type & XLM__PT_LTABMASK) >> 28;

    return type < XLM__PT_BROKEN && level <= 4 ? level : 0;
}

enum xlm__pv_pt xlm__pv_pt_normalise(const struct xlm__pv_view *v,
                                     unsigned level, const uint64_t *in,
                                     uint64_t *out, unsigned *slot_out)
{
    const volatile uint64_t *live = in;

    for (unsigned i = 0; i < XLM__PV_ENTRIES; i++) {
        uint64_t pte = live[i], pfn;

        *slot_out = i;
        if (level == 4 && i >= XEN_SLOT_FIRST && i <= XEN_SLOT_LAST)
            pte = 0;
        if (pte & XLM__PV_PTE_PRESENT) {
            if (level > 1 && pte & XLM__PV_PTE_PSE)
                return XLM__PV_PT_SUPERPAGE;
            if (!xlm__pv_mfn_to_pfn(
                    v, (pte & XLM__PV_PTE_MFN_MASK) >> XLM__PAGE_SHIFT, &pfn))
                return XLM__PV_PT_FOREIGN;
            pte = (pte & ~XLM__PV_PTE_MFN_MASK) | pfn << XLM__PAGE_SHIFT;
        }
        out[i] = pte;
    }
    return XLM__PV_PT_OK;
}
