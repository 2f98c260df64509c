/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records over one channel, after the greeting.
 *
 *      chan (bytes) <── stream (records, order, limits) <── engine
 *
 * xlm__stream_read() gives a record whose every field has been checked:
 * header, CRC, sequence number, limits, and that it may come now.  One
 * reading thread; control records may be sent by several threads, data
 * records by one.
 */
#ifndef XLM_STREAM_RECORD_H
#define XLM_STREAM_RECORD_H

#include "chan/chan.h"
#include "stream/backlog.h"
#include "stream/body.h"
#include "stream/flow.h"

struct xlm__rec {
    uint32_t type;   /* enum xlm__rec_type: known types only           */
    uint32_t length; /* of the body                                    */
    uint64_t offset; /* in this direction of the channel, greeting = 0 */
    bool ignore;     /* was under way when one side said ABORT         */
    union xlm__body u;
};

/* Progress of a data channel within a round, one per direction. */
struct xlm__lane {
    uint32_t round;             /* 1 = first */
    uint64_t pages, zero_pages; /* of this round */
    bool final, closed;
};

struct xlm__stream {
    /* set once */
    struct xlm__errslot *err;
    struct xlm__chan *chan; /* borrowed */
    enum xlm_role role;     /* ours     */
    struct xlm__flow *flow; /* borrowed; NULL: a data channel */
    /* set once before the first data record; see xlm__stream_limits() */
    uint64_t nr_pfns;
    bool pv;
    uint64_t features; /* in use; see xlm__stream_features() */
    /* owned by the reading thread */
    uint32_t read_seq;
    uint64_t read_offset;
    uint64_t contents_left; /* bytes of page contents not read yet */
    uint8_t *buf;
    size_t buf_bytes;
    uint64_t *pfns; /* of the last PAGES or PACKED */
    uint32_t *types;
    struct xlm__lane read_lane;
    /* under write_lock */
    pthread_mutex_t write_lock;
    uint32_t write_seq;
    uint64_t write_offset;
    struct xlm__lane write_lane, written_lane; /* the latter without what was */
                                               /* cut off */
    bool write_cut; /* the last record went out in part only */
    /* a control channel that may have another connection */
    struct xlm__backlog backlog;
    bool may_return;
    bool away; /* there is none now: records are only kept */
    /* data channels: header and list of PAGES, and where its contents are;
     * owned by the one thread that reads or writes */
    uint8_t *list;
    struct iovec *iov;
};

/* The greetings have been exchanged.  Errors: NOMEM, SYSTEM. */
int xlm__stream_init_control(struct xlm__stream *s, struct xlm__chan *chan,
                             enum xlm_role role, struct xlm__flow *flow);
int xlm__stream_init_data(struct xlm__stream *s, struct xlm__chan *chan,
                          enum xlm_role role);
/* Does not close the channel.  Safe on a zeroed stream. */
void xlm__stream_fini(struct xlm__stream *s);

/* How far the source's direction of a data channel has come. */
struct xlm__point {
    uint32_t seq;
    struct xlm__lane lane;
};
/* Before the next record is read or sent. */
void xlm__stream_point(const struct xlm__stream *s, struct xlm__point *out);
/* The data channel has another connection: the source's direction goes on from
 * there, the other one begins anew. */
void xlm__stream_resume(struct xlm__stream *s, const struct xlm__point *from);

/* A control channel may have another connection, section 2.4.  keep(): what is
 * sent is kept, from the first record on.  Errors: NOMEM. */
int xlm__stream_keep(struct xlm__stream *s);
/*
 * From now on the end of its connection is no failure, and its error goes to
 * `aside`; *s takes records to be sent, and keeps them, and reading gives
 * CHANNEL, until it is back.  leave_fd: as of chan.h.  By the reading thread,
 * as are the following.
 */
void xlm__stream_may_return(struct xlm__stream *s, struct xlm__errslot *aside,
                            int leave_fd);
/* ... and now it is again. */
void xlm__stream_no_return(struct xlm__stream *s);
bool xlm__stream_is_away(struct xlm__stream *s);
/* What is there now is of no use any more. */
void xlm__stream_leave(struct xlm__stream *s);
/*
 * It is back, as *fresh, which is taken on success, or if it breaks already;
 * the old one is closed.  `answer`, of a greeting's length, or NULL, goes
 * first, and then what the other side has not taken. Errors, in the slot of
 * *fresh: STREAM (it cannot have taken that many, or not enough of the rest was
 * kept), CHANNEL.
 */
int xlm__stream_come_back(struct xlm__stream *s, struct xlm__chan *fresh,
                          const uint8_t *answer, uint32_t taken);

/* A data channel: what OFFER said.  Before the first record. */
void xlm__stream_limits(struct xlm__stream *s, uint64_t nr_pfns, bool pv);
/* What both greetings offered.  Before the first record. */
void xlm__stream_features(struct xlm__stream *s, uint64_t features);

/*
 * The next record; unknown optional ones are checked and skipped.  Pointers in
 * it are valid until the next call.  After PAGES the contents have to be read
 * (or skipped) before the next record.
 * Errors: STREAM, NOMEM, and those of chan/chan.h.
 */
int xlm__stream_read(struct xlm__stream *s, struct xlm__rec *out);

