/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/policy.h"
#include "unit.h"

#define S UINT64_C(1000000) /* a second in us */

/* Round `number`: pages in one second, then so many dirty ones. */
static struct xlm__round_result round_of(uint32_t number, uint64_t pages,
                                         uint64_t dirty)
{
    return (struct xlm__round_result){
        .number = number, .pages = pages, .duration_us = S, .dirty_pages = dirty
    };
}

static enum xlm__decision decide(struct xlm__policy *p, uint32_t number,
                                 uint64_t pages, uint64_t dirty,
                                 enum xlm__reason *why)
{
    struct xlm__round_result r = round_of(number, pages, dirty);

    return xlm__policy_decide(p, &r, why);
}

/* One round of 100000 pages a second, and what is said then. */
static void expect(uint64_t goal_us, uint64_t fixed_us, uint64_t dirty,
                   enum xlm__decision decision, enum xlm__reason reason)
{
    struct xlm__policy p;
    enum xlm__reason why;

    xlm__policy_init(&p, 30, goal_us, fixed_us);
    CU_ASSERT_EQUAL(decide(&p, 1, 100000, dirty, &why), decision);
    CU_ASSERT_EQUAL(why, reason);
}

static void test_policy_pause_still_shrinks_continues(void)
{
    expect(0, 300000, 50000, XLM__DECIDE_CONTINUE, XLM__REASON_MORE);
}

static void test_policy_ten_ms_left_switches_over(void)
{
    expect(0, 300000, 1000, XLM__DECIDE_SWITCHOVER, XLM__REASON_SMALL);
    expect(0, 300000, 1001, XLM__DECIDE_CONTINUE, XLM__REASON_MORE);
}

static void test_policy_few_pages_switch_over_on_any_link(void)
{
    struct xlm__policy p;
    enum xlm__reason why;

    xlm__policy_init(&p, 30, 0, 0);
    CU_ASSERT_EQUAL(decide(&p, 1, 1, 64, &why), XLM__DECIDE_SWITCHOVER);
    CU_ASSERT_EQUAL(why, XLM__REASON_SMALL);
    xlm__policy_init(&p, 30, 0, 0);
    CU_ASSERT_EQUAL(decide(&p, 1, 1, 65, &why), XLM__DECIDE_CONTINUE);
}

static void test_policy_nothing_dirty_switches_over(void)
{
    expect(0, 300000, 0, XLM__DECIDE_SWITCHOVER, XLM__REASON_SMALL);
}

static void test_policy_goal_counts_fixed_part(void)
{
    /* 300 ms fixed + 200 ms for 20000 pages, and a tenth of these */
    expect(520000, 300000, 20000, XLM__DECIDE_SWITCHOVER, XLM__REASON_GOAL_MET);
    expect(520000, 300000, 20001, XLM__DECIDE_CONTINUE, XLM__REASON_MORE);
}

static void test_policy_goal_below_fixed_part_applies_to_the_rest(void)
{
    struct xlm__policy p;

    xlm__policy_init(&p, 30, 300000, 300000);
    CU_ASSERT_TRUE(xlm__policy_goal_unreachable(&p));
    xlm__policy_init(&p, 30, 300001, 300000);
    CU_ASSERT_FALSE(xlm__policy_goal_unreachable(&p));
    xlm__policy_init(&p, 30, 0, 300000);
    CU_ASSERT_FALSE(xlm__policy_goal_unreachable(&p));

    expect(110000, 300000, 10000, XLM__DECIDE_SWITCHOVER, XLM__REASON_GOAL_MET);
    expect(110000, 300000, 10001, XLM__DECIDE_CONTINUE, XLM__REASON_MORE);
}

/* Rounds that all leave `dirty` pages; what the last one says. */
static enum xlm__decision repeat(uint64_t goal_us, uint32_t max_rounds,
                                 uint32_t rounds, uint64_t dirty,
                                 enum xlm__reason *why)
{
    enum xlm__decision d = XLM__DECIDE_CONTINUE;
    struct xlm__policy p;

    xlm__policy_init(&p, max_rounds, goal_us, 0);
    for (uint32_t n = 1; n <= rounds; n++) {
        CU_ASSERT_EQUAL(d, XLM__DECIDE_CONTINUE);
        d = decide(&p, n, 100000, dirty, why);
    }
    return d;
}

