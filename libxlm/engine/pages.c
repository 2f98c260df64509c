/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "pages"
#include "engine/pages_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "chan/tcp.h"
#include "util/clock.h"

/* So many records may be on their way: the destination tells more often, so
 * that nobody waits as long as it takes what comes. */
#define ON_THE_WAY_MAX (4 * XLM__TAKEN_EVERY)

/* ---- one worker, one round ---- */

static int send_zeros(struct xlm__worker *w, size_t nr,
                      const struct xlm__extent *extents)
{
    struct xlm__point at;
    int rc;

    xlm__stream_point(&w->link->stream, &at);
    rc = xlm__send_zeros(&w->link->stream, nr, extents);
    if (!rc && w->link->may_return)
        rc = xlm__sent_zeros(&w->sent, &w->link->err, &at, nr, extents);
    return rc;
}

/* One record of them. */
static int flush_zeros(struct xlm__worker *w)
{
    size_t nr = w->nr_zeros < XLM__ZEROS_MAX ? w->nr_zeros : XLM__ZEROS_MAX;
    int rc = nr ? send_zeros(w, nr, w->zeros) : 0;

    if (rc)
        return rc;
    w->nr_zeros -= nr;
    memmove(w->zeros, w->zeros + nr, w->nr_zeros * sizeof(w->zeros[0]));
    return 0;
}

static void add_zero(struct xlm__worker *w, const struct xlm__entry *e)
{
    struct xlm__extent *last = &w->zeros[w->nr_zeros ? w->nr_zeros - 1 : 0];

    if (w->pool->copies)
        xlm__copies_forget(w->pool->copies, e->pfn);
    if (w->nr_zeros && last->first + last->nr == e->pfn &&
        last->type == e->type)
        last->nr++;
    else
        w->zeros[w->nr_zeros++] = (struct xlm__extent){ .first = e->pfn,
                                                        .nr = 1,
                                                        .type = e->type };
}

/* After a failure those pages are left of which nothing was sent. */
static int flush_pages(struct xlm__worker *w)
{
    struct xlm__pages_out out = { w->nr_pages, w->page_pfns, w->page_types,
                                  w->page_ptrs };
    const uint64_t before = w->sent.pages;
    size_t sent;
    int rc;

    if (!w->nr_pages)
        return 0;
    rc = xlm__packer_send(w->packer, &out);
    sent = rc ? (size_t)(w->sent.pages - before) : w->nr_pages;
    w->nr_pages -= sent;
    memmove(w->page_pfns, w->page_pfns + sent,
            w->nr_pages * sizeof(w->page_pfns[0]));
    return rc;
}

static int send_entries(struct xlm__worker *w)
{
    const struct xlm__entry *e;
    size_t nr;

    e = xlm__batch_entries(w->batch, &nr);
    for (size_t i = 0; i < nr; i++) {
        if (e[i].kind == XLM__ENTRY_ZERO) {
            add_zero(w, &e[i]);
            continue;
        }
        w->page_pfns[w->nr_pages] = e[i].pfn;
        w->page_types[w->nr_pages] = e[i].type;
        w->page_ptrs[w->nr_pages] = e[i].kind == XLM__ENTRY_DATA ? e[i].page
                                                                 : NULL;
        w->nr_pages++;
    }
    return flush_pages(w);
}

static int send_pfns(struct xlm__worker *w, size_t nr)
{
    const struct xlm__pages_job *job = &w->pool->job;
    int rc;

    rc = xlm__batch_load(w->batch, nr, w->pfns, job->live, job->deferred,
                         job->gone);
    if (!rc && job->dirty)
        rc = job->dirty->ops->sending(job->dirty, w->batch);
    if (!rc)
        rc = send_entries(w);
    xlm__batch_unload(w->batch);
    atomic_store(&w->wire_bytes, w->link->chan.written_bytes);
    return rc;
}

static int send_range(struct xlm__worker *w, size_t nr)
{
    int rc;

    if (xlm__session_stopped(w->pool->s))
        return XLM_ERR_CANCELLED;
    rc = send_pfns(w, nr);
    atomic_fetch_add(&w->pool->sent, nr);
    return rc;
}

/* Each list of zero pages ascends, so what waits to be sent goes first. */
static int send_again(struct xlm__worker *w)
{
    struct xlm__sent *i = w->again;
    size_t nr = 0;

    if (w->nr_zeros)
        return flush_zeros(w);
    for (size_t n = 0; n < i->nr; n++) {
        if (i->kind == XLM__SENT_ZEROS)
            w->zeros[w->nr_zeros++] = i->of[n].extent; /* goes next */
        else
            w->pfns[nr++] = i->of[n].pfn;
    }
    w->again = i->next;
    free(i);
    return nr ? send_pfns(w, nr) : 0;
}

static int mark(struct xlm__worker *w)
{
    struct xlm__point at;
    int rc;

    memset(&w->total, 0, sizeof(w->total));
    xlm__stream_point(&w->link->stream, &at);
    rc = xlm__send_mark(&w->link->stream, w->pool->job.final, &w->total);
    if (!rc && w->link->may_return)
        rc = xlm__sent_mark(&w->sent, &w->link->err, &at);
    w->marked = !rc;
    return rc;
}

