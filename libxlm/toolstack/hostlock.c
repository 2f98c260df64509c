/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "toolstack/hostlock.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/uuid.h"

#define XLM_MODULE "lock"

#define TRIES     16
#define MIGRATION "lock"
#define MONITOR   "monitor"

static void lock_path(char *path, size_t bytes, const char *dir,
                      const unsigned char uuid[16], const char *kind)
{
    char text[XLM__UUID_TEXT];

    xlm__uuid_format(uuid, text);
    snprintf(path, bytes, "%s/xlm-%s.%s", dir, text, kind);
}

static long holder(int fd)
{
    char text[32] = "";

    if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
        return 0;
    return strtol(text, NULL, 10);
}

static void write_pid(int fd)
{
    /* Only to tell people: the lock is what counts. */
    if (ftruncate(fd, 0) || dprintf(fd, "%ld\n", (long)getpid()) < 0)
        return;
}

/* The previous holder may have removed the name between our open and lock. */
static bool still_named(int fd, const char *path)
{
    struct stat ours;
    struct stat named;

    return !fstat(fd, &ours) && !stat(path, &named) &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

/* An errno value; EBUSY with the holder's pid, 0 if that cannot be read. */
static int try_take(struct xlm__hostlock *l, long *holder_out)
{
    *holder_out = 0;
    for (int i = 0; i < TRIES; i++) {
        int fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        int error;

        if (fd < 0)
            return errno;
        if (flock(fd, LOCK_EX | LOCK_NB)) {
            error = errno == EWOULDBLOCK ? EBUSY : errno;
            *holder_out = holder(fd);
            close(fd);
            return error;
        }
        if (still_named(fd, l->path)) {
            write_pid(fd);
            l->fd = fd;
            return 0;
        }
        close(fd);
    }
    return EBUSY;
}

int xlm__hostlock_take(struct xlm__errslot *err, const char *dir,
                       const unsigned char uuid[16], struct xlm__hostlock *l)
{
    long pid;
    int error;

    lock_path(l->path, sizeof(l->path), dir, uuid, MIGRATION);
    error = try_take(l, &pid);
    if (!error)
        return 0;
    errno = error;
    if (error != EBUSY)
        return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "lock %s", l->path);
    if (pid > 0)
        return XLM_FAIL(err, XLM_ERR_BUSY,
                        "%s: process %ld is migrating this domain", l->path,
                        pid);
    return XLM_FAIL(err, XLM_ERR_BUSY,
                    "%s: another process is migrating this domain", l->path);
}

bool xlm__hostlock_take_monitor(const char *dir, const unsigned char uuid[16],
                                struct xlm__hostlock *l)
{
    long pid;

    lock_path(l->path, sizeof(l->path), dir, uuid, MONITOR);
    return try_take(l, &pid) == 0;
}

void xlm__hostlock_drop(struct xlm__hostlock *l)
{
    if (l->fd < 0)
        return;
    unlink(l->path);
    close(l->fd);
    l->fd = -1;
}

static int is_lock_name(const struct dirent *d)
{
    const char *dot = strrchr(d->d_name, '.');

    return !strncmp(d->d_name, "xlm-", 4) && dot &&
           (!strcmp(dot + 1, MIGRATION) || !strcmp(dot + 1, MONITOR));
}

/* Whoever has it open already, and locks it later, sees that its name is gone:
 * try_take(). */
void xlm__hostlock_sweep(const char *dir)
{
    struct dirent **list = NULL;
    int nr = scandir(dir, &list, is_lock_name, alphasort);

    for (int i = 0; i < nr; i++) {
        char path[512];
        int fd = -1;

        if (snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name) <
            (int)sizeof(path))
            fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB) && still_named(fd, path))
            unlink(path);
        if (fd >= 0)
            close(fd);
        free(list[i]);
    }
    free(list);
}

bool xlm__hostlock_held(const char *dir, const unsigned char uuid[16])
{
    char path[128];
    bool held;
    int fd;

    lock_path(path, sizeof(path), dir, uuid, MIGRATION);
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    held = flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
    close(fd);
    return held;
}
