/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <limits.h>
#include <time.h>

#include "unit.h"
#include "util/clock.h"

static void test_clock_monotonic_does_not_go_back(void)
{
    uint64_t last = xlm__clock_ns();
    bool ok = last > 0;

    for (int i = 0; i < 10000; i++) {
        const uint64_t now = xlm__clock_ns();

        ok = ok && now >= last;
        last = now;
    }
    CU_ASSERT(ok);
}

static void test_clock_real_agrees_with_time(void)
{
    const uint64_t before = (uint64_t)time(NULL);
    const uint64_t s = xlm__clock_real_ns() / XLM__NS_PER_S;
    const uint64_t after = (uint64_t)time(NULL);

    /* time() may be a tick behind clock_gettime(). */
    CU_ASSERT(s >= before && s <= after + 1);
}

static void test_clock_cpu_does_not_count_what_others_do(void)
{
    const struct timespec nap = { .tv_nsec = 20000000 };
    const uint64_t real = xlm__clock_ns(), cpu = xlm__clock_cpu_ns();

    nanosleep(&nap, NULL);
    CU_ASSERT(xlm__clock_ns() - real >= 20 * XLM__NS_PER_MS);
    CU_ASSERT(xlm__clock_cpu_ns() >= cpu);
    CU_ASSERT(xlm__clock_cpu_ns() - cpu < 10 * XLM__NS_PER_MS);
}

static void test_deadline_of_no_timeout_is_never(void)
{
    CU_ASSERT_EQUAL(xlm__deadline_ns(0), 0);
    CU_ASSERT_FALSE(xlm__deadline_over(0, UINT64_MAX));
    CU_ASSERT_EQUAL(xlm__deadline_left_at_ms(0, 5), -1);
    CU_ASSERT_EQUAL(xlm__deadline_left_ms(0), -1);
}

static void test_deadline_left_rounds_up(void)
{
    CU_ASSERT_EQUAL(xlm__deadline_left_at_ms(2000000, 1000000), 1);
    CU_ASSERT_EQUAL(xlm__deadline_left_at_ms(2000001, 1000000), 2);
    CU_ASSERT_EQUAL(xlm__deadline_left_at_ms(1000001, 1000000), 1);
}

static void test_deadline_over_leaves_nothing(void)
{
    CU_ASSERT_EQUAL(xlm__deadline_left_at_ms(1000, 1000), 0);
    CU_ASSERT_EQUAL(xlm__deadline_left_at_ms(1000, 9999), 0);
    CU_ASSERT_TRUE(xlm__deadline_over(1000, 1000));
    CU_ASSERT_FALSE(xlm__deadline_over(1000, 999));
}

static void test_deadline_far_away_fits_an_int(void)
{
    CU_ASSERT_EQUAL(xlm__deadline_left_at_ms(UINT64_MAX, 1), INT_MAX);
}

static void test_deadline_of_largest_timeout_is_in_the_future(void)
{
    const uint64_t now = xlm__clock_ns();
    const uint64_t end = xlm__deadline_ns(UINT32_MAX);

    CU_ASSERT(end >= now + UINT32_MAX * XLM__NS_PER_MS);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_clock_monotonic_does_not_go_back),
    UNIT_TEST(test_clock_real_agrees_with_time),
    UNIT_TEST(test_clock_cpu_does_not_count_what_others_do),
    UNIT_TEST(test_deadline_of_no_timeout_is_never),
    UNIT_TEST(test_deadline_left_rounds_up),
    UNIT_TEST(test_deadline_over_leaves_nothing),
    UNIT_TEST(test_deadline_far_away_fits_an_int),
    UNIT_TEST(test_deadline_of_largest_timeout_is_in_the_future),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("clock", tests)
