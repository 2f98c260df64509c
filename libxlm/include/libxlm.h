/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libxlm - live migration of Xen domains.
 *
 * One struct xlm_session is one end of one migration.  The library keeps no
 * global state, so a process may run any number of sessions at once.
 *
 * Conventions, true of every function below unless its comment says otherwise:
 *  - int functions return 0, or a negative enum xlm_error.
 *  - After a failure xlm_session_error() gives the first error of the session.
 *  - Pointers are borrowed for the call only.  Output parameters end in _out
 *    and are written on success only.
 *  - A session may be used from any one thread at a time.  Functions marked
 *    [any thread] may be called while another call on it is in progress.
 *  - Numeric fields carry their unit in the name: _ms, _us, _bytes, _pages.
 *    A page is 4096 bytes.
 *  - The library never prints, exits or reads the environment.  The caller
 *    should ignore SIGPIPE.  libxl, below us, handles SIGCHLD while it has
 *    children: the program must not have a handler of its own for it.
 */
#ifndef LIBXLM_H
#define LIBXLM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XLM_VERSION_MAJOR 0
#define XLM_VERSION_MINOR 1
#define XLM_VERSION_PATCH 0
#define XLM_VERSION                                                            \
    (XLM_VERSION_MAJOR * 10000 + XLM_VERSION_MINOR * 100 + XLM_VERSION_PATCH)

#define XLM_API __attribute__((visibility("default")))

/*
 * Errors.  Values are ABI: never renumbered, never reused, only appended.
 * NAME, value, message.
 */
/* clang-format off */
#define XLM_ERROR_MAP(X)                                                       \
    X(INVAL,         -1, "invalid argument or option")                         \
    X(NOMEM,         -2, "out of memory")                                      \
    X(STATE,         -3, "call not allowed in this session state")             \
    X(SYSTEM,        -4, "system call failed")                                 \
    X(HYPERVISOR,    -5, "hypervisor call failed")                             \
    X(CHANNEL,       -6, "channel to peer failed or closed early")             \
    X(STREAM,        -7, "malformed migration stream")                         \
    X(VERSION,       -8, "no stream version in common with peer")              \
    X(INCOMPATIBLE,  -9, "domain cannot be moved to the destination host")     \
    X(DEVICE,       -10, "device model or device state failed")                \
    X(NOCONVERGE,   -11, "domain dirties memory faster than it can be sent")   \
    X(TIMEOUT,      -12, "time limit reached")                                 \
    X(CANCELLED,    -13, "cancelled by caller")                                \
    X(PEER,         -14, "peer reported a failure")                            \
    X(INTERNAL,     -15, "internal error")                                     \
    X(TOOLSTACK,    -16, "toolstack operation failed")                         \
    X(GUEST_ENDED,  -17, "guest ended by itself during migration")             \
    X(GUEST_SILENT, -18, "guest did not answer the suspend request")           \
    X(CHANGED,      -19, "domain configuration changed during migration")      \
    X(BUSY,         -20, "domain or host is locked by another operation")      \
    X(UNDECIDED,    -21, "contact lost after the permission to start")         \
    X(CLEANUP,      -22, "moved, but the source's clean-up is incomplete")     \
    X(DIFFERS,      -23, "memory at the destination is not the source's")
/* clang-format on */

enum xlm_error {
    XLM_OK = 0,
#define XLM_ERROR_ENUM(name, value, text) XLM_ERR_##name = value,
    XLM_ERROR_MAP(XLM_ERROR_ENUM)
#undef XLM_ERROR_ENUM
};

enum xlm_role { XLM_SOURCE = 1, XLM_DESTINATION = 2 };

/* Session states, in order of a normal run.  See libxlm/doc/ARCHITECTURE.md. */
enum xlm_state {
    XLM_STATE_NEW = 0,     /* opened, may be configured                  */
    XLM_STATE_NEGOTIATING, /* peers compare versions and host features   */
    XLM_STATE_PRECOPY,     /* domain runs on the source, rounds are sent */
    XLM_STATE_SWITCHOVER,  /* domain is paused on both hosts             */
    XLM_STATE_POSTCOPY,    /* reserved                                   */
    XLM_STATE_COMPLETED,   /* final                                      */
    XLM_STATE_FAILED,      /* final: see xlm_session_error()             */
    XLM_STATE_CANCELLED,   /* final                                      */
};

