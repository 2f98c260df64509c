/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Xen's log-dirty mode, and the pool its bookkeeping is allocated from. */
#include "config.h"

#include <string.h>

#include "hv/hv_compat.h"
#include "hv/hv_xen.h"
#include "util/bitmap.h"

#define XLM_MODULE "hv"

int xlm__xen_logdirty_on(struct xlm__hv *hv, uint32_t domid, bool *refused_out,
                         bool *busy_out)
{
    int r = xlm__compat_shadow_op(xlm__hv_xen(hv)->xch, domid,
                                  XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);

    *refused_out = r && errno == EOPNOTSUPP;
    *busy_out = r && errno == EINVAL;
    if (r && !*refused_out && !*busy_out)
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "switch on log-dirty of domain %u", domid);
    return 0;
}

int xlm__xen_logdirty_off(struct xlm__hv *hv, uint32_t domid)
{
    if (xlm__compat_shadow_op(xlm__hv_xen(hv)->xch, domid,
                              XEN_DOMCTL_SHADOW_OP_OFF))
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "switch off log-dirty of domain %u", domid);
    return 0;
}

/* Xen fills whole bytes: nothing may be set beyond nr_pfns. */
static void copy_bits(uint64_t *dst, const uint64_t *src, uint64_t nr_pfns)
{
    memcpy(dst, src, XLM__BITMAP_BYTES(nr_pfns));
    if (nr_pfns % 64)
        dst[nr_pfns / 64] &= (UINT64_C(1) << nr_pfns % 64) - 1;
}

int xlm__xen_logdirty_clean(struct xlm__hv *hv, uint32_t domid, bool final,
                            uint64_t nr_pfns, uint64_t *bitmap, bool *lost_out)
{
    xc_interface *xch = xlm__hv_xen(hv)->xch;
    size_t bytes = XLM__BITMAP_BYTES(nr_pfns);
    DECLARE_HYPERCALL_BUFFER(uint64_t, buf);
    long long got;
    int rc = 0;

    *lost_out = false;
    buf = xc_hypercall_buffer_alloc(xch, buf, bytes);
    if (!buf)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "log-dirty bitmap of %zu bytes",
                        bytes);
    memset(buf, 0, bytes);

    got = xlm__compat_logdirty_clean(xch, domid, HYPERCALL_BUFFER(buf), nr_pfns,
                                     final ? XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL
                                           : 0);
    if (got < 0 && errno == ENOMEM)
        *lost_out = true;
    else if (got < 0)
        rc = XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                            "dirty pages of domain %u", domid);
    else if ((uint64_t)got != nr_pfns)
        rc = XLM_FAIL(hv->err, XLM_ERR_HYPERVISOR,
                      "dirty pages of domain %u: Xen told of %lld, not of "
                      "%llu",
                      domid, got, (unsigned long long)nr_pfns);
    else
        copy_bits(bitmap, buf, nr_pfns);
    xc_hypercall_buffer_free(xch, buf);
    return rc;
}

int xlm__xen_paging_pool_get(struct xlm__hv *hv, uint32_t domid,
                             uint64_t *bytes_out)
{
    if (xlm__compat_paging_pool_get(xlm__hv_xen(hv)->xch, domid, bytes_out))
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "size of the paging pool of domain %u", domid);
    return 0;
}

int xlm__xen_paging_pool_set(struct xlm__hv *hv, uint32_t domid, uint64_t bytes)
{
    if (xlm__compat_paging_pool_set(xlm__hv_xen(hv)->xch, domid, bytes))
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "set the paging pool of domain %u to %llu bytes",
                              domid, (unsigned long long)bytes);
    return 0;
}
