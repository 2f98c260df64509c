/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Birth, running and death of a domain. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "stubs/hv/sim.h"

#define PAGING_DEFAULT (4u << 20)
#define TSC_KHZ        2000000

static uint32_t new_domid(uint32_t wanted)
{
    uint32_t id = wanted;

    if (id > 0 && id < DOMID_FIRST_RESERVED)
        return id;
    do {
        id = sim_hv->next_domid++;
        if (sim_hv->next_domid >= DOMID_FIRST_RESERVED)
            sim_hv->next_domid = 1;
    } while (sim_domain(id));
    return id;
}

static struct sim_domain *free_slot(void)
{
    for (unsigned i = 1; i < SIM_MAXDOM; i++) {
        struct sim_domain *d = &sim_hv->dom[i];

        /* A guest that is still leaving looks at it. */
        if (!d->used && !d->guest_pid) {
            const uint32_t gate = d->gate;

            memset(d, 0, sizeof(*d));
            d->gate = gate + 1;
            d->slot = i;
            return d;
        }
    }
    return NULL;
}

long sim_domain_create(struct xen_domctl *op)
{
    const struct xen_domctl_createdomain *c = &op->u.createdomain;
    struct sim_domain *d;

    if (c->max_vcpus < 1 || c->max_vcpus > SIM_MAXVCPU)
        return -EINVAL;
    if (op->domain > 0 && op->domain < DOMID_FIRST_RESERVED &&
        sim_domain(op->domain))
        return -EEXIST;
    d = free_slot();
    if (!d)
        return -ENOMEM;
    d->domid = new_domid(op->domain);
    d->incarnation = sim_hv->next_incarnation++;
    d->create = *c;
    memcpy(d->uuid, c->handle, sizeof(d->uuid));
    d->max_vcpus = c->max_vcpus;
    d->pause_count = 1; /* the toolstack's, as Xen does */
    d->shutdown_code = SIM_NO_SHUTDOWN;
    d->address_bits = 64;
    d->tsc_khz = TSC_KHZ;
    d->sched_weight = SIM_SCHED_WEIGHT;
    d->paging_bytes = PAGING_DEFAULT;
    d->nr_leaves = sim_cpuid_leaves(d->leaves, SIM_MAXLEAVES);
    d->nr_msrs = 1;
    d->msrs[0].idx = 0xce; /* platform info: nothing special */
    if (sim_is_hvm(d))
        sim_hvm_context_init(d);
    sim_warm_take(d);
    if (!sim_tables(d)) {
        sim_remove_tables(d);
        return -ENOMEM;
    }
    d->used = true;
    op->domain = d->domid;
    return 0;
}

static void changed(struct sim_domain *d)
{
    sim_futex_wake(&d->gate);
    sim_futex_wake(&sim_hv->work);
}

/* The order makes the journal right: STOP when nothing runs any more ... */
static void stopped(struct sim_domain *d)
{
    sim_quiesce(d);
    sim_clock_update(d, false);
    changed(d);
}

void sim_domain_pause(struct sim_domain *d)
{
    d->pause_count++;
    stopped(d);
}

long sim_domain_unpause(struct sim_domain *d)
{
    if (d->pause_count < 1)
        return -EINVAL;
    /* ... and START before anything can. */
    if (d->pause_count == 1) {
        d->started = true;
        if (!(d->flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying)))
            sim_clock_update(d, true);
    }
    d->pause_count--;
    changed(d);
    return 0;
}

void sim_domain_hold(struct sim_domain *d)
{
    d->held++;
    sim_quiesce(d);
}

void sim_domain_release(struct sim_domain *d)
{
    d->held--;
    sim_futex_wake(&d->gate);
}

void sim_domain_shutdown(struct sim_domain *d, unsigned reason)
{
    if (d->flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying))
        return;
    d->flags |= XEN_DOMINF_shutdown;
    d->shutdown_code = reason;
    stopped(d);
    if (reason == SHUTDOWN_suspend && d->suspend_port)
        sim_notify_remote(d, d->suspend_port);
    else
        sim_send_virq(VIRQ_DOM_EXC);
}

void sim_domain_resume(struct sim_domain *d)
{
    if (!(d->flags & XEN_DOMINF_shutdown))
        return;
    if (!d->pause_count)
        sim_clock_update(d, true);
    d->shutdown_code = SIM_NO_SHUTDOWN;
    d->flags &= ~XEN_DOMINF_shutdown;
    changed(d);
}

static void free_chunks(struct sim_domain *d)
{
    for (unsigned i = SIM_MAXDOM; i < sim_hv->nr_chunks; i++)
        if (sim_hv->chunk_owner[i] == d->slot)
            sim_hv->chunk_owner[i] = 0;
}

void sim_domain_destroy(struct sim_domain *d)
{
    d->flags |= XEN_DOMINF_dying;
    stopped(d);
    sim_hv->free_pages += d->tot_pages;
    sim_close_ports(d);
    free_chunks(d);
    sim_remove_tables(d);
    d->used = false;
    sim_futex_wake(&d->gate);
    sim_futex_wake(&sim_hv->work);
    sim_send_virq(VIRQ_DOM_EXC);
}

void sim_domain_info(struct sim_domain *d, struct xen_domctl_getdomaininfo *out)
{
    memset(out, 0, sizeof(*out));
    out->domain = d->domid;
    out->flags = d->flags | d->shutdown_code << XEN_DOMINF_shutdownshift;
    if (sim_is_hvm(d))
        out->flags |= XEN_DOMINF_hvm_guest;
    if (d->create.flags & XEN_DOMCTL_CDF_hap)
        out->flags |= XEN_DOMINF_hap;
    if (d->pause_count)
        out->flags |= XEN_DOMINF_paused;
    if (!sim_is_stopped(d))
        out->flags |= XEN_DOMINF_running;
    out->tot_pages = d->tot_pages;
    out->max_pages = d->max_pages;
    out->outstanding_pages = d->claimed_pages;
    out->shared_info_frame = sim_is_hvm(d)
                                 ? ~0ull
                                 : sim_xen_frame(d, SIM_XF_SHARED_INFO);
    for (unsigned i = 0; i < d->max_vcpus; i++)
        out->nr_online_vcpus += d->vcpu[i].online;
    out->max_vcpu_id = d->max_vcpus - 1;
    out->ssidref = d->create.ssidref;
    memcpy(out->handle, d->uuid, sizeof(out->handle));
    out->cpu_time = __atomic_load_n(&d->cpu_ns, __ATOMIC_RELAXED);
    out->gpaddr_bits = 46;
    out->arch_config = d->create.arch;
}
