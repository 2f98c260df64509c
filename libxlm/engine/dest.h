/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The destination's half of a migration, shared by the files dest*.c.
 *
 *   dest.c        the conversation on the control channel
 *   dest_setup.c  greeting, preflight, build
 *   dest_join.c   data channels arrive
 *   dest_return.c data channels that broke come back
 *   dest_control.c the control channel does
 *   dest_data.c   one thread a data channel: from the wire into guest memory
 *   dest_end.c    ready, commit, undo
 *   dest_verify.c is it what the source has?
 *   dest_prebuild.c  a domain that is complete before its memory is
 */
#ifndef XLM_ENGINE_DEST_H
#define XLM_ENGINE_DEST_H

#include "dom/dom_commit.h"
#include "dom/pv_scaffold.h"
#include "engine/port.h"
#include "engine/rendezvous.h"
#include "engine/session.h"
#include "engine/unpack.h"
#include "mem/sink.h"
#include "mem/verify.h"

/* For the source's goodbye, and for what is said when we give up. */
#define XLM__DEST_BYE_MS 10000

struct xlm__dest;

struct xlm__dest_channel {
    /* set once */
    struct xlm__dest *d;
    struct xlm__link *link;
    pthread_t thread;
    /* owned by the thread */
    bool gives_way;
    int own_nice; /* when it does not */
    struct xlm__job *job;
    struct xlm__unpacker unpacker;
    struct xlm__point at; /* behind what it has taken */
    unsigned unconfirmed; /* of these records         */
    /* under dest.lock */
    int live_fd;      /* what the thread reads from; -1: nothing now      */
    bool ended;       /* ... because the source has closed it             */
    int live_errno;   /* why it failed, seen by another thread; or 0      */
    uint32_t attempt; /* the last one to bring the channel back           */
    bool arrived;     /* a connection that is to take the place of that   */
    struct xlm__arrival arrival;
};

/* Static state, kept from the offer until the domain exists. */
struct xlm__kept {
    struct xlm__kept *next;
    uint32_t type;
    uint32_t bytes;
    unsigned char data[];
};

struct xlm__prebuild {
    bool allowed;       /* CHECKED said so */
    bool begun;         /* PREBUILD came   */
    bool waiting;       /* the thread below has to be joined   */
    atomic_bool urgent; /* xl is building devices: it goes first */
    pthread_t thread;
    struct xlm__hvm_state first, last; /* before PREBUILD, in the tail */
    /* PV */
    struct xlm__pv_frames *frames; /* NULL: pages go to libxl's helper */
    struct xlm__pv_state pv_last;  /* of the tail, but for the p2m's pages */
    struct xlm__pv_home home;
};

struct xlm__compare {           /* stream-format.md section 6.2 */
    struct xlm__verify *verify; /* NULL: not asked for */
    uint64_t *ram;              /* what has memory here, of another one */
    struct xlm__dom *dom;
    struct xlm__reader *reader;
    uint64_t nr_spared, began_ns;
    bool was_read;     /* before its device model had its state, ... */
    uint64_t read_ns;  /* ... which took so long                     */
    uint64_t nr_other; /* sums that differ, of which we ask for ... */
    uint64_t ask[XLM__ASKS_MAX];
    unsigned nr_asked;
    uint64_t nr_pages, pfns[3]; /* that differ, the first ones */
    uint64_t nr_late;           /* that do not count           */
};

struct xlm__dest {
    /* set once */
    struct xlm_session *s;
    struct xlm__hv *hv;
    struct xlm__toolstack *ts;

    /* owned by the leading thread */
    struct xlm__offer offer;
    struct xlm__config config;
    struct xlm__findings *findings;
    struct xlm__kept *kept, **kept_end;
    size_t kept_bytes;
    struct xlm__cpu_policy policy; /* of the domain, as it came */
    struct xlm__rendezvous door;   /* for channels by the control's way */
    struct xlm__port port;         /* for channels over TCP; the doorman's  */
                                   /* while there is one                */
    uint32_t resume_s; /* how long a channel may be away; 0: not at all */
    bool has_doorman;
    pthread_t doorman;
    bool by_login; /* ... the way of the control channel, as that one did */
    bool control_may_return;
    int leave_fd; /* eventfd: the control channel has another connection */
    uint32_t build_flags;
    bool paused;          /* is to stay paused, as the last round says */
    uint64_t limit_pages; /* to be put back; 0 = was not raised */
    bool locked;
    bool building; /* xl was started: there is something to undo */
    bool older;    /* than the Xen that the domain comes from */
    bool dry_run;
    bool sample; /* nothing is built, pages are dropped */
    bool marked; /* by xlm__dest_mark()                    */
    bool ready;  /* READY was sent: a permission may come  */
    struct xlm__prebuild pre;
    struct xlm__compare compare;
    struct xlm__hv *narrow; /* the sink's; NULL: it needs none */
    struct xlm__sink *sink;
    struct xlm__dest_channel channels[XLM__CHANNELS_MAX];
    unsigned nr_threads;
    struct xlm__blob dm;
    size_t dm_got;
    struct xlm__xsnodes nodes;
    _Atomic uint64_t heard_ns; /* a record came on a data channel */

