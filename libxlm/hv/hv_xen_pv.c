/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* State of the virtual CPUs of PV domains. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "hv/hv_xen.h"

#define XLM_MODULE "hv"

int xlm__xen_pv_width(struct xlm__hv *hv, uint32_t domid, unsigned *bytes_out)
{
    if (xc_domain_get_guest_width(xlm__hv_xen(hv)->xch, domid, bytes_out))
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR, "width of domain %u",
                              domid);
    return 0;
}

int xlm__xen_pv_vcpu_online(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                            bool *out)
{
    xc_vcpuinfo_t info;

    if (xc_vcpu_getinfo(xlm__hv_xen(hv)->xch, domid, vcpu, &info))
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "information on vcpu %u of domain %u", vcpu,
                              domid);
    *out = info.online;
    return 0;
}

/* A copy of state as a blob; no bytes, no data. */
static int blob_of(struct xlm__hv *hv, const void *data, size_t bytes,
                   struct xlm__blob *out)
{
    out->data = NULL;
    out->bytes = bytes;
    if (!bytes)
        return 0;
    out->data = malloc(bytes);
    if (!out->data)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "vcpu state of %zu bytes",
                        bytes);
    memcpy(out->data, data, bytes);
    return 0;
}

static int failed(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                  const char *what)
{
    return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                          "%s of vcpu %u of domain %u", what, vcpu, domid);
}

static int get_basic(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                     struct xlm__blob *out)
{
    vcpu_guest_context_any_t *ctx = calloc(1, sizeof(*ctx));
    int rc;

    if (!ctx)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "context of vcpu %u", vcpu);
    if (xc_vcpu_getcontext(xlm__hv_xen(hv)->xch, domid, vcpu, ctx))
        rc = failed(hv, domid, vcpu, "context");
    else
        rc = blob_of(hv, &ctx->x64, sizeof(ctx->x64), out);
    free(ctx);
    return rc;
}

static int get_ext(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                   struct xlm__blob *out)
{
    struct xen_domctl d;
    size_t bytes;

    memset(&d, 0, sizeof(d));
    d.cmd = XEN_DOMCTL_get_ext_vcpucontext;
    d.domain = (domid_t)domid;
    d.u.ext_vcpucontext.vcpu = vcpu;
    if (xc_domctl(xlm__hv_xen(hv)->xch, &d))
        return failed(hv, domid, vcpu, "extended context");
    bytes = d.u.ext_vcpucontext.size;
    if (bytes > sizeof(d.u))
        return XLM_FAIL(hv->err, XLM_ERR_HYPERVISOR,
                        "extended context of vcpu %u: %zu bytes, room for %zu",
                        vcpu, bytes, sizeof(d.u));
    return blob_of(hv, &d.u.ext_vcpucontext, bytes, out);
}

static int get_xsave(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                     struct xlm__blob *out)
{
    xc_interface *xch = xlm__hv_xen(hv)->xch;
    DECLARE_HYPERCALL_BUFFER(void, buf);
    struct xen_domctl d;
    int rc;

    memset(&d, 0, sizeof(d));
    d.cmd = XEN_DOMCTL_getvcpuextstate;
    d.domain = (domid_t)domid;
    d.u.vcpuextstate.vcpu = vcpu;
    if (xc_domctl(xch, &d))
        return failed(hv, domid, vcpu, "size of XSAVE state");
    if (!d.u.vcpuextstate.xfeature_mask || !d.u.vcpuextstate.size)
        return blob_of(hv, NULL, 0, out);
    buf = xc_hypercall_buffer_alloc(xch, buf, d.u.vcpuextstate.size);
    if (!buf)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "XSAVE state of vcpu %u", vcpu);
    set_xen_guest_handle(d.u.vcpuextstate.buffer, buf);
    if (xc_domctl(xch, &d))
        rc = failed(hv, domid, vcpu, "XSAVE state");
    else
        rc = blob_of(hv, buf, d.u.vcpuextstate.size, out);
    xc_hypercall_buffer_free(xch, buf);
    return rc;
}

static int get_msrs(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                    struct xlm__blob *out)
{
    xc_interface *xch = xlm__hv_xen(hv)->xch;
    const size_t each = sizeof(xen_domctl_vcpu_msr_t);
    DECLARE_HYPERCALL_BUFFER(void, buf);
    struct xen_domctl d;
    int rc;

    memset(&d, 0, sizeof(d));
    d.cmd = XEN_DOMCTL_get_vcpu_msrs;
    d.domain = (domid_t)domid;
    d.u.vcpu_msrs.vcpu = vcpu;
    if (xc_domctl(xch, &d))
        return failed(hv, domid, vcpu, "number of MSRs");
    if (!d.u.vcpu_msrs.msr_count)
        return blob_of(hv, NULL, 0, out);
    buf = xc_hypercall_buffer_alloc(xch, buf, d.u.vcpu_msrs.msr_count * each);
    if (!buf)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "MSRs of vcpu %u", vcpu);
    set_xen_guest_handle(d.u.vcpu_msrs.msrs, buf);
    if (xc_domctl(xch, &d))
        rc = failed(hv, domid, vcpu, "MSRs");
    else
        rc = blob_of(hv, buf, d.u.vcpu_msrs.msr_count * each, out);
    xc_hypercall_buffer_free(xch, buf);
    return rc;
}

int xlm__xen_pv_vcpu_get(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                         enum xlm__vcpu_state what, struct xlm__blob *out)
{
    switch (what) {
    case XLM__VCPU_BASIC:
        return get_basic(hv, domid, vcpu, out);
    case XLM__VCPU_EXT:
        return get_ext(hv, domid, vcpu, out);
    case XLM__VCPU_XSAVE:
        return get_xsave(hv, domid, vcpu, out);
    case XLM__VCPU_MSRS:
        return get_msrs(hv, domid, vcpu, out);
    }
    return XLM_FAIL(hv->err, XLM_ERR_INTERNAL, "vcpu state %d", (int)what);
}
