/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the guardian undoes when the worker is dead. */
#include "config.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <xen/sched.h>

#include "engine/guard.h"
#include "fake_toolstack.h"
#include "unit.h"
#include "util/clock.h"

#define AWAY "guest--migratedaway"

struct host {
    struct xlm__errslot err;
    struct fake_hv *hv;
    struct fake_toolstack ts;
    struct xlm__guard_note note;
    enum xlm_owner owner;
    char message[XLM_MESSAGE_MAX];
};

/* The worker died after this note; the guest is suspended, or runs. */
static void host_open(struct host *h, enum xlm__guard_phase phase,
                      bool suspended)
{
    const struct fake_hv_config config = { .nr_pfns = 64 };

    memset(h, 0, sizeof(*h));
    xlm__errslot_init(&h->err, NULL, NULL, XLM_LOG_DEBUG);
    h->hv = fake_hv_new(&h->err, &config);
    fake_toolstack_init(&h->ts, &h->err, XLM__TYPE_HVM);
    h->ts.hv = h->hv;
    h->ts.dm_logdirty = true;
    h->ts.suspended = suspended;
    h->hv->logging = true;
    h->hv->info.shutdown = suspended;
    h->hv->info.shutdown_reason = SHUTDOWN_suspend;
    memcpy(h->hv->info.uuid, h->ts.uuid, 16);
    memcpy(h->note.uuid, h->ts.uuid, 16);
    h->note.phase = (uint32_t)phase;
    h->note.domid = 1;
    h->note.device_model = 1;
    snprintf(h->note.name, sizeof(h->note.name), "guest");
    if (phase >= XLM__GUARD_RENAMED)
        snprintf(h->ts.name, sizeof(h->ts.name), AWAY);
    h->owner = XLM_OWNER_UNKNOWN;
}

static int undo(struct host *h)
{
    return xlm__guard_undo(&h->err, &h->hv->base, &h->ts.base, &h->note,
                           &h->owner, h->message);
}

static void host_close(struct host *h)
{
    CU_ASSERT_EQUAL(h->ts.wrong, 0);
    fake_toolstack_free(&h->ts);
    pthread_mutex_destroy(&h->ts.lock);
    fake_hv_free(h->hv);
    xlm__errslot_destroy(&h->err);
}

static void nothing_to_do(enum xlm__guard_phase phase)
{
    struct host h;

    host_open(&h, phase, false);
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_EQUAL(h.owner, XLM_OWNER_SOURCE);
    CU_ASSERT_EQUAL(h.ts.calls, 0);
    CU_ASSERT_EQUAL(h.hv->calls, 0);
    CU_ASSERT_STRING_EQUAL(h.message, "");
    host_close(&h);
}

static void test_guard_undo_nothing_begun(void)
{
    nothing_to_do(XLM__GUARD_NONE);
}

static void test_guard_undo_all_done(void)
{
    nothing_to_do(XLM__GUARD_DONE);
}

/* The session ended, and said for whom. */
static void test_guard_undo_all_done_gives_the_owner_told(void)
{
    struct host h;

    host_open(&h, XLM__GUARD_DONE, false);
    h.note.owner = XLM_OWNER_DESTINATION;
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_EQUAL(h.owner, XLM_OWNER_DESTINATION);
    CU_ASSERT_EQUAL(h.ts.calls, 0);
    host_close(&h);
}

static void mark_here(struct host *h, unsigned char session)
{
    memcpy(h->ts.mark[XLM__MARK_SENT].uuid, h->ts.uuid, 16);
    memset(h->ts.mark[XLM__MARK_SENT].session, session, 16);
    memset(h->note.session, 0x11, 16);
    h->ts.marked[XLM__MARK_SENT] = true;
    h->ts.locked = true;
}

