/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is asked of a migration while it runs: one situation each; see
 * tests/scenario/scenario.h. */
#include "config.h"

#include "../scenario/scenario_test.h"
#include "unit.h"

#define SECOND UINT64_C(1000000) /* us */

/* What the callers below were told; one scenario at a time. */
static atomic_int told;

/* ---- switch over ---- */

static void switch_now(struct run *r)
{
    atomic_store(&told, xlm_session_switch_now(r->src.session));
}

/* All of its memory is dirty after every round, and the goal out of reach. */
#define ENDLESS                                                                \
    .writer = WRITER_FAST, .nr_pfns = 4096, .nr_ram = 4096,                    \
    .opt = { .downtime_ms = 20,                                                \
             .fixed_pause_ms = 5,                                              \
             .bandwidth_bytes_s = 60 << 20 }

static void test_orders_switch_ends_what_would_not_end(void)
{
    LOOK(MOVED, ENDLESS, .event = switch_now, .event_state = XLM_STATE_PRECOPY,
         .event_round = 2);

    SCENARIO_CHECK(r, atomic_load(&told) == 0);
    SCENARIO_CHECK(r, strstr(r->log, "it is to switch over now"));
    SCENARIO_CHECK(r, r->src.stats.switch_asked == 1);
    SCENARIO_CHECK(r, r->src.stats.round == 3);
    DONE();
}

/* The round that is cut is the first: most pages travel for the first time in
 * the pause.  The runner compares all of memory. */
#define CUT_FIRST                                                              \
    .event = switch_now, .event_state = XLM_STATE_PRECOPY, .event_round = 1,   \
    .writer = WRITER_SLOW, .nr_pfns = 8192, .nr_ram = 6000

static void test_orders_switch_cuts_the_first_round(void)
{
    LOOK(MOVED, CUT_FIRST, .opt = { .bandwidth_bytes_s = 40 << 20 });

    SCENARIO_CHECK(r, r->src.stats.round == 2);
    SCENARIO_CHECK(r, r->src.stats.round_pages > 1000);
    SCENARIO_CHECK(r, r->src.stats.sent_pages < 6400);
    DONE();
}

static void test_orders_switch_cuts_every_way_and_type(void)
{
    RUN(MOVED, CUT_FIRST, .channels = 4,
        .opt = { .bandwidth_bytes_s = 40 << 20 });
    RUN(MOVED, CUT_FIRST, .type = XLM__TYPE_HVM,
        .opt = { .bandwidth_bytes_s = 40 << 20 });
    RUN(MOVED, CUT_FIRST, .type = XLM__TYPE_PV,
        .opt = { .bandwidth_bytes_s = 40 << 20 });
    RUN(MOVED, CUT_FIRST, .type = XLM__TYPE_PV, .refuse_logdirty = true,
        .opt = { .bandwidth_bytes_s = 40 << 20 });
    RUN(MOVED, CUT_FIRST,
        .opt = { .bandwidth_bytes_s = 40 << 20, .dirty = XLM_DIRTY_SCAN });
}

static void slow_devices(struct run *r)
{
    r->dst.ts.slow_op = "restore_end";
    r->dst.ts.slow_ms = 400;
}

static void test_orders_switch_waits_for_devices_and_no_more(void)
{
    LOOK(MOVED, .prepare = slow_devices, .writer = WRITER_SLOW,
         .event = switch_now, .event_state = XLM_STATE_PRECOPY,
         .event_round = 1);

    SCENARIO_CHECK(r, r->src.stats.prebuilt == 1);
    SCENARIO_CHECK(r, r->src.stats.round == 2);
    DONE();
}

static void test_orders_switch_comes_too_late_when_suspended(void)
{
    LOOK(MOVED, .event = switch_now, .event_state = XLM_STATE_SWITCHOVER);

    SCENARIO_CHECK(r, atomic_load(&told) == XLM_ERR_STATE);
    SCENARIO_CHECK(r, r->src.stats.switch_asked == 0);
    DONE();
}

/* ---- other goals ---- */

static void no_goal(struct run *r)
{
    atomic_store(&told, xlm_session_set_downtime(r->src.session, 0));
}

