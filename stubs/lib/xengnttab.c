/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxengnttab: maps what guests grant; grants nothing itself. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stubs/hv/sim.h"

#include <xentoollog.h>

#include <xengnttab.h>

#define PAGE_SHIFT 12
#define PER_FRAME  (4096 / sizeof(grant_entry_v1_t))
#define MAX_REFS   1024

struct xengntdev_handle {
    int fd;
};

xengnttab_handle *xengnttab_open(xentoollog_logger *logger, unsigned open_flags)
{
    int err = sim_attach();
    xengnttab_handle *h;

    (void)logger;
    (void)open_flags;
    if (err) {
        errno = -err;
        return NULL;
    }
    h = calloc(1, sizeof(*h));
    if (h)
        h->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return h;
}

int xengnttab_close(xengnttab_handle *h)
{
    if (!h)
        return 0;
    if (h->fd >= 0)
        close(h->fd);
    free(h);
    return 0;
}

int xengnttab_fd(xengnttab_handle *h)
{
    return h->fd;
}

int xengnttab_set_max_grants(xengnttab_handle *h, uint32_t nr)
{
    (void)h;
    (void)nr;
    return 0;
}

/* Locked. The page that the domain granted under this number. */
static int granted(const struct sim_domain *d, uint32_t ref, bool write,
                   uint64_t *idx_out)
{
    const struct sim_tables *t = sim_tables(d);
    const grant_entry_v1_t *g;

    if (!t || ref / PER_FRAME >= SIM_MAXGRANT)
        return -EINVAL;
    g = (const void *)(t->mem + ((SIM_XH_BASE + SIM_XF_GRANT) << PAGE_SHIFT));
    g += ref;
    if ((g->flags & GTF_type_mask) != GTF_permit_access || g->domid != 0 ||
        (write && g->flags & GTF_readonly))
        return -EINVAL;
    return sim_frame_to_idx(d, g->frame, idx_out);
}

static int resolve(uint32_t domid, const uint32_t *refs, uint32_t nr, int prot,
                   uint64_t *idx)
{
    struct sim_domain *d;
    int err = 0;

    sim_lock();
    d = sim_domain(domid);
    if (!d)
        err = -ESRCH;
    for (uint32_t i = 0; !err && i < nr; i++)
        err = granted(d, refs[i], prot & PROT_WRITE, &idx[i]);
    sim_unlock();
    return err;
}

static void *map_refs(uint32_t domid, const uint32_t *refs, uint32_t nr,
                      int prot)
{
    struct sim_fault fault = sim_fault_begin("gnttab.map");
    uint64_t *idx = calloc(nr ? nr : 1, sizeof(*idx));
    int *errs = calloc(nr ? nr : 1, sizeof(*errs)), err = -ENOMEM;
    void *p = NULL;

    if (idx && errs)
        err = nr < 1 || nr > MAX_REFS ? -EINVAL
                                      : resolve(domid, refs, nr, prot, idx);
    if (fault.kind == SIM_FAULT_ERRNO)
        err = -fault.err;
    if (!err) {
        p = sim_map(SIM_MAP_RAW | domid, NULL, prot, 0, nr, idx, errs);
        err = p ? 0 : -errno;
    }
    free(idx);
    free(errs);
    sim_log("gnttab.map d%u %u pages from %u = %d", domid, nr, nr ? refs[0] : 0,
            err);
    sim_fault_end(&fault);
    errno = -err;
    return p;
}

void *xengnttab_map_grant_ref(xengnttab_handle *h, uint32_t domid, uint32_t ref,
                              int prot)
{
    (void)h;
    return map_refs(domid, &ref, 1, prot);
}

