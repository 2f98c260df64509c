/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "destination"
#include "engine/dest.h"

#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/log.h"
#include "engine/confine.h"
#include "hv/hv_narrow.h"
#include "util/clock.h"

#define MARK_LIMIT_MS 120000
#define POLL_MS       200
/* A tenth of a busy processor (kernel/sched/core.c, sched_prio_to_weight). */
#define WAY_NICE 10

/* Under lock; not for ever. */
void xlm__dest_wait_changed(struct xlm__dest *d)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += POLL_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&d->changed, &d->lock, &until);
}

/* ---- a channel's thread ---- */

/* A round's pages may be here before the control channel has announced it;
 * outside a round nothing may touch the guest's memory. */
static int await_round(struct xlm__dest *d, uint32_t round)
{
    bool open;

    pthread_mutex_lock(&d->lock);
    while (d->round != round && !d->stopping)
        xlm__dest_wait_changed(d);
    open = d->round == round;
    pthread_mutex_unlock(&d->lock);
    return open ? 0 : XLM_ERR_CANCELLED;
}

static int take_pages(struct xlm__dest_channel *c, const struct xlm__rec *rec)
{
    const bool packed = rec->type == XLM__REC_PACKED;
    const struct xlm__pages *p = packed ? &rec->u.packed.pages : &rec->u.pages;
    const struct xlm__sink_ops *ops = c->d->sink->ops;
    void *pages[XLM__PAGES_MAX];
    int rc;

    if (packed && c->d->sample && rec->u.packed.codec == XLM__PACKED_DELTA)
        return XLM_FAIL(&c->link->err, XLM_ERR_STREAM,
                        "PACKED at 0x%" PRIx64 ": codec %u in a sample, of "
                        "which nothing is kept",
                        rec->offset, XLM__PACKED_DELTA);
    rc = ops->begin(c->job, p->nr, p->pfns, p->types, pages);
    if (rc)
        return rc;
    rc = packed ? xlm__unpack(&c->unpacker, &c->link->err, rec, pages,
                              ops->dropped(c->job))
                : xlm__stream_read_contents(&c->link->stream, rec, pages);
    if (rc) {
        ops->abort(c->job);
        return rc;
    }
    return ops->end(c->job);
}

static int take_zeros(struct xlm__dest_channel *c, const struct xlm__list *l)
{
    int rc = 0;

    for (uint32_t i = 0; i < l->nr && !rc; i++) {
        struct xlm__extent e = xlm__zeros_at(l, i);

        rc = c->d->sink->ops->zero(c->job, e.first, e.nr, e.type);
    }
    return rc;
}

