/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <pthread.h>
#include <stdlib.h>

#include "unit.h"
#include "util/bitmap.h"

#define BITS  200u
#define WORDS XLM__BITMAP_WORDS(BITS)

/* What a bitmap should be, one bool a bit: slow and plainly right. */
static bool model[BITS];

static void model_to_map(uint64_t *map)
{
    xlm__bitmap_zero(map, BITS);
    for (unsigned i = 0; i < BITS; i++)
        if (model[i])
            xlm__bitmap_set(map, i);
}

static bool same(const uint64_t *map)
{
    for (unsigned i = 0; i < BITS; i++)
        if (xlm__bitmap_test(map, i) != model[i])
            return false;
    return !(map[WORDS - 1] >> BITS % 64); /* the bits past the end stay 0 */
}

/* A fixed seed: every run looks at the same patterns. */
static void model_random(unsigned *seed, unsigned one_in)
{
    for (unsigned i = 0; i < BITS; i++)
        model[i] = rand_r(seed) % one_in == 0;
}

static void test_bitmap_alloc_is_clear(void)
{
    uint64_t *map = xlm__bitmap_alloc(BITS);

    CU_ASSERT_PTR_NOT_NULL_FATAL(map);
    CU_ASSERT(xlm__bitmap_empty(map, BITS));
    free(map);
}

static void test_bitmap_alloc_of_no_bits_is_not_null(void)
{
    uint64_t *map = xlm__bitmap_alloc(0);

    CU_ASSERT_PTR_NOT_NULL(map);
    CU_ASSERT(xlm__bitmap_empty(map, 0));
    CU_ASSERT_EQUAL(xlm__bitmap_count(map, 0), 0);
    free(map);
}

static void test_bitmap_alloc_of_absurd_size_is_null(void)
{
    CU_ASSERT_PTR_NULL(xlm__bitmap_alloc(UINT64_MAX));
    CU_ASSERT_PTR_NULL(xlm__bitmap_alloc((UINT64_C(1) << 48) + 1));
}

static void test_bitmap_words_round_up(void)
{
    CU_ASSERT_EQUAL(XLM__BITMAP_WORDS(0), 0);
    CU_ASSERT_EQUAL(XLM__BITMAP_WORDS(1), 1);
    CU_ASSERT_EQUAL(XLM__BITMAP_WORDS(64), 1);
    CU_ASSERT_EQUAL(XLM__BITMAP_WORDS(65), 2);
    CU_ASSERT_EQUAL(XLM__BITMAP_BYTES(65), 16);
}

static void test_bitmap_single_bits_at_word_edges(void)
{
    static const uint64_t at[] = { 0, 1, 62, 63, 64, 65, 127, 128, 199 };
    uint64_t map[WORDS] = { 0 };

    for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        xlm__bitmap_set(map, at[i]);
        CU_ASSERT(xlm__bitmap_test(map, at[i]));
        CU_ASSERT_EQUAL(xlm__bitmap_count(map, BITS), 1);
        CU_ASSERT_EQUAL(xlm__bitmap_next(map, BITS, 0), at[i]);
        xlm__bitmap_clear(map, at[i]);
        CU_ASSERT(xlm__bitmap_empty(map, BITS));
    }
}

static void test_bitmap_atomic_tells_what_was_there(void)
{
    uint64_t map[WORDS] = { 0 };

    CU_ASSERT_FALSE(xlm__bitmap_atomic_set(map, 130));
    CU_ASSERT_TRUE(xlm__bitmap_atomic_set(map, 130));
    CU_ASSERT_TRUE(xlm__bitmap_atomic_clear(map, 130));
    CU_ASSERT_FALSE(xlm__bitmap_atomic_clear(map, 130));
    CU_ASSERT(xlm__bitmap_empty(map, BITS));
}

struct bumper {
    uint64_t *map;
    unsigned first;
};

