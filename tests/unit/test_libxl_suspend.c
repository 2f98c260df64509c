/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Suspending, with guests that do not do as they are told.  libxl's functions
 * are stand-ins over one domain in memory and a script of what happens when.
 */
#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "fake_xs.h"
#include "toolstack/toolstack_libxl.h"
#include "unit.h"
#include "util/clock.h"

#define SHUTDOWN_NODE "/local/domain/5/control/shutdown"

/* At tick number `at` (one event_check() each) the guest gets into that state
 * and the operation ends with that code; at 0 the tick never comes. */
static struct {
    unsigned guest_at;
    bool gone, dying, shutdown;
    libxl_shutdown_reason reason;
    unsigned done_at;
    int done_rc;
    int abort_rc;        /* what the operation ends with when aborted */
    bool abort_too_late; /* the guest suspends while it is aborted     */
    unsigned ticks, aborts, resumes;
    uint64_t for_event;
} g;

static bool is_in_state(void)
{
    return g.guest_at && g.ticks >= g.guest_at;
}

int libxl_domain_info(libxl_ctx *ctx, libxl_dominfo *info, uint32_t domid)
{
    (void)ctx;
    CU_ASSERT_EQUAL(domid, 5);
    if (is_in_state() && g.gone)
        return ERROR_DOMAIN_NOTFOUND;
    info->dying = is_in_state() && g.dying;
    info->shutdown = is_in_state() && g.shutdown;
    info->shutdown_reason = g.reason;
    return 0;
}

char *libxl_domid_to_name(libxl_ctx *ctx, uint32_t domid)
{
    (void)ctx, (void)domid;
    return strdup("g1");
}

int libxl_domain_suspend_only(libxl_ctx *ctx, uint32_t domid,
                              const libxl_asyncop_how *ao_how)
{
    (void)ctx, (void)domid;
    CU_ASSERT_PTR_NULL(ao_how->callback);
    g.for_event = ao_how->u.for_event;
    return 0;
}

int libxl_ao_abort(libxl_ctx *ctx, const libxl_asyncop_how *how)
{
    (void)ctx;
    CU_ASSERT_EQUAL(how->u.for_event, g.for_event);
    g.aborts++;
    g.done_at = g.ticks + 2;
    g.done_rc = g.abort_rc;
    if (g.abort_too_late) {
        g.guest_at = g.ticks + 1;
        g.shutdown = true;
        g.reason = LIBXL_SHUTDOWN_REASON_SUSPEND;
    }
    return 0;
}

int libxl_event_check(libxl_ctx *ctx, libxl_event **event_r, uint64_t typemask,
                      libxl_event_predicate *predicate, void *predicate_user)
{
    static libxl_event ev;

    (void)ctx, (void)typemask;
    g.ticks++;
    if (!g.done_at || g.ticks < g.done_at)
        return ERROR_NOT_READY;
    ev = (libxl_event){ .for_user = g.for_event,
                        .type = LIBXL_EVENT_TYPE_OPERATION_COMPLETE };
    ev.u.operation_complete.rc = g.done_rc;
    CU_ASSERT_TRUE(predicate(&ev, predicate_user));
    *event_r = &ev;
    return 0;
}

void libxl_event_free(libxl_ctx *ctx, libxl_event *event)
{
    (void)ctx, (void)event;
}

int libxl_osevent_beforepoll(libxl_ctx *ctx, int *nfds_io, struct pollfd *fds,
                             int *timeout_upd, struct timeval now)
{
    (void)ctx, (void)fds, (void)now;
    *nfds_io = 0;
    *timeout_upd = 5; /* as if libxl had something to do soon */
    return 0;
}

void libxl_osevent_afterpoll(libxl_ctx *ctx, int nfds, const struct pollfd *fds,
                             struct timeval now)
{
    (void)ctx, (void)nfds, (void)fds, (void)now;
}

int libxl_domain_resume(libxl_ctx *ctx, uint32_t domid, int suspend_cancel,
                        const libxl_asyncop_how *ao_how)
{
    (void)ctx, (void)domid, (void)ao_how;
    CU_ASSERT_EQUAL(suspend_cancel, 1);
    g.resumes++;
    return 0;
}

