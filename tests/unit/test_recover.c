/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions, answers, and what the source makes of them. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>

#include <xen/sched.h>

#include "recover_fixture.h"

#define AWAY "guest--migratedaway"

/* ---- the answer's line ---- */

static void test_recover_answer_reads_as_printed(void)
{
    char line[XLM_ANSWER_MAX], told[XLM__TOLD_MAX];

    for (int f = XLM__FATE_NEVER; f <= XLM__FATE_UNKNOWN; f++) {
        xlm__recover_print((enum xlm__fate)f, session, "it is (domain 5)",
                           line);
        CU_ASSERT_EQUAL((int)xlm__recover_parse(line, session, told), f);
        CU_ASSERT_STRING_EQUAL(told, "it is (domain 5)");
    }
}

static void test_recover_answer_behind_a_logins_greeting(void)
{
    char told[XLM__TOLD_MAX];
    const char *text = "Welcome!\n\nxlm-answer\n"
                       "xlm-answer 1 never "
                       "abcd0000-0000-0000-0000-000000000000 it\x1b[2Jdid\r\n"
                       "xlm-answer 1 runs "
                       "abcd0000-0000-0000-0000-000000000000 forged\n";

    CU_ASSERT_EQUAL(xlm__recover_parse(text, session, told), XLM__FATE_NEVER);
    CU_ASSERT_STRING_EQUAL(told, "it?[2Jdid");
}

static void test_recover_answer_malformed_is_none(void)
{
    static const char *const bad[] = {
        "",
        "\n\n",
        "xlm-answer 1 ",
        "xlm-answer 1 never",
        "xlm-answer 1 never abcd0000-0000-0000-0000-00000000000",
        "xlm-answer 1 never abcd0000-0000-0000-0000-0000000000001 x",
        "xlm-answer 1 NEVER abcd0000-0000-0000-0000-000000000000 x",
        "xlm-answer 1 nevermore abcd0000-0000-0000-0000-000000000000 x",
        "xlm-answer 1 neverneverneverneverneverever abcd0000-0000 x",
        "xlm-answer 2 never abcd0000-0000-0000-0000-000000000000 x",
        "xlm-answer 1 never ee000000-0000-0000-0000-000000000000 x",
        " xlm-answer 1 never abcd0000-0000-0000-0000-000000000000 x",
    };
    char told[XLM__TOLD_MAX];

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CU_ASSERT_EQUAL(xlm__recover_parse(bad[i], session, told),
                        XLM__FATE_NONE);
}

/* ---- the source decides ---- */

static enum xlm_verdict decide_with(uint32_t phase, enum xlm__fate fate,
                                    bool dead, enum xlm__copy copy)
{
    const struct xlm__mark sent = {
        .phase = phase, .domid = 1, .peer = "hostb", .name = "guest"
    };
    char why[XLM_MESSAGE_MAX] = "";
    enum xlm_verdict v = xlm__recover_decide(&sent, copy, fate, dead, why);

    CU_ASSERT_NOT_EQUAL(why[0], '\0');
    return v;
}

static enum xlm_verdict decide(uint32_t phase, enum xlm__fate fate, bool dead)
{
    return decide_with(phase, fate, dead, XLM__COPY_SUSPENDED);
}

static void test_recover_decide_each_fate(void)
{
    static const enum xlm_verdict want[] = {
        [XLM__FATE_NONE] = XLM_VERDICT_UNDECIDED,
        [XLM__FATE_NEVER] = XLM_VERDICT_RESUMED,
        [XLM__FATE_RUNS] = XLM_VERDICT_DESTROYED,
        [XLM__FATE_RAN] = XLM_VERDICT_ENDED,
        [XLM__FATE_MOVED] = XLM_VERDICT_DESTROYED,
        [XLM__FATE_BUSY] = XLM_VERDICT_UNDECIDED,
        [XLM__FATE_LEFT] = XLM_VERDICT_UNDECIDED,
        [XLM__FATE_UNKNOWN] = XLM_VERDICT_UNDECIDED,
    };

    for (int f = 0; f <= XLM__FATE_UNKNOWN; f++) {
        CU_ASSERT_EQUAL(decide(XLM__GUARD_PERMITTED, (enum xlm__fate)f, false),
                        want[f]);
        CU_ASSERT_EQUAL(decide(XLM__GUARD_COMMITTED, (enum xlm__fate)f, false),
                        want[f]);
    }
}