static void *set_every_second(void *arg)
{
    const struct bumper *b = arg;

    for (unsigned i = b->first; i < BITS; i += 2)
        xlm__bitmap_atomic_set(b->map, i);
    return NULL;
}

static void test_bitmap_atomic_set_by_two_threads_loses_none(void)
{
    uint64_t map[WORDS] = { 0 };
    struct bumper odd = { map, 1 }, even = { map, 0 };
    pthread_t thread;

    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, set_every_second, &odd),
                          0);
    set_every_second(&even);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(xlm__bitmap_count(map, BITS), BITS);
}

/* Every range of a bitmap, on a full and on an empty one. */
static void test_bitmap_every_range_is_set_and_nothing_else(void)
{
    uint64_t map[WORDS];
    bool ok = true;

    for (unsigned first = 0; first <= BITS; first++)
        for (unsigned nr = 0; nr <= BITS - first; nr++) {
            for (unsigned i = 0; i < BITS; i++)
                model[i] = i >= first && i < first + nr;
            xlm__bitmap_zero(map, BITS);
            xlm__bitmap_set_range(map, first, nr);
            ok = ok && same(map) && xlm__bitmap_all_set(map, first, nr);
        }
    CU_ASSERT(ok);
}

static void test_bitmap_every_range_is_cleared_and_nothing_else(void)
{
    uint64_t map[WORDS];
    bool ok = true;

    for (unsigned first = 0; first <= BITS; first++)
        for (unsigned nr = 0; nr <= BITS - first; nr++) {
            for (unsigned i = 0; i < BITS; i++)
                model[i] = i < first || i >= first + nr;
            xlm__bitmap_zero(map, BITS);
            xlm__bitmap_set_range(map, 0, BITS);
            xlm__bitmap_clear_range(map, first, nr);
            ok = ok && same(map) && xlm__bitmap_all_clear(map, first, nr);
        }
    CU_ASSERT(ok);
}

static void test_bitmap_range_does_not_touch_the_word_after(void)
{
    uint64_t map[2] = { 0, 0 };

    xlm__bitmap_set_range(map, 0, 64);
    CU_ASSERT_EQUAL(map[0], UINT64_MAX);
    CU_ASSERT_EQUAL(map[1], 0);
    map[1] = 7;
    xlm__bitmap_clear_range(map, 0, 64);
    CU_ASSERT_EQUAL(map[0], 0);
    CU_ASSERT_EQUAL(map[1], 7);
}

static void test_bitmap_all_set_sees_one_missing_bit(void)
{
    uint64_t map[WORDS] = { 0 };

    xlm__bitmap_set_range(map, 10, 150);
    CU_ASSERT_TRUE(xlm__bitmap_all_set(map, 10, 150));
    CU_ASSERT_FALSE(xlm__bitmap_all_set(map, 9, 150));
    xlm__bitmap_clear(map, 130);
    CU_ASSERT_FALSE(xlm__bitmap_all_set(map, 10, 150));
    CU_ASSERT_FALSE(xlm__bitmap_all_clear(map, 10, 150));
    CU_ASSERT_TRUE(xlm__bitmap_all_clear(map, 160, 40));
    CU_ASSERT_TRUE(xlm__bitmap_all_set(map, 5, 0));
    CU_ASSERT_TRUE(xlm__bitmap_all_clear(map, 20, 0));
}

static void test_bitmap_next_agrees_with_a_slow_search(void)
{
    unsigned seed = 1, want, want_clear;
    uint64_t map[WORDS];
    bool ok = true;

    for (unsigned round = 0; round < 60; round++) {
        model_random(&seed, 1 + round);
        model_to_map(map);
        for (unsigned from = 0; from <= BITS; from++) {
            for (want = from; want < BITS && !model[want];)
                want++;
            for (want_clear = from; want_clear < BITS && model[want_clear];)
                want_clear++;
            ok = ok && xlm__bitmap_next(map, BITS, from) == want &&
                 xlm__bitmap_next_clear(map, BITS, from) == want_clear;
        }
    }
    CU_ASSERT(ok);
}

