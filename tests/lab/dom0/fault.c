/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lets one hypercall of one program fail, so that a test can see what it then
 * does: LD_PRELOAD=/usr/local/lib/lab/fault.so XLM_FAULT='NAME N ERRNO' ...
 * Processes called NAME count their own, from 1 on, also those of the process
 * that they were forked from; Xen never sees the Nth, and TOLD is there. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As Linux has it: include/uapi/xen/privcmd.h needs more than its package. */
struct privcmd_hypercall {
    uint64_t op;
    uint64_t arg[5];
};

#define IOCTL_PRIVCMD_HYPERCALL                                                \
    _IOC(_IOC_NONE, 'P', 0, sizeof(struct privcmd_hypercall))

#define TOLD "/run/lab-fault"

static atomic_long calls;

static bool fails(void)
{
    const char *rule = getenv("XLM_FAULT");
    char name[32];
    long n;
    int error, fd;

    if (!rule || sscanf(rule, "%31s %ld %d", name, &n, &error) != 3 ||
        strcmp(name, program_invocation_short_name) != 0 ||
        atomic_fetch_add(&calls, 1) + 1 != n)
        return false;
    fd = open(TOLD, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    errno = error;
    return true;
}

int ioctl(int fd, unsigned long request, ...)
{
    void *arg;
    va_list args;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    if (request == IOCTL_PRIVCMD_HYPERCALL && fails())
        return -1;
    return (int)syscall(SYS_ioctl, fd, request, arg);
}
