/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memory_op: what memory domains have. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "stubs/hv/sim.h"

#define E820_ENTRY_BYTES 20 /* of the ABI */

static int chunk_alloc(struct sim_domain *d)
{
    for (unsigned i = SIM_MAXDOM; i < sim_hv->nr_chunks; i++)
        if (!sim_hv->chunk_owner[i]) {
            sim_hv->chunk_owner[i] = d->slot;
            sim_hv->chunk_index[i] = d->nr_chunks;
            d->chunk[d->nr_chunks++] = i;
            return 0;
        }
    return -ENOMEM;
}

static bool find_hole(struct sim_domain *d, const uint8_t *page,
                      uint64_t *idx_out)
{
    for (uint64_t n = 0; n < d->pv_next; n++) {
        d->pv_cursor = (d->pv_cursor + 1) % d->pv_next;
        if (!(page[d->pv_cursor] & SIM_PAGE_PRESENT)) {
            *idx_out = d->pv_cursor;
            d->pv_holes--;
            return true;
        }
    }
    return false;
}

/* An extent of a PV domain: neighbours in idx, and within one chunk. */
static int pv_alloc(struct sim_domain *d, const struct sim_tables *t,
                    uint64_t nr, uint64_t *idx_out)
{
    const uint64_t end = (uint64_t)d->nr_chunks << SIM_CHUNK_SHIFT;

    if (nr == 1 && d->pv_holes && find_hole(d, t->page, idx_out))
        return 0;
    if (nr > SIM_CHUNK_PAGES)
        return -ENOMEM;
    if (d->pv_next + nr > end) {
        d->pv_holes += end - d->pv_next;
        d->pv_next = end;
        if (d->nr_chunks >= SIM_MAXCHUNK || chunk_alloc(d))
            return -ENOMEM;
    }
    *idx_out = d->pv_next;
    d->pv_next += nr;
    return 0;
}

static void account(struct sim_domain *d, uint64_t added)
{
    d->tot_pages += added;
    sim_hv->free_pages -= added;
    d->claimed_pages -= d->claimed_pages < added ? d->claimed_pages : added;
}

static bool has_room(const struct sim_domain *d, uint64_t nr)
{
    return d->tot_pages + nr <= d->max_pages && nr <= sim_hv->free_pages;
}

static void note_gfn(struct sim_domain *d, uint64_t last)
{
    if (last > d->max_gfn)
        d->max_gfn = last;
}

/* Populate-on-demand is populated at once, as far as its target goes: nobody
 * but the guest's balloon could tell the difference. */
static bool hvm_extent(struct sim_domain *d, const struct sim_tables *t,
                       uint64_t gfn, uint64_t nr, bool on_demand)
{
    if (gfn + nr > SIM_XH_BASE || gfn + nr < gfn ||
        (!on_demand && !has_room(d, nr)))
        return false;
    note_gfn(d, gfn + nr - 1);
    for (uint64_t i = gfn; i < gfn + nr; i++) {
        if (t->page[i] & SIM_PAGE_PRESENT)
            continue;
        if (on_demand && (d->tot_pages >= d->pod_target || !has_room(d, 1)))
            return true;
        t->page[i] = SIM_PAGE_PRESENT;
        account(d, 1);
        sim_note_fresh(d, t, i);
    }
    return true;
}

static bool pv_extent(struct sim_domain *d, const struct sim_tables *t,
                      xen_pfn_t *frame, uint64_t nr, bool has_pfn)
{
    uint64_t idx, mfn;

    if (!has_room(d, nr) || pv_alloc(d, t, nr, &idx))
        return false;
    mfn = sim_idx_to_mfn(d, idx);
    for (uint64_t i = 0; i < nr; i++) {
        t->page[idx + i] = SIM_PAGE_PRESENT;
        if (has_pfn)
            sim_m2p_set(mfn + i, *frame + i);
    }
    if (has_pfn)
        note_gfn(d, *frame + nr - 1);
    account(d, nr);
    *frame = mfn;
    return true;
}

