/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "chan/chan.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

#define XLM_MODULE "chan"

/* linux/uio.h UIO_MAXIOV; the C library's IOV_MAX is the same number. */
#define IOV_AT_ONCE 1024u

/* A record of TLS takes as long by 1 Gbit/s. */
#define PART_NS 100000

/* ---- how bytes get in and out ---- */

static ssize_t fd_readv(struct xlm__chan *c, const struct iovec *iov, size_t nr)
{
    return readv(c->rfd, iov, (int)nr);
}

/*
 * Writing to a pipe without a reader raises SIGPIPE.  A library may not change
 * what the process does with it, so keep it away from this thread.
 */
static ssize_t write_no_sigpipe(int fd, const struct iovec *iov, int nr)
{
    const struct timespec now = { 0, 0 };
    sigset_t pipe_set, before, pending;
    bool was_pending;
    ssize_t r;
    int error;

    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigpending(&pending);
    was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_set, &before);
    r = writev(fd, iov, nr);
    error = errno;
    if (r < 0 && error == EPIPE && !was_pending)
        while (sigtimedwait(&pipe_set, NULL, &now) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return r;
}

static ssize_t pipe_writev(struct xlm__chan *c, const struct iovec *iov,
                           size_t nr)
{
    return write_no_sigpipe(c->wfd, iov, (int)nr);
}

static ssize_t socket_writev(struct xlm__chan *c, const struct iovec *iov,
                             size_t nr)
{
    struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov,
                        .msg_iovlen = nr };

    return sendmsg(c->wfd, &m, MSG_NOSIGNAL);
}

static bool fd_pending(const struct xlm__chan *c)
{
    (void)c;
    return false;
}

static ssize_t tls_readv(struct xlm__chan *c, const struct iovec *iov,
                         size_t nr)
{
    return xlm__tls_readv(c->tls, iov, nr);
}

static ssize_t tls_writev(struct xlm__chan *c, const struct iovec *iov,
                          size_t nr)
{
    return xlm__tls_writev(c->tls, iov, nr);
}

static bool tls_pending(const struct xlm__chan *c)
{
    return xlm__tls_pending(c->tls);
}

static const struct xlm__chan_ops pipe_ops = { fd_readv, pipe_writev,
                                               fd_pending };
static const struct xlm__chan_ops socket_ops = { fd_readv, socket_writev,
                                                 fd_pending };
static const struct xlm__chan_ops tls_ops = { tls_readv, tls_writev,
                                              tls_pending };

/* ---- lifetime ---- */

static int set_nonblocking(struct xlm__errslot *err, int fd, const char *name)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "%s: descriptor %d", name,
                              fd);
    return 0;
}

int xlm__chan_init(struct xlm__chan *c, struct xlm__errslot *err, int rfd,
                   int wfd, int stop_fd, const char *name)
{
    struct stat st;
    int rc;

    memset(c, 0, sizeof(*c));
    c->rfd = -1;
    c->wfd = -1;

    rc = set_nonblocking(err, rfd, name);
    if (!rc && wfd != rfd)
        rc = set_nonblocking(err, wfd, name);
    if (rc)
        return rc;
    if (fstat(wfd, &st) < 0)
        return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "%s: descriptor %d", name,
                              wfd);

    c->err = err;
    c->rfd = rfd;
    c->wfd = wfd;
    c->stop_fd = stop_fd;
    c->leave_fd = -1;
    c->ops = S_ISSOCK(st.st_mode) ? &socket_ops : &pipe_ops;
    snprintf(c->name, sizeof(c->name), "%s", name);
    return 0;
}

void xlm__chan_use_tls(struct xlm__chan *c, struct xlm__tls *t)
{
    c->tls = t;
    c->ops = &tls_ops;
}

void xlm__chan_close(struct xlm__chan *c)
{
    /* A zeroed channel owns nothing, although its numbers look like stdin. */
    if (!c->err)
        return;
    xlm__tls_free(c->tls);
    c->tls = NULL;
    if (c->rfd >= 0)
        close(c->rfd);
    if (c->wfd >= 0 && c->wfd != c->rfd)
        close(c->wfd);
    c->rfd = -1;
    c->wfd = -1;
    c->err = NULL;
}

/* ---- waiting ---- */

static int fail_left(struct xlm__chan *c)
{
    return XLM_FAIL(c->err, XLM_ERR_CHANNEL, "%s: left for another connection",
                    c->name);
}

static int fail_late(struct xlm__chan *c, short events, uint64_t done_bytes)
{
    return XLM_FAIL(c->err, XLM_ERR_TIMEOUT,
                    "%s: the other side %s nothing in time, after %" PRIu64
                    " bytes",
                    c->name, events == POLLIN ? "sent" : "took", done_bytes);
}

/* 1: ready (or broken: the next call on fd tells), 0: timeout. */
static int wait_fd(struct xlm__chan *c, int fd, short events, int timeout_ms)
{
    struct pollfd p[3] = {
        { .fd = fd, .events = events },
        { .fd = c->stop_fd, .events = POLLIN },
        { .fd = c->leave_fd, .events = POLLIN },
    };
    int r = poll(p, 3, timeout_ms);

    if (r < 0)
        return errno == EINTR ? 0
                              : XLM_FAIL_ERRNO(c->err, XLM_ERR_SYSTEM,
                                               "%s: poll", c->name);
    if (c->stop_fd >= 0 && p[1].revents)
        return XLM_ERR_CANCELLED;
    if (p[0].revents & POLLNVAL)
        return XLM_FAIL(c->err, XLM_ERR_SYSTEM, "%s: descriptor %d is closed",
                        c->name, fd);
    /* What this one still has comes first. */
    if (!p[0].revents && p[2].revents)
        return fail_left(c);
    return p[0].revents ? 1 : 0;
}

