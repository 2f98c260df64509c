/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxenforeignmemory */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "stubs/hv/sim.h"

#include <xentoollog.h>

#include <xenforeignmemory.h>

#define PAGE_SHIFT 12

struct xenforeignmemory_handle {
    domid_t only; /* DOMID_INVALID: it is not restricted */
};

struct xenforeignmemory_resource_handle {
    void *addr;
    size_t nr;
};

xenforeignmemory_handle *xenforeignmemory_open(xentoollog_logger *logger,
                                               unsigned open_flags)
{
    xenforeignmemory_handle *h;
    int err = sim_attach();

    (void)logger;
    (void)open_flags;
    if (err) {
        errno = -err;
        return NULL;
    }
    h = calloc(1, sizeof(*h));
    if (h)
        h->only = DOMID_INVALID;
    return h;
}

int xenforeignmemory_close(xenforeignmemory_handle *h)
{
    free(h);
    return 0;
}

/* privcmd says that for the call, whatever its pages are. */
static bool refused(const xenforeignmemory_handle *h, uint32_t dom)
{
    if (h->only == DOMID_INVALID || h->only == dom)
        return false;
    sim_log("foreignmemory d%u by a handle for d%u = EPERM", dom, h->only);
    errno = EPERM;
    return true;
}

/* The second half of the pages is refused one by one, as privcmd does it. */
static void refuse_half(char *p, size_t nr, int *errs)
{
    const size_t first = nr / 2;

    for (size_t i = first; i < nr; i++)
        if (!errs[i])
            errs[i] = -EINVAL;
    (void)mprotect(p + (first << PAGE_SHIFT), (nr - first) << PAGE_SHIFT,
                   PROT_NONE);
}

static void *map_pages(uint32_t dom, void *addr, int prot, int flags, size_t nr,
                       const xen_pfn_t *frames, int *errs)
{
    struct sim_fault fault = sim_fault_begin("foreignmemory.map");
    void *p = NULL;

    if (fault.kind == SIM_FAULT_ERRNO)
        errno = fault.err;
    else
        p = sim_map(dom, addr, prot, flags, nr, frames, errs);
    if (p && fault.kind == SIM_FAULT_SHORT)
        refuse_half(p, nr, errs);
    sim_fault_end(&fault);
    sim_log("foreignmemory.map d%u %zu pages prot %d = %s", dom, nr, prot,
            p ? "0" : strerrorname_np(errno));
    return p;
}

/* Without an array for errors, all pages or none. */
static void *map_all(uint32_t dom, void *addr, int prot, int flags, size_t nr,
                     const xen_pfn_t *frames)
{
    int *errs = calloc(nr, sizeof(*errs)), bad = 0;
    void *p;

    if (!errs)
        return NULL;
    p = map_pages(dom, addr, prot, flags, nr, frames, errs);
    for (size_t i = 0; p && i < nr && !bad; i++)
        bad = errs[i];
    free(errs);
    if (p && bad) {
        munmap(p, nr << PAGE_SHIFT);
        errno = -bad;
        return NULL;
    }
    return p;
}

void *xenforeignmemory_map2(xenforeignmemory_handle *h, uint32_t dom,
                            void *addr, int prot, int flags, size_t nr,
                            const xen_pfn_t frames[], int errs[])
{
    if (refused(h, dom))
        return NULL;
    return errs ? map_pages(dom, addr, prot, flags, nr, frames, errs)
                : map_all(dom, addr, prot, flags, nr, frames);
}

void *xenforeignmemory_map(xenforeignmemory_handle *h, uint32_t dom, int prot,
                           size_t nr, const xen_pfn_t frames[], int errs[])
{
    return xenforeignmemory_map2(h, dom, NULL, prot, 0, nr, frames, errs);
}

int xenforeignmemory_unmap(xenforeignmemory_handle *h, void *addr, size_t nr)
{
    int rc;

    (void)h;
    sim_profile_begin();
    rc = munmap(addr, nr << PAGE_SHIFT);
    sim_profile_end(false);
    return rc;
}

