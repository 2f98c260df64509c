/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/slow.h"

#include <string.h>

void xlm__slow_init(struct xlm__slow *s, const uint8_t ways[XLM__SLOW_WAYS],
                    uint64_t deadline_us)
{
    memset(s, 0, sizeof(*s));
    memcpy(s->ways, ways, XLM__SLOW_WAYS);
    s->deadline_us = deadline_us;
}

/* Would it be over by then, if that much time were still needed? */
static bool in_time(const struct xlm__slow *s, const struct xlm__slow_facts *f,
                    uint64_t round_us)
{
    uint64_t left;

    if (!s->deadline_us)
        return true;
    if (f->now_us >= s->deadline_us)
        return false;
    left = s->deadline_us - f->now_us;
    return f->pause_us <= left && round_us <= left - f->pause_us;
}

/* What is done when nothing else is worth a try. */
static enum xlm_on_slow final_way(const struct xlm__slow *s)
{
    for (unsigned i = s->at; s->ways[i]; i++)
        if (s->ways[i] == XLM_SLOW_SWITCH)
            return XLM_SLOW_SWITCH;
    return XLM_SLOW_ABORT;
}

bool xlm__slow_ends_at_deadline(const struct xlm__slow *s)
{
    return s->deadline_us && final_way(s) == XLM_SLOW_ABORT;
}

static void finish(const struct xlm__slow *s, struct xlm__slow_verdict *out)
{
    out->way = final_way(s);
    out->decision = out->way == XLM_SLOW_SWITCH ? XLM__DECIDE_SWITCHOVER
                                                : XLM__DECIDE_ABORT;
}

/* Neither more rounds nor a slower guest change what a scan of all memory
 * takes; and the caller's limit of rounds is one for all of them. */
static bool rounds_help(const struct xlm__slow_facts *f)
{
    return f->reason != XLM__REASON_SCAN && f->reason != XLM__REASON_ROUNDS;
}

/* Below that credit2 would have to switch faster than its shortest timer
 * (xen.git sched/credit2.c: 500 us of a period of 10 ms). */
#define CAP_MIN 5u

uint32_t xlm__slow_next_cap(uint32_t cap, uint32_t used)
{
    /* A cap above what it uses would not be felt. */
    const uint32_t now = cap && cap < used ? cap : used;
    const uint32_t next = now * 7 / 10;

    if (now <= CAP_MIN)
        return 0;
    return next > CAP_MIN ? next : CAP_MIN;
}

static bool throttle(const struct xlm__slow *s, const struct xlm__slow_facts *f,
                     struct xlm__slow_verdict *out)
{
    out->cap = s->can_throttle ? xlm__slow_next_cap(f->cap, f->used) : 0;
    return out->cap;
}

static void next_way(struct xlm__slow *s, const struct xlm__slow_facts *f,
                     struct xlm__slow_verdict *out)
{
    const bool more = rounds_help(f) && in_time(s, f, f->round_us);

    out->decision = XLM__DECIDE_CONTINUE;
    if (s->ways[s->at] == XLM_SLOW_THROTTLE && more) {
        out->way = XLM_SLOW_THROTTLE;
        if (throttle(s, f, out))
            return;
        s->at++;
    }
    if (s->ways[s->at] == XLM_SLOW_WAIT && more) {
        out->way = XLM_SLOW_WAIT;
        return;
    }
    /* Who could have gone on had no time for it. */
    out->late = rounds_help(f) && !more && s->ways[s->at] &&
                s->ways[s->at] <= XLM_SLOW_WAIT;
    finish(s, out);
}

void xlm__slow_judge(struct xlm__slow *s, const struct xlm__slow_facts *f,
                     struct xlm__slow_verdict *out)
{
    const bool more = f->decision == XLM__DECIDE_CONTINUE;

    *out = (struct xlm__slow_verdict){ .decision = f->decision };
    if (f->decision == XLM__DECIDE_ABORT) {
        next_way(s, f, out);
        return;
    }
    if (in_time(s, f, more ? f->round_us : 0))
        return;
    /* No goal for the pause forbids it to be now, and that is in time. */
    if (more && !f->goal_us && in_time(s, f, 0)) {
        out->decision = XLM__DECIDE_SWITCHOVER;
        return;
    }
    out->late = true;
    finish(s, out);
}

const char *xlm__slow_word(enum xlm_on_slow way)
{
    static const char *const words[] = { [0] = "",
                                         [XLM_SLOW_THROTTLE] = "throttle",
                                         [XLM_SLOW_WAIT] = "wait",
                                         [XLM_SLOW_SWITCH] = "switch",
                                         [XLM_SLOW_ABORT] = "abort" };

    return words[way];
}
