/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole migrations, one situation each; see tests/scenario/scenario.h. */
#include "config.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <xen/sched.h>

#include "scenario/scenario.h"
#include "unit.h"

#define RUN(...)                                                               \
    do {                                                                       \
        static const struct scenario sc = { __VA_ARGS__ };                     \
        scenario(&sc, __func__);                                               \
    } while (0)

/* The same, with r to look at, up to DONE(). */
#define LOOK(...)                                                              \
    static const struct scenario sc = { __VA_ARGS__ };                         \
    struct run *r = calloc(1, sizeof(*r));                                     \
    scenario_run(&sc, __func__, r)
#define DONE()                                                                 \
    scenario_free(r);                                                          \
    free(r)

#define MOVED  .rc = 0, .owner = XLM_OWNER_DESTINATION
#define STAYED .owner = XLM_OWNER_SOURCE

/* ---- it moves ---- */

static void test_migrate_pvh_moves(void)
{
    LOOK(MOVED);

    SCENARIO_CHECK(r, r->dst.rc == 0);
    SCENARIO_CHECK(r, r->dst.state == XLM_STATE_COMPLETED);
    SCENARIO_CHECK(r, r->src.error == 0 && r->dst.error == 0);
    SCENARIO_CHECK(r, r->src.stats.live == 1 && r->src.stats.channels == 1);
    SCENARIO_CHECK(r, r->src.stats.sent_pages >= SCENARIO_RAM);
    SCENARIO_CHECK(r, r->src.stats.zero_pages >= 256);
    SCENARIO_CHECK(r, r->src.stats.wire_bytes > (SCENARIO_RAM - 256) * 4096ull);
    SCENARIO_CHECK(r, r->src.stats.blackout_us > 0);
    SCENARIO_CHECK(r, r->note.phase == XLM__GUARD_DONE && !r->guarded);
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

static void test_migrate_without_log_dirty_copies_in_the_pause(void)
{
    LOOK(MOVED, .type = XLM__TYPE_PV, .refuse_logdirty = true);

    SCENARIO_CHECK(r, r->src.stats.live == 0 && r->src.stats.round == 1);
    SCENARIO_CHECK(r, r->nr_findings == 1);
    DONE();
}

static void test_migrate_without_log_dirty_needs_leave_to_miss_the_goal(void)
{
    LOOK(.rc = XLM_ERR_INCOMPATIBLE, STAYED, .type = XLM__TYPE_PV,
         .refuse_logdirty = true,
         .opt = { .downtime_ms = 10, .fixed_pause_ms = 5 });

    SCENARIO_CHECK(r, !r->was_suspended);
    DONE();
}

static void test_migrate_without_log_dirty_moves_with_allow_pause(void)
{
    RUN(MOVED, .type = XLM__TYPE_PV, .refuse_logdirty = true,
        .opt = { .downtime_ms = 10,
                 .fixed_pause_ms = 5,
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

static void test_migrate_ballooning_guest_moves(void)
{
    RUN(MOVED, .writer = WRITER_BALLOON, .nr_ram = 1500, .channels = 2,
        .opt = { .bandwidth_bytes_s = 20 << 20 });
}

static void test_migrate_paused_guest_arrives_paused(void)
{
    LOOK(MOVED, .paused = true);

    SCENARIO_CHECK(r, r->dst.hv->info.paused);
    DONE();
}

static void test_migrate_leave_paused_stays_paused(void)
{
    LOOK(MOVED, .opt = { .flags = XLM_F_LEAVE_PAUSED });

    SCENARIO_CHECK(r, r->dst.hv->info.paused);
    SCENARIO_CHECK(r, r->src.stats.blackout_us == 0);
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
}

static void test_migrate_guest_gap_is_reported(void)
{
    LOOK(MOVED, .prepare = report_gap);

    SCENARIO_CHECK(r, r->src.stats.guest_gap_us == 1234);
    DONE();
}

/* ---- goals ---- */

static void test_migrate_goal_is_met(void)
{
    RUN(MOVED, .writer = WRITER_SLOW,
        .opt = { .downtime_ms = 5000, .fixed_pause_ms = 10 });
}

static void test_migrate_goal_out_of_reach_stays(void)
{
    LOOK(.rc = XLM_ERR_NOCONVERGE, STAYED, .writer = WRITER_FAST,
         .nr_pfns = 4096, .nr_ram = 4096,
         .opt = { .downtime_ms = 20,
                  .fixed_pause_ms = 5,
                  .bandwidth_bytes_s = 60 << 20 });

    SCENARIO_CHECK(r, !r->was_suspended);
    DONE();
}

/* ---- cancelled ---- */

static void cancel(struct run *r)
{
    scenario_cancel(&r->src);
}

#define CANCELLED_AT(state)                                                    \
    RUN(.rc = XLM_ERR_CANCELLED, STAYED, .event = cancel,                      \
        .event_state = state, .writer = WRITER_SLOW)

static void test_migrate_cancelled_in_negotiation_stays(void)
{
    CANCELLED_AT(XLM_STATE_NEGOTIATING);
}

static void test_migrate_cancelled_in_precopy_stays(void)
{
    CANCELLED_AT(XLM_STATE_PRECOPY);
}

static void test_migrate_cancelled_at_switchover_stays(void)
{
    CANCELLED_AT(XLM_STATE_SWITCHOVER);
}

static void test_migrate_cancelled_before_run_stays(void)
{
    RUN(.rc = XLM_ERR_CANCELLED, STAYED, .prepare = cancel);
}

static void cancel_destination(struct run *r)
{
    scenario_cancel(&r->dst);
}

static void test_migrate_destination_cancelled_stays(void)
{
    RUN(.rc = XLM_ERR_PEER, STAYED, .event = cancel_destination,
        .event_state = XLM_STATE_PRECOPY);
}

static void slow_settle(struct run *r)
{
    r->src.ts.slow_op = "storage_settle";
    r->src.ts.slow_ms = 300;
}

static void test_migrate_over_the_time_limit_stays(void)
{
    RUN(.rc = XLM_ERR_TIMEOUT, STAYED, .prepare = slow_settle,
        .opt = { .timeout_ms = 200 });
}

/* ---- the guest ends by itself ---- */

static void reboots(struct run *r)
{
    guest_shuts_down(r, SHUTDOWN_reboot);
}

static void crashes(struct run *r)
{
    guest_shuts_down(r, SHUTDOWN_crash);
}

#define ENDED(how)                                                             \
    LOOK(.rc = XLM_ERR_GUEST_ENDED, STAYED, .event = how,                      \
         .event_state = XLM_STATE_PRECOPY, .event_round = 1);                  \
    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "resume") == 0);        \
    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "destroy") == 0);       \
    DONE()

