/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "util/bitmap.h"

/* Bits n%64 .. 63, and 0 .. n%64-1, of a word. */
#define FROM(n)  (~UINT64_C(0) << ((n) % 64))
#define BELOW(n) (~FROM(n))

uint64_t *xlm__bitmap_alloc(uint64_t nr_bits)
{
    if (nr_bits > (UINT64_C(1) << 48)) /* no guest has so many pages */
        return NULL;
    return calloc(nr_bits ? XLM__BITMAP_WORDS(nr_bits) : 1, sizeof(uint64_t));
}

/*
 * A range is a first word, whole words, and a last word:
 *
 *     first                        end
 *     ....XXXX XXXXXXXX XXXXXXXX XX......
 */
void xlm__bitmap_set_range(uint64_t *map, uint64_t first, uint64_t nr)
{
    const uint64_t end = first + nr;
    uint64_t w = first / 64;

    if (!nr)
        return;
    if (w == end / 64) {
        map[w] |= FROM(first) & BELOW(end);
        return;
    }
    map[w++] |= FROM(first);
    for (; w < end / 64; w++)
        map[w] = ~UINT64_C(0);
    if (end % 64)
        map[w] |= BELOW(end);
}

void xlm__bitmap_clear_range(uint64_t *map, uint64_t first, uint64_t nr)
{
    const uint64_t end = first + nr;
    uint64_t w = first / 64;

    if (!nr)
        return;
    if (w == end / 64) {
        map[w] &= ~(FROM(first) & BELOW(end));
        return;
    }
    map[w++] &= BELOW(first);
    for (; w < end / 64; w++)
        map[w] = 0;
    if (end % 64)
        map[w] &= FROM(end);
}

void xlm__bitmap_zero(uint64_t *map, uint64_t nr_bits)
{
    memset(map, 0, XLM__BITMAP_BYTES(nr_bits));
}

void xlm__bitmap_copy(uint64_t *dst, const uint64_t *src, uint64_t nr_bits)
{
    memcpy(dst, src, XLM__BITMAP_BYTES(nr_bits));
}

void xlm__bitmap_or(uint64_t *dst, const uint64_t *src, uint64_t nr_bits)
{
    for (uint64_t w = 0; w < XLM__BITMAP_WORDS(nr_bits); w++)
        dst[w] |= src[w];
}

void xlm__bitmap_and(uint64_t *dst, const uint64_t *src, uint64_t nr_bits)
{
    for (uint64_t w = 0; w < XLM__BITMAP_WORDS(nr_bits); w++)
        dst[w] &= src[w];
}

void xlm__bitmap_andnot(uint64_t *dst, const uint64_t *src, uint64_t nr_bits)
{
    for (uint64_t w = 0; w < XLM__BITMAP_WORDS(nr_bits); w++)
        dst[w] &= ~src[w];
}

void xlm__bitmap_or_andnot(uint64_t *dst, const uint64_t *a, const uint64_t *b,
                           uint64_t nr_bits)
{
    for (uint64_t w = 0; w < XLM__BITMAP_WORDS(nr_bits); w++)
        dst[w] |= a[w] & ~b[w];
}

uint64_t xlm__bitmap_count(const uint64_t *map, uint64_t nr_bits)
{
    uint64_t n = 0;

    for (uint64_t w = 0; w < XLM__BITMAP_WORDS(nr_bits); w++)
        n += (uint64_t)__builtin_popcountll(map[w]);
    return n;
}

bool xlm__bitmap_empty(const uint64_t *map, uint64_t nr_bits)
{
    return xlm__bitmap_next(map, nr_bits, 0) == nr_bits;
}

/* First bit at or after from whose value is not that of `flip` (0 or ~0). */
static uint64_t next(const uint64_t *map, uint64_t nr_bits, uint64_t from,
                     uint64_t flip)
{
    const uint64_t nr_words = XLM__BITMAP_WORDS(nr_bits);
    uint64_t w = from / 64, bits, at;

    if (from >= nr_bits)
        return nr_bits;
    bits = (map[w] ^ flip) & FROM(from);
    while (!bits && ++w < nr_words)
        bits = map[w] ^ flip;
    if (!bits)
        return nr_bits;
    at = w * 64 + (uint64_t)__builtin_ctzll(bits);
    return at < nr_bits ? at : nr_bits;
}

uint64_t xlm__bitmap_next(const uint64_t *map, uint64_t nr_bits, uint64_t from)
{
    return next(map, nr_bits, from, 0);
}

uint64_t xlm__bitmap_next_clear(const uint64_t *map, uint64_t nr_bits,
                                uint64_t from)
{
    return next(map, nr_bits, from, ~UINT64_C(0));
}

bool xlm__bitmap_all_set(const uint64_t *map, uint64_t first, uint64_t nr)
{
    return xlm__bitmap_next_clear(map, first + nr, first) == first + nr;
}

bool xlm__bitmap_all_clear(const uint64_t *map, uint64_t first, uint64_t nr)
{
    return xlm__bitmap_next(map, first + nr, first) == first + nr;
}

uint64_t xlm__bitmap_next_range(const uint64_t *map, uint64_t nr_bits,
                                uint64_t from, uint64_t *first_out)
{
    const uint64_t first = xlm__bitmap_next(map, nr_bits, from);

    if (first == nr_bits)
        return 0;
    *first_out = first;
    return xlm__bitmap_next_clear(map, nr_bits, first) - first;
}