/* The contents of the PAGES record rec, in order of its list: pages[i] is NULL
 * where entry i has none, as mem/sink.h's begin() gives them. */
int xlm__stream_read_contents(struct xlm__stream *s, const struct xlm__rec *rec,
                              void *const *pages);
int xlm__stream_skip_contents(struct xlm__stream *s,
                              const struct xlm__rec *rec);

/*
 * Sending.  Each checks what it is given as a reader would.
 * Errors: INVAL (a value the format cannot carry: named), INTERNAL (not now),
 * PEER or CANCELLED (not recorded: see flow.h), NOMEM, chan/chan.h's.
 */
/* CHECK TAIL_END READY PERMIT COMMIT BYE ABORTED CLOSE */
int xlm__send_empty(struct xlm__stream *s, enum xlm__rec_type type);
int xlm__send_offer(struct xlm__stream *s, const struct xlm__offer *o);
int xlm__send_config(struct xlm__stream *s, const char *json);
/* Strings that are too long are cut, control characters become '?'. */
int xlm__send_finding(struct xlm__stream *s, const struct xlm_finding *f);
int xlm__send_checked(struct xlm__stream *s, const struct xlm__checked *c);
int xlm__send_build(struct xlm__stream *s, const struct xlm__build *b);
int xlm__send_built(struct xlm__stream *s, const struct xlm__built *b);
int xlm__send_state(struct xlm__stream *s, uint32_t xc_type, const void *data,
                    size_t bytes);
/* ROUND_BEGIN ROUND_END ROUND_DONE */
int xlm__send_round(struct xlm__stream *s, enum xlm__rec_type type,
                    const struct xlm__round *r);
/* Ascending, not overlapping; any number: split into records. */
int xlm__send_release(struct xlm__stream *s, size_t nr,
                      const struct xlm__extent *extents);
/* The whole state of the device model: split into records. */
int xlm__send_dm_state(struct xlm__stream *s, const void *data, size_t bytes);

struct xlm__node_ref { /* see toolstack.h's struct xlm__xsnode */
    const char *path, *perms;
    const void *value;
    size_t value_bytes;
};
int xlm__send_xenstore(struct xlm__stream *s, size_t nr,
                       const struct xlm__node_ref *nodes);
/* Section 6.2. */
int xlm__send_verify(struct xlm__stream *s,
                     const uint8_t keys[XLM__VERIFY_BYTES]);
/* .first and .type of each count: see xlm__spared_at(). */
int xlm__send_spared(struct xlm__stream *s, size_t nr,
                     const struct xlm__extent *pages);
/* All sums of the domain: split into records. */
int xlm__send_sums(struct xlm__stream *s, size_t nr,
                   const struct xlm__wire_hash *sums);
int xlm__send_ask(struct xlm__stream *s, uint64_t sum);
int xlm__send_hashes(struct xlm__stream *s, uint64_t sum,
                     const struct xlm__wire_hash hashes[XLM__SUM_HASHES]);
int xlm__send_verified(struct xlm__stream *s, const struct xlm__verified *v);
int xlm__send_running(struct xlm__stream *s, const struct xlm__running *r);
/* Texts: as xlm__send_finding(). */
int xlm__send_not_running(struct xlm__stream *s, const char *text);
int xlm__send_abort(struct xlm__stream *s, int code, const char *text);
int xlm__send_ping(struct xlm__stream *s, uint64_t t1);
int xlm__send_pong(struct xlm__stream *s, const struct xlm__clock *c);
int xlm__send_prebuild(struct xlm__stream *s,
                       const struct xlm__prebuild_rec *p);
int xlm__send_guest_gap(struct xlm__stream *s, uint64_t gap_us);

/* Data channels.  The round is counted here: MARK ends it.  pages[i] is NULL
 * for types without contents; types are XEN_DOMCTL_PFINFO_*.  One writev. */
struct xlm__pages_out {
    size_t nr; /* 1..XLM__PAGES_MAX, ascending */
    const uint64_t *pfns;
    const uint32_t *types;
    const void *const *pages;
};
int xlm__send_pages(struct xlm__stream *s, const struct xlm__pages_out *p);

/* The contents of nr pages, packed as one.  There is room before data for what
 * goes in front (XLM__PACKED_FRONT bytes) and behind it (XLM__PACKED_BEHIND),
 * which are written to. */
#define XLM__PACKED_FRONT                                                      \
    (XLM__HEADER_BYTES + sizeof(struct xlm__wire_packed) + 8 * XLM__PACKED_MAX)
#define XLM__PACKED_BEHIND XLM__ALIGN
struct xlm__packed_out {
    size_t nr; /* 1..XLM__PACKED_MAX, ascending */
    const uint64_t *pfns;
    const uint32_t *types;
    uint32_t codec;
    uint8_t *data;
    size_t bytes;
};
int xlm__send_packed(struct xlm__stream *s, const struct xlm__packed_out *p);
int xlm__send_zeros(struct xlm__stream *s, size_t nr,
                    const struct xlm__extent *extents);
/* What this channel sent in the round is added to *total (may be NULL). */
int xlm__send_mark(struct xlm__stream *s, bool final, struct xlm__round *total);
/* By the destination: so many of the source's records were taken. */
int xlm__send_taken(struct xlm__stream *s, uint32_t count);

#endif /* XLM_STREAM_RECORD_H */
