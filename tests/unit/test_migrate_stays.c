/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migrations that end otherwise: one situation each; see
 * tests/scenario/scenario.h. */
#include "config.h"

#include <signal.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <xen/sched.h>

#include "../scenario/scenario_test.h"
#include "unit.h"

/* ---- cancelled ---- */

#define CANCELLED_AT(state)                                                    \
    RUN(.rc = XLM_ERR_CANCELLED, STAYED, .event = scenario_cancel_source,      \
        .event_state = state, .writer = WRITER_SLOW)

static void test_migrate_stays_cancelled_in_negotiation(void)
{
    CANCELLED_AT(XLM_STATE_NEGOTIATING);
}

static void test_migrate_stays_cancelled_in_precopy(void)
{
    CANCELLED_AT(XLM_STATE_PRECOPY);
}

static void test_migrate_stays_cancelled_at_switchover(void)
{
    CANCELLED_AT(XLM_STATE_SWITCHOVER);
}

static void test_migrate_stays_cancelled_before_run(void)
{
    RUN(.rc = XLM_ERR_CANCELLED, STAYED, .prepare = scenario_cancel_source);
}

static void cancel_destination(struct run *r)
{
    scenario_cancel(&r->dst);
}

static void test_migrate_stays_destination_cancelled(void)
{
    RUN(.rc = XLM_ERR_PEER, STAYED, .event = cancel_destination,
        .event_state = XLM_STATE_PRECOPY);
}

static void slow_settle(struct run *r)
{
    r->src.ts.slow_op = "storage_settle";
    r->src.ts.slow_ms = 300;
}

static void test_migrate_stays_over_the_time_limit(void)
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

static void test_migrate_stays_guest_reboots_ends(void)
{
    ENDED(reboots);
}

static void test_migrate_stays_guest_crashes_ends(void)
{
    ENDED(crashes);
}

static void test_migrate_stays_guest_is_destroyed_ends(void)
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

static void test_migrate_stays_source_blocks(void)
{
    LOOK(.rc = XLM_ERR_INCOMPATIBLE, STAYED, .prepare = blocked_here);

    SCENARIO_CHECK(r, r->nr_findings == 1);
    SCENARIO_CHECK(r, fake_toolstack_count(&r->dst.ts, "restore_begin") == 0);
    DONE();
}

static void test_migrate_stays_destination_blocks(void)
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

static void test_migrate_stays_to_lesser_cpu(void)
{
    RUN(.rc = XLM_ERR_INCOMPATIBLE, STAYED, .prepare = other_cpu);
}

static void older_xen(struct run *r)
{
    r->src.hv->xen_minor = 20;
}

/* Its libxl is not asked about a later one's configuration. */
static void test_migrate_stays_to_older_xen(void)
{
    LOOK(.rc = XLM_ERR_INCOMPATIBLE, STAYED, .prepare = older_xen);

    SCENARIO_CHECK(r, r->nr_findings == 1);
    SCENARIO_CHECK(r, strstr(r->log, "Xen 4.20.fake and this host has 4.17.f"));
    SCENARIO_CHECK(r, fake_toolstack_count(&r->dst.ts, "config_parse") == 0);
    SCENARIO_CHECK(r, fake_toolstack_count(&r->dst.ts, "restore_begin") == 0);
    DONE();
}

static void test_migrate_stays_dry_run_changes_nothing(void)
{
    LOOK(.rc = 0, STAYED, .opt = { .flags = XLM_F_DRY_RUN });

    SCENARIO_CHECK(r, r->dst.rc == 0);
    SCENARIO_CHECK(r, r->src.hv->nr_on == 0 && !r->was_suspended);
    SCENARIO_CHECK(r, fake_toolstack_count(&r->dst.ts, "restore_begin") == 0);
    DONE();
}

static void test_migrate_stays_dry_run_that_is_blocked_says_so(void)
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

static void test_migrate_stays_silent_guest(void)
{
    LOOK(.rc = XLM_ERR_GUEST_SILENT, STAYED, .prepare = refuse_suspend,
         .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "resume") == 0);
    SCENARIO_CHECK(r, strstr(r->log, "guest may still suspend"));
    /* The one it has leaves if the guest suspends after all (Xen 4.17). */
    SCENARIO_CHECK(r, r->src.needs_monitor);
    DONE();
}

