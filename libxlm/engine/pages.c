/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "pages"
#include "engine/pages.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "engine/pack.h"
#include "mem/batch.h"
#include "util/clock.h"

struct worker {
    /* set once */
    struct xlm__pages_pool *pool;
    struct xlm__link *link;
    struct xlm__batch *batch;
    struct xlm__packer *packer;
    pthread_t thread;
    /* owned by the worker's thread while a round is in progress */
    int rc;
    uint64_t pfns[XLM__BATCH_MAX];
    uint64_t page_pfns[XLM__PAGES_MAX];
    uint32_t page_types[XLM__PAGES_MAX];
    const void *page_ptrs[XLM__PAGES_MAX];
    size_t nr_pages;
    struct xlm__extent zeros[XLM__ZEROS_MAX];
    size_t nr_zeros;
    struct xlm__round total;
    /* shared in a round */
    _Atomic uint64_t wire_bytes; /* of its channel, so far */
};

struct xlm__pages_pool {
    /* set once */
    struct xlm_session *s;
    struct xlm__dom *dom;
    unsigned nr_workers, nr_threads;
    struct worker *workers;
    struct xlm__throttle throttle;
    /* set by the leader before a round */
    struct xlm__pages_job job;
    /* shared in a round */
    struct xlm__ranges ranges; /* of job.todo */
    _Atomic uint64_t sent;
    atomic_bool cut; /* take no more of them */
    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    uint64_t generation; /* counts rounds */
    unsigned busy;
    bool quit;
};

/* ---- one worker, one round ---- */

static int flush_zeros(struct worker *w)
{
    int rc;

    if (!w->nr_zeros)
        return 0;
    rc = xlm__send_zeros(&w->link->stream, w->nr_zeros, w->zeros);
    w->nr_zeros = 0;
    return rc;
}

static int add_zero(struct worker *w, const struct xlm__entry *e)
{
    struct xlm__extent *last = &w->zeros[w->nr_zeros ? w->nr_zeros - 1 : 0];
    int rc = 0;

    if (w->nr_zeros && last->first + last->nr == e->pfn &&
        last->type == e->type) {
        last->nr++;
        return 0;
    }
    if (w->nr_zeros == XLM__ZEROS_MAX)
        rc = flush_zeros(w);
    if (!rc)
        w->zeros[w->nr_zeros++] = (struct xlm__extent){ .first = e->pfn,
                                                        .nr = 1,
                                                        .type = e->type };
    return rc;
}

static int flush_pages(struct worker *w)
{
    struct xlm__pages_out out = { w->nr_pages, w->page_pfns, w->page_types,
                                  w->page_ptrs };
    int rc;

    if (!w->nr_pages)
        return 0;
    rc = xlm__packer_send(w->packer, &out);
    w->nr_pages = 0;
    return rc;
}

static int send_entries(struct worker *w)
{
    const struct xlm__entry *e;
    size_t nr;
    int rc;

    e = xlm__batch_entries(w->batch, &nr);
    for (size_t i = 0; i < nr; i++) {
        if (e[i].kind == XLM__ENTRY_ZERO) {
            rc = add_zero(w, &e[i]);
            if (rc)
                return rc;
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

static int send_pfns(struct worker *w, size_t nr)
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
    atomic_fetch_add(&w->pool->sent, nr);
    atomic_store(&w->wire_bytes, w->link->chan.written_bytes);
    return rc;
}

static int send_ranges(struct worker *w)
{
    struct xlm__pages_pool *p = w->pool;
    size_t nr;
    int rc = 0;

    while (!rc && !atomic_load(&p->cut) &&
           (nr = xlm__ranges_take(&p->ranges, w->pfns)) != 0)
        rc = xlm__session_stopped(p->s) ? XLM_ERR_CANCELLED : send_pfns(w, nr);
    return rc;
}

static int work_round(struct worker *w)
{
    int rc;

    memset(&w->total, 0, sizeof(w->total));
    w->nr_pages = w->nr_zeros = 0;
    rc = send_ranges(w);
    if (!rc)
        rc = flush_zeros(w);
    if (!rc)
        rc = xlm__send_mark(&w->link->stream, w->pool->job.final, &w->total);
    if (!rc && w->pool->job.final)
        rc = xlm__send_empty(&w->link->stream, XLM__REC_CLOSE);
    return rc;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct xlm__pages_pool *p = w->pool;
    uint64_t seen = 0;
    int rc;

    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->generation == seen && !p->quit)
            pthread_cond_wait(&p->work, &p->lock);
        if (p->quit)
            break;
        seen = p->generation;
        pthread_mutex_unlock(&p->lock);
        rc = work_round(w);
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
        struct worker *w = &p->workers[i];
        int rc;

        w->pool = p;
        w->link = &s->links[1 + i];
        xlm__stream_features(&w->link->stream, w->link->features);
        rc = xlm__batch_new(p->dom, &w->batch);
        if (rc)
            return XLM_FAIL(&s->err, rc, "batch for data channel %u", i);
        rc = xlm__packer_new(s, w->link, &p->throttle, &w->packer);
        if (rc)
            return rc;
        if (pthread_create(&w->thread, NULL, work, w))
            return XLM_FAIL(&s->err, XLM_ERR_SYSTEM,
                            "thread for data channel %u", i);
        p->nr_threads++;
    }
    return 0;
}

int xlm__pages_open(struct xlm_session *s, struct xlm__dom *dom,
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
    p->nr_workers = s->nr_links - 1;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    xlm__throttle_init(&p->throttle, atomic_load(&s->bandwidth_bytes_s));
    p->workers = calloc(p->nr_workers, sizeof(*p->workers));
    rc = p->workers ? start_workers(p)
                    : XLM_FAIL(&s->err, XLM_ERR_NOMEM, "sender threads");
    if (rc)
        xlm__pages_close(p);
    else
        *out = p;
    return rc;
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
    }
    xlm__throttle_destroy(&p->throttle);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p);
}

void xlm__pages_begin(struct xlm__pages_pool *p,
                      const struct xlm__pages_job *job)
{
    pthread_mutex_lock(&p->lock);
    assert(!p->busy);
    p->job = *job;
    xlm__ranges_begin(&p->ranges, job->todo, p->dom->nr_pfns);
    atomic_store(&p->sent, 0);
    atomic_store(&p->cut, false);
    p->busy = p->nr_workers;
    p->generation++;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
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
    int rc = 0;

    memset(total_out, 0, sizeof(*total_out));
    *failed_out = NULL;
    for (unsigned i = 0; i < p->nr_workers; i++) {
        const struct worker *w = &p->workers[i];

        total_out->pages += w->total.pages;
        total_out->zero_pages += w->total.zero_pages;
        if (w->rc && !rc) {
            rc = w->rc;
            *failed_out = w->link;
        }
    }
    return rc;
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

void xlm__pages_contents(const struct xlm__pages_pool *p, uint64_t *raw_bytes,
                         uint64_t *packed_bytes)
{
    *raw_bytes = *packed_bytes = 0;
    for (unsigned i = 0; i < p->nr_workers; i++)
        xlm__packer_count(p->workers[i].packer, raw_bytes, packed_bytes);
}
