/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the scheduler lets a domain use.  A weight of 0 leaves the weight as it
 * is (xen.git sched/credit.c, sched/credit2.c), so only the cap is touched. */
#include "config.h"

#include <string.h>

#include "hv/hv_xen.h"

#define XLM_MODULE "hv"

static const char *sched_name(uint32_t id)
{
    switch (id) {
    case XEN_SCHEDULER_CREDIT:
        return "credit";
    case XEN_SCHEDULER_CREDIT2:
        return "credit2";
    case XEN_SCHEDULER_ARINC653:
        return "arinc653";
    case XEN_SCHEDULER_RTDS:
        return "rtds";
    case XEN_SCHEDULER_NULL:
        return "null";
    default:
        return "unknown";
    }
}

/* Of the cpupool that the domain is in. */
static int sched_id(struct xlm__hv *hv, uint32_t domid, uint32_t *id_out)
{
    struct xlm__hv_xen *x = xlm__hv_xen(hv);
    xc_cpupoolinfo_t *pool;
    xc_domaininfo_t info;

    if (xc_domain_getinfolist(x->xch, domid, 1, &info) != 1 ||
        info.domain != domid)
        return XLM_FAIL(hv->err, XLM_ERR_HYPERVISOR, "domain %u is gone",
                        domid);
    pool = xc_cpupool_getinfo(x->xch, info.cpupool);
    if (!pool)
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "information on cpupool %u", info.cpupool);
    *id_out = pool->sched_id;
    xc_cpupool_infofree(x->xch, pool);
    return 0;
}

static int get_cap(struct xlm__hv *hv, uint32_t domid, uint32_t id,
                   uint32_t *cap_out)
{
    struct xlm__hv_xen *x = xlm__hv_xen(hv);
    struct xen_domctl_sched_credit2 two = { 0 };
    struct xen_domctl_sched_credit one = { 0 };
    int r = id == XEN_SCHEDULER_CREDIT2
                ? xc_sched_credit2_domain_get(x->xch, domid, &two)
                : xc_sched_credit_domain_get(x->xch, domid, &one);

    if (r)
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "scheduler parameters of domain %u", domid);
    *cap_out = id == XEN_SCHEDULER_CREDIT2 ? two.cap : one.cap;
    return 0;
}

int xlm__xen_sched_get(struct xlm__hv *hv, uint32_t domid,
                       struct xlm__sched *out)
{
    uint32_t id;
    int rc = sched_id(hv, domid, &id);

    if (rc)
        return rc;
    memset(out, 0, sizeof(*out));
    out->name = sched_name(id);
    out->has_cap = id == XEN_SCHEDULER_CREDIT || id == XEN_SCHEDULER_CREDIT2;
    return out->has_cap ? get_cap(hv, domid, id, &out->cap) : 0;
}

int xlm__xen_cap_set(struct xlm__hv *hv, uint32_t domid, uint32_t cap)
{
    struct xlm__hv_xen *x = xlm__hv_xen(hv);
    struct xen_domctl_sched_credit2 two = { .cap = (uint16_t)cap };
    struct xen_domctl_sched_credit one = { .cap = (uint16_t)cap };
    uint32_t id;
    int r, rc = sched_id(hv, domid, &id);

    if (rc)
        return rc;
    if (id != XEN_SCHEDULER_CREDIT && id != XEN_SCHEDULER_CREDIT2)
        return XLM_FAIL(hv->err, XLM_ERR_HYPERVISOR,
                        "cap of domain %u: scheduler %s has none", domid,
                        sched_name(id));
    r = id == XEN_SCHEDULER_CREDIT2
            ? xc_sched_credit2_domain_set(x->xch, domid, &two)
            : xc_sched_credit_domain_set(x->xch, domid, &one);
    if (r)
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "cap of domain %u: %u %%", domid, cap);
    return 0;
}
