/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is paused when it is suspended arrives paused, and nobody else. */
#include "config.h"

#include "../scenario/scenario_test.h"
#include "unit.h"

static void test_paused_paused_guest_arrives_paused(void)
{
    LOOK(MOVED, .paused = true);

    SCENARIO_CHECK(r, r->dst.hv->info.paused);
    DONE();
}

static void unpause_at_source(struct run *r)
{
    operator_pauses(r, false);
}

/* There is nothing to unpause any more; BUILD said something else. */
static void test_paused_guest_that_is_unpaused_meanwhile_runs(void)
{
    LOOK(MOVED, .paused = true, .opt = { .flags = XLM_F_UNPAUSE_TO_SUSPEND },
         .event = unpause_at_source, .event_state = XLM_STATE_PRECOPY);

    SCENARIO_CHECK(r, r->dst.hv->exists && !r->dst.hv->info.paused);
    SCENARIO_CHECK(r, r->src.stats.blackout_us);
    DONE();
}

static void pause_at_source(struct run *r)
{
    operator_pauses(r, true);
}

static void test_paused_guest_that_is_paused_meanwhile_arrives_paused(void)
{
    LOOK(MOVED, .opt = { .flags = XLM_F_UNPAUSE_TO_SUSPEND },
         .event = pause_at_source, .event_state = XLM_STATE_PRECOPY);

    SCENARIO_CHECK(r, r->dst.hv->info.paused);
    SCENARIO_CHECK(r,
                   r->dst.ts.mark[XLM__MARK_RECEIVED].flags & XLM__MARK_PAUSED);
    DONE();
}

static void cannot_be_told(struct run *r)
{
    r->dst.session->greeting.offered &= ~XLM__FEATURE_PAUSED;
}

/* An older xlm there: not suspended, as it would not arrive as it is. */
static void test_paused_older_peer_cannot_be_told_of_an_unpause(void)
{
    LOOK(.rc = XLM_ERR_CHANGED, STAYED, .paused = true,
         .opt = { .flags = XLM_F_UNPAUSE_TO_SUSPEND },
         .prepare = cannot_be_told, .event = unpause_at_source,
         .event_state = XLM_STATE_PRECOPY);

    SCENARIO_CHECK(r, strstr(r->src.message, "guest was unpaused during its "
                                             "migration"));
    SCENARIO_CHECK(r, !r->was_suspended);
    DONE();
}

static void test_paused_older_peer_takes_what_stays_paused(void)
{
    LOOK(MOVED, .paused = true, .opt = { .flags = XLM_F_UNPAUSE_TO_SUSPEND },
         .prepare = cannot_be_told);

    SCENARIO_CHECK(r, r->dst.hv->info.paused);
    DONE();
}

static void test_paused_leave_paused_stays_paused(void)
{
    LOOK(MOVED, .opt = { .flags = XLM_F_LEAVE_PAUSED });

    SCENARIO_CHECK(r, r->dst.hv->info.paused);
    SCENARIO_CHECK(r, r->src.stats.blackout_us == 0);
    DONE();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_paused_paused_guest_arrives_paused),
    UNIT_TEST(test_paused_guest_that_is_unpaused_meanwhile_runs),
    UNIT_TEST(test_paused_guest_that_is_paused_meanwhile_arrives_paused),
    UNIT_TEST(test_paused_older_peer_cannot_be_told_of_an_unpause),
    UNIT_TEST(test_paused_older_peer_takes_what_stays_paused),
    UNIT_TEST(test_paused_leave_paused_stays_paused),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("migrate_paused", tests)
