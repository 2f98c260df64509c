/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "hv/hv.h"
#include "mem/pagehash.h"

#define XLM_MODULE "mem"

typedef unsigned __int128 u128;

/* The field that weights and hashes are of. */
static const u128 prime = ((u128)1 << 127) - 1;
/* Keeps "only a type" and "a type and a page" apart. */
#define HAS_PAGE (UINT64_C(1) << 32)
/* Hashes have 127 bits; with the last one set none is all zero. */
#define IS_HASH (UINT64_C(1) << 63)

struct xlm__pagehash {
    struct xlm__pagehash_key key;
    size_t nh;
    uint64_t zero_sums[XLM__NH_RUNS];
};

/* x mod prime, as 2^127 mod prime is 1. */
static u128 reduce(u128 x)
{
    x = (x & prime) + (x >> 127);
    return x >= prime ? x - prime : x;
}

/* acc + weight * x, all mod prime. */
static u128 add_product(u128 acc, const struct xlm__hash *weight, uint64_t x)
{
    u128 low = (u128)weight->lo * x;
    u128 high = (u128)weight->hi * x; /* times 2^64; under 2^127 */

    acc = reduce(acc + reduce(low));
    acc = reduce(acc + ((high & (prime >> 64)) << 64));
    return reduce(acc + (high >> 63));
}

static struct xlm__hash finish(const struct xlm__pagehash *h, uint64_t tag,
                               const uint64_t sums[XLM__NH_RUNS])
{
    u128 acc = add_product(0, &h->key.weights[XLM__NH_RUNS], tag);

    for (unsigned t = 0; t < XLM__NH_RUNS; t++)
        acc = add_product(acc, &h->key.weights[t], sums[t]);
    return (struct xlm__hash){ .lo = (uint64_t)acc,
                               .hi = (uint64_t)(acc >> 64) | IS_HASH };
}

struct xlm__hash xlm__pagehash(const struct xlm__pagehash *h, uint32_t type,
                               const void *page)
{
    uint64_t sums[XLM__NH_RUNS] = { 0 };

    if (!page)
        return finish(h, type, sums);
    xlm__nh_table[h->nh].sums(h->key.nh, page, sums);
    return finish(h, type | HAS_PAGE, sums);
}

struct xlm__hash xlm__pagehash_zero(const struct xlm__pagehash *h,
                                    uint32_t type)
{
    return finish(h, type | HAS_PAGE, h->zero_sums);
}

size_t xlm__pagehash_nh(const struct xlm__pagehash *h)
{
    return h->nh;
}

int xlm__pagehash_new_with(struct xlm__errslot *err,
                           const struct xlm__pagehash_key *key, size_t nh,
                           struct xlm__pagehash **out)
{
    static const _Alignas(64) unsigned char zeros[XLM__PAGE_SIZE];
    struct xlm__pagehash *h = aligned_alloc(_Alignof(struct xlm__pagehash),
                                            sizeof(*h));

    if (!h)
        return XLM_FAIL(err, XLM_ERR_NOMEM, "key of the page hash");
    h->key = *key;
    for (unsigned t = 0; t <= XLM__NH_RUNS; t++)
        h->key.weights[t].hi &= ~IS_HASH;
    h->nh = nh;
    xlm__nh_table[nh].sums(h->key.nh, zeros, h->zero_sums);
    *out = h;
    return 0;
}

int xlm__pagehash_draw(struct xlm__errslot *err, struct xlm__pagehash_key *out)
{
    unsigned char *at = (unsigned char *)out;
    size_t bytes = sizeof(*out);

    while (bytes) {
        ssize_t n = getrandom(at, bytes, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "key of the page hash");
        at += n;
        bytes -= (size_t)n;
    }
    return 0;
}

int xlm__pagehash_new_keyed(struct xlm__errslot *err,
                            const struct xlm__pagehash_key *key,
                            struct xlm__pagehash **out)
{
    size_t nh = 0;

    while (!xlm__nh_table[nh].usable())
        nh++;
    return xlm__pagehash_new_with(err, key, nh, out);
}

int xlm__pagehash_new(struct xlm__errslot *err, struct xlm__pagehash **out)
{
    struct xlm__pagehash_key key;
    int rc = xlm__pagehash_draw(err, &key);

    if (!rc)
        rc = xlm__pagehash_new_keyed(err, &key, out);
    explicit_bzero(&key, sizeof(key));
    return rc;
}

void xlm__pagehash_free(struct xlm__pagehash *h)
{
    if (h)
        explicit_bzero(h, sizeof(*h));
    free(h);
}
