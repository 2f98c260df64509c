/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command (ssh, or what -s says) that carries one channel. */
#ifndef XLM_PLUGIN_TRANSPORT_H
#define XLM_PLUGIN_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "options.h"

struct transport {
    pid_t pid; /* 0: none                          */
    int rfd;   /* -1 once somebody else owns it    */
    int wfd;
    int status; /* of waitpid(), valid if ended     */
    bool ended;
    bool stopped_by_us;
};

/*
 * What is run through "sh -c", composed as xl migrate does it; name is told to
 * the receiver for its log file.  Malloc'd, NULL without memory.
 */
char *transport_command(const struct lm_options *o, const char *name);

/* The same for one question of xlm_recover_question(). */
char *transport_query(const struct lm_options *o, const char *question);

/*
 * Start it: its stdin and stdout are the channel, its stderr is ours.  Ctrl-C
 * at the terminal does not reach it: cancelling needs the channel.  Returns 0
 * or an errno.
 */
int transport_start(struct transport *t, const char *command);

/* Wait at most limit_ms for its end; true if it has ended. */
bool transport_wait(struct transport *t, unsigned limit_ms);

/* Close what is still ours, wait a little, then end it. */
void transport_stop(struct transport *t);

/* End it at once, as a lost connection would: the far side is to see no orderly
 * end. */
void transport_kill(struct transport *t);

/* It ended on its own with a failure: what a person should know. */
enum transport_fault {
    TRANSPORT_OK,          /* runs, ended well, or ended by us      */
    TRANSPORT_NO_RECEIVER, /* reached the host, no lmigrate-receive */
    TRANSPORT_FAILED,      /* all else                              */
};
enum transport_fault transport_explain(const struct transport *t,
                                       const struct lm_options *o, bool greeted,
                                       char *out, size_t bytes);

#endif /* XLM_PLUGIN_TRANSPORT_H */
