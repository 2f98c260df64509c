/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How calls and errors are called in rules and logs: as in Xen's headers. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stubs/hv/sim.h"

#include <xen/hvm/dm_op.h>
#include <xen/hvm/hvm_op.h>
#include <xen/sysctl.h>
#include <xen/version.h>

struct name {
    unsigned nr;
    const char *text;
};

#define D(n)                                                                   \
    {                                                                          \
        XEN_DOMCTL_##n, #n                                                     \
    }
static const struct name domctls[] = {
    D(createdomain),
    D(destroydomain),
    D(pausedomain),
    D(unpausedomain),
    D(resumedomain),
    D(getdomaininfo),
    D(setvcpuaffinity),
    D(getvcpuaffinity),
    D(shadow_op),
    D(max_mem),
    D(setvcpucontext),
    D(getvcpucontext),
    D(getvcpuinfo),
    D(max_vcpus),
    D(scheduler_op),
    D(setdomainhandle),
    D(setdebugging),
    D(irq_permission),
    D(iomem_permission),
    D(ioport_permission),
    D(hypercall_init),
    D(settimeoffset),
    D(sendtrigger),
    D(subscribe),
    D(gethvmcontext),
    D(sethvmcontext),
    D(gethvmcontext_partial),
    D(set_address_size),
    D(get_address_size),
    D(assign_device),
    D(deassign_device),
    D(test_assign_device),
    D(memory_mapping),
    D(ioport_mapping),
    D(set_ext_vcpucontext),
    D(get_ext_vcpucontext),
    D(set_target),
    D(vm_event_op),
    D(gettscinfo),
    D(settscinfo),
    D(getpageframeinfo3),
    D(setvcpuextstate),
    D(getvcpuextstate),
    D(set_access_required),
    D(audit_p2m),
    D(set_virq_handler),
    D(setnodeaffinity),
    D(getnodeaffinity),
    D(get_vcpu_msrs),
    D(set_vcpu_msrs),
    D(setvnumainfo),
    D(psr_cmt_op),
    D(monitor_op),
    D(psr_alloc),
    D(soft_reset),
    D(get_cpu_policy),
    D(set_cpu_policy),
    D(vmtrace_op),
    D(get_paging_mempool_size),
    D(set_paging_mempool_size),
#if SIM_XEN_MINOR >= 20
    D(dt_overlay),
    D(gsi_permission),
    D(set_llc_colors),
#endif
};

static const struct name shadow_ops[] = {
    { XEN_DOMCTL_SHADOW_OP_OFF, "off" },
    { XEN_DOMCTL_SHADOW_OP_ENABLE, "enable" },
    { XEN_DOMCTL_SHADOW_OP_CLEAN, "clean" },
    { XEN_DOMCTL_SHADOW_OP_PEEK, "peek" },
    { XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION, "get_allocation" },
    { XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION, "set_allocation" },
    { XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, "enable_logdirty" },
};

#define Y(n)                                                                   \
    {                                                                          \
        XEN_SYSCTL_##n, #n                                                     \
    }
static const struct name sysctls[] = {
    Y(readconsole),        Y(tbuf_op),
    Y(physinfo),           Y(sched_id),
    Y(perfc_op),           Y(getdomaininfolist),
    Y(debug_keys),         Y(getcpuinfo),
    Y(availheap),          Y(get_pmstat),
    Y(cpu_hotplug),        Y(pm_op),
    Y(lockprof_op),        Y(cputopoinfo),
    Y(numainfo),           Y(cpupool_op),
    Y(scheduler_op),       Y(coverage_op),
    Y(psr_cmt_op),         Y(pcitopoinfo),
    Y(psr_alloc),          Y(get_cpu_levelling_caps),
    Y(get_cpu_featureset), Y(livepatch_op),
    Y(get_cpu_policy),
};

#define M(n)                                                                   \
    {                                                                          \
        XENMEM_##n, #n                                                         \
    }
static const struct name memory_ops[] = {
    M(increase_reservation),
    M(decrease_reservation),
    M(maximum_ram_page),
    M(current_reservation),
    M(maximum_reservation),
    M(machphys_mfn_list),
    M(populate_physmap),
    M(add_to_physmap),
    M(memory_map),
    M(exchange),
    M(machphys_mapping),
    M(set_memory_map),
    M(maximum_gpfn),
    M(remove_from_physmap),
    M(set_pod_target),
    M(get_pod_target),
    M(get_sharing_freed_pages),
    M(get_sharing_shared_pages),
    M(paging_op),
    M(access_op),
    M(sharing_op),
    M(add_to_physmap_batch),
    M(claim_pages),
    M(machphys_compat_mfn_list),
    M(get_vnumainfo),
    M(reserved_device_memory_map),
    M(acquire_resource),
};

#define V(n)                                                                   \
    {                                                                          \
        XENVER_##n, #n                                                         \
    }
static const struct name versions[] = {
    V(version),       V(extraversion),        V(compile_info), V(capabilities),
    V(changeset),     V(platform_parameters), V(get_features), V(pagesize),
    V(guest_handle),  V(commandline),         V(build_id),
#ifdef XENVER_extraversion2
    V(extraversion2), V(capabilities2),       V(changeset2),   V(commandline2),
#endif
};

