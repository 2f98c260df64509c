/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guest memory: page types, mappings, populate and depopulate, grants. */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hv/hv_xen.h"

#define XLM_MODULE "hv"

#define M2P_EXTENT_BYTES (2ull << 20) /* of XENMEM_machphys_mfn_list */

int xlm__xen_page_types(struct xlm__hv *hv, uint32_t domid, size_t nr,
                        uint64_t *gfns_types)
{
    xc_interface *xch = xlm__hv_xen(hv)->xch;
    DECLARE_HYPERCALL_BUFFER(xen_pfn_t, buf);
    struct xen_domctl domctl;
    int rc = 0;

    assert(nr <= XLM__MAP_MAX);
    if (!nr)
        return 0;
    buf = xc_hypercall_buffer_alloc(xch, buf, nr * sizeof(*buf));
    if (!buf)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "types of %zu pages", nr);
    memcpy(buf, gfns_types, nr * sizeof(*buf));

    memset(&domctl, 0, sizeof(domctl));
    domctl.cmd = XEN_DOMCTL_getpageframeinfo3;
    domctl.domain = (domid_t)domid;
    domctl.u.getpageframeinfo3.num = nr;
    set_xen_guest_handle(domctl.u.getpageframeinfo3.array, buf);
    if (xc_domctl(xch, &domctl))
        rc = XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                            "types of %zu pages of domain %u", nr, domid);
    else
        memcpy(gfns_types, buf, nr * sizeof(*buf));
    xc_hypercall_buffer_free(xch, buf);
    return rc;
}

int xlm__xen_map(struct xlm__hv *hv, uint32_t domid, bool write, size_t nr,
                 const uint64_t *gfns, int *errs, struct xlm__map *out)
{
    int prot = PROT_READ | (write ? PROT_WRITE : 0);
    void *addr;

    assert(nr > 0 && nr <= XLM__MAP_MAX);
    addr = xenforeignmemory_map(xlm__hv_xen(hv)->fmem, domid, prot, nr, gfns,
                                errs);
    if (!addr)
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "map %zu pages of domain %u from %#llx", nr,
                              domid, (unsigned long long)gfns[0]);
    /* The library gives negative or positive values, by kernel and OS. */
    for (size_t i = 0; i < nr; i++)
        errs[i] = abs(errs[i]);
    out->addr = addr;
    out->nr = nr;
    return 0;
}

void xlm__xen_unmap(struct xlm__hv *hv, struct xlm__map *map)
{
    if (map->addr)
        xenforeignmemory_unmap(xlm__hv_xen(hv)->fmem, map->addr, map->nr);
    map->addr = NULL;
    map->nr = 0;
}

typedef int physmap_fn(xc_interface *xch, uint32_t domid, unsigned order,
                       unsigned long nr, xen_pfn_t *pfns);

static int do_populate(xc_interface *xch, uint32_t domid, unsigned order,
                       unsigned long nr, xen_pfn_t *pfns)
{
    return xc_domain_populate_physmap_exact(xch, domid, nr, order, 0, pfns);
}

static int do_depopulate(xc_interface *xch, uint32_t domid, unsigned order,
                         unsigned long nr, xen_pfn_t *pfns)
{
    return xc_domain_decrease_reservation_exact(xch, domid, nr, order, pfns);
}

/* In steps, on a copy: the library writes to the array it is given. */
static int physmap(struct xlm__hv *hv, uint32_t domid, unsigned order,
                   size_t nr, const uint64_t *pfns, physmap_fn *fn)
{
    xen_pfn_t copy[512];

    while (nr) {
        size_t n = nr < 512 ? nr : 512;

        memcpy(copy, pfns, n * sizeof(*copy));
        if (fn(xlm__hv_xen(hv)->xch, domid, order, n, copy))
            return -1;
        pfns += n;
        nr -= n;
    }
    return 0;
}

int xlm__xen_populate(struct xlm__hv *hv, uint32_t domid, unsigned order,
                      size_t nr, const uint64_t *pfns, bool *nomem_out)
{
    *nomem_out = false;
    if (!physmap(hv, domid, order, nr, pfns, do_populate))
        return 0;
    if (xlm__xen_is_nomem()) {
        *nomem_out = true;
        return 0;
    }
    return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                          "populate %zu extents of order %u of domain %u from "
                          "page %#llx",
                          nr, order, domid, (unsigned long long)pfns[0]);
}

