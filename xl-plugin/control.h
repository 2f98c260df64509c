/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The side of "xl lmigrate-ctl" in the process that migrates: a thread that
 * waits for nobody in particular, so that a client that hangs keeps only its
 * own place.  A client gets one answer to one request.
 */
#ifndef XLM_PLUGIN_CONTROL_H
#define XLM_PLUGIN_CONTROL_H

#include "job.h"

#define CONTROL_CLIENTS   4    /* at a time; others wait to be accepted */
#define CONTROL_CLIENT_MS 5000 /* from connecting to the answer taken   */

struct control; /* opaque */

/* NULL: there is none, which has been said; the migration does without. */
struct control *control_start(struct job *j, struct xlm_session *s);
/* Ends the thread and removes the socket; NULL is allowed. */
void control_stop(struct control *c);

/*
 * Do what a line asks for, and say so at the terminal of the migration.  peer:
 * the process that asks.  The answer with its newline, malloc'd; NULL without
 * memory.
 */
char *control_answer(struct job *j, struct xlm_session *s, char *line,
                     size_t bytes, long peer);

#endif /* XLM_PLUGIN_CONTROL_H */