static void change_config(struct run *r)
{
    r->src.ts.changed = "disk xvdb was attached";
}

static void test_migrate_stays_changed_configuration(void)
{
    LOOK(.rc = XLM_ERR_CHANGED, STAYED, .prepare = change_config,
         .opt = { .flags = XLM_F_NO_PREBUILD });

    SCENARIO_CHECK(r, strstr(r->src.message, "disk xvdb"));
    SCENARIO_CHECK(r, r->src.needs_monitor);
    DONE();
}

static void test_migrate_stays_changed_before_the_suspend(void)
{
    LOOK(.rc = XLM_ERR_CHANGED, STAYED, .prepare = change_config);

    SCENARIO_CHECK(r, strstr(r->src.message, "disk xvdb"));
    SCENARIO_CHECK(r, !r->was_suspended);
    DONE();
}

static void change_in_the_pause(struct run *r)
{
    r->src.ts.stamp++;
    change_config(r);
}

static void test_migrate_stays_changed_in_the_pause(void)
{
    LOOK(.rc = XLM_ERR_CHANGED, STAYED, .event = change_in_the_pause,
         .event_state = XLM_STATE_SWITCHOVER);

    SCENARIO_CHECK(r, r->was_suspended);
    SCENARIO_CHECK(r, r->src.needs_monitor);
    DONE();
}

static void devices_fail(struct run *r)
{
    r->dst.ts.fail_op = "restore_end";
}

static void test_migrate_stays_unsuspended_if_devices_cannot_be_built(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, .prepare = devices_fail);

    SCENARIO_CHECK(r, strstr(r->src.message, "restore_end: made to fail"));
    SCENARIO_CHECK(r, !r->was_suspended);
    DONE();
}

static void devices_fail_late(struct run *r)
{
    devices_fail(r);
    r->dst.ts.slow_op = "restore_end";
    r->dst.ts.slow_ms = 300;
}

static void test_migrate_stays_unsuspended_if_devices_fail_late(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, .prepare = devices_fail_late,
         .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, strstr(r->log, "waiting for"));
    SCENARIO_CHECK(r, !r->was_suspended);
    DONE();
}

static void dm_does_not_start(struct run *r)
{
    r->dst.ts.fail_op = "dm_hold";
}

static void test_migrate_stays_unsuspended_if_dm_cannot_be_held(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, .type = XLM__TYPE_HVM,
         .prepare = dm_does_not_start);

    SCENARIO_CHECK(r, strstr(r->src.message, "dm_hold: made to fail"));
    SCENARIO_CHECK(r, !r->was_suspended);
    DONE();
}

static void dm_refuses(struct run *r)
{
    r->dst.ts.fail_op = "dm_load";
}

static void test_migrate_stays_if_dm_does_not_take_its_state(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, .type = XLM__TYPE_HVM,
         .prepare = dm_refuses);

    SCENARIO_CHECK(r, strstr(r->src.message, "dm_load: made to fail"));
    SCENARIO_CHECK(r, r->was_suspended);
    DONE();
}

static void xl_dies(struct run *r)
{
    r->dst.ts.xl_died = true;
}

static void test_migrate_stays_unsuspended_if_xl_dies_in_a_round(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, .event = xl_dies,
         .event_to = TO_DESTINATION, .event_type = XLM__REC_ROUND_END);

    SCENARIO_CHECK(r, strstr(r->src.message, "xl was killed"));
    SCENARIO_CHECK(r, !r->was_suspended);
    DONE();
}

static void test_migrate_stays_if_xl_dies_in_the_pause(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, .event = xl_dies,
         .event_to = TO_DESTINATION, .event_type = XLM__REC_TAIL_END);

    SCENARIO_CHECK(r, r->was_suspended);
    DONE();
}

static void notice_silence_soon(struct run *r)
{
    r->dst.session->still_ms = 300;
}

/* Nothing gets through until the destination has had enough. */
static void await_its_end(struct run *r)
{
    const struct timespec nap = { .tv_nsec = 10000000 };
    bool over = false;

    for (int i = 0; i < 1000 && !over; i++) {
        nanosleep(&nap, NULL);
        pthread_mutex_lock(&r->log_lock);
        over = strstr(r->log, "nothing came from the source for ") != NULL;
        pthread_mutex_unlock(&r->log_lock);
    }
    SCENARIO_CHECK(r, over);
}

