/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/slow.h"
#include "unit.h"

#define S  UINT64_C(1000000) /* a second in us */
#define MS UINT64_C(1000)

static const uint8_t nothing[XLM__SLOW_WAYS] = { 0 };
static const uint8_t only_switch[XLM__SLOW_WAYS] = { XLM_SLOW_SWITCH };
static const uint8_t only_wait[XLM__SLOW_WAYS] = { XLM_SLOW_WAIT };
static const uint8_t wait_switch[XLM__SLOW_WAYS] = { XLM_SLOW_WAIT,
                                                     XLM_SLOW_SWITCH };

/* Now, a round and the pause, in seconds; judged once. */
static struct xlm__slow_verdict judge(struct xlm__slow *s,
                                      enum xlm__decision decision,
                                      enum xlm__reason reason, uint64_t now,
                                      uint64_t round, uint64_t pause)
{
    const struct xlm__slow_facts f = { .decision = decision,
                                       .reason = reason,
                                       .now_us = now * S,
                                       .round_us = round * S,
                                       .pause_us = pause * S };
    struct xlm__slow_verdict v;

    xlm__slow_judge(s, &f, &v);
    return v;
}

static void expect(struct xlm__slow_verdict v, enum xlm__decision decision,
                   unsigned way, bool late)
{
    CU_ASSERT_EQUAL(v.decision, decision);
    CU_ASSERT_EQUAL((unsigned)v.way, way);
    CU_ASSERT_EQUAL(v.late, late);
}

#define MORE    XLM__DECIDE_CONTINUE, XLM__REASON_MORE
#define MET     XLM__DECIDE_SWITCHOVER, XLM__REASON_GOAL_MET
#define STALLED XLM__DECIDE_ABORT, XLM__REASON_STALLED

static void test_slow_without_trouble_leaves_the_policy_alone(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, wait_switch, 300 * MS, 60 * S);
    expect(judge(&s, MORE, 10, 5, 1), XLM__DECIDE_CONTINUE, 0, false);
    expect(judge(&s, MET, 10, 5, 1), XLM__DECIDE_SWITCHOVER, 0, false);
}

static void test_slow_by_default_aborts(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, nothing, 300 * MS, 0);
    expect(judge(&s, STALLED, 10, 5, 1), XLM__DECIDE_ABORT, XLM_SLOW_ABORT,
           false);
}

static void test_slow_switch_misses_the_goal(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, only_switch, 300 * MS, 0);
    expect(judge(&s, STALLED, 10, 5, 1), XLM__DECIDE_SWITCHOVER,
           XLM_SLOW_SWITCH, false);
}

static void test_slow_wait_goes_on_to_the_deadline(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, only_wait, 300 * MS, 60 * S);
    expect(judge(&s, STALLED, 10, 5, 1), XLM__DECIDE_CONTINUE, XLM_SLOW_WAIT,
           false);
    expect(judge(&s, STALLED, 54, 5, 1), XLM__DECIDE_CONTINUE, XLM_SLOW_WAIT,
           false);
    expect(judge(&s, STALLED, 55, 5, 1), XLM__DECIDE_ABORT, XLM_SLOW_ABORT,
           true);
}

static void test_slow_wait_that_was_in_vain_takes_the_next_way(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, wait_switch, 300 * MS, 60 * S);
    expect(judge(&s, STALLED, 55, 5, 1), XLM__DECIDE_SWITCHOVER,
           XLM_SLOW_SWITCH, true);
}

static void test_slow_wait_does_not_wait_for_a_scan_or_beyond_the_rounds(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, wait_switch, 300 * MS, 60 * S);
    expect(judge(&s, XLM__DECIDE_ABORT, XLM__REASON_SCAN, 1, 1, 1),
           XLM__DECIDE_SWITCHOVER, XLM_SLOW_SWITCH, false);
    expect(judge(&s, XLM__DECIDE_ABORT, XLM__REASON_ROUNDS, 1, 1, 1),
           XLM__DECIDE_SWITCHOVER, XLM_SLOW_SWITCH, false);
}

