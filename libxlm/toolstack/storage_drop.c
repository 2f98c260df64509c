/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Forgets what this host cached of a disk while the guest was elsewhere.  Each
 * layer has a page cache of its own: a loop device over a shared disk answers
 * from that disk's cache, whatever is dropped of the loop device itself.
 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/log.h"
#include "toolstack/storage.h"

#define XLM_MODULE "disk"

#define MAX_DEPTH 16 /* layers; Linux itself stacks fewer */

bool xlm__storage_is_absent(int error)
{
    return error == ENOENT || error == ENOMEDIUM || error == ENXIO;
}

/* ---- what is behind a block device ---- */

struct behind {
    char dir[PATH_MAX / 2]; /* of the device in sysfs */
    int (*each)(void *user, const char *path);
    void *user;
};

static bool read_line(const char *name, char line[PATH_MAX])
{
    FILE *f = fopen(name, "re");
    bool read;

    if (!f)
        return false;
    read = fgets(line, PATH_MAX, f);
    fclose(f);
    if (read)
        line[strcspn(line, "\n")] = '\0';
    return read;
}

static int each_file(struct behind *b)
{
    char name[PATH_MAX];
    char path[PATH_MAX];

    snprintf(name, sizeof(name), "%s/loop/backing_file", b->dir);
    if (!read_line(name, path))
        return 0;
    return b->each(b->user, path);
}

static int each_slave(struct behind *b)
{
    char path[PATH_MAX];
    struct dirent *e;
    DIR *slaves;
    int rc = 0;

    snprintf(path, sizeof(path), "%s/slaves", b->dir);
    slaves = opendir(path);
    if (!slaves)
        return 0;
    while (!rc && (e = readdir(slaves))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/dev/%s", e->d_name);
        /* sysfs has no slash in a name: "cciss!c0d0" */
        for (char *c = path; (c = strchr(c, '!')); c++)
            *c = '/';
        rc = b->each(b->user, path);
    }
    closedir(slaves);
    return rc;
}

int xlm__storage_behind(const char *sysfs, dev_t dev,
                        int (*each)(void *user, const char *path), void *user)
{
    /* A partition has its disk as parent. */
    static const char *const parents[] = { "", "/.." };
    struct behind b = { .each = each, .user = user };
    int rc = 0;

    for (size_t i = 0; i < sizeof(parents) / sizeof(*parents) && !rc; i++) {
        snprintf(b.dir, sizeof(b.dir), "%s/dev/block/%u:%u%s", sysfs,
                 major(dev), minor(dev), parents[i]);
        rc = each_file(&b);
        if (!rc)
            rc = each_slave(&b);
    }
    return rc;
}

/* ---- drop ---- */

struct drop {
    struct xlm__errslot *err;
    const char *disk;
    unsigned depth;
};

static int drop_path(void *user, const char *path);

static int drop_block(struct drop *d, const char *path, int fd, dev_t dev)
{
    if (ioctl(fd, BLKFLSBUF, 0))
        return XLM_FAIL_ERRNO(d->err, XLM_ERR_DEVICE,
                              "disk %s: drop the cache of %s", d->disk, path);
    return xlm__storage_behind("/sys", dev, drop_path, d);
}

static int drop_fd(struct drop *d, const char *path, int fd)
{
    struct stat st;
    int r;

    if (fstat(fd, &st))
        return XLM_FAIL_ERRNO(d->err, XLM_ERR_DEVICE, "disk %s: stat %s",
                              d->disk, path);
    /* Dirty pages are not dropped, so they are written first; there should be
     * none: who has it open here serves a domain that never ran. */
    if (fsync(fd) && errno != EINVAL && errno != EROFS)
        return XLM_FAIL_ERRNO(d->err, XLM_ERR_DEVICE, "disk %s: flush %s",
                              d->disk, path);
    if (S_ISBLK(st.st_mode))
        return drop_block(d, path, fd, st.st_rdev);
    r = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    if (r) {
        errno = r;
        return XLM_FAIL_ERRNO(d->err, XLM_ERR_DEVICE,
                              "disk %s: drop the cache of %s", d->disk, path);
    }
    return 0;
}

static int drop_path(void *user, const char *path)
{
    struct drop *d = user;
    int fd;
    int rc;

    if (d->depth == MAX_DEPTH)
        return XLM_FAIL(d->err, XLM_ERR_DEVICE,
                        "disk %s: %s is more than %u devices behind it",
                        d->disk, path, MAX_DEPTH);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        if (xlm__storage_is_absent(errno))
            return 0;
        return XLM_FAIL_ERRNO(d->err, XLM_ERR_DEVICE, "disk %s: open %s",
                              d->disk, path);
    }
    d->depth++;
    rc = drop_fd(d, path, fd);
    d->depth--;
    close(fd);
    if (!rc)
        XLM_LOG(d->err, DEBUG, "disk %s: cache of %s dropped", d->disk, path);
    return rc;
}

int xlm__storage_drop_path(struct xlm__errslot *err, const char *disk,
                           const char *path)
{
    struct drop d = { .err = err, .disk = disk };

    return drop_path(&d, path);
}
