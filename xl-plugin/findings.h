/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What preflight found, kept for the report. */
#ifndef XLM_PLUGIN_FINDINGS_H
#define XLM_PLUGIN_FINDINGS_H

#include <stddef.h>

#include "libxlm.h"

struct findings {
    struct xlm_finding *list; /* strings are owned */
    size_t nr;
    size_t nr_blocking;
    size_t nr_lost; /* no memory to keep them */
};

void findings_add(struct findings *f, const struct xlm_finding *finding);
void findings_free(struct findings *f);

/* "note", "warning", "blocker" */
const char *severity_name(enum xlm_severity severity);

#endif /* XLM_PLUGIN_FINDINGS_H */
