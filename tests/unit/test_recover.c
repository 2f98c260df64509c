/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>

#include <xen/sched.h>

#include "engine/recover.h"
#include "fake_toolstack.h"
#include "unit.h"

#define AWAY "guest--migratedaway"

static const unsigned char session[16] = { 0xab, 0xcd };
static const unsigned char other[16] = { 0xee };

/* One host, at either end. */
struct host {
    struct xlm__errslot err;
    struct fake_hv *hv;
    struct fake_toolstack ts;
    struct xlm__mark sent;
    char told[XLM__TOLD_MAX];
};

static void open_any(struct host *h)
{
    const struct fake_hv_config config = { .nr_pfns = 64 };

    memset(h, 0, sizeof(*h));
    xlm__errslot_init(&h->err, NULL, NULL, XLM_LOG_DEBUG);
    h->hv = fake_hv_new(&h->err, &config);
    fake_toolstack_init(&h->ts, &h->err, XLM__TYPE_HVM);
    h->ts.hv = h->hv;
    memcpy(h->hv->info.uuid, h->ts.uuid, 16);
}

static void host_close(struct host *h)
{
    CU_ASSERT_EQUAL(h->ts.wrong, 0);
    fake_toolstack_free(&h->ts);
    pthread_mutex_destroy(&h->ts.lock);
    fake_hv_free(h->hv);
    xlm__errslot_destroy(&h->err);
}

static void mark(struct host *h, enum xlm__mark_kind kind, uint32_t phase)
{
    struct xlm__mark *m = &h->ts.mark[kind];

    h->ts.marked[kind] = true;
    memcpy(m->uuid, h->ts.uuid, 16);
    memcpy(m->session, session, 16);
    m->domid = 1;
    m->phase = phase;
    m->flags = kind == XLM__MARK_SENT ? XLM__MARK_DEVICE_MODEL : 0;
    snprintf(m->peer, sizeof(m->peer), "hostb");
    snprintf(m->name, sizeof(m->name), "guest");
}

/* ---- the destination looks ---- */

static void destination(struct host *h, uint32_t phase, bool exists,
                        bool paused, const char *name)
{
    open_any(h);
    if (phase)
        mark(h, XLM__MARK_RECEIVED, phase);
    h->ts.exists = h->hv->exists = exists;
    h->hv->info.paused = paused;
    snprintf(h->ts.name, sizeof(h->ts.name), "%s", name);
}

static enum xlm__fate look(struct host *h, const unsigned char which[16])
{
    enum xlm__fate fate = XLM__FATE_NONE;

    CU_ASSERT_EQUAL(xlm__recover_look(&h->hv->base, &h->ts.base, h->ts.uuid,
                                      which, &fate, h->told),
                    0);
    CU_ASSERT_FALSE(h->ts.locked); /* nothing was changed */
    CU_ASSERT_EQUAL(fake_toolstack_count(&h->ts, "destroy"), 0);
    CU_ASSERT_EQUAL(fake_toolstack_count(&h->ts, "mark_received"), 0);
    CU_ASSERT_NOT_EQUAL(h->told[0], '\0');
    return fate;
}

static void looks(uint32_t phase, bool exists, bool paused, const char *name,
                  enum xlm__fate want)
{
    struct host h;

    destination(&h, phase, exists, paused, name);
    CU_ASSERT_EQUAL(look(&h, session), want);
    host_close(&h);
}

static void test_recover_look_without_a_mark_is_unknown(void)
{
    looks(0, false, false, "guest", XLM__FATE_UNKNOWN);
    /* Even if it runs here: it did not come by this move. */
    looks(0, true, false, "guest", XLM__FATE_UNKNOWN);
}

/* The wrong host may have a mark of last week's move. */
static void test_recover_look_with_another_sessions_mark_is_unknown(void)
{
    struct host h;

    for (uint32_t p = XLM__RECEIVED_BUILDING; p <= XLM__RECEIVED_NEVER; p++) {
        destination(&h, p, false, false, "guest");
        CU_ASSERT_EQUAL(look(&h, other), XLM__FATE_UNKNOWN);
        host_close(&h);
    }
}