int xlm__xen_depopulate(struct xlm__hv *hv, uint32_t domid, size_t nr,
                        const uint64_t *gfns)
{
    if (!physmap(hv, domid, 0, nr, gfns, do_depopulate))
        return 0;
    return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                          "give back %zu pages of domain %u from %#llx", nr,
                          domid, (unsigned long long)gfns[0]);
}

int xlm__xen_max_pages_set(struct xlm__hv *hv, uint32_t domid, uint64_t pages)
{
    const uint64_t kb = pages * (XLM__PAGE_SIZE / 1024);

    if (!xc_domain_setmaxmem(xlm__hv_xen(hv)->xch, domid, kb))
        return 0;
    return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                          "limit memory of domain %u to %llu KiB", domid,
                          (unsigned long long)kb);
}

/* Machine frames of Xen's machine-to-phys table itself, *nr_out of them. */
static int m2p_frames(struct xlm__hv *hv, unsigned long nr_mfns,
                      xen_pfn_t **frames_out, size_t *nr_out)
{
    size_t per_extent = M2P_EXTENT_BYTES / XLM__PAGE_SIZE;
    /* Exactly as many as Xen has: the call fails if there are fewer. */
    size_t nr = (nr_mfns * sizeof(xen_pfn_t) + M2P_EXTENT_BYTES - 1) /
                M2P_EXTENT_BYTES;
    xen_pfn_t *extents = calloc(nr, sizeof(*extents));
    xen_pfn_t *frames = calloc(nr * per_extent, sizeof(*frames));
    int rc = 0;

    if (!extents || !frames) {
        rc = XLM_FAIL(hv->err, XLM_ERR_NOMEM, "%zu extents of the M2P", nr);
        goto out;
    }
    if (xc_machphys_mfn_list(xlm__hv_xen(hv)->xch, nr, extents)) {
        rc = XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                            "list of %zu extents of the M2P", nr);
        goto out;
    }
    for (size_t i = 0; i < nr * per_extent; i++)
        frames[i] = extents[i / per_extent] + i % per_extent;
    *nr_out = nr * per_extent;
    *frames_out = frames;
    frames = NULL;

out:
    free(frames);
    free(extents);
    return rc;
}

int xlm__xen_m2p_map(struct xlm__hv *hv, struct xlm__map *map_out,
                     uint64_t *nr_mfns_out)
{
    struct xlm__hv_xen *x = xlm__hv_xen(hv);
    unsigned long nr_mfns;
    xen_pfn_t *frames = NULL;
    size_t nr = 0;
    int rc;

    /* In spite of its name this is the number of the first that is not. */
    if (xc_maximum_ram_page(x->xch, &nr_mfns) < 0)
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "number of pages of this host");
    rc = m2p_frames(hv, nr_mfns, &frames, &nr);
    if (rc)
        return rc;
    map_out->addr = xenforeignmemory_map(x->fmem, DOMID_XEN, PROT_READ, nr,
                                         frames, NULL);
    map_out->nr = map_out->addr ? nr : 0;
    if (!map_out->addr)
        rc = XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                            "map %zu pages of the M2P", nr);
    free(frames);
    *nr_mfns_out = nr_mfns;
    return rc;
}

static xengnttab_handle *gnttab(struct xlm__hv_xen *x)
{
    pthread_mutex_lock(&x->gnt_lock);
    if (!x->gnt)
        x->gnt = xengnttab_open(&x->log.vtable, 0);
    pthread_mutex_unlock(&x->gnt_lock);
    return x->gnt;
}

int xlm__xen_grant_map(struct xlm__hv *hv, uint32_t domid, uint32_t ref,
                       const void **page_out)
{
    xengnttab_handle *gnt = gnttab(xlm__hv_xen(hv));

    if (!gnt)
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "open Xen's grant table interface");
    *page_out = xengnttab_map_grant_ref(gnt, domid, ref, PROT_READ);
    if (!*page_out)
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "map grant %u of domain %u", ref, domid);
    return 0;
}

void xlm__xen_grant_unmap(struct xlm__hv *hv, const void *page)
{
    if (page)
        xengnttab_unmap(gnttab(xlm__hv_xen(hv)), (void *)(uintptr_t)page, 1);
}
