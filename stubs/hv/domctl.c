/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "stubs/hv/sim.h"

#define PAGE_SHIFT 12

/* Up to Xen 4.17 the first domain from this number on, since then that one. */
static long get_info(struct xen_domctl *op)
{
    struct sim_domain *best = NULL;

    for (unsigned i = 0; i < SIM_MAXDOM; i++) {
        struct sim_domain *d = &sim_hv->dom[i];

        if (!d->used || d->domid < op->domain ||
            (SIM_XEN_MINOR > 17 && d->domid != op->domain))
            continue;
        if (!best || d->domid < best->domid)
            best = d;
    }
    if (!best)
        return -ESRCH;
    op->domain = best->domid;
    sim_domain_info(best, &op->u.getdomaininfo);
    return 0;
}

static uint64_t page_type(const struct sim_domain *d, const uint8_t *page,
                          uint64_t frame)
{
    uint64_t idx;

    if (sim_frame_to_idx(d, frame, &idx))
        return XEN_DOMCTL_PFINFO_XTAB;
    if (idx >= SIM_XH_BASE || sim_is_hvm(d))
        return XEN_DOMCTL_PFINFO_NOTAB;
    return (uint64_t)(page[idx] & (SIM_PAGE_TYPE | SIM_PAGE_PINNED)) << 24;
}

static long page_info(struct sim_domain *d,
                      const struct xen_domctl_getpageframeinfo3 *op)
{
    const struct sim_tables *t = sim_tables(d);
    xen_pfn_t *frame = op->array.p;

    if (!t || op->num > 1024)
        return t ? -E2BIG : -ENOMEM;
    for (uint64_t i = 0; i < op->num; i++)
        frame[i] = page_type(d, t->page, frame[i]);
    return 0;
}

static long set_policy(struct sim_domain *d, struct xen_domctl_cpu_policy *p)
{
    if (p->nr_leaves > SIM_MAXLEAVES || p->nr_msrs > SIM_MAXMSRS)
        return -E2BIG;
    p->err_leaf = p->err_subleaf = p->err_msr = ~0u;
    if (p->nr_leaves) {
        d->nr_leaves = p->nr_leaves;
        memcpy(d->leaves, p->leaves.p, p->nr_leaves * sizeof(d->leaves[0]));
    }
    if (p->nr_msrs) {
        d->nr_msrs = p->nr_msrs;
        memcpy(d->msrs, p->msrs.p, p->nr_msrs * sizeof(d->msrs[0]));
    }
    return 0;
}

static void set_tsc(struct sim_domain *d, const struct xen_domctl_tsc_info *i)
{
    d->tsc_mode = i->tsc_mode;
    if (i->gtsc_khz)
        d->tsc_khz = i->gtsc_khz;
    d->tsc_incarnation = i->incarnation;
    d->tsc_ns = i->elapsed_nsec;
}

static void get_tsc(const struct sim_domain *d, struct xen_domctl_tsc_info *i)
{
    i->tsc_mode = d->tsc_mode;
    i->gtsc_khz = d->tsc_khz;
    i->incarnation = d->tsc_incarnation;
    i->elapsed_nsec = d->tsc_ns;
}

static long hypercall_page(struct sim_domain *d, uint64_t frame)
{
    const struct sim_tables *t = sim_tables(d);
    uint64_t idx;

    if (!t || sim_frame_to_idx(d, frame, &idx))
        return -EACCES;
    memset(t->mem + (idx << PAGE_SHIFT), 0xc3, 1u << PAGE_SHIFT); /* ret */
    sim_mark_idx(d, idx);
    return 0;
}

static long mempool(struct sim_domain *d, uint64_t *bytes, bool set)
{
    if (!sim_is_hvm(d))
        return -EOPNOTSUPP;
    if (set && *bytes & ((1u << PAGE_SHIFT) - 1))
        return -EINVAL;
    if (set)
        d->paging_bytes = *bytes;
    else
        *bytes = d->paging_bytes;
    return 0;
}

static long max_mem(struct sim_domain *d, uint64_t kb)
{
    d->max_pages = kb >> (PAGE_SHIFT - 10);
    return 0;
}

/* What may be set and has no consequence here. */
static bool has_no_effect(unsigned cmd)
{
    switch (cmd) {
    case XEN_DOMCTL_settimeoffset:
    case XEN_DOMCTL_set_access_required:
    case XEN_DOMCTL_iomem_permission:
    case XEN_DOMCTL_ioport_permission:
    case XEN_DOMCTL_irq_permission:
#ifdef XEN_DOMCTL_gsi_permission
    case XEN_DOMCTL_gsi_permission:
#endif
    case XEN_DOMCTL_set_target:
    case XEN_DOMCTL_set_virq_handler:
    case XEN_DOMCTL_setdebugging:
        return true;
    }
    return false;
}