static void test_migrate_guest_reboots_ends(void)
{
    ENDED(reboots);
}

static void test_migrate_guest_crashes_ends(void)
{
    ENDED(crashes);
}

static void test_migrate_guest_is_destroyed_ends(void)
{
    ENDED(guest_is_destroyed);
}

/* ---- refused ---- */

static void blocked_here(struct run *r)
{
    r->src.ts.blocker = "pci-passthrough";
}

static void blocked_there(struct run *r)
{
    r->dst.ts.blocker = "bridge-missing";
}

static void test_migrate_source_blocks_stays(void)
{
    LOOK(.rc = XLM_ERR_INCOMPATIBLE, STAYED, .prepare = blocked_here);

    SCENARIO_CHECK(r, r->nr_findings == 1);
    SCENARIO_CHECK(r, fake_toolstack_count(&r->dst.ts, "restore_begin") == 0);
    DONE();
}

static void test_migrate_destination_blocks_stays(void)
{
    LOOK(.rc = XLM_ERR_INCOMPATIBLE, STAYED, .prepare = blocked_there);

    SCENARIO_CHECK(r, r->nr_findings == 1);
    SCENARIO_CHECK(r, fake_toolstack_count(&r->dst.ts, "restore_begin") == 0);
    DONE();
}

static void other_cpu(struct run *r)
{
    r->dst.hv->policy_refused = "leaf 7 ebx";
}

static void test_migrate_to_lesser_cpu_stays(void)
{
    RUN(.rc = XLM_ERR_INCOMPATIBLE, STAYED, .prepare = other_cpu);
}

static void test_migrate_dry_run_changes_nothing(void)
{
    LOOK(.rc = 0, STAYED, .opt = { .flags = XLM_F_DRY_RUN });

    SCENARIO_CHECK(r, r->dst.rc == 0);
    SCENARIO_CHECK(r, r->src.hv->nr_on == 0 && !r->was_suspended);
    SCENARIO_CHECK(r, fake_toolstack_count(&r->dst.ts, "restore_begin") == 0);
    DONE();
}

static void test_migrate_dry_run_that_is_blocked_says_so(void)
{
    RUN(.rc = XLM_ERR_INCOMPATIBLE, STAYED, .prepare = blocked_there,
        .opt = { .flags = XLM_F_DRY_RUN });
}

