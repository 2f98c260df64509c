/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The states of a session and the events that move it on, as a table. */
#ifndef XLM_ENGINE_FSM_H
#define XLM_ENGINE_FSM_H

#include <stdbool.h>

#include "libxlm.h"

enum xlm__event {
    XLM__EV_RUN,      /* xlm_session_run() was called                       */
    XLM__EV_BUILT,    /* the destination has an empty domain                */
    XLM__EV_SUSPEND,  /* live rounds are over                               */
    XLM__EV_FINISHED, /* the domain moved, or the dry run found no blocker  */
    XLM__EV_FAIL,
    XLM__EV_CANCEL,
    XLM__NR_EVENTS,
};

/* The state after ev; asserts that ev may happen in `from`. */
enum xlm_state xlm__fsm_next(enum xlm_state from, enum xlm__event ev);
bool xlm__fsm_allows(enum xlm_state from, enum xlm__event ev);
bool xlm__fsm_final(enum xlm_state s);

#endif /* XLM_ENGINE_FSM_H */
