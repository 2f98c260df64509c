/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/estimate.h"
#include "unit.h"

#define S  UINT64_C(1000000) /* a second in us */
#define MS UINT64_C(1000)

/* ---- the curve ---- */

/* 1000 pages a second, none of them twice. */
static const struct xlm__curve straight = { { 300 * MS, 900 * MS, 1800 * MS },
                                            { 300, 900, 1800 },
                                            10000 };

static void near(uint64_t got, uint64_t want, unsigned percent)
{
    const uint64_t d = got > want ? got - want : want - got;

    CU_ASSERT(d * 100 <= want * percent);
    if (d * 100 > want * percent)
        fprintf(stderr, "%llu, not about %llu\n", (unsigned long long)got,
                (unsigned long long)want);
}

static void test_curve_straight_stays_straight_up_to_all_there_is(void)
{
    CU_ASSERT_EQUAL(xlm__curve_at(&straight, 0), 0);
    near(xlm__curve_at(&straight, 150 * MS), 150, 1);
    near(xlm__curve_at(&straight, 600 * MS), 600, 1);
    near(xlm__curve_at(&straight, 1800 * MS), 1800, 1);
    near(xlm__curve_at(&straight, 5 * S), 5000, 1);
    CU_ASSERT_EQUAL(xlm__curve_at(&straight, 60 * S), 10000);
}

/* Uniform writes to 4096 pages, 4096 a second: 4096 (1 - e^-t). */
static void test_curve_of_uniform_writes_levels_off(void)
{
    static const struct xlm__curve c = { { 300 * MS, 900 * MS, 1800 * MS },
                                         { 1062, 2431, 3419 },
                                         32768 };

    near(xlm__curve_at(&c, 3 * S), 3892, 4);
    near(xlm__curve_at(&c, 60 * S), 4096, 8);
}

static void test_curve_of_a_guest_that_stopped_stays(void)
{
    static const struct xlm__curve c = { { 300 * MS, 900 * MS, 1800 * MS },
                                         { 10, 10, 10 },
                                         100 };

    CU_ASSERT_EQUAL(xlm__curve_at(&c, 60 * S), 10);
}

static void test_curve_of_an_idle_guest_is_flat(void)
{
    static const struct xlm__curve c = { { 300 * MS, 900 * MS, 1800 * MS },
                                         { 0, 0, 0 },
                                         100 };

    CU_ASSERT_EQUAL(xlm__curve_at(&c, 60 * S), 0);
}

/* Windows are apart: a later one may have fewer. */
static void test_curve_that_falls_by_chance_stays(void)
{
    static const struct xlm__curve c = { { 300 * MS, 900 * MS, 1800 * MS },
                                         { 50, 90, 80 },
                                         100 };

    CU_ASSERT_EQUAL(xlm__curve_at(&c, 60 * S), 80);
}

/* ---- the rounds ---- */

/* 10000 pages at 10000 a second, 1000 a second written. */
static struct xlm__estimate plain(void)
{
    return (struct xlm__estimate){ .pages = 10000,
                                   .rate_pages_s = 10000,
                                   .page_bytes = 4100,
                                   .begin_us = S,
                                   .used = 100,
                                   .curve = straight,
                                   .max_rounds = 30,
                                   .fixed_us = 100 * MS };
}

static void test_estimate_of_a_guest_that_converges(void)
{
    struct xlm__estimate e = plain();
    struct xlm__forecast f;

    xlm__estimate_play(&e, &f);
    CU_ASSERT_TRUE(f.moves);
    CU_ASSERT_EQUAL(f.rounds, 2); /* 10000, then 1000; 100 are left */
    near(f.total_us, S + S + 100 * MS + 110 * MS, 2);
    near(f.pause_us, 110 * MS, 2);
    near(f.wire_bytes, 11100 * 4100, 1);
    CU_ASSERT_EQUAL(f.cap, 0);
}

static struct xlm__estimate busy(void)
{
    struct xlm__estimate e = plain();

