/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arithmetic on numbers that somebody else chose. */
#ifndef XLM_UTIL_OVERFLOW_H
#define XLM_UTIL_OVERFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if the result fits; *out is not touched otherwise. */
static inline bool xlm__add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

static inline bool xlm__mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t product;

    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

static inline bool xlm__add_size(size_t a, size_t b, size_t *out)
{
    size_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

static inline bool xlm__mul_size(size_t a, size_t b, size_t *out)
{
    size_t product;

    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

/* Does first .. first+nr-1 lie within 0 .. limit-1? */
static inline bool xlm__range_within(uint64_t first, uint64_t nr,
                                     uint64_t limit)
{
    return first <= limit && nr <= limit - first;
}

#endif /* XLM_UTIL_OVERFLOW_H */
