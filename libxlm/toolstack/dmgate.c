/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "toolstack/dmgate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"

#define XLM_MODULE "dmgate"

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Only what we write may block: the device model sets its own end's flags. */
static int make_pipe(struct xlm__errslot *err, struct xlm__dmgate *g)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC))
        return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM,
                              "pipe for the device model's state");
    g->read_fd = fds[0];
    g->write_fd = fds[1];
    if (fcntl(g->write_fd, F_SETFL, O_NONBLOCK) < 0)
        return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM,
                              "pipe for the device model's state");
    return 0;
}

static int make_name(struct xlm__errslot *err, struct xlm__dmgate *g)
{
    int r;

    snprintf(g->target, sizeof(g->target), "/proc/%ld/fd/%d", (long)getpid(),
             g->read_fd);
    r = symlink(g->target, g->path);
    /* A domain of the same number was not cleaned up after. */
    if (r && errno == EEXIST && !unlink(g->path))
        r = symlink(g->target, g->path);
    if (r)
        return XLM_FAIL_ERRNO(err, XLM_ERR_DEVICE,
                              "%s cannot be made to wait for the device "
                              "model's state",
                              g->path);
    return 0;
}

int xlm__dmgate_open(struct xlm__errslot *err, const char *path,
                     struct xlm__dmgate *g)
{
    int rc;

    *g = (struct xlm__dmgate){ .read_fd = -1, .write_fd = -1 };
    g->path = strdup(path);
    if (!g->path)
        return XLM_FAIL(err, XLM_ERR_NOMEM, "path %s", path);
    rc = make_pipe(err, g);
    if (!rc)
        rc = make_name(err, g);
    if (rc)
        xlm__dmgate_close(g);
    return rc;
}

void xlm__dmgate_taken(struct xlm__dmgate *g)
{
    if (g->path)
        shut(&g->read_fd);
}

bool xlm__dmgate_abandoned(const struct xlm__dmgate *g)
{
    struct pollfd fd = { -1, 0, 0 };

    if (g->path)
        fd.fd = g->write_fd;
    return poll(&fd, 1, 0) > 0 && (fd.revents & POLLERR);
}

static int wait_writable(struct xlm__errslot *err, const struct xlm__dmgate *g,
                         uint64_t deadline_ns, int stop_fd)
{
    struct pollfd fds[] = { { g->write_fd, POLLOUT, 0 },
                            { stop_fd, POLLIN, 0 } };
    int left = xlm__deadline_left_ms(deadline_ns);
    int r;

    do
        r = left ? poll(fds, 2, left) : 0;
    while (r < 0 && errno == EINTR);
    if (fds[1].revents)
        return XLM_ERR_CANCELLED;
    if (r > 0)
        return 0;
    return XLM_FAIL(err, XLM_ERR_TIMEOUT,
                    "the device model does not read its state from %s",
                    g->path);
}

int xlm__dmgate_write(struct xlm__errslot *err, struct xlm__dmgate *g,
                      const void *data, size_t bytes, uint32_t timeout_ms,
                      int stop_fd)
{
    const uint64_t deadline_ns = xlm__deadline_ns(timeout_ms);
    const unsigned char *at = data;
    int rc = 0;

    if (!g->path)
        return XLM_FAIL(err, XLM_ERR_INTERNAL,
                        "no device model waits for its state");
    while (bytes && !rc) {
        ssize_t r = write(g->write_fd, at, bytes);

        if (r >= 0) {
            at += r;
            bytes -= (size_t)r;
        } else if (errno == EAGAIN) {
            rc = wait_writable(err, g, deadline_ns, stop_fd);
        } else if (errno != EINTR) {
            rc = XLM_FAIL_ERRNO(err, XLM_ERR_DEVICE,
                                "the device model does not take its state "
                                "from %s",
                                g->path);
        }
    }
    shut(&g->write_fd); /* it reads up to the end, or gives up */
    return rc;
}

/* Whoever removed it may have made another. */
static bool is_ours(const struct xlm__dmgate *g)
{
    char is[sizeof(g->target)] = "";

    return readlink(g->path, is, sizeof(is) - 1) > 0 && !strcmp(is, g->target);
}

void xlm__dmgate_close(struct xlm__dmgate *g)
{
    if (!g->path)
        return;
    if (is_ours(g))
        unlink(g->path);
    shut(&g->write_fd);
    shut(&g->read_fd);
    free(g->path);
    g->path = NULL;
}
