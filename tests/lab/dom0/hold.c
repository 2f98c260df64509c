/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stops a program at a line of its log, so that a test can do something to it
 * there: LD_PRELOAD=/usr/local/lib/lab/hold.so XLM_HOLD='text' PROGRAM...
 * When PROGRAM has written a line with that text for the first time, its pid
 * is in HELD, and it goes on when that file is gone, or after a minute. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define HELD    "/run/lab-held"
#define LIMIT_S 60

static atomic_bool held_once;

static void hold(void)
{
    const struct timespec tenth = { .tv_nsec = 100000000 };
    char pid[16];
    int fd = open(HELD ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());

    if (fd < 0)
        return;
    /* Complete before it has its name. */
    if (syscall(SYS_write, fd, pid, n) == n)
        rename(HELD ".new", HELD);
    close(fd);
    for (int i = 0; i < LIMIT_S * 10 && !access(HELD, F_OK); i++)
        nanosleep(&tenth, NULL);
}

ssize_t write(int fd, const void *data, size_t size)
{
    ssize_t r = syscall(SYS_write, fd, data, size);
    const char *text = getenv("XLM_HOLD");

    if (r > 0 && text && memmem(data, size, text, strlen(text)) &&
        !atomic_exchange(&held_once, true))
        hold();
    return r;
}
