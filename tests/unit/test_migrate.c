/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migrations that move, or miss a goal: one situation each; see
 * tests/scenario/scenario.h. */
#include "config.h"

#include "../scenario/scenario_test.h"
#include "unit.h"
#include "util/bitmap.h"

/* ---- it moves ---- */

static void test_migrate_pvh_moves(void)
{
    LOOK(MOVED);

    SCENARIO_CHECK(r, r->dst.rc == 0);
    SCENARIO_CHECK(r, r->dst.state == XLM_STATE_COMPLETED);
    SCENARIO_CHECK(r, r->src.error == 0 && r->dst.error == 0);
    SCENARIO_CHECK(r, r->src.stats.live == 1 && r->src.stats.channels == 1);
    SCENARIO_CHECK(r, r->src.stats.sent_pages >= SCENARIO_RAM);
    SCENARIO_CHECK(r, r->src.stats.zero_pages >= 255);
    SCENARIO_CHECK(r, r->src.stats.wire_bytes > (SCENARIO_RAM - 256) * 4096ull);
    SCENARIO_CHECK(r, r->src.stats.blackout_us > 0);
    SCENARIO_CHECK(r, r->note.phase == XLM__GUARD_DONE && !r->guarded);
    DONE();
}

static void test_migrate_pvh_is_built_before_it_is_suspended(void)
{
    LOOK(MOVED, .writer = WRITER_SLOW, .nr_ram = 1500);

    is_prebuilt(r, true);
    SCENARIO_CHECK(r, r->nr_findings == 0);
    /* The comparison that takes long is not in the pause. */
    SCENARIO_CHECK(r,
                   fake_toolstack_before(&r->src.ts, "config_diff", "suspend"));
    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "config_diff") == 1);
    DONE();
}

static void is_compared(struct run *r)
{
    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "config_diff") == 1);
}

/* Nothing waits for it. */
static void test_migrate_configuration_is_compared_in_the_first_round(void)
{
    LOOK(MOVED, .event = is_compared, .event_to = TO_DESTINATION,
         .event_type = XLM__REC_ROUND_END);

    SCENARIO_CHECK(r, r->event_done);
    DONE();
}

static void test_migrate_no_prebuild_is_built_in_the_pause(void)
{
    LOOK(MOVED, .writer = WRITER_SLOW, .opt = { .flags = XLM_F_NO_PREBUILD });

    is_prebuilt(r, false);
    SCENARIO_CHECK(r, r->nr_findings == 0);
    SCENARIO_CHECK(r, !fake_toolstack_count(&r->dst.ts, "check_prebuild"));
    DONE();
}

static void newer_xen(struct run *r)
{
    r->dst.hv->xen_minor = 20;
}

static void newer_major(struct run *r)
{
    r->dst.hv->xen_major = 5;
    r->dst.hv->xen_minor = 0;
}

static void test_migrate_to_newer_xen(void)
{
    RUN(MOVED, .prepare = newer_xen);
    RUN(MOVED, .prepare = newer_major);
}

static void refuse_prebuild(struct run *r)
{
    r->dst.ts.no_prebuild = "disk xvda is an image";
}

static void test_migrate_disk_that_may_not_be_open_twice_is_said(void)
{
    LOOK(MOVED, .prepare = refuse_prebuild);

    is_prebuilt(r, false);
    SCENARIO_CHECK(r, r->nr_findings == 1);
    SCENARIO_CHECK(r, strstr(r->log, "disk xvda is an image"));
    DONE();
}

static void test_migrate_hvm_is_built_before_it_is_suspended(void)
{
    LOOK(MOVED, .type = XLM__TYPE_HVM);

    is_prebuilt(r, true);
    SCENARIO_CHECK(r,
                   fake_toolstack_before(&r->dst.ts, "dm_hold", "restore_end"));
    /* A disk that it opened early is read again before it goes on. */
    SCENARIO_CHECK(
        r, fake_toolstack_before(&r->dst.ts, "storage_drop_cache", "dm_load"));
    SCENARIO_CHECK(r,
                   fake_toolstack_before(&r->dst.ts, "dm_load", "restore_go"));
    DONE();
}

static void test_migrate_hvm_no_prebuild_is_built_in_the_pause(void)
{
    LOOK(MOVED, .type = XLM__TYPE_HVM, .opt = { .flags = XLM_F_NO_PREBUILD });

    is_prebuilt(r, false);
    SCENARIO_CHECK(r, !fake_toolstack_count(&r->dst.ts, "dm_hold"));
    SCENARIO_CHECK(r, !fake_toolstack_count(&r->dst.ts, "dm_load"));
    DONE();
}

