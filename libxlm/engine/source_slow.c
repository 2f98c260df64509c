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
                 f->pause_us / 1000, r->number, (unsigned)(f->goal_us / 1000),
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

/* ---- the guest's CPU ---- */

int xlm__source_probe_cap(struct xlm__source *m)
{
    char text[XLM_MESSAGE_MAX];
    struct xlm__sched sched;
    int rc;

    if (m->s->opt.on_slow[0] != XLM_SLOW_THROTTLE)
        return 0;
    rc = m->hv->ops->sched_get(m->hv, m->domid, &sched);
    m->slow.can_throttle = !rc && sched.has_cap;
    if (rc || sched.has_cap)
        return rc;
    snprintf(text, sizeof(text),
             "scheduler %s has no cap by which %.64s could be slowed down, "
             "should it write too fast",
             sched.name, m->config.name);
    rc = xlm__findings_add(m->findings, XLM_FINDING_WARN, "no-cap",
                           "what was chosen to follow is done instead", "%s",
                           text);
    return rc ? XLM_FAIL(&m->s->err, rc, "list of findings") : 0;
}

int xlm__source_watch_cpu(struct xlm__source *m)
{
    struct xlm__dominfo info;
    bool exists = false;
    int rc = m->hv->ops->dominfo(m->hv, m->domid, &info, &exists);

    m->used_ns = xlm__clock_ns();
    if (!rc && exists)
        m->used_cpu_ns = info.cpu_ns;
    return rc;
}

/* In percent of one CPU since it was last asked for. */
static int cpu_used(struct xlm__source *m, uint32_t *percent_out)
{
    const uint64_t then_ns = m->used_ns, cpu_ns = m->used_cpu_ns;
    int rc = xlm__source_watch_cpu(m);

    *percent_out = 0;
    if (!rc && m->used_ns > then_ns && m->used_cpu_ns > cpu_ns)
        *percent_out = (uint32_t)((m->used_cpu_ns - cpu_ns) * 100 /
                                  (m->used_ns - then_ns));
    return rc;
}

/* The first step writes down first what has to be restored. */
static int slow_down(struct xlm__source *m, uint32_t cap)
{
    int rc = 0;

    if (!m->slowed_ns) {
        rc = xlm__setting_record(m->hv, m->ts, XLM__SETTING_CAP, m->domid,
                                 m->info.uuid);
        if (!rc)
            m->slowed_ns = xlm__clock_ns();
    }
    if (!rc)
        rc = m->hv->ops->cap_set(m->hv, m->domid, cap);
    if (rc)
        return rc;
    xlm__policy_slowed(&m->policy);
    XLM__STATS(m->s, {
        st->cap_percent = st->throttle_percent = cap;
        st->throttle_steps++;
    });
    return 0;
}

int xlm__source_full_speed(struct xlm__source *m)
{
    int rc;

    if (!m->slowed_ns)
        return 0;
    rc = xlm__source_give_back(m, XLM__SETTING_CAP, "is still slowed down");
    if (rc)
        return rc;
    XLM__STATS(m->s, {
        st->cap_percent = 0;
        st->throttle_us = (xlm__clock_ns() - m->slowed_ns) / XLM__NS_PER_US;
    });
    m->slowed_ns = 0;
    return 0;
}

/* ---- what follows from a round ---- */

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
}

static void tell_step(struct xlm__source *m, const struct xlm__slow_facts *f,
                      const char *what, uint32_t cap)
{
    XLM_LOG(&m->s->err, WARN,
            "%s: %s: it used %u %% of a CPU, and gets %u %% now (step %u), as "
            "chosen (throttle)",
            m->config.name, what, f->used, cap, m->s->stats.throttle_steps);
}

static int follow(struct xlm__source *m, const struct xlm__slow_facts *f,
                  const struct xlm__round_result *r,
                  const struct xlm__slow_verdict *v)
{
    char what[XLM_MESSAGE_MAX / 2];
    int rc = 0;

    describe(m, f, r, v->late, what);
    if (v->decision == XLM__DECIDE_ABORT)
        return give_up(m, r, what);
    if (v->way == XLM_SLOW_THROTTLE)
        rc = slow_down(m, v->cap);
    if (rc)
        return rc;
    if (v->way == XLM_SLOW_THROTTLE)
        tell_step(m, f, what, v->cap);
    else
        tell(m, v->way, what);
    XLM__STATS(m->s, st->on_slow = (uint32_t)v->way);
    xlm__session_progress(m->s);
    return 0;
}

int xlm__source_judge(struct xlm__source *m, const struct xlm__round_result *r,
                      enum xlm__decision decision, enum xlm__reason reason,
                      bool *over_out)
{
    struct xlm__slow_facts f = {
        .decision = decision,
        .reason = reason,
        .now_us = now_us(m),
        .round_us = xlm__policy_round_us(&m->policy, r->dirty_pages),
        .pause_us = xlm__policy_predict_us(&m->policy, r->dirty_pages),
        .goal_us = m->policy.goal_us,
        .cap = m->s->stats.cap_percent,
    };
    struct xlm__slow_verdict v;
    int rc = cpu_used(m, &f.used);

    if (rc)
        return rc;
    /* Somebody has said that goals do not count any more; only then has a round
     * left a rest. */
    *over_out = r->asked;
    if (r->asked)
        return 0;
    xlm__slow_judge(&m->slow, &f, &v);
    *over_out = v.decision == XLM__DECIDE_SWITCHOVER;
    return v.way ? follow(m, &f, r, &v) : 0;
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
