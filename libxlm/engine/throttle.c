/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/throttle.h"

#include <poll.h>

#include "util/clock.h"

void xlm__throttle_init(struct xlm__throttle *t, uint64_t bytes_s)
{
    pthread_mutex_init(&t->lock, NULL);
    t->bytes_s = bytes_s;
    t->paid_ns = 0;
}

void xlm__throttle_destroy(struct xlm__throttle *t)
{
    pthread_mutex_destroy(&t->lock);
}

uint64_t xlm__throttle_charge(struct xlm__throttle *t, uint64_t bytes,
                              uint64_t now_ns)
{
    uint64_t wait = 0;

    pthread_mutex_lock(&t->lock);
    if (t->bytes_s) {
        /* Time that nobody used is not saved up: no bursts above the rate. */
        if (t->paid_ns < now_ns)
            t->paid_ns = now_ns;
        wait = t->paid_ns - now_ns;
        t->paid_ns += (uint64_t)((double)bytes * (double)XLM__NS_PER_S /
                                 (double)t->bytes_s);
    }
    pthread_mutex_unlock(&t->lock);
    return wait;
}

void xlm__throttle_wait(struct xlm__throttle *t, uint64_t bytes, int stop_fd)
{
    struct pollfd p = { .fd = stop_fd, .events = POLLIN };
    uint64_t ns = xlm__throttle_charge(t, bytes, xlm__clock_ns());
    struct timespec ts = { (time_t)(ns / XLM__NS_PER_S),
                           (long)(ns % XLM__NS_PER_S) };

    if (ns)
        ppoll(&p, 1, &ts, NULL);
}
