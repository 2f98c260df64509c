/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which record may come now on the control channel: the state table of
 * doc/stream-format.md section 8 in code.
 *
 * Both ends follow the same table with what they send and what they receive;
 * the order is lock-step but for the cases named there.  Any thread.
 */
#ifndef XLM_STREAM_FLOW_H
#define XLM_STREAM_FLOW_H

#include <pthread.h>
#include <stdbool.h>

#include "stream/body.h"

/* clang-format off */
#define XLM__FLOW_MAP(X)                                                       \
    X(START)       /* nothing yet                                         */   \
    X(OFFERED)     /* the domain is named                                 */   \
    X(CONFIGURED)  /* static state may come                               */   \
    X(CHECKING)    /* destination looks                                   */   \
    X(CHECKED)     /* nothing blocks                                      */   \
    X(BLOCKED)     /* something blocks: only BYE or ABORT                 */   \
    X(BUILDING)    /* destination creates the domain                      */   \
    X(BUILT)       /* rest of the static state, first round               */   \
    X(ROUND)       /* pages flow                                          */   \
    X(ROUND_ENDED) /* waiting for ROUND_DONE                              */   \
    X(BETWEEN)     /* between two rounds                                  */   \
    X(FINAL)       /* last round's pages flow, the domain is suspended    */   \
    X(TAIL)        /* last round ended: state of vCPUs and devices        */   \
    X(TAIL_ENDED)  /* destination finishes                                */   \
    X(READY)       /* destination asks for the permission                 */   \
    X(PERMITTED)   /* the source may not run the domain any more          */   \
    X(COMMITTED)   /* the destination owns the domain                     */   \
    X(RUNNING)     /* it runs there                                       */   \
    X(NOT_RUNNING) /* it never ran there and is gone there                */   \
    X(ABORTING)    /* one side has given up                               */   \
    X(ABORTED)     /* nothing is left at the destination                  */   \
    X(CLOSING)     /* nothing was built: only BYE                         */   \
    X(DONE)        /* both have said BYE                                  */
/* clang-format on */

enum xlm__flow_state {
#define XLM__FLOW_ENUM(name) XLM__FLOW_##name,
    XLM__FLOW_MAP(XLM__FLOW_ENUM)
#undef XLM__FLOW_ENUM
};

struct xlm__flow_verify { /* section 6.2 */
    bool wanted, spared, asked, done;
    uint64_t nr_sums, got;
    uint64_t ask; /* what HASHES has to answer */
    uint32_t nr_asks;
};

struct xlm__flow {
    /* set once */
    struct xlm__errslot *err;
    enum xlm_role role; /* ours */
    /* under lock */
    pthread_mutex_t lock;
    enum xlm__flow_state state;
    bool bye_source, bye_destination;
    bool abort_sent, abort_received;
    bool gave_up; /* by our own ABORT or ABORTED, before the other's */
    bool round_done_due;
    uint32_t pings_due;
    uint32_t findings;
    bool blocking_finding;
    uint32_t round;
    struct xlm__round ended; /* what ROUND_DONE has to repeat */
    uint16_t xc_seen[16];    /* times each of flow.c's xc_rules came */
    bool xc_early[16];       /* ... came for PREBUILD                */
    bool offers_prebuild, may_prebuild, prebuild, prebuilt, p2m_again;
    bool sample; /* nothing is built */
    bool dry_run, port_wanted, xenstore_seen, gap_seen;
    struct xlm__flow_verify verify;
    uint64_t dm_total, dm_got;
    uint32_t domain_type;
    uint64_t nr_pfns;
};

int xlm__flow_init(struct xlm__flow *f, struct xlm__errslot *err,
                   enum xlm_role role);
void xlm__flow_destroy(struct xlm__flow *f);

const char *xlm__flow_name(enum xlm__flow_state state);
enum xlm__flow_state xlm__flow_state(struct xlm__flow *f);

/*
 * A record of a known type is about to be sent by us (sent), or was received.
 * After one side has given up, a received record may be one that was under
 * way: it is to be ignored, *ignore_out.
 *
 * Errors: received: STREAM.  sent: INTERNAL (our bug); and, not recorded
 * because somebody else has told why, PEER (the other side has given up) or
 * CANCELLED (we have).
 */
int xlm__flow_step(struct xlm__flow *f, bool sent, uint32_t type,
                   const union xlm__body *body, uint64_t offset,
                   bool *ignore_out);

/* flow_verify.c: as flow.c's conditions, for the records of section 6.2; NULL
 * is also what is not one of these. */
const char *xlm__flow_verify(struct xlm__flow *f, uint32_t type,
                             const union xlm__body *b);

/* What OFFER said, for the limits of the data channels; 0 and false before. */
void xlm__flow_domain(struct xlm__flow *f, uint64_t *nr_pfns_out, bool *pv_out);

#endif /* XLM_STREAM_FLOW_H */
