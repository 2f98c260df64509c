/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "source"
#include "engine/source.h"

#include "util/bitmap.h"
#include "util/clock.h"

/* Shorter, a rate tells of batches and not of the link. */
#define RATE_NS XLM__NS_PER_S

bool xlm__source_asked_to_switch(const struct xlm__source *m)
{
    return m->live && atomic_load(&m->s->switch_now);
}

static uint64_t limit(const struct xlm__source *m)
{
    if (m->suspended && (m->s->opt.flags & XLM_F_EXEMPT_LAST_ROUND))
        return 0;
    return atomic_load(&m->s->bandwidth_bytes_s);
}

void xlm__source_orders(struct xlm__source *m)
{
    xlm__policy_set_goal(&m->policy,
                         atomic_load(&m->s->downtime_ms) * UINT64_C(1000));
    if (!m->pool)
        return;
    xlm__pages_limit(m->pool, limit(m));
    if (!m->suspended && xlm__source_asked_to_switch(m))
        xlm__pages_cut(m->pool);
}

uint64_t xlm__source_keep_rest(struct xlm__source *m)
{
    const uint64_t nr = m->dom->nr_pfns;
    uint64_t pfn = xlm__pages_reached(m->pool), rest = 0;

    for (pfn = xlm__bitmap_next(m->todo, nr, pfn); pfn < nr;
         pfn = xlm__bitmap_next(m->todo, nr, pfn + 1)) {
        xlm__bitmap_set(m->deferred, pfn);
        rest++;
    }
    return rest;
}

void xlm__source_count(struct xlm__source *m, uint64_t sent_pages)
{
    uint64_t now = xlm__clock_ns(), ns = now - m->rate_ns;
    uint64_t wire = xlm__session_control(m->s)->chan.written_bytes +
                    xlm__pages_wire_bytes(m->pool);

    XLM__STATS(m->s, {
        st->round_sent_pages = sent_pages;
        st->wire_bytes = wire;
        if (m->rate_ns && ns >= RATE_NS)
            st->wire_rate_bytes_s =
                (uint64_t)((double)(wire - m->rate_wire_bytes) *
                           (double)XLM__NS_PER_S / (double)ns);
    });
    if (m->rate_ns && ns < RATE_NS)
        return;
    m->rate_ns = now;
    m->rate_wire_bytes = wire;
}