static void test_orders_goal_is_taken_back(void)
{
    LOOK(MOVED, ENDLESS, .event = no_goal, .event_state = XLM_STATE_PRECOPY,
         .event_round = 1);

    SCENARIO_CHECK(r, atomic_load(&told) == 0);
    SCENARIO_CHECK(r, r->src.stats.downtime_ms == 0);
    DONE();
}

static void tight_goal(struct run *r)
{
    atomic_store(&told, xlm_session_set_downtime(r->src.session, 20));
}

static void test_orders_goal_is_set(void)
{
    LOOK(.rc = XLM_ERR_NOCONVERGE, STAYED, .writer = WRITER_FAST,
         .nr_pfns = 4096, .nr_ram = 4096, .event = tight_goal,
         .event_state = XLM_STATE_PRECOPY, .event_round = 1,
         .opt = { .fixed_pause_ms = 5, .bandwidth_bytes_s = 60 << 20 });

    SCENARIO_CHECK(r, strstr(r->src.message, "goal 20 ms"));
    SCENARIO_CHECK(r, r->src.stats.downtime_ms == 20);
    DONE();
}

static void test_orders_goal_comes_too_late_when_suspended(void)
{
    LOOK(MOVED, .event = tight_goal, .event_state = XLM_STATE_SWITCHOVER);

    SCENARIO_CHECK(r, atomic_load(&told) == XLM_ERR_STATE);
    SCENARIO_CHECK(r, r->src.stats.downtime_ms == 0);
    DONE();
}

/* ---- bandwidth ---- */

static void no_limit(struct run *r)
{
    atomic_store(&told, xlm_session_set_bandwidth(r->src.session, 0));
}

/* Enough for a second batch, which has to wait for the first one's 4 MiB: by
 * the first limit a minute. */
#define SOME_BATCHES .nr_pfns = 4096, .nr_ram = 3000

static void test_orders_limit_is_lifted_for_who_waits_already(void)
{
    LOOK(MOVED, .event = no_limit, .event_state = XLM_STATE_PRECOPY,
         .event_round = 1, SOME_BATCHES,
         .opt = { .bandwidth_bytes_s = 65536, .compress = XLM_COMPRESS_NONE });

    SCENARIO_CHECK(r, atomic_load(&told) == 0);
    SCENARIO_CHECK(r, r->src.stats.elapsed_us < 15 * SECOND);
    SCENARIO_CHECK(r, r->src.stats.limit_bytes_s == 0);
    DONE();
}

static void low_limit(struct run *r)
{
    atomic_store(&told, xlm_session_set_bandwidth(r->src.session, 4 << 20));
}

/* 12 MB, of which some are on their way when it is set. */
static void test_orders_limit_is_set(void)
{
    LOOK(MOVED, .event = low_limit, .event_state = XLM_STATE_PRECOPY,
         .event_round = 1, SOME_BATCHES,
         .opt = { .bandwidth_bytes_s = 20 << 20,
                  .compress = XLM_COMPRESS_NONE });

    SCENARIO_CHECK(r, r->src.stats.elapsed_us > SECOND);
    SCENARIO_CHECK(r, r->src.stats.limit_bytes_s == 4 << 20);
    SCENARIO_CHECK(r, r->src.stats.wire_rate_bytes_s > 1 << 20);
    SCENARIO_CHECK(r, r->src.stats.wire_rate_bytes_s < 20 << 20);
    DONE();
}

/* All of it travels in the pause. */
#define ALL_IN_THE_PAUSE(mib_s)                                                \
    .dirty = XLM_DIRTY_NONE, .bandwidth_bytes_s = (mib_s) << 20,               \
    .compress = XLM_COMPRESS_NONE

static void test_orders_last_round_may_be_exempt(void)
{
    LOOK(MOVED, SOME_BATCHES,
         .opt = { ALL_IN_THE_PAUSE(1), .flags = XLM_F_EXEMPT_LAST_ROUND });

    /* Else it would be nine. */
    SCENARIO_CHECK(r, r->src.stats.last_round_us < 5 * SECOND);
    DONE();
}

