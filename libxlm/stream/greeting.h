/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The 96 bytes with which each direction of a channel begins
 * (doc/stream-format.md section 3).  All but the last two are pure functions;
 * those that can fail write one line into why[XLM_MESSAGE_MAX].
 */
#ifndef XLM_STREAM_GREETING_H
#define XLM_STREAM_GREETING_H

#include <stdbool.h>

#include "chan/chan.h"
#include "stream/format.h"

struct xlm__greeting {
    uint16_t version_min, version_max;
    enum xlm__kind kind;
    enum xlm_role role;
    uint16_t index; /* of a data channel; 0 for control */
    uint64_t offered, required;
    uint8_t session[XLM__UUID_BYTES];
    uint8_t token[XLM__TOKEN_BYTES]; /* all zero in the answer */
    /* of a channel that comes back (sections 2.3, 2.4), else 0 */
    uint32_t attempt; /* which one, counted from 1 */
    uint32_t taken;   /* records of the other side that its sender took */
};

struct xlm__agreement {
    uint16_t version;
    uint64_t features; /* offered by both */
};

/* Fill g with what this library offers; session and token are zero. */
void xlm__greeting_init(struct xlm__greeting *g, enum xlm__kind kind,
                        enum xlm_role role, uint16_t index);

void xlm__greeting_encode(const struct xlm__greeting *g,
                          uint8_t out[XLM__GREETING_BYTES]);

/* Errors: STREAM (not a greeting, or a field out of range). */
int xlm__greeting_decode(const uint8_t in[XLM__GREETING_BYTES],
                         struct xlm__greeting *out, char *why);

/*
 * Do the two greetings of one channel go together, and on what?  Both ends
 * call it and come to the same answer.
 * Errors: VERSION (no common version; a required feature that the other does
 * not offer), STREAM (role, kind, index or session do not fit).
 */
int xlm__greeting_agree(const struct xlm__greeting *mine,
                        const struct xlm__greeting *theirs,
                        struct xlm__agreement *out, char *why);

/* Does this channel of the source's, of that kind, belong to that session?  In
 * constant time. */
bool xlm__greeting_may_join(const struct xlm__greeting *control,
                            const struct xlm__greeting *g, enum xlm__kind kind);

/*
 * Read exactly one greeting.  If the other side is not xlm, what it said
 * instead is quoted (up to 64 bytes).
 * Errors: as xlm__chan_read(), and STREAM, recorded in c->err.
 */
int xlm__greeting_read(struct xlm__chan *c, uint8_t out[XLM__GREETING_BYTES]);

/*
 * The whole exchange on a channel for which g is ours: the source sends first.
 * theirs_out may be NULL.  A destination that has already read the source's
 * greeting uses the functions above.
 */
int xlm__greeting_exchange(struct xlm__chan *c, const struct xlm__greeting *g,
                           struct xlm__greeting *theirs_out,
                           struct xlm__agreement *out);

#endif /* XLM_STREAM_GREETING_H */
