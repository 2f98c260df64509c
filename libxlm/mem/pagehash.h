/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A keyed hash of what travels of a page: its type and its 4096 bytes, to 16
 * bytes.  It tells whether a page has changed since it was sent.
 *
 *   page ──NH, 4 times, the key 32 bytes further on each time──> 4 x 64 bits
 *   type and these ──inner product with a key, mod 2^127 - 1───> 127 bits
 *
 * NH (J. Black, S. Halevi, H. Krawczyk, T. Krovetz, P. Rogaway, UMAC: Fast and
 * Secure Message Authentication, CRYPTO '99) sums products of 32-bit words of
 * message plus key; two different messages collide with probability 2^-32 at
 * most, for t runs with a key shifted by whole pairs of words 2^-32t (their
 * theorem on the Toeplitz construction): 2^-128 here.  Different inputs of the
 * inner product collide for one value of a key at most, which two of the 2^127
 * that we draw stand for: 2^-126.  In sum:
 *
 *   two different pages have the same hash with probability < 2^-125,
 *
 * whatever they contain, as long as they were chosen without knowledge of the
 * key.  That comes from getrandom(), is made for one migration, and is seen by
 * no guest (XLM_F_VERIFY: only the other host).  A migration compares as often
 * as it reads a page: a guest of 1 TiB (2^28 pages) in 1000 rounds (2^10) loses
 * a change with probability < 2^-87, one of 4 GiB in 30 rounds < 2^-100.
 */
#ifndef XLM_MEM_PAGEHASH_H
#define XLM_MEM_PAGEHASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define XLM__NH_RUNS 4u
/* Words of 32 bits: a page's, and what the shifted runs need beyond. */
#define XLM__NH_SHIFT_WORDS 8u
#define XLM__NH_KEY_WORDS   (1024u + (XLM__NH_RUNS - 1) * XLM__NH_SHIFT_WORDS)

/*
 * sums_out[t] = sum over pairs of words i, i + 1 of the page of
 * (page[i] + key[i + 8t]) * (page[i + 1] + key[i + 1 + 8t]), the sums in
 * brackets mod 2^32, all mod 2^64.  key and page are aligned to 32 bytes.
 */
typedef void xlm__nh_fn(const uint32_t *key, const void *page,
                        uint64_t sums_out[XLM__NH_RUNS]);

/* All do the same.  The last one is plain C. */
struct xlm__nh {
    const char *name;
    bool (*usable)(void); /* on this processor */
    xlm__nh_fn *sums;
};
extern const struct xlm__nh xlm__nh_table[];
extern const size_t xlm__nh_count;

/* Never all zero: that may stand for "no page". */
struct xlm__hash {
    uint64_t lo, hi;
};

/* What a key is made of; the two parts of a weight make 127 bits. */
struct xlm__pagehash_key {
    _Alignas(64) uint32_t nh[XLM__NH_KEY_WORDS];
    struct xlm__hash weights[XLM__NH_RUNS + 1];
};

struct xlm__pagehash; /* any number of threads may hash with it */

/* Errors: SYSTEM. */
int xlm__pagehash_draw(struct xlm__errslot *err, struct xlm__pagehash_key *out);
/* With a new key.  Errors: NOMEM, SYSTEM. */
int xlm__pagehash_new(struct xlm__errslot *err, struct xlm__pagehash **out);
/* With that key, as fast as this processor can.  Errors: NOMEM. */
int xlm__pagehash_new_keyed(struct xlm__errslot *err,
                            const struct xlm__pagehash_key *key,
                            struct xlm__pagehash **out);
/* With that key, and the entry of xlm__nh_table at index `nh`. */
int xlm__pagehash_new_with(struct xlm__errslot *err,
                           const struct xlm__pagehash_key *key, size_t nh,
                           struct xlm__pagehash **out);
void xlm__pagehash_free(struct xlm__pagehash *h);

/* Index into xlm__nh_table. */
size_t xlm__pagehash_nh(const struct xlm__pagehash *h);

/* page: 4096 bytes aligned to 32, or NULL if only the type travels. */
struct xlm__hash xlm__pagehash(const struct xlm__pagehash *h, uint32_t type,
                               const void *page);
/* As of a page of zeros, without reading one. */
struct xlm__hash xlm__pagehash_zero(const struct xlm__pagehash *h,
                                    uint32_t type);

static inline bool xlm__hash_same(struct xlm__hash a, struct xlm__hash b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

#endif /* XLM_MEM_PAGEHASH_H */