/* ---------------- the tests ---------------- */

static struct xlm__errslot err;
static struct xlm__ts ts;
static char message[XLM_MESSAGE_MAX];
static bool later;

static void begin(void)
{
    memset(&g, 0, sizeof(g));
    g.abort_rc = ERROR_ABORTED;
    fake_xs_reset();
    fake_xs_text(SHUTDOWN_NODE, "suspend");
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    memset(&ts, 0, sizeof(ts));
    ts.base.err = &err;
    ts.base.stop_fd = -1;
    ts.xs = fake_xs();
    xlm__libxl_log_init(&ts.log, &err);
}

static void end(void)
{
    xlm__libxl_log_destroy(&ts.log);
    xlm__errslot_destroy(&err);
    fake_xs_reset();
}

static int suspend(uint32_t timeout_ms)
{
    int rc;

    later = true;
    rc = xlm__ts_suspend(&ts.base, 5, timeout_ms, &later);
    xlm__errslot_read(&err, message);
    return rc;
}

static void guest_does(unsigned at, libxl_shutdown_reason reason)
{
    g.guest_at = at;
    g.shutdown = true;
    g.reason = reason;
}

static void test_libxl_suspend_guest_that_answers_is_suspended(void)
{
    begin();
    guest_does(3, LIBXL_SHUTDOWN_REASON_SUSPEND);
    g.done_at = 4;
    CU_ASSERT_EQUAL(suspend(60000), 0);
    CU_ASSERT_FALSE(later);
    CU_ASSERT_EQUAL(g.aborts, 0);
    CU_ASSERT_EQUAL(g.resumes, 0);
    end();
}

static void test_libxl_suspend_silent_guest_is_named_with_the_seconds(void)
{
    begin();
    CU_ASSERT_EQUAL(suspend(300), XLM_ERR_GUEST_SILENT);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(message, "g1 (domain 5) did not suspend within 0.3 s"));
    CU_ASSERT_EQUAL(g.aborts, 1);
    end();
}

static void test_libxl_suspend_unread_request_is_taken_back(void)
{
    begin();
    CU_ASSERT_EQUAL(suspend(50), XLM_ERR_GUEST_SILENT);
    CU_ASSERT_FALSE(later);
    CU_ASSERT_STRING_EQUAL(fake_xs_get(SHUTDOWN_NODE, NULL), "");
    end();
}

static void test_libxl_suspend_request_that_was_read_may_come_true_later(void)
{
    begin();
    fake_xs_text(SHUTDOWN_NODE, "");
    CU_ASSERT_EQUAL(suspend(50), XLM_ERR_GUEST_SILENT);
    CU_ASSERT_TRUE(later);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "it may do so later"));
    end();
}

static void test_libxl_suspend_taking_back_survives_a_conflict(void)
{
    begin();
    fake_xs_conflicts(2);
    CU_ASSERT_EQUAL(suspend(50), XLM_ERR_GUEST_SILENT);
    CU_ASSERT_FALSE(later);
    CU_ASSERT_STRING_EQUAL(fake_xs_get(SHUTDOWN_NODE, NULL), "");
    end();
}

/* libxl 4.17, when it has taken the request back itself. */
static void test_libxl_suspend_false_success_is_a_silent_guest(void)
{
    begin();
    fake_xs_text(SHUTDOWN_NODE, "");
    g.done_at = 2;
    CU_ASSERT_EQUAL(suspend(60000), XLM_ERR_GUEST_SILENT);
    CU_ASSERT_FALSE(later);
    end();
}

static void ended(libxl_shutdown_reason reason, const char *word)
{
    const uint64_t start = xlm__clock_ns();

    begin();
    guest_does(2, reason);
    CU_ASSERT_EQUAL(suspend(60000), XLM_ERR_GUEST_ENDED);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, word));
    CU_ASSERT_FALSE(later);
    CU_ASSERT_EQUAL(g.resumes, 0);
    CU_ASSERT_TRUE(xlm__clock_ns() - start < 5 * XLM__NS_PER_S);
    end();
}

