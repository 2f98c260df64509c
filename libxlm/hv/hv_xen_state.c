/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPU policy, TSC, HVM context and parameters. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/cpuid.h"
#include "hv/hv_compat.h"
#include "hv/hv_xen.h"

#define XLM_MODULE "hv"

/* No CPU has more; Xen serialises some 100 leaves and a handful of MSRs. */
#define POLICY_MAX 4096

int xlm__xen_cpu_policy_get(struct xlm__hv *hv, uint32_t domid,
                            struct xlm__cpu_policy *out)
{
    struct xlm__policy_arrays a = { 0 };

    if (xlm__compat_policy_of_domain(xlm__hv_xen(hv)->xch, domid, &a)) {
        int rc = XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                                "CPU policy of domain %u", domid);

        free(a.leaves);
        free(a.msrs);
        return rc;
    }
    out->leaves = a.leaves;
    out->leaves_bytes = a.nr_leaves * sizeof(*a.leaves);
    out->msrs = a.msrs;
    out->msrs_bytes = a.nr_msrs * sizeof(*a.msrs);
    return 0;
}

/* View of what came over the wire: sizes are the peer's. */
static int policy_view(struct xlm__hv *hv, const struct xlm__cpu_policy *p,
                       struct xlm__policy_arrays *out)
{
    size_t leaves = p->leaves_bytes / sizeof(*out->leaves);
    size_t msrs = p->msrs_bytes / sizeof(*out->msrs);

    if (p->leaves_bytes % sizeof(*out->leaves) || leaves > POLICY_MAX)
        return XLM_FAIL(hv->err, XLM_ERR_STREAM,
                        "CPUID policy of %zu bytes: no whole number of "
                        "leaves, or more than %u",
                        p->leaves_bytes, POLICY_MAX);
    if (p->msrs_bytes % sizeof(*out->msrs) || msrs > POLICY_MAX)
        return XLM_FAIL(hv->err, XLM_ERR_STREAM,
                        "MSR policy of %zu bytes: no whole number of entries, "
                        "or more than %u",
                        p->msrs_bytes, POLICY_MAX);
    out->leaves = p->leaves;
    out->nr_leaves = (uint32_t)leaves;
    out->msrs = p->msrs;
    out->nr_msrs = (uint32_t)msrs;
    return 0;
}

int xlm__xen_cpu_policy_check(struct xlm__hv *hv,
                              const struct xlm__cpu_policy *policy,
                              bool *ok_out, char *why, size_t why_bytes)
{
    struct xlm__hv_xen *x = xlm__hv_xen(hv);
    struct xlm__policy_arrays guest, host = { 0 };
    int rc = policy_view(hv, policy, &guest);

    if (rc)
        return rc;
    xlm__hv_log_take(&x->log, why, why_bytes); /* only what comes now counts */
    if (xlm__compat_policy_fits(x->xch, policy->hvm, &guest, ok_out) ||
        xlm__compat_policy_of_host(x->xch, policy->hvm, &host)) {
        rc = XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                            "CPU policy of this host for %s guests",
                            policy->hvm ? "HVM" : "PV");
        goto out;
    }
    xlm__hv_log_take(&x->log, why, why_bytes);
    if (!*ok_out) {
        if (!*why)
            snprintf(why, why_bytes, "Xen gives no reason");
        goto out;
    }
    *why = '\0';
    *ok_out = !xlm__cpuid_lacks(guest.leaves, guest.nr_leaves, host.leaves,
                                host.nr_leaves, why, why_bytes);
out:
    free(host.leaves);
    free(host.msrs);
    return rc;
}

int xlm__xen_tsc_get(struct xlm__hv *hv, uint32_t domid, struct xlm__tsc *out)
{
    if (xc_domain_get_tsc_info(xlm__hv_xen(hv)->xch, domid, &out->mode,
                               &out->nsec, &out->khz, &out->incarnation))
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR, "TSC of domain %u",
                              domid);
    return 0;
}

int xlm__xen_hvm_context_get(struct xlm__hv *hv, uint32_t domid,
                             struct xlm__blob *out)
{
    xc_interface *xch = xlm__hv_xen(hv)->xch;
    int size = xc_domain_hvm_getcontext(xch, domid, NULL, 0);
    void *data;

    if (size <= 0)
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "size of the HVM context of domain %u", domid);
    data = malloc((size_t)size);
    if (!data)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "HVM context of %d bytes",
                        size);
    size = xc_domain_hvm_getcontext(xch, domid, data, (uint32_t)size);
    if (size < 0) {
        int rc = XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                                "HVM context of domain %u", domid);

        free(data);
        return rc;
    }
    out->data = data;
    out->bytes = (size_t)size;
    return 0;
}

int xlm__xen_hvm_param_get(struct xlm__hv *hv, uint32_t domid, unsigned index,
                           uint64_t *out)
{
    if (xc_hvm_param_get(xlm__hv_xen(hv)->xch, domid, index, out))
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "HVM parameter %u of domain %u", index, domid);
    return 0;
}

int xlm__xen_tsc_set(struct xlm__hv *hv, uint32_t domid,
                     const struct xlm__tsc *tsc)
{
    if (xc_domain_set_tsc_info(xlm__hv_xen(hv)->xch, domid, tsc->mode,
                               tsc->nsec, tsc->khz, tsc->incarnation))
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "TSC of domain %u: mode %u, %u kHz", domid,
                              tsc->mode, tsc->khz);
    return 0;
}

int xlm__xen_hvm_context_set(struct xlm__hv *hv, uint32_t domid,
                             const void *data, size_t bytes)
{
    /* libxenctrl copies it; its parameter has no const for that. */
    if (xc_domain_hvm_setcontext(xlm__hv_xen(hv)->xch, domid,
                                 (uint8_t *)(uintptr_t)data, (uint32_t)bytes))
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "load %zu bytes of HVM context into domain %u",
                              bytes, domid);
    return 0;
}

int xlm__xen_hvm_param_set(struct xlm__hv *hv, uint32_t domid, unsigned index,
                           uint64_t value)
{
    if (xc_hvm_param_set(xlm__hv_xen(hv)->xch, domid, index, value))
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "set HVM parameter %u of domain %u to %#" PRIx64,
                              index, domid, value);
    return 0;
}
