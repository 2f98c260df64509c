/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "watched.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "logfile.h"

/* xl rotates its logs by renaming: xl-NAME.log.1 may be the open one. */
static bool is_log_of(const char *path, const char *name)
{
    char want[PATH_MAX];
    static const char *const patterns[] = { "%s/xl-%s.log",
                                            "%s/xl-%s--incoming.log",
                                            "%s/xlm-monitor-%s.log" };

    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        size_t n;

        /* The pattern is one of ours, above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(want, sizeof(want), patterns[i], logfile_directory(), name);
#pragma GCC diagnostic pop
        n = strlen(want);
        if (!strncmp(path, want, n) && (!path[n] || path[n] == '.'))
            return true;
    }
    return false;
}

/* A daemon has it as its stdout and stderr. */
static bool process_logs_to(const char *pid, const char *name)
{
    char link[300], target[PATH_MAX];

    for (int fd = 1; fd <= 2; fd++) {
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/%s/fd/%d", pid, fd);
        n = readlink(link, target, sizeof(target) - 1);
        if (n <= 0)
            continue;
        target[n] = 0;
        if (is_log_of(target, name))
            return true;
    }
    return false;
}

bool domain_is_watched(const char *name)
{
    DIR *proc = opendir("/proc");
    struct dirent *d;
    bool found = false;

    while (proc && !found && (d = readdir(proc)))
        found = isdigit((unsigned char)d->d_name[0]) &&
                process_logs_to(d->d_name, name);
    if (proc)
        closedir(proc);
    return found;
}