static void test_libxl_suspend_guest_that_ends_otherwise_is_told_apart(void)
{
    ended(LIBXL_SHUTDOWN_REASON_POWEROFF, "domain 5 powered off");
    ended(LIBXL_SHUTDOWN_REASON_REBOOT, "domain 5 rebooted");
    ended(LIBXL_SHUTDOWN_REASON_CRASH, "domain 5 crashed");
    ended(LIBXL_SHUTDOWN_REASON_WATCHDOG, "watchdog");
}

static void test_libxl_suspend_destroyed_guest_has_ended(void)
{
    begin();
    g.guest_at = 2;
    g.gone = true;
    CU_ASSERT_EQUAL(suspend(60000), XLM_ERR_GUEST_ENDED);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "destroyed"));
    end();
    begin();
    g.guest_at = 2;
    g.dying = true;
    CU_ASSERT_EQUAL(suspend(60000), XLM_ERR_GUEST_ENDED);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "destroyed"));
    end();
}

static void test_libxl_suspend_is_cancelled_by_stop(void)
{
    int stop[2];

    begin();
    CU_ASSERT_FATAL(!pipe(stop));
    CU_ASSERT_EQUAL(write(stop[1], "", 1), 1);
    ts.base.stop_fd = stop[0];
    CU_ASSERT_EQUAL(suspend(60000), XLM_ERR_CANCELLED);
    CU_ASSERT_EQUAL(xlm__errslot_code(&err), 0);
    CU_ASSERT_FALSE(later);
    close(stop[0]);
    close(stop[1]);
    end();
}

static void test_libxl_suspend_failing_device_model_is_undone(void)
{
    begin();
    guest_does(2, LIBXL_SHUTDOWN_REASON_SUSPEND);
    g.done_at = 5;
    g.done_rc = ERROR_FAIL;
    CU_ASSERT_EQUAL(suspend(60000), XLM_ERR_DEVICE);
    CU_ASSERT_EQUAL(g.resumes, 1);
    CU_ASSERT_FALSE(later);
    end();
}

static void test_libxl_suspend_at_the_last_moment_is_undone(void)
{
    begin();
    g.abort_too_late = true;
    CU_ASSERT_EQUAL(suspend(50), XLM_ERR_GUEST_SILENT);
    CU_ASSERT_EQUAL(g.resumes, 1);
    CU_ASSERT_FALSE(later);
    end();
}

/* The abort came too late for libxl as well: all went well after all. */
static void test_libxl_suspend_completed_despite_the_abort_counts(void)
{
    begin();
    g.abort_too_late = true;
    g.abort_rc = 0;
    CU_ASSERT_EQUAL(suspend(50), 0);
    CU_ASSERT_EQUAL(g.resumes, 0);
    end();
}

static void test_libxl_suspend_other_failure_is_the_toolstacks(void)
{
    begin();
    g.done_at = 2;
    g.done_rc = ERROR_FAIL;
    CU_ASSERT_EQUAL(suspend(60000), XLM_ERR_TOOLSTACK);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "libxl error -3"));
    end();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_libxl_suspend_guest_that_answers_is_suspended),
    UNIT_TEST(test_libxl_suspend_silent_guest_is_named_with_the_seconds),
    UNIT_TEST(test_libxl_suspend_unread_request_is_taken_back),
    UNIT_TEST(test_libxl_suspend_request_that_was_read_may_come_true_later),
    UNIT_TEST(test_libxl_suspend_taking_back_survives_a_conflict),
    UNIT_TEST(test_libxl_suspend_false_success_is_a_silent_guest),
    UNIT_TEST(test_libxl_suspend_guest_that_ends_otherwise_is_told_apart),
    UNIT_TEST(test_libxl_suspend_destroyed_guest_has_ended),
    UNIT_TEST(test_libxl_suspend_is_cancelled_by_stop),
    UNIT_TEST(test_libxl_suspend_failing_device_model_is_undone),
    UNIT_TEST(test_libxl_suspend_at_the_last_moment_is_undone),
    UNIT_TEST(test_libxl_suspend_completed_despite_the_abort_counts),
    UNIT_TEST(test_libxl_suspend_other_failure_is_the_toolstacks),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("libxl_suspend", tests)
