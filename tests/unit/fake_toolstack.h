/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A toolstack for tests: one host's view of one domain, in memory.
 *
 * It keeps the order of calls, fails the call it is told to fail, may take its
 * time, and holds the domain to the rules: what a right engine never does
 * (resume what is not suspended, destroy what runs, two restores at once, a
 * record after the end) is counted in `wrong` and told in `wrong_text`.
 *
 * With `hv` set, the domain of that fake hypervisor follows: suspended,
 * resumed, created, unpaused, destroyed.
 */
#ifndef XLM_TESTS_FAKE_TOOLSTACK_H
#define XLM_TESTS_FAKE_TOOLSTACK_H

#include <pthread.h>
#include <stdatomic.h>

#include "fake_hv.h"
#include "toolstack/toolstack.h"

#define FAKE_TS_TRACE_BYTES 4096

struct fake_record {
    uint32_t type;
    void *body;
    size_t bytes;
};

enum fake_dst { /* how far the restore has come */
                FAKE_DST_NONE,
                FAKE_DST_BUILT,
                FAKE_DST_READY,
                FAKE_DST_NAMED,
                FAKE_DST_ABORTED,
};

struct fake_toolstack {
    struct xlm__toolstack base; /* must be first */
    pthread_mutex_t lock;
    struct fake_hv *hv; /* borrowed, may be NULL */
    /* the other host's: one device model of both has the disks' images */
    struct fake_toolstack *peer; /* borrowed, may be NULL */

    /* --- what happened --- */
    unsigned calls;                  /* of ops, close excepted */
    char trace[FAKE_TS_TRACE_BYTES]; /* "config_get lock suspend ..." */
    unsigned wrong;
    char wrong_text[128];
    bool waited_for_images; /* resume: the peer's device model had them */
    uint64_t resumed_ns;

    /* --- faults a test may set --- */
    unsigned fail_call;  /* op number that fails (1 = the next), 0: none */
    const char *fail_op; /* op of this name fails, every time            */
    int fail_code;       /* 0: TOOLSTACK                                 */
    const char *slow_op; /* op of this name takes slow_ms ("*": each)    */
    unsigned slow_ms;
    void (*on_op)(void *user, const char *op); /* begins; on its thread */
    void *on_op_user;

    /* --- the source's domain --- */
    uint32_t domid;
    char name[64];
    unsigned char uuid[16];
    enum xlm__domain_type type;
    bool exists, suspended, locked, dm_logdirty;
    bool held_by_others;      /* the lock is */
    bool monitored;           /* until it suspends, as with xl 4.17 */
    bool may_suspend_later;   /* what a failing suspend says        */
    const char *changed;      /* what config_diff finds; NULL: nothing */
    uint64_t stamp;           /* of the configuration                  */
    const char *blocker;      /* code of a finding of either check     */
    struct xlm__blob dm;      /* what dm_state copies                  */
    const char *xs_path;      /* one xenstore entry, NULL: none        */
    bool no_rings;            /* of a PV domain, in xenstore           */
    struct xlm__mark mark[4]; /* [enum xlm__mark_kind], valid if marked  */
    bool marked[4];

    /* --- the destination's --- */
    enum fake_dst dst;
    uint32_t new_domid; /* what restore_begin gives; 0: 7 */
    uint32_t flags, source_xen_version;
    struct fake_record *records;
    size_t nr_records;
    size_t dm_bytes, nr_xsnodes;
    const char *no_prebuild; /* why; NULL: it may be */
    bool xl_died;            /* what restore_check() finds */
    bool dm_held;            /* its device model waits     */
    atomic_bool has_images;  /* it does not, and has its disks' images */
    bool go_fails_cleanly;   /* restore_go: *running_out false, return 0 */
    uint64_t gap_us;
    uint32_t gap_wait_ms; /* how long it waits for the guest's word        */
    bool gap_waited;      /* so long, without the source's goodbye         */
};

/* The domain exists and runs; name "guest". */
void fake_toolstack_init(struct fake_toolstack *t, struct xlm__errslot *err,
                         enum xlm__domain_type type);
/* Also what close() does. */
void fake_toolstack_free(struct fake_toolstack *t);

/* How often an op was called. */
unsigned fake_toolstack_count(struct fake_toolstack *t, const char *op);
/* Were both called, the first call of `a` before the first of `b`? */
bool fake_toolstack_before(struct fake_toolstack *t, const char *a,
                           const char *b);

#endif /* XLM_TESTS_FAKE_TOOLSTACK_H */
