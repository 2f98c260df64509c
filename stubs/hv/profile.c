/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much of a program's CPU time is ours.  With SIMXEN_PROFILE=1 each process
 * keeps a line in HOST/hv/profile/PID, of microseconds:
 *
 *   NAME  CPU time of the process  of it within libsimxen  of that to map pages
 *   in order to write them  calls
 *
 * Thread CPU time within a call has the kernel's part of mmap(), munmap() and
 * the like in it.  So that page faults are in it too, mappings are populated at
 * once, even pages that nobody would have touched: the figure is an upper
 * bound.
 */
#include "config.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "stubs/hv/sim.h"

/* Whole, always: written through a mapping, as a thread that is confined may
 * not write to files. */
#define LINE_BYTES 80

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool wanted;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Whose line and sums these are: not of a child of a fork. */
static pid_t owner;
static char *line; /* in the file, shared */
static uint64_t spent_ns, writing_ns, nr_calls;
static __thread unsigned depth;
static __thread uint64_t began_ns;

static void look(void)
{
    const char *env = getenv("SIMXEN_PROFILE");

    wanted = env && !strcmp(env, "1");
}

static uint64_t cpu_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

static void open_own(void)
{
    char path[512];
    void *p;
    int fd;

    if (owner == getpid())
        return;
    if (line)
        munmap(line, LINE_BYTES);
    line = NULL;
    owner = getpid();
    spent_ns = writing_ns = nr_calls = 0;
    if (sim_path(path, sizeof(path), "profile"))
        mkdir(path, 0755);
    if (!sim_path(path, sizeof(path), "profile/%d", owner))
        return;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    p = ftruncate(fd, LINE_BYTES)
            ? MAP_FAILED
            : mmap(NULL, LINE_BYTES, PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    line = p == MAP_FAILED ? NULL : p;
}

int sim_profile_map_flags(void)
{
    pthread_once(&once, look);
    return wanted ? MAP_POPULATE : 0;
}

void sim_profile_begin(void)
{
    pthread_once(&once, look);
    if (wanted && !depth++)
        began_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
}

void sim_profile_end(bool maps_to_write)
{
    char text[2 * LINE_BYTES];
    uint64_t ns;

    if (!wanted || --depth)
        return;
    pthread_mutex_lock(&lock);
    open_own();
    ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - began_ns;
    spent_ns += ns;
    writing_ns += maps_to_write ? ns : 0;
    nr_calls++;
    snprintf(text, sizeof(text), "%-16s %15ju %15ju %15ju %14ju\n",
             sim_process(), (uintmax_t)cpu_ns(CLOCK_PROCESS_CPUTIME_ID) / 1000,
             (uintmax_t)spent_ns / 1000, (uintmax_t)writing_ns / 1000,
             (uintmax_t)nr_calls);
    if (line)
        memcpy(line, text, LINE_BYTES);
    pthread_mutex_unlock(&lock);
}
