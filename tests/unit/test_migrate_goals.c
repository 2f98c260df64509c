/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Goals that are met, or not: one situation each; see
 * tests/scenario/scenario.h. */
#include "config.h"

#include <stdint.h>

#include "../scenario/scenario_test.h"
#include "unit.h"

/* It writes to all of its memory, and no round is short enough for that. */
#define TOO_FAST                                                               \
    .writer = WRITER_FAST, .nr_pfns = 2048, .nr_ram = 2048,                    \
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
    LOOK(.rc = XLM_ERR_NOCONVERGE, STAYED, TOO_FAST, .opt.deadline_ms = 6000,
         .opt.on_slow = { XLM_SLOW_WAIT });

    SCENARIO_CHECK(r, r->src.stats.round > 4);
    SCENARIO_CHECK(r, r->src.stats.elapsed_us > 2000000);
    SCENARIO_CHECK(r, !r->was_suspended);
    SCENARIO_CHECK(r, said(r, "going on until the deadline, as chosen"));
    SCENARIO_CHECK(r, strstr(r->src.message, "deadline of 6 s"));
    DONE();
}

static void test_migrate_goal_out_of_reach_waits_and_switches(void)
{
    LOOK(MOVED, TOO_FAST, .opt.deadline_ms = 6000,
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
         .event_state = XLM_STATE_PRECOPY, .event_round = 14);

    SCENARIO_CHECK(r, r->src.stats.round > 14);
    SCENARIO_CHECK(r, r->src.stats.on_slow == XLM_SLOW_WAIT);
    DONE();
}

/* It computes all the time, writes as it goes, and is too fast only then. */
#define TOO_BUSY_FOR(bytes_s)                                                  \
    .writer = WRITER_CAPPED, .nr_pfns = 4096, .nr_ram = 4096,                  \
    .opt.downtime_ms = 50, .opt.fixed_pause_ms = 5,                            \
    .opt.compress = XLM_COMPRESS_NONE, .opt.bandwidth_bytes_s = bytes_s
#define TOO_BUSY TOO_BUSY_FOR(80 << 20)

__attribute__((unused)) static void test_migrate_goal_is_met_by_throttling(void)
{
    LOOK(MOVED, TOO_BUSY, .opt.on_slow = { XLM_SLOW_THROTTLE });

    SCENARIO_CHECK(r, r->src.stats.on_slow == XLM_SLOW_THROTTLE);
    SCENARIO_CHECK(r, r->src.stats.throttle_steps > 0);
    SCENARIO_CHECK(r, r->src.stats.throttle_percent < 100);
    SCENARIO_CHECK(r, r->src.stats.cap_percent == 0);
    SCENARIO_CHECK(r, r->src.stats.throttle_us > 0);
    SCENARIO_CHECK(r, r->src.hv->sched.cap == 0);
    SCENARIO_CHECK(r, r->src.hv->nr_caps == r->src.stats.throttle_steps + 1);
    SCENARIO_CHECK(r, !r->src.ts.marked[XLM__MARK_SLOWED]);
    SCENARIO_CHECK(r, said(r, "as chosen (throttle)"));
    DONE();
}

static void test_migrate_goal_without_throttling_stays(void)
{
    LOOK(.rc = XLM_ERR_NOCONVERGE, STAYED, TOO_BUSY);

    SCENARIO_CHECK(r, r->src.hv->nr_caps == 0);
    DONE();
}

/* However little CPU it gets. */
__attribute__((unused)) static void
test_migrate_goal_out_of_reach_of_throttling_stays(void)
{
    LOOK(.rc = XLM_ERR_NOCONVERGE, STAYED, TOO_BUSY_FOR(4 << 20),
         .opt.on_slow = { XLM_SLOW_THROTTLE });

    /* 5 is the least; the last step before it is the last of all if it was
     * measured to use no more than that. */
    SCENARIO_CHECK(r, r->src.stats.throttle_percent <= 7);
    SCENARIO_CHECK(r, r->src.hv->nr_caps > 5);
    DONE();
}