    /* under lock: between the leader and the channels' threads */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t round; /* whose pages may be written now; 0 = none    */
    bool stopping;
    bool no_return;   /* channels that break now have failed         */
    uint32_t attempt; /* the last one to bring the control channel back  */
    bool arrived;     /* it has another connection                       */
    struct xlm__arrival arrival;
    unsigned nr_marks;        /* channels that have ended the round          */
    struct xlm__round totals; /* of these                                    */
    struct xlm__link *failed; /* the first channel that failed               */
    int failed_rc;
};

static inline bool xlm__dest_is_pv(const struct xlm__dest *d)
{
    return d->offer.domain_type == XLM__WIRE_PV;
}

/* dest.c: write down how far it has come, before that becomes true. */
int xlm__dest_mark(struct xlm__dest *d, enum xlm__received phase);
void xlm__dest_unmark(struct xlm__dest *d);
void xlm__dest_forget_departure(struct xlm__dest *d);

/* dest_setup.c */
int xlm__dest_greet(struct xlm__dest *d);
/* With the offer's: sets d->older. */
int xlm__dest_compare_xen(struct xlm__dest *d);
int xlm__dest_check(struct xlm__dest *d);
int xlm__dest_keep_state(struct xlm__dest *d, const struct xlm__state_rec *st);
int xlm__dest_build(struct xlm__dest *d, const struct xlm__build *b);
/* ... but of a sample, for which there is no domain. */
int xlm__dest_build_sample(struct xlm__dest *d, const struct xlm__build *b);
int xlm__dest_relay(struct xlm__dest *d, uint32_t type, const void *data,
                    size_t bytes);

/* The greeting of a channel, unless it is here already; answering it. */
int xlm__dest_read_greeting(struct xlm__link *l);
int xlm__dest_answer(struct xlm__dest *d, struct xlm__link *l,
                     struct xlm__greeting *theirs);
/* ... of a channel that is back; errors stay with the link. */
int xlm__dest_answer_again(struct xlm__dest *d, struct xlm__link *l,
                           uint32_t taken);

/* Nothing of what arrived is kept open. */
void xlm__dest_drop(struct xlm__arrival *a);

/* dest_join.c: say BUILT, and wait for the data channels. */
int xlm__dest_join(struct xlm__dest *d, const struct xlm__build *b,
                   uint32_t domid);

/* dest_prebuild.c */
/* Part of preflight: d->pre.allowed, or a finding that says why not. */
int xlm__dest_may_prebuild(struct xlm__dest *d);
/* BUILD came: what a PV domain's pages go to is known from then on. */
int xlm__dest_prebuild_begin(struct xlm__dest *d, uint32_t domid);
/* Is a record of this type, now, one for xlm__dest_keep_tail()? */
bool xlm__dest_keeps_state(struct xlm__dest *d, uint32_t type);
int xlm__dest_keep_tail(struct xlm__dest *d, const struct xlm__state_rec *st);
int xlm__dest_prebuild(struct xlm__dest *d,
                       const struct xlm__prebuild_rec *p); /* PREBUILD came */
void xlm__dest_prebuild_end(struct xlm__dest *d);   /* joins its thread  */
int xlm__dest_prebuild_commit(struct xlm__dest *d); /* after TAIL_END    */
void xlm__dest_prebuild_free(struct xlm__dest *d);

/* Is it a greeting of this session's source for a channel of that kind? */
bool xlm__dest_knows(const struct xlm__dest *d,
                     const unsigned char bytes[XLM_GREETING_BYTES],
                     enum xlm__kind kind, struct xlm__greeting *theirs_out);

/* dest_control.c */
/* The data channels stand, and the doorman's thread is about to start. */
int xlm__dest_control_begin(struct xlm__dest *d);
/* On that thread: somebody has come the way of the control channel. */
void xlm__dest_control_judge(struct xlm__dest *d, struct xlm__arrival *a);
/* It is the end of it if it breaks from now on. */
void xlm__dest_control_never(struct xlm__dest *d);
/* The doorman has gone. */
void xlm__dest_control_end(struct xlm__dest *d);
/* Was it the connection, and may another come?  Wait for that. */
bool xlm__dest_control_is_away(struct xlm__dest *d, int rc);
int xlm__dest_control_return(struct xlm__dest *d);

