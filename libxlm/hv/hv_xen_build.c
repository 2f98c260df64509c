/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a PV domain is built from: frames, page tables, virtual CPUs. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hv/hv_xen.h"

#define XLM_MODULE "hv"

#define BATCH 512u

int xlm__xen_pv_populate(struct xlm__hv *hv, uint32_t domid, size_t nr,
                         const uint64_t *pfns, uint64_t *mfns_out,
                         bool *nomem_out)
{
    xc_interface *xch = xlm__hv_xen(hv)->xch;
    xen_pfn_t batch[BATCH]; /* pfns in, frames out */

    *nomem_out = false;
    for (size_t done = 0; done < nr;) {
        size_t n = nr - done < BATCH ? nr - done : BATCH;

        memcpy(batch, pfns + done, n * sizeof(*batch));
        if (xc_domain_populate_physmap_exact(xch, domid, n, 0, 0, batch)) {
            *nomem_out = xlm__xen_is_nomem();
            if (*nomem_out)
                return 0;
            return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                                  "populate %zu pages of domain %u from page "
                                  "%#llx",
                                  n, domid, (unsigned long long)pfns[done]);
        }
        memcpy(mfns_out + done, batch, n * sizeof(*batch));
        done += n;
    }
    return 0;
}

int xlm__xen_pv_pin(struct xlm__hv *hv, uint32_t domid, size_t nr,
                    const struct xlm__pin *pins)
{
    static const unsigned cmds[] = {
        MMUEXT_PIN_L1_TABLE,
        MMUEXT_PIN_L2_TABLE,
        MMUEXT_PIN_L3_TABLE,
        MMUEXT_PIN_L4_TABLE,
    };
    struct mmuext_op ops[BATCH];

    while (nr) {
        size_t n = nr < BATCH ? nr : BATCH;

        memset(ops, 0, n * sizeof(*ops));
        for (size_t i = 0; i < n; i++) {
            ops[i].cmd = cmds[(pins[i].level - 1) & 3];
            ops[i].arg1.mfn = pins[i].mfn;
        }
        if (xc_mmuext_op(xlm__hv_xen(hv)->xch, ops, (unsigned)n,
                         (domid_t)domid) < 0)
            return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                                  "pin %zu page tables of domain %u", n, domid);
        pins += n;
        nr -= n;
    }
    return 0;
}

static int failed(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                  const char *what)
{
    return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                          "set %s of vcpu %u of domain %u", what, vcpu, domid);
}

static int set_basic(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                     const void *data, size_t bytes)
{
    vcpu_guest_context_any_t *ctx = calloc(1, sizeof(*ctx));
    int rc = 0;

    if (!ctx)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "context of vcpu %u", vcpu);
    memcpy(&ctx->x64, data, bytes);
    if (xc_vcpu_setcontext(xlm__hv_xen(hv)->xch, domid, vcpu, ctx))
        rc = failed(hv, domid, vcpu, "context");
    free(ctx);
    return rc;
}

static int set_ext(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                   const void *data, size_t bytes)
{
    struct xen_domctl d;

    memset(&d, 0, sizeof(d));
    d.cmd = XEN_DOMCTL_set_ext_vcpucontext;
    d.domain = (domid_t)domid;
    memcpy(&d.u.ext_vcpucontext, data, bytes);
    d.u.ext_vcpucontext.vcpu = vcpu;
    if (xc_domctl(xlm__hv_xen(hv)->xch, &d))
        return failed(hv, domid, vcpu, "extended context");
    return 0;
}

/* XSAVE state, and MSRs: both in a buffer of the hypercall. */
static int set_buffer(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                      enum xlm__vcpu_state what, const void *data, size_t bytes)
{
    xc_interface *xch = xlm__hv_xen(hv)->xch;
    DECLARE_HYPERCALL_BUFFER(void, buf);
    struct xen_domctl d;
    int rc = 0;

    buf = xc_hypercall_buffer_alloc(xch, buf, bytes);
    if (!buf)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "vcpu state of %zu bytes",
                        bytes);
    memcpy(buf, data, bytes);
    memset(&d, 0, sizeof(d));
    d.domain = (domid_t)domid;
    if (what == XLM__VCPU_XSAVE) {
        d.cmd = XEN_DOMCTL_setvcpuextstate;
        d.u.vcpuextstate.vcpu = vcpu;
        d.u.vcpuextstate.size = bytes;
        set_xen_guest_handle(d.u.vcpuextstate.buffer, buf);
    } else {
        d.cmd = XEN_DOMCTL_set_vcpu_msrs;
        d.u.vcpu_msrs.vcpu = vcpu;
        d.u.vcpu_msrs.msr_count = (uint32_t)(bytes /
                                             sizeof(xen_domctl_vcpu_msr_t));
        set_xen_guest_handle(d.u.vcpu_msrs.msrs, buf);
    }
    if (xc_domctl(xch, &d))
        rc = failed(hv, domid, vcpu,
                    what == XLM__VCPU_XSAVE ? "XSAVE state" : "MSRs");
    xc_hypercall_buffer_free(xch, buf);
    return rc;
}

/* As the records of libxc's stream have them. */
static bool is_size(enum xlm__vcpu_state what, size_t bytes)
{
    switch (what) {
    case XLM__VCPU_BASIC:
        return bytes == sizeof(vcpu_guest_context_x86_64_t);
    case XLM__VCPU_EXT:
        return bytes >= 2 * sizeof(uint32_t) &&
               bytes <= sizeof(struct xen_domctl_ext_vcpucontext);
    case XLM__VCPU_XSAVE:
        return bytes >= 2 * sizeof(uint64_t);
    case XLM__VCPU_MSRS:
        return bytes && !(bytes % sizeof(xen_domctl_vcpu_msr_t));
    }
    return false;
}

int xlm__xen_pv_vcpu_set(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                         enum xlm__vcpu_state what, const void *data,
                         size_t bytes)
{
    if (!is_size(what, bytes))
        return XLM_FAIL(hv->err, XLM_ERR_STREAM,
                        "state %d of vcpu %u has %zu bytes, which is no length "
                        "of it",
                        (int)what, vcpu, bytes);
    switch (what) {
    case XLM__VCPU_BASIC:
        return set_basic(hv, domid, vcpu, data, bytes);
    case XLM__VCPU_EXT:
        return set_ext(hv, domid, vcpu, data, bytes);
    case XLM__VCPU_XSAVE:
    case XLM__VCPU_MSRS:
        return set_buffer(hv, domid, vcpu, what, data, bytes);
    }
    return XLM_FAIL(hv->err, XLM_ERR_INTERNAL, "vcpu state %d", (int)what);
}

int xlm__xen_pv_vcpu_reset(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu)
{
    if (!xc_vcpu_setcontext(xlm__hv_xen(hv)->xch, domid, vcpu, NULL))
        return 0;
    return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                          "reset vcpu %u of domain %u", vcpu, domid);
}