static void no_caps(struct run *r)
{
    r->src.hv->sched = (struct xlm__sched){ .name = "null" };
}

static void test_migrate_goal_without_a_cap_is_said_and_switched(void)
{
    LOOK(MOVED, TOO_BUSY, .prepare = no_caps,
         .opt.on_slow = { XLM_SLOW_THROTTLE, XLM_SLOW_SWITCH });

    SCENARIO_CHECK(r, said(r, "finding no-cap: scheduler null has no cap"));
    SCENARIO_CHECK(r, r->src.stats.on_slow == XLM_SLOW_SWITCH);
    SCENARIO_CHECK(r, r->src.hv->nr_caps == 0);
    DONE();
}

static void stop(struct run *r)
{
    SCENARIO_CHECK(r, r->src.hv->sched.cap != 0);
    SCENARIO_CHECK(r, r->src.ts.marked[XLM__MARK_SLOWED]);
    scenario_cancel(&r->src);
}

static void test_migrate_throttled_guest_is_given_its_cpu_when_cancelled(void)
{
    LOOK(.rc = XLM_ERR_CANCELLED, STAYED, TOO_BUSY_FOR(4 << 20), .event = stop,
         .event_state = XLM_STATE_PRECOPY, .event_round = 5,
         .opt.on_slow = { XLM_SLOW_THROTTLE });

    SCENARIO_CHECK(r, r->src.hv->nr_caps > 1);
    DONE();
}

static void refuse_suspend(struct run *r)
{
    r->src.ts.fail_op = "suspend";
}

__attribute__((unused)) static void
test_migrate_throttled_guest_is_given_its_cpu_when_it_fails(void)
{
    LOOK(.rc = SCENARIO_ANY, TOO_BUSY, .prepare = refuse_suspend,
         .opt.on_slow = { XLM_SLOW_THROTTLE });

    SCENARIO_CHECK(r, r->src.rc != 0 && r->src.owner == XLM_OWNER_SOURCE);
    SCENARIO_CHECK(r, r->src.hv->nr_caps > 1);
    DONE();
}

/* Killed with its guardian: the next one finds what it left. */
static void left_slowed(struct run *r)
{
    r->src.ts.marked[XLM__MARK_SLOWED] = true;
    r->src.ts.mark[XLM__MARK_SLOWED] = (struct xlm__mark){
        .domid = r->src.hv->info.domid, .flags = 0
    };
    memcpy(r->src.ts.mark[XLM__MARK_SLOWED].uuid, r->src.hv->info.uuid, 16);
    r->src.hv->sched.cap = 7;
}

