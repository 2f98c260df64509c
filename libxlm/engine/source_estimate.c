/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the move would be like: a sample of it.  Some of the memory travels as
 * it would, and is dropped at the destination; what the guest writes is counted
 * for some seconds; engine/estimate.h makes a forecast of it.
 */
#include "config.h"

#define XLM_MODULE "estimate"
#include "engine/source.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/estimate.h"
#include "util/bitmap.h"
#include "util/clock.h"

/* Of a large guest; spread over all of its memory, in runs that are mapped and
 * packed as they would be.  Twice as much each time: a round takes a while to
 * begin and to end, in which a fast link could have carried much. */
#define CHUNK_PAGES    2048u
#define RUN_PAGES      64u
#define CHUNKS_FAST    8u
#define CHUNKS_MAX     127u     /* 1 GiB */
#define LINK_FAST_US   300000u  /* so long at least, and so many of them */
#define LINK_ENOUGH_US 1500000u /* a rate over that time means something */

static const unsigned windows_ms[XLM__CURVE_POINTS] = { 300, 900, 1800 };

struct sample {
    struct xlm__source *m;
    uint64_t pages, zero_pages, us;
    uint64_t rate_pages, rate_us; /* of these, without the first chunk's */
    uint64_t wire_bytes;          /* that these pages took */
    uint64_t fetched_ns;          /* what was written since then is dirty now */
    uint64_t *sent;               /* bitmap: pages that have travelled */
    uint64_t in;                  /* their number, of m->nr_ram */
    struct xlm__estimate e;
};

/* Has no divisor in common with n, and steps about far. */
static uint64_t coprime(uint64_t n)
{
    uint64_t k = n * 5 / 8 + 1, a, b, rest;

    for (;; k++) {
        for (a = n, b = k; b; a = b, b = rest)
            rest = a % b;
        if (a == 1)
            return k;
    }
}

/* Of every `step` runs of what there is, in an order that spreads them, `nr`
 * from `first` on. */
static void choose(const struct xlm__source *m, uint64_t step, uint64_t first,
                   uint64_t nr, uint64_t *out)
{
    const uint64_t stride = coprime(step);
    uint64_t seen = 0, at;

    xlm__bitmap_zero(out, m->dom->nr_pfns);
    for (uint64_t pfn = 0; pfn < m->dom->nr_pfns; pfn++) {
        if (!xlm__bitmap_test(m->ram, pfn))
            continue;
        at = seen++ / RUN_PAGES % step * stride % step;
        if (at >= first && at - first < nr)
            xlm__bitmap_set(out, pfn);
    }
}

static uint64_t steps(const struct xlm__source *m)
{
    return (m->nr_ram + CHUNK_PAGES - 1) / CHUNK_PAGES;
}

static int send_chunk(struct sample *s)
{
    struct xlm__round total;
    uint64_t us;
    int rc = xlm__source_round(s->m, false, NULL, &total);

    if (rc)
        return rc;
    us = (xlm__clock_ns() - s->m->round_began_ns) / XLM__NS_PER_US;
    if (s->us) { /* the first one met slow starts of all kinds */
        s->rate_us += us;
        s->rate_pages += total.pages;
    }
    s->us += us;
    s->pages += total.pages;
    s->zero_pages += total.zero_pages;
    return 0;
}

/* After so many chunks. */
static bool is_enough(const struct sample *s, uint64_t done)
{
    if (done >= CHUNKS_MAX || !s->pages)
        return done >= CHUNKS_MAX;
    return s->us >= LINK_ENOUGH_US ||
           (s->us >= LINK_FAST_US && done >= CHUNKS_FAST);
}

static int measure_link(struct sample *s)
{
    struct xlm__source *m = s->m;
    const uint64_t step = steps(m), before = xlm__pages_wire_bytes(m->pool);
    uint64_t done = 0;
    int rc = 0;

    for (uint64_t nr = 1; done < step && !rc && !is_enough(s, done); nr *= 2) {
        choose(m, step, done, nr, m->todo);
        xlm__bitmap_or(s->sent, m->todo, m->dom->nr_pfns);
        rc = send_chunk(s);
        done += nr;
    }
    if (!s->rate_pages) {
        s->rate_pages = s->pages;
        s->rate_us = s->us;
    }
    s->wire_bytes = xlm__pages_wire_bytes(m->pool) - before;
    s->in = xlm__bitmap_count(s->sent, m->dom->nr_pfns);
    return rc;
}

