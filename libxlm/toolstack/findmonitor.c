/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "toolstack/findmonitor.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* A log that was rotated away has a number behind, or is gone by name. */
static bool is_log_of(const char *target, const char *prefix, const char *name,
                      const char *middle)
{
    const char *base = base_name(target);
    const size_t prefix_bytes = strlen(prefix);
    const size_t name_bytes = strlen(name);
    const size_t middle_bytes = strlen(middle);

    if (strncmp(base, prefix, prefix_bytes) ||
        strncmp(base + prefix_bytes, name, name_bytes))
        return false;
    base += prefix_bytes + name_bytes;
    if (strncmp(base, middle, middle_bytes))
        return false;
    return !strncmp(base + middle_bytes, ".log", 4);
}

static bool fd_is_log(const char *fd_path, const char *name, bool ours)
{
    char target[512];
    ssize_t n = readlink(fd_path, target, sizeof(target) - 1);

    if (n <= 0)
        return false;
    target[n] = '\0';
    return is_log_of(target, "xl-", name, "") ||
           is_log_of(target, "xl-", name, "--incoming") ||
           (ours && is_log_of(target, "xlm-monitor-", name, ""));
}

static bool process_watches(const char *proc, const char *pid, const char *name,
                            bool ours)
{
    char path[128];
    DIR *dir;
    struct dirent *e;
    bool found = false;

    snprintf(path, sizeof(path), "%s/%s/fd", proc, pid);
    dir = opendir(path);
    if (!dir)
        return false;
    while (!found && (e = readdir(dir))) {
        char fd_path[512];

        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        snprintf(fd_path, sizeof(fd_path), "%s/%.20s", path, e->d_name);
        found = fd_is_log(fd_path, name, ours);
    }
    closedir(dir);
    return found;
}

static bool process_is_xl(const char *proc, const char *pid)
{
    char path[128];
    char name[32] = "";
    int fd;
    ssize_t n;

    snprintf(path, sizeof(path), "%s/%s/comm", proc, pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, name, sizeof(name) - 1);
    close(fd);
    /* comm is cut to 15 characters: xl, xl-lmigrate-mon */
    return n > 2 && !strncmp(name, "xl", 2) &&
           (name[2] == '\n' || name[2] == '-');
}

static bool find(const char *proc, const char *domain_name, bool ours)
{
    DIR *dir = opendir(proc);
    struct dirent *e;
    bool found = false;

    if (!dir)
        return false;
    while (!found && (e = readdir(dir))) {
        char pid[24];

        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        snprintf(pid, sizeof(pid), "%.20s", e->d_name);
        found = process_is_xl(proc, pid) &&
                process_watches(proc, pid, domain_name, ours);
    }
    closedir(dir);
    return found;
}

bool xlm__find_monitor(const char *proc, const char *domain_name)
{
    return find(proc, domain_name, true);
}

bool xlm__find_xl_daemon(const char *proc, const char *domain_name)
{
    return find(proc, domain_name, false);
}
