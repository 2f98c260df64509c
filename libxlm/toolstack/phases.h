/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How far the hand-off of a domain has come, and who may run it then: the one
 * table.  doc/stream-format.md section 8.2 and tests/model/handoff.pml say the
 * same, which tests/lint/check-phases compares.
 *
 * Of SENT (at the source) and RECEIVED (at the destination) that one counts
 * which knows more: "unknown" at one host may be known at the other.
 */
#ifndef XLM_TOOLSTACK_PHASES_H
#define XLM_TOOLSTACK_PHASES_H

#include <stdint.h>

#include "libxlm.h"

/* X(NAME, number in the file, word, who may run it) */
#define XLM__SENT_PHASES(X)                                                    \
    X(TRACKING, 1, "copying", SOURCE)                                          \
    X(SUSPENDING, 2, "suspending", SOURCE)                                     \
    X(RENAMED, 3, "suspended", SOURCE)                                         \
    X(PERMITTED, 4, "permitted", UNKNOWN)                                      \
    X(COMMITTED, 5, "committed", DESTINATION)                                  \
    X(RUNNING, 6, "running", DESTINATION)                                      \
    X(MOVED, 7, "moved", DESTINATION)

#define XLM__RECEIVED_PHASES(X)                                                \
    X(BUILDING, 1, "building", SOURCE)                                         \
    X(GO, 2, "starting", DESTINATION)                                          \
    X(RUNS, 3, "arrived", DESTINATION)                                         \
    X(NEVER, 4, "refused", SOURCE)

enum xlm__mark_kind {
    XLM__MARK_SENT,
    XLM__MARK_RECEIVED,
    /* without phases */
    XLM__MARK_SLOWED,
    XLM__MARK_LIMITED,
};

/* SENT; the same are the guardian's notes, engine/guard.h. */
enum xlm__guard_phase {
    XLM__GUARD_NONE = 0,
#define XLM__PHASE(name, number, word, owner) XLM__GUARD_##name = number,
    XLM__SENT_PHASES(XLM__PHASE)
#undef XLM__PHASE
        XLM__GUARD_DONE, /* only a note */
};

/*
 * BUILDING   xl was not told to start it
 * GO         from now on it may run
 * RUNS       xl said so
 * NEVER      xl proved that it never ran
 */
enum xlm__received {
#define XLM__PHASE(name, number, word, owner) XLM__RECEIVED_##name = number,
    XLM__RECEIVED_PHASES(XLM__PHASE)
#undef XLM__PHASE
};

/* "?" and UNKNOWN for a number that is none of them. */
const char *xlm__phase_word(enum xlm__mark_kind kind, uint32_t phase);
enum xlm_owner xlm__phase_owner(enum xlm__mark_kind kind, uint32_t phase);

#endif /* XLM_TOOLSTACK_PHASES_H */
