/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/throttle.h"
#include "unit.h"
#include "util/clock.h"

#define S XLM__NS_PER_S
#define T (1000 * S) /* some moment */

static void test_throttle_without_limit_never_waits(void)
{
    struct xlm__throttle t;

    xlm__throttle_init(&t, 0);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(xlm__throttle_charge(&t, UINT64_MAX, T), 0);
    xlm__throttle_destroy(&t);
}

static void test_throttle_second_sender_waits_for_the_first(void)
{
    struct xlm__throttle t;

    xlm__throttle_init(&t, 1000000);
    CU_ASSERT_EQUAL(xlm__throttle_charge(&t, 500000, T), 0);
    CU_ASSERT_EQUAL(xlm__throttle_charge(&t, 1000000, T), S / 2);
    CU_ASSERT_EQUAL(xlm__throttle_charge(&t, 1, T), 3 * S / 2);
    xlm__throttle_destroy(&t);
}

static void test_throttle_debt_is_paid_by_time(void)
{
    struct xlm__throttle t;

    xlm__throttle_init(&t, 1000000);
    xlm__throttle_charge(&t, 1000000, T);
    CU_ASSERT_EQUAL(xlm__throttle_charge(&t, 1000000, T + S / 4), 3 * S / 4);
    CU_ASSERT_EQUAL(xlm__throttle_charge(&t, 0, T + 2 * S), 0);
    xlm__throttle_destroy(&t);
}

static void test_throttle_idle_time_is_not_saved_up(void)
{
    struct xlm__throttle t;

    xlm__throttle_init(&t, 1000000);
    xlm__throttle_charge(&t, 1000000, T);
    CU_ASSERT_EQUAL(xlm__throttle_charge(&t, 1000000, T + 100 * S), 0);
    CU_ASSERT_EQUAL(xlm__throttle_charge(&t, 1000000, T + 100 * S), S);
    xlm__throttle_destroy(&t);
}

static void test_throttle_rate_over_a_second_is_the_limit(void)
{
    const uint64_t piece = 4096, rate = 10 * 1000 * 1000;
    struct xlm__throttle t;
    uint64_t now = T, sent = 0;

    xlm__throttle_init(&t, rate);
    while (now < T + S) {
        now += xlm__throttle_charge(&t, piece, now);
        sent += piece;
    }
    CU_ASSERT_TRUE(sent <= rate + 2 * piece && sent >= rate - 2 * piece);
    xlm__throttle_destroy(&t);
}

static void test_throttle_stop_ends_the_wait(void)
{
    struct xlm__throttle t;
    int stop = eventfd(1, EFD_CLOEXEC);
    uint64_t began = xlm__clock_ns();

    xlm__throttle_init(&t, 1);
    xlm__throttle_charge(&t, 3600, began); /* an hour */
    xlm__throttle_wait(&t, 1, stop);
    CU_ASSERT_TRUE(xlm__clock_ns() - began < 60 * S);
    xlm__throttle_destroy(&t);
    close(stop);
}

static void test_throttle_waits_as_long_as_it_says(void)
{
    struct xlm__throttle t;
    int stop = eventfd(0, EFD_CLOEXEC);
    uint64_t began = xlm__clock_ns();

    xlm__throttle_init(&t, 1000000);
    xlm__throttle_wait(&t, 50000, stop);
    xlm__throttle_wait(&t, 1, stop);
    CU_ASSERT_TRUE(xlm__clock_ns() - began >= S / 20);
    xlm__throttle_destroy(&t);
    close(stop);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_throttle_without_limit_never_waits),
    UNIT_TEST(test_throttle_second_sender_waits_for_the_first),
    UNIT_TEST(test_throttle_debt_is_paid_by_time),
    UNIT_TEST(test_throttle_idle_time_is_not_saved_up),
    UNIT_TEST(test_throttle_rate_over_a_second_is_the_limit),
    UNIT_TEST(test_throttle_stop_ends_the_wait),
    UNIT_TEST(test_throttle_waits_as_long_as_it_says),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("throttle", tests)