static void test_orders_last_round_is_limited_else(void)
{
    LOOK(MOVED, SOME_BATCHES, .opt = { ALL_IN_THE_PAUSE(4) });

    SCENARIO_CHECK(r, r->src.stats.last_round_us > 3 * SECOND / 2);
    DONE();
}

/* ---- cancel ---- */

static void cancel(struct run *r)
{
    atomic_store(&told, xlm_session_cancel(r->src.session));
}

static void test_orders_cancel_says_that_it_works(void)
{
    LOOK(.rc = XLM_ERR_CANCELLED, STAYED, .event = cancel,
         .event_state = XLM_STATE_SWITCHOVER);

    SCENARIO_CHECK(r, atomic_load(&told) == 0);
    DONE();
}

static void test_orders_cancel_says_that_it_comes_too_late(void)
{
    LOOK(MOVED, .event = cancel, .event_to = TO_DESTINATION,
         .event_type = XLM__REC_PERMIT);

    SCENARIO_CHECK(r, atomic_load(&told) == XLM_ERR_STATE);
    DONE();
}

/* ---- who may not ---- */

static void test_orders_of_a_destination_are_refused(void)
{
    struct xlm_session *s = NULL;

    CU_ASSERT_EQUAL_FATAL(xlm_session_open(XLM_DESTINATION, NULL, &s), 0);
    CU_ASSERT_EQUAL(xlm_session_set_downtime(s, 1), XLM_ERR_INVAL);
    CU_ASSERT_EQUAL(xlm_session_set_bandwidth(s, 1), XLM_ERR_INVAL);
    CU_ASSERT_EQUAL(xlm_session_switch_now(s), XLM_ERR_INVAL);
    CU_ASSERT_EQUAL(xlm_session_switch_now(NULL), XLM_ERR_INVAL);
    xlm_session_close(s);
}

static void test_orders_before_it_runs_are_kept_but_for_the_switch(void)
{
    const struct xlm_options opt = { .size = sizeof(opt),
                                     .domid = 7,
                                     .downtime_ms = 100 };
    struct xlm_stats st = { .size = sizeof(st) };
    struct xlm_session *s = NULL;

    CU_ASSERT_EQUAL_FATAL(xlm_session_open(XLM_SOURCE, &opt, &s), 0);
    CU_ASSERT_EQUAL(xlm_session_stats(s, &st), 0);
    CU_ASSERT_EQUAL(st.downtime_ms, 100);
    CU_ASSERT_EQUAL(xlm_session_set_downtime(s, 200), 0);
    CU_ASSERT_EQUAL(xlm_session_set_bandwidth(s, 1000000), 0);
    CU_ASSERT_EQUAL(xlm_session_switch_now(s), XLM_ERR_STATE);
    CU_ASSERT_EQUAL(xlm_session_stats(s, &st), 0);
    CU_ASSERT_EQUAL(st.downtime_ms, 200);
    CU_ASSERT_EQUAL(st.limit_bytes_s, 1000000);
    CU_ASSERT_EQUAL(st.switch_asked, 0);
    xlm_session_close(s);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_orders_switch_ends_what_would_not_end),
    UNIT_TEST(test_orders_switch_cuts_the_first_round),
    UNIT_TEST(test_orders_switch_cuts_every_way_and_type),
    UNIT_TEST(test_orders_switch_waits_for_devices_and_no_more),
    UNIT_TEST(test_orders_switch_comes_too_late_when_suspended),
    UNIT_TEST(test_orders_goal_is_taken_back),
    UNIT_TEST(test_orders_goal_is_set),
    UNIT_TEST(test_orders_goal_comes_too_late_when_suspended),
    UNIT_TEST(test_orders_limit_is_lifted_for_who_waits_already),
    UNIT_TEST(test_orders_limit_is_set),
    UNIT_TEST(test_orders_last_round_may_be_exempt),
    UNIT_TEST(test_orders_last_round_is_limited_else),
    UNIT_TEST(test_orders_cancel_says_that_it_works),
    UNIT_TEST(test_orders_cancel_says_that_it_comes_too_late),
    UNIT_TEST(test_orders_of_a_destination_are_refused),
    UNIT_TEST(test_orders_before_it_runs_are_kept_but_for_the_switch),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("migrate_orders", tests)
