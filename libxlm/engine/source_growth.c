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
 *
 * So while it gets none, and owns as many pages as when we asked which it has,
 * it has the same.  To ask again is a hypercall's work for each page, and in
 * the pause, for a guest of 64 GiB, seconds.
 */
#include "config.h"

#define XLM_MODULE "source"
#include "engine/source.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "util/bitmap.h"
#include "util/clock.h"

#define MOVES_AT_LEAST 512u /* pages: 2 MiB; a VGA card has 4 at least */
/* An eighth of a round at most may go into looking what the guest gave up: what
 * it writes meanwhile is in the next. */
#define SCANS_PART 8u

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
    m->owned = info->tot_pages;
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

/* ---- what has memory ---- */

int xlm__source_scan_ram(struct xlm__source *m)
{
    const uint64_t began_ns = xlm__clock_ns();
    int rc = xlm__source_guest(m); /* for m->owned: as many at least, later */

    if (rc)
        return rc;
    m->ram_owned = m->owned;
    m->ram_only_shrinks = m->no_growth;
    xlm__bitmap_zero(m->ram, m->dom->nr_pfns);
    rc = m->dom->ops->ram(m->dom, m->ram, &m->nr_ram);
    m->ram_ns = xlm__clock_ns() - began_ns;
    return rc;
}

/* Are pages where some were? */
static int look_there(struct xlm__source *m, size_t nr, uint64_t *gfns,
                      bool *all_out)
{
    int rc = m->hv->ops->page_types(m->hv, m->domid, nr, gfns);

    for (size_t i = 0; i < nr && !rc; i++) {
        if ((uint32_t)gfns[i] == XLM__PT_XTAB)
            *all_out = false;
    }
    return rc;
}

/* Neither taken away nor given, but moved?  So does a device model with video
 * memory when its guest programs another address (DMOP_relocate_memory), and
 * that is more than what lies between two pages that are asked for. */
static int look_if_moved(struct xlm__source *m, bool *moved_out)
{
    const uint64_t end = m->dom->nr_pfns;
    uint64_t gfns[XLM__MAP_MAX], gfn = xlm__bitmap_next(m->ram, end, 0);
    bool all = true;
    size_t nr = 0;
    int rc = 0;

    while (!rc && all && gfn < end) {
        gfns[nr++] = gfn;
        gfn = xlm__bitmap_next(m->ram, end,
                               (gfn / MOVES_AT_LEAST + 1) * MOVES_AT_LEAST);
        if (nr == XLM__MAP_MAX || gfn >= end) {
            rc = look_there(m, nr, gfns, &all);
            nr = 0;
        }
    }
    *moved_out = !all;
    return rc;
}

int xlm__source_ram_changed(struct xlm__source *m, bool *changed_out)
{
    *changed_out = true;
    /* Not all were found: one may have moved past the scan. */
    if (!m->ram_only_shrinks || m->may_have_grown || m->owned != m->ram_owned ||
        m->nr_ram != m->ram_owned)
        return 0;
    return look_if_moved(m, changed_out);
}

/* map: what was there, and is not any more. */
static int give_up(struct xlm__source *m, uint64_t *map)
{
    const uint64_t end = m->dom->nr_pfns;

    /* Moved: where they are now is nothing of theirs yet. */
    xlm__bitmap_or_andnot(m->deferred, m->ram, m->there, end);

    xlm__bitmap_copy(map, m->there, end);
    xlm__bitmap_andnot(map, m->ram, end);
    /* It gets none of them back, unless with a new limit: then all goes again.
     */
    xlm__bitmap_andnot(m->there, map, end);
    xlm__bitmap_andnot(m->gone, map, end);
    xlm__bitmap_andnot(m->deferred, map, end);
    for (uint64_t first = 0, nr;
         (nr = xlm__bitmap_next_range(map, end, first, &first)); first += nr)
        xlm__pages_forget(m->pool, first, nr);
    return xlm__source_release(m, map);
}

int xlm__source_shrink(struct xlm__source *m, uint64_t round_us)
{
    uint64_t *map;
    int rc;

    if (!m->ram_only_shrinks || m->may_have_grown || m->owned == m->ram_owned ||
        m->ram_ns / XLM__NS_PER_US > round_us / SCANS_PART)
        return 0;
    map = xlm__bitmap_alloc(m->dom->nr_pfns);
    if (!map)
        return XLM_FAIL(&m->s->err, XLM_ERR_NOMEM, "bitmap of memory");
    rc = xlm__source_scan_ram(m);
    if (!rc)
        rc = give_up(m, map);
    free(map);
    return rc;
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
