/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>

#include "fault_alloc.h"
#include "hv/hv.h"
#include "mem/pagehash.h"
#include "unit.h"

#define WORDS (XLM__PAGE_SIZE / 4)

typedef unsigned __int128 u128;

static struct xlm__errslot err;
static struct xlm__pagehash_key key;
static _Alignas(64) uint32_t page[WORDS];

/* ---- a slow one, from the text in pagehash.h ---- */

static u128 add_mod(u128 a, u128 b)
{
    const u128 prime = ((u128)1 << 127) - 1;

    return a >= prime - b ? a - (prime - b) : a + b;
}

/* Bit by bit: no product of ours is used. */
static u128 mul_mod(u128 a, uint64_t b)
{
    const u128 prime = ((u128)1 << 127) - 1;
    u128 sum = 0;

    a %= prime;
    for (; b; b >>= 1) {
        if (b & 1)
            sum = add_mod(sum, a);
        a = add_mod(a, a);
    }
    return sum;
}

static uint64_t slow_nh(unsigned run)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < WORDS; i += 2) {
        uint64_t a = (page[i] + (uint64_t)key.nh[i + 8 * run]) % (1ull << 32);
        uint64_t b = (page[i + 1] + (uint64_t)key.nh[i + 1 + 8 * run]) %
                     (1ull << 32);

        sum += a * b;
    }
    return sum;
}

static u128 weight(unsigned i)
{
    return ((u128)(key.weights[i].hi & ~(1ull << 63)) << 64) |
           key.weights[i].lo;
}

static struct xlm__hash slow(uint32_t type, bool has_page)
{
    u128 h = mul_mod(weight(XLM__NH_RUNS), type | (has_page ? 1ull << 32 : 0));

    for (unsigned run = 0; has_page && run < XLM__NH_RUNS; run++)
        h = add_mod(h, mul_mod(weight(run), slow_nh(run)));
    return (struct xlm__hash){ (uint64_t)h, (uint64_t)(h >> 64) | 1ull << 63 };
}

/* ---- */

static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static void fill(void *out, size_t bytes, uint64_t seed)
{
    unsigned char *at = out;

    while (bytes--)
        *at++ = (unsigned char)(next(&seed) >> 24);
}

static void make(uint64_t seed)
{
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    fill(&key, sizeof(key), seed);
    fill(page, sizeof(page), seed + 1);
}

/* Every implementation that this processor can run. */
static void each(void (*check)(const struct xlm__pagehash *h, const char *name))
{
    for (size_t nh = 0; nh < xlm__nh_count; nh++) {
        struct xlm__pagehash *h;

        if (!xlm__nh_table[nh].usable())
            continue;
        CU_ASSERT_EQUAL_FATAL(xlm__pagehash_new_with(&err, &key, nh, &h), 0);
        CU_ASSERT_EQUAL(xlm__pagehash_nh(h), nh);
        check(h, xlm__nh_table[nh].name);
        xlm__pagehash_free(h);
    }
    xlm__errslot_destroy(&err);
}

static bool same(const char *name, struct xlm__hash a, struct xlm__hash b)
{
    if (xlm__hash_same(a, b))
        return true;
    fprintf(stderr, "%s: %016llx%016llx, not %016llx%016llx\n", name,
            (unsigned long long)a.hi, (unsigned long long)a.lo,
            (unsigned long long)b.hi, (unsigned long long)b.lo);
    return false;
}

static void is_slow(const struct xlm__pagehash *h, const char *name)
{
    CU_ASSERT_TRUE(same(name, xlm__pagehash(h, 7, page), slow(7, true)));
    CU_ASSERT_TRUE(same(name, xlm__pagehash(h, 7, NULL), slow(7, false)));
}

static void test_pagehash_is_that_of_a_slow_reference(void)
{
    for (uint64_t seed = 1; seed < 200; seed++) {
        make(seed);
        each(is_slow);
    }
}

/* Sums and carries at their limits. */
static void test_pagehash_extreme_words_are_as_the_reference(void)
{
    static const unsigned char bytes[] = { 0, 1, 0x7f, 0x80, 0xff };

    for (size_t i = 0; i < sizeof(bytes); i++) {
        for (size_t k = 0; k < sizeof(bytes); k++) {
            make(1);
            memset(&key, bytes[k], sizeof(key));
            memset(page, bytes[i], sizeof(page));
            each(is_slow);
        }
    }
}

/* Calculated with Python's integers, from the text in pagehash.h. */
static void is_known(const struct xlm__pagehash *h, const char *name)
{
    static const struct xlm__hash known = { 0xcec5a7ba65ddda0cull,
                                            0x8e5e63dcd422848eull };

    CU_ASSERT_TRUE(same(name, xlm__pagehash(h, 0x90000000, page), known));
}

static void test_pagehash_known_answer(void)
{
    make(1);
    for (uint32_t i = 0; i < XLM__NH_KEY_WORDS; i++)
        key.nh[i] = (i + 1) * 2654435761u;
    for (uint32_t i = 0; i <= XLM__NH_RUNS; i++)
        key.weights[i] = (struct xlm__hash){
            .lo = (i + 1) * 0x9e3779b97f4a7c15ull,
            .hi = (i + 1) * 0xc2b2ae3d27d4eb4full,
        };
    for (uint32_t i = 0; i < WORDS; i++)
        page[i] = ~i * 40503u;
    each(is_known);
}

static void zero_is_zero(const struct xlm__pagehash *h, const char *name)
{
    memset(page, 0, sizeof(page));
    CU_ASSERT_TRUE(
        same(name, xlm__pagehash_zero(h, 3), xlm__pagehash(h, 3, page)));
    CU_ASSERT_FALSE(
        xlm__hash_same(xlm__pagehash_zero(h, 3), xlm__pagehash(h, 3, NULL)));
}

