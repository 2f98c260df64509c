/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clocks and deadlines.  A deadline is a CLOCK_MONOTONIC time; 0 is "never". */
#ifndef XLM_UTIL_CLOCK_H
#define XLM_UTIL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define XLM__NS_PER_S  UINT64_C(1000000000)
#define XLM__NS_PER_MS UINT64_C(1000000)
#define XLM__NS_PER_US UINT64_C(1000)

uint64_t xlm__clock_ns(void);      /* CLOCK_MONOTONIC */
uint64_t xlm__clock_real_ns(void); /* CLOCK_REALTIME: to tell people, no more */
uint64_t xlm__clock_cpu_ns(void);  /* processor time of this thread */

/* timeout_ms from now; 0 gives "never". */
uint64_t xlm__deadline_ns(uint32_t timeout_ms);

static inline bool xlm__deadline_over(uint64_t deadline_ns, uint64_t now_ns)
{
    return deadline_ns && now_ns >= deadline_ns;
}

/*
 * What to give poll(2): -1 for never, else milliseconds rounded up (so that
 * poll does not return just before the deadline), 0 if it is over.
 */
int xlm__deadline_left_ms(uint64_t deadline_ns);
/* The same as of a given time. */
int xlm__deadline_left_at_ms(uint64_t deadline_ns, uint64_t now_ns);

#endif /* XLM_UTIL_CLOCK_H */
