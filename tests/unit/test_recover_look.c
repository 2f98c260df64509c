/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What became of a domain at the destination. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>

#include <xen/sched.h>

#include "recover_fixture.h"

static const unsigned char other[16] = { 0xee };

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
                                      which, false, &fate, h->told),
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

/* Only an act starts it. */
static void test_recover_look_permitted_and_not_started_is_left(void)
{
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

/* ---- and ends what a dead receiver left ---- */

static enum xlm__fate act(struct host *h)
{
    enum xlm__fate fate = XLM__FATE_NONE;

    CU_ASSERT_EQUAL(xlm__recover_look(&h->hv->base, &h->ts.base, h->ts.uuid,
                                      session, true, &fate, h->told),
                    0);
    CU_ASSERT_FALSE(h->ts.locked);
    return fate;
}

/* A domain that arrived, with so many pauses. */
static void held(struct host *h, uint32_t phase, unsigned nr_pauses,
                 const char *name)
{
    destination(h, phase, true, nr_pauses > 0, name);
    h->hv->nr_pauses = nr_pauses ? nr_pauses - 1 : 0;
}

static uint32_t phase_of(const struct host *h)
{
    return h->ts.mark[XLM__MARK_RECEIVED].phase;
}

static void test_recover_act_held_back_domain_is_started(void)
{
    struct host h;

    for (unsigned pauses = 1; pauses <= XLM__HELD_PAUSES; pauses++) {
        held(&h, XLM__RECEIVED_GO, pauses, "guest");
        CU_ASSERT_EQUAL(look(&h, session), XLM__FATE_LEFT);
        CU_ASSERT_TRUE(h.hv->info.paused);
        CU_ASSERT_EQUAL(act(&h), XLM__FATE_RUNS);
        CU_ASSERT_FALSE(h.hv->info.paused);
        CU_ASSERT_EQUAL(phase_of(&h), XLM__RECEIVED_RUNS);
        host_close(&h);
    }
}

static void test_recover_act_running_domain_is_left_alone(void)
{
    struct host h;

    held(&h, XLM__RECEIVED_GO, 0, "guest");
    CU_ASSERT_EQUAL(act(&h), XLM__FATE_RUNS);
    CU_ASSERT_TRUE(h.hv->exists);
    host_close(&h);
}

static void never_started(uint32_t phase, const char *name, uint32_t flags)
{
    struct host h;

    held(&h, phase, 2, name);
    h.ts.mark[XLM__MARK_RECEIVED].flags = flags;
    CU_ASSERT_EQUAL(look(&h, session), XLM__FATE_LEFT);
    CU_ASSERT_EQUAL(act(&h), XLM__FATE_NEVER);
    CU_ASSERT_FALSE(h.hv->exists);
    CU_ASSERT_EQUAL(phase_of(&h), XLM__RECEIVED_NEVER);
    host_close(&h);
}

/* Whether xl has renamed it or not. */
static void test_recover_act_never_started_domain_is_destroyed(void)
{
    never_started(XLM__RECEIVED_BUILDING, "guest--incoming", 0);
    never_started(XLM__RECEIVED_BUILDING, "guest", 0);
    never_started(XLM__RECEIVED_BUILDING, "", 0);
    never_started(XLM__RECEIVED_BUILDING, "guest", XLM__MARK_PAUSED);
    never_started(XLM__RECEIVED_NEVER, "guest--incoming", 0);
    never_started(XLM__RECEIVED_NEVER, "guest", 0);
}

/* Somebody took both of its pauses back. */
static void test_recover_act_what_runs_unasked_is_left(void)
{
    struct host h;

    held(&h, XLM__RECEIVED_BUILDING, 0, "guest--incoming");
    CU_ASSERT_EQUAL(act(&h), XLM__FATE_LEFT);
    CU_ASSERT_TRUE(h.hv->exists);
    CU_ASSERT_EQUAL(phase_of(&h), XLM__RECEIVED_BUILDING);
    host_close(&h);
}

/* Its destruction has begun. */
static void test_recover_act_what_has_no_name_is_not_started(void)
{
    struct host h;

    held(&h, XLM__RECEIVED_GO, 2, "");
    CU_ASSERT_EQUAL(act(&h), XLM__FATE_LEFT);
    CU_ASSERT_TRUE(h.hv->info.paused);
    CU_ASSERT_EQUAL(phase_of(&h), XLM__RECEIVED_GO);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.told, "without a name"));
    host_close(&h);
}

