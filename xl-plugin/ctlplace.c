/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "ctlplace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The lock is held for some system calls; whoever holds it longer is stopped,
 * and nothing here is worth waiting for that. */
#define LOCK_TRIES  20
#define LOCK_NAP_NS 50000000L
#define BACKLOG     8

static const char *run_dir(void)
{
    const char *dir = getenv("XLM_RUN_DIR");

    return dir && *dir ? dir : "/run/xen";
}

bool ctlplace_set(struct ctlplace *p, const char *uuid)
{
    memset(p, 0, sizeof(*p));
    return snprintf(p->dir, sizeof(p->dir), "%s/xlm-ctl", run_dir()) <
               (int)sizeof(p->dir) &&
           snprintf(p->path, sizeof(p->path), "%s/%s.sock", p->dir, uuid) <
               (int)sizeof(p->path);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* A descriptor with the lock, -EAGAIN to try again, or a negative errno. */
static int try_lock(const struct ctlplace *p)
{
    struct stat ours, named;
    int fd, error = 0;

    if (mkdir(p->dir, 0700) && errno != EEXIST)
        return -errno;
    fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) /* removed just now */
        return errno == ENOENT ? -EAGAIN : -errno;
    if (fstat(fd, &ours))
        error = errno;
    else if (ours.st_uid != geteuid() || (ours.st_mode & 077))
        error = EPERM; /* somebody else's: nothing of ours belongs there */
    else if (flock(fd, LOCK_EX | LOCK_NB))
        error = errno; /* EWOULDBLOCK is EAGAIN */
    else if (stat(p->dir, &named) || !same_file(&ours, &named))
        error = EAGAIN; /* removed by who had the lock before us */
    if (!error)
        return fd;
    close(fd);
    return -error;
}

static int lock_dir(const struct ctlplace *p)
{
    const struct timespec nap = { .tv_nsec = LOCK_NAP_NS };
    int fd = -EAGAIN;

    for (int i = 0; i < LOCK_TRIES && fd == -EAGAIN; i++) {
        if (i)
            nanosleep(&nap, NULL);
        fd = try_lock(p);
    }
    return fd;
}

/* The directory goes with the last socket. */
static void unlock_dir(const struct ctlplace *p, int lock)
{
    if (lock < 0)
        return;
    rmdir(p->dir);
    close(lock);
}

static int new_socket(const struct ctlplace *p, struct sockaddr_un *sa)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memset(sa, 0, sizeof(*sa));
    sa->sun_family = AF_UNIX;
    memcpy(sa->sun_path, p->path, strlen(p->path) + 1);
    return fd < 0 ? -errno : fd;
}

int ctlplace_connect(const struct ctlplace *p)
{
    struct sockaddr_un sa;
    int fd = new_socket(p, &sa), error;

    if (fd < 0)
        return fd;
    if (!connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
        return fd;
    error = errno == ECONNREFUSED ? ENOENT : errno;
    close(fd);
    return -error;
}

/* Does somebody listen?  Also if he is too busy to be reached now. */
static bool is_alive(const struct ctlplace *p)
{
    int fd = ctlplace_connect(p);

    if (fd >= 0)
        close(fd);
    return fd != -ENOENT;
}

/* With the lock. */
static int bind_and_listen(struct ctlplace *p)
{
    struct sockaddr_un sa;
    struct stat st;
    int fd = new_socket(p, &sa), error;

    if (fd < 0)
        return fd;
    if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || chmod(p->path, 0600) ||
        stat(p->path, &st) || listen(fd, BACKLOG)) {
        error = errno;
        close(fd);
        return -error;
    }
    p->dev = st.st_dev;
    p->ino = st.st_ino;
    return fd;
}

int ctlplace_listen(struct ctlplace *p)
{
    int lock = lock_dir(p), fd;

    if (lock < 0)
        return lock;
    fd = bind_and_listen(p);
    if (fd == -EADDRINUSE && !is_alive(p)) {
        unlink(p->path);
        fd = bind_and_listen(p);
    }
    if (fd < 0)
        unlock_dir(p, lock);
    else
        close(lock);
    return fd;
}

void ctlplace_remove(const struct ctlplace *p)
{
    int lock = lock_dir(p);
    struct stat st;

    /* Without the lock too: nobody but us removes a socket that lives. */
    if (!stat(p->path, &st) && st.st_dev == p->dev && st.st_ino == p->ino)
        unlink(p->path);
    unlock_dir(p, lock);
}

void ctlplace_clean(const char *uuid)
{
    struct ctlplace p;
    int lock;

    if (!ctlplace_set(&p, uuid) || access(p.path, F_OK))
        return;
    lock = lock_dir(&p);
    if (lock >= 0 && !is_alive(&p))
        unlink(p.path);
    unlock_dir(&p, lock);
}
