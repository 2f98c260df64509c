/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domctls about vCPUs. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "stubs/hv/sim.h"

static struct sim_vcpu *vcpu(struct sim_domain *d, uint32_t nr)
{
    return nr < d->max_vcpus ? &d->vcpu[nr] : NULL;
}

/* What a PV vCPU holds by its context, it holds until it is reset. */
static bool holds_others(const struct sim_vcpu *v, const void *context)
{
    const struct vcpu_guest_context *is = (const void *)&v->ctx;
    const struct vcpu_guest_context *to = context;

    return is->ctrlreg[3] != to->ctrlreg[3] ||
           is->ctrlreg[1] != to->ctrlreg[1] || is->gdt_ents != to->gdt_ents ||
           memcmp(is->gdt_frames, to->gdt_frames, sizeof(is->gdt_frames));
}

/* PV's state in full; of HVM, as in Xen, the integer registers matter. */
static long set_context(struct sim_domain *d, struct xen_domctl_vcpucontext *c)
{
    struct sim_vcpu *v = vcpu(d, c->vcpu);

    if (!v)
        return -EINVAL;
    if (c->ctxt.p && v->online && !sim_is_hvm(d) && holds_others(v, c->ctxt.p))
        return -EOPNOTSUPP;
    sim_domain_hold(d);
    if (c->ctxt.p)
        memcpy(&v->ctx, c->ctxt.p, sizeof(v->ctx));
    else
        memset(&v->ctx, 0, sizeof(v->ctx)); /* reset */
    if (!sim_is_hvm(d))
        v->online = c->ctxt.p;
    sim_domain_release(d);
    return 0;
}

static long get_context(struct sim_domain *d, struct xen_domctl_vcpucontext *c)
{
    const struct sim_vcpu *v = vcpu(d, c->vcpu);

    if (!v)
        return -EINVAL;
    if (!v->online)
        return -ENODATA;
    sim_domain_hold(d);
    memcpy(c->ctxt.p, &v->ctx, sizeof(v->ctx));
    sim_domain_release(d);
    return 0;
}

static long get_info(struct sim_domain *d, struct xen_domctl_getvcpuinfo *i)
{
    const struct sim_vcpu *v = vcpu(d, i->vcpu);
    const uint32_t nr = i->vcpu;

    if (!v)
        return -EINVAL;
    memset(i, 0, sizeof(*i));
    i->vcpu = nr;
    i->online = v->online;
    i->running = v->online && !sim_is_stopped(d);
    i->cpu = nr % sim_hv->nr_cpus;
    return 0;
}

static void all_bits(struct xenctl_bitmap *map, unsigned nr)
{
    uint8_t *p = map->bitmap.p;

    if (!p)
        return;
    memset(p, 0, (map->nr_bits + 7) / 8);
    for (unsigned i = 0; i < nr && i < map->nr_bits; i++)
        p[i / 8] |= 1u << i % 8;
}

static long ext_context(struct sim_domain *d,
                        struct xen_domctl_ext_vcpucontext *c, bool set)
{
    if (!vcpu(d, c->vcpu) || sim_is_hvm(d))
        return -EINVAL;
    if (set)
        return c->size < sizeof(c->size) ? -EINVAL : 0;
    const uint32_t nr = c->vcpu;

    memset(c, 0, sizeof(*c));
    c->vcpu = nr;
    c->size = sizeof(*c);
    return 0;
}

long sim_vcpu_op(struct sim_domain *d, struct xen_domctl *op, bool *known)
{
    *known = true;
    switch (op->cmd) {
    case XEN_DOMCTL_setvcpucontext:
        return set_context(d, &op->u.vcpucontext);
    case XEN_DOMCTL_getvcpucontext:
        return get_context(d, &op->u.vcpucontext);
    case XEN_DOMCTL_getvcpuinfo:
        return get_info(d, &op->u.getvcpuinfo);
    case XEN_DOMCTL_setvcpuaffinity:
        return 0;
    case XEN_DOMCTL_getvcpuaffinity:
        all_bits(&op->u.vcpuaffinity.cpumap_hard, sim_hv->nr_cpus);
        all_bits(&op->u.vcpuaffinity.cpumap_soft, sim_hv->nr_cpus);
        return 0;
    case XEN_DOMCTL_setnodeaffinity:
        return 0;
    case XEN_DOMCTL_getnodeaffinity:
        all_bits(&op->u.nodeaffinity.nodemap, 1);
        return 0;
    case XEN_DOMCTL_set_ext_vcpucontext:
        return ext_context(d, &op->u.ext_vcpucontext, true);
    case XEN_DOMCTL_get_ext_vcpucontext:
        return ext_context(d, &op->u.ext_vcpucontext, false);
    case XEN_DOMCTL_getvcpuextstate: /* no XSAVE */
        op->u.vcpuextstate.xfeature_mask = 0;
        op->u.vcpuextstate.size = 0;
        return 0;
    case XEN_DOMCTL_get_vcpu_msrs: /* none of interest */
        op->u.vcpu_msrs.msr_count = 0;
        return 0;
    case XEN_DOMCTL_setvcpuextstate:
    case XEN_DOMCTL_set_vcpu_msrs:
        return 0;
    }
    *known = false;
    return -ENOSYS;
}