/*
 * Which host may run the domain.  UNKNOWN: contact was lost between the
 * permission to start and the answer; nothing runs at the source.
 */
enum xlm_owner {
    XLM_OWNER_SOURCE = 0,
    XLM_OWNER_DESTINATION,
    XLM_OWNER_UNKNOWN,
};

enum xlm_log_level { XLM_LOG_ERROR, XLM_LOG_WARN, XLM_LOG_INFO, XLM_LOG_DEBUG };

/* How the pages are found that the domain writes while it is copied. */
enum xlm_dirty {
    XLM_DIRTY_AUTO = 0, /* by Xen's log, else by content                     */
    XLM_DIRTY_LOG,      /* by Xen's log-dirty mode, which Xen may refuse     */
    XLM_DIRTY_SCAN,     /* by content: 16 bytes of hash for each page are    */
                        /* kept, and all pages are read again in each round  */
    XLM_DIRTY_NONE,     /* not at all: suspend, copy, start                  */
};

/*
 * What to do when a goal cannot be met because the domain writes too fast.  A
 * list of these has them in this order; what follows its last one is ABORT.
 */
enum xlm_on_slow {
    XLM_SLOW_THROTTLE = 1, /* give it less CPU, in steps                     */
    XLM_SLOW_WAIT,         /* go on as long as the deadline allows           */
    XLM_SLOW_SWITCH,       /* switch over, whatever the pause                */
    XLM_SLOW_ABORT,        /* give up: it runs on at the source              */
};

/* A snapshot of counters.  Set .size before use; fields only get appended. */
struct xlm_stats {
    size_t size;                    /* sizeof(struct xlm_stats)             */
    uint32_t round;                 /* rounds begun, 1 = first              */
    uint32_t channels;              /* data channels in use                 */
    uint64_t elapsed_us;            /* since xlm_session_run() began        */
    uint64_t memory_pages;          /* pages the domain has                 */
    uint64_t round_pages;           /* pages this round has to send         */
    uint64_t round_sent_pages;      /* of these, sent so far                */
    uint64_t sent_pages;            /* all rounds, zero pages included      */
    uint64_t zero_pages;            /* sent as runs, without content        */
    uint64_t wire_bytes;            /* written to all channels              */
    uint64_t dirty_rate_pages_s;    /* over the last round                  */
    uint64_t bandwidth_bytes_s;     /* page content sent, last round        */
    uint64_t expected_blackout_us;  /* if the domain were suspended now     */
    uint64_t predicted_blackout_us; /* what was expected at switch-over     */
    uint64_t blackout_us;           /* suspended at source to unpaused at   */
                                    /* destination; 0 until it is known     */
    uint64_t clock_error_us;        /* +- of blackout_us: half of the best  */
                                    /* round trip between the hosts         */
    uint64_t guest_gap_us;          /* by the guest's own clock; 0 unknown  */
    uint64_t suspend_us;            /* suspend request to suspended         */
    uint64_t last_round_us;         /* suspended to memory complete         */
    uint64_t rebuild_us;            /* memory complete to destination ready */
                                    /* (prebuilt: without building devices) */
    uint64_t start_us;              /* permission to unpaused               */
    uint32_t live;                  /* 1: dirty pages were tracked live     */
    uint32_t fixed_pause_ms;        /* what was assumed of it               */
    uint32_t data;                  /* source: enum xlm_data in use         */
    uint64_t raw_bytes;             /* contents of pages that were sent,    */
    uint64_t packed_bytes;          /* and what they took on the wire       */
    uint32_t prebuilt;              /* 1: its devices were complete before  */
                                    /* it was suspended                     */
    uint32_t dirty;                 /* enum xlm_dirty in use, AUTO before   */
    uint64_t scan_us;               /* last content scan of a live round    */
    uint64_t wire_rate_bytes_s;     /* source: of wire_bytes, over about the */
                                    /* last second; 0 before the first       */
    uint64_t limit_bytes_s;         /* source: bandwidth limit now; 0 none   */
    uint32_t downtime_ms;           /* source: goal now; 0 none              */
    uint32_t switch_asked;          /* 1: xlm_session_switch_now() was called */
    uint32_t on_slow;               /* enum xlm_on_slow: what was done last */
                                    /* as a goal could not be met; 0        */
    uint32_t cap_percent; /* of one CPU, that it may use now; 0: we do not  */
                          /* slow it down                                   */
    uint32_t throttle_steps;
    uint32_t throttle_percent; /* the smallest such cap; 0: there was none  */
    uint64_t throttle_us;      /* how long it had one                       */
    uint32_t estimated; /* XLM_F_ESTIMATE: 1: the following are valid; of a */
                        /* move without goals, if those cannot be met       */
    uint32_t estimated_rounds;
    uint64_t estimated_total_us; /* but for building devices there          */
    uint64_t estimated_pause_us;
    uint64_t estimated_wire_bytes;
    uint32_t estimated_cap_percent; /* to which it would be slowed down; 0  */
    uint32_t lost_channels; /* source: data channels dialled again now      */
    uint32_t reconnects;    /* source: times that one came back             */
    uint32_t verified;      /* XLM_F_VERIFY: 1: verified_pages and so on are  */
                            /* valid                                        */
    uint64_t resent_pages;  /* source: that were on their way when one      */
                            /* broke; not among .sent_pages                 */
    uint64_t lost_us;       /* source: for how long data channels were lost */
    uint64_t verified_pages;      /* the same on both hosts                 */
    uint64_t verify_spared_pages; /* not compared: others write to them     */
    uint64_t verify_us;           /* that the pause is longer for it        */
    uint32_t control_lost;        /* source: 1: the control channel is      */
                                  /* being made again now                   */
    uint32_t control_reconnects;  /* source: times that it came back        */
    uint32_t answered; /* source: 1: an xlm has answered at the other end   */
    uint64_t delta_pages; /* source: of which only what had changed was sent */
};