static void slow_devices(struct run *r)
{
    r->dst.ts.slow_op = "restore_end";
    r->dst.ts.slow_ms = 1500;
}

static void test_migrate_slow_devices_are_waited_for_before_the_suspend(void)
{
    LOOK(MOVED, .prepare = slow_devices, .writer = WRITER_SLOW);

    is_prebuilt(r, true);
    SCENARIO_CHECK(r, strstr(r->log, "waiting for"));
    SCENARIO_CHECK(r, r->src.stats.round >= 3);
    SCENARIO_CHECK(r, r->src.stats.blackout_us < 300000);
    DONE();
}

static void unpause_stray(struct run *r)
{
    struct fake_hv *f = r->dst.hv;

    pthread_mutex_lock(&f->lock);
    if (f->nr_pauses)
        f->nr_pauses--;
    else
        f->info.paused = false;
    pthread_mutex_unlock(&f->lock);
}

static void test_migrate_stray_unpause_starts_nothing_early(void)
{
    LOOK(MOVED, .event = unpause_stray, .event_to = TO_DESTINATION,
         .event_type = XLM__REC_TAIL_END);

    is_prebuilt(r, true);
    SCENARIO_CHECK(r, !r->dst.hv->info.paused);
    DONE();
}

static void touch_devices(struct run *r)
{
    r->src.ts.stamp++;
}

static void test_migrate_touched_configuration_is_compared_again(void)
{
    LOOK(MOVED, .event = touch_devices, .event_state = XLM_STATE_SWITCHOVER);

    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "config_diff") == 2);
    DONE();
}

static void tight_limit(struct run *r)
{
    r->dst.hv->info.max_pages = 100;
}

/* libxl limits the new domain to the target of a guest that has not shrunk to
 * it yet. */
static void test_migrate_guest_above_its_target_moves(void)
{
    LOOK(MOVED, .prepare = tight_limit);

    SCENARIO_CHECK(r, r->dst.hv->info.max_pages == 100);
    DONE();
}

static void test_migrate_two_channels_move(void)
{
    RUN(MOVED, .channels = 2, .nr_ram = 2000, .writer = WRITER_SLOW);
}

static void test_migrate_four_channels_move(void)
{
    LOOK(MOVED, .channels = 4, .nr_pfns = 8192, .nr_ram = 8000,
         .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->src.stats.channels == 4);
    DONE();
}

static void test_migrate_channels_by_rendezvous_move(void)
{
    LOOK(MOVED, .channels = 3, .rendezvous = true, .nr_ram = 2000,
         .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->src.stats.channels == 3);
    DONE();
}

static void fail_build(struct run *r)
{
    r->dst.ts.fail_op = "restore_sync";
}

static void test_migrate_rendezvous_nobody_waits_after_a_failed_build(void)
{
    RUN(.rc = XLM_ERR_PEER, STAYED, .channels = 2, .rendezvous = true,
        .prepare = fail_build);
}

static void test_migrate_pv_with_page_tables_moves(void)
{
    RUN(MOVED, .type = XLM__TYPE_PV);
}

static void test_migrate_pv_dirty_moves(void)
{
    RUN(MOVED, .type = XLM__TYPE_PV, .channels = 2, .writer = WRITER_SLOW);
}

static void test_migrate_hvm_with_device_model_moves(void)
{
    LOOK(MOVED, .type = XLM__TYPE_HVM, .writer = WRITER_SLOW);

    SCENARIO_CHECK(
        r, fake_toolstack_before(&r->src.ts, "dm_logdirty_on", "suspend"));
    DONE();
}

static void test_migrate_without_log_dirty_scans(void)
{
    LOOK(MOVED, .type = XLM__TYPE_PV, .refuse_logdirty = true);

    SCENARIO_CHECK(r, r->src.stats.live == 1 && r->src.stats.round > 1);
    SCENARIO_CHECK(r, r->src.stats.dirty == XLM_DIRTY_SCAN);
    SCENARIO_CHECK(r, r->nr_findings == 1);
    SCENARIO_CHECK(r, r->src.hv->nr_on == 0 && r->src.hv->nr_off == 0);
    DONE();
}

static void test_migrate_scan_of_dirty_pv_moves(void)
{
    LOOK(MOVED, .type = XLM__TYPE_PV, .refuse_logdirty = true,
         .writer = WRITER_FAST, .nr_ram = 2000, .channels = 2,
         .opt = { .bandwidth_bytes_s = 200 << 20 });

    SCENARIO_CHECK(r, r->src.stats.dirty == XLM_DIRTY_SCAN);
    SCENARIO_CHECK(r, r->src.stats.round > 2 && r->src.stats.scan_us > 0);
    DONE();
}