static bool more(struct xlm__worker *w, size_t *nr)
{
    struct xlm__pages_pool *p = w->pool;

    *nr = atomic_load(&p->cut) ? 0 : xlm__ranges_take(&p->ranges, w->pfns);
    return *nr != 0;
}

/* The next record, or some; *done_out if there is none. */
static int step(struct xlm__worker *w, bool *done_out)
{
    size_t nr;

    if (w->again)
        return send_again(w);
    /* As many as one record takes: a batch may add as many again. */
    if (w->nr_zeros >= XLM__ZEROS_MAX)
        return flush_zeros(w);
    if (!w->marked && more(w, &nr))
        return send_range(w, nr);
    if (w->nr_zeros)
        return flush_zeros(w);
    if (!w->marked)
        return mark(w);
    *done_out = true;
    /* Of a live round we know what arrived; the last one has no time for it,
     * and fails if it did not. */
    return w->pool->job.final ? 0 : xlm__pages_hear(w, 0);
}

static int work_round(struct xlm__worker *w)
{
    bool done = false;
    int rc;

    memset(&w->total, 0, sizeof(w->total));
    w->nr_pages = w->nr_zeros = 0;
    w->marked = false;
    if (w->pool->job.final && w->link->may_return)
        xlm__tcp_dead_after(w->link->chan.wfd, 0); /* no more haste */
    do {
        rc = xlm__pages_is_worn(w) ? xlm__pages_renew(w) : step(w, &done);
        if (!rc && !done)
            rc = xlm__pages_hear(w, ON_THE_WAY_MAX);
        if (rc && xlm__pages_may_return(w, rc)) {
            rc = xlm__pages_return(w);
            done = false;
        }
    } while (!rc && !done);
    if (!rc && w->pool->job.final)
        rc = xlm__send_empty(&w->link->stream, XLM__REC_CLOSE);
    atomic_store(&w->wire_bytes, w->link->chan.written_bytes);
    if (rc) /* what the others send would be in vain */
        atomic_store(&w->pool->cut, true);
    return rc;
}

/* Between rounds: only a channel at which something has happened. */
static int tend(struct xlm__worker *w)
{
    int rc;

    if (!xlm__pages_is_restless(w))
        return w->rc;
    rc = xlm__pages_hear(w, 0);
    return rc && xlm__pages_may_return(w, rc) ? xlm__pages_return(w) : rc;
}

static void *work(void *arg)
{
    struct xlm__worker *w = arg;
    struct xlm__pages_pool *p = w->pool;
    uint64_t seen = 0;
    bool tending;
    int rc;

    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->generation == seen && !p->quit)
            pthread_cond_wait(&p->work, &p->lock);
        if (p->quit)
            break;
        seen = p->generation;
        tending = p->tending;
        pthread_mutex_unlock(&p->lock);
        rc = tending ? tend(w) : work_round(w);
        pthread_mutex_lock(&p->lock);
        w->rc = rc;
        if (--p->busy == 0)
            pthread_cond_signal(&p->done);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- the leader's side ---- */

static int start_workers(struct xlm__pages_pool *p)
{
    struct xlm_session *s = p->s;

    for (unsigned i = 0; i < p->nr_workers; i++) {
        struct xlm__worker *w = &p->workers[i];
        int rc;

        w->pool = p;
        w->link = &s->links[1 + i];
        xlm__sentlog_init(&w->sent);
        xlm__stream_features(&w->link->stream, w->link->features);
        rc = xlm__batch_new(p->dom, &w->batch);
        if (rc)
            return XLM_FAIL(&s->err, rc, "batch for data channel %u", i);
        rc = xlm__packer_new(s, w->link, &p->throttle, &w->packer);
        if (rc)
            return rc;
        if (w->link->may_return)
            xlm__packer_note(w->packer, &w->sent);
        xlm__packer_copies(w->packer, p->copies);
        if (pthread_create(&w->thread, NULL, work, w))
            return XLM_FAIL(&s->err, XLM_ERR_SYSTEM,
                            "thread for data channel %u", i);
        p->nr_threads++;
    }
    return 0;
}

int xlm__pages_open(struct xlm_session *s, struct xlm__dom *dom,
                    const struct xlm__again *again, size_t nr_copies,
                    struct xlm__pages_pool **out)
{
    pthread_condattr_t monotonic;
    struct xlm__pages_pool *p;
    int rc;

    p = calloc(1, sizeof(*p));
    if (!p)
        return XLM_FAIL(&s->err, XLM_ERR_NOMEM, "sender threads");
    p->s = s;
    p->dom = dom;
    p->redial = *again;
    p->nr_workers = s->nr_links - 1;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    xlm__throttle_init(&p->throttle, atomic_load(&s->bandwidth_bytes_s));
    if (nr_copies && !(p->copies = xlm__copies_new(nr_copies)))
        XLM_LOG(&s->err, WARN, "no memory for copies of %zu pages", nr_copies);
    p->workers = calloc(p->nr_workers, sizeof(*p->workers));
    rc = p->workers ? start_workers(p)
                    : XLM_FAIL(&s->err, XLM_ERR_NOMEM, "sender threads");
    if (rc)
        xlm__pages_close(p);
    else
        *out = p;
    return rc;
}

