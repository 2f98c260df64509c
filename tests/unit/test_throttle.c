/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/throttle.h"
#include "unit.h"
#include "util/clock.h"

#define S XLM__NS_PER_S
#define T (1000 * S) /* some moment */

/* How long a sender of `bytes` has to wait. */
static uint64_t charge(struct xlm__throttle *t, uint64_t bytes, uint64_t now_ns)
{
    double place = xlm__throttle_charge(t, bytes, now_ns);

    return xlm__throttle_left_ns(t, place, now_ns);
}

static void test_throttle_without_limit_never_waits(void)
{
    struct xlm__throttle t;

    xlm__throttle_init(&t, 0);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(charge(&t, UINT64_MAX, T), 0);
    xlm__throttle_destroy(&t);
}

static void test_throttle_second_sender_waits_for_the_first(void)
{
    struct xlm__throttle t;

    xlm__throttle_init(&t, 1000000);
    CU_ASSERT_EQUAL(charge(&t, 500000, T), 0);
    CU_ASSERT_EQUAL(charge(&t, 1000000, T), S / 2);
    CU_ASSERT_EQUAL(charge(&t, 1, T), 3 * S / 2);
    xlm__throttle_destroy(&t);
}

static void test_throttle_debt_is_paid_by_time(void)
{
    struct xlm__throttle t;

    xlm__throttle_init(&t, 1000000);
    charge(&t, 1000000, T);
    CU_ASSERT_EQUAL(charge(&t, 1000000, T + S / 4), 3 * S / 4);
    CU_ASSERT_EQUAL(charge(&t, 0, T + 2 * S), 0);
    xlm__throttle_destroy(&t);
}

static void test_throttle_idle_time_is_not_saved_up(void)
{
    struct xlm__throttle t;

    xlm__throttle_init(&t, 1000000);
    charge(&t, 1000000, T);
    CU_ASSERT_EQUAL(charge(&t, 1000000, T + 100 * S), 0);
    CU_ASSERT_EQUAL(charge(&t, 1000000, T + 100 * S), S);
    xlm__throttle_destroy(&t);
}

static void test_throttle_rate_over_a_second_is_the_limit(void)
{
    const uint64_t piece = 4096, rate = 10 * 1000 * 1000;
    struct xlm__throttle t;
    uint64_t now = T, sent = 0;

    xlm__throttle_init(&t, rate);
    while (now < T + S) {
        now += charge(&t, piece, now);
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
    charge(&t, 3600, began); /* an hour */
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

static void test_throttle_another_limit_holds_for_who_waits(void)
{
    struct xlm__throttle t;
    double place;

    xlm__throttle_init(&t, 1000000);
    charge(&t, 1000000, T);
    place = xlm__throttle_charge(&t, 1000000, T);
    CU_ASSERT_EQUAL(xlm__throttle_left_ns(&t, place, T), S);
    xlm__throttle_set(&t, 2000000, T + S / 2);
    CU_ASSERT_EQUAL(xlm__throttle_left_ns(&t, place, T + S / 2), S / 4);
    xlm__throttle_set(&t, 250000, T + S / 2);
    CU_ASSERT_EQUAL(xlm__throttle_left_ns(&t, place, T + S / 2), 2 * S);
    xlm__throttle_destroy(&t);
}

static void test_throttle_limit_lifted_lets_all_go(void)
{
    struct xlm__throttle t;
    double place;

    xlm__throttle_init(&t, 1000000);
    charge(&t, 3600 * S, T);
    place = xlm__throttle_charge(&t, 1, T);
    xlm__throttle_set(&t, 0, T);
    CU_ASSERT_EQUAL(xlm__throttle_left_ns(&t, place, T), 0);
    xlm__throttle_destroy(&t);
}

/* What was sent without a limit is neither a debt nor a credit. */
static void test_throttle_limit_set_begins_at_once(void)
{
    struct xlm__throttle t;

    xlm__throttle_init(&t, 0);
    charge(&t, 3600 * S, T);
    xlm__throttle_set(&t, 1000000, T + S);
    CU_ASSERT_EQUAL(charge(&t, 500000, T + S), 0);
    CU_ASSERT_EQUAL(charge(&t, 1, T + S), S / 2);
    xlm__throttle_destroy(&t);
}

/* Its clock was read before the leader's, and it got the lock after it. */
static void test_throttle_charge_just_before_a_set(void)
{
    struct xlm__throttle t;

    xlm__throttle_init(&t, 1000000);
    xlm__throttle_set(&t, 2000000, T + 10);
    CU_ASSERT_EQUAL(charge(&t, 2000000, T), 0);
    CU_ASSERT_EQUAL(charge(&t, 1, T), S);
    xlm__throttle_destroy(&t);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_throttle_without_limit_never_waits),
    UNIT_TEST(test_throttle_second_sender_waits_for_the_first),
    UNIT_TEST(test_throttle_debt_is_paid_by_time),
    UNIT_TEST(test_throttle_idle_time_is_not_saved_up),
    UNIT_TEST(test_throttle_rate_over_a_second_is_the_limit),
    UNIT_TEST(test_throttle_stop_ends_the_wait),
    UNIT_TEST(test_throttle_waits_as_long_as_it_says),
    UNIT_TEST(test_throttle_another_limit_holds_for_who_waits),
    UNIT_TEST(test_throttle_limit_lifted_lets_all_go),
    UNIT_TEST(test_throttle_limit_set_begins_at_once),
    UNIT_TEST(test_throttle_charge_just_before_a_set),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("throttle", tests)