static long populate(struct xen_memory_reservation *r, bool has_pfn,
                     bool cut_short)
{
    struct sim_domain *d = sim_domain(r->domid);
    const struct sim_tables *t = d ? sim_tables(d) : NULL;
    const uint64_t nr = UINT64_C(1) << (r->extent_order & 31);
    const bool on_demand = r->mem_flags & XENMEMF_populate_on_demand;
    const uint64_t end = cut_short ? r->nr_extents / 2 : r->nr_extents;
    xen_pfn_t *frame = r->extent_start.p;
    uint64_t i;

    if (!d)
        return -ESRCH;
    for (i = 0; t && i < end; i++)
        if (!(sim_is_hvm(d) ? hvm_extent(d, t, frame[i], nr, on_demand)
                            : pv_extent(d, t, &frame[i], nr, has_pfn)))
            break;
    return i;
}

static void release_page(struct sim_domain *d, const struct sim_tables *t,
                         uint64_t idx)
{
    uint64_t pfn;

    /* A page that is gone is not dirty. */
    if (sim_idx_to_pfn(d, idx, &pfn))
        __atomic_fetch_and(&t->dirty[pfn / 64], ~(UINT64_C(1) << pfn % 64),
                           __ATOMIC_ACQ_REL);
    if (!sim_is_hvm(d)) {
        sim_m2p_set(sim_idx_to_mfn(d, idx), UINT64_MAX);
        d->pv_holes++;
    }
    t->page[idx] = 0;
    sim_drop_page(d, idx);
    d->tot_pages--;
    sim_hv->free_pages++;
}

static long decrease(const struct xen_memory_reservation *r, bool cut_short)
{
    struct sim_domain *d = sim_domain(r->domid);
    const struct sim_tables *t = d ? sim_tables(d) : NULL;
    const uint64_t nr = UINT64_C(1) << (r->extent_order & 31);
    const uint64_t end = cut_short ? r->nr_extents / 2 : r->nr_extents;
    const xen_pfn_t *frame = r->extent_start.p;
    uint64_t i, idx;

    if (!d)
        return -ESRCH;
    for (i = 0; t && i < end; i++)
        for (uint64_t k = 0; k < nr; k++) {
            if (sim_frame_to_idx(d, frame[i] + k, &idx) || idx >= SIM_XH_BASE)
                return i;
            release_page(d, t, idx);
        }
    return i;
}

static long claim(const struct xen_memory_reservation *r)
{
    struct sim_domain *d = sim_domain(r->domid);
    const uint64_t nr = r->nr_extents;

    if (!d)
        return -ESRCH;
    if (r->extent_order)
        return -EINVAL;
    if (nr && (nr < d->tot_pages || nr > d->max_pages))
        return -EINVAL;
    if (nr && nr - d->tot_pages > sim_hv->free_pages)
        return -ENOMEM;
    d->claimed_pages = nr ? nr - d->tot_pages : 0;
    return 0;
}

static long maximum_gpfn(domid_t domid)
{
    const struct sim_domain *d = sim_domain(domid);
    const struct sim_tables *t = d ? sim_tables(d) : NULL;
    const shared_info_t *s;

    if (!t)
        return -ESRCH;
    if (sim_is_hvm(d))
        return d->max_gfn;
    /* What the guest itself says. */
    s = (const void *)(t->mem + ((SIM_XH_BASE + SIM_XF_SHARED_INFO) << 12));
    return s->arch.max_pfn ? (long)s->arch.max_pfn - 1 : 0;
}

static long set_memory_map(const struct xen_foreign_memory_map *m)
{
    struct sim_domain *d = sim_domain(m->domid);

    if (!d)
        return -ESRCH;
    if (m->map.nr_entries > SIM_MAXE820)
        return -E2BIG;
    _Static_assert(sizeof(struct sim_e820) == E820_ENTRY_BYTES, "e820");
    d->nr_e820 = m->map.nr_entries;
    memcpy(d->e820, m->map.buffer.p, d->nr_e820 * sizeof(d->e820[0]));
    return 0;
}

static long pod_target(struct xen_pod_target *p, bool set)
{
    struct sim_domain *d = sim_domain(p->domid);

    if (!d)
        return -ESRCH;
    if (!sim_is_hvm(d))
        return -EINVAL;
    if (set)
        d->pod_target = p->target_pages;
    p->tot_pages = d->tot_pages;
    p->pod_cache_pages = p->pod_entries = 0;
    return 0;
}