/* 0 when ready. */
static int wait_until(struct xlm__chan *c, int fd, short events,
                      uint64_t deadline_ns, uint64_t done_bytes)
{
    int r;

    do {
        r = wait_fd(c, fd, events, xlm__deadline_left_ms(deadline_ns));
        if (r < 0)
            return r;
        if (!r && xlm__deadline_over(deadline_ns, xlm__clock_ns()))
            return fail_late(c, events, done_bytes);
    } while (!r);
    return 0;
}

/* Drop the first `bytes` bytes of what *iov names. */
static void advance(struct iovec **iov, size_t *nr, size_t bytes)
{
    while (*nr && bytes >= (*iov)->iov_len) {
        bytes -= (*iov)->iov_len;
        (*iov)++;
        (*nr)--;
    }
    if (*nr) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + bytes;
        (*iov)->iov_len -= bytes;
    }
}

static bool would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

static int fail_io(struct xlm__chan *c, const char *what, uint64_t bytes)
{
    if (c->tls && errno == EPROTO)
        return XLM_FAIL(c->err, XLM_ERR_CHANNEL,
                        "%s: %s after %" PRIu64 " bytes: %s", c->name, what,
                        bytes, xlm__tls_why(c->tls));
    return XLM_FAIL_ERRNO(c->err, XLM_ERR_CHANNEL,
                          "%s: %s after %" PRIu64 " bytes", c->name, what,
                          bytes);
}

/* ---- writing and reading ---- */

static size_t at_once(size_t nr)
{
    return nr < IOV_AT_ONCE ? nr : IOV_AT_ONCE;
}

int xlm__chan_writev(struct xlm__chan *c, struct iovec *iov, size_t nr)
{
    int rc;

    advance(&iov, &nr, 0);
    while (nr) {
        ssize_t r = c->ops->writev(c, iov, at_once(nr));

        if (r >= 0) {
            c->written_bytes += (size_t)r;
            advance(&iov, &nr, (size_t)r);
        } else if (would_block(errno)) {
            rc = wait_until(c, c->wfd, POLLOUT, c->write_deadline_ns,
                            c->written_bytes);
            if (rc)
                return rc;
        } else if (errno != EINTR) {
            return fail_io(c, "write", c->written_bytes);
        }
    }
    return 0;
}

int xlm__chan_write(struct xlm__chan *c, const void *buf, size_t bytes)
{
    struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = bytes };

    return xlm__chan_writev(c, &iov, 1);
}

/* What poll() says is ready is a part of a record, which nothing tells the end
 * of: try again soon. */
static int await_rest(struct xlm__chan *c)
{
    const struct timespec soon = { .tv_nsec = PART_NS };
    struct pollfd p[2] = {
        { .fd = c->stop_fd, .events = POLLIN },
        { .fd = c->leave_fd, .events = POLLIN },
    };

    if (ppoll(p, 2, &soon, NULL) < 0 && errno != EINTR)
        return XLM_FAIL_ERRNO(c->err, XLM_ERR_SYSTEM, "%s: poll", c->name);
    if (p[0].revents)
        return XLM_ERR_CANCELLED;
    if (p[1].revents)
        return fail_left(c);
    if (xlm__deadline_over(c->read_deadline_ns, xlm__clock_ns()))
        return fail_late(c, POLLIN, c->read_bytes);
    return 0;
}

/* At least one byte unless at the end; *got_out. */
static int readv_some(struct xlm__chan *c, const struct iovec *iov, size_t nr,
                      size_t *got_out)
{
    bool ready = false;
    int rc;

    for (;;) {
        ssize_t r = c->ops->readv(c, iov, at_once(nr));

        if (r >= 0) {
            c->read_bytes += (size_t)r;
            *got_out = (size_t)r;
            return 0;
        }
        if (would_block(errno)) {
            ready = !ready || !c->tls || !xlm__tls_waits_for_whole(c->tls);
            rc = ready ? wait_until(c, c->rfd, POLLIN, c->read_deadline_ns,
                                    c->read_bytes)
                       : await_rest(c);
            if (rc)
                return rc;
        } else if (errno != EINTR) {
            return fail_io(c, "read", c->read_bytes);
        }
    }
}

int xlm__chan_readv(struct xlm__chan *c, struct iovec *iov, size_t nr)
{
    size_t got;
    int rc;

    advance(&iov, &nr, 0);
    while (nr) {
        rc = readv_some(c, iov, nr, &got);
        if (rc)
            return rc;
        if (!got)
            return XLM_FAIL(c->err, XLM_ERR_CHANNEL,
                            "%s: the other side closed after %" PRIu64 " bytes",
                            c->name, c->read_bytes);
        advance(&iov, &nr, got);
    }
    return 0;
}

int xlm__chan_read(struct xlm__chan *c, void *buf, size_t bytes)
{
    struct iovec iov = { .iov_base = buf, .iov_len = bytes };

    return xlm__chan_readv(c, &iov, 1);
}

int xlm__chan_read_some(struct xlm__chan *c, void *buf, size_t bytes,
                        size_t *got_out)
{
    struct iovec iov = { .iov_base = buf, .iov_len = bytes };

    return readv_some(c, &iov, 1, got_out);
}

int xlm__chan_poll(struct xlm__chan *c, int timeout_ms)
{
    uint64_t end = timeout_ms > 0 ? xlm__deadline_ns((uint32_t)timeout_ms) : 0;
    int left = timeout_ms;
    int r;

    if (c->ops->pending(c))
        return 1;
    for (;;) {
        r = wait_fd(c, c->rfd, POLLIN, left);
        if (r || !timeout_ms)
            return r;
        if (end) {
            left = xlm__deadline_left_ms(end);
            if (!left)
                return 0;
        }
    }
}
