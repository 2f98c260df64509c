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

static const uint8_t throttle_switch[XLM__SLOW_WAYS] = { XLM_SLOW_THROTTLE,
                                                         XLM_SLOW_SWITCH };
static const uint8_t throttle_wait[XLM__SLOW_WAYS] = { XLM_SLOW_THROTTLE,
                                                       XLM_SLOW_WAIT };

static struct xlm__slow_verdict judge_facts(struct xlm__slow *s,
                                            struct xlm__slow_facts f)
{
    struct xlm__slow_verdict v;

    xlm__slow_judge(s, &f, &v);
    return v;
}

/* Now, a round and the pause, in seconds; goals are for the pause. */
#define FACTS(decision_, reason_, now, round, pause)                           \
    .decision = decision_, .reason = reason_, .now_us = (now)*S,               \
    .round_us = (round)*S, .pause_us = (pause)*S

static struct xlm__slow_verdict judge(struct xlm__slow *s,
                                      enum xlm__decision decision,
                                      enum xlm__reason reason, uint64_t now,
                                      uint64_t round, uint64_t pause)
{
    return judge_facts(
        s, (struct xlm__slow_facts){ FACTS(decision, reason, now, round, pause),
                                     .goal_us = 300 * MS });
}

/* The same without a goal for the pause. */
static struct xlm__slow_verdict judge_free(struct xlm__slow *s,
                                           enum xlm__decision decision,
                                           enum xlm__reason reason,
                                           uint64_t now, uint64_t round,
                                           uint64_t pause)
{
    return judge_facts(s, (struct xlm__slow_facts){
                              FACTS(decision, reason, now, round, pause) });
}

/* It stalled, at a cap, and used so much. */
static struct xlm__slow_verdict judge_busy(struct xlm__slow *s, uint64_t now,
                                           uint32_t cap, uint32_t used)
{
    return judge_facts(
        s, (struct xlm__slow_facts){
               FACTS(XLM__DECIDE_ABORT, XLM__REASON_STALLED, now, 5, 1),
               .goal_us = 300 * MS, .cap = cap, .used = used });
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

    xlm__slow_init(&s, wait_switch, 60 * S);
    expect(judge(&s, MORE, 10, 5, 1), XLM__DECIDE_CONTINUE, 0, false);
    expect(judge(&s, MET, 10, 5, 1), XLM__DECIDE_SWITCHOVER, 0, false);
}

static void test_slow_by_default_aborts(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, nothing, 0);
    expect(judge(&s, STALLED, 10, 5, 1), XLM__DECIDE_ABORT, XLM_SLOW_ABORT,
           false);
}

static void test_slow_switch_misses_the_goal(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, only_switch, 0);
    expect(judge(&s, STALLED, 10, 5, 1), XLM__DECIDE_SWITCHOVER,
           XLM_SLOW_SWITCH, false);
}

static void test_slow_wait_goes_on_to_the_deadline(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, only_wait, 60 * S);
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

    xlm__slow_init(&s, wait_switch, 60 * S);
    expect(judge(&s, STALLED, 55, 5, 1), XLM__DECIDE_SWITCHOVER,
           XLM_SLOW_SWITCH, true);
}

static void test_slow_wait_does_not_wait_for_a_scan_or_beyond_the_rounds(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, wait_switch, 60 * S);
    expect(judge(&s, XLM__DECIDE_ABORT, XLM__REASON_SCAN, 1, 1, 1),
           XLM__DECIDE_SWITCHOVER, XLM_SLOW_SWITCH, false);
    expect(judge(&s, XLM__DECIDE_ABORT, XLM__REASON_ROUNDS, 1, 1, 1),
           XLM__DECIDE_SWITCHOVER, XLM_SLOW_SWITCH, false);
}

static void test_slow_deadline_without_pause_goal_switches_early(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, nothing, 60 * S);
    expect(judge_free(&s, MORE, 50, 9, 1), XLM__DECIDE_CONTINUE, 0, false);
    expect(judge_free(&s, MORE, 50, 10, 1), XLM__DECIDE_SWITCHOVER, 0, false);
    expect(judge_free(&s, MORE, 59, 10, 1), XLM__DECIDE_SWITCHOVER, 0, false);
    expect(judge_free(&s, MORE, 59, 10, 2), XLM__DECIDE_ABORT, XLM_SLOW_ABORT,
           true);
}

static void test_slow_deadline_with_pause_goal_has_no_time_for_a_round(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, nothing, 60 * S);
    expect(judge(&s, MORE, 50, 10, 1), XLM__DECIDE_ABORT, XLM_SLOW_ABORT, true);
    xlm__slow_init(&s, only_switch, 60 * S);
    expect(judge(&s, MORE, 50, 10, 1), XLM__DECIDE_SWITCHOVER, XLM_SLOW_SWITCH,
           true);
}

static void test_slow_deadline_already_passed_is_late(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, only_switch, 60 * S);
    expect(judge_free(&s, MET, 60, 0, 0), XLM__DECIDE_SWITCHOVER,
           XLM_SLOW_SWITCH, true);
    xlm__slow_init(&s, nothing, 60 * S);
    expect(judge_free(&s, MET, 61, 0, 0), XLM__DECIDE_ABORT, XLM_SLOW_ABORT,
           true);
}