static void test_recover_decide_peer_dead_resumes_only_before_commit(void)
{
    CU_ASSERT_EQUAL(decide(XLM__GUARD_PERMITTED, XLM__FATE_NONE, true),
                    XLM_VERDICT_RESUMED);
    CU_ASSERT_EQUAL(decide(XLM__GUARD_COMMITTED, XLM__FATE_NONE, true),
                    XLM_VERDICT_UNDECIDED);
    CU_ASSERT_EQUAL(decide(XLM__GUARD_RUNNING, XLM__FATE_NONE, true),
                    XLM_VERDICT_DESTROYED);
}

static void test_recover_decide_what_needs_no_answer(void)
{
    struct xlm__mark m = { .phase = XLM__GUARD_SUSPENDING };

    for (; m.phase <= XLM__GUARD_RUNNING; m.phase++)
        CU_ASSERT_EQUAL(xlm__recover_must_ask(&m),
                        m.phase == XLM__GUARD_PERMITTED ||
                            m.phase == XLM__GUARD_COMMITTED);
    CU_ASSERT_EQUAL(decide(XLM__GUARD_SUSPENDING, XLM__FATE_NONE, false),
                    XLM_VERDICT_RESUMED);
    CU_ASSERT_EQUAL(decide(XLM__GUARD_RENAMED, XLM__FATE_NONE, false),
                    XLM_VERDICT_RESUMED);
    CU_ASSERT_EQUAL(decide(XLM__GUARD_RUNNING, XLM__FATE_NONE, false),
                    XLM_VERDICT_DESTROYED);
    CU_ASSERT_EQUAL(decide(XLM__GUARD_TRACKING, XLM__FATE_NONE, true),
                    XLM_VERDICT_RESUMED);
    CU_ASSERT_EQUAL(decide(XLM__GUARD_MOVED, XLM__FATE_NONE, true),
                    XLM_VERDICT_UNDECIDED);
}

/* With the copy gone too, the operator's word frees the domain. */
static void test_recover_decide_peer_dead_and_copy_gone(void)
{
    for (uint32_t p = XLM__GUARD_PERMITTED; p <= XLM__GUARD_COMMITTED; p++) {
        CU_ASSERT_EQUAL(decide_with(p, XLM__FATE_NONE, true, XLM__COPY_GONE),
                        XLM_VERDICT_RESUMED);
        CU_ASSERT_EQUAL(decide_with(p, XLM__FATE_NONE, false, XLM__COPY_GONE),
                        XLM_VERDICT_UNDECIDED);
    }
}

/* ---- the source finds its copy, and acts ---- */

static void source(struct host *h, uint32_t phase)
{
    open_any(h);
    h->ts.suspended = h->hv->info.shutdown = true;
    h->hv->info.shutdown_reason = SHUTDOWN_suspend;
    snprintf(h->ts.name, sizeof(h->ts.name), AWAY);
    if (phase)
        mark(h, XLM__MARK_SENT, phase);
}

static int find(struct host *h, const char *domain)
{
    return xlm__recover_find(&h->err, &h->hv->base, &h->ts.base, domain,
                             &h->sent, &h->copy);
}

