/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Comparison of two CPUID policies.  Xen's own (4.17) looks at the number of
 * leaves only, so that a guest which uses AVX-512 may arrive where there is
 * none, and crash.
 */
#ifndef XLM_HV_CPUID_H
#define XLM_HV_CPUID_H

#include <stdbool.h>
#include <stddef.h>
#include <xenctrl.h>

/*
 * Does the guest's policy show a feature that the host's maximum lacks?  If
 * so, why names the leaf, the register and the bits.
 */
bool xlm__cpuid_lacks(const xen_cpuid_leaf_t *guest, size_t nr_guest,
                      const xen_cpuid_leaf_t *host, size_t nr_host, char *why,
                      size_t why_bytes);

#endif /* XLM_HV_CPUID_H */