static void test_bitmap_next_past_the_end_is_the_end(void)
{
    uint64_t map[WORDS] = { 0 };

    xlm__bitmap_set_range(map, 0, BITS);
    CU_ASSERT_EQUAL(xlm__bitmap_next(map, BITS, BITS), BITS);
    CU_ASSERT_EQUAL(xlm__bitmap_next(map, BITS, UINT64_MAX), BITS);
    CU_ASSERT_EQUAL(xlm__bitmap_next_clear(map, BITS, 0), BITS);
}

static void test_bitmap_ranges_cover_exactly_the_set_bits(void)
{
    unsigned seed = 2;
    uint64_t map[WORDS], again[WORDS], end;
    bool ok = true;

    for (unsigned round = 0; round < 60; round++) {
        model_random(&seed, 1 + round % 7);
        model_to_map(map);
        xlm__bitmap_zero(again, BITS);
        end = 0;
        for (uint64_t at = 0, n;
             (n = xlm__bitmap_next_range(map, BITS, at, &at)); at += n) {
            ok = ok && (at > end || !end); /* runs are as long as they can be */
            end = at + n;
            xlm__bitmap_set_range(again, at, n);
        }
        ok = ok && same(again);
    }
    CU_ASSERT(ok);
}

static void test_bitmap_range_begun_inside_begins_there(void)
{
    uint64_t map[WORDS] = { 0 }, first = 99;

    xlm__bitmap_set_range(map, 60, 80);
    CU_ASSERT_EQUAL(xlm__bitmap_next_range(map, BITS, 70, &first), 70);
    CU_ASSERT_EQUAL(first, 70);
    first = 99;
    CU_ASSERT_EQUAL(xlm__bitmap_next_range(map, BITS, 140, &first), 0);
    CU_ASSERT_EQUAL(first, 99);
}

static void test_bitmap_or_and_andnot_by_bit(void)
{
    const uint64_t a = 0xc, b = 0xa;
    uint64_t map = a;

    xlm__bitmap_or(&map, &b, 64);
    CU_ASSERT_EQUAL(map, 0xe);
    map = a;
    xlm__bitmap_and(&map, &b, 64);
    CU_ASSERT_EQUAL(map, 0x8);
    map = a;
    xlm__bitmap_andnot(&map, &b, 64);
    CU_ASSERT_EQUAL(map, 0x4);
    map = 1;
    xlm__bitmap_or_andnot(&map, &a, &b, 64);
    CU_ASSERT_EQUAL(map, 0x5);
    xlm__bitmap_copy(&map, &b, 64);
    CU_ASSERT_EQUAL(map, b);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_bitmap_alloc_is_clear),
    UNIT_TEST(test_bitmap_alloc_of_no_bits_is_not_null),
    UNIT_TEST(test_bitmap_alloc_of_absurd_size_is_null),
    UNIT_TEST(test_bitmap_words_round_up),
    UNIT_TEST(test_bitmap_single_bits_at_word_edges),
    UNIT_TEST(test_bitmap_atomic_tells_what_was_there),
    UNIT_TEST(test_bitmap_atomic_set_by_two_threads_loses_none),
    UNIT_TEST(test_bitmap_every_range_is_set_and_nothing_else),
    UNIT_TEST(test_bitmap_every_range_is_cleared_and_nothing_else),
    UNIT_TEST(test_bitmap_range_does_not_touch_the_word_after),
    UNIT_TEST(test_bitmap_all_set_sees_one_missing_bit),
    UNIT_TEST(test_bitmap_next_agrees_with_a_slow_search),
    UNIT_TEST(test_bitmap_next_past_the_end_is_the_end),
    UNIT_TEST(test_bitmap_ranges_cover_exactly_the_set_bits),
    UNIT_TEST(test_bitmap_range_begun_inside_begins_there),
    UNIT_TEST(test_bitmap_or_and_andnot_by_bit),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("bitmap", tests)