static void test_migrate_predecessors_cap_is_taken_back_first(void)
{
    LOOK(MOVED, .prepare = left_slowed);

    SCENARIO_CHECK(r, r->src.hv->nr_caps == 1);
    SCENARIO_CHECK(r, r->src.hv->sched.cap == 0);
    SCENARIO_CHECK(r, !r->src.ts.marked[XLM__MARK_SLOWED]);
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

/* ---- estimates ---- */

static void nothing_there(struct run *r)
{
    SCENARIO_CHECK(r, fake_toolstack_count(&r->dst.ts, "restore_begin") == 0);
    SCENARIO_CHECK(r, !r->dst.hv->exists);
    SCENARIO_CHECK(r, !r->was_suspended);
    SCENARIO_CHECK(r, !r->src.hv->logging);
}

#define ESTIMATE .rc = 0, STAYED, .over = nothing_there

static void test_migrate_estimate_moves_nothing(void)
{
    LOOK(ESTIMATE, .writer = WRITER_SLOW, .opt.flags = XLM_F_ESTIMATE);

    SCENARIO_CHECK(r, r->src.stats.estimated);
    SCENARIO_CHECK(r, r->src.stats.estimated_rounds > 0);
    SCENARIO_CHECK(r, r->src.stats.estimated_total_us > 0);
    SCENARIO_CHECK(r, r->src.stats.estimated_pause_us >= 50000);
    SCENARIO_CHECK(r, r->src.hv->nr_on > 0 &&
                          r->src.hv->nr_off >= r->src.hv->nr_on);
    DONE();
}

static void test_migrate_estimate_over_tcp_moves_nothing(void)
{
    LOOK(ESTIMATE, .writer = WRITER_SLOW,
         .opt = { .flags = XLM_F_ESTIMATE,
                  .data = XLM_DATA_TLS,
                  .data_channels = 2,
                  .data_host = "127.0.0.1" });

    SCENARIO_CHECK(r, r->src.stats.estimated);
    DONE();
}

static void test_migrate_estimate_of_a_pv_guest_by_scan(void)
{
    LOOK(ESTIMATE, .type = XLM__TYPE_PV, .refuse_logdirty = true,
         .writer = WRITER_SLOW, .opt.flags = XLM_F_ESTIMATE);

    SCENARIO_CHECK(r, r->src.stats.estimated);
    SCENARIO_CHECK(r, r->src.stats.dirty == XLM_DIRTY_SCAN);
    DONE();
}

static void test_migrate_estimate_says_what_goal_is_out_of_reach(void)
{
    LOOK(.rc = XLM_ERR_NOCONVERGE, STAYED, .over = nothing_there,
         TOO_BUSY_FOR(8 << 20), .opt.flags = XLM_F_ESTIMATE);

    SCENARIO_CHECK(r, r->src.stats.estimated);
    SCENARIO_CHECK(r, strstr(r->src.message, "the goals cannot be met"));
    DONE();
}

static void test_migrate_estimate_cancelled_tracks_no_more(void)
{
    LOOK(.rc = XLM_ERR_CANCELLED, STAYED, .over = nothing_there,
         .event = scenario_cancel_source, .event_to = TO_DESTINATION,
         .event_type = XLM__REC_ROUND_END, .opt.flags = XLM_F_ESTIMATE);
    DONE();
}

/* How much CPU a guest used is measured in real time, in which nothing gets on
 * under ThreadSanitizer. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TIMED_TEST(fn)
#endif
#endif
#ifndef TIMED_TEST
#define TIMED_TEST(fn) UNIT_TEST(fn),
#endif

/* clang-format off */
static CU_TestInfo tests[] = {
    UNIT_TEST(test_migrate_goal_is_met),
    UNIT_TEST(test_migrate_goal_out_of_reach_stays),
    UNIT_TEST(test_migrate_goal_out_of_reach_moves_by_switch),
    UNIT_TEST(test_migrate_goal_out_of_reach_waits_for_the_deadline),
    UNIT_TEST(test_migrate_goal_out_of_reach_waits_and_switches),
    UNIT_TEST(test_migrate_goal_is_met_after_waiting),
    TIMED_TEST(test_migrate_goal_is_met_by_throttling)
    UNIT_TEST(test_migrate_goal_without_throttling_stays),
    TIMED_TEST(test_migrate_goal_out_of_reach_of_throttling_stays)
    UNIT_TEST(test_migrate_goal_without_a_cap_is_said_and_switched),
    UNIT_TEST(test_migrate_throttled_guest_is_given_its_cpu_when_cancelled),
    TIMED_TEST(test_migrate_throttled_guest_is_given_its_cpu_when_it_fails)
    UNIT_TEST(test_migrate_predecessors_cap_is_taken_back_first),
    UNIT_TEST(test_migrate_deadline_ends_a_round),
    UNIT_TEST(test_migrate_deadline_is_switched_over_when_passed),
    UNIT_TEST(test_migrate_deadline_far_away_changes_nothing),
    UNIT_TEST(test_migrate_estimate_moves_nothing),
    UNIT_TEST(test_migrate_estimate_over_tcp_moves_nothing),
    UNIT_TEST(test_migrate_estimate_of_a_pv_guest_by_scan),
    UNIT_TEST(test_migrate_estimate_says_what_goal_is_out_of_reach),
    UNIT_TEST(test_migrate_estimate_cancelled_tracks_no_more),
    CU_TEST_INFO_NULL,
};
/* clang-format on */
UNIT_MAIN("migrate_goals", tests)