static void tell_mark(struct xlm__dest *d, const struct xlm__round *r)
{
    pthread_mutex_lock(&d->lock);
    d->nr_marks++;
    d->totals.pages += r->pages;
    d->totals.zero_pages += r->zero_pages;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

static void tell_failure(struct xlm__dest_channel *c, int rc)
{
    struct xlm__dest *d = c->d;

    pthread_mutex_lock(&d->lock);
    if (!d->failed) {
        d->failed = c->link;
        d->failed_rc = rc;
    }
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    /* The leader may be reading the control channel. */
    xlm__session_stop(d->s);
}

/* libxl's hotplug scripts have 40 s each, also in a small and busy dom0, and
 * the pages have time.  On Linux this is for the calling thread alone. */
static void give_way(struct xlm__dest_channel *c)
{
    const bool urgent = atomic_load(&c->d->pre.urgent);

    if (urgent == c->gives_way)
        return;
    c->gives_way = urgent;
    if (urgent)
        c->own_nice = getpriority(PRIO_PROCESS, 0);
    (void)setpriority(PRIO_PROCESS, 0, c->own_nice + (urgent ? WAY_NICE : 0));
}

static int take(struct xlm__dest_channel *c, const struct xlm__rec *rec,
                bool *closed_out)
{
    int rc;

    switch (rec->type) {
    case XLM__REC_PAGES:
        rc = await_round(c->d, rec->u.pages.round);
        return rc ? rc : take_pages(c, rec);
    case XLM__REC_PACKED:
        rc = await_round(c->d, rec->u.packed.pages.round);
        return rc ? rc : take_pages(c, rec);
    case XLM__REC_ZEROS:
        rc = await_round(c->d, rec->u.zeros.round);
        return rc ? rc : take_zeros(c, &rec->u.zeros);
    case XLM__REC_MARK:
        rc = await_round(c->d, rec->u.round.round);
        if (!rc)
            tell_mark(c->d, &rec->u.round);
        return rc;
    default: /* CLOSE: nothing else passes the reader */
        *closed_out = true;
        return 0;
    }
}

static int serve_one(struct xlm__dest_channel *c, bool *closed_out)
{
    struct xlm__stream *st = &c->link->stream;
    struct xlm__rec rec;
    int rc = xlm__stream_read(st, &rec);

    atomic_store(&c->d->heard_ns, xlm__clock_ns());
    give_way(c);
    if (!rc)
        rc = take(c, &rec, closed_out);
    if (rc)
        return rc;
    xlm__stream_point(st, &c->at);
    return *closed_out ? 0 : xlm__dest_confirm(c, rec.type);
}

void xlm__dest_confine(struct xlm__dest *d, const char *who, bool accepts)
{
    const struct xlm__confine c = { .map_fd = d->narrow && !accepts
                                                  ? xlm__hv_narrow_fd(d->narrow)
                                                  : XLM__CONFINE_NO_MAPPING,
                                    .accepts = accepts,
                                    .who = who };

    (void)xlm__confine_thread(&d->s->err, &c);
}

static void *serve(void *arg)
{
    struct xlm__dest_channel *c = arg;
    bool closed = false;
    int rc;

    xlm__dest_confine(c->d, c->link->chan.name, false);
    rc = c->d->sink->ops->job_new(c->d->sink, &c->job);
    if (!rc) {
        while (!rc && !closed) {
            rc = serve_one(c, &closed);
            if (rc && xlm__dest_may_return(c, rc))
                rc = xlm__dest_return(c);
        }
        c->d->sink->ops->job_free(c->job);
        xlm__unpack_free(&c->unpacker);
    }
    if (rc)
        tell_failure(c, rc);
    return NULL;
}

/* ---- the leader's side ---- */

int xlm__dest_data_start(struct xlm__dest *d)
{
    int rc;

    for (unsigned i = 1; i < d->s->nr_links; i++) {
        struct xlm__dest_channel *c = &d->channels[i - 1];

        c->d = d;
        c->link = &d->s->links[i];
        rc = xlm__dest_return_begin(c);
        if (rc)
            return rc;
        xlm__stream_features(&c->link->stream, c->link->features);
        xlm__stream_point(&c->link->stream, &c->at);
        if (pthread_create(&c->thread, NULL, serve, c))
            return XLM_FAIL(&d->s->err, XLM_ERR_SYSTEM,
                            "thread for data channel %u", i - 1);
        d->nr_threads++;
    }
    rc = xlm__dest_control_begin(d);
    return rc ? rc : xlm__dest_doorman_start(d);
}

void xlm__dest_data_stop(struct xlm__dest *d)
{
    pthread_mutex_lock(&d->lock);
    d->stopping = true;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    if (d->nr_threads)
        xlm__session_stop(d->s);
    xlm__dest_doorman_end(d);
    for (unsigned i = 0; i < d->nr_threads; i++)
        pthread_join(d->channels[i].thread, NULL);
    d->nr_threads = 0;
}

void xlm__dest_round_begin(struct xlm__dest *d, uint32_t round)
{
    pthread_mutex_lock(&d->lock);
    d->round = round;
    d->nr_marks = 0;
    memset(&d->totals, 0, sizeof(d->totals));
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

/* Every channel has ended the round, or one has failed. */
static bool round_over(struct xlm__dest *d, struct xlm__round *got, int *rc_out)
{
    bool over;

    pthread_mutex_lock(&d->lock);
    if (d->nr_marks < d->nr_threads && !d->failed)
        xlm__dest_wait_changed(d);
    *rc_out = d->failed ? d->failed_rc : 0;
    *got = d->totals;
    over = d->failed || d->nr_marks == d->nr_threads;
    if (over)
        d->round = 0;
    pthread_mutex_unlock(&d->lock);
    return over;
}

int xlm__dest_round_end(struct xlm__dest *d, const struct xlm__round *claimed)
{
    uint64_t deadline = xlm__deadline_ns(MARK_LIMIT_MS);
    struct xlm__round got;
    int rc;

    while (!round_over(d, &got, &rc)) {
        rc = xlm__session_check(d->s);
        if (rc)
            return rc;
        if (!xlm__deadline_left_ms(deadline))
            return XLM_FAIL(&d->s->err, XLM_ERR_TIMEOUT,
                            "round %u: data channels did not end it within "
                            "%d s",
                            claimed->round, MARK_LIMIT_MS / 1000);
    }
    if (rc)
        return rc;
    if (got.pages == claimed->pages && got.zero_pages == claimed->zero_pages)
        return 0;
    return XLM_FAIL(&d->s->err, XLM_ERR_STREAM,
                    "round %u: %" PRIu64 " pages (%" PRIu64 " zero) came, the "
                    "source counts %" PRIu64 " (%" PRIu64 ")",
                    claimed->round, got.pages, got.zero_pages, claimed->pages,
                    claimed->zero_pages);
}
