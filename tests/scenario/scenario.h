/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A whole migration in one process: two hosts in memory, a session on each in
 * a thread of its own, socket pairs between them, and something that goes
 * wrong.
 *
 *   host a: fake_hv + fake_toolstack        host b: the same
 *      └ source session ══ control (proxy) ══ destination session ┘
 *      └ guardian       ══ data 0..n-1     ══
 *      └ the guest's writer
 *
 * scenario_run() always checks, whatever the scenario expects:
 *  - both ends are in a final state, and their owners agree with what runs;
 *  - at no moment could both hosts run the domain; one does at the end,
 *    unless the owner is unknown or the guest ended by itself;
 *  - the memory that runs is that of the source when it was suspended;
 *  - nothing is left at the loser: domain, lock, log-dirty, name, mapping;
 *  - no thread and no descriptor is left.
 */
#ifndef XLM_TESTS_SCENARIO_H
#define XLM_TESTS_SCENARIO_H

#include <stdatomic.h>

#include "engine/guard.h"
#include "engine/session.h"
#include "fake_toolstack.h"

#define SCENARIO_PFNS     2048u
#define SCENARIO_RAM      600u
#define SCENARIO_CHANNELS 8u
#define SCENARIO_ANY      1 /* rc: whatever it is */

enum writer {
    WRITER_NONE,
    WRITER_SLOW,    /* a page now and then                        */
    WRITER_FAST,    /* all of memory again and again              */
    WRITER_WORDS,   /* the same, but only a word of each page     */
    WRITER_SHRINKS, /* the same, and it balloons                  */
    WRITER_CAPPED,  /* as fast as its CPU lets it             */
    WRITER_BALLOON, /* gives memory back, takes it again, writes  */
};

/* How far it had come. */
enum phase {
    PHASE_BUILD,
    PHASE_PRECOPY,
    PHASE_SWITCH,
    PHASE_HANDOFF, /* the permission was sent */
    PHASE_NR,
};

enum direction { TO_NONE, TO_DESTINATION, TO_SOURCE };

struct run;

/* How a data channel over TCP is broken on its way. */
enum break_how {
    BREAK_END,    /* all that was passed on is read, then it ends        */
    BREAK_RESET,  /* at both ends, with what is on its way               */
    BREAK_UNSEEN, /* the destination does not notice                     */
    BREAK_HALF,   /* by login: it is the source that does not            */
};
#define BREAKS_MAX 12u

struct scenario {
    enum xlm__domain_type type; /* 0: PVH                              */
    unsigned channels;          /* 0: 1                                */
    uint64_t nr_pfns, nr_ram;   /* 0: the numbers above                */
    bool sparse;                /* 15 of 16 pages are zero             */
    bool refuse_logdirty;
    bool paused;     /* by the operator, before it moves          */
    bool rendezvous; /* data channels come by processes of their own */
    bool no_port;    /* with opt.data: the destination can open none */
    bool fallback;   /* with opt.data: the source has another way    */
    enum writer writer;
    struct xlm_options opt;         /* the source's: flags and limits  */
    void (*prepare)(struct run *r); /* just before the start           */
    void (*over)(struct run *r);    /* when both sides have ended      */
    void (*event)(struct run *r);   /* once, when the source is there: */
    enum xlm_state event_state;
    uint32_t event_round;
    /* or, if event_to is set, before this goes by on the control channel */
    enum direction event_to;
    unsigned event_unit;
    uint32_t event_type; /* of a record, instead of the unit's number */
    /* control channel: cut after so many units (greeting, records) */
    enum direction cut;
    unsigned cut_units;
    bool cut_torn;           /* and some bytes of the next one         */
    bool cut_unseen;         /* the destination does not notice        */
    uint64_t cut_data_bytes; /* data channel 0: cut after so many      */
    /* with opt.data, or with data_returns: the data channels' connections, in
     * the order in which they come, break after so many bytes to the
     * destination; 0: never */
    uint64_t breaks[BREAKS_MAX];
    enum break_how break_how;
    unsigned break_refuse; /* after so many connections nobody answers */
    bool data_returns;     /* by the way of the control channel        */
    /* the control channel may come back: each further connection of it is cut,
     * as the first, after so many units; 0: never */
    bool returns;
    unsigned control_breaks[BREAKS_MAX];
    unsigned control_refuse;       /* so many connections, and no more */
    xlm_reopen_control_fn *reopen; /* another one for that */
    /* or: a byte of the first PACKED record is changed on its way */
    enum corrupt { CORRUPT_NONE, CORRUPT_PLAIN, CORRUPT_CRC_RIGHT } corrupt;

    int rc; /* of the source; SCENARIO_ANY                             */
    enum xlm_owner owner;
};

struct side {
    struct run *run;
    pthread_mutex_t lock;
    struct xlm_session *session; /* under lock; NULL when it has ended */
    struct fake_hv *hv;
    struct fake_toolstack ts;
    pthread_t thread;
    /* the result */
    int rc, error;
    enum xlm_state state;
    enum xlm_owner owner;
    struct xlm_stats stats;
    char message[XLM_MESSAGE_MAX];
    bool needs_monitor;
};

struct guest_page {
    bool there;
    uint32_t type;
    uint64_t frame;
    unsigned char data[XLM__PAGE_SIZE];
};