/* xlm_recover_open() must find nothing to do any more. */
static void marks_are_cleared(enum xlm__guard_phase phase)
{
    struct host h;

    host_open(&h, phase, true);
    mark_here(&h, 0x11);
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_FALSE(h.ts.marked[XLM__MARK_SENT]);
    host_close(&h);
}

static void test_guard_undo_clears_the_mark_of_what_it_finished(void)
{
    marks_are_cleared(XLM__GUARD_TRACKING);
    marks_are_cleared(XLM__GUARD_SUSPENDING);
    marks_are_cleared(XLM__GUARD_RENAMED);
}

/* Nobody here may start it again. */
static void test_guard_undo_running_there_writes_down_that_it_moved(void)
{
    struct host h;

    host_open(&h, XLM__GUARD_RUNNING, true);
    mark_here(&h, 0x11);
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_TRUE(h.ts.marked[XLM__MARK_SENT]);
    CU_ASSERT_EQUAL(h.ts.mark[XLM__MARK_SENT].phase, XLM__GUARD_MOVED);
    host_close(&h);
}

static void test_guard_undo_leaves_the_mark_of_another_move(void)
{
    struct host h;

    for (int p = XLM__GUARD_TRACKING; p <= XLM__GUARD_RUNNING; p++) {
        host_open(&h, (enum xlm__guard_phase)p, true);
        mark_here(&h, 0x22);
        h.ts.mark[XLM__MARK_SENT].phase = 99;
        CU_ASSERT_EQUAL(undo(&h), 0);
        CU_ASSERT_TRUE(h.ts.marked[XLM__MARK_SENT]);
        CU_ASSERT_EQUAL(h.ts.mark[XLM__MARK_SENT].phase, 99);
        host_close(&h);
    }
}

static void test_guard_undo_tracking_switches_logging_off(void)
{
    struct host h;

    host_open(&h, XLM__GUARD_TRACKING, false);
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_EQUAL(h.owner, XLM_OWNER_SOURCE);
    CU_ASSERT_STRING_EQUAL(h.ts.trace,
                           "mark_get mark_get dm_logdirty_off mark_get");
    CU_ASSERT_FALSE(h.hv->logging);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.message, "guest: it runs on here"));
    host_close(&h);
}

static void had(struct host *h, enum xlm__mark_kind kind, uint32_t value)
{
    h->ts.mark[kind].domid = h->note.domid;
    h->ts.mark[kind].flags = value;
    memcpy(h->ts.mark[kind].uuid, h->note.uuid, 16);
    h->ts.marked[kind] = true;
}

/* Its worker was killed after it had given it 7 % of a CPU, and no memory. */
static void slowed(struct host *h, enum xlm__guard_phase phase)
{
    host_open(h, phase, phase > XLM__GUARD_TRACKING);
    h->hv->sched.cap = 7;
    had(h, XLM__MARK_SLOWED, 150);
    h->hv->info.max_pages = 0;
    had(h, XLM__MARK_LIMITED, 4321);
}

static bool has_marks(const struct host *h)
{
    return h->ts.marked[XLM__MARK_SLOWED] || h->ts.marked[XLM__MARK_LIMITED];
}

static void test_guard_undo_gives_back_its_cpu_and_memory(void)
{
    static const enum xlm__guard_phase phases[] = { XLM__GUARD_TRACKING,
                                                    XLM__GUARD_SUSPENDING,
                                                    XLM__GUARD_RENAMED };
    struct host h;

    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        slowed(&h, phases[i]);
        CU_ASSERT_EQUAL(undo(&h), 0);
        CU_ASSERT_EQUAL(h.hv->sched.cap, 150);
        CU_ASSERT_EQUAL(h.hv->info.max_pages, 4321);
        CU_ASSERT_FALSE(has_marks(&h));
        host_close(&h);
    }
}

