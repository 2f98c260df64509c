/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "toolstack/storage.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "toolstack/vbd.h"
#include "util/clock.h"

#define XLM_MODULE "disk"

#define POLL_MS 5

/* Head of a shared ring, public/io/ring.h: the producers count everything
 * ever put in. */
struct sring {
    uint32_t req_prod, req_event;
    uint32_t rsp_prod, rsp_event;
};

static void read_sring(const void *page, uint32_t *req_out, uint32_t *rsp_out)
{
    const struct sring *ring = page;

    *rsp_out = __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE);
    *req_out = __atomic_load_n(&ring->req_prod, __ATOMIC_ACQUIRE);
}

static bool stopped(int stop_fd)
{
    struct pollfd fd = { stop_fd, POLLIN, 0 };

    return stop_fd >= 0 && poll(&fd, 1, 0) > 0;
}

static int wait_ring(const struct xlm__storage_params *p, const char *disk,
                     const void *page, uint64_t deadline_ns)
{
    uint32_t req;
    uint32_t rsp;

    for (;;) {
        read_sring(page, &req, &rsp);
        if (req == rsp)
            return 0;
        if (xlm__clock_ns() >= deadline_ns)
            return XLM_FAIL(p->err, XLM_ERR_DEVICE,
                            "disk %s of domain %u: %u requests, %u responses "
                            "after %u ms: %u are still under way",
                            disk, p->domid, req, rsp, p->timeout_ms, req - rsp);
        if (stopped(p->stop_fd))
            return XLM_ERR_CANCELLED;
        (void)poll(NULL, 0, POLL_MS);
    }
}

static int drain_vbd(const struct xlm__storage_params *p,
                     const struct xlm__vbd *v, uint64_t deadline_ns)
{
    for (size_t i = 0; i < v->nr_rings; i++) {
        const void *page = NULL;
        int rc;

        rc = p->hv->ops->grant_map(p->hv, p->domid, v->ring_refs[i], &page);
        if (rc)
            return XLM_FAIL(p->err, XLM_ERR_DEVICE,
                            "disk %s of domain %u: ring %zu (grant %u) cannot "
                            "be mapped",
                            v->name, p->domid, i, v->ring_refs[i]);
        rc = wait_ring(p, v->name, page, deadline_ns);
        p->hv->ops->grant_unmap(p->hv, page);
        if (rc)
            return rc;
    }
    return 0;
}

int xlm__storage_drain(const struct xlm__storage_params *p, bool *has_qdisk_out)
{
    const uint64_t deadline_ns = xlm__clock_ns() +
                                 p->timeout_ms * XLM__NS_PER_MS;
    struct xlm__vbd *list = NULL;
    size_t nr = 0;
    int rc;

    rc = xlm__vbd_list(p->err, p->xs, p->domid, &list, &nr);
    if (rc)
        return rc;
    *has_qdisk_out = false;
    for (size_t i = 0; i < nr && !rc; i++) {
        if (!strcmp(list[i].kind, "qdisk"))
            *has_qdisk_out = true;
        rc = drain_vbd(p, &list[i], deadline_ns);
        XLM_LOG(p->err, DEBUG, "disk %s (%s): %zu rings %s", list[i].name,
                list[i].kind, list[i].nr_rings,
                rc ? "not answered" : "all answered");
    }
    free(list);
    return rc;
}

static int flush_path(struct xlm__errslot *err, const char *disk,
                      const char *path)
{
    int fd;
    int rc = 0;

    /* O_NONBLOCK: neither a FIFO nor a CD drive shall hold us up. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        if (xlm__storage_is_absent(errno))
            return 0;
        return XLM_FAIL_ERRNO(err, XLM_ERR_DEVICE, "disk %s: open %s", disk,
                              path);
    }
    if (fsync(fd) && errno != EINVAL && errno != EROFS)
        rc = XLM_FAIL_ERRNO(err, XLM_ERR_DEVICE, "disk %s: flush %s", disk,
                            path);
    close(fd);
    return rc;
}

/* A loop device first: its own cache goes to the file behind it. */
static int flush_vbd(struct xlm__errslot *err, const struct xlm__vbd *v)
{
    const char *path = xlm__vbd_params_path(v->params);
    int rc = 0;

    if (v->readonly)
        return 0;
    if (v->node[0] == '/')
        rc = flush_path(err, v->name, v->node);
    if (!rc && v->device[0] == '/' && strcmp(v->device, v->node))
        rc = flush_path(err, v->name, v->device);
    if (!rc && path)
        rc = flush_path(err, v->name, path);
    return rc;
}

int xlm__storage_flush(const struct xlm__storage_params *p)
{
    struct xlm__vbd *list = NULL;
    size_t nr = 0;
    int rc;

    rc = xlm__vbd_list(p->err, p->xs, p->domid, &list, &nr);
    for (size_t i = 0; i < nr && !rc; i++)
        rc = flush_vbd(p->err, &list[i]);
    free(list);
    return rc;
}