static void test_migrate_scan_of_ballooning_guests_moves(void)
{
    RUN(MOVED, .writer = WRITER_BALLOON, .nr_ram = 1500, .channels = 2,
        .opt = { .bandwidth_bytes_s = 20 << 20, .dirty = XLM_DIRTY_SCAN });
}

static void test_migrate_scan_of_hvm_needs_no_logging_device_model(void)
{
    LOOK(MOVED, .type = XLM__TYPE_HVM, .writer = WRITER_SLOW,
         .opt = { .dirty = XLM_DIRTY_SCAN });

    SCENARIO_CHECK(r, r->src.hv->nr_on == 0);
    SCENARIO_CHECK(r, !fake_toolstack_count(&r->src.ts, "dm_logdirty_on"));
    DONE();
}

static void test_migrate_scan_longer_than_the_goal_stays(void)
{
    LOOK(.rc = XLM_ERR_NOCONVERGE, STAYED, .nr_pfns = 16384, .nr_ram = 16000,
         .opt = { .downtime_ms = 1000000,
                  .fixed_pause_ms = 999999,
                  .dirty = XLM_DIRTY_SCAN });

    SCENARIO_CHECK(r, !r->was_suspended);
    SCENARIO_CHECK(r, strstr(r->src.message, "reading its memory"));
    DONE();
}

static void test_migrate_scan_longer_than_the_goal_moves_with_leave(void)
{
    RUN(MOVED, .nr_pfns = 16384, .nr_ram = 16000,
        .opt = { .downtime_ms = 1000000,
                 .fixed_pause_ms = 999999,
                 .dirty = XLM_DIRTY_SCAN,
                 .flags = XLM_F_ALLOW_PAUSE });
}

static void test_migrate_scan_is_cancelled(void)
{
    RUN(.rc = XLM_ERR_CANCELLED, STAYED, .type = XLM__TYPE_PV,
        .refuse_logdirty = true, .writer = WRITER_FAST,
        .event = scenario_cancel_source, .event_state = XLM_STATE_PRECOPY,
        .event_round = 2, .opt = { .bandwidth_bytes_s = 20 << 20 });
}

static void test_migrate_log_wanted_and_refused_stays(void)
{
    LOOK(.rc = XLM_ERR_INCOMPATIBLE, STAYED, .type = XLM__TYPE_PV,
         .refuse_logdirty = true, .opt = { .dirty = XLM_DIRTY_LOG });

    SCENARIO_CHECK(r, strstr(r->log, "no-log-dirty"));
    DONE();
}

static void test_migrate_paused_copy_is_one_round(void)
{
    for (int type = XLM__TYPE_PV; type <= XLM__TYPE_HVM; type++) {
        const struct scenario sc = {
            MOVED,
            .type = (enum xlm__domain_type)type,
            .refuse_logdirty = type == XLM__TYPE_PV,
            .opt = { .dirty = XLM_DIRTY_NONE },
        };
        struct run *r = calloc(1, sizeof(*r));

        scenario_run(&sc, __func__, r);
        SCENARIO_CHECK(r, r->src.stats.live == 0 && r->src.stats.round == 1);
        SCENARIO_CHECK(r, r->src.hv->nr_on == 0 && r->nr_findings == 1);
        DONE();
    }
}

static void test_migrate_paused_copy_needs_leave_to_miss_the_goal(void)
{
    LOOK(.rc = XLM_ERR_INCOMPATIBLE, STAYED, .type = XLM__TYPE_PV,
         .opt = {
             .downtime_ms = 10, .fixed_pause_ms = 5, .dirty = XLM_DIRTY_NONE });

    SCENARIO_CHECK(r, !r->was_suspended);
    DONE();
}

static void test_migrate_paused_copy_moves_with_allow_pause(void)
{
    RUN(MOVED, .type = XLM__TYPE_PV,
        .opt = { .downtime_ms = 10,
                 .fixed_pause_ms = 5,
                 .dirty = XLM_DIRTY_NONE,
                 .flags = XLM_F_ALLOW_PAUSE });
}

static void test_migrate_dirty_writer_moves(void)
{
    LOOK(MOVED, .writer = WRITER_FAST, .nr_ram = 2000,
         .opt = { .bandwidth_bytes_s = 200 << 20 });

    SCENARIO_CHECK(r, r->src.stats.round > 1);
    DONE();
}

