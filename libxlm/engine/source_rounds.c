/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "source"
#include "engine/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "util/bitmap.h"
#include "util/clock.h"

#define POLL_MS 100
/* All pages of the round have been written: the peer only has to drain its
 * channels. */
#define ROUND_LIMIT_MS 120000

int xlm__source_may_go_on(struct xlm__source *m)
{
    int rc = xlm__session_check(m->s);

    xlm__source_orders(m);
    if (!rc)
        rc = xlm__source_guest(m);
    return rc ? rc : xlm__source_deadline(m);
}

int xlm__source_look(struct xlm__source *m)
{
    int rc = xlm__source_may_go_on(m);

    if (!rc)
        rc = xlm__source_listen(m);
    return rc ? rc : xlm__source_ask(m);
}

int xlm__source_tend(struct xlm__source *m)
{
    struct xlm__link *failed;
    int rc = xlm__pages_tend(m->pool, &failed);

    return rc ? xlm__source_blame(m, failed, rc) : 0;
}

int xlm__source_channels_stand(struct xlm__source *m)
{
    uint64_t sent;
    int rc;

    while (!(rc = xlm__source_tend(m)) && !xlm__pages_poll(m->pool, 0, &sent)) {
        xlm__pages_poll(m->pool, POLL_MS, &sent);
        xlm__session_progress(m->s);
        rc = xlm__source_look(m);
        if (rc)
            return rc;
    }
    return rc;
}

/* Pages travel on the channels' threads; this one looks after the rest.
 * rc: has something failed already? */
static int attend(struct xlm__source *m, int rc)
{
    bool done = false;
    uint64_t sent;

    while (!done && !rc) {
        done = xlm__pages_poll(m->pool, POLL_MS, &sent);
        xlm__source_count(m, sent);
        xlm__session_progress(m->s);
        rc = xlm__source_look(m);
    }
    if (rc) { /* free the threads, then wait for them */
        xlm__session_stop(m->s);
        while (!xlm__pages_poll(m->pool, POLL_MS, &sent))
            ;
    }
    return rc;
}

static void count_round(struct xlm__source *m, const struct xlm__round *total)
{
    /* Not of the channels themselves: one may just be made again. */
    uint64_t wire = xlm__session_control(m->s)->chan.written_bytes +
                    xlm__pages_wire_bytes(m->pool);
    struct xlm__packer_sums sums;

    xlm__pages_contents(m->pool, &sums);
    XLM__STATS(m->s, {
        st->sent_pages += total->pages + total->zero_pages;
        st->zero_pages += total->zero_pages;
        st->wire_bytes = wire;
        st->raw_bytes = sums.raw_bytes;
        st->packed_bytes = sums.packed_bytes;
        st->delta_pages = sums.delta_pages;
    });
}

int xlm__source_release(struct xlm__source *m, const uint64_t *pages)
{
    struct xlm__stream *control = &xlm__session_control(m->s)->stream;
    struct xlm__extent extents[256];
    uint64_t first = 0, nr, total = 0;
    size_t n = 0;
    int rc = 0;

    while (!rc) {
        nr = xlm__bitmap_next_range(pages, m->dom->nr_pfns, first, &first);
        if (n == 256 || (!nr && n)) {
            rc = xlm__send_release(control, n, extents);
            n = 0;
        }
        if (!nr)
            break;
        extents[n++] = (struct xlm__extent){ .first = first, .nr = nr };
        total += nr;
        first += nr;
    }
    if (total)
        XLM_LOG(&m->s->err, INFO, "%" PRIu64 " pages released", total);
    return rc;
}

/* What the destination may have memory for and the source has not. */
static int release_rest(struct xlm__source *m)
{
    xlm__bitmap_andnot(m->there, m->ram, m->dom->nr_pfns);
    xlm__bitmap_or(m->there, m->gone, m->dom->nr_pfns);
    return xlm__source_release(m, m->there);
}

static int finish_round(struct xlm__source *m, const struct xlm__round *head,
                        struct xlm__round *total)
{
    struct xlm__stream *control = &xlm__session_control(m->s)->stream;
    struct xlm__link *failed;
    struct xlm__rec rec;
    bool final = head->flags & XLM__ROUND_FINAL;
    int rc;

