/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the threads of the guest's agent share. Each part has one thread, and
 * its figures are read by the reporter (main) only: hence plain atomics. */
#ifndef LAB_AGENT_H
#define LAB_AGENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TICK_MS 10

uint64_t agent_mono_ns(void);
void agent_sleep_until_ns(uint64_t when_ns);
/* Starts a detached thread; ends the agent if that fails. */
void agent_thread(void *(*run)(void *), void *arg);

/* work.c: memory that is dirtied and verified for ever. */
struct work {
    size_t nr_pages;       /* set once */
    unsigned dirty_pps;    /* set once */
    uint64_t *mem;         /* owned by the work thread */
    uint32_t *generation;  /* owned by the work thread */
    _Atomic uint64_t bad;  /* words found wrong since the start */
    _Atomic uint64_t laps; /* how often all of it was verified */
};
void work_start(struct work *w);

/* churn.c: memory that is taken, filled, verified and given back for ever. */
struct churn {
    size_t nr_pages;      /* set once; 0: no churn */
    _Atomic uint64_t bad; /* pages found wrong since the start */
};
void churn_start(struct churn *c);

/* gap.c: one thread for each vCPU looks for time in which it did not run. */
void gap_start(void);
unsigned gap_nr_vcpus(void);
/* Longest gap since the last call, over all vCPUs; called once a second. The
 * first counts the time in which the guest was suspended, the second not. */
unsigned gap_take_ms(void);
unsigned gap_take_mono_ms(void);
uint64_t gap_nr_clock_back(void);

/* disk.c: appends numbered blocks. */
struct disk {
    const char *path;          /* set once; NULL: no disk */
    _Atomic uint64_t acked;    /* last block known to be on the disk */
    _Atomic uint64_t errors;   /* failed requests and wrong blocks */
    _Atomic uint64_t verified; /* blocks read again and found right */
};
void disk_start(struct disk *d);

/* store.c: xenstore's wire protocol on /dev/xen/xenbus. Each thread has its
 * own connection. A guest without PV drivers has none: all calls fail. */
struct store {
    int fd; /* -1: closed, tried again at the next call */
    uint32_t req_id;
};
#define STORE_INIT                                                             \
    {                                                                          \
        -1, 0                                                                  \
    }
/* Value of PATH into BUF as a string, cut to fit; false: none or no store. */
bool store_read(struct store *s, const char *path, char *buf, size_t size);
bool store_write(struct store *s, const char *path, const char *value);

#endif
