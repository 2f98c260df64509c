/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source's half of a migration, shared by the files source*.c.
 *
 *   source.c          the order of things, and undoing them
 *   source_setup.c    lock, configuration, greeting, preflight, build
 *   source_connect.c  data channels
 *   source_control.c  waiting for the peer's records
 *   source_return.c   a control channel that breaks is made again
 *   source_track.c    by which way the dirty pages are found
 *   source_orders.c   what may be asked of it while it runs
 *   source_rounds.c   live rounds
 *   source_estimate.c a sample instead of a move
 *   source_slow.c     goals that cannot be met
 *   source_switch.c   suspend, last round, state, permission
 *   source_verify.c   comparing all memory before that
 */
#ifndef XLM_ENGINE_SOURCE_H
#define XLM_ENGINE_SOURCE_H

#include "dom/dom.h"
#include "dom/spared.h"
#include "engine/guard.h"
#include "engine/pages.h"
#include "engine/policy.h"
#include "engine/session.h"
#include "engine/setting.h"
#include "engine/slow.h"
#include "mem/dirty.h"
#include "mem/verify.h"

struct xlm__source {
    struct xlm_session *s;
    struct xlm__hv *hv;        /* = s->hv        */
    struct xlm__toolstack *ts; /* = s->toolstack */
    uint32_t domid;
    struct xlm__dominfo info;
    struct xlm__hostinfo host;
    struct xlm__config config; /* the domain's own, as sent or compared     */
    struct xlm__findings *findings;
    bool blocked;             /* by one of them */
    struct xlm__checked peer; /* what the destination said of itself       */
    struct xlm__agreement agreed;
    uint32_t resume_ms;   /* how long a lost data channel is dialled; 0: not */
    struct xlm__way *way; /* to the destination's port, and of what is not   */

    /* control, section 2.4 */
    bool may_return;                   /* ... up to the last round     */
    uint32_t attempts;                 /* to have it back              */
    uint32_t nr_returns, returned_seq; /* records read when it was back */
    uint64_t return_by_ns; /* of the last loss, and of the next unless one
                              was read since */
    uint64_t heard_ns;     /* something came               */
    uint64_t asked_ns;     /* is anybody there? 0: not now */
    bool was_silent;       /* that is why it was left      */

    struct xlm__dom *dom;
    struct xlm__dirty *dirty;
    struct xlm__pages_pool *pool;
    struct xlm__verify *verify; /* NULL: not asked for */
    struct xlm__reader *reader; /* ... and for that   */
    uint64_t *late; /* ... written to after the last look at Xen's log      */
    uint64_t nr_spared[XLM__SPARED_LATE + 1]; /* by kind */
    uint64_t verify_guess_us; /* by which the pause will be longer for that */
    struct xlm__policy policy;
    struct xlm__slow slow;
    /* bitmaps of dom->nr_pfns bits */
    uint64_t *ram;      /* has memory, as of the last scan                   */
    uint64_t *todo;     /* this round                                        */
    uint64_t *deferred; /* could not travel, goes again                      */
    uint64_t *gone;     /* vanished while we looked, in any live round       */
    uint64_t *there;    /* the destination may have memory for               */
    uint64_t nr_ram;
    uint64_t owned;        /* pages, when last seen                          */
    uint64_t ram_owned;    /* ... and when ram was read                      */
    uint64_t ram_ns;       /* how long that took                             */
    bool ram_only_shrinks; /* since then                                     */
    bool no_growth;      /* Xen refuses it memory                            */
    bool may_have_grown; /* it did not, for a while, since the log was read  */
    uint64_t round_began_ns, looked_ns;
    uint64_t rate_ns, rate_wire_bytes; /* where the last rate began          */
    uint64_t used_ns, used_cpu_ns; /* when, and what CPU it had used by then */
    uint64_t slowed_ns; /* since then it has less CPU; 0: it has not        */

    /* what has to be undone */
    struct xlm__guard_note note;
    bool locked;
    struct xlm__mark left; /* by a migration that died while it copied it ... */
    bool has_left;         /* ... if there was one                            */
    bool live;             /* dirty pages were tracked */
    bool dm_logging;
    bool unpaused;     /* by us, so that it can suspend   */
    bool stays_paused; /* there: as asked for, or as it was when it was
                          suspended */
    bool suspended;    /* by us                           */
    bool dm_sent;      /* the state of its device model was */
    bool renamed;
    bool had_monitor;
    bool built;  /* the destination has something of the domain           */
    bool marked; /* the journal has this move, and it is not settled      */
    struct xlm__prebuild_rec first; /* PREBUILD: PV, its rings             */
    bool prebuild; /* it is completed there before it is suspended        */
    bool prebuilt; /* it is, but for its memory                           */
    bool compared; /* its configuration was, when this was its ...        */
    uint64_t stamp;
    bool may_suspend_later; /* the guest may obey a withdrawn request       */
    bool permitted; /* PERMIT may have left this host                        */
    bool ended;     /* the guest ended by itself or was destroyed            */

