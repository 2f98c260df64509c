/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may undo: the guardian comes late, and others may have been there. */
#include "config.h"

#include "engine/guard.h"
#include "fake_toolstack.h"
#include "unit.h"

static const struct xlm__guard_note note = { .domid = 1,
                                             .name = "guest",
                                             .uuid = { 0x5a } };

struct entry {
    struct xlm__errslot err;
    struct fake_toolstack ts;
    bool ours;
    char message[XLM_MESSAGE_MAX];
};

/* The mark is of that session and phase; phase NONE: there is none. */
static int enter(struct entry *e, uint32_t noted, uint8_t session,
                 uint32_t marked)
{
    struct xlm__guard_note n = note;

    n.phase = noted;
    n.session[0] = 1;
    xlm__errslot_init(&e->err, NULL, NULL, XLM_LOG_DEBUG);
    fake_toolstack_init(&e->ts, &e->err, XLM__TYPE_PVH);
    e->ts.marked[XLM__MARK_SENT] = marked != XLM__GUARD_NONE;
    e->ts.mark[XLM__MARK_SENT] = (struct xlm__mark){ .uuid = { 0x5a },
                                                     .session = { session },
                                                     .phase = marked };
    e->message[0] = '\0';
    return xlm__guard_enter(&e->ts.base, &n, &e->ours, e->message);
}

static void leave(struct entry *e)
{
    fake_toolstack_free(&e->ts);
    xlm__errslot_destroy(&e->err);
}

static void test_guard_enters_with_the_lock_and_its_own_mark(void)
{
    struct entry e;

    CU_ASSERT_EQUAL(enter(&e, XLM__GUARD_RENAMED, 1, XLM__GUARD_PERMITTED), 0);
    CU_ASSERT_TRUE(e.ours && e.ts.locked);
    CU_ASSERT_STRING_EQUAL(e.message, "");
    leave(&e);
}

static void test_guard_enters_without_a_mark_before_the_suspend(void)
{
    struct entry e;

    CU_ASSERT_EQUAL(enter(&e, XLM__GUARD_TRACKING, 0, XLM__GUARD_NONE), 0);
    CU_ASSERT_TRUE(e.ours && e.ts.locked);
    leave(&e);
}

static void test_guard_leaves_alone_what_was_recovered(void)
{
    struct entry e;

    CU_ASSERT_EQUAL(enter(&e, XLM__GUARD_RENAMED, 0, XLM__GUARD_NONE), 0);
    CU_ASSERT_FALSE(e.ours);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "settled it already"));
    leave(&e);
}

static void test_guard_leaves_alone_a_later_move(void)
{
    struct entry e;

    CU_ASSERT_EQUAL(enter(&e, XLM__GUARD_RENAMED, 2, XLM__GUARD_PERMITTED), 0);
    CU_ASSERT_FALSE(e.ours);
    leave(&e);
}

static void test_guard_leaves_alone_what_others_work_on(void)
{
    struct xlm__guard_note n = note;
    struct entry e;

    xlm__errslot_init(&e.err, NULL, NULL, XLM_LOG_DEBUG);
    fake_toolstack_init(&e.ts, &e.err, XLM__TYPE_PVH);
    e.ts.fail_op = "lock";
    e.ts.fail_code = XLM_ERR_BUSY;
    n.phase = XLM__GUARD_TRACKING;
    CU_ASSERT_EQUAL(xlm__guard_enter(&e.ts.base, &n, &e.ours, e.message), 0);
    CU_ASSERT_FALSE(e.ours);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "another process"));
    CU_ASSERT_EQUAL(xlm__errslot_code(&e.err), 0);
    CU_ASSERT(fake_toolstack_count(&e.ts, "lock") > 1);
    leave(&e);
}

static void test_guard_lock_that_cannot_be_made_is_an_error(void)
{
    struct xlm__guard_note n = note;
    struct entry e;

    xlm__errslot_init(&e.err, NULL, NULL, XLM_LOG_DEBUG);
    fake_toolstack_init(&e.ts, &e.err, XLM__TYPE_PVH);
    e.ts.fail_op = "lock";
    e.ts.fail_code = XLM_ERR_SYSTEM;
    n.phase = XLM__GUARD_RENAMED;
    CU_ASSERT_EQUAL(xlm__guard_enter(&e.ts.base, &n, &e.ours, e.message),
                    XLM_ERR_SYSTEM);
    CU_ASSERT_FALSE(e.ours);
    CU_ASSERT_EQUAL(xlm__errslot_code(&e.err), XLM_ERR_SYSTEM);
    leave(&e);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_guard_enters_with_the_lock_and_its_own_mark),
    UNIT_TEST(test_guard_enters_without_a_mark_before_the_suspend),
    UNIT_TEST(test_guard_leaves_alone_what_was_recovered),
    UNIT_TEST(test_guard_leaves_alone_a_later_move),
    UNIT_TEST(test_guard_leaves_alone_what_others_work_on),
    UNIT_TEST(test_guard_lock_that_cannot_be_made_is_an_error),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("guard_enter", tests)
