/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When each domain could run, on one clock for all simulated hosts.  Lines:
 *
 *   START|STOP|BOOT|SEQ NANOSECONDS UUID HOST DOMID SEQUENCE
 *
 * START is written before anything can run, STOP when nothing runs any more,
 * BOOT and SEQ by the guest when it starts anew or goes on.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "stubs/hv/sim.h"

void sim_clock_note(const struct sim_domain *d, const char *what, uint64_t seq)
{
    char path[300], line[160], uuid[33];
    struct timespec t;
    int fd, n;

    if (!sim_hv->clock_dir[0])
        return;
    for (unsigned i = 0; i < 16; i++)
        snprintf(uuid + 2 * i, 3, "%02x", d->uuid[i]);
    clock_gettime(CLOCK_MONOTONIC, &t);
    n = snprintf(line, sizeof(line), "%s %llu %s %s %u %llu\n", what,
                 t.tv_sec * 1000000000ull + t.tv_nsec, uuid, sim_hv->host,
                 d->domid, (unsigned long long)seq);
    snprintf(path, sizeof(path), "%s/runs", sim_hv->clock_dir);
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, line, n) != n)
        sim_unsupported("journal of run intervals: cannot write");
    if (fd >= 0)
        close(fd);
}

void sim_clock_update(struct sim_domain *d, bool runs)
{
    if (d->clock_runs == runs)
        return;
    d->clock_runs = runs;
    sim_clock_note(d, runs ? "START" : "STOP", d->guest_seq);
}