/* ---- the guest ---- */

static int rest(struct xlm__source *m, uint64_t until_ns)
{
    uint64_t now;
    int rc = 0;

    while (!rc && (now = xlm__clock_ns()) < until_ns) {
        const uint64_t ms = (until_ns - now) / XLM__NS_PER_MS + 1;

        (void)poll(NULL, 0, ms < 100 ? (int)ms : 100);
        rc = xlm__source_look(m);
    }
    return rc;
}

/* A scan can only tell of pages that have travelled; for it the others count
 * as written. */
static uint64_t leave_sent(const struct sample *s)
{
    struct xlm__source *m = s->m;

    for (uint64_t i = 0; i < (m->dom->nr_pfns + 63) / 64; i++)
        m->todo[i] &= s->sent[i];
    return s->in
               ? xlm__bitmap_count(m->todo, m->dom->nr_pfns) * m->nr_ram / s->in
               : 0;
}

/* What was written since the last time; after a scan that is sent as it would
 * be, since it compares with what travelled. */
static int count_dirty(struct sample *s, uint64_t *nr_out)
{
    struct xlm__source *m = s->m;
    struct xlm__round total;
    uint64_t began = xlm__clock_ns();
    int rc = m->dirty->ops->fetch(m->dirty, false, m->todo, nr_out);

    s->fetched_ns = xlm__clock_ns();
    if (rc || m->dirty->way != XLM__DIRTY_SCAN)
        return rc;
    s->e.scan_us = (s->fetched_ns - began) / XLM__NS_PER_US;
    *nr_out = leave_sent(s);
    return xlm__source_round(m, false, NULL, &total);
}

static int measure_guest(struct sample *s)
{
    struct xlm__source *m = s->m;
    uint64_t nr, began_ns, cpu_ns = 0;
    int rc = count_dirty(s, &nr); /* from here on */

    s->e.curve.most = m->nr_ram;
    if (!rc)
        rc = xlm__source_watch_cpu(m);
    began_ns = m->used_ns;
    cpu_ns = m->used_cpu_ns;
    for (unsigned i = 0; i < XLM__CURVE_POINTS && !rc; i++) {
        const uint64_t then = s->fetched_ns;

        rc = rest(m, then + windows_ms[i] * XLM__NS_PER_MS);
        if (!rc)
            rc = count_dirty(s, &nr);
        s->e.curve.us[i] = (s->fetched_ns - then) / XLM__NS_PER_US;
        s->e.curve.pages[i] = nr;
    }
    if (!rc)
        rc = xlm__source_watch_cpu(m);
    if (!rc && m->used_cpu_ns > cpu_ns)
        s->e.used = (uint32_t)((m->used_cpu_ns - cpu_ns) * 100 /
                               (m->used_ns - began_ns));
    return rc;
}

/* ---- the forecast ---- */

static void fill(struct sample *s, uint64_t begin_us)
{
    const struct xlm__source *m = s->m;
    struct xlm__estimate *e = &s->e;
    const uint64_t all = s->pages + s->zero_pages;

    e->pages = all ? m->nr_ram * s->pages / all : m->nr_ram;
    e->rate_pages_s = s->rate_us ? s->rate_pages * 1000000 / s->rate_us : 0;
    e->page_bytes = s->pages ? s->wire_bytes / s->pages : XLM__PAGE_SIZE;
    e->begin_us = begin_us;
    e->paused = !m->live;
    e->max_rounds = m->policy.max_rounds;
    e->goal_us = m->policy.goal_us;
    e->fixed_us = m->policy.fixed_us;
    e->deadline_us = m->slow.deadline_us;
    e->scan_may_exceed = m->policy.scan_may_exceed;
    e->can_throttle = m->slow.can_throttle;
    memcpy(e->ways, m->s->opt.on_slow, sizeof(e->ways));
}