static void test_recover_find_by_each_of_its_names(void)
{
    static const char *const names[] = {
        "guest", AWAY, "1", "5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a"
    };
    struct host h;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        source(&h, XLM__GUARD_PERMITTED);
        CU_ASSERT_EQUAL(find(&h, names[i]), 0);
        CU_ASSERT_EQUAL(h.sent.phase, XLM__GUARD_PERMITTED);
        CU_ASSERT_TRUE(h.ts.locked);
        CU_ASSERT_EQUAL(xlm__errslot_code(&h.err), 0);
        host_close(&h);
    }
}

static void test_recover_find_no_such_domain(void)
{
    struct host h;
    char text[XLM_MESSAGE_MAX];

    source(&h, XLM__GUARD_PERMITTED);
    CU_ASSERT_EQUAL(find(&h, "nosuch"), XLM_ERR_INVAL);
    xlm__errslot_read(&h.err, text);
    CU_ASSERT_STRING_EQUAL(text, "no domain nosuch");
    CU_ASSERT_FALSE(h.ts.locked);
    host_close(&h);
}

static void test_recover_find_running_domain_is_refused(void)
{
    struct host h;

    source(&h, XLM__GUARD_PERMITTED);
    h.ts.suspended = h.hv->info.shutdown = false;
    CU_ASSERT_EQUAL(find(&h, "guest"), XLM_ERR_STATE);
    host_close(&h);
}

static void test_recover_find_ended_domain_is_refused(void)
{
    struct host h;

    source(&h, XLM__GUARD_PERMITTED);
    for (unsigned r = SHUTDOWN_poweroff; r <= SHUTDOWN_soft_reset; r++) {
        if (r == SHUTDOWN_suspend)
            continue;
        h.ts.locked = false;
        h.hv->info.shutdown_reason = r;
        CU_ASSERT_EQUAL(find(&h, "guest"), XLM_ERR_STATE);
    }
    h.ts.locked = false;
    h.hv->info.shutdown_reason = SHUTDOWN_suspend;
    h.hv->info.dying = true;
    CU_ASSERT_EQUAL(find(&h, "guest"), XLM_ERR_STATE);
    host_close(&h);
}

/* By xl save, or by a migration of long ago whose mark was left. */
static void test_recover_find_suspended_by_others_is_refused(void)
{
    struct host h;

    source(&h, XLM__GUARD_NONE);
    CU_ASSERT_EQUAL(find(&h, "guest"), XLM_ERR_STATE);
    host_close(&h);
    source(&h, XLM__GUARD_PERMITTED);
    h.ts.mark[XLM__MARK_SENT].domid = 2;
    CU_ASSERT_EQUAL(find(&h, "guest"), XLM_ERR_STATE);
    host_close(&h);
    source(&h, XLM__GUARD_DONE);
    CU_ASSERT_EQUAL(find(&h, "guest"), XLM_ERR_STATE);
    host_close(&h);
}

static void test_recover_find_during_a_migration_is_busy(void)
{
    struct host h;

    source(&h, XLM__GUARD_PERMITTED);
    h.ts.fail_op = "lock";
    h.ts.fail_code = XLM_ERR_BUSY;
    CU_ASSERT_EQUAL(find(&h, "guest"), XLM_ERR_BUSY);
    CU_ASSERT_EQUAL(fake_toolstack_count(&h.ts, "mark_get"), 0);
    host_close(&h);
}

static int act(struct host *h, enum xlm_verdict v)
{
    return xlm__recover_act(&h->err, &h->hv->base, &h->ts.base, &h->sent,
                            h->copy, v);
}

static void test_recover_act_paused_guest_is_resumed_paused(void)
{
    struct host h;

    source(&h, XLM__GUARD_RENAMED);
    h.ts.mark[XLM__MARK_SENT].flags |= XLM__MARK_WAS_PAUSED;
    CU_ASSERT_EQUAL(find(&h, "guest"), 0);
    CU_ASSERT_EQUAL(act(&h, XLM_VERDICT_RESUMED), 0);
    CU_ASSERT_FALSE(h.ts.suspended);
    CU_ASSERT_TRUE(h.hv->info.paused);
    host_close(&h);
}