static void test_guard_undo_leaves_another_domain_alone(void)
{
    struct host h;

    slowed(&h, XLM__GUARD_TRACKING);
    h.ts.mark[XLM__MARK_SLOWED].domid++;
    h.ts.mark[XLM__MARK_LIMITED].domid++;
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_EQUAL(h.hv->sched.cap, 7);
    CU_ASSERT_EQUAL(h.hv->info.max_pages, 0);
    CU_ASSERT_FALSE(has_marks(&h));
    host_close(&h);
}

/* Another than ours is not an old one of ours. */
static void test_guard_undo_leaves_a_limit_that_was_set_since_then(void)
{
    struct host h;

    slowed(&h, XLM__GUARD_TRACKING);
    h.hv->info.max_pages = 777;
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_EQUAL(h.hv->info.max_pages, 777);
    CU_ASSERT_FALSE(has_marks(&h));
    host_close(&h);
}

static void test_guard_undo_without_caps_any_more_is_fine(void)
{
    struct host h;

    slowed(&h, XLM__GUARD_TRACKING);
    h.hv->sched = (struct xlm__sched){ .name = "null" };
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_EQUAL(h.hv->nr_caps, 0);
    CU_ASSERT_FALSE(has_marks(&h));
    host_close(&h);
}

/* By xl save, say: not ours to resume. */
static void test_guard_undo_tracking_leaves_a_suspended_one_alone(void)
{
    struct host h;

    host_open(&h, XLM__GUARD_TRACKING, true);
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_FALSE(h.hv->logging);
    CU_ASSERT_EQUAL(fake_toolstack_count(&h.ts, "resume"), 0);
    host_close(&h);
}

static void test_guard_undo_tracking_without_device_model(void)
{
    struct host h;

    host_open(&h, XLM__GUARD_TRACKING, false);
    h.note.device_model = 0;
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_STRING_EQUAL(h.ts.trace, "mark_get mark_get mark_get");
    CU_ASSERT_FALSE(h.hv->logging);
    host_close(&h);
}

/* Xen has no log-dirty there, so that switching it off fails. */
static void test_guard_undo_without_log_leaves_it_alone(void)
{
    struct host h;

    host_open(&h, XLM__GUARD_SUSPENDING, true);
    h.hv->logging = false;
    h.hv->refuse_logdirty = true;
    h.note.not_logged = 1;
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_EQUAL(h.hv->nr_off, 0);
    CU_ASSERT_FALSE(h.ts.suspended);
    host_close(&h);
}

static void test_guard_undo_suspended_is_resumed(void)
{
    struct host h;

    host_open(&h, XLM__GUARD_SUSPENDING, true);
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_EQUAL(h.owner, XLM_OWNER_SOURCE);
    CU_ASSERT_STRING_EQUAL(h.ts.trace,
                           "mark_get mark_get dm_logdirty_off resume mark_get");
    CU_ASSERT_FALSE(h.ts.suspended || h.hv->logging);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.message, "resumed here"));
    host_close(&h);
}

/* The operator had paused it; it was only unpaused to suspend. */
static void test_guard_undo_paused_guest_is_resumed_paused(void)
{
    struct host h;

    host_open(&h, XLM__GUARD_RENAMED, true);
    h.note.was_paused = 1;
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_FALSE(h.ts.suspended);
    CU_ASSERT_TRUE(h.hv->info.paused);
    CU_ASSERT_EQUAL(h.hv->nr_pauses, 0);
    host_close(&h);
}

static void test_guard_undo_paused_guest_is_paused_once(void)
{
    struct host h;

    host_open(&h, XLM__GUARD_SUSPENDING, false);
    h.note.was_paused = 1;
    h.hv->info.paused = true; /* the worker died before it unpaused it */
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_TRUE(h.hv->info.paused);
    CU_ASSERT_EQUAL(h.hv->nr_pauses, 0);
    host_close(&h);
}

