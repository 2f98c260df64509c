/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's pages, and the balloon that gives them back. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "stubs/guest/guest.h"

/* Below the hole for devices and above it, as libxl lays a guest out. */
#define LOW_END_PFN    0xf0000u
#define HIGH_START_PFN 0x100000u
#define BALLOON_STEP   512u

/* A kernel that was moved has the p2m that it had, whatever its builder put
 * behind it meanwhile. */
static uint64_t nr_pfns(const struct guest *g)
{
    const struct start_info *s;
    uint64_t idx;

    if (!guest_is_resume(g) ||
        sim_frame_to_idx(g->d, g->d->vcpu[0].ctx.user_regs.rdx, &idx))
        return g->d->max_gfn + 1;
    s = (const void *)(g->t->mem + (idx << PAGE_SHIFT));
    return s->nr_pages;
}

bool guest_map_pfns(struct guest *g)
{
    if (sim_is_hvm(g->d))
        return true;
    g->nr_tab = nr_pfns(g);
    g->tab = malloc(g->nr_tab * sizeof(*g->tab));
    if (!g->tab)
        return false;
    memset(g->tab, 0xff, g->nr_tab * sizeof(*g->tab));
    for (uint64_t idx = 0; idx < g->d->pv_next; idx++) {
        uint64_t pfn;

        if (g->t->page[idx] & SIM_PAGE_PRESENT &&
            sim_idx_to_pfn(g->d, idx, &pfn) && pfn < g->nr_tab)
            g->tab[pfn] = idx;
    }
    return true;
}

static bool pfn_to_idx(const struct guest *g, uint64_t pfn, uint64_t *idx)
{
    *idx = pfn;
    if (g->tab) {
        if (pfn >= g->nr_tab || g->tab[pfn] == UINT32_MAX)
            return false;
        *idx = g->tab[pfn];
    }
    return *idx < SIM_XH_BASE && g->t->page[*idx] & SIM_PAGE_PRESENT;
}

void *guest_page(const struct guest *g, uint64_t pfn)
{
    uint64_t idx;

    return pfn_to_idx(g, pfn, &idx) ? g->t->mem + (idx << PAGE_SHIFT) : NULL;
}

uint64_t guest_ram_pfn(const struct guest *g, uint64_t ram_page)
{
    const uint64_t pfn = g->first_pfn + ram_page;

    if (g->tab || pfn < LOW_END_PFN)
        return pfn;
    return pfn - LOW_END_PFN + HIGH_START_PFN;
}

uint64_t guest_count_ram(const struct guest *g)
{
    uint64_t n = 0;

    while (guest_page(g, guest_ram_pfn(g, n)))
        n++;
    return n;
}

/* The p2m entry that the kernel itself keeps. */
static void set_p2m(struct guest *g, uint64_t pfn, uint64_t mfn)
{
    const uint64_t at = g->im->p2m_pfn + pfn / 512;
    uint64_t *entries = guest_page(g, at);

    if (entries) {
        entries[pfn % 512] = mfn;
        guest_mark(g, at);
    }
}

static long reservation(struct guest *g, unsigned cmd, xen_pfn_t *frame)
{
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = g->domid };
    long rc;

    set_xen_guest_handle(r.extent_start, frame);
    guest_lock(g);
    rc = sim_memory_op(cmd, &r, false);
    guest_unlock(g);
    return rc;
}

static bool give_back(struct guest *g)
{
    const uint64_t pfn = guest_ram_pfn(g, g->im->nr_ram - 1);
    const uint64_t least = 1 + g->im->nr_work / 1024 + 1 + g->im->nr_work;
    xen_pfn_t frame = pfn;

    if (g->im->nr_ram <= least)
        return false;
    if (g->tab)
        frame = sim_idx_to_mfn(g->d, g->tab[pfn]);
    if (reservation(g, XENMEM_decrease_reservation, &frame) != 1)
        return false;
    if (g->tab) {
        set_p2m(g, pfn, UINT64_MAX);
        g->tab[pfn] = UINT32_MAX;
    }
    g->im->nr_ram--;
    return true;
}

static bool take_more(struct guest *g)
{
    const uint64_t pfn = guest_ram_pfn(g, g->im->nr_ram);
    xen_pfn_t frame = pfn;
    uint64_t idx;

    if (g->tab && pfn >= g->nr_tab)
        return false; /* its p2m ends there */
    if (reservation(g, XENMEM_populate_physmap, &frame) != 1)
        return false;
    if (g->tab && !sim_frame_to_idx(g->d, frame, &idx)) {
        g->tab[pfn] = idx;
        set_p2m(g, pfn, frame);
    }
    guest_mark(g, pfn);
    g->im->nr_ram++;
    return true;
}

bool guest_balloon(struct guest *g, uint64_t target_kb)
{
    const int64_t goal = (int64_t)(target_kb / 4) + g->im->balloon_offset;
    bool more = true;

    guest_enter(g);
    for (unsigned i = 0; more && i < BALLOON_STEP; i++)
        if ((int64_t)g->d->tot_pages > goal)
            more = give_back(g);
        else if ((int64_t)g->d->tot_pages < goal)
            more = take_more(g);
        else
            more = false;
    guest_mark(g, g->first_pfn);
    guest_leave(g);
    return more;
}
