/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a run of "xl lmigrate" ended: what every report is made from.  Pure.
 */
#ifndef XLM_PLUGIN_OUTCOME_H
#define XLM_PLUGIN_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "findings.h"
#include "libxlm.h"

/* Exit codes; documented in xl-lmigrate(1), never changed. */
/* clang-format off */
#define LM_EXIT_MAP(X)                                                         \
    X(MOVED,     0, "moved")                                                   \
    X(USAGE,     1, "usage")                                                   \
    X(REFUSED,   2, "refused")                                                 \
    X(FAILED,    3, "failed")                                                  \
    X(CANCELLED, 4, "cancelled")                                               \
    X(UNDECIDED, 5, "undecided")                                               \
    X(CLEANUP,   6, "moved-cleanup-incomplete")                                \
    X(ENDED,     7, "guest-ended")
/* clang-format on */

enum lm_exit {
#define LM_EXIT_ENUM(name, value, word) LM_EXIT_##name = value,
    LM_EXIT_MAP(LM_EXIT_ENUM)
#undef LM_EXIT_ENUM
};

/* Strings are borrowed but for message. */
struct outcome {
    const char *name;     /* the domain's                              */
    uint32_t domid;       /* at the source                             */
    const char *here;     /* this host                                 */
    const char *there;    /* as given on the command line              */
    const char *ssh;      /* -s, NULL for ssh                          */
    const char *log_path; /* NULL: there is no log file             */
    bool dry_run;
    bool estimate;
    bool receiver_missing; /* the far side has no lmigrate-receive  */
    bool worker_killed;    /* the supervisor speaks for the worker  */
    int code;              /* enum xlm_error: how it ended          */
    int first_code;        /* of the first error, which message is  */
    int sys_errno;
    enum xlm_state error_state; /* in which it happened             */
    enum xlm_owner owner;
    char message[XLM_MESSAGE_MAX + 256];
    struct xlm_stats stats; /* .size 0: none                        */
    const struct findings *findings;
};

enum lm_exit outcome_exit(const struct outcome *o);

/* One word for the JSON report. */
const char *outcome_word(const struct outcome *o);

/* "CHANNEL" for XLM_ERR_CHANNEL, "OK", "UNKNOWN". */
const char *error_name(int code);

const char *owner_name(enum xlm_owner owner);

/* What happened, in words: message, and what it did to the move. */
void outcome_what(const struct outcome *o, char *out, size_t bytes);

/* CLEANUP because nobody knows whether it runs there. */
bool outcome_unheard(const struct outcome *o);

/* The command that finishes an undecided move, as a shell takes it. */
void outcome_recover(const struct outcome *o, char *out, size_t bytes);

/* What is left where, "guest1 runs on at hosta; ...". */
void outcome_where(const struct outcome *o, char *out, size_t bytes);

#endif /* XLM_PLUGIN_OUTCOME_H */