static void forget_sent(struct xlm__worker *w)
{
    bool marked;
    struct xlm__point from;

    if (w->sent.end)
        xlm__sent_rewind(&w->sent, &w->again, &from, &marked);
    while (w->again) {
        struct xlm__sent *next = w->again->next;

        free(w->again);
        w->again = next;
    }
}

void xlm__pages_close(struct xlm__pages_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->quit = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->nr_threads; i++)
        pthread_join(p->workers[i].thread, NULL);
    for (unsigned i = 0; p->workers && i < p->nr_workers; i++) {
        xlm__batch_free(p->workers[i].batch);
        xlm__packer_free(p->workers[i].packer);
        forget_sent(&p->workers[i]);
    }
    xlm__copies_free(p->copies);
    xlm__throttle_destroy(&p->throttle);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p);
}

/* Under lock. */
static void set_to_work(struct xlm__pages_pool *p, bool tending)
{
    p->tending = tending;
    p->busy = p->nr_workers;
    p->generation++;
    pthread_cond_broadcast(&p->work);
}

void xlm__pages_begin(struct xlm__pages_pool *p,
                      const struct xlm__pages_job *job)
{
    pthread_mutex_lock(&p->lock);
    assert(!p->busy);
    p->job = *job;
    if (p->copies)
        xlm__copies_round(p->copies, job->final);
    xlm__ranges_begin(&p->ranges, job->todo, p->dom->nr_pfns);
    atomic_store(&p->sent, 0);
    atomic_store(&p->cut, false);
    set_to_work(p, false);
    pthread_mutex_unlock(&p->lock);
}

void xlm__pages_forget(struct xlm__pages_pool *p, uint64_t first, uint64_t nr)
{
    for (uint64_t pfn = first; p->copies && pfn < first + nr; pfn++)
        xlm__copies_forget(p->copies, pfn);
}

static int first_failure(const struct xlm__pages_pool *p,
                         struct xlm__link **failed_out)
{
    for (unsigned i = 0; i < p->nr_workers; i++) {
        if (!p->workers[i].rc)
            continue;
        *failed_out = p->workers[i].link;
        return p->workers[i].rc;
    }
    return 0;
}

int xlm__pages_tend(struct xlm__pages_pool *p, struct xlm__link **failed_out)
{
    bool restless = false;
    int rc = 0;

    *failed_out = NULL;
    if (!p)
        return 0;
    pthread_mutex_lock(&p->lock);
    if (!p->busy && !p->job.final) {
        rc = first_failure(p, failed_out);
        for (unsigned i = 0; !rc && i < p->nr_workers; i++)
            restless |= xlm__pages_is_restless(&p->workers[i]);
        if (restless)
            set_to_work(p, true);
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

bool xlm__pages_poll(struct xlm__pages_pool *p, int timeout_ms,
                     uint64_t *sent_out)
{
    struct timespec until;
    bool done;
    int r = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += timeout_ms * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&p->lock);
    while (p->busy && !r)
        r = pthread_cond_timedwait(&p->done, &p->lock, &until);
    done = !p->busy;
    pthread_mutex_unlock(&p->lock);
    *sent_out = atomic_load(&p->sent);
    return done;
}

int xlm__pages_end(struct xlm__pages_pool *p, struct xlm__round *total_out,
                   struct xlm__link **failed_out)
{
    memset(total_out, 0, sizeof(*total_out));
    *failed_out = NULL;
    for (unsigned i = 0; i < p->nr_workers; i++) {
        const struct xlm__worker *w = &p->workers[i];

        total_out->pages += w->total.pages;
        total_out->zero_pages += w->total.zero_pages;
    }
    return first_failure(p, failed_out);
}

void xlm__pages_limit(struct xlm__pages_pool *p, uint64_t bytes_s)
{
    xlm__throttle_set(&p->throttle, bytes_s, xlm__clock_ns());
}

void xlm__pages_cut(struct xlm__pages_pool *p)
{
    atomic_store(&p->cut, true);
}

uint64_t xlm__pages_reached(const struct xlm__pages_pool *p)
{
    uint64_t next = atomic_load(&p->ranges.next);

    return next < p->dom->nr_pfns ? next : p->dom->nr_pfns;
}

uint64_t xlm__pages_wire_bytes(const struct xlm__pages_pool *p)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < p->nr_workers; i++)
        bytes += atomic_load(&p->workers[i].wire_bytes);
    return bytes;
}

void xlm__pages_contents(const struct xlm__pages_pool *p,
                         struct xlm__packer_sums *sums_out)
{
    *sums_out = (struct xlm__packer_sums){ 0 };
    for (unsigned i = 0; i < p->nr_workers; i++)
        xlm__packer_count(p->workers[i].packer, sums_out);
}
