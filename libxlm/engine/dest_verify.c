/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is what we have what the source has?  We compare: we know what there is to
 * lose, nothing was promised yet, and giving up undoes it all.
 *
 * A translated domain is read when everything else is done: by then xl, its
 * helper and Xen have had their hands in its memory; a device model, which has
 * every right to write to it, gets its state after that.  Of a PV domain what
 * counts is what came, page by page.  If it was completed early, it is read as
 * well, before what names this host is written into it; otherwise xl's helper
 * was given it.
 */
#include "config.h"

#define XLM_MODULE "destination"
#include "engine/dest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/keys.h"
#include "mem/frames_verify.h"
#include "util/bitmap.h"
#include "util/clock.h"

int xlm__dest_verify_begin(struct xlm__dest *d, const uint8_t *keys)
{
    struct xlm__compare *c = &d->compare;
    struct xlm__verify_key key;
    int rc;

    rc = xlm__verify_check(&d->s->err, d->offer.nr_pfns, d->offer.memory_pages);
    if (rc)
        return rc;
    xlm__keys_decode(keys, &key);
    rc = xlm__verify_new(&d->s->err, &key, d->offer.nr_pfns, xlm__dest_is_pv(d),
                         &c->verify);
    explicit_bzero(&key, sizeof(key));
    return rc;
}

int xlm__dest_verify_sink(struct xlm__dest *d)
{
    struct xlm__compare *c = &d->compare;

    if (!c->verify || !xlm__dest_is_pv(d))
        return 0;
    return xlm__sink_open_given(d->sink, xlm__verify_hash(c->verify),
                                xlm__verify_notes(c->verify), &d->sink);
}

int xlm__dest_verify_spare(struct xlm__dest *d, const struct xlm__list *l)
{
    uint64_t *pfns = malloc((l->nr + 1u) * sizeof(*pfns));
    int rc;

    if (!pfns)
        return XLM_FAIL(&d->s->err, XLM_ERR_NOMEM, "list of %u pages", l->nr);
    for (uint32_t i = 0; i < l->nr; i++)
        pfns[i] = xlm__spared_at(l, i).first;
    rc = xlm__verify_spare(d->compare.verify, l->nr, pfns);
    free(pfns);
    d->compare.nr_spared = l->nr;
    return rc;
}

/* ---- what is here ---- */

static void note_other(struct xlm__compare *c, uint64_t pfn)
{
    if (c->nr_pages < sizeof(c->pfns) / sizeof(c->pfns[0]))
        c->pfns[c->nr_pages] = pfn;
    c->nr_pages++;
}

static int open_domain(struct xlm__dest *d)
{
    struct xlm__dominfo info;
    int rc = xlm__dest_domain(d, &info);

    return rc ? rc : xlm__dom_open(d->hv, &info, &d->compare.dom);
}

/* What has memory; what the source cannot even have is counted at once. */
static int find_ram(struct xlm__dest *d, uint64_t *nr_out)
{
    const uint64_t nr_pfns = d->offer.nr_pfns;
    struct xlm__compare *c = &d->compare;
    struct xlm__dom *dom = c->dom;
    int rc;

    if (dom->nr_pfns < nr_pfns)
        dom->nr_pfns = nr_pfns;
    c->ram = xlm__bitmap_alloc(dom->nr_pfns);
    if (!c->ram)
        return XLM_FAIL(&d->s->err, XLM_ERR_NOMEM, "bitmap of memory");
    rc = dom->ops->ram(dom, c->ram, nr_out);
    for (uint64_t pfn = xlm__bitmap_next(c->ram, dom->nr_pfns, nr_pfns);
         !rc && pfn < dom->nr_pfns;
         pfn = xlm__bitmap_next(c->ram, dom->nr_pfns, pfn + 1))
        note_other(c, pfn);
    dom->nr_pfns = nr_pfns;
    return rc;
}

static int check(void *user)
{
    struct xlm__dest *d = user;

    return xlm__session_check(d->s);
}

static int read_domain(struct xlm__dest *d)
{
    struct xlm__compare *c = &d->compare;
    struct xlm__reading what = { .check = check, .user = d };
    int rc;

    rc = open_domain(d);
    if (!rc)
        rc = find_ram(d, &what.nr_pages);
    if (!rc)
        rc = xlm__reader_new(c->dom, 0, &c->reader);
    what.pages = c->ram;
    return rc ? rc : xlm__verify_note(c->verify, c->reader, what);
}

/* A device model goes on where it was as soon as it has its state, which for a
 * USB controller, say, is to walk lists in memory and to write to them. */
int xlm__dest_verify_before_dm(struct xlm__dest *d)
{
    struct xlm__compare *c = &d->compare;
    const uint64_t began_ns = xlm__clock_ns();
    int rc;

    if (!c->verify || d->offer.domain_type != XLM__WIRE_HVM)
        return 0;
    rc = read_domain(d);
    c->was_read = true;
    c->read_ns = xlm__clock_ns() - began_ns;
    return rc;
}

int xlm__dest_verify_read(struct xlm__dest *d)
{
    struct xlm__compare *c = &d->compare;
    int rc = 0;

    c->began_ns = xlm__clock_ns() - c->read_ns;
    if (!xlm__dest_is_pv(d) && !c->was_read)
        rc = read_domain(d);
    if (!rc)
        xlm__verify_add_up(c->verify);
    return rc;
}