/* One thing that preflight found. */
enum xlm_severity { XLM_FINDING_NOTE = 1, XLM_FINDING_WARN, XLM_FINDING_BLOCK };
struct xlm_finding {
    enum xlm_severity severity;
    const char *code;    /* stable name, e.g. "bridge-missing"             */
    const char *message; /* one line: the object, the value, the limit     */
    const char *advice;  /* one line: what to do about it; may be ""       */
};

struct xlm_session; /* opaque */

/*
 * Callbacks run on the thread inside xlm_session_run(), xlm_log_fn on any
 * engine thread, xlm_reopen_data_fn on its channel's.  They must not block, and
 * may call only functions marked [any thread] on their session.  At a
 * destination xlm_log_fn also runs on threads that can write to what is open,
 * but can open or start nothing: syslog(3) and the like have to be open before
 * (LOG_NDELAY).
 */
typedef void xlm_log_fn(void *user, enum xlm_log_level level,
                        const char *module, const char *message);
typedef void xlm_progress_fn(void *user, enum xlm_state state,
                             const struct xlm_stats *stats);
typedef void xlm_finding_fn(void *user, const struct xlm_finding *finding);

/* Where a source's data channels come from. */
enum xlm_data {
    XLM_DATA_GIVEN = 0, /* xlm_session_add_channel(); .open_channel          */
    XLM_DATA_TLS,       /* TCP to a port of the destination, TLS 1.3 with a  */
                        /* key made for this session                         */
    XLM_DATA_PLAIN,     /* TCP without protection: for a trusted wire        */
};

/*
 * Open one more channel to the destination, by the means that gave the control
 * channel, as for xlm_session_add_channel().  Returns 0, or an errno.
 */
typedef int xlm_open_channel_fn(void *user, int *rfd_out, int *wfd_out);

/*
 * The control channel broke, or nothing comes through it any more: open another
 * way to the destination, where xlm_channel_join() has to be called with it.
 * The descriptors are the library's then.  What carried the channel that broke,
 * or the last attempt, should be ended first, and so that its far end breaks,
 * too: the library closes its own descriptors of it afterwards.  Returns 0, or
 * an errno: it is called again, with pauses, until .reconnect_ms are over.  It
 * may take as long as starting a process does; whether somebody answers, the
 * library waits for.  Runs on the thread inside xlm_session_run(), with the
 * domain running.
 */
typedef int xlm_reopen_control_fn(void *user, int *rfd_out, int *wfd_out);

/*
 * The same for a data channel: `which` counts those that came from
 * xlm_session_add_channel() or .open_channel, from 0, in that order, without
 * the control channel.  Runs on a thread of that channel, so several may run at
 * once, of which each has another `which`, beside .reopen_control.
 */