static void test_policy_stalled_without_goal_switches_over(void)
{
    enum xlm__reason why;

    CU_ASSERT_EQUAL(repeat(0, 30, 2, 50000, &why), XLM__DECIDE_CONTINUE);
    CU_ASSERT_EQUAL(why, XLM__REASON_MORE);
    CU_ASSERT_EQUAL(repeat(0, 30, 3, 50000, &why), XLM__DECIDE_SWITCHOVER);
    CU_ASSERT_EQUAL(why, XLM__REASON_STALLED);
}

static void test_policy_stalled_with_goal_aborts(void)
{
    enum xlm__reason why;

    CU_ASSERT_EQUAL(repeat(100000, 30, 3, 50000, &why), XLM__DECIDE_ABORT);
    CU_ASSERT_EQUAL(why, XLM__REASON_STALLED);
}

static void test_policy_round_limit_without_goal_switches_over(void)
{
    enum xlm__reason why;

    CU_ASSERT_EQUAL(repeat(0, 1, 1, 50000, &why), XLM__DECIDE_SWITCHOVER);
    CU_ASSERT_EQUAL(why, XLM__REASON_ROUNDS);
}

static void test_policy_round_limit_with_goal_aborts(void)
{
    enum xlm__reason why;

    CU_ASSERT_EQUAL(repeat(100000, 2, 2, 50000, &why), XLM__DECIDE_ABORT);
    CU_ASSERT_EQUAL(why, XLM__REASON_ROUNDS);
}

/* Each round leaves `percent` of what the one before left. */
static uint32_t rounds_until_over(unsigned percent)
{
    uint64_t dirty = 1000000;
    struct xlm__policy p;
    enum xlm__reason why;

    xlm__policy_init(&p, 1000, 0, 0);
    for (uint32_t n = 1; n <= 1000; n++) {
        if (decide(&p, n, 100000, dirty, &why) != XLM__DECIDE_CONTINUE)
            return n;
        dirty = dirty * percent / 100;
    }
    return 0;
}

static void test_policy_less_than_five_percent_progress_is_a_stall(void)
{
    CU_ASSERT_EQUAL(rounds_until_over(97), 3);
    CU_ASSERT_TRUE(rounds_until_over(90) > 30);
}

