/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "pages"
#include "engine/sent.h"

#include <stdlib.h>

void xlm__sentlog_init(struct xlm__sentlog *l)
{
    l->first = NULL;
    l->end = &l->first;
    l->nr_records = 0;
    l->pages = 0;
}

void xlm__sentlog_free(struct xlm__sentlog *l)
{
    xlm__sent_taken(l, UINT32_MAX);
}

static struct xlm__sent *item(struct xlm__errslot *err, enum xlm__sent_kind k,
                              size_t nr)
{
    struct xlm__sent *i = calloc(1, sizeof(*i) + nr * sizeof(i->of[0]));

    if (i) {
        i->kind = k;
        i->nr = nr;
    } else {
        XLM_FAIL(err, XLM_ERR_NOMEM, "list of %zu pages under way", nr);
    }
    return i;
}

static int append(struct xlm__sentlog *l, struct xlm__sent *i,
                  const struct xlm__point *at)
{
    if (!i)
        return XLM_ERR_NOMEM;
    i->at = *at;
    *l->end = i;
    l->end = &i->next;
    l->nr_records++;
    return 0;
}

int xlm__sent_pages(struct xlm__sentlog *l, struct xlm__errslot *err,
                    const struct xlm__point *at, size_t nr,
                    const uint64_t *pfns)
{
    struct xlm__sent *i = item(err, XLM__SENT_PAGES, nr);

    for (size_t n = 0; i && n < nr; n++)
        i->of[n].pfn = pfns[n];
    l->pages += i ? nr : 0;
    return append(l, i, at);
}

int xlm__sent_zeros(struct xlm__sentlog *l, struct xlm__errslot *err,
                    const struct xlm__point *at, size_t nr,
                    const struct xlm__extent *extents)
{
    struct xlm__sent *i = item(err, XLM__SENT_ZEROS, nr);

    for (size_t n = 0; i && n < nr; n++)
        i->of[n].extent = extents[n];
    return append(l, i, at);
}

int xlm__sent_mark(struct xlm__sentlog *l, struct xlm__errslot *err,
                   const struct xlm__point *at)
{
    return append(l, item(err, XLM__SENT_MARK, 0), at);
}

void xlm__sent_taken(struct xlm__sentlog *l, uint32_t count)
{
    while (l->first && l->first->at.seq < count) {
        struct xlm__sent *i = l->first;

        l->first = i->next;
        l->nr_records--;
        free(i);
    }
    if (!l->first)
        l->end = &l->first;
}

static uint64_t pages_of(const struct xlm__sent *i)
{
    uint64_t nr = i->kind == XLM__SENT_PAGES ? i->nr : 0;

    for (size_t n = 0; i->kind == XLM__SENT_ZEROS && n < i->nr; n++)
        nr += i->of[n].extent.nr;
    return nr;
}

uint64_t xlm__sent_rewind(struct xlm__sentlog *l, struct xlm__sent **again,
                          struct xlm__point *from, bool *marked_out)
{
    struct xlm__sent *i, *next;
    uint64_t pages = 0;

    *marked_out = false;
    if (l->first)
        *from = l->first->at;
    for (i = l->first; i; i = next) {
        next = i->next;
        pages += pages_of(i);
        if (i->kind == XLM__SENT_MARK) {
            *marked_out = true;
            free(i);
            continue;
        }
        i->next = *again;
        *again = i;
    }
    l->first = NULL;
    l->end = &l->first;
    l->nr_records = 0;
    return pages;
}

int xlm__sent_never(struct xlm__sent **again, struct xlm__errslot *err,
                    size_t nr, const uint64_t *pfns)
{
    struct xlm__sent *i = item(err, XLM__SENT_PAGES, nr);

    if (!i)
        return XLM_ERR_NOMEM;
    for (size_t n = 0; n < nr; n++)
        i->of[n].pfn = pfns[n];
    i->next = *again;
    *again = i;
    return 0;
}