    rc = xlm__pages_end(m->pool, total, &failed);
    if (rc)
        return xlm__source_blame(m, failed, rc);
    total->round = head->round;
    total->flags = final ? XLM__ROUND_FINAL : 0;
    if (final)
        rc = release_rest(m);
    if (!rc)
        rc = xlm__send_round(control, XLM__REC_ROUND_END, total);
    if (!rc)
        rc = xlm__source_await(m, XLM__REC_ROUND_DONE, ROUND_LIMIT_MS, &rec);
    if (!rc)
        count_round(m, total);
    return rc;
}

static uint32_t round_flags(const struct xlm__source *m, bool final)
{
    const bool paused = final && m->stays_paused &&
                        (m->agreed.features & XLM__FEATURE_PAUSED);

    return (final ? XLM__ROUND_FINAL : 0) | (paused ? XLM__ROUND_PAUSED : 0);
}

int xlm__source_round(struct xlm__source *m, bool final,
                      int (*meanwhile)(struct xlm__source *m),
                      struct xlm__round *total_out)
{
    struct xlm__round head = { .flags = round_flags(m, final) };
    const struct xlm__pages_job job = {
        .live = !final,
        .final = final,
        .todo = m->todo,
        .deferred = m->deferred,
        .gone = m->gone,
        .dirty = final ? NULL : m->dirty,
    };
    int rc = final ? 0 : xlm__source_channels_stand(m);

    if (rc)
        return rc;
    pthread_mutex_lock(&m->s->lock);
    head.round = ++m->s->stats.round;
    m->s->stats.round_sent_pages = 0;
    m->s->stats.round_pages = xlm__bitmap_count(m->todo, m->dom->nr_pfns);
    pthread_mutex_unlock(&m->s->lock);

    m->round_began_ns = xlm__clock_ns();
    rc = xlm__send_round(&xlm__session_control(m->s)->stream,
                         XLM__REC_ROUND_BEGIN, &head);
    if (rc)
        return rc;
    xlm__bitmap_or(m->there, m->todo, m->dom->nr_pfns);
    if (final)
        xlm__bitmap_zero(m->gone, m->dom->nr_pfns);
    xlm__source_orders(m);
    xlm__pages_begin(m->pool, &job);
    rc = attend(m, meanwhile ? meanwhile(m) : 0);
    return rc ? rc : finish_round(m, &head, total_out);
}

/* ---- live rounds ---- */

/* Of all rounds so far. */
static void tell_compression(struct xlm__source *m)
{
    struct xlm__packer_sums sums;

    xlm__pages_contents(m->pool, &sums);
    if (sums.packed_bytes < sums.raw_bytes)
        XLM_LOG(&m->s->err, INFO,
                "compressed %.1f : 1, %" PRIu64 " KiB to %" PRIu64 " KiB",
                (double)sums.raw_bytes / (double)sums.packed_bytes,
                sums.raw_bytes >> 10, sums.packed_bytes >> 10);
    if (sums.delta_pages)
        XLM_LOG(&m->s->err, INFO, "of %" PRIu64 " pages only what had changed",
                sums.delta_pages);
}

static void tell_round(struct xlm__source *m, const struct xlm__round_result *r,
                       uint64_t zero_pages, enum xlm__reason reason)
{
    uint64_t us = r->duration_us ? r->duration_us : 1;
    uint64_t predicted = xlm__policy_predict_us(&m->policy,
                                                r->dirty_pages + r->rest_pages);

    XLM_LOG(&m->s->err, INFO,
            "round %u: %" PRIu64 " pages and %" PRIu64 " zero ones in %" PRIu64
            " ms, %" PRIu64 " dirty, found in %" PRIu64
            " ms, expected pause %" PRIu64 " ms: %s",
            r->number, r->pages, zero_pages, us / 1000, r->dirty_pages,
            r->fetch_us / 1000, predicted / 1000, xlm__policy_reason(reason));
    tell_compression(m);
    XLM__STATS(m->s, {
        if (!r->asked) /* it may not have been looked for */
            st->dirty_rate_pages_s = r->dirty_pages * 1000000 /
                                     (us + r->scan_us);
        st->scan_us = r->scan_us;
        st->bandwidth_bytes_s = r->pages * XLM__PAGE_SIZE * 1000000 / us;
        st->expected_blackout_us = predicted;
    });
    xlm__session_progress(m->s);
}

