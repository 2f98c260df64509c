/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/throttle.h"

#include <poll.h>

#include "util/clock.h"

/* How late a sleeper may notice that the limit is another one. */
#define NAP_NS (100 * XLM__NS_PER_MS)
/* So many in a second: one too many of them is within 3 % of it. */
#define PARTS_S 40

void xlm__throttle_init(struct xlm__throttle *t, uint64_t bytes_s)
{
    pthread_mutex_init(&t->lock, NULL);
    t->bytes_s = bytes_s;
    t->base_bytes = 0;
    t->since_ns = 0;
    t->taken_bytes = 0;
}

void xlm__throttle_destroy(struct xlm__throttle *t)
{
    pthread_mutex_destroy(&t->lock);
}

/* Under lock: how far the line has come.  Without a limit nobody is behind. */
static double reached(const struct xlm__throttle *t, uint64_t now_ns)
{
    if (!t->bytes_s)
        return t->taken_bytes;
    if (now_ns < t->since_ns) /* read just before another limit was set */
        return t->base_bytes;
    return t->base_bytes + (double)(now_ns - t->since_ns) * (double)t->bytes_s /
                               (double)XLM__NS_PER_S;
}

void xlm__throttle_set(struct xlm__throttle *t, uint64_t bytes_s,
                       uint64_t now_ns)
{
    pthread_mutex_lock(&t->lock);
    if (t->bytes_s != bytes_s) {
        t->base_bytes = reached(t, now_ns);
        t->since_ns = now_ns;
        t->bytes_s = bytes_s;
    }
    pthread_mutex_unlock(&t->lock);
}

double xlm__throttle_charge(struct xlm__throttle *t, uint64_t bytes,
                            uint64_t now_ns)
{
    double place, now;

    pthread_mutex_lock(&t->lock);
    now = reached(t, now_ns);
    /* Time that nobody used is not saved up: no bursts above the rate. */
    if (t->taken_bytes < now)
        t->taken_bytes = now;
    place = t->taken_bytes;
    if (t->bytes_s)
        t->taken_bytes += (double)bytes;
    pthread_mutex_unlock(&t->lock);
    return place;
}

uint64_t xlm__throttle_part(struct xlm__throttle *t)
{
    uint64_t bytes_s;

    pthread_mutex_lock(&t->lock);
    bytes_s = t->bytes_s;
    pthread_mutex_unlock(&t->lock);
    return bytes_s ? bytes_s / PARTS_S : UINT64_MAX;
}

uint64_t xlm__throttle_left_ns(struct xlm__throttle *t, double place,
                               uint64_t now_ns)
{
    uint64_t left = 0;
    double now;

    pthread_mutex_lock(&t->lock);
    now = reached(t, now_ns);
    if (t->bytes_s && place > now)
        left = (uint64_t)((place - now) * (double)XLM__NS_PER_S /
                          (double)t->bytes_s);
    pthread_mutex_unlock(&t->lock);
    return left;
}

void xlm__throttle_wait(struct xlm__throttle *t, uint64_t bytes, int stop_fd)
{
    struct pollfd p = { .fd = stop_fd, .events = POLLIN };
    double place = xlm__throttle_charge(t, bytes, xlm__clock_ns());
    uint64_t ns;

    while ((ns = xlm__throttle_left_ns(t, place, xlm__clock_ns())) != 0) {
        struct timespec nap = { 0, (long)(ns < NAP_NS ? ns : NAP_NS) };

        if (ppoll(&p, 1, &nap, NULL) > 0)
            break;
    }
}
