/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Open Xen's interfaces; what they tell about the host and its domains. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hv/hv_compat.h"
#include "hv/hv_xen.h"

#define XLM_MODULE "hv"

#define LIST_STEP 32 /* domains asked for at a time, a matter of stack */

static void xen_close(struct xlm__hv *hv)
{
    struct xlm__hv_xen *x = xlm__hv_xen(hv);

    if (!hv)
        return;
    if (x->gnt)
        xengnttab_close(x->gnt);
    if (x->fmem)
        xenforeignmemory_close(x->fmem);
    if (x->xch)
        xc_interface_close(x->xch);
    pthread_mutex_destroy(&x->gnt_lock);
    xlm__hv_log_destroy(&x->log);
    free(x);
}

static int xen_hostinfo(struct xlm__hv *hv, struct xlm__hostinfo *out)
{
    xc_interface *xch = xlm__hv_xen(hv)->xch;
    xen_extraversion_t extra = "";
    xc_physinfo_t phys;
    int version;

    memset(&phys, 0, sizeof(phys));
    if (xc_physinfo(xch, &phys))
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR, "host information");
    version = xc_version(xch, XENVER_version, NULL);
    if (version < 0 || xc_version(xch, XENVER_extraversion, &extra) < 0)
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR, "version of Xen");

    memset(out, 0, sizeof(*out));
    out->xen_major = (uint32_t)version >> 16;
    out->xen_minor = (uint32_t)version & 0xffff;
    snprintf(out->xen_version, sizeof(out->xen_version), "%u.%u%.*s",
             out->xen_major, out->xen_minor, (int)sizeof(extra), extra);
    out->free_pages = phys.free_pages;
    out->total_pages = phys.total_pages;
    out->nr_cpus = phys.nr_cpus;
    out->hap = phys.capabilities & XEN_SYSCTL_PHYSCAP_hap;
    out->shadow = phys.capabilities & XEN_SYSCTL_PHYSCAP_shadow;
    return 0;
}

static void dominfo_from(const xc_domaininfo_t *in, struct xlm__dominfo *out)
{
    memset(out, 0, sizeof(*out));
    out->domid = in->domain;
    _Static_assert(sizeof(out->uuid) == sizeof(in->handle), "uuid");
    memcpy(out->uuid, in->handle, sizeof(out->uuid));
    out->hvm = in->flags & XEN_DOMINF_hvm_guest;
    out->hap = in->flags & XEN_DOMINF_hap;
    out->paused = in->flags & XEN_DOMINF_paused;
    out->blocked = in->flags & XEN_DOMINF_blocked;
    out->running = in->flags & XEN_DOMINF_running;
    out->dying = in->flags & XEN_DOMINF_dying;
    out->shutdown = in->flags & XEN_DOMINF_shutdown;
    out->shutdown_reason = in->flags >> XEN_DOMINF_shutdownshift &
                           XEN_DOMINF_shutdownmask;
    out->max_vcpu_id = in->max_vcpu_id;
    out->nr_online_vcpus = in->nr_online_vcpus;
    out->tot_pages = in->tot_pages;
    out->max_pages = in->max_pages;
    out->outstanding_pages = in->outstanding_pages;
    out->shared_info_mfn = in->shared_info_frame;
    out->cpupool = in->cpupool;
    out->cpu_ns = in->cpu_time;
}

static int xen_dominfo(struct xlm__hv *hv, uint32_t domid,
                       struct xlm__dominfo *out, bool *exists_out)
{
    xc_domaininfo_t info;
    int nr = xc_domain_getinfolist(xlm__hv_xen(hv)->xch, domid, 1, &info);

    if (nr < 0)
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "information on domain %u", domid);
    /* Xen gives the first domain from this number on. */
    *exists_out = nr == 1 && info.domain == domid;
    if (*exists_out)
        dominfo_from(&info, out);
    return 0;
}

static int xen_find_uuid(struct xlm__hv *hv, const unsigned char uuid[16],
                         uint32_t except, uint32_t *domid_out)
{
    xc_domaininfo_t list[LIST_STEP];
    uint32_t next = 0;
    int nr;

    *domid_out = 0;
    do {
        nr = xc_domain_getinfolist(xlm__hv_xen(hv)->xch, next, LIST_STEP, list);
        if (nr < 0)
            return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                                  "list of domains from %u", next);
        for (int i = 0; i < nr; i++) {
            next = list[i].domain + 1u;
            if (list[i].domain == except || memcmp(list[i].handle, uuid, 16))
                continue;
            *domid_out = list[i].domain;
            return 0;
        }
    } while (nr == LIST_STEP);
    return 0;
}