/* What was written meanwhile, and how long it took to find out. */
static int fetch_dirty(struct xlm__source *m, struct xlm__round_result *r)
{
    int rc = xlm__source_guest(m);
    uint64_t began_ns;
    bool grown;

    if (rc)
        return rc;
    if (r->asked && m->dirty->way == XLM__DIRTY_SCAN) {
        /* The pause has one that finds all; this one would only delay it. */
        xlm__bitmap_zero(m->todo, m->dom->nr_pfns);
        r->scan_us = m->policy.scan_us;
        return 0;
    }
    rc = r->asked ? 0 : xlm__source_shrink(m, r->duration_us);
    if (!rc)
        rc = xlm__source_has_grown(m, &grown);
    if (rc)
        return rc;
    began_ns = xlm__clock_ns();
    rc = m->dirty->ops->fetch(m->dirty, false, m->todo, &r->dirty_pages);
    r->fetch_us = (xlm__clock_ns() - began_ns) / XLM__NS_PER_US;
    /* Xen's log is ready at any time; a scan is part of the pause. */
    r->scan_us = m->dirty->way == XLM__DIRTY_SCAN ? r->fetch_us : 0;
    return rc || !grown ? rc : xlm__source_add_all(m, &r->dirty_pages);
}

/* The guest runs, and writes, until the destination has its devices: what it
 * wrote goes in rounds of its own, and not in the pause. */
static int wait_for_devices(struct xlm__source *m,
                            const struct xlm__round_result *r, bool *over_out)
{
    XLM_LOG(&m->s->err, INFO, "waiting for %s to build %s's devices",
            xlm__source_peer(m), m->config.name);
    *over_out = false;
    xlm__policy_again(&m->policy, r->number);
    return xlm__source_await_prebuilt(m);
}

/* One live round and the decision; *over_out: switch over now. */
static int live_round(struct xlm__source *m, bool *over_out)
{
    struct xlm__round_result r = { 0 };
    struct xlm__round total;
    enum xlm__decision decision;
    enum xlm__reason reason;
    int rc;

    /* Meanwhile, as it takes long, and what is written then is in no pause. */
    rc = xlm__source_round(m, false, m->compared ? NULL : xlm__source_compare,
                           &total);
    if (rc)
        return rc;
    r.number = total.round;
    r.pages = total.pages;
    r.duration_us = (xlm__clock_ns() - m->round_began_ns) / XLM__NS_PER_US;
    r.rest_pages = xlm__source_keep_rest(m);
    r.asked = xlm__source_asked_to_switch(m);
    rc = fetch_dirty(m, &r);
    if (rc)
        return rc;
    xlm__source_orders(m);
    r.asked = xlm__source_asked_to_switch(m);
    decision = xlm__policy_decide(&m->policy, &r, &reason);
    tell_round(m, &r, total.zero_pages, reason);
    rc = xlm__source_judge(m, &r, decision, reason, over_out);
    if (rc)
        return rc;
    return *over_out && m->prebuild && !m->prebuilt && !r.asked
               ? wait_for_devices(m, &r, over_out)
               : 0;
}

int xlm__source_maps(struct xlm__source *m)
{
    uint64_t **maps[] = { &m->ram, &m->todo, &m->deferred, &m->gone,
                          &m->there };

    for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++) {
        *maps[i] = xlm__bitmap_alloc(m->dom->nr_pfns);
        if (!*maps[i])
            return XLM_FAIL(&m->s->err, XLM_ERR_NOMEM,
                            "bitmap of %" PRIu64 " pages", m->dom->nr_pfns);
    }
    return 0;
}

static int live_rounds(struct xlm__source *m)
{
    bool over = false;
    int rc;

    xlm__bitmap_copy(m->todo, m->ram, m->dom->nr_pfns);
    rc = xlm__source_watch_cpu(m);
    while (!rc && !over)
        rc = live_round(m, &over);
    return rc;
}

int xlm__source_precopy(struct xlm__source *m)
{
    int rc;

    rc = xlm__source_maps(m);
    if (!rc)
        rc = xlm__source_guest(m);
    if (!rc)
        rc = xlm__source_track(m);
    if (!rc)
        rc = xlm__source_begin_log(m);
    if (!rc)
        rc = xlm__source_scan_ram(m);
    if (!rc)
        rc = xlm__source_expect_pause(m);
    if (rc)
        return rc;
    XLM__STATS(m->s, st->memory_pages = m->nr_ram);
    if (m->live)
        rc = live_rounds(m);
    /* Here, while the control channel may still return. */
    if (!rc && m->prebuild)
        rc = xlm__source_await_prebuilt(m);
    return rc ? rc : xlm__source_return_end(m);
}