    for (unsigned i = 0; i < XLM__CURVE_POINTS; i++)
        e.curve.pages[i] *= 12;
    e.curve.most = 1000000;
    e.goal_us = 200 * MS;
    return e;
}

static void test_estimate_of_a_goal_out_of_reach_gives_up(void)
{
    struct xlm__estimate e = busy();
    struct xlm__forecast f;

    xlm__estimate_play(&e, &f);
    CU_ASSERT_FALSE(f.moves);
}

static void test_estimate_throttles_as_far_as_it_must(void)
{
    struct xlm__estimate e = busy();
    struct xlm__forecast f;

    e.max_rounds = 1000;
    e.can_throttle = true;
    e.ways[0] = XLM_SLOW_THROTTLE;
    xlm__estimate_play(&e, &f);
    CU_ASSERT_TRUE(f.moves);
    CU_ASSERT_EQUAL(f.cap, 70); /* 8400 of 10000 pages a second */
    CU_ASSERT(f.pause_us <= 200 * MS);
}

static void test_estimate_of_a_deadline_switches_early(void)
{
    struct xlm__estimate e = busy();
    struct xlm__forecast f;

    e.goal_us = 0;
    e.deadline_us = 4 * S;
    xlm__estimate_play(&e, &f);
    CU_ASSERT_TRUE(f.moves);
    CU_ASSERT(f.total_us <= 4 * S);
}

static void test_estimate_of_a_scan_counts_it_each_time(void)
{
    struct xlm__estimate e = plain();
    struct xlm__forecast with, without;

    xlm__estimate_play(&e, &without);
    e.scan_us = 50 * MS;
    xlm__estimate_play(&e, &with);
    CU_ASSERT(with.pause_us >= e.fixed_us + e.scan_us);
    CU_ASSERT(with.total_us >= without.total_us + 150 * MS);
}

static void test_estimate_of_a_paused_copy_is_all_pause(void)
{
    struct xlm__estimate e = plain();
    struct xlm__forecast f;

    e.paused = true;
    xlm__estimate_play(&e, &f);
    CU_ASSERT_TRUE(f.moves);
    CU_ASSERT_EQUAL(f.rounds, 0);
    near(f.pause_us, 1100 * MS, 1);
    e.goal_us = S;
    xlm__estimate_play(&e, &f);
    CU_ASSERT_FALSE(f.moves);
    e.scan_may_exceed = true;
    xlm__estimate_play(&e, &f);
    CU_ASSERT_TRUE(f.moves);
}

static void test_estimate_of_an_empty_guest_ends(void)
{
    struct xlm__estimate e = { .max_rounds = 30, .fixed_us = 5 };
    struct xlm__forecast f;

    e.curve.us[0] = 1, e.curve.us[1] = 2, e.curve.us[2] = 3;
    xlm__estimate_play(&e, &f);
    CU_ASSERT_TRUE(f.moves);
    CU_ASSERT_EQUAL(f.wire_bytes, 0);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_curve_straight_stays_straight_up_to_all_there_is),
    UNIT_TEST(test_curve_of_uniform_writes_levels_off),
    UNIT_TEST(test_curve_of_a_guest_that_stopped_stays),
    UNIT_TEST(test_curve_of_an_idle_guest_is_flat),
    UNIT_TEST(test_curve_that_falls_by_chance_stays),
    UNIT_TEST(test_estimate_of_a_guest_that_converges),
    UNIT_TEST(test_estimate_of_a_goal_out_of_reach_gives_up),
    UNIT_TEST(test_estimate_throttles_as_far_as_it_must),
    UNIT_TEST(test_estimate_of_a_deadline_switches_early),
    UNIT_TEST(test_estimate_of_a_scan_counts_it_each_time),
    UNIT_TEST(test_estimate_of_a_paused_copy_is_all_pause),
    UNIT_TEST(test_estimate_of_an_empty_guest_ends),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("estimate", tests)