typedef int xlm_reopen_data_fn(void *user, unsigned which, int *rfd_out,
                               int *wfd_out);

#define XLM_F_DRY_RUN      (1u << 0) /* stop after preflight           */
#define XLM_F_LEAVE_PAUSED (1u << 1) /* do not unpause at destination  */
#define XLM_F_ALLOW_PAUSE  (1u << 2) /* suspend-and-copy, and a scan,  */
                                     /* may exceed downtime_ms         */
#define XLM_F_UNPAUSE_TO_SUSPEND                                               \
    (1u << 3)                      /* a paused guest may be unpaused           \
                                    */
                                   /* for as long as it suspends     */
#define XLM_F_NO_MONITOR (1u << 4) /* destination: no xl daemon      */
#define XLM_F_KEEP_DOMID (1u << 5) /* ask for the same domain id     */
#define XLM_F_DEBUG      (1u << 6) /* verbose xl at the destination  */
#define XLM_F_NO_PREBUILD                                                      \
    (1u << 8) /* source: do not complete the domain there before it is         \
               * suspended here */
#define XLM_F_EXEMPT_LAST_ROUND                                                \
    (1u << 9) /* source: bandwidth_bytes_s is not for what is sent in the      \
               * pause */

#define XLM_F_ESTIMATE                                                         \
    (1u << 10) /* source: move nothing; take a sample of some seconds, which   \
                * is dropped there: xlm_stats.estimated_* say what a move      \
                * would be like; NOCONVERGE: a goal cannot be met */

#define XLM_F_VERIFY                                                           \
    (1u << 11) /* source: in the pause, compare all of the domain's memory     \
                * with what the destination has; DIFFERS there, and PEER here, \
                * if it is not the same: the domain runs on at the source */

#define XLM_F_GUEST_GAP                                                        \
    (1u << 12) /* source: when all is done, wait up to 4 s for the guest's own \
                * report of how long its clock stood still:                    \
                * xlm_stats.guest_gap_us */

#define XLM_F_KTLS                                                             \
    (1u << 13) /* records of TLS are handed over to this host's kernel, if it  \
                * takes them */

/* How contents of pages travel.  AUTO: by what the channel and the processor
 * turn out to do, again and again. */
enum xlm_compress {
    XLM_COMPRESS_AUTO = 0,
    XLM_COMPRESS_NONE,
    XLM_COMPRESS_LZ4,
    XLM_COMPRESS_ZSTD,
};

/* A broken channel ends the migration at once. */
#define XLM_RECONNECT_OFF UINT32_MAX
/* A page that is sent again goes as a whole. */
#define XLM_DELTA_OFF UINT32_MAX

/*
 * Options.  Zero means "default" in every field, now and for every field
 * added later; .size tells the library which fields the caller knew.  A
 * caller newer than the library gets XLM_ERR_INVAL only if it set a field
 * the library does not know.
 */