static void test_slow_times_without_end_are_late(void)
{
    struct xlm__slow s;
    const struct xlm__slow_facts f = { .decision = XLM__DECIDE_CONTINUE,
                                       .reason = XLM__REASON_MORE,
                                       .round_us = UINT64_MAX / 2 + 9,
                                       .pause_us = UINT64_MAX / 2 + 9 };
    struct xlm__slow_verdict v;

    xlm__slow_init(&s, nothing, 60 * S);
    xlm__slow_judge(&s, &f, &v);
    CU_ASSERT_EQUAL(v.decision, XLM__DECIDE_ABORT);
}

static void test_slow_ends_at_the_deadline_unless_it_switches(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, nothing, 0);
    CU_ASSERT_FALSE(xlm__slow_ends_at_deadline(&s));
    xlm__slow_init(&s, nothing, 1);
    CU_ASSERT_TRUE(xlm__slow_ends_at_deadline(&s));
    xlm__slow_init(&s, only_wait, 1);
    CU_ASSERT_TRUE(xlm__slow_ends_at_deadline(&s));
    xlm__slow_init(&s, wait_switch, 1);
    CU_ASSERT_FALSE(xlm__slow_ends_at_deadline(&s));
}

static void test_slow_throttle_goes_down_in_steps(void)
{
    static const uint32_t want[] = { 140, 98, 68, 47, 32, 22, 15, 10, 7, 5 };
    uint32_t cap = 0, used = 200;

    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        cap = xlm__slow_next_cap(cap, used);
        CU_ASSERT_EQUAL(cap, want[i]);
        used = cap;
    }
    CU_ASSERT_EQUAL(xlm__slow_next_cap(5, 5), 0);
}

static void test_slow_throttle_starts_at_what_is_used(void)
{
    CU_ASSERT_EQUAL(xlm__slow_next_cap(150, 40), 28);
    CU_ASSERT_EQUAL(xlm__slow_next_cap(30, 40), 21);
    CU_ASSERT_EQUAL(xlm__slow_next_cap(0, 6), 5);
    CU_ASSERT_EQUAL(xlm__slow_next_cap(0, 5), 0);
    CU_ASSERT_EQUAL(xlm__slow_next_cap(0, 0), 0);
}

static void test_slow_throttle_steps_until_nothing_helps(void)
{
    struct xlm__slow_verdict v;
    struct xlm__slow s;

    xlm__slow_init(&s, throttle_switch, 0);
    s.can_throttle = true;
    v = judge_busy(&s, 1, 0, 100);
    expect(v, XLM__DECIDE_CONTINUE, XLM_SLOW_THROTTLE, false);
    CU_ASSERT_EQUAL(v.cap, 70);
    v = judge_busy(&s, 1, 70, 69);
    expect(v, XLM__DECIDE_CONTINUE, XLM_SLOW_THROTTLE, false);
    CU_ASSERT_EQUAL(v.cap, 48);
    expect(judge_busy(&s, 1, 5, 5), XLM__DECIDE_SWITCHOVER, XLM_SLOW_SWITCH,
           false);
}

static void test_slow_throttle_without_caps_is_left_out(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, throttle_switch, 0);
    expect(judge_busy(&s, 1, 0, 100), XLM__DECIDE_SWITCHOVER, XLM_SLOW_SWITCH,
           false);
    xlm__slow_init(&s, throttle_wait, 60 * S);
    expect(judge_busy(&s, 1, 0, 100), XLM__DECIDE_CONTINUE, XLM_SLOW_WAIT,
           false);
}

static void test_slow_throttle_that_did_not_help_is_waited_out(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, throttle_wait, 60 * S);
    s.can_throttle = true;
    expect(judge_busy(&s, 10, 5, 5), XLM__DECIDE_CONTINUE, XLM_SLOW_WAIT,
           false);
    expect(judge_busy(&s, 55, 5, 5), XLM__DECIDE_ABORT, XLM_SLOW_ABORT, true);
}

static void test_slow_throttle_has_no_step_without_time_for_a_round(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, throttle_switch, 60 * S);
    s.can_throttle = true;
    expect(judge_busy(&s, 55, 0, 100), XLM__DECIDE_SWITCHOVER, XLM_SLOW_SWITCH,
           true);
}

static void test_slow_throttle_does_not_help_a_scan(void)
{
    struct xlm__slow s;

    xlm__slow_init(&s, throttle_switch, 0);
    s.can_throttle = true;
    expect(judge_facts(&s,
                       (struct xlm__slow_facts){
                           FACTS(XLM__DECIDE_ABORT, XLM__REASON_SCAN, 1, 1, 1),
                           .used = 100 }),
           XLM__DECIDE_SWITCHOVER, XLM_SLOW_SWITCH, false);
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
    UNIT_TEST(test_slow_throttle_goes_down_in_steps),
    UNIT_TEST(test_slow_throttle_starts_at_what_is_used),
    UNIT_TEST(test_slow_throttle_steps_until_nothing_helps),
    UNIT_TEST(test_slow_throttle_without_caps_is_left_out),
    UNIT_TEST(test_slow_throttle_that_did_not_help_is_waited_out),
    UNIT_TEST(test_slow_throttle_has_no_step_without_time_for_a_round),
    UNIT_TEST(test_slow_throttle_does_not_help_a_scan),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("slow", tests)