static long machphys_list(struct xen_machphys_mfn_list *m)
{
    const uint64_t extents = (sim_hv->total_pages * 8 + (2u << 20) - 1) >> 21;
    xen_pfn_t *frame = m->extent_start.p;
    uint64_t i;

    for (i = 0; i < extents && i < m->max_extents; i++)
        frame[i] = i << 9;
    m->nr_extents = i;
    return 0;
}

static bool place_of(struct sim_domain *d, unsigned space, uint64_t index,
                     uint64_t *idx_out)
{
    if (space == XENMAPSPACE_shared_info) {
        *idx_out = SIM_XH_BASE + SIM_XF_SHARED_INFO;
        return true;
    }
    if (space != XENMAPSPACE_grant_table || index >= SIM_MAXGRANT)
        return false;
    if (d->nr_grant_frames <= index)
        d->nr_grant_frames = index + 1;
    *idx_out = SIM_XH_BASE + SIM_XF_GRANT + index;
    return true;
}

static long add_to_physmap(const struct xen_add_to_physmap *a)
{
    struct sim_domain *d = sim_domain(a->domid);
    uint64_t idx;
    uint32_t i = 0;

    if (!d)
        return -ESRCH;
    if (!sim_is_hvm(d) || !place_of(d, a->space, a->idx, &idx))
        return -EINVAL;
    while (i < d->nr_alias && d->alias[i].gfn != a->gpfn &&
           d->alias[i].idx != idx)
        i++;
    if (i == SIM_MAXALIAS)
        return -ENOMEM;
    if (i == d->nr_alias)
        d->nr_alias++;
    d->alias[i].gfn = a->gpfn;
    d->alias[i].idx = idx;
    return 0;
}

static long remove_from_physmap(const struct xen_remove_from_physmap *a)
{
    struct sim_domain *d = sim_domain(a->domid);

    if (!d)
        return -ESRCH;
    for (uint32_t i = 0; i < d->nr_alias; i++)
        if (d->alias[i].gfn == a->gpfn) {
            d->alias[i] = d->alias[--d->nr_alias];
            return 0;
        }
    return -ENOENT;
}

static long reservation(unsigned cmd, domid_t domid)
{
    const struct sim_domain *d = sim_domain(domid);

    if (!d)
        return -ESRCH;
    return cmd == XENMEM_current_reservation ? d->tot_pages : d->max_pages;
}

long sim_memory_op(unsigned cmd, void *arg, bool cut_short)
{
    switch (cmd) {
    case XENMEM_populate_physmap:
        return populate(arg, true, cut_short);
    case XENMEM_increase_reservation:
        return populate(arg, false, cut_short);
    case XENMEM_decrease_reservation:
        return decrease(arg, cut_short);
    case XENMEM_claim_pages:
        return claim(arg);
    case XENMEM_maximum_ram_page:
        return sim_hv->total_pages;
    case XENMEM_maximum_gpfn:
        return maximum_gpfn(*(domid_t *)arg);
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
        return reservation(cmd, *(domid_t *)arg);
    case XENMEM_set_memory_map:
        return set_memory_map(arg);
    case XENMEM_set_pod_target:
        return pod_target(arg, true);
    case XENMEM_get_pod_target:
        return pod_target(arg, false);
    case XENMEM_machphys_mfn_list:
        return machphys_list(arg);
    case XENMEM_add_to_physmap:
        return add_to_physmap(arg);
    case XENMEM_remove_from_physmap:
        return remove_from_physmap(arg);
    case XENMEM_reserved_device_memory_map:
        ((struct xen_reserved_device_memory_map *)arg)->nr_entries = 0;
        return 0;
    case XENMEM_get_sharing_freed_pages:
    case XENMEM_get_sharing_shared_pages:
        return 0;
    case XENMEM_get_vnumainfo:
        return -EOPNOTSUPP; /* no vNUMA; ENOSYS would abort a save */
    }
    return -ENOSYS;
}
