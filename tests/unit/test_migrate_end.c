/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes wrong from the permission on: one situation each; see
 * tests/scenario/scenario.h. */
#include "config.h"

#include <string.h>

#include "../scenario/scenario_test.h"
#include "unit.h"

static void go_fails(struct run *r)
{
    r->dst.ts.go_fails_cleanly = true;
}

static void test_migrate_end_never_started_there_is_resumed_here(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, .prepare = go_fails);

    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "resume") == 1);
    SCENARIO_CHECK(r, r->dst.owner == XLM_OWNER_SOURCE);
    DONE();
}

static void work_again(void *user, const char *op)
{
    struct run *r = user;

    if (!strcmp(op, "resume"))
        r->src.ts.fail_op = NULL;
}

static void go_fails_and_so_does_resume(struct run *r)
{
    go_fails(r);
    r->src.ts.fail_op = "resume";
    r->src.ts.on_op = work_again;
    r->src.ts.on_op_user = r;
}

/* The permission was given, and taken back: the guardian knows. */
static void test_migrate_end_never_started_there_is_resumed_by_guardian(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, .prepare = go_fails_and_so_does_resume);

    SCENARIO_CHECK(r, r->note.phase == XLM__GUARD_RENAMED);
    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "resume") == 2);
    SCENARIO_CHECK(r,
                   !r->src.ts.suspended && !r->src.ts.marked[XLM__MARK_SENT]);
    DONE();
}

static void go_breaks(struct run *r)
{
    r->dst.ts.fail_op = "restore_go";
}

/* Whatever xl does then: the domain is held, so it never ran. */
static void test_migrate_end_failing_start_is_resumed_here(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, .prepare = go_breaks);

    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "resume") == 1);
    SCENARIO_CHECK(r, !r->dst.hv->exists);
    DONE();
}

static void first_unpause_fails(struct run *r)
{
    r->dst.hv->fail_unpause = 1;
}

/* Nobody else can have started it: that is written down, and it is ours. */
static void test_migrate_end_first_unpause_fails_is_resumed_here(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, .prepare = first_unpause_fails);

    SCENARIO_CHECK(r, !r->dst.hv->exists);
    DONE();
}

static void second_unpause_fails(struct run *r)
{
    r->dst.hv->fail_unpause = 2;
}

/* One pause is left, which anybody may have taken back: nothing is proven, and
 * recovery starts it. */
static void test_migrate_end_second_unpause_fails_is_undecided(void)
{
    LOOK(.rc = XLM_ERR_CLEANUP, .owner = XLM_OWNER_DESTINATION,
         .prepare = second_unpause_fails);

    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "resume") == 0);
    SCENARIO_CHECK(r, r->dst.hv->exists && r->dst.hv->info.paused);
    SCENARIO_CHECK(r, scenario_is_undecided(r));
    SCENARIO_CHECK(r, scenario_recover(r) == XLM_VERDICT_DESTROYED);
    SCENARIO_CHECK(r, destination_runs(r) && !r->src.hv->exists);
    DONE();
}

static void destroy_fails(struct run *r)
{
    r->src.ts.fail_op = "destroy";
}

static void test_migrate_end_stale_copy_left_is_told(void)
{
    LOOK(.rc = XLM_ERR_CLEANUP, .owner = XLM_OWNER_DESTINATION,
         .prepare = destroy_fails);

    SCENARIO_CHECK(r, destination_runs(r));
    DONE();
}

static void limit_stays(struct run *r)
{
    r->src.hv->fail_limit = 2;
}

/* It could not be given its memory limit back, which is nobody's by then. */
static void test_migrate_end_no_mark_of_a_setting_is_left(void)
{
    LOOK(MOVED, .prepare = limit_stays, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, strstr(r->log, "still gets no memory"));
    SCENARIO_CHECK(r, !r->src.ts.marked[XLM__MARK_LIMITED]);
    DONE();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_migrate_end_never_started_there_is_resumed_here),
    UNIT_TEST(test_migrate_end_never_started_there_is_resumed_by_guardian),
    UNIT_TEST(test_migrate_end_failing_start_is_resumed_here),
    UNIT_TEST(test_migrate_end_first_unpause_fails_is_resumed_here),
    UNIT_TEST(test_migrate_end_second_unpause_fails_is_undecided),
    UNIT_TEST(test_migrate_end_stale_copy_left_is_told),
    UNIT_TEST(test_migrate_end_no_mark_of_a_setting_is_left),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("migrate_end", tests)