void *xengnttab_map_grant_refs(xengnttab_handle *h, uint32_t count,
                               uint32_t *domids, uint32_t *refs, int prot)
{
    (void)h;
    for (uint32_t i = 1; i < count; i++)
        if (domids[i] != domids[0]) {
            sim_unsupported("gnttab.map of several domains at once");
            errno = ENOSYS;
            return NULL;
        }
    return map_refs(count ? domids[0] : 0, refs, count, prot);
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *h, uint32_t count,
                                      uint32_t domid, uint32_t *refs, int prot)
{
    (void)h;
    return map_refs(domid, refs, count, prot);
}

void *xengnttab_map_grant_ref_notify(xengnttab_handle *h, uint32_t domid,
                                     uint32_t ref, int prot,
                                     uint32_t notify_offset,
                                     evtchn_port_t notify_port)
{
    (void)h;
    if (notify_offset != UINT32_MAX || notify_port != (evtchn_port_t)-1)
        sim_unsupported("gnttab.map: notification when it is unmapped");
    return map_refs(domid, &ref, 1, prot);
}

int xengnttab_unmap(xengnttab_handle *h, void *start, uint32_t count)
{
    (void)h;
    return munmap(start, (size_t)count << PAGE_SHIFT);
}

static int refuse(const char *name)
{
    sim_unsupported(name);
    errno = ENOSYS;
    return -1;
}

int xengnttab_grant_copy(xengnttab_handle *h, uint32_t count,
                         xengnttab_grant_copy_segment_t *segs)
{
    (void)h;
    (void)count;
    (void)segs;
    return refuse("gnttab.grant_copy");
}

int xengnttab_dmabuf_exp_from_refs(xengnttab_handle *h, uint32_t domid,
                                   uint32_t flags, uint32_t count,
                                   const uint32_t *refs, uint32_t *fd)
{
    (void)h;
    (void)domid;
    (void)flags;
    (void)count;
    (void)refs;
    (void)fd;
    return refuse("gnttab.dmabuf");
}

int xengnttab_dmabuf_exp_wait_released(xengnttab_handle *h, uint32_t fd,
                                       uint32_t wait_to_ms)
{
    (void)h;
    (void)fd;
    (void)wait_to_ms;
    return refuse("gnttab.dmabuf");
}

int xengnttab_dmabuf_imp_to_refs(xengnttab_handle *h, uint32_t domid,
                                 uint32_t fd, uint32_t count, uint32_t *refs)
{
    (void)h;
    (void)domid;
    (void)fd;
    (void)count;
    (void)refs;
    return refuse("gnttab.dmabuf");
}

int xengnttab_dmabuf_imp_release(xengnttab_handle *h, uint32_t fd)
{
    (void)h;
    (void)fd;
    return refuse("gnttab.dmabuf");
}

xengntshr_handle *xengntshr_open(xentoollog_logger *logger, unsigned open_flags)
{
    (void)logger;
    (void)open_flags;
    refuse("gntshr.open");
    return NULL;
}

int xengntshr_close(xengntshr_handle *h)
{
    (void)h;
    return 0;
}

int xengntshr_fd(xengntshr_handle *h)
{
    (void)h;
    return refuse("gntshr.fd");
}

void *xengntshr_share_pages(xengntshr_handle *h, uint32_t domid, int count,
                            uint32_t *refs, int writable)
{
    (void)h;
    (void)domid;
    (void)count;
    (void)refs;
    (void)writable;
    refuse("gntshr.share");
    return NULL;
}

void *xengntshr_share_page_notify(xengntshr_handle *h, uint32_t domid,
                                  uint32_t *ref, int writable,
                                  uint32_t notify_offset,
                                  evtchn_port_t notify_port)
{
    (void)h;
    (void)domid;
    (void)ref;
    (void)writable;
    (void)notify_offset;
    (void)notify_port;
    refuse("gntshr.share");
    return NULL;
}

int xengntshr_unshare(xengntshr_handle *h, void *start, uint32_t count)
{
    (void)h;
    (void)start;
    (void)count;
    return refuse("gntshr.unshare");
}