/* ---- it runs ---- */

/* Worker and guardian were killed while it was copied, and without memory. */
static void left_running(struct host *h, uint32_t phase)
{
    source(h, phase);
    h->ts.suspended = h->hv->info.shutdown = false;
    h->hv->info.max_pages = 0;
    h->ts.marked[XLM__MARK_LIMITED] = true;
    h->ts.mark[XLM__MARK_LIMITED] = h->ts.mark[XLM__MARK_SENT];
    h->ts.mark[XLM__MARK_LIMITED].flags = 4321;
}

static void test_recover_runs_on_as_it_did_before(void)
{
    struct host h;

    left_running(&h, XLM__GUARD_TRACKING);
    h.hv->logging = true;
    CU_ASSERT_EQUAL(find(&h, "guest"), 0);
    CU_ASSERT_EQUAL(h.copy, XLM__COPY_RUNS);
    CU_ASSERT_EQUAL(
        decide_with(XLM__GUARD_TRACKING, XLM__FATE_NONE, false, h.copy),
        XLM_VERDICT_RAN_ON);
    CU_ASSERT_EQUAL(act(&h, XLM_VERDICT_RAN_ON), 0);
    CU_ASSERT_FALSE(h.hv->logging || h.ts.marked[XLM__MARK_SENT]);
    CU_ASSERT_EQUAL(h.hv->info.max_pages, 4321);
    CU_ASSERT_EQUAL(fake_toolstack_count(&h.ts, "resume"), 0);
    CU_ASSERT_EQUAL(fake_toolstack_count(&h.ts, "rename"), 0);
    host_close(&h);
}

/* By xl save, say: not ours to resume. */
static void test_recover_that_stopped_meanwhile_is_left_alone(void)
{
    struct host h;

    left_running(&h, XLM__GUARD_TRACKING);
    h.hv->logging = true;
    CU_ASSERT_EQUAL(find(&h, "guest"), 0);
    h.ts.suspended = h.hv->info.shutdown = true;
    CU_ASSERT_EQUAL(act(&h, XLM_VERDICT_RAN_ON), XLM_ERR_STATE);
    CU_ASSERT_TRUE(h.hv->logging && h.ts.marked[XLM__MARK_SENT]);
    CU_ASSERT_EQUAL(h.hv->info.max_pages, 0);
    CU_ASSERT_EQUAL(fake_toolstack_count(&h.ts, "resume"), 0);
    host_close(&h);
}

/* A Xen that has no log fails to switch it off. */
static void test_recover_runs_on_where_nothing_was_logged(void)
{
    struct host h;

    left_running(&h, XLM__GUARD_TRACKING);
    h.ts.mark[XLM__MARK_SENT].flags = XLM__MARK_NOT_LOGGED;
    h.hv->logging = true;
    CU_ASSERT_EQUAL(find(&h, "guest"), 0);
    CU_ASSERT_EQUAL(act(&h, XLM_VERDICT_RAN_ON), 0);
    CU_ASSERT_TRUE(h.hv->logging);
    CU_ASSERT_FALSE(h.ts.marked[XLM__MARK_SENT]);
    host_close(&h);
}

/* Somebody has started it by force, or a copy of it waits under another id, or
 * it is another boot's mark. */
static void test_recover_runs_though_it_was_suspended_is_refused(void)
{
    struct host h;

    for (uint32_t p = XLM__GUARD_SUSPENDING; p <= XLM__GUARD_RUNNING; p++) {
        left_running(&h, p);
        CU_ASSERT_EQUAL(find(&h, "guest"), XLM_ERR_STATE);
        host_close(&h);
    }
    left_running(&h, XLM__GUARD_TRACKING);
    h.ts.mark[XLM__MARK_SENT].boot[0] ^= 1;
    CU_ASSERT_EQUAL(find(&h, "guest"), XLM_ERR_STATE);
    host_close(&h);
}

