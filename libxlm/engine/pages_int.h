/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by pages.c and pages_again.c only. */
#ifndef XLM_ENGINE_PAGES_INT_H
#define XLM_ENGINE_PAGES_INT_H

#include "engine/pages.h"
#include "engine/sent.h"
#include "mem/batch.h"

struct xlm__worker {
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
    /* a record's worth, and those of the batch at hand */
    struct xlm__extent zeros[XLM__ZEROS_MAX + XLM__BATCH_MAX];
    size_t nr_zeros;
    bool marked; /* the round, on this channel */
    struct xlm__round total;
    struct xlm__sentlog sent; /* what is on its way */
    struct xlm__sent *again;  /* what was, when the channel broke */
    uint32_t attempts;        /* to have it back */
    unsigned stuck;           /* times, since anything was taken */
    uint64_t postponed;       /* records after which to ask for one again */
    /* shared in a round */
    _Atomic uint64_t wire_bytes; /* of its channel, so far */
};

struct xlm__pages_pool {
    /* set once */
    struct xlm_session *s;
    struct xlm__dom *dom;
    unsigned nr_workers, nr_threads;
    struct xlm__worker *workers;
    struct xlm__throttle throttle;
    struct xlm__copies *copies; /* or NULL */
    struct xlm__again redial;
    /* set by the leader before a round */
    struct xlm__pages_job job;
    /* shared in a round */
    struct xlm__ranges ranges; /* of job.todo */
    _Atomic uint64_t sent;
    atomic_bool cut; /* take no more of them */
    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    uint64_t generation; /* counts rounds, and times of tending */
    bool tending;        /* it is no round */
    unsigned busy;
    bool quit;
};

/* pages_again.c */
/* Was that the connection, and may there be another one now? */
bool xlm__pages_may_return(struct xlm__worker *w, int rc);
/* Have another one, and take back what did not arrive.  Errors: CHANNEL (not
 * within the limit), CANCELLED, STREAM, NOMEM. */
int xlm__pages_return(struct xlm__worker *w);
/* Has its key done its work?  Then have another connection, before the last
 * round: 0 also if the old one has to do for now.  Errors: CHANNEL (it cannot),
 * CANCELLED, STREAM, NOMEM. */
bool xlm__pages_is_worn(const struct xlm__worker *w);
int xlm__pages_renew(struct xlm__worker *w);
/* What the destination has said so far; not more than so many records may be
 * on their way, or all have to be taken. */
int xlm__pages_hear(struct xlm__worker *w, size_t most);
/* Has somebody closed an idle channel, or said something there, or is it to be
 * left? */
bool xlm__pages_is_restless(const struct xlm__worker *w);

#endif /* XLM_ENGINE_PAGES_INT_H */