int xenforeignmemory_restrict(xenforeignmemory_handle *h, domid_t domid)
{
    struct sim_fault fault = sim_fault_begin("foreignmemory.restrict");
    const struct sim_domain *d;

    if (fault.kind == SIM_FAULT_ERRNO) {
        errno = fault.err;
        return -1;
    }
    /* As privcmd does: once and for all, be there such a domain or not. */
    if (h->only != DOMID_INVALID && h->only != domid) {
        errno = EINVAL;
        return -1;
    }
    h->only = domid;
    /* Xen has no files that a confined thread could fail to open later. */
    sim_lock();
    d = sim_domain(domid);
    if (d)
        (void)sim_tables(d);
    sim_unlock();
    sim_fault_end(&fault);
    return 0;
}

/* Which of Xen's frames for the domain a resource is; 0: none of these. */
static unsigned resource_frames(unsigned type, unsigned id, unsigned *nr_out)
{
    if (type == XENMEM_resource_ioreq_server) {
        *nr_out = 2;
        return SIM_XF_IOREQ;
    }
    if (type == XENMEM_resource_grant_table &&
        id == XENMEM_resource_grant_table_id_shared) {
        *nr_out = SIM_MAXGRANT;
        return SIM_XF_GRANT;
    }
    return 0;
}

static void grow_grants(uint32_t domid, uint32_t nr)
{
    struct sim_domain *d;

    sim_lock();
    d = sim_domain(domid);
    if (d && d->nr_grant_frames < nr)
        d->nr_grant_frames = nr;
    sim_unlock();
}

static void *map_frames(domid_t domid, void *addr, int prot, int flags,
                        uint64_t first, unsigned long nr)
{
    xen_pfn_t frames[SIM_MAXGRANT];
    int errs[SIM_MAXGRANT];

    for (unsigned long i = 0; i < nr; i++)
        frames[i] = first + i;
    return sim_map(SIM_MAP_RAW | domid, addr, prot, flags, nr, frames, errs);
}

xenforeignmemory_resource_handle *xenforeignmemory_map_resource(
    xenforeignmemory_handle *h, domid_t domid, unsigned int type,
    unsigned int id, unsigned long frame, unsigned long nr, void **addr,
    int prot, int flags)
{
    struct sim_fault fault = sim_fault_begin("foreignmemory.map_resource");
    unsigned max = 0, first = resource_frames(type, id, &max);
    xenforeignmemory_resource_handle *r = NULL;

    if (fault.kind == SIM_FAULT_ERRNO) {
        errno = fault.err;
        return NULL;
    }
    if (refused(h, domid))
        return NULL;
    if (!first || frame > max || nr > max - frame) {
        errno = first ? EINVAL : EOPNOTSUPP;
        return NULL;
    }
    r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    if (first == SIM_XF_GRANT)
        grow_grants(domid, frame + nr);
    r->nr = nr;
    r->addr = map_frames(domid, *addr, prot, flags, SIM_XH_BASE + first + frame,
                         nr);
    sim_fault_end(&fault);
    if (!r->addr) {
        free(r);
        return NULL;
    }
    *addr = r->addr;
    return r;
}

int xenforeignmemory_unmap_resource(xenforeignmemory_handle *h,
                                    xenforeignmemory_resource_handle *r)
{
    int rc;

    (void)h;
    if (!r)
        return 0;
    rc = munmap(r->addr, r->nr << PAGE_SHIFT);
    free(r);
    return rc;
}

int xenforeignmemory_resource_size(xenforeignmemory_handle *h, domid_t domid,
                                   unsigned int type, unsigned int id,
                                   size_t *size)
{
    unsigned max;

    (void)h;
    (void)domid;
    if (!resource_frames(type, id, &max)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    *size = (size_t)max << PAGE_SHIFT;
    return 0;
}