static void test_policy_progress_ends_a_stall(void)
{
    static const uint64_t dirty[] = { 50000, 50000, 40000, 40000, 30000 };
    struct xlm__policy p;
    enum xlm__reason why;

    xlm__policy_init(&p, 30, 0, 0);
    for (uint32_t i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(decide(&p, i + 1, 100000, dirty[i], &why),
                        XLM__DECIDE_CONTINUE);
}

static void test_policy_never_aborts_without_goal(void)
{
    uint64_t x = 88172645463325252u; /* xorshift64 */

    for (int i = 0; i < 2000; i++) {
        struct xlm__policy p;
        enum xlm__reason why;

        xlm__policy_init(&p, 3, 0, x % 5000000);
        for (uint32_t n = 1; n <= 3; n++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            CU_ASSERT_NOT_EQUAL(decide(&p, n, x >> 40, x >> (x % 60), &why),
                                XLM__DECIDE_ABORT);
        }
        CU_ASSERT_NOT_EQUAL(why, XLM__REASON_MORE);
    }
}

static void test_policy_tiny_round_leaves_the_rate_alone(void)
{
    struct xlm__policy p;
    enum xlm__reason why;
    struct xlm__round_result r = {
        .number = 2, .pages = 255, .duration_us = 100 * S, .dirty_pages = 100000
    };

    xlm__policy_init(&p, 30, 0, 0);
    CU_ASSERT_EQUAL(xlm__policy_rate(&p), 0);
    decide(&p, 1, 100000, 50000, &why);
    CU_ASSERT_EQUAL(xlm__policy_rate(&p), 100000);
    xlm__policy_decide(&p, &r, &why);
    CU_ASSERT_EQUAL(xlm__policy_rate(&p), 100000);
    r.pages = 256;
    xlm__policy_decide(&p, &r, &why);
    CU_ASSERT_EQUAL(xlm__policy_rate(&p), 2);
}

static void test_policy_first_tiny_round_is_better_than_a_guess(void)
{
    struct xlm__policy p;
    enum xlm__reason why;

    xlm__policy_init(&p, 30, 0, 0);
    decide(&p, 1, 10, 50000, &why);
    CU_ASSERT_EQUAL(xlm__policy_rate(&p), 10);
}

static void test_policy_round_without_time_or_pages_is_not_measured(void)
{
    struct xlm__round_result r = {
        .number = 1, .pages = 1000, .duration_us = 0, .dirty_pages = 50000
    };
    struct xlm__policy p;
    enum xlm__reason why;

    xlm__policy_init(&p, 30, 0, 0);
    xlm__policy_decide(&p, &r, &why);
    CU_ASSERT_EQUAL(xlm__policy_rate(&p), 0);
    r.pages = 0;
    r.duration_us = S;
    xlm__policy_decide(&p, &r, &why);
    CU_ASSERT_EQUAL(xlm__policy_rate(&p), 0);
}

static void test_policy_rate_never_becomes_zero(void)
{
    struct xlm__round_result r = {
        .number = 1, .pages = 1, .duration_us = 10 * S, .dirty_pages = 100
    };
    struct xlm__policy p;
    enum xlm__reason why;

    xlm__policy_init(&p, 30, 0, 0);
    xlm__policy_decide(&p, &r, &why);
    CU_ASSERT_EQUAL(xlm__policy_rate(&p), 1);
}

static void test_policy_prediction_is_fixed_plus_variable(void)
{
    struct xlm__policy p;
    enum xlm__reason why;

    xlm__policy_init(&p, 30, 0, 300000);
    CU_ASSERT_EQUAL(xlm__policy_predict_us(&p, 0), 300000);
    /* not measured yet: 6400 pages a second, which is 25 MiB/s */
    CU_ASSERT_EQUAL(xlm__policy_predict_us(&p, 6400), 300000 + S);
    decide(&p, 1, 100000, 50000, &why);
    CU_ASSERT_EQUAL(xlm__policy_predict_us(&p, 50000), 300000 + S / 2);
}

/* An absurd guest must not look as if it were nearly done. */
static void test_policy_prediction_saturates(void)
{
    static const uint64_t pages[] = { UINT64_MAX, UINT64_MAX / S,
                                      UINT64_MAX / S + 1, UINT64_MAX / S - 1,
                                      1ull << 52 };
    struct xlm__policy p;

    xlm__policy_init(&p, 30, 0, S);
    p.rate_pages_s = 1;
    for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
        CU_ASSERT_TRUE(xlm__policy_predict_us(&p, pages[i]) > UINT64_MAX / 4);
}

/* ---- content scan ---- */

/* As expect(), with a scan of 200 ms. */
static void expect_scan(uint64_t goal_us, bool may_exceed, uint64_t dirty,
                        enum xlm__decision decision, enum xlm__reason reason)
{
    struct xlm__round_result r = round_of(1, 100000, dirty);
    struct xlm__policy p;
    enum xlm__reason why;

    r.scan_us = 200000;
    xlm__policy_init(&p, 30, goal_us, 300000);
    p.scan_may_exceed = may_exceed;
    CU_ASSERT_EQUAL(xlm__policy_decide(&p, &r, &why), decision);
    CU_ASSERT_EQUAL(why, reason);
    CU_ASSERT_EQUAL(xlm__policy_predict_us(&p, dirty), 500000 + dirty * 10);
}

static void test_policy_scan_is_part_of_the_pause(void)
{
    expect_scan(0, false, 1000, XLM__DECIDE_SWITCHOVER, XLM__REASON_SMALL);
    expect_scan(0, false, 1001, XLM__DECIDE_CONTINUE, XLM__REASON_MORE);
    /* 300 ms fixed + 200 ms scan + 100 ms for 10000 pages, and 10 ms */
    expect_scan(610000, false, 10000, XLM__DECIDE_SWITCHOVER,
                XLM__REASON_GOAL_MET);
    expect_scan(610000, false, 10001, XLM__DECIDE_CONTINUE, XLM__REASON_MORE);
}

static void test_policy_scan_beyond_the_goal_aborts_when_all_is_small(void)
{
    expect_scan(400000, false, 1001, XLM__DECIDE_CONTINUE, XLM__REASON_MORE);
    expect_scan(400000, false, 1000, XLM__DECIDE_ABORT, XLM__REASON_SCAN);
    /* A goal below the fixed part is one for the rest, scan included. */
    expect_scan(250000, false, 1000, XLM__DECIDE_SWITCHOVER,
                XLM__REASON_GOAL_MET);
    expect_scan(150000, false, 1000, XLM__DECIDE_ABORT, XLM__REASON_SCAN);
}

static void test_policy_scan_that_may_exceed_leaves_the_goal_to_the_rest(void)
{
    expect_scan(410000, true, 10000, XLM__DECIDE_SWITCHOVER,
                XLM__REASON_GOAL_MET);
    expect_scan(410000, true, 10001, XLM__DECIDE_CONTINUE, XLM__REASON_MORE);
    expect_scan(165000, true, 15000, XLM__DECIDE_SWITCHOVER,
                XLM__REASON_GOAL_MET);
    expect_scan(165000, true, 15001, XLM__DECIDE_CONTINUE, XLM__REASON_MORE);
}

/* Five percent of the whole, not of the part that still shrinks. */
static void test_policy_rounds_that_only_scan_are_a_stall(void)
{
    struct xlm__policy p;
    enum xlm__reason why;
    uint64_t dirty = 2000;

    xlm__policy_init(&p, 30, 0, 0);
    for (uint32_t n = 1; n <= 3; n++, dirty -= 200) {
        struct xlm__round_result r = round_of(n, 100000, dirty);

        r.scan_us = S;
        CU_ASSERT_EQUAL(xlm__policy_decide(&p, &r, &why),
                        n < 3 ? XLM__DECIDE_CONTINUE : XLM__DECIDE_SWITCHOVER);
    }
    CU_ASSERT_EQUAL(why, XLM__REASON_STALLED);
}

static void test_policy_every_reason_has_its_own_text(void)
{
    for (int a = XLM__REASON_MORE; a <= XLM__REASON_SCAN; a++) {
        const char *text = xlm__policy_reason((enum xlm__reason)a);

        CU_ASSERT_TRUE(text && text[0]);
        for (int b = XLM__REASON_MORE; b < a; b++)
            CU_ASSERT_STRING_NOT_EQUAL(text,
                                       xlm__policy_reason((enum xlm__reason)b));
    }
}

static void test_policy_again_is_judged_afresh_for_three_rounds(void)
{
    struct xlm__policy p;
    enum xlm__reason why;

    xlm__policy_init(&p, 2, 400000, 300000);
    CU_ASSERT_EQUAL(decide(&p, 1, 100000, 9000, &why), XLM__DECIDE_SWITCHOVER);
    xlm__policy_again(&p, 1);
    /* What came together meanwhile is no lack of progress. */
    CU_ASSERT_EQUAL(decide(&p, 2, 9000, 90000, &why), XLM__DECIDE_CONTINUE);
    CU_ASSERT_EQUAL(why, XLM__REASON_MORE);
    CU_ASSERT_EQUAL(decide(&p, 3, 90000, 80000, &why), XLM__DECIDE_CONTINUE);
    CU_ASSERT_EQUAL(decide(&p, 4, 80000, 70000, &why), XLM__DECIDE_ABORT);
    CU_ASSERT_EQUAL(why, XLM__REASON_ROUNDS);
}

static void test_policy_again_takes_no_round_away(void)
{
    struct xlm__policy p;

    xlm__policy_init(&p, 30, 0, 0);
    xlm__policy_again(&p, 5);
    CU_ASSERT_EQUAL(p.max_rounds, 30);
}

static void test_policy_fixed_part_set_later_counts(void)
{
    struct xlm__policy p;

    xlm__policy_init(&p, 30, 200000, 300000);
    CU_ASSERT_TRUE(xlm__policy_goal_unreachable(&p));
    xlm__policy_set_fixed(&p, 100000);
    CU_ASSERT_FALSE(xlm__policy_goal_unreachable(&p));
    CU_ASSERT_EQUAL(xlm__policy_predict_us(&p, 0), 100000);
}

static void test_policy_asked_switches_over_whatever_the_pause(void)
{
    struct xlm__round_result r = round_of(1, 100000, 10000000);
    struct xlm__policy p;
    enum xlm__reason why;

    xlm__policy_init(&p, 30, S / 100, 0);
    r.asked = true;
    CU_ASSERT_EQUAL(xlm__policy_decide(&p, &r, &why), XLM__DECIDE_SWITCHOVER);
    CU_ASSERT_EQUAL(why, XLM__REASON_ASKED);
    CU_ASSERT_EQUAL(xlm__policy_rate(&p), 100000);
}

static void test_policy_rest_of_a_cut_round_counts(void)
{
    struct xlm__round_result r = round_of(1, 100000, 1000);
    struct xlm__policy p;
    enum xlm__reason why;

    xlm__policy_init(&p, 30, S / 2, 0);
    r.rest_pages = 100000;
    CU_ASSERT_EQUAL(xlm__policy_decide(&p, &r, &why), XLM__DECIDE_CONTINUE);
    r.rest_pages = 0;
    CU_ASSERT_EQUAL(xlm__policy_decide(&p, &r, &why), XLM__DECIDE_SWITCHOVER);
}

static void test_policy_goal_may_change_between_rounds(void)
{
    struct xlm__policy p;
    enum xlm__reason why;

    xlm__policy_init(&p, 30, S / 10, 0);
    CU_ASSERT_EQUAL(decide(&p, 1, 100000, 50000, &why), XLM__DECIDE_CONTINUE);
    xlm__policy_set_goal(&p, S + S / 10);
    CU_ASSERT_EQUAL(decide(&p, 2, 50000, 50000, &why), XLM__DECIDE_SWITCHOVER);
    CU_ASSERT_EQUAL(why, XLM__REASON_GOAL_MET);
}

/* Worse than the best, but better than when it was slowed down. */
static void test_policy_slowed_is_judged_by_what_it_was_then(void)
{
    struct xlm__policy p;
    enum xlm__reason why;

    xlm__policy_init(&p, 30, 100000, 0);
    decide(&p, 1, 100000, 30000, &why);
    decide(&p, 2, 100000, 60000, &why);
    CU_ASSERT_EQUAL(decide(&p, 3, 100000, 60000, &why), XLM__DECIDE_ABORT);
    xlm__policy_slowed(&p);
    CU_ASSERT_EQUAL(decide(&p, 4, 100000, 50000, &why), XLM__DECIDE_CONTINUE);
    xlm__policy_slowed(&p);
    CU_ASSERT_EQUAL(decide(&p, 5, 100000, 49000, &why), XLM__DECIDE_ABORT);
    CU_ASSERT_EQUAL(why, XLM__REASON_STALLED);
}

/* It would be met with nothing to spare: enough when there is no more to be
 * had. */
static void test_policy_goal_is_met_when_nothing_shrinks_any_more(void)
{
    struct xlm__policy p;
    enum xlm__reason why;

    xlm__policy_init(&p, 30, 105000, 0);
    for (uint32_t n = 1; n < 3; n++)
        CU_ASSERT_EQUAL(decide(&p, n, 100000, 10000, &why),
                        XLM__DECIDE_CONTINUE);
    CU_ASSERT_EQUAL(decide(&p, 3, 100000, 10000, &why), XLM__DECIDE_SWITCHOVER);
    CU_ASSERT_EQUAL(why, XLM__REASON_GOAL_MET);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_policy_goal_is_met_when_nothing_shrinks_any_more),
    UNIT_TEST(test_policy_slowed_is_judged_by_what_it_was_then),
    UNIT_TEST(test_policy_again_is_judged_afresh_for_three_rounds),
    UNIT_TEST(test_policy_again_takes_no_round_away),
    UNIT_TEST(test_policy_fixed_part_set_later_counts),
    UNIT_TEST(test_policy_pause_still_shrinks_continues),
    UNIT_TEST(test_policy_ten_ms_left_switches_over),
    UNIT_TEST(test_policy_few_pages_switch_over_on_any_link),
    UNIT_TEST(test_policy_nothing_dirty_switches_over),
    UNIT_TEST(test_policy_goal_counts_fixed_part),
    UNIT_TEST(test_policy_goal_below_fixed_part_applies_to_the_rest),
    UNIT_TEST(test_policy_stalled_without_goal_switches_over),
    UNIT_TEST(test_policy_stalled_with_goal_aborts),
    UNIT_TEST(test_policy_round_limit_without_goal_switches_over),
    UNIT_TEST(test_policy_round_limit_with_goal_aborts),
    UNIT_TEST(test_policy_less_than_five_percent_progress_is_a_stall),
    UNIT_TEST(test_policy_progress_ends_a_stall),
    UNIT_TEST(test_policy_never_aborts_without_goal),
    UNIT_TEST(test_policy_tiny_round_leaves_the_rate_alone),
    UNIT_TEST(test_policy_first_tiny_round_is_better_than_a_guess),
    UNIT_TEST(test_policy_round_without_time_or_pages_is_not_measured),
    UNIT_TEST(test_policy_rate_never_becomes_zero),
    UNIT_TEST(test_policy_prediction_is_fixed_plus_variable),
    UNIT_TEST(test_policy_prediction_saturates),
    UNIT_TEST(test_policy_scan_is_part_of_the_pause),
    UNIT_TEST(test_policy_scan_beyond_the_goal_aborts_when_all_is_small),
    UNIT_TEST(test_policy_scan_that_may_exceed_leaves_the_goal_to_the_rest),
    UNIT_TEST(test_policy_rounds_that_only_scan_are_a_stall),
    UNIT_TEST(test_policy_every_reason_has_its_own_text),
    UNIT_TEST(test_policy_asked_switches_over_whatever_the_pause),
    UNIT_TEST(test_policy_rest_of_a_cut_round_counts),
    UNIT_TEST(test_policy_goal_may_change_between_rounds),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("policy", tests)
