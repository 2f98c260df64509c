/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "dom/dom_x86.h"

#define XLM_MODULE "dom"

/* X86_TSC_INFO; xen.git docs/specs/libxc-migration-stream.pandoc.  The
 * helper that reads these records runs on the same kind of CPU as we do. */
struct tsc_info {
    uint32_t mode, khz;
    uint64_t nsec;
    uint32_t incarnation, reserved;
};
_Static_assert(sizeof(struct tsc_info) == 24, "X86_TSC_INFO");

int xlm__dom_open(struct xlm__hv *hv, const struct xlm__dominfo *info,
                  struct xlm__dom **dom_out)
{
    if (info->hvm)
        return xlm__dom_open_hvm(hv, info, dom_out);
    return xlm__dom_open_pv(hv, info, dom_out);
}

int xlm__emit_policies(struct xlm__dom *dom, xlm__emit_fn *emit, void *user)
{
    struct xlm__cpu_policy p = { 0 };
    int rc = dom->hv->ops->cpu_policy_get(dom->hv, dom->domid, &p);

    if (rc)
        return rc;
    if (p.leaves_bytes)
        rc = emit(user, XLM__XC_X86_CPUID_POLICY, p.leaves, p.leaves_bytes);
    if (!rc && p.msrs_bytes)
        rc = emit(user, XLM__XC_X86_MSR_POLICY, p.msrs, p.msrs_bytes);
    free(p.leaves);
    free(p.msrs);
    return rc;
}

int xlm__emit_tsc(struct xlm__dom *dom, xlm__emit_fn *emit, void *user)
{
    struct tsc_info info = { 0 };
    struct xlm__tsc tsc;
    int rc = dom->hv->ops->tsc_get(dom->hv, dom->domid, &tsc);

    if (rc)
        return rc;
    info.mode = tsc.mode;
    info.khz = tsc.khz;
    info.nsec = tsc.nsec;
    info.incarnation = tsc.incarnation;
    return emit(user, XLM__XC_X86_TSC_INFO, &info, sizeof(info));
}

int xlm__tsc_decode(struct xlm__errslot *err, const void *body, size_t bytes,
                    struct xlm__tsc *out)
{
    struct tsc_info info;

    if (bytes != sizeof(info))
        return XLM_FAIL(err, XLM_ERR_STREAM,
                        "X86_TSC_INFO of %zu bytes, expected %zu", bytes,
                        sizeof(info));
    memcpy(&info, body, sizeof(info));
    *out = (struct xlm__tsc){ .mode = info.mode,
                              .khz = info.khz,
                              .incarnation = info.incarnation,
                              .nsec = info.nsec };
    return 0;
}
