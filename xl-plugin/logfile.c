/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef XLM_LOG_DIR
#define XLM_LOG_DIR "/var/log/xen"
#endif

const char *logfile_directory(void)
{
    const char *dir = getenv("XLM_LOG_DIR");

    return dir && *dir ? dir : XLM_LOG_DIR;
}

void logfile_open(struct logfile *l, const char *prefix, const char *name)
{
    size_t start;

    snprintf(l->path, sizeof(l->path), "%s/", logfile_directory());
    start = strlen(l->path);
    snprintf(l->path + start, sizeof(l->path) - start, "%s-%s.log", prefix,
             name);
    for (char *p = l->path + start; *p; p++)
        if (*p == '/')
            *p = '_';
    l->fd = open(l->path,
                 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    l->open_errno = l->fd < 0 ? errno : 0;
}

void logfile_close(struct logfile *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

const char *log_level_name(enum xlm_log_level level)
{
    static const char *const names[] = { "error", "warn", "info", "debug" };

    return (unsigned)level < 4 ? names[level] : "?";
}

void logfile_write(const struct logfile *l, enum xlm_log_level level,
                   const char *module, const char *message)
{
    char when[32], line[1024];
    struct timespec now;
    struct tm tm;
    int n;

    if (l->fd < 0)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
    n = snprintf(line, sizeof(line), "%s.%03ld [%d] %-5s %s: %s\n", when,
                 now.tv_nsec / 1000000, (int)getpid(), log_level_name(level),
                 module, message);
    if (n >= (int)sizeof(line)) {
        n = (int)sizeof(line) - 1;
        line[n - 1] = '\n';
    }
    /* A full disk must not end a migration. */
    if (write(l->fd, line, (size_t)n) < 0)
        return;
}