static const struct name evtchn_ops[] = {
    { EVTCHNOP_alloc_unbound, "alloc_unbound" },
    { EVTCHNOP_status, "status" },
    { EVTCHNOP_reset, "reset" },
};

static const struct name hvm_ops[] = {
    { HVMOP_set_param, "set_param" },
    { HVMOP_get_param, "get_param" },
};

static const struct name mmuext_ops[] = {
    { MMUEXT_PIN_L1_TABLE, "pin_l1_table" },
    { MMUEXT_PIN_L2_TABLE, "pin_l2_table" },
    { MMUEXT_PIN_L3_TABLE, "pin_l3_table" },
    { MMUEXT_PIN_L4_TABLE, "pin_l4_table" },
    { MMUEXT_UNPIN_TABLE, "unpin_table" },
    { MMUEXT_CLEAR_PAGE, "clear_page" },
};

static const struct name sched_ops[] = {
    { SCHEDOP_remote_shutdown, "remote_shutdown" },
};

#define O(n)                                                                   \
    {                                                                          \
        XEN_DMOP_##n, #n                                                       \
    }
static const struct name dm_ops[] = {
    O(create_ioreq_server),
    O(get_ioreq_server_info),
    O(map_io_range_to_ioreq_server),
    O(unmap_io_range_from_ioreq_server),
    O(set_ioreq_server_state),
    O(destroy_ioreq_server),
    O(track_dirty_vram),
    O(set_pci_intx_level),
    O(set_isa_irq_level),
    O(set_pci_link_route),
    O(modified_memory),
    O(set_mem_type),
    O(inject_event),
    O(inject_msi),
    O(remote_shutdown),
    O(relocate_memory),
};

#define T(list) list, sizeof(list) / sizeof((list)[0])
static const struct {
    unsigned op;
    const char *text;
    const struct name *list;
    unsigned nr;
} groups[] = {
    { __HYPERVISOR_domctl, "domctl", T(domctls) },
    { __HYPERVISOR_sysctl, "sysctl", T(sysctls) },
    { __HYPERVISOR_memory_op, "memory_op", T(memory_ops) },
    { __HYPERVISOR_xen_version, "xen_version", T(versions) },
    { __HYPERVISOR_event_channel_op, "event_channel_op", T(evtchn_ops) },
    { __HYPERVISOR_hvm_op, "hvm_op", T(hvm_ops) },
    { __HYPERVISOR_mmuext_op, "mmuext_op", T(mmuext_ops) },
    { __HYPERVISOR_sched_op, "sched_op", T(sched_ops) },
    { __HYPERVISOR_dm_op, "dm_op", T(dm_ops) },
    { __HYPERVISOR_mmu_update, "mmu_update", NULL, 0 },
    { __HYPERVISOR_grant_table_op, "grant_table_op", NULL, 0 },
    { __HYPERVISOR_xsm_op, "xsm_op", NULL, 0 },
    { __HYPERVISOR_physdev_op, "physdev_op", NULL, 0 },
    { __HYPERVISOR_platform_op, "platform_op", NULL, 0 },
    { __HYPERVISOR_hypfs_op, "hypfs_op", NULL, 0 },
};

static const char *lookup(const struct name *list, unsigned count, unsigned nr)
{
    for (unsigned i = 0; i < count; i++)
        if (list[i].nr == nr)
            return list[i].text;
    return NULL;
}

/* Number of the sub-operation: where it is depends on the call. */
static unsigned sub_number(unsigned op, const uint64_t *a)
{
    const struct xen_dm_op_buf *buf;

    switch (op) {
    case __HYPERVISOR_domctl: /* these three begin with it */
    case __HYPERVISOR_sysctl:
    case __HYPERVISOR_mmuext_op:
        return *(const uint32_t *)(uintptr_t)a[0];
    case __HYPERVISOR_memory_op:
        return a[0] & 0x3f;
    case __HYPERVISOR_dm_op:
        buf = (const void *)(uintptr_t)a[2];
        return a[1] && buf ? *(const uint32_t *)buf->h.p : 0;
    }
    return a[0];
}

void sim_call_name(unsigned op, const uint64_t *args, char *out, size_t size)
{
    const unsigned sub = sub_number(op, args);
    const char *text;

    for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (groups[i].op != op)
            continue;
        text = lookup(groups[i].list, groups[i].nr, sub);
        if (op == __HYPERVISOR_domctl && sub == XEN_DOMCTL_shadow_op) {
            const struct xen_domctl *d = (const void *)(uintptr_t)args[0];

            text = lookup(T(shadow_ops), d->u.shadow_op.op);
            snprintf(out, size, "domctl.shadow_op.%s", text ? text : "?");
        } else if (text) {
            snprintf(out, size, "%s.%s", groups[i].text, text);
        } else if (groups[i].list) {
            snprintf(out, size, "%s.%u", groups[i].text, sub);
        } else {
            snprintf(out, size, "%s", groups[i].text);
        }
        return;
    }
    snprintf(out, size, "hypercall.%u", op);
}

bool sim_errno_by_name(const char *name, int *err_out)
{
    for (int err = 1; err < 134; err++) {
        const char *known = strerrorname_np(err);

        if (known && !strcmp(known, name)) {
            *err_out = err;
            return true;
        }
    }
    return false;
}
