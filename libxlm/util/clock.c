/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <limits.h>
#include <time.h>

#include "util/clock.h"

/* Neither clock can fail on Linux: both have been there since 2.6. */
static uint64_t read_ns(clockid_t id)
{
    struct timespec t = { 0, 0 };

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * XLM__NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t xlm__clock_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t xlm__clock_real_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}

uint64_t xlm__clock_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t xlm__deadline_ns(uint32_t timeout_ms)
{
    return timeout_ms ? xlm__clock_ns() + timeout_ms * XLM__NS_PER_MS : 0;
}

int xlm__deadline_left_at_ms(uint64_t deadline_ns, uint64_t now_ns)
{
    uint64_t ms;

    if (!deadline_ns)
        return -1;
    if (now_ns >= deadline_ns)
        return 0;
    ms = (deadline_ns - now_ns - 1) / XLM__NS_PER_MS + 1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

int xlm__deadline_left_ms(uint64_t deadline_ns)
{
    return xlm__deadline_left_at_ms(deadline_ns, xlm__clock_ns());
}