static void publish(struct sample *s, const struct xlm__forecast *f)
{
    XLM__STATS(s->m->s, {
        st->estimated = 1;
        st->estimated_total_us = f->total_us;
        st->estimated_pause_us = f->pause_us;
        st->estimated_rounds = f->rounds;
        st->estimated_wire_bytes = f->wire_bytes;
        st->estimated_cap_percent = f->cap;
        st->bandwidth_bytes_s = s->e.rate_pages_s * XLM__PAGE_SIZE;
        st->dirty_rate_pages_s = s->e.curve.us[0]
                                     ? s->e.curve.pages[0] * 1000000 /
                                           s->e.curve.us[0]
                                     : 0;
        st->scan_us = s->e.scan_us;
    });
    XLM_LOG(&s->m->s->err, INFO,
            "%" PRIu64 " pages to send at %" PRIu64 "/s, %" PRIu64
            " bytes each; written: %" PRIu64 " in %" PRIu64 " ms, %" PRIu64
            " in %" PRIu64 " ms, %" PRIu64 " in %" PRIu64 " ms; %u %% CPU",
            s->e.pages, s->e.rate_pages_s, s->e.page_bytes, s->e.curve.pages[0],
            s->e.curve.us[0] / 1000, s->e.curve.pages[1],
            s->e.curve.us[1] / 1000, s->e.curve.pages[2],
            s->e.curve.us[2] / 1000, s->e.used);
}

/* ", throttled to 14 % of a CPU it would", or nothing. */
static void what_would(const struct sample *s, char *out, size_t bytes)
{
    struct xlm__estimate e = s->e;
    struct xlm__forecast f;
    struct xlm__sched sched;

    out[0] = '\0';
    if (!e.goal_us || s->m->hv->ops->sched_get(s->m->hv, s->m->domid, &sched) ||
        !sched.has_cap)
        return;
    e.can_throttle = true;
    e.max_rounds = 1000;
    memset(e.ways, 0, sizeof(e.ways));
    e.ways[0] = XLM_SLOW_THROTTLE;
    xlm__estimate_play(&e, &f);
    if (f.moves && f.cap)
        snprintf(out, bytes,
                 "; slowed down to %u %% of a CPU (--on-slow throttle) it "
                 "could, in %" PRIu64 " s",
                 f.cap, f.total_us / 1000000);
}

/* A goal that cannot be met is the answer, and an error: scripts ask for it. */
static int conclude(struct sample *s)
{
    struct xlm__source *m = s->m;
    struct xlm__estimate free = s->e;
    struct xlm__forecast f, reach;
    char would[160];

    xlm__estimate_play(&s->e, &f);
    free.goal_us = free.deadline_us = 0;
    memset(free.ways, 0, sizeof(free.ways));
    xlm__estimate_play(&free, &reach);
    publish(s, f.moves ? &f : &reach);
    if (f.moves)
        return 0;
    what_would(s, would, sizeof(would));
    return XLM_FAIL(
        &m->s->err, XLM_ERR_NOCONVERGE,
        "the goals cannot be met: without any it would take %" PRIu64
        " s, and pause for %" PRIu64 " ms%s",
        reach.total_us / 1000000, reach.pause_us / 1000, would);
}

int xlm__source_estimate(struct xlm__source *m)
{
    struct sample s = { .m = m };
    const uint64_t begin_us = (xlm__clock_ns() - m->s->begin_ns) /
                              XLM__NS_PER_US;
    int rc = xlm__source_maps(m);

    if (!rc)
        rc = m->dom->ops->ram(m->dom, m->ram, &m->nr_ram);
    if (rc)
        return rc;
    s.sent = xlm__bitmap_alloc(m->dom->nr_pfns);
    rc = s.sent ? xlm__source_track(m)
                : XLM_FAIL(&m->s->err, XLM_ERR_NOMEM, "bitmap of a sample");
    if (!rc)
        rc = xlm__source_expect_pause(m);
    if (!rc)
        rc = measure_link(&s);
    if (!rc && m->live)
        rc = measure_guest(&s);
    free(s.sent);
    if (rc)
        return rc;
    fill(&s, begin_us);
    return conclude(&s);
}
