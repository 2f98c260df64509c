/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "findings.h"

#include <stdlib.h>
#include <string.h>

static void free_strings(struct xlm_finding *f)
{
    free((char *)f->code);
    free((char *)f->message);
    free((char *)f->advice);
}

static int copy(struct xlm_finding *to, const struct xlm_finding *from)
{
    *to = (struct xlm_finding){
        .severity = from->severity,
        .code = strdup(from->code),
        .message = strdup(from->message),
        .advice = strdup(from->advice ? from->advice : ""),
    };
    if (to->code && to->message && to->advice)
        return 0;
    free_strings(to);
    return -1;
}

void findings_add(struct findings *f, const struct xlm_finding *finding)
{
    struct xlm_finding *list = realloc(f->list, (f->nr + 1) * sizeof(*f->list));

    /* It counts even if it cannot be kept: it decides the exit code. */
    if (finding->severity == XLM_FINDING_BLOCK)
        f->nr_blocking++;
    if (list)
        f->list = list;
    if (!list || copy(&f->list[f->nr], finding))
        f->nr_lost++;
    else
        f->nr++;
}

void findings_free(struct findings *f)
{
    for (size_t i = 0; i < f->nr; i++)
        free_strings(&f->list[i]);
    free(f->list);
    *f = (struct findings){ 0 };
}

const char *severity_name(enum xlm_severity severity)
{
    switch (severity) {
    case XLM_FINDING_NOTE:
        return "note";
    case XLM_FINDING_WARN:
        return "warning";
    case XLM_FINDING_BLOCK:
        return "blocker";
    }
    return "finding";
}