static long state_op(struct sim_domain *d, struct xen_domctl *op, bool *known)
{
    switch (op->cmd) {
    case XEN_DOMCTL_destroydomain:
        if (!d->slot)
            return -EINVAL;
        sim_domain_destroy(d);
        return 0;
    case XEN_DOMCTL_pausedomain:
        if (!d->slot)
            return -EINVAL;
        sim_domain_pause(d);
        return 0;
    case XEN_DOMCTL_unpausedomain:
        return d->slot ? sim_domain_unpause(d) : -EINVAL;
    case XEN_DOMCTL_resumedomain:
        if (!d->slot)
            return -EINVAL;
        sim_domain_resume(d);
        return 0;
    case XEN_DOMCTL_max_vcpus:
        return op->u.max_vcpus.max == d->max_vcpus ? 0 : -EINVAL;
    case XEN_DOMCTL_setdomainhandle:
        memcpy(d->uuid, op->u.setdomainhandle.handle, sizeof(d->uuid));
        return 0;
    case XEN_DOMCTL_scheduler_op:
        return sim_sched_domain(d, &op->u.scheduler_op);
    case XEN_DOMCTL_subscribe:
        d->suspend_port = op->u.subscribe.port;
        return 0;
    }
    *known = false;
    return -ENOSYS;
}

static long memory_op(struct sim_domain *d, struct xen_domctl *op, bool *known)
{
    switch (op->cmd) {
    case XEN_DOMCTL_max_mem:
        return max_mem(d, op->u.max_mem.max_memkb);
    case XEN_DOMCTL_shadow_op:
        return sim_shadow_op(d, &op->u.shadow_op);
    case XEN_DOMCTL_get_paging_mempool_size:
        return mempool(d, &op->u.paging_mempool.size, false);
    case XEN_DOMCTL_set_paging_mempool_size:
        return mempool(d, &op->u.paging_mempool.size, true);
    case XEN_DOMCTL_getpageframeinfo3:
        return page_info(d, &op->u.getpageframeinfo3);
    case XEN_DOMCTL_hypercall_init:
        return hypercall_page(d, op->u.hypercall_init.gmfn);
#ifdef XEN_DOMCTL_set_llc_colors
    case XEN_DOMCTL_set_llc_colors: /* built without, as Debian's */
        return op->u.set_llc_colors.pad ? -EINVAL : -EOPNOTSUPP;
#endif
    }
    *known = false;
    return -ENOSYS;
}

static long arch_op(struct sim_domain *d, struct xen_domctl *op, bool *known)
{
    switch (op->cmd) {
    case XEN_DOMCTL_gethvmcontext:
        return sim_get_hvm_context(d, op);
    case XEN_DOMCTL_sethvmcontext:
        return sim_set_hvm_context(d, op);
    case XEN_DOMCTL_gethvmcontext_partial:
        return sim_get_hvm_context_partial(d, op);
    case XEN_DOMCTL_settscinfo:
        set_tsc(d, &op->u.tsc_info);
        return 0;
    case XEN_DOMCTL_gettscinfo:
        get_tsc(d, &op->u.tsc_info);
        return 0;
    case XEN_DOMCTL_set_address_size:
        if (sim_is_hvm(d) || op->u.address_size.size != 64)
            return -EINVAL; /* no 32-bit PV, as Debian's Xen */
        return 0;
    case XEN_DOMCTL_get_address_size:
        op->u.address_size.size = d->address_bits;
        return 0;
    case XEN_DOMCTL_get_cpu_policy:
        return sim_cpu_policy_copy(&op->u.cpu_policy, d->leaves, d->nr_leaves,
                                   d->msrs, d->nr_msrs);
    case XEN_DOMCTL_set_cpu_policy:
        return set_policy(d, &op->u.cpu_policy);
    }
    *known = false;
    return -ENOSYS;
}

long sim_domctl(struct xen_domctl *op)
{
    static long (*const part[])(struct sim_domain *, struct xen_domctl *,
                                bool *) = { state_op, memory_op, arch_op,
                                            sim_vcpu_op };
    struct sim_domain *d;

    if (op->interface_version != XEN_DOMCTL_INTERFACE_VERSION)
        return -EACCES;
    if (op->cmd == XEN_DOMCTL_createdomain)
        return sim_domain_create(op);
    if (op->cmd == XEN_DOMCTL_getdomaininfo)
        return get_info(op);
    if (op->cmd == XEN_DOMCTL_test_assign_device)
        return -ENOSYS; /* no IOMMU */
    d = sim_domain(op->domain);
    if (!d)
        return -ESRCH;
    for (unsigned i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
        bool known = true;
        long rc = part[i](d, op, &known);

        if (known)
            return rc;
    }
    return has_no_effect(op->cmd) ? 0 : -ENOSYS;
}