struct xlm_options {
    size_t size;          /* sizeof(struct xlm_options)                  */
    uint32_t domid;       /* source: the domain to send                  */
    uint32_t flags;       /* XLM_F_*                                     */
    uint32_t max_rounds;  /* live rounds, 1..1000; default 30            */
    uint32_t downtime_ms; /* goal for the blackout; default: no goal:    */
                          /* it does not fail for want of convergence    */
    uint32_t timeout_ms;  /* limit up to the permission to start;        */
                          /* default none                                */
    uint32_t suspend_timeout_ms; /* for the guest's answer; default 60000    */
    uint64_t bandwidth_bytes_s;  /* limit over all data channels; none       */
    const char *xl_path;     /* the real xl; default as configured          */
    const char *config_json; /* source: send this instead of the domain's   */
                             /* own configuration (libxl JSON)              */
    int guard_fd;            /* source: write end of a pipe to              */
                             /* xlm_guard(); 0 = none                       */
    int record_fd;           /* destination: copy of what xl is fed; 0 none */
    uint32_t fixed_pause_ms; /* source: part of the blackout that does not  */
                             /* depend on memory, as the last report for    */
                             /* this peer and guest type had it; default    */
                             /* 100 if it can be built before, else 300,    */
                             /* with a device model 1000                    */
    /*
     * Data channels over TCP.  If the destination's port cannot be reached,
     * .open_channel is called for each of them instead.
     */
    uint32_t data;            /* source: enum xlm_data                       */
    uint32_t data_channels;   /* source, not for GIVEN: 1..64; default 1     */
    const char *data_host;    /* source: name or address to try first;       */
                              /* destination: its address to be told first   */
    const char *data_address; /* source: the only address or name to try;    */
                              /* destination: the one to listen at, all by   */
                              /* default                                     */
    uint16_t port_low;        /* ports for the destination to listen on: its */
    uint16_t port_high;       /* own if it names some; default any           */
    xlm_open_channel_fn *open_channel; /* source; default: fail instead */
    xlm_log_fn *log;
    xlm_progress_fn *progress;
    xlm_finding_fn *finding;
    void *user;             /* first argument of the callbacks             */
    uint32_t compress;      /* source: enum xlm_compress                   */
    int32_t compress_level; /* of zstd: -5..-1 faster, 1..9 smaller;        */
                            /* default 1                                   */
    uint32_t dirty;         /* source: enum xlm_dirty                      */
    uint8_t on_slow[4];     /* source: enum xlm_on_slow, in its order; 0   */
                            /* ends the list                               */
    uint32_t deadline_ms;   /* source: goal for all of it, up to the start */
                            /* there; default none                         */
    uint32_t reconnect_ms;  /* source: how long a data channel over TCP, or */
                            /* another if .reopen_data is set, or the       */
                            /* control channel if .reopen_control is set,   */
                            /* that breaks before the domain is suspended   */
                            /* is made again, up to an hour, or             */
                            /* XLM_RECONNECT_OFF; default 30000             */
    /* Source: only written to the journal, for xlm_journal_read(). */
    const char *journal_host; /* what the caller calls the other host       */
    const char *journal_ssh;  /* and the command that leads there           */
    xlm_reopen_control_fn *reopen_control; /* source; default: a control     */
                                           /* channel that breaks ends it    */
    uint32_t delta_mib; /* source: while contents are compressed, or could   */
                        /* be and the way is slow, memory for copies of what */
                        /* was sent, so that of pages sent again only what   */
                        /* has changed travels: MiB, up to 65536, or         */
                        /* XLM_DELTA_OFF; default 64                         */
    xlm_reopen_data_fn *reopen_data; /* source; default: a data channel of   */
                                     /* the caller's that breaks ends it     */
};

/* What went wrong first.  Owned by the session, valid until it is closed. */
struct xlm_error_info {
    int code;             /* enum xlm_error                                  */
    int sys_errno;        /* errno of the failed call, 0 if none             */
    enum xlm_state state; /* session state when it happened                 */
    const char *message;  /* one line, no newline, names the object at fault */
};

/* XLM_VERSION of the library in use, as opposed to the header. */
XLM_API unsigned xlm_version(void);

/* Fixed English text for a code; never NULL, also for unknown codes. */
XLM_API const char *xlm_strerror(int code);

/* Lower-case name of a state, as used in logs and JSON; never NULL. */
XLM_API const char *xlm_state_name(enum xlm_state state);

/*
 * Create a session in XLM_STATE_NEW.  opt is copied, strings included; NULL
 * means all defaults (destination only: a source needs opt->domid).
 *
 * Errors: INVAL (bad role, range or unknown option), NOMEM.
 */
XLM_API int xlm_session_open(enum xlm_role role, const struct xlm_options *opt,
                             struct xlm_session **session_out);

/*
 * Free everything, close the channels.  Never fails; NULL is allowed.  Not
 * while xlm_session_run() is in progress.
 */
XLM_API void xlm_session_close(struct xlm_session *s);

/*
 * Give the session one connected channel: bytes are read from rfd and written
 * to wfd, which may be the same descriptor.  The first call gives the control
 * channel, each further one a data channel; a source needs at least one of
 * each, unless .data says where else data channels come from; a destination
 * gets its data channels by xlm_channel_join() and over TCP.  On
 * success the session owns both descriptors, and makes them O_NONBLOCK; they
 * should be close-on-exec, since xl's own daemon outlives the session.
 *
 * Errors: STATE (not NEW), INVAL (bad descriptor or more than 64 channels).
 */
XLM_API int xlm_session_add_channel(struct xlm_session *s, int rfd, int wfd);

/*
 * Run the migration to its end; blocks.  Returns 0 when COMPLETED (or, with
 * XLM_F_DRY_RUN, when preflight found nothing that blocks), else the code of
 * the session's first error.  xlm_session_owner() then says who may run the
 * domain; a source domain that we suspended has been resumed if the owner is
 * the source.
 */
