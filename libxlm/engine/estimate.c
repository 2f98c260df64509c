/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/estimate.h"

#include <math.h>
#include <string.h>

#define LAST (XLM__CURVE_POINTS - 1)

static const uint64_t us_per_s = 1000000;

/* ---- how many pages it writes ---- */

/* Pages a microsecond between two of the points; 0 is (0, 0). */
static double slope(const struct xlm__curve *c, unsigned to)
{
    const double us = (double)c->us[to] - (to ? (double)c->us[to - 1] : 0);
    const double then = to ? (double)c->pages[to - 1] : 0;

    return us > 0 && (double)c->pages[to] > then
               ? ((double)c->pages[to] - then) / us
               : 0;
}

static double middle(const struct xlm__curve *c, unsigned to)
{
    return ((double)c->us[to] + (double)c->us[to - 1]) / 2;
}

static double beyond(const struct xlm__curve *c, double us)
{
    const double before = slope(c, LAST - 1), last = slope(c, LAST);
    const double more = us - (double)c->us[LAST];
    double tau, now;

    if (last <= 0)
        return (double)c->pages[LAST];
    if (before <= last) /* it does not level off yet */
        return (double)c->pages[LAST] + last * more;
    tau = (middle(c, LAST) - middle(c, LAST - 1)) / log(before / last);
    now = last * exp(-((double)c->us[LAST] - middle(c, LAST)) / tau);
    return (double)c->pages[LAST] + now * tau * (1 - exp(-more / tau));
}

static double within(const struct xlm__curve *c, double us)
{
    unsigned to = 0;
    double then;

    while (to < LAST && us > (double)c->us[to])
        to++;
    then = to ? (double)c->us[to - 1] : 0;
    return (to ? (double)c->pages[to - 1] : 0) + slope(c, to) * (us - then);
}

uint64_t xlm__curve_at(const struct xlm__curve *c, uint64_t us)
{
    const double t = (double)us;
    const double pages = us > c->us[LAST] ? beyond(c, t) : within(c, t);

    return pages < (double)c->most ? (uint64_t)pages : c->most;
}

/* ---- the rounds ---- */

struct play {
    const struct xlm__estimate *e;
    struct xlm__policy policy;
    struct xlm__slow slow;
    struct xlm__forecast *out;
    struct xlm__round_result r;
    uint64_t now_us;
};

/* With less CPU time passes slower for the guest. */
static uint64_t guest_us(const struct play *p, uint64_t us)
{
    return p->out->cap && p->e->used ? us * p->out->cap / p->e->used : us;
}

static uint64_t sending_us(const struct xlm__estimate *e, uint64_t pages)
{
    const uint64_t rate = e->rate_pages_s ? e->rate_pages_s : 1;

    return pages * us_per_s / rate;
}

static enum xlm__decision judge(struct play *p)
{
    struct xlm__slow_verdict v;
    struct xlm__slow_facts f = { .now_us = p->now_us,
                                 .goal_us = p->e->goal_us,
                                 .cap = p->out->cap,
                                 .used = p->out->cap ? p->out->cap
                                                     : p->e->used };

    f.decision = xlm__policy_decide(&p->policy, &p->r, &f.reason);
    f.round_us = xlm__policy_round_us(&p->policy, p->r.dirty_pages);
    f.pause_us = xlm__policy_predict_us(&p->policy, p->r.dirty_pages);
    xlm__slow_judge(&p->slow, &f, &v);
    p->out->pause_us = f.pause_us;
    if (v.way == XLM_SLOW_THROTTLE) {
        p->out->cap = v.cap;
        xlm__policy_slowed(&p->policy);
    }
    return v.decision;
}

static void play_round(struct play *p, uint64_t pages)
{
    const struct xlm__estimate *e = p->e;

    p->r.number++;
    p->r.pages = pages;
    p->r.duration_us = sending_us(e, pages);
    p->r.scan_us = e->scan_us;
    p->r.dirty_pages = xlm__curve_at(
        &e->curve, guest_us(p, p->r.duration_us + e->scan_us));
    p->now_us += p->r.duration_us + e->scan_us;
    p->out->wire_bytes += pages * e->page_bytes;
}

static void play_paused(const struct xlm__estimate *e,
                        struct xlm__forecast *out)
{
    out->pause_us = e->fixed_us + sending_us(e, e->pages);
    out->total_us = e->begin_us + out->pause_us;
    out->wire_bytes = e->pages * e->page_bytes;
    out->moves = !e->goal_us || e->scan_may_exceed ||
                 out->pause_us <= e->goal_us;
}

void xlm__estimate_play(const struct xlm__estimate *e,
                        struct xlm__forecast *out)
{
    struct play p = { .e = e, .out = out, .now_us = e->begin_us };
    enum xlm__decision d;

    memset(out, 0, sizeof(*out));
    if (e->paused) {
        play_paused(e, out);
        return;
    }
    xlm__policy_init(&p.policy, e->max_rounds, e->goal_us, e->fixed_us);
    p.policy.scan_may_exceed = e->scan_may_exceed;
    xlm__slow_init(&p.slow, e->ways, e->deadline_us);
    p.slow.can_throttle = e->can_throttle;
    p.r.dirty_pages = e->pages;
    do {
        play_round(&p, p.r.dirty_pages);
        d = judge(&p);
    } while (d == XLM__DECIDE_CONTINUE);
    out->moves = d == XLM__DECIDE_SWITCHOVER;
    out->rounds = p.r.number;
    out->wire_bytes += p.r.dirty_pages * e->page_bytes;
    out->total_us = p.now_us + (out->moves ? out->pause_us : 0);
}
