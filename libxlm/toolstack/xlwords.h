/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a child process says on its stderr: a thread logs each line at DEBUG,
 * and keeps the lines that explain a failure.
 */
#ifndef XLM_TOOLSTACK_XLWORDS_H
#define XLM_TOOLSTACK_XLWORDS_H

#include <stddef.h>

#include "base/error.h"

struct xlm__xlwords;

/* Takes fd (the read end of the pipe) on success.  Errors: SYSTEM, NOMEM. */
int xlm__xlwords_start(struct xlm__errslot *err, int fd,
                       struct xlm__xlwords **out);
/* Ends the thread.  NULL is allowed. */
void xlm__xlwords_free(struct xlm__xlwords *w);

/* The first line that says error, else the last line; "" if there was none.
 * Waits up to a fifth of a second for the end of the pipe. */
void xlm__xlwords_get(struct xlm__xlwords *w, char *text, size_t bytes);

#endif /* XLM_TOOLSTACK_XLWORDS_H */
