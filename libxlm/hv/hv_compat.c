/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See hv_compat.h; configure has found out which functions there are. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <xenctrl.h>
#include <xenguest.h>

#include "hv/hv_compat.h"

#define MIB (UINT64_C(1) << 20)

#ifdef HAVE_XC_LOGDIRTY_CONTROL

int xlm__compat_shadow_op(xc_interface *xch, uint32_t domid, unsigned op)
{
    return xc_shadow_control(xch, domid, op, NULL, 0);
}

long long xlm__compat_logdirty_clean(xc_interface *xch, uint32_t domid,
                                     xc_hypercall_buffer_t *bitmap,
                                     uint64_t nr_pfns, unsigned mode)
{
    return xc_logdirty_control(xch, domid, XEN_DOMCTL_SHADOW_OP_CLEAN, bitmap,
                               nr_pfns, mode, NULL);
}

#else /* one function did it all */

int xlm__compat_shadow_op(xc_interface *xch, uint32_t domid, unsigned op)
{
    return xc_shadow_control(xch, domid, op, NULL, 0, NULL, 0, NULL);
}

long long xlm__compat_logdirty_clean(xc_interface *xch, uint32_t domid,
                                     xc_hypercall_buffer_t *bitmap,
                                     uint64_t nr_pfns, unsigned mode)
{
    return xc_shadow_control(xch, domid, XEN_DOMCTL_SHADOW_OP_CLEAN, bitmap,
                             nr_pfns, NULL, mode, NULL);
}

#endif

#ifdef XEN_DOMCTL_get_paging_mempool_size /* public/domctl.h, since 4.17 */

int xlm__compat_paging_pool_get(xc_interface *xch, uint32_t domid,
                                uint64_t *bytes_out)
{
    return xc_get_paging_mempool_size(xch, domid, bytes_out);
}

int xlm__compat_paging_pool_set(xc_interface *xch, uint32_t domid,
                                uint64_t bytes)
{
    return xc_set_paging_mempool_size(xch, domid, bytes);
}

#else

int xlm__compat_paging_pool_get(xc_interface *xch, uint32_t domid,
                                uint64_t *bytes_out)
{
    unsigned long mib = 0;
    int r = xc_shadow_control(xch, domid, XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION,
                              NULL, 0, &mib, 0, NULL);

    *bytes_out = mib * MIB;
    return r < 0 ? -1 : 0;
}

int xlm__compat_paging_pool_set(xc_interface *xch, uint32_t domid,
                                uint64_t bytes)
{
    unsigned long mib = (unsigned long)((bytes + MIB - 1) / MIB);

    return xc_shadow_control(xch, domid, XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION,
                             NULL, 0, &mib, 0, NULL);
}

#endif

static int arrays_alloc(struct xlm__policy_arrays *a)
{
    /* One more than asked for: there may be no MSRs, and 0 has no address. */
    a->leaves = calloc(a->nr_leaves + 1u, sizeof(*a->leaves));
    a->msrs = calloc(a->nr_msrs + 1u, sizeof(*a->msrs));
    if (a->leaves && a->msrs)
        return 0;
    errno = ENOMEM;
    return -1;
}

#ifdef HAVE_XC_CPU_POLICY_INIT

static int policy_fetch(xc_interface *xch, const xc_cpu_policy_t *policy,
                        struct xlm__policy_arrays *out)
{
    if (xc_cpu_policy_get_size(xch, &out->nr_leaves, &out->nr_msrs) ||
        arrays_alloc(out))
        return -1;
    return xc_cpu_policy_serialise(xch, policy, out->leaves, &out->nr_leaves,
                                   out->msrs, &out->nr_msrs);
}

static unsigned max_policy(bool hvm)
{
    return hvm ? XEN_SYSCTL_cpu_policy_hvm_max : XEN_SYSCTL_cpu_policy_pv_max;
}

int xlm__compat_policy_of_domain(xc_interface *xch, uint32_t domid,
                                 struct xlm__policy_arrays *out)
{
    xc_cpu_policy_t *policy = xc_cpu_policy_init();
    int r = -1;

    if (policy && !xc_cpu_policy_get_domain(xch, domid, policy))
        r = policy_fetch(xch, policy, out);
    if (policy)
        xc_cpu_policy_destroy(policy);
    return r;
}

int xlm__compat_policy_of_host(xc_interface *xch, bool hvm,
                               struct xlm__policy_arrays *out)
{
    xc_cpu_policy_t *policy = xc_cpu_policy_init();
    int r = -1;

    if (policy && !xc_cpu_policy_get_system(xch, max_policy(hvm), policy))
        r = policy_fetch(xch, policy, out);
    if (policy)
        xc_cpu_policy_destroy(policy);
    return r;
}

int xlm__compat_policy_fits(xc_interface *xch, bool hvm,
                            const struct xlm__policy_arrays *guest,
                            bool *ok_out)
{
    xc_cpu_policy_t *host = xc_cpu_policy_init();
    xc_cpu_policy_t *want = xc_cpu_policy_init();
    int r = -1;

    if (host && want && !xc_cpu_policy_get_system(xch, max_policy(hvm), host)) {
        /* A leaf or MSR that this host's libraries do not know fails too. */
        *ok_out = !xc_cpu_policy_update_cpuid(xch, want, guest->leaves,
                                              guest->nr_leaves) &&
                  !xc_cpu_policy_update_msrs(xch, want, guest->msrs,
                                             guest->nr_msrs) &&
                  xc_cpu_policy_is_compatible(xch, host, want);
        r = 0;
    }
    if (want)
        xc_cpu_policy_destroy(want);
    if (host)
        xc_cpu_policy_destroy(host);
    return r;
}

#else /* 4.14 */

int xlm__compat_policy_of_domain(xc_interface *xch, uint32_t domid,
                                 struct xlm__policy_arrays *out)
{
    if (xc_get_cpu_policy_size(xch, &out->nr_leaves, &out->nr_msrs) ||
        arrays_alloc(out))
        return -1;
    return xc_get_domain_cpu_policy(xch, domid, &out->nr_leaves, out->leaves,
                                    &out->nr_msrs, out->msrs);
}

int xlm__compat_policy_of_host(xc_interface *xch, bool hvm,
                               struct xlm__policy_arrays *out)
{
    if (xc_get_cpu_policy_size(xch, &out->nr_leaves, &out->nr_msrs) ||
        arrays_alloc(out))
        return -1;
    return xc_get_system_cpu_policy(
        xch, hvm ? XEN_SYSCTL_cpu_policy_hvm_max : XEN_SYSCTL_cpu_policy_pv_max,
        &out->nr_leaves, out->leaves, &out->nr_msrs, out->msrs);
}

int xlm__compat_policy_fits(xc_interface *xch, bool hvm,
                            const struct xlm__policy_arrays *guest,
                            bool *ok_out)
{
    (void)xch;
    (void)hvm;
    (void)guest;
    *ok_out = true;
    return 0;
}

#endif
