/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages that were found to differ at the destination, sent once more as they
 * are now (doc/stream-format.md section 6.2, AGAIN).
 *
 * A fault of ours is not needed for that: Xen itself sets bits of event
 * channels and writes vcpu_info, wherever the guest has put these, without
 * logging it, and cannot be asked where that is.
 */
#include "config.h"

#define XLM_MODULE "source"
#include "engine/source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "util/bitmap.h"

struct copy {
    const struct xlm__mend *wanted;
    uint8_t *pages;
    atomic_uint nr;
};

static uint32_t place_of(const struct xlm__mend *a, uint64_t pfn)
{
    uint32_t i = 0;

    while (i < a->nr && xlm__again_at(a, i) != pfn)
        i++;
    return i;
}

static void each(void *user, const struct xlm__batch *b)
{
    struct copy *c = user;
    size_t nr;
    const struct xlm__entry *e = xlm__batch_entries(b, &nr);

    for (size_t i = 0; i < nr; i++) {
        const uint32_t at = place_of(c->wanted, e[i].pfn);

        if (at == c->wanted->nr || e[i].type != XLM__PT_NOTAB)
            continue;
        if (e[i].kind == XLM__ENTRY_DATA)
            memcpy(c->pages + at * (size_t)XLM__PAGE_SIZE, e[i].page,
                   XLM__PAGE_SIZE);
        atomic_fetch_add(&c->nr, 1);
    }
}

static int check(void *user)
{
    struct xlm__source *m = user;

    return xlm__session_check(m->s);
}

static int read_pages(struct xlm__source *m, struct copy *c)
{
    const uint64_t nr_pfns = m->dom->nr_pfns;
    uint64_t *some = xlm__bitmap_alloc(nr_pfns);
    uint64_t *gone = xlm__bitmap_alloc(nr_pfns);
    const struct xlm__reading what = {
        .pages = some,
        .nr_pages = c->wanted->nr,
        .deferred = gone,
        .gone = gone,
        .check = check,
        .each = each,
        .user = c,
    };
    int rc = XLM_ERR_NOMEM;

    for (uint32_t i = 0; some && i < c->wanted->nr; i++)
        xlm__bitmap_set(some, xlm__again_at(c->wanted, i));
    if (!some || !gone)
        XLM_FAIL(&m->s->err, rc, "map of %" PRIu64 " pages", nr_pfns);
    else
        rc = xlm__reader_run(m->reader, &what);
    free(some);
    free(gone);
    if (!rc && atomic_load(&c->nr) != c->wanted->nr)
        rc = XLM_FAIL(&m->s->err, XLM_ERR_PEER,
                      "%s asks for %u pages again, of which the domain has %u",
                      xlm__source_peer(m), c->wanted->nr, atomic_load(&c->nr));
    return rc;
}

int xlm__source_again(struct xlm__source *m, const struct xlm__mend *a)
{
    struct copy c = { .wanted = a };
    int rc;

    c.pages = calloc(a->nr, XLM__PAGE_SIZE);
    if (!c.pages)
        return XLM_FAIL(&m->s->err, XLM_ERR_NOMEM, "%u pages", a->nr);
    rc = read_pages(m, &c);
    if (!rc) {
        m->nr_again = a->nr;
        XLM_LOG(&m->s->err, WARN,
                "%u pages were written to, but not logged by Xen, after they "
                "were sent: sent again (first pfn 0x%" PRIx64 ")",
                a->nr, xlm__again_at(a, 0));
        rc = xlm__send_contents(&xlm__session_control(m->s)->stream, a->nr,
                                c.pages);
    }
    free(c.pages);
    return rc;
}
