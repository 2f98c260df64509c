/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "rendezvous"
#include "engine/rendezvous.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

/* /run/xen belongs to root and is there wherever Xen's tools run. */
#define RUN_DIR "/run/xen"
/* The control channel may still be in its own ssh's key exchange. */
#define JOIN_LIMIT_MS 60000
#define JOIN_POLL_MS  100

static void socket_path(const unsigned char session[16],
                        char path[sizeof(((struct sockaddr_un *)0)->sun_path)])
{
    char hex[33];

    for (int i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", session[i]);
    snprintf(path, sizeof(((struct sockaddr_un *)0)->sun_path),
             RUN_DIR "/xlm-%s.sock", hex);
}

static void socket_name(const char *path, struct sockaddr_un *sa)
{
    memset(sa, 0, sizeof(*sa));
    sa->sun_family = AF_UNIX;
    memcpy(sa->sun_path, path, strlen(path) + 1);
}

int xlm__rendezvous_open(struct xlm__errslot *err,
                         const unsigned char session[16],
                         struct xlm__rendezvous *out)
{
    struct sockaddr_un sa;
    mode_t old;
    int r;

    out->listen_fd = -1;
    socket_path(session, out->path);
    socket_name(out->path, &sa);
    out->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                            0);
    if (out->listen_fd < 0)
        return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "socket for data channels");
    old = umask(0177);
    r = bind(out->listen_fd, (struct sockaddr *)&sa, sizeof(sa));
    umask(old);
    if (r || listen(out->listen_fd, 64)) {
        int rc = XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "listen at %s", out->path);

        xlm__rendezvous_close(out);
        return rc;
    }
    return 0;
}

void xlm__rendezvous_close(struct xlm__rendezvous *r)
{
    if (r->listen_fd < 0)
        return;
    close(r->listen_fd);
    unlink(r->path);
    r->listen_fd = -1;
}

static bool peer_is_root(int fd)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);

    return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) &&
           (cred.uid == 0 || cred.uid == geteuid());
}

static void take_fds(struct msghdr *m, int fds[2])
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);

    fds[0] = fds[1] = -1;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(2 * sizeof(int)))
        memcpy(fds, CMSG_DATA(c), 2 * sizeof(int));
}

static bool receive(int conn, struct xlm__arrival *out)
{
    char control[CMSG_SPACE(2 * sizeof(int))];
    struct iovec iov = { out->greeting, sizeof(out->greeting) };
    struct msghdr m = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control) };
    const struct timeval limit = { .tv_sec = 5 };
    int fds[2];
    ssize_t n;

    setsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    n = recvmsg(conn, &m, MSG_CMSG_CLOEXEC | MSG_WAITALL);
    if (n < 0)
        return false;
    take_fds(&m, fds);
    if (n == (ssize_t)sizeof(out->greeting) && fds[0] >= 0) {
        out->rfd = fds[0];
        out->wfd = fds[1];
        out->conn_fd = conn;
        return true;
    }
    if (fds[0] >= 0)
        close(fds[0]);
    if (fds[1] >= 0)
        close(fds[1]);
    return false;
}

int xlm__rendezvous_accept(struct xlm__errslot *err, struct xlm__rendezvous *r,
                           int timeout_ms, struct xlm__arrival *out)
{
    struct pollfd p = { .fd = r->listen_fd, .events = POLLIN };
    int conn;

    if (poll(&p, 1, timeout_ms) <= 0)
        return 0;
    conn = accept4(r->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (conn < 0 &&
        (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
        return 0;
    if (conn < 0)
        return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "accept at %s", r->path);
    if (peer_is_root(conn) && receive(conn, out))
        return 1;
    XLM_LOG(err, WARN, "%s: somebody connected who brought no channel",
            r->path);
    close(conn);
    return 0;
}

static int connect_session(struct xlm__errslot *err, const char *path)
{
    const struct timespec nap = { .tv_nsec = JOIN_POLL_MS * 1000000L };
    struct sockaddr_un sa;
    int fd;

    socket_name(path, &sa);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "socket for %s", path);
    for (int ms = 0; connect(fd, (struct sockaddr *)&sa, sizeof(sa));
         ms += JOIN_POLL_MS) {
        bool not_yet = errno == ENOENT || errno == ECONNREFUSED;

        if (!not_yet || ms >= JOIN_LIMIT_MS) {
            int rc = XLM_FAIL_ERRNO(err, XLM_ERR_CHANNEL,
                                    "data channel: no session at %s after "
                                    "%d s",
                                    path, ms / 1000);
            close(fd);
            return rc;
        }
        nanosleep(&nap, NULL);
    }
    return fd;
}

static bool send_fds(int conn, int rfd, int wfd, const unsigned char *greeting)
{
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = { { 0 } };
    const int fds[2] = { rfd, wfd };
    struct iovec iov = { (void *)(uintptr_t)greeting, XLM_GREETING_BYTES };
    struct msghdr m = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof(control.bytes) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(fds));
    memcpy(CMSG_DATA(c), fds, sizeof(fds));
    return sendmsg(conn, &m, MSG_NOSIGNAL) == XLM_GREETING_BYTES;
}

int xlm__rendezvous_join(struct xlm__errslot *err,
                         const unsigned char session[16], int rfd, int wfd,
                         const unsigned char greeting[XLM_GREETING_BYTES])
{
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int conn, rc = 0;
    ssize_t n;
    char c;

    socket_path(session, path);
    conn = connect_session(err, path);
    if (conn < 0)
        return conn;
    if (!send_fds(conn, rfd, wfd, greeting)) {
        rc = XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "hand channel over at %s",
                            path);
        goto out;
    }
    do
        n = read(conn, &c, 1); /* end of file: the session is done with it */
    while (n > 0 || (n < 0 && errno == EINTR));

out:
    close(conn);
    return rc;
}