XLM_API int xlm_session_run(struct xlm_session *s);

/*
 * Ask the engine to stop; does not wait for it.  [any thread],
 * async-signal-safe.  Of this and the permission to start, what comes first
 * wins: after 0 the permission is never given.
 *
 * Errors: STATE (too late, the permission has been given; nothing was changed).
 */
XLM_API int xlm_session_cancel(struct xlm_session *s);

/*
 * Change a source that runs, or will.  [any thread], and they do not wait for
 * the effect: the engine looks several times a second.  xlm_session_stats()
 * has what holds now.
 *
 * The goal for the blackout, 0 for none, as .downtime_ms; by it the decision at
 * the end of the round in progress is taken.
 *
 * Errors: INVAL (not a source), STATE (it is suspended already, or it is over).
 */
XLM_API int xlm_session_set_downtime(struct xlm_session *s,
                                     uint32_t downtime_ms);

/*
 * The limit over all data channels, 0 for none, as .bandwidth_bytes_s; what
 * waits for its turn already waits by the new limit too.
 *
 * Errors: INVAL (not a source), STATE (it has the permission, or it is over).
 */
XLM_API int xlm_session_set_bandwidth(struct xlm_session *s,
                                      uint64_t bandwidth_bytes_s);

/*
 * Suspend the domain now and send what is left, however long that takes: no
 * goal and no decision counts any more.  The round in progress ends early, a
 * content scan in progress does not; where devices are built before the pause,
 * they are waited for.
 *
 * Errors: INVAL (not a source), STATE (memory is not being copied live yet, or
 * not any more).
 */
XLM_API int xlm_session_switch_now(struct xlm_session *s);

/* [any thread] */
XLM_API enum xlm_state xlm_session_state(const struct xlm_session *s);

/* Meaningful in every state.  [any thread] */
XLM_API enum xlm_owner xlm_session_owner(const struct xlm_session *s);

/* Destination: the new domain id, 0 until it exists.  [any thread] */
XLM_API uint32_t xlm_session_domid(const struct xlm_session *s);

/* Fill the first stats_out->size bytes.  [any thread]  Errors: INVAL. */
XLM_API int xlm_session_stats(struct xlm_session *s,
                              struct xlm_stats *stats_out);

/* The session's first error, or NULL if there is none.  [any thread] */
XLM_API const struct xlm_error_info *xlm_session_error(struct xlm_session *s);

/*
 * At the destination, a process started for one connection does not know yet
 * whether it carries control or data.  Reads the channel's greeting from rfd
 * (nothing beyond it) and, if it is a data channel, or the control channel of a
 * session that had lost it, hands both descriptors to the session it names, on
 * the same host, and waits until that session has closed them.
 *
 * Returns 1 if the channel was such a one and is finished, 0 if it is the
 * control channel of a new session: give the same descriptors, and
 * greeting_out, to a session by xlm_session_add_greeted_channel().
 *
 * Errors: CHANNEL, STREAM, VERSION, SYSTEM; message_out (of
 * XLM_MESSAGE_MAX bytes) says which in one line.
 */
#define XLM_GREETING_BYTES 96
#define XLM_MESSAGE_MAX    512
XLM_API int xlm_channel_join(int rfd, int wfd,
                             unsigned char greeting_out[XLM_GREETING_BYTES],
                             char message_out[XLM_MESSAGE_MAX]);

/* As xlm_session_add_channel(), for a channel already greeted. */
XLM_API int xlm_session_add_greeted_channel(
    struct xlm_session *s, int rfd, int wfd,
    const unsigned char greeting[XLM_GREETING_BYTES]);

/*
 * Watch over one source session from another process: read what the session
 * writes to its guard_fd until the other end closes, then, if it ended without
 * saying so, undo what it did: dirty logging off, name restored, and, unless
 * the permission to start was given, the domain resumed.  Blocks.
 *
 * *owner_out then says who may run the domain, also after a session that ended
 * well; message_out one line about what was done, "" when there was nothing to
 * do.  Returns 0, or the error that
 * kept it from undoing.
 */
XLM_API int xlm_guard(int fd, const struct xlm_options *opt,
                      enum xlm_owner *owner_out,
                      char message_out[XLM_MESSAGE_MAX]);

