/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of a goal that cannot be met: engine/slow.h decides, this does
 * it, and says so. */
#include "config.h"

#define XLM_MODULE "source"
#include "engine/source.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "util/clock.h"

static uint64_t now_us(const struct xlm__source *m)
{
    return (xlm__clock_ns() - m->s->begin_ns) / XLM__NS_PER_US;
}

/* What cannot be met, and by how much. */
static void describe(struct xlm__source *m, const struct xlm__slow_facts *f,
                     const struct xlm__round_result *r, bool late,
                     char text[XLM_MESSAGE_MAX / 2])
{
    if (late)
        snprintf(text, XLM_MESSAGE_MAX / 2,
                 "deadline of %u s: %" PRIu64 " s have passed after round %u, "
                 "the next would take %" PRIu64 " ms, the pause %" PRIu64 " ms",
                 m->s->opt.deadline_ms / 1000, f->now_us / 1000000, r->number,
                 f->round_us / 1000, f->pause_us / 1000);
    else
        snprintf(text, XLM_MESSAGE_MAX / 2,
                 "expected pause %" PRIu64 " ms after round %u, goal %u ms; "
                 "%s",
                 f->pause_us / 1000, r->number,
                 (unsigned)(m->policy.goal_us / 1000),
                 xlm__policy_reason(f->reason));
}

static int give_up(struct xlm__source *m, const struct xlm__round_result *r,
                   const char *what)
{
    return XLM_FAIL(
        &m->s->err, XLM_ERR_NOCONVERGE,
        "%s: %s (%" PRIu64 " pages dirty, %" PRIu64 " sent per second)",
        m->config.name, what, r->dirty_pages, xlm__policy_rate(&m->policy));
}

/* Told once a way: a wait is many rounds. */
static void tell(struct xlm__source *m, enum xlm_on_slow way, const char *what)
{
    static const char *const doing[] = {
        [XLM_SLOW_WAIT] = "going on until the deadline",
        [XLM_SLOW_SWITCH] = "switching over all the same",
    };

    if (m->s->stats.on_slow != (uint32_t)way)
        XLM_LOG(&m->s->err, WARN, "%s: %s: %s, as chosen (%s)", m->config.name,
                what, doing[way], xlm__slow_word(way));
    XLM__STATS(m->s, st->on_slow = (uint32_t)way);
}

int xlm__source_judge(struct xlm__source *m, const struct xlm__round_result *r,
                      enum xlm__decision decision, enum xlm__reason reason,
                      bool *over_out)
{
    const struct xlm__slow_facts f = {
        .decision = decision,
        .reason = reason,
        .now_us = now_us(m),
        .round_us = xlm__policy_round_us(&m->policy, r->dirty_pages),
        .pause_us = xlm__policy_predict_us(&m->policy, r->dirty_pages),
    };
    char what[XLM_MESSAGE_MAX / 2];
    struct xlm__slow_verdict v;

    /* Somebody has said that goals do not count any more. */
    *over_out = r->asked;
    if (r->asked)
        return 0;
    xlm__slow_judge(&m->slow, &f, &v);
    *over_out = v.decision == XLM__DECIDE_SWITCHOVER;
    if (!v.way)
        return 0;
    describe(m, &f, r, v.late, what);
    if (v.decision == XLM__DECIDE_ABORT)
        return give_up(m, r, what);
    tell(m, v.way, what);
    return 0;
}

int xlm__source_deadline(struct xlm__source *m)
{
    /* A domain that is suspended already is not woken up for that. */
    if (m->suspend_asked_ns || !xlm__slow_ends_at_deadline(&m->slow) ||
        now_us(m) <= m->slow.deadline_us)
        return 0;
    return XLM_FAIL(&m->s->err, XLM_ERR_NOCONVERGE,
                    "%s: its deadline of %u s has passed in round %u, %" PRIu64
                    " pages of %" PRIu64 " sent",
                    m->config.name, m->s->opt.deadline_ms / 1000,
                    m->s->stats.round, m->s->stats.round_sent_pages,
                    m->s->stats.round_pages);
}
