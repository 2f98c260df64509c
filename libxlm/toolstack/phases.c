/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "toolstack/phases.h"

#include <stddef.h>

struct phase {
    uint32_t number;
    const char *word;
    enum xlm_owner owner;
};

#define ROW(name, number, word, owner) { number, word, XLM_OWNER_##owner },
static const struct phase sent[] = { XLM__SENT_PHASES(ROW) };
static const struct phase received[] = { XLM__RECEIVED_PHASES(ROW) };
#undef ROW

static const struct phase *find(enum xlm__mark_kind kind, uint32_t number)
{
    static const struct phase none = { 0, "?", XLM_OWNER_UNKNOWN };
    const struct phase *p = kind == XLM__MARK_SENT ? sent : received;
    size_t nr = kind == XLM__MARK_SENT ? sizeof(sent) / sizeof(*sent)
                                       : sizeof(received) / sizeof(*received);

    for (; nr; nr--, p++)
        if (p->number == number)
            return p;
    return &none;
}

const char *xlm__phase_word(enum xlm__mark_kind kind, uint32_t phase)
{
    return find(kind, phase)->word;
}

enum xlm_owner xlm__phase_owner(enum xlm__mark_kind kind, uint32_t phase)
{
    return find(kind, phase)->owner;
}
