/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which encoding the next pages of a channel get.  Pure arithmetic: no clock,
 * no state but the struct, so that every case can be tested.
 *
 * Two models, and the second has the last word:
 *  - forecast: encoding costs e ns a byte and leaves a share r of it; a byte
 *    sent plainly takes w ns (wire, peer, bandwidth limit).  Then a byte takes
 *    e + r w.  e and r come from samples that are encoded but not sent, and
 *    from what was sent; w from what was sent plainly.  e is processor time: a
 *    sample is short, and may have been interrupted for longer than it took.
 *  - experience: what a byte really took since this encoding is in use.  If
 *    that is no better than w, the forecast was wrong (the peer may be the
 *    slow one), and the encoding is barred for a while.
 *
 *      plain ──(forecast 10 % better)──> encoding ──(barred, or forecast
 *        ^                                  │         10 % worse)──> other
 *        └────── now and then: is w still true? ──────┘
 */
#ifndef XLM_ENGINE_CHOICE_H
#define XLM_ENGINE_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

struct xlm__method {
    const char *name;
    uint32_t codec; /* 0: plain */
    int level;
};
#define XLM__METHODS 5u /* [0] is plain */
extern const struct xlm__method xlm__methods[XLM__METHODS];

/* Something per byte, of about the last few MiB. */
struct xlm__rate {
    double sum, bytes;
};

struct xlm__choice_of {
    bool usable;
    struct xlm__rate encode_ns; /* of a raw byte                         */
    struct xlm__rate share;     /* packed bytes of a raw one             */
    struct xlm__rate seen_ns;   /* of a raw byte, since it is in use     */
    uint64_t barred_until;      /* in bytes sent                         */
    unsigned failures;          /* how often that happened               */
};

struct xlm__choice {
    unsigned now; /* index into xlm__methods                             */
    struct xlm__rate plain_ns;
    bool stale; /* plain_ns is assumed, or of before something else was  */
                /* in use: measured anew as soon as possible             */
    struct xlm__choice_of of[XLM__METHODS];
    uint64_t bytes;       /* raw, sent so far                            */
    uint64_t since;       /* raw, since `now` changed                    */
    double spent_ns;      /* on all of it                                */
    double sampled_ns;    /* on samples that were thrown away            */
    uint64_t next_sample; /* in bytes sent                               */
    uint64_t interval;    /* between samples                             */
    unsigned last_sample; /* method                                      */
};

/* Bits of `codecs`: 1 << number of a codec that the peer unpacks.
 * limit_ns: what a byte takes at least, by a bandwidth limit; 0 none. */
void xlm__choice_init(struct xlm__choice *c, uint32_t codecs, double limit_ns);

/* The method to try on a sample of what is sent next, 0: none now.  To be
 * asked until it says so. */
unsigned xlm__choice_sample(const struct xlm__choice *c);
/* May change c->now. */
void xlm__choice_sampled(struct xlm__choice *c, unsigned method,
                         uint64_t raw_bytes, uint64_t packed_bytes,
                         uint64_t ns);

/* What became of pages that were sent by method `now`. */
struct xlm__choice_sent {
    uint64_t raw_bytes;
    uint64_t packed_bytes; /* raw_bytes if they did not shrink           */
    uint64_t encode_ns;    /* of processor time */
    uint64_t total_ns;     /* encoding, bandwidth limit, sending             */
};
/* May change c->now. */
void xlm__choice_sent(struct xlm__choice *c, const struct xlm__choice_sent *s);

/* Is the way so slow that a page may be compared with what was sent of it, for
 * the chance that few words have to go? */
bool xlm__choice_is_slow(const struct xlm__choice *c);

#endif /* XLM_ENGINE_CHOICE_H */