static void test_pagehash_of_zeros_needs_no_page(void)
{
    make(5);
    each(zero_is_zero);
}

static void finds_each_bit(const struct xlm__pagehash *h, const char *name)
{
    struct xlm__hash was = xlm__pagehash(h, 0, page);
    unsigned missed = 0;

    (void)name;
    for (unsigned bit = 0; bit < XLM__PAGE_SIZE * 8; bit++) {
        page[bit / 32] ^= 1u << bit % 32;
        missed += xlm__hash_same(was, xlm__pagehash(h, 0, page));
        page[bit / 32] ^= 1u << bit % 32;
    }
    CU_ASSERT_EQUAL(missed, 0);
    CU_ASSERT_TRUE(xlm__hash_same(was, xlm__pagehash(h, 0, page)));
}

static void test_pagehash_change_of_any_bit_is_found(void)
{
    make(11);
    each(finds_each_bit);
}

/* What a sum without keys would miss. */
static void finds_moves(const struct xlm__pagehash *h, const char *name)
{
    struct xlm__hash was = xlm__pagehash(h, 0, page);
    unsigned missed = 0;

    (void)name;
    for (unsigned i = 0; i + 1 < WORDS; i++) {
        uint32_t a = page[i], b = page[i + 1];

        page[i] = b;
        page[i + 1] = a;
        missed += xlm__hash_same(was, xlm__pagehash(h, 0, page));
        page[i] = a + 1;
        page[i + 1] = b - 1;
        missed += xlm__hash_same(was, xlm__pagehash(h, 0, page));
        page[i] = a;
        page[i + 1] = b;
    }
    CU_ASSERT_EQUAL(missed, 0);
}

static void test_pagehash_swapped_and_balanced_words_are_found(void)
{
    make(13);
    each(finds_moves);
}

static void type_counts(const struct xlm__pagehash *h, const char *name)
{
    (void)name;
    CU_ASSERT_FALSE(xlm__hash_same(xlm__pagehash(h, 0, page),
                                   xlm__pagehash(h, XLM__PT_LPINTAB, page)));
    CU_ASSERT_FALSE(xlm__hash_same(xlm__pagehash(h, XLM__PT_BROKEN, NULL),
                                   xlm__pagehash(h, XLM__PT_XALLOC, NULL)));
}

static void test_pagehash_type_is_part_of_it(void)
{
    make(17);
    each(type_counts);
}

static void is_never_zero(const struct xlm__pagehash *h, const char *name)
{
    (void)name;
    CU_ASSERT_TRUE(xlm__pagehash(h, 0, NULL).hi != 0);
}

static void test_pagehash_is_never_all_zero(void)
{
    make(1);
    memset(&key, 0, sizeof(key));
    each(is_never_zero);
}

static void test_pagehash_keys_differ(void)
{
    struct xlm__pagehash *a, *b;

    make(19);
    CU_ASSERT_EQUAL_FATAL(xlm__pagehash_new(&err, &a), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__pagehash_new(&err, &b), 0);
    CU_ASSERT_FALSE(
        xlm__hash_same(xlm__pagehash(a, 0, page), xlm__pagehash(b, 0, page)));
    CU_ASSERT_TRUE(
        xlm__hash_same(xlm__pagehash(a, 0, page), xlm__pagehash(a, 0, page)));
    CU_ASSERT_FALSE(
        xlm__hash_same(xlm__pagehash_zero(a, 0), xlm__pagehash_zero(b, 0)));
    xlm__pagehash_free(a);
    xlm__pagehash_free(b);
    xlm__errslot_destroy(&err);
}

static void test_pagehash_takes_the_first_usable_implementation(void)
{
    struct xlm__pagehash *h;

    make(23);
    CU_ASSERT_EQUAL_FATAL(xlm__pagehash_new(&err, &h), 0);
    CU_ASSERT_TRUE(xlm__nh_table[xlm__pagehash_nh(h)].usable());
    for (size_t i = 0; i < xlm__pagehash_nh(h); i++)
        CU_ASSERT_FALSE(xlm__nh_table[i].usable());
    xlm__pagehash_free(h);
    CU_ASSERT_TRUE(xlm__nh_table[xlm__nh_count - 1].usable());
    CU_ASSERT_EQUAL(strcmp(xlm__nh_table[xlm__nh_count - 1].name, "plain"), 0);
    xlm__errslot_destroy(&err);
}

static void test_pagehash_failing_allocation_is_told(void)
{
    struct xlm__pagehash *h = NULL;

    make(29);
    fault_alloc_at(1);
    CU_ASSERT_EQUAL(xlm__pagehash_new(&err, &h), XLM_ERR_NOMEM);
    CU_ASSERT_TRUE(fault_alloc_hit());
    CU_ASSERT_PTR_NULL(h);
    xlm__pagehash_free(h);
    xlm__errslot_destroy(&err);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_pagehash_is_that_of_a_slow_reference),
    UNIT_TEST(test_pagehash_extreme_words_are_as_the_reference),
    UNIT_TEST(test_pagehash_known_answer),
    UNIT_TEST(test_pagehash_of_zeros_needs_no_page),
    UNIT_TEST(test_pagehash_change_of_any_bit_is_found),
    UNIT_TEST(test_pagehash_swapped_and_balanced_words_are_found),
    UNIT_TEST(test_pagehash_type_is_part_of_it),
    UNIT_TEST(test_pagehash_is_never_all_zero),
    UNIT_TEST(test_pagehash_keys_differ),
    UNIT_TEST(test_pagehash_takes_the_first_usable_implementation),
    UNIT_TEST(test_pagehash_failing_allocation_is_told),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("pagehash", tests)