static void test_recover_look_given_up_is_never(void)
{
    looks(XLM__RECEIVED_BUILDING, false, false, "guest", XLM__FATE_NEVER);
    looks(XLM__RECEIVED_NEVER, false, false, "guest", XLM__FATE_NEVER);
}

static void test_recover_look_leftover_is_left(void)
{
    looks(XLM__RECEIVED_BUILDING, true, true, "guest--incoming",
          XLM__FATE_LEFT);
    looks(XLM__RECEIVED_NEVER, true, true, "guest--incoming", XLM__FATE_LEFT);
}

static void test_recover_look_permitted_and_running_is_runs(void)
{
    looks(XLM__RECEIVED_GO, true, false, "guest", XLM__FATE_RUNS);
}

/* xl renames, then unpauses: both must be over. */
static void test_recover_look_permitted_and_starting_is_left(void)
{
    looks(XLM__RECEIVED_GO, true, true, "guest--incoming", XLM__FATE_LEFT);
    looks(XLM__RECEIVED_GO, true, true, "guest", XLM__FATE_LEFT);
    looks(XLM__RECEIVED_GO, true, false, "guest--incoming", XLM__FATE_LEFT);
}

static void test_recover_look_permitted_to_stay_paused_is_runs(void)
{
    struct host h;

    destination(&h, XLM__RECEIVED_GO, true, true, "guest");
    h.ts.mark[XLM__MARK_RECEIVED].flags = XLM__MARK_PAUSED;
    CU_ASSERT_EQUAL(look(&h, session), XLM__FATE_RUNS);
    host_close(&h);
}

static void test_recover_look_permitted_and_gone_is_unclear(void)
{
    looks(XLM__RECEIVED_GO, false, false, "guest", XLM__FATE_UNCLEAR);
}

static void test_recover_look_dying_is_left(void)
{
    struct host h;

    destination(&h, XLM__RECEIVED_GO, true, false, "guest");
    h.hv->info.dying = true;
    CU_ASSERT_EQUAL(look(&h, session), XLM__FATE_LEFT);
    host_close(&h);
}

static void test_recover_look_ran(void)
{
    looks(XLM__RECEIVED_RUNS, true, false, "guest", XLM__FATE_RUNS);
    looks(XLM__RECEIVED_RUNS, false, false, "guest", XLM__FATE_RAN);
}

static void test_recover_look_with_a_receiver_at_work_is_busy(void)
{
    struct host h;

    for (uint32_t p = XLM__RECEIVED_BUILDING; p <= XLM__RECEIVED_GO; p++) {
        destination(&h, p, false, false, "guest");
        h.ts.fail_op = "lock";
        h.ts.fail_code = XLM_ERR_BUSY;
        CU_ASSERT_EQUAL(look(&h, session), XLM__FATE_BUSY);
        CU_ASSERT_EQUAL(xlm__errslot_code(&h.err), 0);
        host_close(&h);
    }
}

/* The receiver may linger, to say goodbye: that changes nothing. */
static void test_recover_look_running_needs_no_lock(void)
{
    struct host h;

    destination(&h, XLM__RECEIVED_RUNS, true, false, "guest");
    h.ts.fail_op = "lock";
    h.ts.fail_code = XLM_ERR_BUSY;
    CU_ASSERT_EQUAL(look(&h, session), XLM__FATE_RUNS);
    host_close(&h);
}

/* xl has unpaused it: the receiver only has not written that down yet. */
static void test_recover_look_running_is_seen_behind_the_lock(void)
{
    struct host h;

    destination(&h, XLM__RECEIVED_GO, true, false, "guest");
    h.ts.fail_op = "lock";
    h.ts.fail_code = XLM_ERR_BUSY;
    CU_ASSERT_EQUAL(look(&h, session), XLM__FATE_RUNS);
    h.hv->info.paused = true;
    CU_ASSERT_EQUAL(look(&h, session), XLM__FATE_BUSY);
    host_close(&h);
    destination(&h, XLM__RECEIVED_GO, true, false, "guest--incoming");
    h.ts.fail_op = "lock";
    h.ts.fail_code = XLM_ERR_BUSY;
    CU_ASSERT_EQUAL(look(&h, session), XLM__FATE_BUSY);
    host_close(&h);
}