static void *suspend_late(void *arg)
{
    const struct timespec nap = { .tv_nsec = 120 * 1000000 };
    struct host *h = arg;

    nanosleep(&nap, NULL);
    h->ts.suspended = true; /* nobody looks before the flag below */
    pthread_mutex_lock(&h->hv->lock);
    h->hv->info.shutdown = true;
    pthread_mutex_unlock(&h->hv->lock);
    return NULL;
}

static void test_guard_undo_late_suspend_is_resumed(void)
{
    struct host h;
    pthread_t t;

    host_open(&h, XLM__GUARD_SUSPENDING, false);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, suspend_late, &h), 0);
    CU_ASSERT_EQUAL(undo(&h), 0);
    pthread_join(t, NULL);
    CU_ASSERT_EQUAL(h.owner, XLM_OWNER_SOURCE);
    CU_ASSERT_FALSE(h.ts.suspended);
    CU_ASSERT_EQUAL(fake_toolstack_count(&h.ts, "resume"), 1);
    host_close(&h);
}

static void test_guard_undo_guest_that_never_suspends_is_left_alone(void)
{
    struct host h;

    host_open(&h, XLM__GUARD_SUSPENDING, false);
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_EQUAL(h.owner, XLM_OWNER_SOURCE);
    CU_ASSERT_EQUAL(fake_toolstack_count(&h.ts, "resume"), 0);
    CU_ASSERT_FALSE(h.hv->logging);
    host_close(&h);
}

/* A reboot belongs to whoever watches the domain. */
static void test_guard_undo_rebooting_guest_is_not_resumed(void)
{
    struct host h;

    host_open(&h, XLM__GUARD_SUSPENDING, true);
    h.ts.suspended = false;
    h.hv->info.shutdown_reason = SHUTDOWN_reboot;
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_EQUAL(fake_toolstack_count(&h.ts, "resume"), 0);
    host_close(&h);
}

static void test_guard_undo_renamed_gets_its_name_back_first(void)
{
    struct host h;

    host_open(&h, XLM__GUARD_RENAMED, true);
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_EQUAL(h.owner, XLM_OWNER_SOURCE);
    CU_ASSERT_STRING_EQUAL(
        h.ts.trace, "mark_get mark_get dm_logdirty_off rename resume mark_get");
    CU_ASSERT_STRING_EQUAL(h.ts.name, "guest");
    host_close(&h);
}

/* From here on it is not ours to resume. */
static void hands_off(enum xlm__guard_phase phase, enum xlm_owner owner)
{
    struct host h;

    host_open(&h, phase, true);
    memcpy(h.ts.mark[XLM__MARK_SENT].uuid, h.ts.uuid, 16);
    h.ts.marked[XLM__MARK_SENT] = true;
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_EQUAL(h.owner, owner);
    CU_ASSERT_EQUAL(h.ts.calls, 0);
    CU_ASSERT_TRUE(h.ts.suspended && h.ts.exists);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.message, "stays suspended"));
    CU_ASSERT_TRUE(h.ts.marked[XLM__MARK_SENT]);
    host_close(&h);
}

static void test_guard_undo_permitted_stays_suspended(void)
{
    hands_off(XLM__GUARD_PERMITTED, XLM_OWNER_UNKNOWN);
}

static void test_guard_undo_committed_stays_suspended(void)
{
    hands_off(XLM__GUARD_COMMITTED, XLM_OWNER_DESTINATION);
}

static void test_guard_undo_running_there_destroys_the_copy(void)
{
    struct host h;

    host_open(&h, XLM__GUARD_RUNNING, true);
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_EQUAL(h.owner, XLM_OWNER_DESTINATION);
    CU_ASSERT_STRING_EQUAL(h.ts.trace, "destroy mark_get");
    CU_ASSERT_FALSE(h.ts.exists);
    host_close(&h);
}

