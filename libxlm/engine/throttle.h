/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bandwidth limit shared by all data channels, changeable at any time.
 *
 * A line of bytes: what may be sent grows with time, each sender takes a place
 * behind those before it, and waits until the line has come there.
 */
#ifndef XLM_ENGINE_THROTTLE_H
#define XLM_ENGINE_THROTTLE_H

#include <pthread.h>
#include <stdint.h>

struct xlm__throttle {
    /* under lock */
    pthread_mutex_t lock;
    uint64_t bytes_s;  /* 0 = no limit */
    double base_bytes; /* could be sent up to ... */
    uint64_t since_ns; /* ... then; it grows from there */
    double taken_bytes;
};

void xlm__throttle_init(struct xlm__throttle *t, uint64_t bytes_s);
void xlm__throttle_destroy(struct xlm__throttle *t);

/* Another limit from now_ns on, also for those who wait. */
void xlm__throttle_set(struct xlm__throttle *t, uint64_t bytes_s,
                       uint64_t now_ns);

/* Pure: the place of a sender of `bytes`. */
double xlm__throttle_charge(struct xlm__throttle *t, uint64_t bytes,
                            uint64_t now_ns);
/* Pure: how long it has to wait there, if the limit stays what it is. */
uint64_t xlm__throttle_left_ns(struct xlm__throttle *t, double place,
                               uint64_t now_ns);

/* The bytes that may go at once: more would be a burst above the limit. */
uint64_t xlm__throttle_part(struct xlm__throttle *t);

/* Charge, and sleep until it is our turn or stop_fd is readable. */
void xlm__throttle_wait(struct xlm__throttle *t, uint64_t bytes, int stop_fd);

#endif /* XLM_ENGINE_THROTTLE_H */
