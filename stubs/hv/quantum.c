/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's thread touches memory only inside a quantum, some microseconds of
 * work, and whoever stops the domain waits for the end of all of them: that is
 * the interrupt by which Xen stops a vCPU.
 *
 * No lock: a thread first says that it runs and then looks whether it may; who
 * stops first says so and then looks whether anyone runs.
 */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

#include "stubs/hv/sim.h"

/* So that a wake-up that was missed, for whatever reason, is no end. */
#define WAIT_MS 500

static bool gone(const struct sim_domain *d, uint32_t incarnation)
{
    return !d->used || d->incarnation != incarnation ||
           (d->flags & XEN_DOMINF_dying);
}

bool sim_try_enter(struct sim_domain *d, uint32_t incarnation, unsigned slot)
{
    __atomic_store_n(&d->running[slot], 1, __ATOMIC_SEQ_CST);
    if (!gone(d, incarnation) && !sim_is_stopped(d))
        return true;
    sim_leave(d, slot);
    return false;
}

void sim_leave(struct sim_domain *d, unsigned slot)
{
    __atomic_store_n(&d->running[slot], 0, __ATOMIC_SEQ_CST);
}

bool sim_enter(struct sim_domain *d, uint32_t incarnation, unsigned slot)
{
    for (;;) {
        uint32_t gate = __atomic_load_n(&d->gate, __ATOMIC_SEQ_CST);

        if (gone(d, incarnation))
            return false;
        if (sim_try_enter(d, incarnation, slot))
            return true;
        sim_futex_wait(&d->gate, gate, WAIT_MS);
    }
}

static void reap_dead(struct sim_domain *d)
{
    if (d->guest_pid && (!kill(d->guest_pid, 0) || errno != ESRCH))
        return;
    for (unsigned i = 0; i <= SIM_MAXVCPU; i++)
        d->running[i] = 0;
}

void sim_quiesce(struct sim_domain *d)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned i = 0; i <= SIM_MAXVCPU; i++)
        for (unsigned turns = 1;
             __atomic_load_n(&d->running[i], __ATOMIC_SEQ_CST); turns++) {
            if (turns % 1024 == 0)
                reap_dead(d); /* its process was killed in there */
            sched_yield();
        }
}