static void refuse_suspend(struct run *r)
{
    r->src.ts.fail_op = "suspend";
    r->src.ts.fail_code = XLM_ERR_GUEST_SILENT;
    r->src.ts.may_suspend_later = true;
    r->src.ts.monitored = true;
}

static void test_migrate_silent_guest_stays(void)
{
    LOOK(.rc = XLM_ERR_GUEST_SILENT, STAYED, .prepare = refuse_suspend,
         .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "resume") == 0);
    SCENARIO_CHECK(r, strstr(r->log, "guest may still suspend"));
    SCENARIO_CHECK(r, !r->src.needs_monitor); /* it has one */
    DONE();
}

static void change_config(struct run *r)
{
    r->src.ts.changed = "disk xvdb was attached";
}

static void test_migrate_changed_configuration_stays(void)
{
    LOOK(.rc = XLM_ERR_CHANGED, STAYED, .prepare = change_config);

    SCENARIO_CHECK(r, strstr(r->src.message, "disk xvdb"));
    SCENARIO_CHECK(r, r->src.needs_monitor);
    DONE();
}

static void test_migrate_hvm_that_stays_has_no_logging_device_model(void)
{
    LOOK(.rc = XLM_ERR_CHANGED, STAYED, .type = XLM__TYPE_HVM,
         .prepare = change_config);

    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "dm_logdirty_on") == 1);
    DONE();
}

static void log_is_on(struct run *r)
{
    r->src.hv->logging = true;
}

static void test_migrate_log_dirty_held_by_others_is_busy(void)
{
    LOOK(.rc = XLM_ERR_BUSY, STAYED, .prepare = log_is_on);

    SCENARIO_CHECK(r, r->src.hv->logging); /* theirs: left alone */
    DONE();
}

static void small_host(struct run *r)
{
    r->dst.hv->info.max_pages = 100;
}

static void test_migrate_to_full_host_stays(void)
{
    RUN(.rc = XLM_ERR_PEER, STAYED, .prepare = small_host);
}

/* ---- others interfere while it is suspended ---- */

static void somebody_resumes(struct run *r)
{
    struct fake_hv *f = r->src.hv;

    r->src.ts.suspended = false;
    pthread_mutex_lock(&f->lock);
    f->info.shutdown = false;
    pthread_mutex_unlock(&f->lock);
}

static void test_migrate_resumed_by_others_stays(void)
{
    LOOK(.rc = XLM_ERR_BUSY, STAYED, .event = somebody_resumes,
         .event_state = XLM_STATE_SWITCHOVER, .event_round = 2);

    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "resume") == 0);
    SCENARIO_CHECK(r, r->note.phase == XLM__GUARD_DONE);
    DONE();
}

static void test_migrate_destroyed_while_suspended_ends(void)
{
    LOOK(.rc = XLM_ERR_GUEST_ENDED, STAYED, .event = guest_is_destroyed,
         .event_state = XLM_STATE_SWITCHOVER, .event_round = 2);

    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "resume") == 0);
    DONE();
}

static void guardian_dies(struct run *r)
{
    close(r->guard_fd);
    r->guard_fd = -1;
}

static void test_migrate_guardian_dies_before_the_permission_stays(void)
{
    RUN(.rc = XLM_ERR_SYSTEM, STAYED, .event = guardian_dies,
        .event_to = TO_SOURCE, .event_type = XLM__REC_READY);
}

/* It runs there: that nobody would finish for us must not stop us. */
static void test_migrate_guardian_dies_after_the_permission_moves(void)
{
    RUN(MOVED, .event = guardian_dies, .event_to = TO_SOURCE,
        .event_type = XLM__REC_COMMIT);
}

/* ---- the end ---- */

static void go_fails(struct run *r)
{
    r->dst.ts.go_fails_cleanly = true;
}

static void test_migrate_never_started_there_is_resumed_here(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, .prepare = go_fails);

    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "resume") == 1);
    SCENARIO_CHECK(r, r->dst.owner == XLM_OWNER_SOURCE);
    DONE();
}

static void go_breaks(struct run *r)
{
    r->dst.ts.fail_op = "restore_go";
}

/* An error proves nothing: it may run there. */
static void test_migrate_unclear_start_is_never_resumed_here(void)
{
    LOOK(.rc = XLM_ERR_CLEANUP, .owner = XLM_OWNER_DESTINATION,
         .prepare = go_breaks);

    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "resume") == 0);
    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "destroy") == 0);
    SCENARIO_CHECK(r, r->dst.rc != 0);
    DONE();
}

static void destroy_fails(struct run *r)
{
    r->src.ts.fail_op = "destroy";
}

