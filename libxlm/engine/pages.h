/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source's data channels: one thread each, all working on one round.
 *
 *   leader: begin(bitmap) ... poll() ... end()      next round
 *   thread:   └─ take 2 MiB ranges until none is left ─ MARK ─┘
 *
 * A range is taken by one thread only, so no pfn travels twice in a round; the
 * next round begins after the destination has confirmed the last, so no older
 * copy can overtake a newer one.
 */
#ifndef XLM_ENGINE_PAGES_H
#define XLM_ENGINE_PAGES_H

#include "dom/dom.h"
#include "engine/pack.h"
#include "engine/session.h"
#include "mem/dirty.h"

struct xlm__pages_pool;

struct xlm__pages_job {
    bool live;            /* the guest runs */
    bool final;           /* the last round */
    const uint64_t *todo; /* pfns to send; borrowed until end()              */
    uint64_t *deferred;   /* set: could not travel now                       */
    uint64_t *gone;       /* set: does not exist any more                    */
    struct xlm__dirty *dirty; /* is told what travels; NULL: need not know   */
};

/* A broken channel is to have another connection. */
struct xlm__redial {
    unsigned number;         /* of the link; data channel 0 is 1 */
    uint32_t attempt;        /* of this channel, from 1 */
    uint64_t deadline_ns;    /* of all of them */
    struct xlm__link *fresh; /* out, with 0: open, and greeted */
    uint32_t taken;          /* out, with 0: what the destination has */
    char why[XLM__TEXT_MAX + 1];
};
/* Any thread.  Errors: CHANNEL, for the reason in why, to be tried again;
 * CANCELLED; NOMEM. */
typedef int xlm__redial_fn(void *user, struct xlm__redial *r);
struct xlm__again {
    xlm__redial_fn *redial;
    void *user;
    uint32_t limit_ms; /* from when it broke */
};

/* The data links of s must be open.  Starts the threads.  Those links that may
 * return are dialled again if they break before the last round.  Copies of at
 * most nr_copies pages are kept to send what has changed in them.
 * Errors: NOMEM, SYSTEM. */
int xlm__pages_open(struct xlm_session *s, struct xlm__dom *dom,
                    const struct xlm__again *again, size_t nr_copies,
                    struct xlm__pages_pool **out);
/* Ends the threads, whatever they do; the session must be stopped, or no
 * round be in progress.  NULL is allowed. */
void xlm__pages_close(struct xlm__pages_pool *p);

void xlm__pages_begin(struct xlm__pages_pool *p,
                      const struct xlm__pages_job *job);
/* True when every thread is done with the round (or has failed); waits at
 * most timeout_ms.  *sent_out: pages sent so far in this round. */
bool xlm__pages_poll(struct xlm__pages_pool *p, int timeout_ms,
                     uint64_t *sent_out);
/* After poll() said true: totals of the round.  A channel's failure is left in
 * its link: *failed_out names it (xlm__link_promote()), else NULL. */
int xlm__pages_end(struct xlm__pages_pool *p, struct xlm__round *total_out,
                   struct xlm__link **failed_out);

/* Between rounds, now and then: whoever has broken is dialled again on its
 * thread, up to when poll() says true.  NULL is allowed.  Errors: those of a
 * channel that did not come back, left in its link as by end(). */
int xlm__pages_tend(struct xlm__pages_pool *p, struct xlm__link **failed_out);

/* Any thread.  Another bandwidth limit, 0 for none. */
void xlm__pages_limit(struct xlm__pages_pool *p, uint64_t bytes_s);
/* Any thread.  End the round early: what no thread has taken yet does not
 * travel.  The next round begins whole again. */
void xlm__pages_cut(struct xlm__pages_pool *p);
/* Between rounds: what was sent of these pages is not there any more. */
void xlm__pages_forget(struct xlm__pages_pool *p, uint64_t first, uint64_t nr);
/* After end(): pages from this number on have not travelled. */
uint64_t xlm__pages_reached(const struct xlm__pages_pool *p);
/* Any thread.  Written to the data channels so far, but for what is on its way
 * through a thread. */
uint64_t xlm__pages_wire_bytes(const struct xlm__pages_pool *p);

/* After end(): contents sent since open(). */
void xlm__pages_contents(const struct xlm__pages_pool *p,
                         struct xlm__packer_sums *sums_out);

#endif /* XLM_ENGINE_PAGES_H */
