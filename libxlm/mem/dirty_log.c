/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dirty pages by Xen's log-dirty mode. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "mem/dirty_impl.h"
#include "util/bitmap.h"

#define XLM_MODULE "mem"

#define MIB (UINT64_C(1) << 20)
/* Xen's log needs one page for 128 MiB of guest and few above that; what
 * exhausts a pool is the rest of its use.  Doubling helps the small default
 * (1 MiB a vcpu and 1/512 of memory); more than this helps nobody. */
#define POOL_GROWTH_MAX (256 * MIB)

struct log {
    struct xlm__dirty base; /* must be first */
    const uint64_t *ram;
    bool restarted;
};

static int switch_on(struct xlm__dom *dom, bool *refused_out)
{
    bool busy = false;
    int rc = dom->hv->ops->logdirty_on(dom->hv, dom->domid, refused_out, &busy);

    if (!rc && busy)
        rc = XLM_FAIL(dom->hv->err, XLM_ERR_BUSY,
                      "log-dirty of domain %u is on already (another "
                      "migration, a save, or one that died, which 'xl "
                      "lmigrate-recover %u' ends), or the domain has a device "
                      "passed through",
                      dom->domid, dom->domid);
    return rc;
}

static int enlarge_pool(struct xlm__dom *dom)
{
    struct xlm__hv *hv = dom->hv;
    uint64_t bytes = 0, growth;
    int rc = hv->ops->paging_pool_get(hv, dom->domid, &bytes);

    if (rc)
        return rc;
    growth = bytes < MIB ? MIB : bytes;
    if (growth > POOL_GROWTH_MAX)
        growth = POOL_GROWTH_MAX;
    /* Xen takes whole MiB only, before 4.17 at least. */
    bytes = (bytes + growth + MIB - 1) / MIB * MIB;
    XLM_LOG(hv->err, WARN,
            "Xen's dirty log of domain %u ran out of memory: paging pool is "
            "set to %" PRIu64 " MiB, all pages are sent again",
            dom->domid, bytes / MIB);
    return hv->ops->paging_pool_set(hv, dom->domid, bytes);
}

/* The log is lost.  Once we try to do better. */
static int restart(struct log *l)
{
    struct xlm__dom *dom = l->base.dom;
    struct xlm__hv *hv = dom->hv;
    bool refused = false;
    int rc;

    if (l->restarted)
        return XLM_FAIL(hv->err, XLM_ERR_HYPERVISOR,
                        "Xen's dirty log of domain %u ran out of memory "
                        "again, after the paging pool was enlarged",
                        dom->domid);
    l->restarted = true;
    rc = hv->ops->logdirty_off(hv, dom->domid);
    if (!rc)
        rc = enlarge_pool(dom);
    if (!rc)
        rc = switch_on(dom, &refused);
    if (!rc && refused)
        rc = XLM_FAIL(hv->err, XLM_ERR_HYPERVISOR,
                      "log-dirty of domain %u: Xen refuses to start it again",
                      dom->domid);
    return rc;
}

static int log_fetch(struct xlm__dirty *d, bool final, uint64_t *bitmap,
                     uint64_t *nr_out)
{
    struct log *l = (struct log *)d;
    struct xlm__dom *dom = d->dom;
    bool lost = false;
    int rc;

    rc = dom->hv->ops->logdirty_clean(dom->hv, dom->domid, final, dom->nr_pfns,
                                      bitmap, &lost);
    if (rc)
        return rc;
    if (lost) {
        /* A suspended domain needs no log any more. */
        rc = final ? 0 : restart(l);
        if (rc)
            return rc;
        xlm__bitmap_copy(bitmap, l->ram, dom->nr_pfns);
    }
    /* Not Xen's own count: that survives OFF and ON (facts-xen.md). */
    *nr_out = xlm__bitmap_count(bitmap, dom->nr_pfns);
    return 0;
}

/* Of a domain that ended meanwhile there is nothing to say. */
static bool is_there(const struct xlm__dom *dom)
{
    struct xlm__dominfo info;
    bool exists;

    return dom->hv->ops->dominfo(dom->hv, dom->domid, &info, &exists) ||
           (exists && !info.dying);
}

static void log_close(struct xlm__dirty *d)
{
    struct xlm__hv *hv;

    if (!d)
        return;
    hv = d->dom->hv;
    if (hv->ops->logdirty_off(hv, d->dom->domid) && is_there(d->dom))
        XLM_LOG(hv->err, WARN, "log-dirty of domain %u may still be on",
                d->dom->domid);
    free(d);
}

static const struct xlm__dirty_ops log_ops = {
    .close = log_close,
    .fetch = log_fetch,
    .sending = xlm__dirty_sending_nothing,
};

int xlm__dirty_open_log(struct xlm__dom *dom, const uint64_t *ram,
                        struct xlm__dirty **dirty_out)
{
    struct log *l = calloc(1, sizeof(*l));
    bool refused = false;
    int rc;

    if (!l)
        return XLM_FAIL(dom->hv->err, XLM_ERR_NOMEM, "dirty pages of domain %u",
                        dom->domid);
    rc = switch_on(dom, &refused);
    if (rc || refused) {
        free(l);
        *dirty_out = NULL;
        return rc;
    }
    l->base.ops = &log_ops;
    l->base.dom = dom;
    l->base.way = XLM__DIRTY_LOG;
    l->ram = ram;
    *dirty_out = &l->base;
    return 0;
}
