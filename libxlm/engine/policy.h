/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When to stop copying live and switch over.  Pure arithmetic: no clock, no
 * state but the struct, so that every case can be tested.
 *
 * predicted blackout = fixed part + content scan + dirty pages / page rate
 */
#ifndef XLM_ENGINE_POLICY_H
#define XLM_ENGINE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum xlm__decision {
    XLM__DECIDE_CONTINUE,   /* another live round                            */
    XLM__DECIDE_SWITCHOVER, /* suspend and send what is left                 */
    XLM__DECIDE_ABORT,      /* the operator's goal is out of reach           */
};

/* Why, for the log; text by xlm__policy_reason(). */
enum xlm__reason {
    XLM__REASON_MORE,  /* the pause still shrinks                       */
    XLM__REASON_SMALL, /* what is left is not worth a round             */
    XLM__REASON_GOAL_MET,
    XLM__REASON_STALLED, /* the pause stopped shrinking                   */
    XLM__REASON_ROUNDS,  /* round limit                                   */
    XLM__REASON_SCAN,    /* the scan alone takes longer than the goal     */
    XLM__REASON_ASKED,   /* somebody wants it now                         */
};

struct xlm__policy {
    /* set from outside */
    uint32_t max_rounds;
    uint64_t goal_us;  /* for the blackout; 0 = none                        */
    uint64_t fixed_us; /* assumed part that no round changes                */
    bool scan_may_exceed; /* the goal: it is then for what is sent           */
    /* state */
    uint64_t scan_us;      /* the last round's: no round makes it shorter   */
    uint64_t rate_pages_s; /* of the last round worth measuring             */
    uint64_t best_us;      /* smallest variable part so far                 */
    uint64_t left_us;      /* the last one                                  */
    uint32_t stalled;      /* rounds in a row without 5 % less              */
};

struct xlm__round_result {
    uint32_t number;      /* 1 = the first, full one                        */
    uint64_t pages;       /* sent in this round                             */
    uint64_t duration_us; /* of sending them, barrier included              */
    uint64_t dirty_pages; /* written meanwhile: what the next would send    */
    uint64_t rest_pages;  /* left over, as the round was cut short          */
    uint64_t scan_us;  /* of finding them by content, which the pause has to */
                       /* do again; 0: Xen's log knows them                 */
    uint64_t fetch_us; /* of finding them in any way: to tell people         */
    bool asked; /* to switch over now, whatever the pause will be            */
};

void xlm__policy_init(struct xlm__policy *p, uint32_t max_rounds,
                      uint64_t goal_us, uint64_t fixed_us);

/* The goal is another one from now on. */
void xlm__policy_set_goal(struct xlm__policy *p, uint64_t goal_us);
/* The fixed part is another one than was thought. */
void xlm__policy_set_fixed(struct xlm__policy *p, uint64_t fixed_us);
/* The guest runs on after round number `round` although it was to be the last:
 * what was seen so far says nothing, and there have to be some more. */
void xlm__policy_again(struct xlm__policy *p, uint32_t round);

/* The guest is slower from now on: one round shows whether that is enough. */
void xlm__policy_slowed(struct xlm__policy *p);

/* Pages a second that the last rounds managed; 0 before the first one. */
uint64_t xlm__policy_rate(const struct xlm__policy *p);

/* Blackout if the domain were suspended with that many dirty pages. */
uint64_t xlm__policy_predict_us(const struct xlm__policy *p,
                                uint64_t dirty_pages);

/* What a live round that finds so many dirty takes: looking for more of them,
 * and sending. */
uint64_t xlm__policy_round_us(const struct xlm__policy *p,
                              uint64_t dirty_pages);

/* Note a finished round and say what next.  Never ABORT without a goal. */
enum xlm__decision xlm__policy_decide(struct xlm__policy *p,
                                      const struct xlm__round_result *r,
                                      enum xlm__reason *reason_out);

/* True if no round can reach the goal, since the fixed part exceeds it; the
 * stop rule then applies the goal to the variable part alone. */
bool xlm__policy_goal_unreachable(const struct xlm__policy *p);

const char *xlm__policy_reason(enum xlm__reason r);

#endif /* XLM_ENGINE_POLICY_H */