/*
 * Find a domain of this host by name, decimal id or uuid, in this order.
 * name_out gets its name.  message_out says why not, in one line.
 *
 * Errors: INVAL (no such domain, or dom0), HYPERVISOR, TOOLSTACK.
 */
#define XLM_NAME_MAX 256
XLM_API int xlm_domain_find(const char *name_id_or_uuid, uint32_t *domid_out,
                            char name_out[XLM_NAME_MAX],
                            char message_out[XLM_MESSAGE_MAX]);

/*
 * The uuid of a domain of this host, as text.  message_out as above.
 *
 * Errors: INVAL (no such domain), HYPERVISOR, TOOLSTACK.
 */
#define XLM_UUID_MAX 37 /* bytes, with the NUL */
XLM_API int xlm_domain_uuid(uint32_t domid, char uuid_out[XLM_UUID_MAX],
                            char message_out[XLM_MESSAGE_MAX]);

/*
 * Source, after a failure: 1 if the domain runs on here, but the xl daemon
 * that handled its reboot and shutdown has left because it was suspended:
 * start something that calls xlm_monitor().  [any thread]
 */
XLM_API int xlm_session_needs_monitor(const struct xlm_session *s);

/*
 * Be the domain's lifecycle monitor, as the daemon of "xl create" is: act on
 * its shutdown, reboot and crash as its configuration says.  Blocks until the
 * domain is gone.  *domid is updated when a reboot gives a new one.
 *
 * Errors: TOOLSTACK.
 */
XLM_API int xlm_monitor(uint32_t *domid, const struct xlm_options *opt,
                        char message_out[XLM_MESSAGE_MAX]);

/*
 * The journal: what this host wrote down of migrations, of either role, that
 * are under way or undecided; of domains that have moved away, until they come
 * back; and of some that are settled.
 */
enum xlm_journal_todo {
    XLM_JOURNAL_NOTHING = 0,
    XLM_JOURNAL_WAIT,    /* somebody works on it                            */
    XLM_JOURNAL_RECOVER, /* xlm_recover_open() and so on                    */
    XLM_JOURNAL_LOOK,    /* xlm_recover_answer() with .question             */
    XLM_JOURNAL_REPAIR,  /* the file is damaged, or of a newer xlm          */
};

struct xlm_journal_entry {
    size_t size; /* of this struct, as the library knows it */
    enum xlm_role role;
    enum xlm_journal_todo todo;
    enum xlm_owner owner; /* who may run the domain                     */
    int keeps;            /* it must not be started here                */
    int copy_gone;        /* from an earlier boot                       */
    uint32_t domid;       /* when it was here                           */
    uint64_t since_s;     /* CLOCK_REALTIME, of the phase               */
    const char *phase;    /* one word                                   */
    const char *uuid;
    const char *session;
    const char *name;
    const char *peer;     /* what the other host calls itself           */
    const char *host;     /* source: journal_host, "" if there was none */
    const char *ssh;      /* source: journal_ssh                        */
    const char *question; /* for LOOK, else ""                          */
    const char *path;     /* of the file                                */
};
typedef void xlm_journal_fn(void *user, const struct xlm_journal_entry *entry);

/*
 * Calls fn for each entry; its strings are valid until fn returns.  Needs no
 * Xen.  Blocks for disk reads.  Errors: SYSTEM, NOMEM.
 */
XLM_API int xlm_journal_read(xlm_journal_fn *fn, void *user,
                             char message_out[XLM_MESSAGE_MAX]);

/*
 * Removes entries that nobody needs any more, and what processes that were
 * killed have left in /run/xen.  Errors: SYSTEM, NOMEM, HYPERVISOR, TOOLSTACK.
 */
XLM_API int xlm_journal_tidy(const struct xlm_options *opt,
                             char message_out[XLM_MESSAGE_MAX]);

/*
 * The caller knows that a domain which moved away, given by name or uuid, runs
 * nowhere else: it may be started here.
 *
 * Errors: INVAL (no such entry), STATE (it has not moved away, or that is not
 * certain), BUSY, SYSTEM, HYPERVISOR, TOOLSTACK.
 */
XLM_API int xlm_journal_forget(const char *domain,
                               char message_out[XLM_MESSAGE_MAX]);

/*
 * After XLM_ERR_UNDECIDED or XLM_ERR_CLEANUP, or when source and guardian died:
 * the copy at the source, suspended or still running, held until somebody knows
 * what became of the domain.  One thread at a time.
 */
