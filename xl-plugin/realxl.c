/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "realxl.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef XLM_REAL_XL
#define XLM_REAL_XL "/usr/sbin/xl"
#endif
#ifndef XLM_LIBEXECDIR
#define XLM_LIBEXECDIR "/usr/local/libexec/xlm"
#endif

/*
 * Every program with this file in it carries the mark.  Device and inode tell
 * us from ourselves, but two dispatchers (one in /usr/sbin, one in
 * /usr/local/sbin) would start each other for ever.
 */
static const char mark[] = "@xlm-xl-dispatcher@";
#define MARK_BYTES (sizeof(mark) - 1)

static bool carries_mark(const char *path, const struct stat *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *map = MAP_FAILED;
    bool found = false;

    if (fd >= 0 && st->st_size > 0)
        map = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map != MAP_FAILED) {
        found = memmem(map, (size_t)st->st_size, mark, MARK_BYTES);
        munmap(map, (size_t)st->st_size);
    }
    if (fd >= 0)
        close(fd);
    return found;
}

static bool is_real(const char *path)
{
    struct stat st, self;

    if (stat(path, &st) || !S_ISREG(st.st_mode) || access(path, X_OK))
        return false;
    if (!stat("/proc/self/exe", &self) && self.st_dev == st.st_dev &&
        self.st_ino == st.st_ino)
        return false;
    return !carries_mark(path, &st);
}

static bool take(const char *path, char path_out[PATH_MAX])
{
    /* A relative one would be another tomorrow. */
    if (path[0] != '/' || strlen(path) >= PATH_MAX || !is_real(path))
        return false;
    memcpy(path_out, path, strlen(path) + 1);
    return true;
}

static bool find_on_path(char path_out[PATH_MAX])
{
    const char *path = getenv("PATH");
    char candidate[PATH_MAX];

    while (path && *path) {
        size_t n = strcspn(path, ":");

        /* An empty entry means the current directory: not for root's xl. */
        if (n &&
            snprintf(candidate, sizeof(candidate), "%.*s/xl", (int)n, path) <
                (int)sizeof(candidate) &&
            take(candidate, path_out))
            return true;
        path += n;
        path += *path == ':';
    }
    return false;
}

bool realxl_find(char path_out[PATH_MAX])
{
    const char *named = getenv("XLM_REAL_XL");

    if (named && *named)
        return take(named, path_out);
    return take(XLM_REAL_XL, path_out) || find_on_path(path_out);
}

const char *exec_directory(void)
{
    const char *dir = getenv("XLM_EXEC_PATH");

    return dir && *dir ? dir : XLM_LIBEXECDIR;
}
