/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent.h"

#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Linux stops CLOCK_MONOTONIC while Xen has it suspended, and adds that time
 * to CLOCK_BOOTTIME only: the first shows freezing and thawing, the second the
 * whole absence, as exactly as the two hosts' wall clocks agree. */
static struct {
    _Atomic uint64_t boot_ns;
    _Atomic uint64_t mono_ns;
} longest;
static _Atomic uint64_t nr_clock_back;

static void note(_Atomic uint64_t *longest_ns, uint64_t gap_ns)
{
    uint64_t seen = *longest_ns;

    while (gap_ns > seen &&
           !atomic_compare_exchange_weak(longest_ns, &seen, gap_ns))
        ;
}

static uint64_t boot_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec * 1000000000ULL + t.tv_nsec;
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
    uint64_t last, last_boot;

    pin((uintptr_t)arg);
    last = agent_mono_ns();
    last_boot = boot_ns();
    for (;;) {
        uint64_t now, now_boot;

        nanosleep(&tick, NULL);
        now = agent_mono_ns();
        now_boot = boot_ns();
        if (now < last || now_boot < last_boot) {
            nr_clock_back++;
        } else {
            note(&longest.mono_ns, now - last);
            note(&longest.boot_ns, now_boot - last_boot);
        }
        last = now;
        last_boot = now_boot;
    }
    return NULL;
}

unsigned gap_nr_vcpus(void)
{
    return sysconf(_SC_NPROCESSORS_ONLN);
}

unsigned gap_take_ms(void)
{
    return atomic_exchange(&longest.boot_ns, 0) / 1000000;
}

unsigned gap_take_mono_ms(void)
{
    return atomic_exchange(&longest.mono_ns, 0) / 1000000;
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
