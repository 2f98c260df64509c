/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "base/log.h"
#include "toolstack/toolstack.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct xlm__findings {
    struct xlm_finding *list; /* strings are ours */
    size_t nr;
    size_t room;
};

struct xlm__findings *xlm__findings_new(void)
{
    return calloc(1, sizeof(struct xlm__findings));
}

static void finding_free(struct xlm_finding *f)
{
    free((char *)f->code);
    free((char *)f->message);
    free((char *)f->advice);
}

void xlm__findings_free(struct xlm__findings *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->nr; i++)
        finding_free(&f->list[i]);
    free(f->list);
    free(f);
}

static int make_room(struct xlm__findings *f)
{
    size_t room = f->room ? f->room * 2 : 16;
    struct xlm_finding *list;

    if (f->nr < f->room)
        return 0;
    list = reallocarray(f->list, room, sizeof(*list));
    if (!list)
        return XLM_ERR_NOMEM;
    f->list = list;
    f->room = room;
    return 0;
}

int xlm__findings_add(struct xlm__findings *f, enum xlm_severity severity,
                      const char *code, const char *advice,
                      const char *message_fmt, ...)
{
    char text[XLM_MESSAGE_MAX];
    struct xlm_finding finding = { .severity = severity };
    va_list ap;

    va_start(ap, message_fmt);
    xlm__format_line(text, sizeof(text), message_fmt, ap);
    va_end(ap);

    finding.code = strdup(code);
    finding.message = strdup(text);
    finding.advice = strdup(advice);
    if (!finding.code || !finding.message || !finding.advice || make_room(f)) {
        finding_free(&finding);
        return XLM_ERR_NOMEM;
    }
    f->list[f->nr++] = finding;
    return 0;
}

size_t xlm__findings_count(const struct xlm__findings *f)
{
    return f->nr;
}

const struct xlm_finding *xlm__findings_get(const struct xlm__findings *f,
                                            size_t i)
{
    return i < f->nr ? &f->list[i] : NULL;
}

bool xlm__findings_blocked(const struct xlm__findings *f)
{
    for (size_t i = 0; i < f->nr; i++)
        if (f->list[i].severity == XLM_FINDING_BLOCK)
            return true;
    return false;
}