struct run {
    const struct scenario *sc;
    const char *label; /* of the step in a loop, for messages */
    struct side src, dst;
    unsigned channels;
    /* the guest at the source */
    pthread_mutex_t
        guest; /* held by the writer for each step, and by suspend */
    atomic_bool stop_writer;
    pthread_t writer;
    struct guest_page *at_suspend;
    bool was_suspended;
    atomic_bool paused; /* by the operator, now */
    bool ended;         /* the scenario ended it     */
    atomic_bool event_done;
    atomic_int phase; /* enum phase, the source's last */
    /* what happened */
    atomic_bool runs_there;   /* or may: nobody has proven that not  */
    atomic_uint two_runners;  /* times at which both could run       */
    atomic_bool off_failed;   /* log-dirty could not be switched off */
    atomic_bool pause_failed; /* of the source's domain             */
    unsigned units[3];        /* by direction, on the control channel */
    unsigned data_units[3];
    int guard_fd;           /* what the guardian reads; -1: it is dead */
    struct joiner *joiners; /* one a data channel, or NULL */
    unsigned nr_joiners;
    struct comebacks *comebacks; /* or NULL */
    unsigned nr_comebacks;
    unsigned begin_unit; /* of the first ROUND_BEGIN */
    struct breaker *breaker;
    unsigned twice; /* pages that arrived again in the same round */
    unsigned nr_connections;
    int blocked_fd; /* has the only port that is allowed; 0: none */
    char run_dir[32];
    struct xlm__guard_note note;
    bool guarded; /* the guardian had to do something   */
    char guard_message[XLM_MESSAGE_MAX];
    /* under log_lock */
    pthread_mutex_t log_lock;
    char log[65536];
    size_t log_bytes;
    unsigned nr_findings;
};

/* Run it, check it; the run is left for more checks until scenario_free(). */
void scenario_run(const struct scenario *sc, const char *label, struct run *r);
void scenario_free(struct run *r);
/* Cancels that side if it still runs.  Any thread. */
void scenario_cancel(struct side *s);
/* Events: it is to switch over now; the source is cancelled. */
void scenario_switch(struct run *r);
void scenario_cancel_source(struct run *r);
/* Both in one. */
void scenario(const struct scenario *sc, const char *label);

/* scenario_recover.c: nobody is left who could decide; then, as an operator
 * would, with both hosts up.  It has to end decided. */
bool scenario_is_undecided(const struct run *r);
enum xlm_verdict scenario_recover(struct run *r);

/* A CUnit assertion that prints the log of the run if it fails. */
bool scenario_check(struct run *r, bool holds, const char *text, int line,
                    const char *file);
#define SCENARIO_CHECK(r, holds)                                               \
    scenario_check(r, holds, #holds, __LINE__, __FILE__)

/* scenario_guest.c */
void guest_boot(struct run *r);
void guest_start(struct run *r);
void guest_end(struct run *r);
void guest_snapshot(struct run *r);
/* At the destination: its xenstored begins to use its page. */
void guest_is_completed(struct run *r);
void guest_check_memory(struct run *r);

/* It is there, and runs, or is to stay paused. */
bool destination_runs(const struct run *r);

/* scenario_hosts.c */
void hosts_create(struct run *r);
void hosts_free(struct run *r);
/* At the source. */
void operator_pauses(struct run *r, bool paused);
/* The guest stops by itself. */
void guest_shuts_down(struct run *r, unsigned reason);
/* The same, unless it is suspended already. */
void guest_may_shut_down(struct run *r, unsigned reason);
void guest_is_destroyed(struct run *r);

/* scenario_join.c: as processes that ssh starts for the data channels. */
void joiners_open(struct run *r);
void joiners_start(struct run *r);
void joiners_end(struct run *r);
/* As an xlm_open_channel_fn: one more such process. */
int joiner_call(void *side, int *rfd_out, int *wfd_out);
/* Channels that come back do so one at a time. */
int joiner_start(struct run *r);

/* scenario_return.c: channels again, each with another wire. */
#define COMEBACKS_MAX 64u
void comebacks_open(struct run *r);
void comebacks_end(struct run *r);
/* As an xlm_reopen_control_fn. */
int comeback_call(void *side, int *rfd_out, int *wfd_out);
/* As an xlm_reopen_data_fn. */
int data_comeback_call(void *side, unsigned which, int *rfd_out, int *wfd_out);
/* Before a unit passes on the control channel. */
void scenario_unit(void *user, enum direction to, unsigned unit, uint32_t type);

/* breaker.c: on the way to the destination's port, which it chooses. */
struct breaker *breaker_start(const struct scenario *sc, uint16_t *port_out);
/* Counts what arrived: only without TLS. */
void breaker_end(struct breaker *b, struct run *r);
/* What the source connects to, and where the destination listens. */
const char *breaker_address(enum xlm_role role);

/* proxy.c: between two descriptors, each way. */
struct proxy;
struct proxy_cut {
    enum direction direction;
    bool records; /* count units, else bytes */
    bool half;    /* bytes only: what comes then is thrown away, and the source
                   * learns of it when the destination hangs up */
    uint64_t after;
    bool torn;
    bool unseen;             /* by the destination */
    const atomic_int *phase; /* NULL; or not from PHASE_SWITCH on */
    enum corrupt corrupt;    /* needs records */
    /* Called before a unit is passed on: its number, and its type. */
    void (*before)(void *user, enum direction to, unsigned unit, uint32_t type);
    void *user;
};
/* Takes both descriptors.  units[direction] counts. */
struct proxy *proxy_start(int src_fd, int dst_fd, const struct proxy_cut *cut,
                          unsigned units[3]);
void proxy_end(struct proxy *p);

#endif /* XLM_TESTS_SCENARIO_H */
