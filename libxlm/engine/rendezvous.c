/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "rendezvous"
#include "engine/rendezvous.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

#define JOIN_POLL_MS 100u
/* Room for more than the two descriptors that are due: none may get lost. */
#define FDS_MAX 8

#define PATH_BYTES sizeof(((struct sockaddr_un *)0)->sun_path)

/* What it is bound as, and called once it listens.  One is as long as the
 * other. */
#define BOUND  ".bind"
#define LISTEN ".sock"
#define SUFFIX (sizeof(LISTEN) - 1)

static int socket_path(struct xlm__errslot *err, const struct xlm__meeting *at,
                       char path[PATH_BYTES])
{
    const char *dir = at->dir ? at->dir : XLM__RUN_DIR;
    char hex[33];
    int n;

    for (int i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", at->session[i]);
    n = snprintf(path, PATH_BYTES, "%s/xlm-%s" LISTEN, dir, hex);
    if (n >= 0 && (size_t)n < PATH_BYTES)
        return 0;
    return XLM_FAIL(err, XLM_ERR_SYSTEM,
                    "socket in %s: path of %d bytes, limit %zu", dir, n,
                    PATH_BYTES - 1);
}

static void socket_name(const char *path, struct sockaddr_un *sa)
{
    memset(sa, 0, sizeof(*sa));
    sa->sun_family = AF_UNIX;
    memcpy(sa->sun_path, path, strlen(path) + 1);
}

/* ---- what was left ---- */

static int is_socket_name(const struct dirent *d)
{
    const size_t hex = strspn(d->d_name + strcspn(d->d_name, "-"),
                              "-0123456789abcdef");

    return !strncmp(d->d_name, "xlm-", 4) && hex == 33 &&
           (!strcmp(d->d_name + 36, LISTEN) || !strcmp(d->d_name + 36, BOUND));
}

/* By either name.  A path is the last of a line; it may be that of another
 * mount namespace, which then only lets a dead socket lie. */
static bool is_bound(FILE *f, const char *path)
{
    const size_t n = strlen(path);
    char line[512];
    size_t end;

    rewind(f);
    while (fgets(line, sizeof(line), f)) {
        end = strcspn(line, "\n");
        if (end >= n && !memcmp(line + end - n, path, n - SUFFIX))
            return true;
    }
    return ferror(f);
}

/* bind() makes the file, and then the list's entry.  What is called LISTEN has
 * both. */
static bool may_be_dead(const char *path)
{
    struct stat st;

    return !lstat(path, &st) && S_ISSOCK(st.st_mode) &&
           (!strcmp(path + strlen(path) - SUFFIX, LISTEN) ||
            st.st_mtime + 1 < time(NULL));
}

void xlm__rendezvous_sweep(const char *dir, const char *bound)
{
    struct dirent **list = NULL;
    char path[PATH_BYTES];
    FILE *f = NULL;
    int nr;

    dir = dir ? dir : XLM__RUN_DIR;
    nr = scandir(dir, &list, is_socket_name, alphasort);
    if (nr > 0)
        f = fopen(bound ? bound : "/proc/net/unix", "re");
    for (int i = 0; i < nr; i++) {
        if (f &&
            snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name) <
                (int)sizeof(path) &&
            may_be_dead(path) && !is_bound(f, path))
            unlink(path);
        free(list[i]);
    }
    free(list);
    if (f)
        fclose(f);
}

/* ---- the session's side ---- */

static int fail_to_listen(struct xlm__errslot *err, const char *path)
{
    return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "listen at %s", path);
}

/* A file that is there already is another session's. */
static int listen_at(struct xlm__errslot *err, int fd, const char *path)
{
    struct sockaddr_un sa;
    mode_t old;
    int r, rc = 0;

    socket_name(path, &sa);
    memcpy(sa.sun_path + strlen(path) - SUFFIX, BOUND, SUFFIX);
    old = umask(0177);
    r = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
    umask(old);
    if (r)
        return fail_to_listen(err, path);
    if (listen(fd, 64) ||
        renameat2(AT_FDCWD, sa.sun_path, AT_FDCWD, path, RENAME_NOREPLACE)) {
        rc = fail_to_listen(err, path);
        unlink(sa.sun_path);
    }
    return rc;
}