/* It has been rebooted: nothing of what the migration changed is left. */
static void test_recover_runs_as_another_domain_only_clears_the_journal(void)
{
    struct host h;

    left_running(&h, XLM__GUARD_TRACKING);
    h.ts.mark[XLM__MARK_SENT].domid = h.ts.mark[XLM__MARK_LIMITED].domid = 77;
    CU_ASSERT_EQUAL(find(&h, "guest"), 0);
    CU_ASSERT_EQUAL(act(&h, XLM_VERDICT_RAN_ON), 0);
    CU_ASSERT_EQUAL(h.hv->info.max_pages, 0);
    CU_ASSERT_FALSE(h.ts.marked[XLM__MARK_SENT]);
    CU_ASSERT_FALSE(h.ts.marked[XLM__MARK_LIMITED]);
    host_close(&h);
}

/* ---- the copy is gone ---- */

/* This host went down since, or somebody destroyed it. */
static void source_gone(struct host *h, uint32_t phase)
{
    source(h, phase);
    h->hv->exists = h->ts.exists = h->ts.suspended = false;
    h->ts.mark[XLM__MARK_SENT].boot[0] ^= 1;
}

static void test_recover_find_gone_copy_by_name_and_uuid(void)
{
    static const char *const names[] = {
        "guest", "5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a"
    };
    struct host h;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        source_gone(&h, XLM__GUARD_PERMITTED);
        CU_ASSERT_EQUAL(find(&h, names[i]), 0);
        CU_ASSERT_TRUE(h.copy == XLM__COPY_GONE && h.ts.locked);
        CU_ASSERT_EQUAL(h.sent.phase, XLM__GUARD_PERMITTED);
        host_close(&h);
    }
    source_gone(&h, XLM__GUARD_PERMITTED);
    CU_ASSERT_EQUAL(find(&h, "1"), XLM_ERR_INVAL);
    host_close(&h);
}

/* As a destroy that got half of the way leaves it. */
static void test_recover_find_copy_without_a_name(void)
{
    struct host h;

    source(&h, XLM__GUARD_RUNNING);
    h.ts.fail_op = "find";
    h.ts.fail_code = XLM_ERR_INVAL;
    CU_ASSERT_EQUAL(find(&h, "guest"), 0);
    CU_ASSERT_TRUE(h.copy == XLM__COPY_SUSPENDED && h.ts.locked);
    CU_ASSERT_EQUAL(act(&h, XLM_VERDICT_DESTROYED), 0);
    CU_ASSERT_EQUAL(fake_toolstack_count(&h.ts, "destroy"), 1);
    host_close(&h);
}

static void test_recover_act_copy_without_a_name_is_not_resumed(void)
{
    struct host h;

    source(&h, XLM__GUARD_RENAMED);
    CU_ASSERT_EQUAL(find(&h, "guest"), 0);
    h.ts.fail_op = "find";
    h.ts.fail_code = XLM_ERR_INVAL;
    CU_ASSERT_EQUAL(act(&h, XLM_VERDICT_RESUMED), XLM_ERR_STATE);
    CU_ASSERT_TRUE(h.ts.suspended && h.ts.marked[XLM__MARK_SENT]);
    host_close(&h);
}

static void test_recover_find_gone_and_moved_is_refused(void)
{
    struct host h;

    source_gone(&h, XLM__GUARD_MOVED);
    CU_ASSERT_EQUAL(find(&h, "guest"), XLM_ERR_STATE);
    host_close(&h);
}

static void test_recover_find_gone_but_came_back_is_not_found(void)
{
    struct host h;

    source_gone(&h, XLM__GUARD_PERMITTED);
    mark(&h, XLM__MARK_RECEIVED, XLM__RECEIVED_RUNS);
    h.ts.mark[XLM__MARK_RECEIVED].turn = 5;
    CU_ASSERT_EQUAL(find(&h, "guest"), XLM_ERR_INVAL);
    h.ts.mark[XLM__MARK_SENT].turn = 6;
    CU_ASSERT_EQUAL(find(&h, "guest"), 0);
    host_close(&h);
}