static void test_migrate_zero_pages_cost_no_bytes(void)
{
    LOOK(MOVED, .sparse = true, .nr_ram = 2000);

    SCENARIO_CHECK(r, r->src.stats.zero_pages >= 1800);
    SCENARIO_CHECK(r, r->src.stats.wire_bytes < 200 * 4096);
    DONE();
}

static void lose_the_log(struct run *r)
{
    r->src.hv->lose_logs = 1;
}

static void test_migrate_lost_log_is_started_again(void)
{
    LOOK(MOVED, .prepare = lose_the_log, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->src.hv->nr_on == 2);
    DONE();
}

static void no_superpages(struct run *r)
{
    r->dst.hv->no_superpages = true;
}

static void test_migrate_to_fragmented_host_moves(void)
{
    RUN(MOVED, .prepare = no_superpages, .nr_ram = 1500);
}

static void report_gap(struct run *r)
{
    r->dst.ts.gap_us = 1234;
    r->dst.ts.gap_wait_ms = 100;
}

static void report_gap_late(struct run *r)
{
    r->dst.ts.gap_us = 1234;
    r->dst.ts.gap_wait_ms = 20000;
}

static void test_migrate_guest_gap_is_reported(void)
{
    LOOK(MOVED, .prepare = report_gap, .opt.flags = XLM_F_GUEST_GAP);

    SCENARIO_CHECK(r, r->src.stats.guest_gap_us == 1234);
    SCENARIO_CHECK(r, r->dst.ts.gap_waited);
    DONE();
}

static void test_migrate_guest_gap_that_nobody_wants_is_not_waited_for(void)
{
    LOOK(MOVED, .prepare = report_gap_late);

    SCENARIO_CHECK(r, r->src.stats.guest_gap_us == 0);
    SCENARIO_CHECK(r, !r->dst.ts.gap_waited);
    DONE();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_migrate_pvh_moves),
    UNIT_TEST(test_migrate_pvh_is_built_before_it_is_suspended),
    UNIT_TEST(test_migrate_configuration_is_compared_in_the_first_round),
    UNIT_TEST(test_migrate_no_prebuild_is_built_in_the_pause),
    UNIT_TEST(test_migrate_to_newer_xen),
    UNIT_TEST(test_migrate_disk_that_may_not_be_open_twice_is_said),
    UNIT_TEST(test_migrate_hvm_is_built_before_it_is_suspended),
    UNIT_TEST(test_migrate_hvm_no_prebuild_is_built_in_the_pause),
    UNIT_TEST(test_migrate_slow_devices_are_waited_for_before_the_suspend),
    UNIT_TEST(test_migrate_stray_unpause_starts_nothing_early),
    UNIT_TEST(test_migrate_touched_configuration_is_compared_again),
    UNIT_TEST(test_migrate_guest_above_its_target_moves),
    UNIT_TEST(test_migrate_two_channels_move),
    UNIT_TEST(test_migrate_four_channels_move),
    UNIT_TEST(test_migrate_channels_by_rendezvous_move),
    UNIT_TEST(test_migrate_rendezvous_nobody_waits_after_a_failed_build),
    UNIT_TEST(test_migrate_pv_with_page_tables_moves),
    UNIT_TEST(test_migrate_pv_dirty_moves),
    UNIT_TEST(test_migrate_hvm_with_device_model_moves),
    UNIT_TEST(test_migrate_without_log_dirty_scans),
    UNIT_TEST(test_migrate_scan_of_dirty_pv_moves),
    UNIT_TEST(test_migrate_scan_of_ballooning_guests_moves),
    UNIT_TEST(test_migrate_scan_of_hvm_needs_no_logging_device_model),
    UNIT_TEST(test_migrate_scan_longer_than_the_goal_stays),
    UNIT_TEST(test_migrate_scan_longer_than_the_goal_moves_with_leave),
    UNIT_TEST(test_migrate_scan_is_cancelled),
    UNIT_TEST(test_migrate_log_wanted_and_refused_stays),
    UNIT_TEST(test_migrate_paused_copy_is_one_round),
    UNIT_TEST(test_migrate_paused_copy_needs_leave_to_miss_the_goal),
    UNIT_TEST(test_migrate_paused_copy_moves_with_allow_pause),
    UNIT_TEST(test_migrate_dirty_writer_moves),
    UNIT_TEST(test_migrate_zero_pages_cost_no_bytes),
    UNIT_TEST(test_migrate_lost_log_is_started_again),
    UNIT_TEST(test_migrate_to_fragmented_host_moves),
    UNIT_TEST(test_migrate_guest_gap_is_reported),
    UNIT_TEST(test_migrate_guest_gap_that_nobody_wants_is_not_waited_for),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("migrate", tests)
