/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that is there before a domain needs it.
 *
 * A real host's memory exists; ours comes into being when it is touched first,
 * which may take longer than all of a move.  With SIMXEN_WARM_MB a host keeps
 * one file of that size, touched and zero.  The next domain takes it.  What a
 * domain leaves behind is cleared and kept for another, as Xen scrubs free
 * memory when it has nothing else to do.
 */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stubs/hv/sim.h"

#define PAGE_SHIFT 12
/* Xenstored and qemu may map pages of a dead domain a little longer. */
#define MAPPED_LIMIT_S 30

static bool warm_path(char path[512])
{
    return sim_path(path, 512, "warm.mem");
}

static bool used_path(char path[512])
{
    return sim_path(path, 512, "used.mem");
}

void sim_warm_take(const struct sim_domain *d)
{
    char from[512], to[512];

    if (sim_hv->warm_mb && warm_path(from) &&
        sim_path(to, sizeof(to), "dom.%u.mem", d->incarnation))
        (void)rename(from, to); /* if there is one */
}

bool sim_warm_give(const struct sim_domain *d)
{
    char from[512], to[512], warm[512];

    return sim_hv->warm_mb && used_path(to) && warm_path(warm) &&
           access(to, F_OK) && access(warm, F_OK) &&
           sim_path(from, sizeof(from), "dom.%u.mem", d->incarnation) &&
           !rename(from, to);
}

/* ---- the hypervisor's own process ---- */

static void note_mapped(uint64_t idx, uint64_t nr, void *mapped)
{
    (void)idx;
    (void)nr;
    *(bool *)mapped = true;
}

/* By a process of this host: others cannot be looked at. */
static bool is_mapped(const struct stat *st)
{
    DIR *proc = opendir("/proc");
    const struct dirent *e;
    bool mapped = !proc;

    while (proc && (e = readdir(proc)))
        if (isdigit((unsigned char)e->d_name[0]))
            (void)sim_each_mapped((int32_t)strtol(e->d_name, NULL, 10), st,
                                  note_mapped, &mapped);
    if (proc)
        closedir(proc);
    return mapped;
}

/* All of it zero, and touched as far as it is to be. */
static bool scrub(int fd)
{
    const uint64_t bytes = (uint64_t)sim_hv->warm_mb << 20;
    const uint64_t all = SIM_SLOT_PAGES << PAGE_SHIFT;
    void *p;

    /* Allocated first: what there is no room for is a signal later. */
    if (ftruncate(fd, all) ||
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, bytes,
                  all - bytes) ||
        fallocate(fd, 0, 0, bytes))
        return false;
    p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
             fd, 0);
    if (p == MAP_FAILED)
        return false;
    madvise(p, bytes, MADV_HUGEPAGE);
    memset(p, 0, bytes);
    munmap(p, bytes);
    return true;
}

static bool is_let_go(int fd)
{
    struct stat st;

    if (fstat(fd, &st))
        return false;
    for (unsigned s = 0; s <= MAPPED_LIMIT_S; s++) {
        sleep(1);
        if (!is_mapped(&st))
            return true;
    }
    errno = EBUSY;
    return false;
}

/* Of what a domain left, or from nothing. */
static int make_warm(void)
{
    char from[512], to[512];
    int fd;

    setpriority(PRIO_PROCESS, 0, 19);
    if (!used_path(from) || !warm_path(to))
        return 1;
    fd = open(from, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && is_let_go(fd) && scrub(fd) && !rename(from, to))
        return 0;
    fprintf(stderr, "simxen-hvd: %u MiB of memory for later: %s\n",
            sim_hv->warm_mb, strerror(errno));
    unlink(from);
    return 1;
}

static bool is_leaving(void)
{
    for (unsigned i = 1; i < SIM_MAXDOM; i++)
        if (!sim_hv->dom[i].used && sim_hv->dom[i].guest_pid)
            return true;
    return false;
}

pid_t sim_warm_tend(void)
{
    char warm[512], used[512];
    pid_t pid;

    if (!sim_hv->warm_mb || !warm_path(warm) || !used_path(used) ||
        !access(warm, F_OK) || is_leaving())
        return 0;
    /* The first one, and then what domains leave. */
    if (sim_hv->warm_made && access(used, F_OK))
        return 0;
    pid = fork();
    if (!pid)
        _exit(make_warm());
    if (pid > 0)
        sim_hv->warm_made = true;
    return pid > 0 ? pid : 0;
}