int xlm__rendezvous_open(struct xlm__errslot *err,
                         const struct xlm__meeting *at,
                         struct xlm__rendezvous *out)
{
    int rc;

    out->listen_fd = -1;
    out->uid = geteuid();
    xlm__rendezvous_sweep(at->dir, NULL);
    rc = socket_path(err, at, out->path);
    if (rc)
        return rc;
    out->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                            0);
    if (out->listen_fd < 0)
        return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "socket for data channels");
    rc = listen_at(err, out->listen_fd, out->path);
    if (rc) {
        close(out->listen_fd);
        out->listen_fd = -1;
    }
    return rc;
}

void xlm__rendezvous_hide(const struct xlm__rendezvous *r)
{
    if (r->listen_fd >= 0)
        unlink(r->path);
}

void xlm__rendezvous_close(struct xlm__rendezvous *r)
{
    if (r->listen_fd < 0)
        return;
    close(r->listen_fd);
    unlink(r->path);
    r->listen_fd = -1;
}

static bool peer_is_root(const struct xlm__rendezvous *r, int fd)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);

    return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) &&
           (cred.uid == 0 || cred.uid == r->uid);
}

/* Everything that came, in fds; how many. */
static size_t take_fds(struct msghdr *m, int fds[FDS_MAX])
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    size_t bytes;

    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return 0;
    bytes = c->cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(c), bytes);
    return bytes / sizeof(int);
}

static bool receive(int conn, struct xlm__arrival *out)
{
    union {
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = { out->greeting, sizeof(out->greeting) };
    struct msghdr m = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof(control.bytes) };
    const struct timeval limit = { .tv_sec = 5 };
    int fds[FDS_MAX];
    size_t nr;
    ssize_t n;

    setsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    n = recvmsg(conn, &m, MSG_CMSG_CLOEXEC | MSG_WAITALL);
    if (n < 0)
        return false;
    nr = take_fds(&m, fds);
    if (n == (ssize_t)sizeof(out->greeting) && nr == 2) {
        out->rfd = fds[0];
        out->wfd = fds[1];
        out->conn_fd = conn;
        out->tls = NULL;
        return true;
    }
    while (nr)
        close(fds[--nr]);
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
    if (peer_is_root(r, conn) && receive(conn, out))
        return 1;
    XLM_LOG(err, WARN, "%s: somebody connected who brought no channel",
            r->path);
    close(conn);
    return 0;
}

/* A session that is late has no socket yet.  One that does not listen at it has
 * died. */
static int connect_session(struct xlm__errslot *err, const char *path,
                           uint32_t limit_ms)
{
    const struct timespec nap = { .tv_nsec = JOIN_POLL_MS * 1000000L };
    struct sockaddr_un sa;
    int fd;

    socket_name(path, &sa);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "socket for %s", path);
    for (uint32_t ms = 0; connect(fd, (struct sockaddr *)&sa, sizeof(sa));
         ms += JOIN_POLL_MS) {
        if (ms >= limit_ms || errno != ENOENT) {
            int rc = XLM_FAIL_ERRNO(err, XLM_ERR_CHANNEL,
                                    "no session at %s after %u ms", path, ms);
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
                         const struct xlm__meeting *at, int rfd, int wfd,
                         const unsigned char greeting[XLM_GREETING_BYTES])
{
    char path[PATH_BYTES];
    int conn, rc;
    ssize_t n;
    char c;

    rc = socket_path(err, at, path);
    if (rc)
        return rc;
    conn = connect_session(err, path,
                           at->limit_ms ? at->limit_ms : XLM__JOIN_LIMIT_MS);
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