/* Of before this boot, whatever has that id and uuid today. */
static void test_recover_find_suspended_since_an_earlier_boot_is_refused(void)
{
    struct host h;

    source(&h, XLM__GUARD_PERMITTED);
    h.ts.mark[XLM__MARK_SENT].boot[0] ^= 1;
    CU_ASSERT_EQUAL(find(&h, "guest"), XLM_ERR_STATE);
    host_close(&h);
}

static void test_recover_act_resume_is_the_guardians(void)
{
    struct host h;

    source(&h, XLM__GUARD_PERMITTED);
    CU_ASSERT_EQUAL(find(&h, "guest"), 0);
    CU_ASSERT_EQUAL(act(&h, XLM_VERDICT_RESUMED), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.ts.trace, "dm_logdirty_off rename resume"));
    CU_ASSERT_STRING_EQUAL(h.ts.name, "guest");
    CU_ASSERT_FALSE(h.ts.suspended);
    CU_ASSERT_TRUE(h.ts.exists);
    CU_ASSERT_FALSE(h.ts.marked[XLM__MARK_SENT]);
    /* Again: nothing happens to what runs. */
    h.ts.locked = false;
    CU_ASSERT_EQUAL(find(&h, "guest"), XLM_ERR_STATE);
    CU_ASSERT_EQUAL(fake_toolstack_count(&h.ts, "resume"), 1);
    host_close(&h);
}

static void destroys(enum xlm_verdict v)
{
    struct host h;

    source(&h, XLM__GUARD_PERMITTED);
    CU_ASSERT_EQUAL(find(&h, "guest"), 0);
    CU_ASSERT_EQUAL(act(&h, v), 0);
    CU_ASSERT_EQUAL(fake_toolstack_count(&h.ts, "destroy"), 1);
    CU_ASSERT_EQUAL(fake_toolstack_count(&h.ts, "resume"), 0);
    CU_ASSERT_FALSE(h.ts.exists);
    CU_ASSERT_TRUE(h.ts.marked[XLM__MARK_SENT]);
    CU_ASSERT_EQUAL(h.ts.mark[XLM__MARK_SENT].phase, XLM__GUARD_MOVED);
    host_close(&h);
}

static void test_recover_act_destroys_the_copy(void)
{
    destroys(XLM_VERDICT_DESTROYED);
    destroys(XLM_VERDICT_ENDED);
}

static void settles(enum xlm_verdict v, uint32_t phase)
{
    struct host h;

    source_gone(&h, XLM__GUARD_PERMITTED);
    CU_ASSERT_EQUAL(find(&h, "guest"), 0);
    CU_ASSERT_EQUAL(act(&h, v), 0);
    CU_ASSERT_EQUAL(fake_toolstack_count(&h.ts, "destroy"), 0);
    CU_ASSERT_EQUAL(fake_toolstack_count(&h.ts, "resume"), 0);
    CU_ASSERT_EQUAL(h.ts.marked[XLM__MARK_SENT], phase != 0);
    CU_ASSERT_TRUE(!phase || h.ts.mark[XLM__MARK_SENT].phase == phase);
    host_close(&h);
}

static void test_recover_act_gone_copy_only_settles_the_journal(void)
{
    settles(XLM_VERDICT_RESUMED, 0);
    settles(XLM_VERDICT_DESTROYED, XLM__GUARD_MOVED);
    settles(XLM_VERDICT_ENDED, XLM__GUARD_MOVED);
    settles(XLM_VERDICT_UNDECIDED, XLM__GUARD_PERMITTED);
}

