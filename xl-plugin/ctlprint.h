/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An answer to "xl lmigrate-ctl", printed for a person or as it came. */
#ifndef XLM_PLUGIN_CTLPRINT_H
#define XLM_PLUGIN_CTLPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * False: it is no answer, or f cannot be written to; why is in text_out.
 * Else text_out is "", or why the migration refused.
 */
bool ctlprint(const char *answer, bool json, FILE *f, char *text_out,
              size_t bytes);

#endif /* XLM_PLUGIN_CTLPRINT_H */