static void test_slow_deadline_without_pause_goal_switches_early(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, nothing, 0, 60 * S);
    expect(judge(&s, MORE, 50, 9, 1), XLM__DECIDE_CONTINUE, 0, false);
    expect(judge(&s, MORE, 50, 10, 1), XLM__DECIDE_SWITCHOVER, 0, false);
    expect(judge(&s, MORE, 59, 10, 1), XLM__DECIDE_SWITCHOVER, 0, false);
    expect(judge(&s, MORE, 59, 10, 2), XLM__DECIDE_ABORT, XLM_SLOW_ABORT, true);
}

static void test_slow_deadline_with_pause_goal_has_no_time_for_a_round(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, nothing, 300 * MS, 60 * S);
    expect(judge(&s, MORE, 50, 10, 1), XLM__DECIDE_ABORT, XLM_SLOW_ABORT, true);
    xlm__slow_init(&s, only_switch, 300 * MS, 60 * S);
    expect(judge(&s, MORE, 50, 10, 1), XLM__DECIDE_SWITCHOVER, XLM_SLOW_SWITCH,
           true);
}

static void test_slow_deadline_already_passed_is_late(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, only_switch, 0, 60 * S);
    expect(judge(&s, MET, 60, 0, 0), XLM__DECIDE_SWITCHOVER, XLM_SLOW_SWITCH,
           true);
    xlm__slow_init(&s, nothing, 0, 60 * S);
    expect(judge(&s, MET, 61, 0, 0), XLM__DECIDE_ABORT, XLM_SLOW_ABORT, true);
}

static void test_slow_times_without_end_are_late(void)
{
    struct xlm__slow s;
    const struct xlm__slow_facts f = { .decision = XLM__DECIDE_CONTINUE,
                                       .reason = XLM__REASON_MORE,
                                       .round_us = UINT64_MAX / 2 + 9,
                                       .pause_us = UINT64_MAX / 2 + 9 };
    struct xlm__slow_verdict v;

    xlm__slow_init(&s, nothing, 0, 60 * S);
    xlm__slow_judge(&s, &f, &v);
    CU_ASSERT_EQUAL(v.decision, XLM__DECIDE_ABORT);
}

static void test_slow_ends_at_the_deadline_unless_it_switches(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, nothing, 0, 0);
    CU_ASSERT_FALSE(xlm__slow_ends_at_deadline(&s));
    xlm__slow_init(&s, nothing, 0, 1);
    CU_ASSERT_TRUE(xlm__slow_ends_at_deadline(&s));
    xlm__slow_init(&s, only_wait, 0, 1);
    CU_ASSERT_TRUE(xlm__slow_ends_at_deadline(&s));
    xlm__slow_init(&s, wait_switch, 0, 1);
    CU_ASSERT_FALSE(xlm__slow_ends_at_deadline(&s));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_slow_without_trouble_leaves_the_policy_alone),
    UNIT_TEST(test_slow_by_default_aborts),
    UNIT_TEST(test_slow_switch_misses_the_goal),
    UNIT_TEST(test_slow_wait_goes_on_to_the_deadline),
    UNIT_TEST(test_slow_wait_that_was_in_vain_takes_the_next_way),
    UNIT_TEST(test_slow_wait_does_not_wait_for_a_scan_or_beyond_the_rounds),
    UNIT_TEST(test_slow_deadline_without_pause_goal_switches_early),
    UNIT_TEST(test_slow_deadline_with_pause_goal_has_no_time_for_a_round),
    UNIT_TEST(test_slow_deadline_already_passed_is_late),
    UNIT_TEST(test_slow_times_without_end_are_late),
    UNIT_TEST(test_slow_ends_at_the_deadline_unless_it_switches),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("slow", tests)