    /* clocks, CLOCK_MONOTONIC of this host */
    uint64_t suspend_asked_ns, suspended_ns, memory_done_ns, ready_ns,
        permit_ns;
    int64_t clock_offset_ns; /* destination's clock minus ours               */
    uint64_t clock_error_ns;
    bool clock_known;
};

/* Set up, up to a domain without memory at the destination. */
int xlm__source_prepare(struct xlm__source *m);
int xlm__source_greet(struct xlm__source *m);
int xlm__source_preflight(struct xlm__source *m);
int xlm__source_build(struct xlm__source *m);

/* source_connect.c: how many data channels there will be; what BUILD says of
 * the port for them; opening them all. */
unsigned xlm__source_channels(const struct xlm__source *m);
int xlm__source_ask_port(struct xlm__source *m, struct xlm__build *b);
int xlm__source_connect(struct xlm__source *m, const struct xlm__built *built,
                        const uint8_t key[XLM__KEY_BYTES]);

/* As xlm__redial_fn. */
int xlm__source_dial_again(void *user, struct xlm__redial *r);
void xlm__source_forget_way(struct xlm__source *m);
/* Between rounds, now and then: data channels that have broken are dialled. */
int xlm__source_tend(struct xlm__source *m);
/* All channels stand; those that do not are waited for. */
int xlm__source_channels_stand(struct xlm__source *m);

/* source_return.c: all channels stand; the live rounds are over, and the
 * control channel stands still, as far as can be known. */
void xlm__source_return_begin(struct xlm__source *m);
int xlm__source_return_end(struct xlm__source *m);
/* ... it is over. */
void xlm__source_return_never(struct xlm__source *m);
/* Is it broken, so that this has to be called? */
bool xlm__source_is_away(struct xlm__source *m);
int xlm__source_return(struct xlm__source *m);
/* Nothing has come for now: ask whether anybody is there. */
int xlm__source_ask(struct xlm__source *m);
/* A record has come; was it the answer to that? */
bool xlm__source_heard(struct xlm__source *m, const struct xlm__rec *rec);

/* Do what was asked for since the last time. */
void xlm__source_orders(struct xlm__source *m);
bool xlm__source_asked_to_switch(const struct xlm__source *m);
/* After a live round that may have been cut: its rest goes in the last one.
 * How many pages that is. */
uint64_t xlm__source_keep_rest(struct xlm__source *m);
/* Counters of what travelled so far in this round. */
void xlm__source_count(struct xlm__source *m, uint64_t sent_pages);

/* Part of preflight: how the dirty pages will be found, if that is worth a
 * finding. */
int xlm__source_probe(struct xlm__source *m);
/* Start doing so; sets m->live. */
int xlm__source_track(struct xlm__source *m);
/* m->ram is known: what the pause will be, but for what is sent in it. */
int xlm__source_expect_pause(struct xlm__source *m);
int xlm__source_precopy(struct xlm__source *m);
/* The bitmaps of m. */
int xlm__source_maps(struct xlm__source *m);
/* source_estimate.c: a sample instead; nothing is moved.  Errors: NOCONVERGE
 * (a goal cannot be met). */
int xlm__source_estimate(struct xlm__source *m);
int xlm__source_switchover(struct xlm__source *m);
int xlm__source_permit(struct xlm__source *m);
/* What is written to the control channel in the pause has to be gone soon. */
void xlm__source_write_by(struct xlm__source *m);

/* source_verify.c, nothing of which is done unless it was asked for.  Keys, to
 * be sent before BUILD. */
int xlm__source_verify_begin(struct xlm__source *m);
/* How long will it take?  A sample is read; m->ram is known. */
int xlm__source_verify_guess(struct xlm__source *m);
/* Before the last round: what is in it, to see if others change it. */
int xlm__source_verify_watch(struct xlm__source *m);
/* In the tail: what cannot be compared. */
int xlm__source_verify_spare(struct xlm__source *m);
/* After the tail: all of the memory as it is here. */
int xlm__source_verify_send(struct xlm__source *m);
/* What the destination says of that; *mine_out: was it such a record? */
int xlm__source_verify_take(struct xlm__source *m, const struct xlm__rec *rec,
                            bool *mine_out);