static void test_guard_undo_running_there_and_gone_here(void)
{
    struct host h;

    host_open(&h, XLM__GUARD_RUNNING, true);
    h.hv->exists = false;
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_EQUAL(h.owner, XLM_OWNER_DESTINATION);
    CU_ASSERT_STRING_EQUAL(h.ts.trace, "mark_get");
    host_close(&h);
}

/* The id was given to a domain that nobody wants to touch. */
static void other_domain(enum xlm__guard_phase phase)
{
    struct host h;

    host_open(&h, phase, true);
    h.hv->info.uuid[0] ^= 1;
    CU_ASSERT_EQUAL(undo(&h), 0);
    CU_ASSERT_EQUAL(h.ts.calls, fake_toolstack_count(&h.ts, "mark_get"));
    CU_ASSERT_TRUE(h.hv->logging && h.hv->exists);
    host_close(&h);
}

static void test_guard_undo_never_touches_another_domain(void)
{
    other_domain(XLM__GUARD_TRACKING);
    other_domain(XLM__GUARD_SUSPENDING);
    other_domain(XLM__GUARD_RENAMED);
    other_domain(XLM__GUARD_RUNNING);
}

/* One step that fails must not keep the guest from running. */
static void test_guard_undo_goes_on_after_a_failure(void)
{
    struct host h;

    host_open(&h, XLM__GUARD_RENAMED, true);
    h.ts.fail_op = "dm_logdirty_off";
    CU_ASSERT_EQUAL(undo(&h), XLM_ERR_TOOLSTACK);
    CU_ASSERT_STRING_EQUAL(h.ts.trace,
                           "mark_get mark_get dm_logdirty_off rename resume");
    CU_ASSERT_PTR_NOT_NULL(strstr(h.message, "made to fail"));
    CU_ASSERT_FALSE(h.ts.suspended);
    host_close(&h);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_guard_undo_nothing_begun),
    UNIT_TEST(test_guard_undo_all_done),
    UNIT_TEST(test_guard_undo_all_done_gives_the_owner_told),
    UNIT_TEST(test_guard_undo_clears_the_mark_of_what_it_finished),
    UNIT_TEST(test_guard_undo_running_there_writes_down_that_it_moved),
    UNIT_TEST(test_guard_undo_leaves_the_mark_of_another_move),
    UNIT_TEST(test_guard_undo_tracking_switches_logging_off),
    UNIT_TEST(test_guard_undo_gives_back_its_cpu_and_memory),
    UNIT_TEST(test_guard_undo_leaves_another_domain_alone),
    UNIT_TEST(test_guard_undo_leaves_a_limit_that_was_set_since_then),
    UNIT_TEST(test_guard_undo_without_caps_any_more_is_fine),
    UNIT_TEST(test_guard_undo_tracking_leaves_a_suspended_one_alone),
    UNIT_TEST(test_guard_undo_tracking_without_device_model),
    UNIT_TEST(test_guard_undo_without_log_leaves_it_alone),
    UNIT_TEST(test_guard_undo_suspended_is_resumed),
    UNIT_TEST(test_guard_undo_paused_guest_is_resumed_paused),
    UNIT_TEST(test_guard_undo_paused_guest_is_paused_once),
    UNIT_TEST(test_guard_undo_late_suspend_is_resumed),
    UNIT_TEST(test_guard_undo_guest_that_never_suspends_is_left_alone),
    UNIT_TEST(test_guard_undo_rebooting_guest_is_not_resumed),
    UNIT_TEST(test_guard_undo_renamed_gets_its_name_back_first),
    UNIT_TEST(test_guard_undo_permitted_stays_suspended),
    UNIT_TEST(test_guard_undo_committed_stays_suspended),
    UNIT_TEST(test_guard_undo_running_there_destroys_the_copy),
    UNIT_TEST(test_guard_undo_running_there_and_gone_here),
    UNIT_TEST(test_guard_undo_never_touches_another_domain),
    UNIT_TEST(test_guard_undo_goes_on_after_a_failure),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("guard", tests)