static void test_recover_act_domain_to_stay_paused_stays_so(void)
{
    struct host h;

    held(&h, XLM__RECEIVED_GO, 1, "guest");
    h.ts.mark[XLM__MARK_RECEIVED].flags = XLM__MARK_PAUSED;
    CU_ASSERT_EQUAL(act(&h), XLM__FATE_RUNS);
    CU_ASSERT_TRUE(h.hv->info.paused);
    host_close(&h);
}

static void test_recover_act_not_while_a_receiver_is_at_work(void)
{
    struct host h;

    held(&h, XLM__RECEIVED_GO, 2, "guest");
    h.ts.fail_op = "lock";
    h.ts.fail_code = XLM_ERR_BUSY;
    CU_ASSERT_EQUAL(act(&h), XLM__FATE_BUSY);
    CU_ASSERT_TRUE(h.hv->info.paused);
    host_close(&h);
}

/* The source's own copy, when a domain moves within one host. */
static void test_recover_act_spares_another_domain_of_that_uuid(void)
{
    struct host h;

    held(&h, XLM__RECEIVED_BUILDING, 2, "guest--incoming");
    h.ts.mark[XLM__MARK_RECEIVED].domid = 2;
    CU_ASSERT_EQUAL(act(&h), XLM__FATE_LEFT);
    CU_ASSERT_TRUE(h.hv->exists);
    host_close(&h);
}

static void test_recover_act_that_fails_says_nothing(void)
{
    static const char *const ops[] = { "destroy", "mark_received" };
    enum xlm__fate fate;
    struct host h;

    for (unsigned i = 0; i < 2; i++) {
        held(&h, XLM__RECEIVED_BUILDING, 2, "guest--incoming");
        h.ts.fail_op = ops[i];
        CU_ASSERT_NOT_EQUAL(xlm__recover_look(&h.hv->base, &h.ts.base,
                                              h.ts.uuid, session, true, &fate,
                                              h.told),
                            0);
        CU_ASSERT_FALSE(h.ts.locked);
        host_close(&h);
    }
}

/* Nobody destroys it between that and its start. */
static void test_recover_look_permitted_and_gone_ran(void)
{
    looks(XLM__RECEIVED_GO, false, false, "guest", XLM__FATE_RAN);
}

/* It was to run here, and this host went down: as if it had run. */
static void test_recover_look_permitted_before_this_boot_ran(void)
{
    struct host h;

    destination(&h, XLM__RECEIVED_GO, false, false, "guest");
    h.ts.mark[XLM__MARK_RECEIVED].boot[0] ^= 1;
    CU_ASSERT_EQUAL(look(&h, session), XLM__FATE_RAN);
    h.ts.mark[XLM__MARK_RECEIVED].phase = XLM__RECEIVED_BUILDING;
    CU_ASSERT_EQUAL(look(&h, session), XLM__FATE_NEVER);
    host_close(&h);
}

static enum xlm__fate departed(uint32_t phase, uint32_t turn)
{
    struct host h;
    enum xlm__fate fate;

    destination(&h, XLM__RECEIVED_RUNS, false, false, "guest");
    h.ts.mark[XLM__MARK_RECEIVED].turn = 4;
    mark(&h, XLM__MARK_SENT, phase);
    h.ts.mark[XLM__MARK_SENT].session[0] ^= 1;
    h.ts.mark[XLM__MARK_SENT].turn = turn;
    fate = look(&h, session);
    host_close(&h);
    return fate;
}

