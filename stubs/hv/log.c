/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was called, if wanted, and what is not simulated, always. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stubs/hv/sim.h"

#define MAX_NAMES 128

bool sim_log_on;
static pthread_once_t opened = PTHREAD_ONCE_INIT;
static int log_fd = -1;
static char process[32];

static void open_log(void)
{
    const char *wanted = getenv("SIMXEN_LOG");
    int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, process, sizeof(process) - 1);
    char path[512];

    if (fd >= 0)
        close(fd);
    process[n > 0 ? n - 1 : 0] = '\0'; /* it ends with a newline */
    if (wanted && !strcmp(wanted, "1") &&
        sim_path(path, sizeof(path), "calls.log"))
        log_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    sim_log_on = log_fd >= 0;
}

__attribute__((constructor)) static void look(void)
{
    const char *dir = getenv("SIMXEN_STATE");

    if (dir && *dir == '/' && !sim_attach())
        pthread_once(&opened, open_log);
}

const char *sim_process(void)
{
    pthread_once(&opened, open_log);
    return process;
}

static void write_line(int fd, const char *format, va_list args)
{
    char line[512];
    struct timespec t;
    int n;

    clock_gettime(CLOCK_MONOTONIC, &t);
    n = snprintf(line, sizeof(line), "%ld.%06ld %s[%d] ", (long)t.tv_sec,
                 t.tv_nsec / 1000, process, getpid());
    n += vsnprintf(line + n, sizeof(line) - n - 1, format, args);
    if (n > (int)sizeof(line) - 2)
        n = sizeof(line) - 2;
    line[n++] = '\n';
    if (write(fd, line, n) < 0)
        sim_log_on = false; /* a full disk must not stop the host */
}

void sim_log(const char *format, ...)
{
    va_list args;

    if (!sim_log_on)
        return;
    va_start(args, format);
    write_line(log_fd, format, args);
    va_end(args);
}

void sim_note(const char *file, const char *format, ...)
{
    char path[512];
    va_list args;
    int fd;

    if (!sim_path(path, sizeof(path), "%s", file))
        return;
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    va_start(args, format);
    write_line(fd, format, args);
    va_end(args);
    close(fd);
}

void sim_unsupported(const char *name)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static char *seen[MAX_NAMES];
    unsigned i = 0;

    sim_process();
    pthread_mutex_lock(&lock);
    while (i < MAX_NAMES && seen[i] && strcmp(seen[i], name))
        i++;
    if (i < MAX_NAMES && !seen[i]) {
        seen[i] = strdup(name);
        sim_note("unsupported.log", "not simulated: %s", name);
    }
    pthread_mutex_unlock(&lock);
}