static void test_recover_act_undecided_changes_nothing(void)
{
    struct host h;
    unsigned calls;

    source(&h, XLM__GUARD_PERMITTED);
    CU_ASSERT_EQUAL(find(&h, "guest"), 0);
    calls = h.ts.calls;
    CU_ASSERT_EQUAL(act(&h, XLM_VERDICT_UNDECIDED), 0);
    CU_ASSERT_EQUAL(h.ts.calls, calls);
    CU_ASSERT_TRUE(h.ts.marked[XLM__MARK_SENT] && h.ts.suspended);
    host_close(&h);
}

/* What failed can be tried again. */
static void test_recover_act_that_failed_keeps_the_mark(void)
{
    struct host h;

    source(&h, XLM__GUARD_PERMITTED);
    CU_ASSERT_EQUAL(find(&h, "guest"), 0);
    h.ts.fail_op = "destroy";
    CU_ASSERT_EQUAL(act(&h, XLM_VERDICT_DESTROYED), XLM_ERR_TOOLSTACK);
    CU_ASSERT_TRUE(h.ts.marked[XLM__MARK_SENT]);
    h.ts.fail_op = "resume";
    CU_ASSERT_EQUAL(act(&h, XLM_VERDICT_RESUMED), XLM_ERR_TOOLSTACK);
    CU_ASSERT_TRUE(h.ts.marked[XLM__MARK_SENT] && h.ts.suspended);
    h.ts.fail_op = NULL;
    CU_ASSERT_EQUAL(act(&h, XLM_VERDICT_RESUMED), 0);
    CU_ASSERT_FALSE(h.ts.suspended);
    host_close(&h);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_recover_answer_reads_as_printed),
    UNIT_TEST(test_recover_answer_behind_a_logins_greeting),
    UNIT_TEST(test_recover_answer_malformed_is_none),
    UNIT_TEST(test_recover_decide_each_fate),
    UNIT_TEST(test_recover_decide_peer_dead_resumes_only_before_commit),
    UNIT_TEST(test_recover_decide_what_needs_no_answer),
    UNIT_TEST(test_recover_find_by_each_of_its_names),
    UNIT_TEST(test_recover_find_no_such_domain),
    UNIT_TEST(test_recover_find_running_domain_is_refused),
    UNIT_TEST(test_recover_find_ended_domain_is_refused),
    UNIT_TEST(test_recover_find_suspended_by_others_is_refused),
    UNIT_TEST(test_recover_find_during_a_migration_is_busy),
    UNIT_TEST(test_recover_act_resume_is_the_guardians),
    UNIT_TEST(test_recover_act_destroys_the_copy),
    UNIT_TEST(test_recover_decide_peer_dead_and_copy_gone),
    UNIT_TEST(test_recover_act_paused_guest_is_resumed_paused),
    UNIT_TEST(test_recover_runs_on_as_it_did_before),
    UNIT_TEST(test_recover_runs_though_it_was_suspended_is_refused),
    UNIT_TEST(test_recover_that_stopped_meanwhile_is_left_alone),
    UNIT_TEST(test_recover_runs_on_where_nothing_was_logged),
    UNIT_TEST(test_recover_runs_as_another_domain_only_clears_the_journal),
    UNIT_TEST(test_recover_find_gone_copy_by_name_and_uuid),
    UNIT_TEST(test_recover_find_copy_without_a_name),
    UNIT_TEST(test_recover_act_copy_without_a_name_is_not_resumed),
    UNIT_TEST(test_recover_find_gone_and_moved_is_refused),
    UNIT_TEST(test_recover_find_gone_but_came_back_is_not_found),
    UNIT_TEST(test_recover_find_suspended_since_an_earlier_boot_is_refused),
    UNIT_TEST(test_recover_act_gone_copy_only_settles_the_journal),
    UNIT_TEST(test_recover_act_undecided_changes_nothing),
    UNIT_TEST(test_recover_act_that_failed_keeps_the_mark),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("recover", tests)
