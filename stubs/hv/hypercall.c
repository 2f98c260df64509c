/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a hypercall's number to the function that plays it. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "stubs/hv/sim.h"

#include <xen/hvm/hvm_op.h>
#include <xen/sysctl.h>

#define MEMOP_CMD_MASK 0x3f /* above: how far a continued call got */

static void *pointer(uint64_t arg)
{
    return (void *)(uintptr_t)arg;
}

static long hvm_op(unsigned cmd, struct xen_hvm_param *p)
{
    struct sim_domain *d;

    if (cmd != HVMOP_set_param && cmd != HVMOP_get_param)
        return -ENOSYS;
    d = sim_domain(p->domid);
    if (!d)
        return -ESRCH;
    if (!sim_is_hvm(d) || p->index >= HVM_NR_PARAMS ||
        p->index >= SIM_NR_PARAMS)
        return -EINVAL;
    if (cmd == HVMOP_set_param)
        d->hvm_param[p->index] = p->value;
    else
        p->value = d->hvm_param[p->index];
    return 0;
}

static long sched_op(unsigned cmd, const struct sched_remote_shutdown *r)
{
    struct sim_domain *d;

    if (cmd != SCHEDOP_remote_shutdown)
        return -ENOSYS;
    d = sim_domain(r->domain_id);
    if (!d || !d->slot)
        return -ESRCH;
    sim_domain_shutdown(d, r->reason);
    return 0;
}

static long dispatch(unsigned op, const uint64_t *a, bool cut_short)
{
    switch (op) {
    case __HYPERVISOR_xen_version:
        return sim_xen_version(a[0], pointer(a[1]));
    case __HYPERVISOR_domctl:
        return sim_domctl(pointer(a[0]));
    case __HYPERVISOR_sysctl:
        return sim_sysctl(pointer(a[0]));
    case __HYPERVISOR_memory_op:
        return sim_memory_op(a[0] & MEMOP_CMD_MASK, pointer(a[1]), cut_short);
    case __HYPERVISOR_event_channel_op:
        return sim_event_channel_op(a[0], pointer(a[1]));
    case __HYPERVISOR_hvm_op:
        return hvm_op(a[0], pointer(a[1]));
    case __HYPERVISOR_sched_op:
        return sched_op(a[0], pointer(a[1]));
    case __HYPERVISOR_mmuext_op:
        return sim_mmuext_op(pointer(a[0]), a[1], a[3]);
    case __HYPERVISOR_mmu_update:
        return sim_mmu_update(pointer(a[0]), a[1], a[3]);
    case __HYPERVISOR_dm_op:
        return sim_dm_op(a[0], a[1], pointer(a[2]));
    }
    return -ENOSYS;
}

static long multicall(multicall_entry_t *call, uint64_t nr)
{
    for (uint64_t i = 0; i < nr; i++) {
        uint64_t args[6];

        for (unsigned k = 0; k < 6; k++)
            args[k] = call[i].args[k];
        call[i].result = sim_hypercall(call[i].op, args);
    }
    return 0;
}

static long hypercall(unsigned op, const uint64_t *args)
{
    struct sim_fault fault;
    char name[64];
    long rc;

    sim_call_name(op, args, name, sizeof(name));
    fault = sim_fault_begin(name);
    if (fault.kind == SIM_FAULT_ERRNO) {
        rc = -fault.err;
    } else if (fault.kind == SIM_FAULT_NOTHING) {
        rc = 0;
    } else {
        sim_lock();
        rc = dispatch(op, args, fault.kind == SIM_FAULT_SHORT);
        sim_unlock();
        /* A Xen without FLASK refuses its call too. */
        if (rc == -ENOSYS && op != __HYPERVISOR_xsm_op)
            sim_unsupported(name);
    }
    sim_log("%s = %ld", name, rc);
    sim_fault_end(&fault);
    return rc;
}

long sim_hypercall(unsigned op, const uint64_t *args)
{
    long rc;

    sim_profile_begin();
    rc = op == __HYPERVISOR_multicall ? multicall(pointer(args[0]), args[1])
                                      : hypercall(op, args);
    sim_profile_end(false);
    return rc;
}
