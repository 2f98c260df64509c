/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bitmaps over plain arrays of uint64_t, bit n = word n/64, bit n%64: the
 * layout of Xen's log-dirty bitmap on x86.
 *
 * A bitmap of nr_bits has XLM__BITMAP_WORDS(nr_bits) words.  Functions that
 * take nr_bits never read or write past the last of these words, and keep (and
 * expect) the bits at nr_bits and above clear.  Work is by the word: a hole
 * costs 1/64 of a visit.
 */
#ifndef XLM_UTIL_BITMAP_H
#define XLM_UTIL_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XLM__BITMAP_WORDS(nr_bits) (((uint64_t)(nr_bits) + 63) / 64)
#define XLM__BITMAP_BYTES(nr_bits) (XLM__BITMAP_WORDS(nr_bits) * 8)

/* All bits clear; NULL if there is no memory (or nr_bits is absurd).  Freed
 * by free().  Never NULL just because nr_bits is 0. */
uint64_t *xlm__bitmap_alloc(uint64_t nr_bits);

static inline bool xlm__bitmap_test(const uint64_t *map, uint64_t bit)
{
    return map[bit / 64] >> (bit % 64) & 1;
}

static inline void xlm__bitmap_set(uint64_t *map, uint64_t bit)
{
    map[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static inline void xlm__bitmap_clear(uint64_t *map, uint64_t bit)
{
    map[bit / 64] &= ~(UINT64_C(1) << (bit % 64));
}

/* These may race with each other; they order nothing else.  Both return what
 * the bit was before. */
static inline bool xlm__bitmap_atomic_set(uint64_t *map, uint64_t bit)
{
    const uint64_t mask = UINT64_C(1) << (bit % 64);

    return __atomic_fetch_or(&map[bit / 64], mask, __ATOMIC_RELAXED) & mask;
}

static inline bool xlm__bitmap_atomic_clear(uint64_t *map, uint64_t bit)
{
    const uint64_t mask = UINT64_C(1) << (bit % 64);

    return __atomic_fetch_and(&map[bit / 64], ~mask, __ATOMIC_RELAXED) & mask;
}

/* Bits first .. first+nr-1. */
void xlm__bitmap_set_range(uint64_t *map, uint64_t first, uint64_t nr);
void xlm__bitmap_clear_range(uint64_t *map, uint64_t first, uint64_t nr);

void xlm__bitmap_zero(uint64_t *map, uint64_t nr_bits);
void xlm__bitmap_copy(uint64_t *dst, const uint64_t *src, uint64_t nr_bits);
/* dst |= src; dst &= src; dst &= ~src */
void xlm__bitmap_or(uint64_t *dst, const uint64_t *src, uint64_t nr_bits);
void xlm__bitmap_and(uint64_t *dst, const uint64_t *src, uint64_t nr_bits);
void xlm__bitmap_andnot(uint64_t *dst, const uint64_t *src, uint64_t nr_bits);
/* dst |= a & ~b */
void xlm__bitmap_or_andnot(uint64_t *dst, const uint64_t *a, const uint64_t *b,
                           uint64_t nr_bits);

uint64_t xlm__bitmap_count(const uint64_t *map, uint64_t nr_bits);
bool xlm__bitmap_empty(const uint64_t *map, uint64_t nr_bits);
/* Are all of first .. first+nr-1 set (or clear)?  True for nr == 0. */
bool xlm__bitmap_all_set(const uint64_t *map, uint64_t first, uint64_t nr);
bool xlm__bitmap_all_clear(const uint64_t *map, uint64_t first, uint64_t nr);

/* First set (or clear) bit at or after from; nr_bits if there is none. */
uint64_t xlm__bitmap_next(const uint64_t *map, uint64_t nr_bits, uint64_t from);
uint64_t xlm__bitmap_next_clear(const uint64_t *map, uint64_t nr_bits,
                                uint64_t from);

/*
 * The first run of set bits at or after from: *first_out, and its length as
 * the result; 0 if there is none.  A run that from lies in begins at from.
 *
 *     for (uint64_t at = 0, n; (n = xlm__bitmap_next_range(m, nr, at, &at));
 *          at += n)
 */
uint64_t xlm__bitmap_next_range(const uint64_t *map, uint64_t nr_bits,
                                uint64_t from, uint64_t *first_out);

#endif /* XLM_UTIL_BITMAP_H */
