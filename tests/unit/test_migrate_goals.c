/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goals that are met, or not: one situation each; see
 * tests/scenario/scenario.h. */
#include "config.h"

#include <stdint.h>

#include "../scenario/scenario_test.h"
#include "unit.h"

/* It writes to all of its memory, and no round is short enough for that. */
#define TOO_FAST                                                               \
    .writer = WRITER_FAST, .nr_pfns = 4096, .nr_ram = 4096,                    \
    .opt.downtime_ms = 20, .opt.fixed_pause_ms = 5,                            \
    .opt.compress = XLM_COMPRESS_NONE, .opt.bandwidth_bytes_s = 60 << 20

static bool said(struct run *r, const char *text)
{
    bool is;

    pthread_mutex_lock(&r->log_lock);
    is = strstr(r->log, text);
    pthread_mutex_unlock(&r->log_lock);
    return is;
}

static void test_migrate_goal_is_met(void)
{
    RUN(MOVED, .writer = WRITER_SLOW,
        .opt = { .downtime_ms = 5000, .fixed_pause_ms = 10 });
}

static void test_migrate_goal_out_of_reach_stays(void)
{
    LOOK(.rc = XLM_ERR_NOCONVERGE, STAYED, TOO_FAST);

    SCENARIO_CHECK(r, !r->was_suspended);
    SCENARIO_CHECK(r, strstr(r->src.message, "goal 20 ms"));
    DONE();
}

static void test_migrate_goal_out_of_reach_moves_by_switch(void)
{
    LOOK(MOVED, TOO_FAST, .opt.on_slow = { XLM_SLOW_SWITCH });

    SCENARIO_CHECK(r, r->src.stats.on_slow == XLM_SLOW_SWITCH);
    SCENARIO_CHECK(r, said(r, "switching over all the same, as chosen"));
    DONE();
}

static void test_migrate_goal_out_of_reach_waits_for_the_deadline(void)
{
    LOOK(.rc = XLM_ERR_NOCONVERGE, STAYED, TOO_FAST, .opt.deadline_ms = 4000,
         .opt.on_slow = { XLM_SLOW_WAIT });

    SCENARIO_CHECK(r, r->src.stats.round > 4);
    SCENARIO_CHECK(r, r->src.stats.elapsed_us > 2000000);
    SCENARIO_CHECK(r, !r->was_suspended);
    SCENARIO_CHECK(r, said(r, "going on until the deadline, as chosen"));
    SCENARIO_CHECK(r, strstr(r->src.message, "deadline of 4 s"));
    DONE();
}

static void test_migrate_goal_out_of_reach_waits_and_switches(void)
{
    LOOK(MOVED, TOO_FAST, .opt.deadline_ms = 4000,
         .opt.on_slow = { XLM_SLOW_WAIT, XLM_SLOW_SWITCH });

    SCENARIO_CHECK(r, r->src.stats.round > 4);
    SCENARIO_CHECK(r, r->src.stats.on_slow == XLM_SLOW_SWITCH);
    DONE();
}

static void calm_down(struct run *r)
{
    r->stop_writer = true;
}

static void test_migrate_goal_is_met_after_waiting(void)
{
    LOOK(MOVED, TOO_FAST, .opt.deadline_ms = 60000,
         .opt.on_slow = { XLM_SLOW_WAIT }, .event = calm_down,
         .event_state = XLM_STATE_PRECOPY, .event_round = 6);

    SCENARIO_CHECK(r, r->src.stats.round > 6);
    SCENARIO_CHECK(r, r->src.stats.on_slow == XLM_SLOW_WAIT);
    DONE();
}

/* 16 MiB at 4 MiB/s. */
#define TOO_SLOW                                                               \
    .nr_pfns = 4096, .nr_ram = 4096, .opt.compress = XLM_COMPRESS_NONE,        \
    .opt.bandwidth_bytes_s = 4 << 20

static void test_migrate_deadline_ends_a_round(void)
{
    LOOK(.rc = XLM_ERR_NOCONVERGE, STAYED, TOO_SLOW, .opt.deadline_ms = 1000);

    SCENARIO_CHECK(r, r->src.stats.elapsed_us < 3000000);
    SCENARIO_CHECK(r, strstr(r->src.message, "has passed in round 1"));
    DONE();
}

static void test_migrate_deadline_is_switched_over_when_passed(void)
{
    LOOK(MOVED, TOO_SLOW, .writer = WRITER_SLOW, .opt.deadline_ms = 1000,
         .opt.on_slow = { XLM_SLOW_SWITCH });

    SCENARIO_CHECK(r, r->src.stats.on_slow == XLM_SLOW_SWITCH);
    DONE();
}

static void test_migrate_deadline_far_away_changes_nothing(void)
{
    LOOK(MOVED, .writer = WRITER_SLOW, .opt.deadline_ms = 600000);

    SCENARIO_CHECK(r, r->src.stats.on_slow == 0);
    DONE();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_migrate_goal_is_met),
    UNIT_TEST(test_migrate_goal_out_of_reach_stays),
    UNIT_TEST(test_migrate_goal_out_of_reach_moves_by_switch),
    UNIT_TEST(test_migrate_goal_out_of_reach_waits_for_the_deadline),
    UNIT_TEST(test_migrate_goal_out_of_reach_waits_and_switches),
    UNIT_TEST(test_migrate_goal_is_met_after_waiting),
    UNIT_TEST(test_migrate_deadline_ends_a_round),
    UNIT_TEST(test_migrate_deadline_is_switched_over_when_passed),
    UNIT_TEST(test_migrate_deadline_far_away_changes_nothing),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("migrate_goals", tests)
