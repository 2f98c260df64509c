/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What calls cost on real hardware, if somebody wants to know what that would
 * change: SIMXEN_COST='map=NS,clean=US,peek=US', nothing by default.
 *
 *   map    nanoseconds of CPU for each page mapped, its unmapping included:
 *          programs unmap by munmap(), which does not pass by here
 *   clean  microseconds for which CLEAN stops the domain
 *   peek   the same for PEEK
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stubs/hv/sim.h"

#define MAX_NS 10000000000ull /* of one call */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned long long cost_ns[SIM_NR_COSTS];

static bool parse_one(const char *text)
{
    static const struct {
        const char *name;
        unsigned long long unit_ns;
    } known[SIM_NR_COSTS] = {
        [SIM_COST_MAP] = { "map=", 1 },
        [SIM_COST_CLEAN] = { "clean=", 1000 },
        [SIM_COST_PEEK] = { "peek=", 1000 },
    };

    for (unsigned i = 0; i < SIM_NR_COSTS; i++) {
        const size_t len = strlen(known[i].name);
        unsigned long long n;
        char *end;

        if (strncmp(text, known[i].name, len))
            continue;
        n = strtoull(text + len, &end, 10);
        if (end == text + len || *end || n > MAX_NS / known[i].unit_ns)
            return false;
        cost_ns[i] = n * known[i].unit_ns;
        return true;
    }
    return false;
}

/* A benchmark must not claim costs that were not charged. */
static void parse(void)
{
    const char *env = getenv("SIMXEN_COST");
    char *copy = env ? strdup(env) : NULL, *save = NULL;

    for (char *text = copy ? strtok_r(copy, ",", &save) : NULL; text;
         text = strtok_r(NULL, ",", &save))
        if (!parse_one(text)) {
            fprintf(stderr, "simxen: SIMXEN_COST: cannot read '%s'\n", env);
            _exit(111);
        }
    free(copy);
}

static unsigned long long now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

void sim_charge(enum sim_cost what, uint64_t times)
{
    unsigned long long end;

    pthread_once(&once, parse);
    if (!cost_ns[what] || !times)
        return;
    if (times > MAX_NS / cost_ns[what])
        times = MAX_NS / cost_ns[what];
    end = now_ns() + cost_ns[what] * times;
    while (now_ns() < end)
        ; /* it is CPU time there, too */
}