void xlm__source_verify_free(struct xlm__source *m);

/* source_slow.c: what follows from the round for the goals.  *over_out: switch
 * over now.  Errors: NOCONVERGE (give up). */
int xlm__source_judge(struct xlm__source *m, const struct xlm__round_result *r,
                      enum xlm__decision decision, enum xlm__reason reason,
                      bool *over_out);
/* Part of preflight: could it be slowed down, if that is to be? */
int xlm__source_probe_cap(struct xlm__source *m);
/* How much CPU it uses is measured from now on. */
int xlm__source_watch_cpu(struct xlm__source *m);
/* Give it back what CPU it had.  Errors are told, not recorded; again does no
 * harm. */
int xlm__source_full_speed(struct xlm__source *m);
/* Has the deadline passed, and does that end it?  Until it is suspended.
 * Errors: NOCONVERGE. */
int xlm__source_deadline(struct xlm__source *m);

/* Is the configuration still what was sent?  Of a domain that is built early.
 * Errors: CHANGED. */
int xlm__source_compare(struct xlm__source *m);

/* Send and wait for what `job` left to do; used live and at the end.
 * meanwhile(m), if given, runs on this thread while the pages travel. */
int xlm__source_round(struct xlm__source *m, bool final,
                      int (*meanwhile)(struct xlm__source *m),
                      struct xlm__round *total_out);

/*
 * The next record of the wanted type; its contents in *rec until the next
 * call.  FINDINGs met on the way are told, ABORT is recorded as PEER.
 * Gives up after limit_ms, when the session should end, or, while it runs,
 * when the guest ends.
 */
int xlm__source_await(struct xlm__source *m, enum xlm__rec_type type,
                      uint32_t limit_ms, struct xlm__rec *rec);
/* ... until PREBUILT was met on the way. */
int xlm__source_await_prebuilt(struct xlm__source *m);
/* ... until *gone is 0. */
int xlm__source_await_zero(struct xlm__source *m, const uint64_t *gone,
                           uint32_t limit_ms, const char *what);
/* Look without waiting: an ABORT, or the end of the channel, is an error. */
int xlm__source_listen(struct xlm__source *m);
/* All that can end a wait, but the peer: cancel, time limits, the guest; orders
 * are taken. */
int xlm__source_may_go_on(struct xlm__source *m);
/* ... and the peer. */
int xlm__source_look(struct xlm__source *m);
/* After a failure on some channel: the peer may have said why. */
int xlm__source_blame(struct xlm__source *m, struct xlm__link *failed, int rc);
/* Has the guest ended, or did somebody else suspend or resume it?
 * Errors: GUEST_ENDED, BUSY. */
int xlm__source_guest(struct xlm__source *m);
/* Relate the peer's clock to ours. */
int xlm__source_clock(struct xlm__source *m);

/* source_growth.c: no more memory for a guest whose log would miss it. */
int xlm__source_begin_log(struct xlm__source *m);
/* Errors are told, not recorded; again does no harm. */
int xlm__source_allow_growth(struct xlm__source *m);
/* info: as the domain was seen just now. */
void xlm__source_watch_growth(struct xlm__source *m,
                              const struct xlm__dominfo *info);
/* Has the log become incomplete since this was last asked?  Then all of it, to
 * be asked for after the log was read, goes again. */
int xlm__source_has_grown(struct xlm__source *m, bool *grown_out);
int xlm__source_add_all(struct xlm__source *m, uint64_t *nr_out);
/* m->ram and m->nr_ram, as they are now. */
int xlm__source_scan_ram(struct xlm__source *m);
/* Just after the guest was looked at: may m->ram be another by now? */
int xlm__source_ram_changed(struct xlm__source *m, bool *changed_out);
/* After a round that took so long, and just after that: what the guest has
 * given up is given up at the destination. */
int xlm__source_shrink(struct xlm__source *m, uint64_t round_us);
/* Tell the destination to. */
int xlm__source_release(struct xlm__source *m, const uint64_t *pages);
/* What the move has changed for a while; `still` is how it is without.  Errors
 * are told, not recorded. */
int xlm__source_give_back(struct xlm__source *m, enum xlm__setting setting,
                          const char *still);

/* Guardian and journal. */
int xlm__source_tell_guard(struct xlm__source *m, enum xlm__guard_phase phase);
/* The journal: it runs on here; it is there, and nothing is left here. */
void xlm__source_unmark(struct xlm__source *m, int rc);
int xlm__source_mark_moved(struct xlm__source *m);
/* Name of the peer for messages. */
const char *xlm__source_peer(const struct xlm__source *m);

#endif /* XLM_ENGINE_SOURCE_H */
