/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/policy.h"

/* Rounds of fewer pages say more about latency than about the rate. */
#define MEASURABLE_PAGES 256u
/* Less left than this takes no longer than a round's own overhead; xl
 * migrate's threshold is 50 (xen.git xg_sr_save.c, dirty_threshold). */
#define SMALL_PAGES 64u
/* A variable part that no person notices. */
#define SMALL_US 10000u
/* Without 5 % less in this many rounds, more rounds only cost traffic. */
#define STALLED_ROUNDS 2u
/* One for what was written in between, and STALLED_ROUNDS to judge by. */
#define AGAIN_ROUNDS 3u
/* What is sent in the pause takes longer than the round before says: the guest
 * writes until it stands still, and a connection that was idle starts slowly.
 * Measured: about a tenth. */
#define SPARE_PERCENT 10u
/* Before any measurement: a slow link of 25 MiB/s. */
#define ASSUMED_PAGES_S 6400u

static const uint64_t us_per_s = 1000000;

void xlm__policy_init(struct xlm__policy *p, uint32_t max_rounds,
                      uint64_t goal_us, uint64_t fixed_us)
{
    p->max_rounds = max_rounds;
    p->goal_us = goal_us;
    p->fixed_us = fixed_us;
    p->scan_may_exceed = false;
    p->rate_pages_s = 0;
    p->scan_us = 0;
    p->best_us = UINT64_MAX;
    p->left_us = 0;
    p->stalled = 0;
}

void xlm__policy_again(struct xlm__policy *p, uint32_t round)
{
    if (p->max_rounds < round + AGAIN_ROUNDS)
        p->max_rounds = round + AGAIN_ROUNDS;
    p->best_us = UINT64_MAX;
    p->stalled = 0;
}

void xlm__policy_set_goal(struct xlm__policy *p, uint64_t goal_us)
{
    p->goal_us = goal_us;
}

void xlm__policy_slowed(struct xlm__policy *p)
{
    p->best_us = p->left_us;
    p->stalled = STALLED_ROUNDS - 1;
}

void xlm__policy_set_fixed(struct xlm__policy *p, uint64_t fixed_us)
{
    p->fixed_us = fixed_us;
}

uint64_t xlm__policy_rate(const struct xlm__policy *p)
{
    return p->rate_pages_s;
}

static uint64_t variable_us(const struct xlm__policy *p, uint64_t pages)
{
    uint64_t rate = p->rate_pages_s ? p->rate_pages_s : ASSUMED_PAGES_S;

    /* Only absurd guests could overflow, here or with the fixed part added. */
    if (pages > UINT64_MAX / 2 / us_per_s)
        return UINT64_MAX / 2;
    return pages * us_per_s / rate;
}

uint64_t xlm__policy_predict_us(const struct xlm__policy *p,
                                uint64_t dirty_pages)
{
    return p->fixed_us + p->scan_us + variable_us(p, dirty_pages);
}

uint64_t xlm__policy_round_us(const struct xlm__policy *p, uint64_t dirty_pages)
{
    return p->scan_us + variable_us(p, dirty_pages);
}

bool xlm__policy_goal_unreachable(const struct xlm__policy *p)
{
    return p->goal_us && p->fixed_us >= p->goal_us;
}

static void note_rate(struct xlm__policy *p, const struct xlm__round_result *r)
{
    if (!r->duration_us || !r->pages)
        return;
    if (r->pages < MEASURABLE_PAGES && p->rate_pages_s)
        return;
    p->rate_pages_s = r->pages * us_per_s / r->duration_us;
    if (!p->rate_pages_s)
        p->rate_pages_s = 1;
}

static void note_progress(struct xlm__policy *p, uint64_t left_us)
{
    if (p->best_us == UINT64_MAX || left_us < p->best_us - p->best_us / 20)
        p->stalled = 0;
    else
        p->stalled++;
    if (left_us < p->best_us)
        p->best_us = left_us;
    p->left_us = left_us;
}

/* What no round changes, as far as the goal has to have room for it. */
static uint64_t constant_us(const struct xlm__policy *p)
{
    uint64_t us = xlm__policy_goal_unreachable(p) ? 0 : p->fixed_us;

    if (p->scan_may_exceed && us + p->scan_us > p->goal_us)
        return us;
    return us + p->scan_us;
}

/* spare: percent of what is sent. */
static bool goal_met(const struct xlm__policy *p, uint64_t left_us,
                     unsigned spare)
{
    return p->goal_us &&
           constant_us(p) + left_us + left_us * spare / 100 <= p->goal_us;
}

/* The rest is as small as it gets. */
static enum xlm__decision end_small(const struct xlm__policy *p,
                                    enum xlm__reason *reason_out)
{
    bool missed = p->goal_us && constant_us(p) > p->goal_us;

    *reason_out = missed ? XLM__REASON_SCAN : XLM__REASON_SMALL;
    return missed ? XLM__DECIDE_ABORT : XLM__DECIDE_SWITCHOVER;
}

enum xlm__decision xlm__policy_decide(struct xlm__policy *p,
                                      const struct xlm__round_result *r,
                                      enum xlm__reason *reason_out)
{
    uint64_t left_us;

    note_rate(p, r);
    left_us = variable_us(p, r->dirty_pages + r->rest_pages);
    p->scan_us = r->scan_us;
    note_progress(p, p->scan_us + left_us);

    if (r->asked) {
        *reason_out = XLM__REASON_ASKED;
        return XLM__DECIDE_SWITCHOVER;
    }
    if (goal_met(p, left_us, SPARE_PERCENT)) {
        *reason_out = XLM__REASON_GOAL_MET;
        return XLM__DECIDE_SWITCHOVER;
    }
    if (r->dirty_pages <= SMALL_PAGES || left_us <= SMALL_US)
        return end_small(p, reason_out);
    if (r->number >= p->max_rounds)
        *reason_out = XLM__REASON_ROUNDS;
    else if (p->stalled >= STALLED_ROUNDS)
        *reason_out = XLM__REASON_STALLED;
    else {
        *reason_out = XLM__REASON_MORE;
        return XLM__DECIDE_CONTINUE;
    }
    if (goal_met(p, left_us, 0)) { /* nothing to spare, but no more to be had */
        *reason_out = XLM__REASON_GOAL_MET;
        return XLM__DECIDE_SWITCHOVER;
    }
    return p->goal_us ? XLM__DECIDE_ABORT : XLM__DECIDE_SWITCHOVER;
}

const char *xlm__policy_reason(enum xlm__reason r)
{
    static const char *const text[] = {
        [XLM__REASON_MORE] = "the expected pause still shrinks",
        [XLM__REASON_SMALL] = "little is left to send",
        [XLM__REASON_GOAL_MET] = "the downtime goal can be met",
        [XLM__REASON_STALLED] = "the expected pause stopped shrinking",
        [XLM__REASON_ROUNDS] = "the round limit is reached",
        [XLM__REASON_SCAN] = "reading its memory takes longer than the goal",
        [XLM__REASON_ASKED] = "it is to switch over now",
    };

    return text[r];
}
