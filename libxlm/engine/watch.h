/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The moment at which a domain shuts down, seen by a thread that polls it while
 * another is inside libxl's suspend, which returns only after the device model
 * was saved: the blackout begins with the flag.
 */
#ifndef XLM_ENGINE_WATCH_H
#define XLM_ENGINE_WATCH_H

#include <pthread.h>
#include <stdatomic.h>

#include "hv/hv.h"

struct xlm__watch {
    /* set once */
    struct xlm__hv *hv;
    uint32_t domid;
    pthread_t thread;
    bool started;
    /* shared */
    atomic_bool stop;
    _Atomic uint64_t seen_ns; /* CLOCK_MONOTONIC; 0 = not seen */
};

/* Never fails: without a thread, nothing will be seen. */
void xlm__watch_start(struct xlm__watch *w, struct xlm__hv *hv, uint32_t domid);
/* When it was seen, else otherwise_ns.  Ends the thread. */
uint64_t xlm__watch_end(struct xlm__watch *w, uint64_t otherwise_ns);

#endif /* XLM_ENGINE_WATCH_H */
