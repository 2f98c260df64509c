/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "mem/reader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define XLM_MODULE "mem"

/* A thread costs about as much as this many pages. */
#define PAGES_PER_THREAD 4096u

struct worker {
    struct xlm__reader *reader;
    struct xlm__batch *batch;
    pthread_t thread;
    int rc;
    uint64_t pfns[XLM__BATCH_MAX];
};

struct xlm__reader {
    /* set once */
    uint64_t nr_pfns;
    bool threads_given;
    unsigned nr_workers;
    struct worker *workers; /* the first is the caller's own thread */
    /* of one run, set before its threads start */
    const struct xlm__reading *what;
    struct xlm__ranges ranges;
    atomic_bool stop;
};

struct xlm__hash xlm__entry_hash(const struct xlm__pagehash *h,
                                 const struct xlm__entry *e)
{
    switch (e->kind) {
    case XLM__ENTRY_ZERO:
        return xlm__pagehash_zero(h, e->type);
    case XLM__ENTRY_DATA:
        return xlm__pagehash(h, e->type, e->page);
    case XLM__ENTRY_TYPE:
        break;
    }
    return xlm__pagehash(h, e->type, NULL);
}

static int read_some(struct worker *w)
{
    struct xlm__reader *r = w->reader;
    const struct xlm__reading *what = r->what;
    size_t nr;
    int rc = 0;

    while (!rc && !atomic_load(&r->stop) &&
           (nr = xlm__ranges_take(&r->ranges, w->pfns)) != 0) {
        if (what->check && w == r->workers)
            rc = what->check(what->user);
        if (!rc)
            rc = xlm__batch_load(w->batch, nr, w->pfns, what->live,
                                 what->deferred, what->gone);
        if (!rc)
            what->each(what->user, w->batch);
        xlm__batch_unload(w->batch);
    }
    if (rc)
        atomic_store(&r->stop, true);
    return rc;
}

static void *work(void *arg)
{
    struct worker *w = arg;

    w->rc = read_some(w);
    return NULL;
}

static unsigned useful_threads(const struct xlm__reader *r)
{
    uint64_t useful = 1 + r->what->nr_pages / PAGES_PER_THREAD;

    return r->threads_given || useful > r->nr_workers ? r->nr_workers
                                                      : (unsigned)useful;
}

/* Threads that cannot be had are done without. */
int xlm__reader_run(struct xlm__reader *r, const struct xlm__reading *what)
{
    unsigned wanted, nr = 1;
    int rc;

    r->what = what;
    xlm__ranges_begin(&r->ranges, what->pages, r->nr_pfns);
    atomic_store(&r->stop, false);
    wanted = useful_threads(r);
    while (nr < wanted &&
           !pthread_create(&r->workers[nr].thread, NULL, work, &r->workers[nr]))
        nr++;
    rc = read_some(&r->workers[0]);
    while (--nr) {
        pthread_join(r->workers[nr].thread, NULL);
        rc = rc ? rc : r->workers[nr].rc;
    }
    return rc;
}

unsigned xlm__reader_processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    if (n < 1)
        return 1;
    return n < (long)XLM__READERS_MAX ? (unsigned)n : XLM__READERS_MAX;
}

void xlm__reader_free(struct xlm__reader *r)
{
    if (!r)
        return;
    for (unsigned i = 0; r->workers && i < r->nr_workers; i++)
        xlm__batch_free(r->workers[i].batch);
    free(r->workers);
    free(r);
}

static int fill(struct xlm__reader *r, struct xlm__dom *dom)
{
    int rc = 0;

    r->workers = calloc(r->nr_workers, sizeof(*r->workers));
    if (!r->workers)
        return XLM_FAIL(dom->hv->err, XLM_ERR_NOMEM,
                        "%u threads that read domain %u", r->nr_workers,
                        dom->domid);
    for (unsigned i = 0; i < r->nr_workers && !rc; i++) {
        r->workers[i].reader = r;
        rc = xlm__batch_new(dom, &r->workers[i].batch);
    }
    return rc;
}

int xlm__reader_new(struct xlm__dom *dom, unsigned threads,
                    struct xlm__reader **out)
{
    struct xlm__reader *r = calloc(1, sizeof(*r));
    int rc;

    if (!r)
        return XLM_FAIL(dom->hv->err, XLM_ERR_NOMEM, "reader of domain %u",
                        dom->domid);
    r->nr_pfns = dom->nr_pfns;
    r->threads_given = threads;
    r->nr_workers = threads ? threads : xlm__reader_processors();
    rc = fill(r, dom);
    if (rc)
        xlm__reader_free(r);
    else
        *out = r;
    return rc;
}
