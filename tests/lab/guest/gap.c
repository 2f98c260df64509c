/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent.h"

#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint64_t longest_ns;
static _Atomic uint64_t nr_clock_back;

static void note(uint64_t gap_ns)
{
    uint64_t seen = longest_ns;

    while (gap_ns > seen &&
           !atomic_compare_exchange_weak(&longest_ns, &seen, gap_ns))
        ;
}

static void pin(unsigned cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set))
        printf("AGENT cannot pin a thread to vCPU %u\n", cpu);
}

static void *gap_run(void *arg)
{
    const struct timespec tick = { .tv_nsec = TICK_MS * 1000000L };
    uint64_t last;

    pin((uintptr_t)arg);
    last = agent_mono_ns();
    for (;;) {
        uint64_t now;

        nanosleep(&tick, NULL);
        now = agent_mono_ns();
        if (now < last)
            nr_clock_back++;
        else
            note(now - last);
        last = now;
    }
    return NULL;
}

unsigned gap_nr_vcpus(void)
{
    return sysconf(_SC_NPROCESSORS_ONLN);
}

unsigned gap_take_ms(void)
{
    return atomic_exchange(&longest_ns, 0) / 1000000;
}

uint64_t gap_nr_clock_back(void)
{
    return nr_clock_back;
}

void gap_start(void)
{
    for (unsigned cpu = 0; cpu < gap_nr_vcpus(); cpu++)
        agent_thread(gap_run, (void *)(uintptr_t)cpu);
}
