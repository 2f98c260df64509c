/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/watch.h"

#include <time.h>

#include "util/clock.h"

#define POLL_NS 500000L

static bool happened(const struct xlm__watch *w)
{
    struct xlm__dominfo info;
    bool exists;

    return !w->hv->ops->dominfo(w->hv, w->domid, &info, &exists) && exists &&
           info.shutdown;
}

static void *watch(void *arg)
{
    const struct timespec nap = { .tv_nsec = POLL_NS };
    struct xlm__watch *w = arg;

    while (!atomic_load(&w->stop)) {
        if (happened(w)) {
            atomic_store(&w->seen_ns, xlm__clock_ns());
            break;
        }
        nanosleep(&nap, NULL);
    }
    return NULL;
}

void xlm__watch_start(struct xlm__watch *w, struct xlm__hv *hv, uint32_t domid)
{
    w->hv = hv;
    w->domid = domid;
    atomic_init(&w->stop, false);
    atomic_init(&w->seen_ns, 0);
    w->started = !pthread_create(&w->thread, NULL, watch, w);
}

uint64_t xlm__watch_end(struct xlm__watch *w, uint64_t otherwise_ns)
{
    uint64_t seen;

    if (!w->started)
        return otherwise_ns;
    atomic_store(&w->stop, true);
    pthread_join(w->thread, NULL);
    w->started = false;
    seen = atomic_load(&w->seen_ns);
    return seen ? seen : otherwise_ns;
}
