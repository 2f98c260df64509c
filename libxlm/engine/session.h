/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of a session: what both ends share.
 *
 * Threads: the one inside xlm_session_run() leads; source and destination each
 * have one thread a data channel; the destination has one more while xl builds
 * devices ahead of the memory.  All of them end when stop_fd becomes readable.
 * Lock order: see doc/ARCHITECTURE.md.
 */
#ifndef XLM_ENGINE_SESSION_H
#define XLM_ENGINE_SESSION_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "chan/chan.h"
#include "engine/fsm.h"
#include "hv/hv.h"
#include "stream/greeting.h"
#include "stream/record.h"
#include "toolstack/toolstack.h"

#define XLM__LINKS_MAX (1 + XLM__CHANNELS_MAX) /* control and data */
/* What takes the source longest without a word is to flush its disks. */
#define XLM__STILL_MS 600000u

/* A key of TLS is good for 2^24.5 records, GnuTLS changes it after 2^24, and
 * the kernel cannot.  A connection that has had so many gets another one, but
 * not in the last round, which has three times as many left. */
#define XLM__KEY_RECORDS (1u << 22)
/* So many pages of a domain for each connection: a quarter of a key, as long as
 * they are shared evenly. */
#define XLM__KEY_PAGES (UINT64_C(1) << 24)

/* What came first: somebody who cancels, or the permission to start. */
enum xlm__way_out { XLM__WAY_OPEN, XLM__WAY_CANCELLED, XLM__WAY_SEALED };

/* One channel with its record layer. */
struct xlm__link {
    struct xlm__errslot err; /* of this channel alone: the session's first   */
                             /* error may come over another one              */
    struct xlm__chan chan;
    struct xlm__stream stream;
    uint64_t features; /* in use on it: offered by both greetings            */
    bool may_return;   /* another connection may take its place: RESUME is   */
                       /* in use                                             */
    bool greeted; /* the peer's greeting was read before we got it           */
    unsigned char greeting[XLM_GREETING_BYTES];
    int rfd, wfd; /* until the channel is opened, then -1                    */
    struct xlm__tls *tls; /* the same, then NULL; may be NULL all along       */
    int conn_fd;  /* destination: keeps the joining process alive; or -1      */
    int leave_fd; /* eventfd: its thread is to leave chan, which may be of    */
                  /* pipes; or -1                                             */
};

struct xlm_session {
    /* set once */
    enum xlm_role role;
    struct xlm_options opt; /* strings are ours */
    struct xlm__errslot err;
    struct xlm__greeting greeting; /* ours for control: has uuid and token   */
    int stop_fd;                   /* eventfd: readable for ever once stopped */
    bool own_backends;
    struct xlm__hv *hv;
    struct xlm__toolstack *toolstack;
    const char *run_dir;  /* for the rendezvous, borrowed; NULL = default    */
    uint32_t still_ms;    /* destination: for how long no channel may say    */
                          /* anything in the pause                           */
    uint64_t deadline_ns; /* of --timeout; 0 = none                         */
    uint64_t key_records; /* XLM__KEY_RECORDS                               */

    /* shared */
    atomic_int way_out; /* enum xlm__way_out                                  */
    /* orders: what opt began with, as it is now */
    atomic_uint downtime_ms;
    _Atomic uint64_t bandwidth_bytes_s;
    atomic_bool switch_now;

    /* under lock */
    pthread_mutex_t lock;
    enum xlm_state state;
    enum xlm_owner owner;
    struct xlm_stats stats;
    uint32_t domid;
    bool needs_monitor;
    uint64_t begin_ns; /* 0: xlm_session_run() was not called yet           */

    /* owned by the thread in xlm_session_run() */
    struct xlm__flow flow;
    struct xlm__link links[XLM__LINKS_MAX];
    unsigned nr_links;
};

/* Tests bring their own; before xlm_session_run().  Borrowed. */
void xlm__session_use(struct xlm_session *s, struct xlm__hv *hv,
                      struct xlm__toolstack *t);
/* Open the real ones unless given. */
int xlm__session_backends(struct xlm_session *s);

/* Make every thread of the session give up.  [any thread] */
void xlm__session_stop(struct xlm_session *s);
bool xlm__session_stopped(const struct xlm_session *s);
/* Nobody can cancel from here on.  False: somebody has. */
bool xlm__session_seal(struct xlm_session *s);
bool xlm__session_sealed(const struct xlm_session *s);

/* Move on, and tell the log and the progress callback. */
void xlm__session_event(struct xlm_session *s, enum xlm__event ev);
void xlm__session_set_owner(struct xlm_session *s, enum xlm_owner owner);
void xlm__session_progress(struct xlm_session *s);
void xlm__session_finding(struct xlm_session *s, const struct xlm_finding *f);

/* Run `change` on the stats under the lock. */
#define XLM__STATS(s, statement)                                               \
    do {                                                                       \
        pthread_mutex_lock(&(s)->lock);                                        \
        struct xlm_stats *st = &(s)->stats;                                    \
        statement;                                                             \
        pthread_mutex_unlock(&(s)->lock);                                      \
    } while (0)

/* CANCELLED or TIMEOUT (recorded) if the session should end now, else 0. */
int xlm__session_check(struct xlm_session *s);
/* The domain stands still, and what is waited for may take minutes: whether the
 * other host is there, the connections tell by which its memory travelled.
 * Errors: CHANNEL. */
int xlm__session_look_at_wire(struct xlm_session *s, const char *peer);
/* The same of one link, which has that descriptor. */
int xlm__session_look_at(struct xlm_session *s, unsigned number, int fd,
                         const char *peer);

/* May records of TLS be this host's kernel's?  Of that many pages, by so many
 * connections; may_return: RESUME is to be in use on them. */
bool xlm__session_hands_over(const struct xlm_session *s, uint64_t nr_pages,
                             unsigned nr_channels, bool may_return);

/* Code with which the session ends: the recorded error, or rc. */
int xlm__session_first_error(struct xlm_session *s, int rc);

static inline struct xlm__link *xlm__session_control(struct xlm_session *s)
{
    return &s->links[0];
}

/* Take the descriptors; -1 for no conn_fd. */
void xlm__link_init(struct xlm__link *l, struct xlm_session *s, int rfd,
                    int wfd, int conn_fd);
/* Make a channel of them.  number 0 is control. */
int xlm__link_open(struct xlm__link *l, struct xlm_session *s, unsigned number);
/* The same, but a data channel's error stays with the link. */
int xlm__link_try(struct xlm__link *l, struct xlm_session *s, unsigned number);
/* No error has happened yet; the next ones are not logged. */
void xlm__link_forget(struct xlm__link *l);
/* Its thread can be made to leave the channel, from now on.  Errors: SYSTEM. */
int xlm__link_may_leave(struct xlm__link *l, struct xlm_session *s);
/* Any thread: what waits for the channel fails, unless that is ready. */
void xlm__link_leave(struct xlm__link *l);
/* On its thread: that was done, and this is another channel. */
void xlm__link_has_left(struct xlm__link *l);
/* Close the descriptors early: the peer sees the end. */
void xlm__link_hang_up(struct xlm__link *l);
void xlm__link_close(struct xlm__link *l);
/* Make the link's own error the session's. */
int xlm__link_promote(struct xlm__link *l, struct xlm_session *s, int rc);

/* The two halves of xlm_session_run(). */
int xlm__source_run(struct xlm_session *s);
int xlm__dest_run(struct xlm_session *s);

#endif /* XLM_ENGINE_SESSION_H */
