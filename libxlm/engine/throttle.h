/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bandwidth limit shared by all data channels. */
#ifndef XLM_ENGINE_THROTTLE_H
#define XLM_ENGINE_THROTTLE_H

#include <pthread.h>
#include <stdint.h>

struct xlm__throttle {
    /* under lock */
    pthread_mutex_t lock;
    uint64_t bytes_s; /* 0 = no limit */
    uint64_t paid_ns; /* what was sent so far is paid for until then */
};

void xlm__throttle_init(struct xlm__throttle *t, uint64_t bytes_s);
void xlm__throttle_destroy(struct xlm__throttle *t);

/* Pure: how long after now_ns a sender of `bytes` has to wait. */
uint64_t xlm__throttle_charge(struct xlm__throttle *t, uint64_t bytes,
                              uint64_t now_ns);

/* Charge, and sleep for that long or until stop_fd is readable. */
void xlm__throttle_wait(struct xlm__throttle *t, uint64_t bytes, int stop_fd);

#endif /* XLM_ENGINE_THROTTLE_H */