struct xlm_recover; /* opaque */

enum xlm_verdict {
    XLM_VERDICT_UNDECIDED = 0, /* nothing was changed                       */
    XLM_VERDICT_RESUMED,       /* it never ran there: it runs on here       */
    XLM_VERDICT_DESTROYED,     /* it is there: the copy here is destroyed   */
    XLM_VERDICT_ENDED,         /* it ran there and is gone: the copy here,  */
                               /* older than the disk, is destroyed         */
    XLM_VERDICT_RAN_ON,        /* it never stopped: what the migration had  */
                               /* changed of it for a while is undone       */
};

#define XLM_QUESTION_MAX 80  /* bytes, with the NUL */
#define XLM_ANSWER_MAX   512 /* bytes, with the NUL */

#define XLM_F_PEER_DEAD (1u << 7) /* xlm_recover_finish(): do not ask */

/*
 * Find the copy by name, with or without "--migratedaway", by id or uuid, and
 * lock it; or, by name or uuid, what the journal has of one that is gone.  A
 * domain that runs is one if its migration died while it was copied.  opt:
 * log, user, xl_path and XLM_F_DRY_RUN (for the question) count; NULL means all
 * defaults.
 *
 * Errors: INVAL (no such domain), STATE (a migration of this library has left
 * nothing of it to do, or it has moved), BUSY (a migration is in
 * progress), HYPERVISOR, TOOLSTACK, SYSTEM, NOMEM.
 */
XLM_API int xlm_recover_open(const char *domain, const struct xlm_options *opt,
                             struct xlm_recover **recover_out,
                             char message_out[XLM_MESSAGE_MAX]);

/* Gives up the lock; NULL is allowed. */
XLM_API void xlm_recover_close(struct xlm_recover *r);

/* Name before the migration, and the id, 0 if the copy is gone: this host went
 * down, or somebody destroyed it.  Valid until close. */
XLM_API const char *xlm_recover_name(const struct xlm_recover *r);
XLM_API uint32_t xlm_recover_domid(const struct xlm_recover *r);

/* journal_host and journal_ssh of its migration; host is "" if there was none.
 * Valid until close. */
XLM_API const char *xlm_recover_host(const struct xlm_recover *r);
XLM_API const char *xlm_recover_ssh(const struct xlm_recover *r);

/*
 * What has to be asked at the destination, by xlm_recover_answer() there:
 * letters, digits, '-' and '/'.  NULL: nothing, the outcome is known.  Valid
 * until close.  With XLM_F_DRY_RUN the answer changes nothing there.
 */
XLM_API const char *xlm_recover_question(const struct xlm_recover *r);

/*
 * At the destination: what became of the domain here, as one line for
 * xlm_recover_finish() at the source.  If the question says so, it first does
 * what a receiver that died had left to do, both decided by the permission it
 * had: start the domain that it held paused, or destroy what it never was to
 * start.
 *
 * Errors: INVAL (not a question), HYPERVISOR, TOOLSTACK, SYSTEM.
 */
XLM_API int xlm_recover_answer(const char *question,
                               const struct xlm_options *opt,
                               char answer_out[XLM_ANSWER_MAX],
                               char message_out[XLM_MESSAGE_MAX]);

/*
 * Decide, and do it: resume the copy under its old name, or destroy it; if it
 * is gone, RESUMED means that it may be started here afresh.  A domain that
 * was only being copied gets back its memory limit and its cap, and Xen's log
 * of what it writes is switched off (RAN_ON). answer: everything the
 * destination printed, NULL if it was not reached. flags: XLM_F_DRY_RUN (only
 * decide); XLM_F_PEER_DEAD (the caller knows that the other host cannot run it
 * any more: resume, unless it had taken it over).
 *
 * message_out: one line, why it is so, or what failed.  Returns 0 also if it
 * stays undecided.  After an error call it again.
 *
 * Errors: INVAL (unknown flag), STATE (it was stopped meanwhile), HYPERVISOR,
 * TOOLSTACK.
 */
XLM_API int xlm_recover_finish(struct xlm_recover *r, const char *answer,
                               uint32_t flags, enum xlm_verdict *verdict_out,
                               char message_out[XLM_MESSAGE_MAX]);

#ifdef __cplusplus
}
#endif

#endif /* LIBXLM_H */
