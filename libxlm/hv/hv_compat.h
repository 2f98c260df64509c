/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What differs between the libxenctrl and libxenguest of Xen 4.14 and of 4.17
 * and later.  As the calls behind it: 0 or a count, -1 with errno.
 */
#ifndef XLM_HV_HV_COMPAT_H
#define XLM_HV_HV_COMPAT_H

#include <stdbool.h>
#include <xenctrl.h>

#include "hv/hv.h"

int xlm__compat_shadow_op(xc_interface *xch, uint32_t domid, unsigned op);

/* Number of pages that Xen told of, or -1. */
long long xlm__compat_logdirty_clean(xc_interface *xch, uint32_t domid,
                                     xc_hypercall_buffer_t *bitmap,
                                     uint64_t nr_pfns, unsigned mode);

int xlm__compat_paging_pool_get(xc_interface *xch, uint32_t domid,
                                uint64_t *bytes_out);
int xlm__compat_paging_pool_set(xc_interface *xch, uint32_t domid,
                                uint64_t bytes);

/* Arrays are the caller's, to free(), also after a failure. */
struct xlm__policy_arrays {
    xen_cpuid_leaf_t *leaves;
    xen_msr_entry_t *msrs;
    uint32_t nr_leaves, nr_msrs;
};

int xlm__compat_policy_of_domain(xc_interface *xch, uint32_t domid,
                                 struct xlm__policy_arrays *out);
/* The most that this host can give a guest of this type. */
int xlm__compat_policy_of_host(xc_interface *xch, bool hvm,
                               struct xlm__policy_arrays *out);
/*
 * What Xen's own comparison says.  *ok_out false: the libraries logged why.
 * Before 4.17 there is none: always true, and our own comparison decides.
 */
int xlm__compat_policy_fits(xc_interface *xch, bool hvm,
                            const struct xlm__policy_arrays *guest,
                            bool *ok_out);

#endif /* XLM_HV_HV_COMPAT_H */
