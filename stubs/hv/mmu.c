/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PV page tables: pinning gives pages their types. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "stubs/hv/sim.h"

#define PTE_PRESENT 0x01
#define PTE_LARGE   0x80
#define PTE_FRAME   0x000ffffffffff000ULL
#define PTES        512
#define XEN_SLOT_LO 256 /* of an L4: Xen's own */
#define XEN_SLOT_HI 271

static bool is_below(const uint64_t *table, unsigned i, unsigned level)
{
    if (!(table[i] & PTE_PRESENT) || (level < 4 && table[i] & PTE_LARGE))
        return false;
    return level != 4 || i < XEN_SLOT_LO || i > XEN_SLOT_HI;
}

static int set_type(const struct sim_domain *d, const struct sim_tables *t,
                    uint64_t mfn, unsigned level)
{
    const uint64_t *table;
    uint64_t idx;

    if (sim_frame_to_idx(d, mfn, &idx) || idx >= SIM_XH_BASE)
        return -EINVAL;
    if ((t->page[idx] & SIM_PAGE_TYPE) >> 4 == level)
        return 0;
    if (t->page[idx] & SIM_PAGE_TYPE)
        return -EINVAL; /* in use at another level */
    t->page[idx] |= level << 4;
    table = (const uint64_t *)(t->mem + (idx << 12));
    for (unsigned i = 0; level > 1 && i < PTES; i++)
        if (is_below(table, i, level) &&
            set_type(d, t, (table[i] & PTE_FRAME) >> 12, level - 1))
            return -EINVAL;
    return 0;
}

static long one_op(struct sim_domain *d, const struct sim_tables *t,
                   const struct mmuext_op *op)
{
    uint64_t idx;

    switch (op->cmd) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE:
        if (sim_frame_to_idx(d, op->arg1.mfn, &idx) ||
            set_type(d, t, op->arg1.mfn, op->cmd - MMUEXT_PIN_L1_TABLE + 1))
            return -EINVAL;
        t->page[idx] |= SIM_PAGE_PINNED;
        return 0;
    case MMUEXT_UNPIN_TABLE:
        if (sim_frame_to_idx(d, op->arg1.mfn, &idx) || idx >= SIM_XH_BASE ||
            !(t->page[idx] & SIM_PAGE_PINNED))
            return -EINVAL;
        t->page[idx] &= ~(SIM_PAGE_PINNED | SIM_PAGE_TYPE);
        return 0;
    case MMUEXT_NEW_BASEPTR:
    case MMUEXT_TLB_FLUSH_LOCAL:
    case MMUEXT_TLB_FLUSH_ALL:
    case MMUEXT_INVLPG_ALL:
        return 0; /* there are no CPUs with caches */
    case MMUEXT_CLEAR_PAGE:
        if (sim_frame_to_idx(d, op->arg1.mfn, &idx) || idx >= SIM_XH_BASE)
            return -EINVAL;
        memset(t->mem + (idx << 12), 0, 4096);
        sim_mark_idx(d, idx);
        return 0;
    }
    return -ENOSYS;
}

long sim_mmuext_op(struct mmuext_op *ops, unsigned nr, uint32_t domid)
{
    struct sim_domain *d = sim_domain(domid);
    const struct sim_tables *t = d && d->slot ? sim_tables(d) : NULL;
    long rc = 0;

    if (!t)
        return -ESRCH;
    for (unsigned i = 0; !rc && i < nr; i++)
        rc = one_op(d, t, &ops[i]);
    return rc;
}

long sim_mmu_update(mmu_update_t *updates, unsigned nr, uint32_t domid)
{
    const struct sim_domain *d = sim_domain(domid & 0xffff);
    uint64_t idx;

    if (!d)
        return -ESRCH;
    for (unsigned i = 0; i < nr; i++) {
        const uint64_t mfn = updates[i].ptr >> 12;

        if ((updates[i].ptr & 3) != MMU_MACHPHYS_UPDATE)
            return -ENOSYS; /* page tables change only while it is built */
        if (sim_frame_to_idx(d, mfn, &idx))
            return -EINVAL;
        sim_m2p_set(mfn, updates[i].val);
    }
    return 0;
}