/* Every call fails once: an error, never an answer. */
static void test_recover_look_that_cannot_see_says_nothing(void)
{
    struct host h;
    enum xlm__fate fate;
    char text[XLM_MESSAGE_MAX];
    int rc;

    for (unsigned nth = 1; nth <= 4; nth++) {
        destination(&h, XLM__RECEIVED_GO, true, false, "guest");
        h.ts.fail_call = nth;
        rc = xlm__recover_look(&h.hv->base, &h.ts.base, h.ts.uuid, session,
                               &fate, h.told);
        CU_ASSERT_EQUAL(rc, XLM_ERR_TOOLSTACK);
        xlm__errslot_read(&h.err, text);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "made to fail"));
        CU_ASSERT_FALSE(h.ts.locked);
        host_close(&h);
    }
    for (unsigned nth = 1; nth <= 2; nth++) {
        destination(&h, XLM__RECEIVED_BUILDING, true, false, "guest");
        h.hv->fail_call = nth;
        CU_ASSERT_NOT_EQUAL(xlm__recover_look(&h.hv->base, &h.ts.base,
                                              h.ts.uuid, session, &fate,
                                              h.told),
                            0);
        CU_ASSERT_FALSE(h.ts.locked);
        host_close(&h);
    }
}

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

static enum xlm_verdict decide(uint32_t phase, enum xlm__fate fate, bool dead)
{
    const struct xlm__mark sent = {
        .phase = phase, .domid = 1, .peer = "hostb", .name = "guest"
    };
    char why[XLM_MESSAGE_MAX] = "";
    enum xlm_verdict v = xlm__recover_decide(&sent, fate, dead, why);

    CU_ASSERT_NOT_EQUAL(why[0], '\0');
    return v;
}

static void test_recover_decide_each_fate(void)
{
    static const enum xlm_verdict want[] = {
        [XLM__FATE_NONE] = XLM_VERDICT_UNDECIDED,
        [XLM__FATE_NEVER] = XLM_VERDICT_RESUMED,
        [XLM__FATE_RUNS] = XLM_VERDICT_DESTROYED,
        [XLM__FATE_RAN] = XLM_VERDICT_ENDED,
        [XLM__FATE_BUSY] = XLM_VERDICT_UNDECIDED,
        [XLM__FATE_LEFT] = XLM_VERDICT_UNDECIDED,
        [XLM__FATE_UNCLEAR] = XLM_VERDICT_UNDECIDED,
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
                    XLM_VERDICT_UNDECIDED);
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
                             &h->sent);
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
    return xlm__recover_act(&h->err, &h->hv->base, &h->ts.base, &h->sent, v);
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
    CU_ASSERT_FALSE(h.ts.marked[XLM__MARK_SENT]);
    host_close(&h);
}

static void test_recover_act_destroys_the_copy(void)
{
    destroys(XLM_VERDICT_DESTROYED);
    destroys(XLM_VERDICT_ENDED);
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
    UNIT_TEST(test_recover_look_without_a_mark_is_unknown),
    UNIT_TEST(test_recover_look_with_another_sessions_mark_is_unknown),
    UNIT_TEST(test_recover_look_given_up_is_never),
    UNIT_TEST(test_recover_look_leftover_is_left),
    UNIT_TEST(test_recover_look_permitted_and_running_is_runs),
    UNIT_TEST(test_recover_look_permitted_and_starting_is_left),
    UNIT_TEST(test_recover_look_permitted_to_stay_paused_is_runs),
    UNIT_TEST(test_recover_look_permitted_and_gone_is_unclear),
    UNIT_TEST(test_recover_look_dying_is_left),
    UNIT_TEST(test_recover_look_ran),
    UNIT_TEST(test_recover_look_with_a_receiver_at_work_is_busy),
    UNIT_TEST(test_recover_look_running_needs_no_lock),
    UNIT_TEST(test_recover_look_running_is_seen_behind_the_lock),
    UNIT_TEST(test_recover_look_that_cannot_see_says_nothing),
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
    UNIT_TEST(test_recover_act_undecided_changes_nothing),
    UNIT_TEST(test_recover_act_that_failed_keeps_the_mark),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("recover", tests)