/* dest_return.c */
/* How much longer than the source tries. */
#define XLM__DEST_LATER_S 30u
/* May a data channel return, to the port or by the way of the control channel?
 * Before their threads are started. */
bool xlm__dest_data_returns(const struct xlm__dest *d, bool by_door);
/* The channel's thread is about to start. */
int xlm__dest_return_begin(struct xlm__dest_channel *c);
/* The channels' threads have been started.  Errors: SYSTEM. */
int xlm__dest_doorman_start(struct xlm__dest *d);
/* Closes the port when it gets to it; does not wait. */
void xlm__dest_no_return(struct xlm__dest *d);
/* The session is stopped. */
void xlm__dest_doorman_end(struct xlm__dest *d);
/* On the channel's thread: what it took is told now and then. */
int xlm__dest_confirm(struct xlm__dest_channel *c, uint32_t type);
/* On the channel's thread: was that the connection, and may another come? */
bool xlm__dest_may_return(struct xlm__dest_channel *c, int rc);
/* ... wait for it.  Errors: CHANNEL (it did not come), CANCELLED. */
int xlm__dest_return(struct xlm__dest_channel *c);

/* dest_verify.c: VERIFY came; SPARED; what is put into a PV domain is noted;
 * before a device model gets its state; after all else was done; SUMS;
 * HASHES. */
int xlm__dest_verify_begin(struct xlm__dest *d, const uint8_t *keys);
int xlm__dest_verify_spare(struct xlm__dest *d, const struct xlm__list *l);
int xlm__dest_verify_sink(struct xlm__dest *d);
int xlm__dest_verify_before_dm(struct xlm__dest *d);
/* A PV domain that was completed early, before it is committed. */
int xlm__dest_verify_frames(struct xlm__dest *d);
/* dest_end.c, before a device model gets its state.  Errors: CHANNEL. */
int xlm__dest_still_wanted(struct xlm__dest *d);
int xlm__dest_verify_read(struct xlm__dest *d);
int xlm__dest_verify_sums(struct xlm__dest *d, const struct xlm__sums *s);
int xlm__dest_verify_hashes(struct xlm__dest *d, const struct xlm__sums *s);
void xlm__dest_verify_free(struct xlm__dest *d);

/* dest_data.c */
/* On a thread that reads what a peer sends, before it does. */
void xlm__dest_confine(struct xlm__dest *d, const char *who, bool accepts);
void xlm__dest_wait_changed(struct xlm__dest *d);
int xlm__dest_data_start(struct xlm__dest *d);
void xlm__dest_data_stop(struct xlm__dest *d);
/* From now on, and until round_end(), pages of that round may be written. */
void xlm__dest_round_begin(struct xlm__dest *d, uint32_t round);
/* Wait for the marks of all channels; compares the counts with the source's. */
int xlm__dest_round_end(struct xlm__dest *d, const struct xlm__round *claimed);

/* dest_start.c: from the permission on, nothing stops us any more. */
/* Our own pause of the new domain. */
int xlm__dest_hold(struct xlm__dest *d, uint32_t domid);
int xlm__dest_commit(struct xlm__dest *d); /* after PERMIT: up to BYE */
/* What came of it was said, or we gave up: wait for the source's BYE. */
void xlm__dest_say_bye(struct xlm__dest *d);

/* dest_end.c */
/* The new domain, which nobody may have destroyed.  Errors: TOOLSTACK. */
int xlm__dest_domain(struct xlm__dest *d, struct xlm__dominfo *out);
int xlm__dest_keep_dm(struct xlm__dest *d, const struct xlm__dm_part *part);
int xlm__dest_keep_xenstore(struct xlm__dest *d, const struct xlm__list *l);
int xlm__dest_release(struct xlm__dest *d, const struct xlm__list *l);
int xlm__dest_finish(struct xlm__dest *d); /* after TAIL_END: up to READY    */
/* All is as it has to be. */
int xlm__dest_ready(struct xlm__dest *d);
/* In the pause: until the source speaks, or cannot any more.  What carries the
 * channels may be silent for ever once the wire is cut. */
int xlm__dest_await_word(struct xlm__dest *d);
/* All of what it says, in the pause within the same time. */
int xlm__dest_read_word(struct xlm__dest *d, struct xlm__rec *rec);
/* Undo everything and tell the source why; returns rc. */
int xlm__dest_give_up(struct xlm__dest *d, int rc);

#endif /* XLM_ENGINE_DEST_H */