static void test_migrate_stale_copy_left_is_told(void)
{
    LOOK(.rc = XLM_ERR_CLEANUP, .owner = XLM_OWNER_DESTINATION,
         .prepare = destroy_fails);

    SCENARIO_CHECK(r, r->dst.ts.dst == FAKE_DST_RUNNING);
    DONE();
}

static void test_migrate_data_channel_cut_in_round_stays(void)
{
    RUN(.rc = SCENARIO_ANY, STAYED, .channels = 2, .cut_data_bytes = 300000,
        .nr_ram = 2000);
}

static void test_migrate_data_channel_cut_in_greeting_stays(void)
{
    RUN(.rc = SCENARIO_ANY, STAYED, .cut_data_bytes = 50);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_migrate_pvh_moves),
    UNIT_TEST(test_migrate_two_channels_move),
    UNIT_TEST(test_migrate_four_channels_move),
    UNIT_TEST(test_migrate_channels_by_rendezvous_move),
    UNIT_TEST(test_migrate_rendezvous_nobody_waits_after_a_failed_build),
    UNIT_TEST(test_migrate_pv_with_page_tables_moves),
    UNIT_TEST(test_migrate_pv_dirty_moves),
    UNIT_TEST(test_migrate_hvm_with_device_model_moves),
    UNIT_TEST(test_migrate_without_log_dirty_copies_in_the_pause),
    UNIT_TEST(test_migrate_without_log_dirty_needs_leave_to_miss_the_goal),
    UNIT_TEST(test_migrate_without_log_dirty_moves_with_allow_pause),
    UNIT_TEST(test_migrate_dirty_writer_moves),
    UNIT_TEST(test_migrate_zero_pages_cost_no_bytes),
    UNIT_TEST(test_migrate_ballooning_guest_moves),
    UNIT_TEST(test_migrate_paused_guest_arrives_paused),
    UNIT_TEST(test_migrate_leave_paused_stays_paused),
    UNIT_TEST(test_migrate_lost_log_is_started_again),
    UNIT_TEST(test_migrate_to_fragmented_host_moves),
    UNIT_TEST(test_migrate_guest_gap_is_reported),
    UNIT_TEST(test_migrate_goal_is_met),
    UNIT_TEST(test_migrate_goal_out_of_reach_stays),
    UNIT_TEST(test_migrate_cancelled_before_run_stays),
    UNIT_TEST(test_migrate_cancelled_in_negotiation_stays),
    UNIT_TEST(test_migrate_cancelled_in_precopy_stays),
    UNIT_TEST(test_migrate_cancelled_at_switchover_stays),
    UNIT_TEST(test_migrate_destination_cancelled_stays),
    UNIT_TEST(test_migrate_over_the_time_limit_stays),
    UNIT_TEST(test_migrate_guest_reboots_ends),
    UNIT_TEST(test_migrate_guest_crashes_ends),
    UNIT_TEST(test_migrate_guest_is_destroyed_ends),
    UNIT_TEST(test_migrate_source_blocks_stays),
    UNIT_TEST(test_migrate_destination_blocks_stays),
    UNIT_TEST(test_migrate_to_lesser_cpu_stays),
    UNIT_TEST(test_migrate_dry_run_changes_nothing),
    UNIT_TEST(test_migrate_dry_run_that_is_blocked_says_so),
    UNIT_TEST(test_migrate_silent_guest_stays),
    UNIT_TEST(test_migrate_changed_configuration_stays),
    UNIT_TEST(test_migrate_hvm_that_stays_has_no_logging_device_model),
    UNIT_TEST(test_migrate_log_dirty_held_by_others_is_busy),
    UNIT_TEST(test_migrate_to_full_host_stays),
    UNIT_TEST(test_migrate_resumed_by_others_stays),
    UNIT_TEST(test_migrate_destroyed_while_suspended_ends),
    UNIT_TEST(test_migrate_guardian_dies_before_the_permission_stays),
    UNIT_TEST(test_migrate_guardian_dies_after_the_permission_moves),
    UNIT_TEST(test_migrate_never_started_there_is_resumed_here),
    UNIT_TEST(test_migrate_unclear_start_is_never_resumed_here),
    UNIT_TEST(test_migrate_stale_copy_left_is_told),
    UNIT_TEST(test_migrate_data_channel_cut_in_round_stays),
    UNIT_TEST(test_migrate_data_channel_cut_in_greeting_stays),
    CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* the guardian's pipe, as libxlm.h asks */
    return unit_run("migrate", tests, argc > 1 ? argv[1] : NULL);
}
