/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A handle by which one domain's memory can be mapped, and no other's. */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "hv/hv_xen.h"

#include <xen/sys/privcmd.h>

#define XLM_MODULE "hv"

static void window_close(struct xlm__hv *hv)
{
    struct xlm__hv_xen *x = xlm__hv_xen(hv);

    if (x->fmem)
        xenforeignmemory_close(x->fmem);
    xlm__hv_log_destroy(&x->log);
    free(x);
}

static const struct xlm__hv_ops window_ops = {
    .close = window_close,
    .map = xlm__xen_map,
    .unmap = xlm__xen_unmap,
};

/* What privcmd says to a mapping of no pages: it looks at whose they would be
 * before it looks at how many (drivers/xen/privcmd.c). */
static int map_nothing(int fd, uint32_t domid)
{
    struct privcmd_mmapbatch_v2 m = { .num = 0, .dom = (domid_t)domid };

    return ioctl(fd, IOCTL_PRIVCMD_MMAPBATCH_V2, &m) ? errno : 0;
}

static bool is_bound(int fd, uint32_t domid)
{
    return map_nothing(fd, domid) == EINVAL &&
           map_nothing(fd, DOMID_SELF) == EPERM;
}

static bool is_privcmd(int dir_fd, const char *name)
{
    char target[64];
    ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);

    if (n < 0)
        return false;
    target[n] = '\0';
    return !strcmp(target, "/dev/xen/privcmd") ||
           !strcmp(target, "/proc/xen/privcmd");
}

/* The library does not say which descriptor it has, the kernel does: any that
 * is bound to the domain may be it.  -1: none, or more than one. */
static int find_bound(uint32_t domid)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *e;
    unsigned nr = 0;
    int found = -1;

    while (dir && (e = readdir(dir))) {
        int fd;

        if (!isdigit((unsigned char)e->d_name[0]) ||
            !is_privcmd(dirfd(dir), e->d_name))
            continue;
        fd = (int)strtol(e->d_name, NULL, 10);
        if (is_bound(fd, domid)) {
            found = fd;
            nr++;
        }
    }
    if (dir)
        closedir(dir);
    return nr == 1 ? found : -1;
}

int xlm__xen_window(struct xlm__hv *hv, uint32_t domid, struct xlm__hv **out,
                    int *fd_out)
{
    struct xlm__hv_xen *w = calloc(1, sizeof(*w));

    *out = NULL;
    *fd_out = -1;
    if (!w)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "handle of domain %u", domid);
    w->base.ops = &window_ops;
    w->base.err = hv->err;
    xlm__hv_log_init(&w->log, hv->err);
    w->fmem = xenforeignmemory_open(&w->log.vtable, 0);
    if (!w->fmem) {
        window_close(&w->base);
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "open Xen's foreign memory interface");
    }
    if (xenforeignmemory_restrict(w->fmem, (domid_t)domid)) {
        XLM_LOG(hv->err, INFO,
                "mappings are not held to domain %u by the kernel: %s", domid,
                strerrordesc_np(errno));
        window_close(&w->base);
        return 0;
    }
    *fd_out = find_bound(domid);
    XLM_LOG(hv->err, DEBUG,
            "mappings are held to domain %u by the kernel, descriptor %d",
            domid, *fd_out);
    *out = &w->base;
    return 0;
}