static void test_migrate_stays_if_nothing_comes_in_the_pause(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, .prepare = notice_silence_soon,
         .data_returns = true, .event = await_its_end,
         .event_to = TO_DESTINATION, .event_type = XLM__REC_TAIL_END);

    SCENARIO_CHECK(r, strstr(r->src.message, "nothing came from the source"));
    SCENARIO_CHECK(r, r->was_suspended);
    DONE();
}

/* ... but it reads all memory. */
static void nap_for_long(struct run *r)
{
    const struct timespec nap = { .tv_nsec = 700000000 };

    (void)r;
    nanosleep(&nap, NULL);
}

static void test_migrate_stays_not_if_it_compares_in_the_pause(void)
{
    RUN(MOVED, .prepare = notice_silence_soon, .event = nap_for_long,
        .data_returns = true, .opt.flags = XLM_F_VERIFY,
        .event_to = TO_DESTINATION, .event_type = XLM__REC_SUMS);
}

/* ... or its connections tell by themselves. */
static void test_migrate_stays_not_if_it_is_slow_over_tcp(void)
{
    RUN(MOVED, .prepare = notice_silence_soon, .event = nap_for_long,
        .opt.data = XLM_DATA_PLAIN, .event_to = TO_DESTINATION,
        .event_type = XLM__REC_TAIL_END);
}

static void destroy_there(struct run *r)
{
    pthread_mutex_lock(&r->dst.hv->lock);
    r->dst.hv->info.dying = true;
    pthread_mutex_unlock(&r->dst.hv->lock);
}

static void test_migrate_stays_if_the_new_domain_was_destroyed(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, .event = destroy_there,
         .event_to = TO_DESTINATION, .event_type = XLM__REC_TAIL_END);

    SCENARIO_CHECK(r, strstr(r->src.message, "destroyed here"));
    DONE();
}

static void unpause_all(struct run *r)
{
    pthread_mutex_lock(&r->dst.hv->lock);
    r->dst.hv->nr_pauses = 0;
    r->dst.hv->info.paused = false;
    pthread_mutex_unlock(&r->dst.hv->lock);
}

static void test_migrate_stays_if_both_pauses_were_taken_back(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, .event = unpause_all,
         .event_to = TO_DESTINATION, .event_type = XLM__REC_TAIL_END);

    SCENARIO_CHECK(r, strstr(r->src.message, "was unpaused here"));
    DONE();
}

static void move_the_console(struct run *r)
{
    pthread_mutex_lock(&r->src.hv->lock);
    r->src.hv->hvm_params[17] = 254; /* HVM_PARAM_CONSOLE_PFN */
    pthread_mutex_unlock(&r->src.hv->lock);
}

static void test_migrate_stays_if_a_shared_page_moved(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, .event = move_the_console,
         .event_state = XLM_STATE_SWITCHOVER);

    SCENARIO_CHECK(r, strstr(r->src.message, "HVM parameter 17"));
    DONE();
}

static void test_migrate_stays_hvm_that_stays_has_no_logging_device_model(void)
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

static void test_migrate_stays_log_dirty_held_by_others_is_busy(void)
{
    LOOK(.rc = XLM_ERR_BUSY, STAYED, .prepare = log_is_on);

    SCENARIO_CHECK(r, r->src.hv->logging); /* theirs: left alone */
    DONE();
}

static void small_host(struct run *r)
{
    r->dst.hv->free_frames = 100;
}

static void test_migrate_stays_to_full_host(void)
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

static void test_migrate_stays_resumed_by_others(void)
{
    LOOK(.rc = XLM_ERR_BUSY, STAYED, .event = somebody_resumes,
         .event_state = XLM_STATE_SWITCHOVER, .event_round = 2);

    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "resume") == 0);
    SCENARIO_CHECK(r, r->note.phase == XLM__GUARD_DONE);
    DONE();
}

static void test_migrate_stays_destroyed_while_suspended_ends(void)
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

