/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A PV kernel's part: what it tells the toolstack by shared_info and
 * start_info, as Linux does. */
#include "config.h"

#include "stubs/guest/guest.h"

static shared_info_t *shared(const struct guest *g)
{
    return (void *)(g->t->mem +
                    ((SIM_XH_BASE + SIM_XF_SHARED_INFO) << PAGE_SHIFT));
}

static uint64_t mfn_of(const struct guest *g, uint64_t pfn)
{
    return sim_idx_to_mfn(g->d, g->tab[pfn]);
}

static uint64_t pfn_of(const struct guest *g, uint64_t mfn)
{
    uint64_t idx, pfn;

    return !sim_frame_to_idx(g->d, mfn, &idx) && sim_idx_to_pfn(g->d, idx, &pfn)
               ? pfn
               : 0;
}

uint64_t guest_pv_start_info(const struct guest *g)
{
    return pfn_of(g, g->d->vcpu[0].ctx.user_regs.rdx);
}

void guest_pv_announce(struct guest *g)
{
    shared_info_t *s = shared(g);

    s->arch.p2m_generation++;
    s->arch.max_pfn = g->nr_tab;
    s->arch.p2m_cr3 = g->d->vcpu[0].ctx.ctrlreg[3];
    s->arch.p2m_vaddr = g->im->p2m_vaddr;
    s->arch.p2m_generation++;
    g->d->vcpu[0].ctx.user_regs.rdx = mfn_of(g, g->im->start_info_pfn);
    /* It starts every CPU of its own, with its own page tables. */
    for (uint32_t i = 1; i < g->im->nr_vcpus; i++) {
        g->d->vcpu[i].ctx = g->d->vcpu[0].ctx;
        g->d->vcpu[i].online = true;
    }
}

/* Machine numbers mean nothing over there. */
void guest_pv_before_suspend(struct guest *g)
{
    struct start_info *s = guest_page(g, g->im->start_info_pfn);

    s->store_mfn = pfn_of(g, s->store_mfn);
    s->console.domU.mfn = pfn_of(g, s->console.domU.mfn);
    guest_mark(g, g->im->start_info_pfn);
}

void guest_pv_resume_in_place(struct guest *g)
{
    struct start_info *s = guest_page(g, g->im->start_info_pfn);

    s->store_mfn = mfn_of(g, s->store_mfn);
    s->console.domU.mfn = mfn_of(g, s->console.domU.mfn);
    guest_mark(g, g->im->start_info_pfn);
}
