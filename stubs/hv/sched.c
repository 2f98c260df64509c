/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scheduler's parameters, and the only one with a consequence: a cap is
 * what the vCPUs of a domain may use together, in percent of one CPU.
 *
 * Nothing is scheduled: a domain is told how much CPU time it has used, and its
 * vCPUs wait until the cap has paid for that.  As with credit2, what was not
 * used within a period is lost.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "stubs/hv/sim.h"

#include <xen/sysctl.h>

#define CREDIT2_RATELIMIT_US 1000 /* Xen's defaults */
#define CREDIT_TSLICE_MS     30
#define PERIOD_NS            10000000 /* xen.git sched/credit2.c: BDGT_REPL */
#define NAP_NS               5000000

static const struct {
    const char *name;
    uint32_t id;
} known[] = {
    { "credit2", XEN_SCHEDULER_CREDIT2 },
    { "credit", XEN_SCHEDULER_CREDIT },
    { "null", XEN_SCHEDULER_NULL },
};

uint32_t sim_sched_by_name(const char *name)
{
    for (unsigned i = 0; name && i < sizeof(known) / sizeof(known[0]); i++)
        if (!strcmp(name, known[i].name))
            return known[i].id;
    return XEN_SCHEDULER_CREDIT2; /* Xen's default */
}

/* ---- parameters ---- */

static void set_cap(struct sim_domain *d, uint16_t cap)
{
    d->sched_cap = cap;
    __atomic_store_n(&d->cap_free_ns, 0, __ATOMIC_SEQ_CST);
}

/* xen.git sched/credit2.c, csched2_dom_cntl(). */
static long credit2(struct sim_domain *d, struct xen_domctl_scheduler_op *op)
{
    const struct xen_domctl_sched_credit2 *p = &op->u.credit2;

    if (op->cmd == XEN_DOMCTL_SCHEDOP_getinfo) {
        op->u.credit2.weight = d->sched_weight;
        op->u.credit2.cap = d->sched_cap;
        return 0;
    }
    if (op->cmd != XEN_DOMCTL_SCHEDOP_putinfo)
        return -EINVAL;
    if (p->weight)
        d->sched_weight = p->weight;
    if (p->cap > 100 * d->max_vcpus)
        return -EINVAL;
    set_cap(d, p->cap);
    return 0;
}

/* xen.git sched/credit.c, csched_dom_cntl(). */
static long credit(struct sim_domain *d, struct xen_domctl_scheduler_op *op)
{
    const struct xen_domctl_sched_credit *p = &op->u.credit;

    if (op->cmd == XEN_DOMCTL_SCHEDOP_getinfo) {
        op->u.credit.weight = d->sched_weight;
        op->u.credit.cap = d->sched_cap;
        return 0;
    }
    if (op->cmd != XEN_DOMCTL_SCHEDOP_putinfo)
        return -EINVAL;
    if (p->weight)
        d->sched_weight = p->weight;
    if (p->cap != UINT16_MAX)
        set_cap(d, p->cap);
    return 0;
}

long sim_sched_domain(struct sim_domain *d, struct xen_domctl_scheduler_op *op)
{
    if (op->sched_id != sim_hv->sched_id ||
        op->cmd > XEN_DOMCTL_SCHEDOP_getvcpuinfo)
        return -EINVAL;
    switch (op->sched_id) {
    case XEN_SCHEDULER_CREDIT2:
        return credit2(d, op);
    case XEN_SCHEDULER_CREDIT:
        return credit(d, op);
    }
    return 0; /* null has nothing to set */
}

/* Of the one pool. They stay as they are. */
long sim_sched_pool(struct xen_sysctl_scheduler_op *op)
{
    if (op->cpupool_id || op->sched_id != sim_hv->sched_id)
        return op->cpupool_id ? -ESRCH : -EINVAL;
    if (op->cmd != XEN_SYSCTL_SCHEDOP_getinfo)
        return -EOPNOTSUPP;
    switch (op->sched_id) {
    case XEN_SCHEDULER_CREDIT2:
        op->u.sched_credit2.ratelimit_us = CREDIT2_RATELIMIT_US;
        return 0;
    case XEN_SCHEDULER_CREDIT:
        op->u.sched_credit.tslice_ms = CREDIT_TSLICE_MS;
        op->u.sched_credit.ratelimit_us = CREDIT2_RATELIMIT_US;
        op->u.sched_credit.vcpu_migr_delay_us = 0;
        return 0;
    }
    return -EINVAL;
}

/* ---- CPU time ---- */

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void sim_sched_charge(struct sim_domain *d, uint64_t ns)
{
    const unsigned cap = d->sched_cap;
    uint64_t paid, from, floor;

    __atomic_fetch_add(&d->cpu_ns, ns, __ATOMIC_RELAXED);
    if (!cap)
        return;
    floor = now_ns() - PERIOD_NS;
    paid = __atomic_load_n(&d->cap_free_ns, __ATOMIC_SEQ_CST);
    do
        from = paid > floor ? paid : floor;
    while (!__atomic_compare_exchange_n(&d->cap_free_ns, &paid,
                                        from + ns * 100 / cap, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
}

void sim_sched_wait(const struct sim_domain *d, uint32_t incarnation)
{
    uint64_t now, paid;

    while (d->used && d->incarnation == incarnation && d->sched_cap) {
        now = now_ns();
        paid = __atomic_load_n(&d->cap_free_ns, __ATOMIC_SEQ_CST);
        if (paid <= now)
            return;
        /* Somebody may lift the cap meanwhile. */
        nanosleep(
            &(struct timespec){
                .tv_nsec = (long)(paid - now < NAP_NS ? paid - now : NAP_NS) },
            NULL);
    }
}