static void test_migrate_stays_guardian_dies_before_the_permission(void)
{
    RUN(.rc = XLM_ERR_SYSTEM, STAYED, .event = guardian_dies,
        .event_to = TO_SOURCE, .event_type = XLM__REC_READY);
}

/* It runs there: that nobody would finish for us must not stop us. */
static void test_migrate_stays_guardian_dies_after_the_permission_moves(void)
{
    RUN(MOVED, .event = guardian_dies, .event_to = TO_SOURCE,
        .event_type = XLM__REC_COMMIT);
}

static void test_migrate_stays_data_channel_cut_in_round(void)
{
    RUN(.rc = SCENARIO_ANY, STAYED, .channels = 2, .cut_data_bytes = 300000,
        .nr_ram = 2000);
}

static void test_migrate_stays_data_channel_cut_in_greeting(void)
{
    RUN(.rc = SCENARIO_ANY, STAYED, .cut_data_bytes = 50);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_migrate_stays_cancelled_in_negotiation),
    UNIT_TEST(test_migrate_stays_cancelled_in_precopy),
    UNIT_TEST(test_migrate_stays_cancelled_at_switchover),
    UNIT_TEST(test_migrate_stays_cancelled_before_run),
    UNIT_TEST(test_migrate_stays_destination_cancelled),
    UNIT_TEST(test_migrate_stays_over_the_time_limit),
    UNIT_TEST(test_migrate_stays_guest_reboots_ends),
    UNIT_TEST(test_migrate_stays_guest_crashes_ends),
    UNIT_TEST(test_migrate_stays_guest_is_destroyed_ends),
    UNIT_TEST(test_migrate_stays_source_blocks),
    UNIT_TEST(test_migrate_stays_destination_blocks),
    UNIT_TEST(test_migrate_stays_to_lesser_cpu),
    UNIT_TEST(test_migrate_stays_to_older_xen),
    UNIT_TEST(test_migrate_stays_dry_run_changes_nothing),
    UNIT_TEST(test_migrate_stays_dry_run_that_is_blocked_says_so),
    UNIT_TEST(test_migrate_stays_silent_guest),
    UNIT_TEST(test_migrate_stays_changed_configuration),
    UNIT_TEST(test_migrate_stays_changed_before_the_suspend),
    UNIT_TEST(test_migrate_stays_changed_in_the_pause),
    UNIT_TEST(test_migrate_stays_unsuspended_if_devices_cannot_be_built),
    UNIT_TEST(test_migrate_stays_unsuspended_if_devices_fail_late),
    UNIT_TEST(test_migrate_stays_unsuspended_if_dm_cannot_be_held),
    UNIT_TEST(test_migrate_stays_if_dm_does_not_take_its_state),
    UNIT_TEST(test_migrate_stays_unsuspended_if_xl_dies_in_a_round),
    UNIT_TEST(test_migrate_stays_if_xl_dies_in_the_pause),
    UNIT_TEST(test_migrate_stays_if_nothing_comes_in_the_pause),
    UNIT_TEST(test_migrate_stays_not_if_it_compares_in_the_pause),
    UNIT_TEST(test_migrate_stays_not_if_it_is_slow_over_tcp),
    UNIT_TEST(test_migrate_stays_if_the_new_domain_was_destroyed),
    UNIT_TEST(test_migrate_stays_if_both_pauses_were_taken_back),
    UNIT_TEST(test_migrate_stays_if_a_shared_page_moved),
    UNIT_TEST(test_migrate_stays_hvm_that_stays_has_no_logging_device_model),
    UNIT_TEST(test_migrate_stays_log_dirty_held_by_others_is_busy),
    UNIT_TEST(test_migrate_stays_to_full_host),
    UNIT_TEST(test_migrate_stays_resumed_by_others),
    UNIT_TEST(test_migrate_stays_destroyed_while_suspended_ends),
    UNIT_TEST(test_migrate_stays_guardian_dies_before_the_permission),
    UNIT_TEST(test_migrate_stays_guardian_dies_after_the_permission_moves),
    UNIT_TEST(test_migrate_stays_data_channel_cut_in_round),
    UNIT_TEST(test_migrate_stays_data_channel_cut_in_greeting),
    CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* the guardian's pipe, as libxlm.h asks */
    return unit_run("migrate_stays", tests, argc > 1 ? argv[1] : NULL);
}
