/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/fsm.h"

#include <assert.h>

#define NR_STATES (XLM_STATE_CANCELLED + 1)

/* 0 (NEW) is never a target, so an empty cell means "cannot happen". */
/* clang-format off */
#define NEG  XLM_STATE_NEGOTIATING
#define PRE  XLM_STATE_PRECOPY
#define SWI  XLM_STATE_SWITCHOVER
#define DONE XLM_STATE_COMPLETED
#define FAIL XLM_STATE_FAILED
#define CANC XLM_STATE_CANCELLED

static const enum xlm_state table[NR_STATES][XLM__NR_EVENTS] = {
    /*                           RUN  BUILT SUSP FIN   FAIL  CANCEL */
    [XLM_STATE_NEW]         = {  NEG, 0,    0,   0,    FAIL, CANC },
    [XLM_STATE_NEGOTIATING] = {  0,   PRE,  0,   DONE, FAIL, CANC },
    [XLM_STATE_PRECOPY]     = {  0,   0,    SWI, 0,    FAIL, CANC },
    [XLM_STATE_SWITCHOVER]  = {  0,   0,    0,   DONE, FAIL, CANC },
    [XLM_STATE_POSTCOPY]    = {  0,   0,    0,   DONE, FAIL, 0    },
    /* final: nothing moves them */
};
/* clang-format on */

bool xlm__fsm_allows(enum xlm_state from, enum xlm__event ev)
{
    return (unsigned)from < NR_STATES && (unsigned)ev < XLM__NR_EVENTS &&
           table[from][ev] != XLM_STATE_NEW;
}

enum xlm_state xlm__fsm_next(enum xlm_state from, enum xlm__event ev)
{
    assert(xlm__fsm_allows(from, ev));
    return table[from][ev];
}

bool xlm__fsm_final(enum xlm_state s)
{
    return s == XLM_STATE_COMPLETED || s == XLM_STATE_FAILED ||
           s == XLM_STATE_CANCELLED;
}