static int xen_nr_pfns(struct xlm__hv *hv, uint32_t domid, uint64_t *out)
{
    xen_pfn_t nr;

    if (xc_domain_nr_gpfns(xlm__hv_xen(hv)->xch, domid, &nr) < 0)
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "highest page of domain %u", domid);
    *out = nr;
    return 0;
}

static int xen_pause(struct xlm__hv *hv, uint32_t domid)
{
    if (xc_domain_pause(xlm__hv_xen(hv)->xch, domid))
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR, "pause domain %u",
                              domid);
    return 0;
}

static int xen_unpause(struct xlm__hv *hv, uint32_t domid)
{
    if (xc_domain_unpause(xlm__hv_xen(hv)->xch, domid))
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR, "unpause domain %u",
                              domid);
    return 0;
}

static const struct xlm__hv_ops xen_ops = {
    .close = xen_close,
    .hostinfo = xen_hostinfo,
    .dominfo = xen_dominfo,
    .find_uuid = xen_find_uuid,
    .nr_pfns = xen_nr_pfns,
    .pause = xen_pause,
    .unpause = xen_unpause,
    .sched_get = xlm__xen_sched_get,
    .cap_set = xlm__xen_cap_set,
    .page_types = xlm__xen_page_types,
    .map = xlm__xen_map,
    .unmap = xlm__xen_unmap,
    .window = xlm__xen_window,
    .populate = xlm__xen_populate,
    .depopulate = xlm__xen_depopulate,
    .max_pages_set = xlm__xen_max_pages_set,
    .logdirty_on = xlm__xen_logdirty_on,
    .logdirty_off = xlm__xen_logdirty_off,
    .logdirty_clean = xlm__xen_logdirty_clean,
    .paging_pool_get = xlm__xen_paging_pool_get,
    .paging_pool_set = xlm__xen_paging_pool_set,
    .cpu_policy_get = xlm__xen_cpu_policy_get,
    .cpu_policy_check = xlm__xen_cpu_policy_check,
    .tsc_get = xlm__xen_tsc_get,
    .hvm_context_get = xlm__xen_hvm_context_get,
    .hvm_param_get = xlm__xen_hvm_param_get,
    .tsc_set = xlm__xen_tsc_set,
    .hvm_context_set = xlm__xen_hvm_context_set,
    .hvm_param_set = xlm__xen_hvm_param_set,
    .pv_width = xlm__xen_pv_width,
    .pv_vcpu_online = xlm__xen_pv_vcpu_online,
    .pv_vcpu_get = xlm__xen_pv_vcpu_get,
    .pv_populate = xlm__xen_pv_populate,
    .pv_pin = xlm__xen_pv_pin,
    .pv_vcpu_set = xlm__xen_pv_vcpu_set,
    .pv_vcpu_reset = xlm__xen_pv_vcpu_reset,
    .m2p_map = xlm__xen_m2p_map,
    .grants_written = xlm__xen_grants_written,
    .grant_map = xlm__xen_grant_map,
    .grant_unmap = xlm__xen_grant_unmap,
};

int xlm__hv_open_xen(struct xlm__errslot *err, struct xlm__hv **hv_out)
{
    struct xlm__hv_xen *x = calloc(1, sizeof(*x));
    int rc;

    if (!x)
        return XLM_FAIL(err, XLM_ERR_NOMEM, "handle of the hypervisor");
    x->base.ops = &xen_ops;
    x->base.err = err;
    pthread_mutex_init(&x->gnt_lock, NULL);
    xlm__hv_log_init(&x->log, err);

    x->xch = xc_interface_open(&x->log.vtable, &x->log.vtable, 0);
    if (!x->xch) {
        rc = XLM_FAIL_ERRNO(err, XLM_ERR_HYPERVISOR,
                            "open Xen's control interface (is this a dom0, "
                            "and are you root?)");
        goto fail;
    }
    x->fmem = xenforeignmemory_open(&x->log.vtable, 0);
    if (!x->fmem) {
        rc = XLM_FAIL_ERRNO(err, XLM_ERR_HYPERVISOR,
                            "open Xen's foreign memory interface");
        goto fail;
    }
    *hv_out = &x->base;
    return 0;

fail:
    xen_close(&x->base);
    return rc;
}