static void test_recover_look_went_on_from_here_is_moved(void)
{
    CU_ASSERT_EQUAL(departed(XLM__GUARD_MOVED, 5), XLM__FATE_MOVED);
    CU_ASSERT_EQUAL(departed(XLM__GUARD_PERMITTED, 5), XLM__FATE_MOVED);
    /* It ended while it was copied, or that was before it came. */
    CU_ASSERT_EQUAL(departed(XLM__GUARD_TRACKING, 5), XLM__FATE_RAN);
    CU_ASSERT_EQUAL(departed(XLM__GUARD_MOVED, 3), XLM__FATE_RAN);
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

/* Of both domains of that uuid, the one that arrived; the source's copy is not
 * it. */
static void test_recover_look_sees_the_one_that_arrived(void)
{
    struct host h;

    destination(&h, XLM__RECEIVED_BUILDING, true, true, "guest--incoming");
    h.hv->copy = 77;
    CU_ASSERT_EQUAL(look(&h, session), XLM__FATE_LEFT);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.told, "(domain 1, paused)"));
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
                               false, &fate, h.told);
        CU_ASSERT_EQUAL(rc, XLM_ERR_TOOLSTACK);
        xlm__errslot_read(&h.err, text);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "made to fail"));
        CU_ASSERT_FALSE(h.ts.locked);
        host_close(&h);
    }
    for (unsigned nth = 1; nth <= 2; nth++) {
        destination(&h, XLM__RECEIVED_BUILDING, false, false, "guest");
        h.hv->fail_call = nth;
        CU_ASSERT_NOT_EQUAL(xlm__recover_look(&h.hv->base, &h.ts.base,
                                              h.ts.uuid, session, false, &fate,
                                              h.told),
                            0);
        CU_ASSERT_FALSE(h.ts.locked);
        host_close(&h);
    }
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_recover_look_sees_the_one_that_arrived),
    UNIT_TEST(test_recover_look_without_a_mark_is_unknown),
    UNIT_TEST(test_recover_look_with_another_sessions_mark_is_unknown),
    UNIT_TEST(test_recover_look_given_up_is_never),
    UNIT_TEST(test_recover_look_leftover_is_left),
    UNIT_TEST(test_recover_look_permitted_and_running_is_runs),
    UNIT_TEST(test_recover_look_permitted_and_not_started_is_left),
    UNIT_TEST(test_recover_look_permitted_to_stay_paused_is_runs),
    UNIT_TEST(test_recover_act_held_back_domain_is_started),
    UNIT_TEST(test_recover_act_running_domain_is_left_alone),
    UNIT_TEST(test_recover_act_never_started_domain_is_destroyed),
    UNIT_TEST(test_recover_act_what_runs_unasked_is_left),
    UNIT_TEST(test_recover_act_what_has_no_name_is_not_started),
    UNIT_TEST(test_recover_act_domain_to_stay_paused_stays_so),
    UNIT_TEST(test_recover_act_not_while_a_receiver_is_at_work),
    UNIT_TEST(test_recover_act_spares_another_domain_of_that_uuid),
    UNIT_TEST(test_recover_act_that_fails_says_nothing),
    UNIT_TEST(test_recover_look_permitted_and_gone_ran),
    UNIT_TEST(test_recover_look_permitted_before_this_boot_ran),
    UNIT_TEST(test_recover_look_went_on_from_here_is_moved),
    UNIT_TEST(test_recover_look_dying_is_left),
    UNIT_TEST(test_recover_look_ran),
    UNIT_TEST(test_recover_look_with_a_receiver_at_work_is_busy),
    UNIT_TEST(test_recover_look_running_needs_no_lock),
    UNIT_TEST(test_recover_look_running_is_seen_behind_the_lock),
    UNIT_TEST(test_recover_look_that_cannot_see_says_nothing),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("recover_look", tests)
