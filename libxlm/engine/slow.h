/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What to do when a goal cannot be met because the guest writes too fast:
 * the ways that the caller gave, in order, each for as long as it helps.
 * Pure arithmetic, as engine/policy.h, whose decisions this one judges.
 *
 *   THROTTLE the guest gets less CPU, in steps, until rounds help again
 *   WAIT     rounds go on while there is time for one before the deadline
 *   SWITCH   switch over all the same
 *   ABORT    give up: also what follows the last way
 */
#ifndef XLM_ENGINE_SLOW_H
#define XLM_ENGINE_SLOW_H

#include "engine/policy.h"
#include "libxlm.h"

#define XLM__SLOW_WAYS 4u /* of struct xlm_options */

struct xlm__slow {
    /* set once */
    uint8_t ways[XLM__SLOW_WAYS + 1]; /* the last is 0: ABORT               */
    uint64_t deadline_us;             /* since the session began; 0 = none  */
    bool can_throttle;                /* its scheduler has caps             */
    /* state */
    unsigned at; /* way that is followed                                   */
};

/* A finished round, as the policy sees it. */
struct xlm__slow_facts {
    enum xlm__decision decision;
    enum xlm__reason reason;
    uint64_t now_us;   /* since the session began                           */
    uint64_t round_us; /* that another one is expected to take              */
    uint64_t pause_us; /* expected blackout, were it now                    */
    uint64_t goal_us;  /* for that; 0 = none                                */
    uint32_t cap;      /* that it has, in percent of a CPU; 0 = none        */
    uint32_t used;     /* what its vCPUs used in this round, likewise       */
};

struct xlm__slow_verdict {
    enum xlm__decision decision;
    enum xlm_on_slow way; /* the one that decided; 0: none had to           */
    bool late;            /* because of the deadline, not of the pause      */
    uint32_t cap;         /* with THROTTLE and CONTINUE: the next one       */
};

void xlm__slow_init(struct xlm__slow *s, const uint8_t ways[XLM__SLOW_WAYS],
                    uint64_t deadline_us);

void xlm__slow_judge(struct xlm__slow *s, const struct xlm__slow_facts *f,
                     struct xlm__slow_verdict *out);

/* The next smaller cap of a domain that has this one, or none (0), and uses so
 * much, all in percent of one CPU; 0: there is none that would slow it down. */
uint32_t xlm__slow_next_cap(uint32_t cap, uint32_t used);

/* Is the deadline the end of it, wherever it is reached? */
bool xlm__slow_ends_at_deadline(const struct xlm__slow *s);

/* "wait", for messages. */
const char *xlm__slow_word(enum xlm_on_slow way);

#endif /* XLM_ENGINE_SLOW_H */
