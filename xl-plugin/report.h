/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a run, told to a person and written as JSON. */
#ifndef XLM_PLUGIN_REPORT_H
#define XLM_PLUGIN_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "console.h"
#include "outcome.h"

/* One finding, as "blocker: MESSAGE -> ADVICE". */
void report_finding(struct console *con, const struct xlm_finding *f);

/* Figures of a migration that moved the domain. */
void report_figures(struct console *con, const struct outcome *o);

/* Everything that is to be said at the end. */
void report_person(struct console *con, const struct outcome *o);

/* One JSON object and a newline; false if it could not be written. */
bool report_json(FILE *f, const struct outcome *o);

#endif /* XLM_PLUGIN_REPORT_H */
