/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest that is copied live gets no memory meanwhile.
 *
 * Xen logs neither that a translated domain gets a page nor what is written to
 * it before the log is read again (p2m_add_page() of xen.git p2m.c; measured on
 * 4.17).  A page that was given up and came back may thus have been sent with
 * its former contents, and nothing tells which it is, or that there is one: the
 * number of pages is what it was.  So Xen refuses it memory until it is
 * suspended; what it gives up it gets back afterwards.  A content scan needs
 * none of this, and PV guests tell Xen of each page.
 */
#include "config.h"

#define XLM_MODULE "source"
#include "engine/source.h"

#include <inttypes.h>

#include "base/log.h"
#include "util/bitmap.h"

static int stop_growth(struct xlm__source *m)
{
    int rc = xlm__setting_record(m->hv, m->ts, XLM__SETTING_LIMIT, m->domid,
                                 m->info.uuid);
    m->no_growth = true;
    if (!rc)
        rc = m->hv->ops->max_pages_set(m->hv, m->domid, XLM__NO_GROWTH);
    return rc;
}

/* What it got between the log's start and now is not logged until the log is
 * read; all of it goes in the first round, so nobody needs what is read. */
int xlm__source_begin_log(struct xlm__source *m)
{
    uint64_t nr;
    int rc;

    if (!m->info.hvm || m->dirty->way != XLM__DIRTY_LOG)
        return 0;
    rc = stop_growth(m);
    return rc ? rc : m->dirty->ops->fetch(m->dirty, false, m->todo, &nr);
}

void xlm__source_watch_growth(struct xlm__source *m,
                              const struct xlm__dominfo *info)
{
    if (m->no_growth && info->max_pages != XLM__NO_GROWTH)
        m->may_have_grown = true;
}

/* Only by somebody who gave it another limit, which is then the one that it
 * gets back. */
int xlm__source_has_grown(struct xlm__source *m, bool *grown_out)
{
    *grown_out = m->may_have_grown;
    m->may_have_grown = false;
    return *grown_out ? stop_growth(m) : 0;
}

int xlm__source_scan_ram(struct xlm__source *m)
{
    xlm__bitmap_zero(m->ram, m->dom->nr_pfns);
    return m->dom->ops->ram(m->dom, m->ram, &m->nr_ram);
}

int xlm__source_add_all(struct xlm__source *m, uint64_t *nr_out)
{
    int rc = xlm__source_scan_ram(m);

    if (rc)
        return rc;
    XLM_LOG(&m->s->err, INFO,
            "%s was given another memory limit: all of its %" PRIu64
            " pages are sent again",
            m->config.name, m->nr_ram);
    xlm__bitmap_or(m->todo, m->ram, m->dom->nr_pfns);
    *nr_out = xlm__bitmap_count(m->todo, m->dom->nr_pfns);
    return 0;
}

int xlm__source_allow_growth(struct xlm__source *m)
{
    int rc;

    if (!m->no_growth)
        return 0;
    rc = xlm__source_give_back(m, XLM__SETTING_LIMIT,
                               "still gets no memory (xl mem-max)");
    m->no_growth = rc != 0;
    return rc;
}