/* ---- what is there ---- */

static void name_pages(const struct xlm__compare *c, char *out, size_t bytes)
{
    const size_t room = sizeof(c->pfns) / sizeof(c->pfns[0]);
    size_t at = 0;

    for (size_t i = 0; i < room && i < c->nr_pages && at < bytes; i++)
        at += (size_t)snprintf(out + at, bytes - at, "%s0x%" PRIx64,
                               i ? ", " : "", c->pfns[i]);
}

static int refuse(struct xlm__dest *d)
{
    const struct xlm__compare *c = &d->compare;
    char pages[80] = "";

    name_pages(c, pages, sizeof(pages));
    return XLM_FAIL(&d->s->err, XLM_ERR_DIFFERS,
                    "verify: %s%" PRIu64 " of %" PRIu64
                    " pages differ at the destination, first pfn %s",
                    c->nr_other > c->nr_asked ? "at least " : "", c->nr_pages,
                    xlm__verify_nr_pages(c->verify), pages);
}

static void differs(void *user, uint64_t pfn)
{
    struct xlm__dest *d = user;

    note_other(&d->compare, pfn);
}

int xlm__dest_verify_frames(struct xlm__dest *d)
{
    struct xlm__compare *c = &d->compare;
    const uint64_t began_ns = xlm__clock_ns();
    int rc;

    if (!c->verify)
        return 0;
    rc = xlm__frames_verify(&(struct xlm__frames_verify){
        .hv = d->hv,
        .domid = xlm_session_domid(d->s),
        .frames = d->pre.frames,
        .hash = xlm__verify_hash(c->verify),
        .notes = xlm__verify_notes(c->verify),
        .check = check,
        .differs = differs,
        .user = d,
    });
    c->read_ns = xlm__clock_ns() - began_ns;
    if (rc || !c->nr_pages)
        return rc;
    xlm__verify_add_up(c->verify);
    return refuse(d);
}

static int accept(struct xlm__dest *d)
{
    struct xlm__compare *c = &d->compare;
    struct xlm__verified v = {
        .pages = xlm__verify_nr_pages(c->verify) - c->nr_late,
        .spared = c->nr_spared + c->nr_late,
        .us = (xlm__clock_ns() - c->began_ns) / XLM__NS_PER_US,
    };
    int rc;

    XLM__STATS(d->s, {
        st->verified = 1;
        st->verified_pages = v.pages;
        st->verify_spared_pages = v.spared;
        st->verify_us = v.us;
    });
    rc = xlm__send_verified(&xlm__session_control(d->s)->stream, &v);
    return rc ? rc : xlm__dest_ready(d);
}

/* All sums are here: is there something to ask, or is that all? */
static int go_on(struct xlm__dest *d)
{
    struct xlm__compare *c = &d->compare;

    if (c->nr_asked < c->nr_other && c->nr_asked < XLM__ASKS_MAX)
        return xlm__send_ask(&xlm__session_control(d->s)->stream,
                             c->ask[c->nr_asked++]);
    if (c->nr_pages || c->nr_asked < c->nr_other)
        return refuse(d);
    return accept(d);
}

static struct xlm__hash theirs_at(const struct xlm__sums *s, uint32_t i)
{
    const struct xlm__wire_hash h = xlm__sum_at(s, i);

    return (struct xlm__hash){ .lo = h.lo, .hi = h.hi };
}

int xlm__dest_verify_sums(struct xlm__dest *d, const struct xlm__sums *s)
{
    struct xlm__compare *c = &d->compare;
    const struct xlm__hash *ours = xlm__verify_sums(c->verify) + s->first;

    for (uint32_t i = 0; i < s->nr; i++) {
        if (xlm__hash_same(theirs_at(s, i), ours[i]))
            continue;
        if (c->nr_other < XLM__ASKS_MAX)
            c->ask[c->nr_other] = s->first + i;
        c->nr_other++;
    }
    return s->first + s->nr < xlm__verify_nr_sums(c->verify) ? 0 : go_on(d);
}

static void compare(struct xlm__compare *c, const struct xlm__sums *s,
                    const struct xlm__hash ours[XLM__SUM_PAGES])
{
    for (uint32_t i = 0; i < XLM__SUM_PAGES; i++) {
        const struct xlm__hash theirs = theirs_at(s, i);
        const uint64_t pfn = s->first * XLM__SUM_PAGES + i;

        if (xlm__hash_same(theirs, ours[i]) ||
            xlm__verify_spares(c->verify, pfn)) /* counted already */
            continue;
        if ((theirs.lo & theirs.hi) == UINT64_MAX)
            c->nr_late++;
        else
            note_other(c, pfn);
    }
}

int xlm__dest_verify_hashes(struct xlm__dest *d, const struct xlm__sums *s)
{
    struct xlm__compare *c = &d->compare;
    struct xlm__hash ours[XLM__SUM_PAGES];

    xlm__verify_pages_of(c->verify, s->first, ours);
    compare(c, s, ours);
    return go_on(d);
}

void xlm__dest_verify_free(struct xlm__dest *d)
{
    struct xlm__compare *c = &d->compare;

    xlm__reader_free(c->reader);
    if (c->dom)
        c->dom->ops->close(c->dom);
    xlm__verify_free(c->verify);
    free(c->ram);
}
