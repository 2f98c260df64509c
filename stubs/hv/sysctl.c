/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "stubs/hv/sim.h"

#include <xen/sysctl.h>

#define CPU_KHZ      2000000
#define HW_CAP_WORDS 8

static long physinfo(struct xen_sysctl_physinfo *p)
{
    memset(p, 0, sizeof(*p));
    p->threads_per_core = 1;
    p->cores_per_socket = sim_hv->nr_cpus;
    p->nr_cpus = sim_hv->nr_cpus;
    p->max_cpu_id = sim_hv->nr_cpus - 1;
    p->nr_nodes = 1;
    p->cpu_khz = CPU_KHZ;
    sim_cpuid_featureset(p->hw_cap, HW_CAP_WORDS);
    p->capabilities = XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_pv |
                      XEN_SYSCTL_PHYSCAP_hap | XEN_SYSCTL_PHYSCAP_gnttab_v1;
    if (sim_hv->pv_log_dirty)
        p->capabilities |= XEN_SYSCTL_PHYSCAP_shadow;
    p->total_pages = sim_hv->total_pages;
    p->free_pages = sim_hv->free_pages;
    for (unsigned i = 0; i < SIM_MAXDOM; i++)
        if (sim_hv->dom[i].used)
            p->outstanding_pages += sim_hv->dom[i].claimed_pages;
    p->max_mfn = sim_hv->total_pages - 1;
    return 0;
}

static struct sim_domain *next_domain(uint32_t from)
{
    struct sim_domain *best = NULL;

    for (unsigned i = 0; i < SIM_MAXDOM; i++) {
        struct sim_domain *d = &sim_hv->dom[i];

        if (d->used && d->domid >= from && (!best || d->domid < best->domid))
            best = d;
    }
    return best;
}

static long list(struct xen_sysctl_getdomaininfolist *l)
{
    struct xen_domctl_getdomaininfo *out = l->buffer.p;
    uint32_t from = l->first_domain;

    for (l->num_domains = 0; l->num_domains < l->max_domains;
         l->num_domains++) {
        struct sim_domain *d = next_domain(from);

        if (!d)
            break;
        sim_domain_info(d, &out[l->num_domains]);
        from = d->domid + 1;
    }
    return 0;
}

static long cpu_topology(struct xen_sysctl_cputopoinfo *t)
{
    xen_sysctl_cputopo_t *out = t->cputopo.p;

    for (unsigned i = 0; out && i < t->num_cpus && i < sim_hv->nr_cpus; i++)
        out[i] = (xen_sysctl_cputopo_t){ .core = i };
    t->num_cpus = sim_hv->nr_cpus;
    return 0;
}

static long numa(struct xen_sysctl_numainfo *n)
{
    xen_sysctl_meminfo_t *mem = n->meminfo.p;
    uint32_t *distance = n->distance.p;

    if (mem && n->num_nodes) {
        mem->memsize = sim_hv->total_pages << 12;
        mem->memfree = sim_hv->free_pages << 12;
    }
    if (distance && n->num_nodes)
        *distance = 10; /* to itself, as ACPI has it */
    n->num_nodes = 1;
    return 0;
}

static void cpu_bits(struct xenctl_bitmap *map, unsigned nr)
{
    uint8_t *p = map->bitmap.p;

    if (!p)
        return;
    memset(p, 0, (map->nr_bits + 7) / 8);
    for (unsigned i = 0; i < nr && i < map->nr_bits; i++)
        p[i / 8] |= 1u << i % 8;
}

/* There is one pool, with all CPUs and all domains. */
static long cpupool(struct xen_sysctl_cpupool_op *op)
{
    switch (op->op) {
    case XEN_SYSCTL_CPUPOOL_OP_INFO:
        if (op->cpupool_id > 0)
            return -ENOENT;
        op->cpupool_id = 0;
        op->sched_id = sim_hv->sched_id;
        op->n_dom = 0;
        for (unsigned i = 0; i < SIM_MAXDOM; i++)
            op->n_dom += sim_hv->dom[i].used;
        cpu_bits(&op->cpumap, sim_hv->nr_cpus);
        return 0;
    case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
        cpu_bits(&op->cpumap, 0);
        return 0;
    case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN:
        return op->cpupool_id ? -ENOENT : 0;
    }
    return -EINVAL;
}

static long featureset(struct xen_sysctl_cpu_featureset *f)
{
    uint32_t words[32];
    const unsigned nr = sim_cpuid_featureset(words, 32);
    const unsigned have = f->nr_features < nr ? f->nr_features : nr;

    if (!f->features.p) {
        f->nr_features = nr;
        return 0;
    }
    memcpy(f->features.p, words, have * sizeof(words[0]));
    f->nr_features = have;
    return have < nr ? -ENOBUFS : 0;
}

static long cpu_policy(struct xen_sysctl_cpu_policy *p)
{
    static const xen_msr_entry_t msr = { .idx = 0xce };
    xen_cpuid_leaf_t leaves[SIM_MAXLEAVES];
    struct xen_domctl_cpu_policy q = { .nr_leaves = p->nr_leaves,
                                       .nr_msrs = p->nr_msrs };
    const unsigned nr = sim_cpuid_leaves(leaves, SIM_MAXLEAVES);
    long rc;

    if (!p->leaves.p && !p->msrs.p) { /* how large may it become */
        p->nr_leaves = SIM_MAXLEAVES;
        p->nr_msrs = 2;
        return 0;
    }
    q.leaves.p = p->leaves.p;
    q.msrs.p = p->msrs.p;
    rc = sim_cpu_policy_copy(&q, leaves, nr, &msr, 1);
    p->nr_leaves = q.nr_leaves;
    p->nr_msrs = q.nr_msrs;
    return rc;
}

long sim_sysctl(struct xen_sysctl *op)
{
    if (op->interface_version != XEN_SYSCTL_INTERFACE_VERSION)
        return -EACCES;
    switch (op->cmd) {
    case XEN_SYSCTL_physinfo:
        return physinfo(&op->u.physinfo);
    case XEN_SYSCTL_getdomaininfolist:
        return list(&op->u.getdomaininfolist);
    case XEN_SYSCTL_cputopoinfo:
        return cpu_topology(&op->u.cputopoinfo);
    case XEN_SYSCTL_numainfo:
        return numa(&op->u.numainfo);
    case XEN_SYSCTL_cpupool_op:
        return cpupool(&op->u.cpupool_op);
    case XEN_SYSCTL_get_cpu_featureset:
        return featureset(&op->u.cpu_featureset);
    case XEN_SYSCTL_get_cpu_policy:
        return cpu_policy(&op->u.cpu_policy);
    case XEN_SYSCTL_scheduler_op:
        return sim_sched_pool(&op->u.scheduler_op);
    case XEN_SYSCTL_availheap:
        op->u.availheap.avail_bytes = sim_hv->free_pages << 12;
        return 0;
    case XEN_SYSCTL_sched_id:
        op->u.sched_id.sched_id = sim_hv->sched_id;
        return 0;
    case XEN_SYSCTL_readconsole: /* nothing is ever printed */
        op->u.readconsole.count = 0;
        return 0;
    case XEN_SYSCTL_get_cpu_levelling_caps:
        op->u.cpu_levelling_caps.caps = 0;
        return 0;
    }
    return -ENOSYS;
}
