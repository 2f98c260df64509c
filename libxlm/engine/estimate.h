/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a migration would be like, from what a sample of it was: the rounds are
 * played, with the policies that would decide them.  Pure arithmetic.
 *
 * How many pages a guest has written after some time is measured at a few
 * points.  In between it is a line; beyond, it goes on as it began to level
 * off: pages written again are no news.
 *
 *   pages │            ·····    slope falls by e every `tau`
 *         │      __--*
 *         │  *--
 *         │*
 *         └──────────────── time
 */
#ifndef XLM_ENGINE_ESTIMATE_H
#define XLM_ENGINE_ESTIMATE_H

#include "engine/slow.h"

#define XLM__CURVE_POINTS 3u

struct xlm__curve {
    uint64_t us[XLM__CURVE_POINTS]; /* rising */
    uint64_t pages[XLM__CURVE_POINTS];
    uint64_t most; /* pages there are */
};

/* Pages written in so much time. */
uint64_t xlm__curve_at(const struct xlm__curve *c, uint64_t us);

struct xlm__estimate {
    /* measured, or known */
    uint64_t pages;        /* that the first round sends                    */
    uint64_t rate_pages_s; /* at which they travel                          */
    uint64_t page_bytes;   /* that one takes on the wire                    */
    uint64_t scan_us;      /* of a content scan; 0: none                    */
    uint64_t begin_us;     /* up to the first round                         */
    uint32_t used;         /* CPU, in percent of one                        */
    struct xlm__curve curve;
    /* wanted */
    uint32_t max_rounds;
    uint64_t goal_us, fixed_us, deadline_us;
    bool paused; /* it is suspended while all of it is copied */
    bool scan_may_exceed, can_throttle;
    uint8_t ways[XLM__SLOW_WAYS];
};

struct xlm__forecast {
    bool moves;      /* false: it would be given up, after so much          */
    uint32_t rounds; /* live ones                                           */
    uint64_t total_us, pause_us, wire_bytes;
    uint32_t cap; /* it would be throttled to, in percent of a CPU; 0: not  */
};

void xlm__estimate_play(const struct xlm__estimate *e,
                        struct xlm__forecast *out);

#endif /* XLM_ENGINE_ESTIMATE_H */
