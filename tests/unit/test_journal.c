/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>

#include "engine/journal.h"
#include "recover_fixture.h"

/* ---- what follows from one entry ---- */

static struct xlm__outlook judge(enum xlm__mark_kind kind, uint32_t phase,
                                 bool this_boot)
{
    const struct xlm__entry e = { .kind = kind,
                                  .m.phase = phase,
                                  .this_boot = this_boot };
    struct xlm__outlook o;

    xlm__journal_judge(&e, &o);
    return o;
}

static void test_journal_sent_keeps_what_is_not_ours_alone(void)
{
    for (uint32_t p = XLM__GUARD_TRACKING; p <= XLM__GUARD_MOVED; p++) {
        const struct xlm__outlook now = judge(XLM__MARK_SENT, p, true);
        const struct xlm__outlook then = judge(XLM__MARK_SENT, p, false);

        CU_ASSERT_EQUAL(now.owner, xlm__phase_owner(XLM__MARK_SENT, p));
        CU_ASSERT_EQUAL(now.keeps, p >= XLM__GUARD_SUSPENDING);
        CU_ASSERT_EQUAL(then.keeps, p >= XLM__GUARD_PERMITTED);
        CU_ASSERT_EQUAL(now.todo == XLM_JOURNAL_RECOVER, p < XLM__GUARD_MOVED);
        CU_ASSERT_EQUAL(then.todo == XLM_JOURNAL_RECOVER,
                        p >= XLM__GUARD_PERMITTED && p < XLM__GUARD_MOVED);
        CU_ASSERT_EQUAL(then.may_go, p < XLM__GUARD_PERMITTED);
        CU_ASSERT_FALSE(now.may_go);
        CU_ASSERT_EQUAL(now.when_old, p == XLM__GUARD_MOVED);
    }
}

static void test_journal_received_is_looked_at_while_something_may_be_left(void)
{
    for (uint32_t p = XLM__RECEIVED_BUILDING; p <= XLM__RECEIVED_NEVER; p++) {
        const struct xlm__outlook now = judge(XLM__MARK_RECEIVED, p, true);
        const struct xlm__outlook then = judge(XLM__MARK_RECEIVED, p, false);

        CU_ASSERT_EQUAL(now.todo == XLM_JOURNAL_LOOK, p <= XLM__RECEIVED_GO);
        CU_ASSERT_EQUAL(then.todo, XLM_JOURNAL_NOTHING);
        CU_ASSERT_FALSE(now.keeps || then.keeps || now.may_go || then.may_go);
        CU_ASSERT_EQUAL(now.when_old, p > XLM__RECEIVED_GO);
        CU_ASSERT_TRUE(then.when_old);
    }
}

static void test_journal_busy_is_waited_for(void)
{
    struct xlm__entry e = { .kind = XLM__MARK_SENT, .busy = true };
    struct xlm__outlook o;

    for (e.m.phase = 1; e.m.phase <= XLM__GUARD_MOVED; e.m.phase++) {
        xlm__journal_judge(&e, &o);
        CU_ASSERT_EQUAL(o.todo, XLM_JOURNAL_WAIT);
        CU_ASSERT_FALSE(o.may_go || o.when_old);
        CU_ASSERT_EQUAL(o.keeps, e.m.phase >= XLM__GUARD_PERMITTED);
    }
}

/* Nobody knows what it said: not ours to start, not ours to remove. */
static void test_journal_damaged_keeps_and_stays(void)
{
    struct xlm__entry e = { .kind = XLM__MARK_SENT, .damaged = true };
    struct xlm__outlook o;

    xlm__journal_judge(&e, &o);
    CU_ASSERT_EQUAL(o.todo, XLM_JOURNAL_REPAIR);
    CU_ASSERT_EQUAL(o.owner, XLM_OWNER_UNKNOWN);
    CU_ASSERT_TRUE(o.keeps && !o.may_go && !o.when_old);
}

/* ---- two of one domain ---- */

static bool keeps_after(uint32_t received, uint32_t sent_turn,
                        uint32_t received_turn)
{
    struct xlm__entry *list;
    struct xlm__outlook o = { .keeps = false };
    struct host h;
    size_t nr;

    open_any(&h);
    mark(&h, XLM__MARK_SENT, XLM__GUARD_MOVED);
    h.ts.mark[XLM__MARK_SENT].turn = sent_turn;
    mark(&h, XLM__MARK_RECEIVED, received);
    h.ts.mark[XLM__MARK_RECEIVED].turn = received_turn;
    CU_ASSERT_EQUAL(xlm__journal_load(&h.err, &h.ts.base, &list, &nr), 0);
    CU_ASSERT_EQUAL(nr, 2);
    CU_ASSERT_EQUAL(list[0].kind, XLM__MARK_SENT);
    xlm__journal_judge(&list[0], &o);
    free(list);
    host_close(&h);
    return o.keeps;
}

static void test_journal_moved_and_came_back_is_ours(void)
{
    CU_ASSERT_FALSE(keeps_after(XLM__RECEIVED_GO, 1, 2));
    CU_ASSERT_FALSE(keeps_after(XLM__RECEIVED_RUNS, 1, 2));
    /* It was on its way, but did not arrive. */
    CU_ASSERT_TRUE(keeps_after(XLM__RECEIVED_BUILDING, 1, 2));
    CU_ASSERT_TRUE(keeps_after(XLM__RECEIVED_NEVER, 1, 2));
    /* It came, and left. */
    CU_ASSERT_TRUE(keeps_after(XLM__RECEIVED_RUNS, 2, 1));
}

/* ---- pruning ---- */

#define NOW UINT64_C(1800000000)

struct pruning {
    enum xlm__mark_kind kind;
    uint32_t phase;
    bool earlier_boot, runs_here, held;
    uint64_t age_s;
};

static bool is_pruned(const struct pruning *p)
{
    struct host h;
    bool gone;

    open_any(&h);
    mark(&h, p->kind, p->phase);
    h.ts.mark[p->kind].boot[0] ^= p->earlier_boot;
    h.ts.mark[p->kind].since_s = NOW - p->age_s;
    h.hv->exists = p->runs_here;
    h.ts.held_by_others = p->held;
    CU_ASSERT_EQUAL(xlm__journal_tidy(&h.err, &h.hv->base, &h.ts.base, NOW), 0);
    gone = !h.ts.marked[p->kind];
    CU_ASSERT_FALSE(h.ts.locked);
    host_close(&h);
    return gone;
}

static void test_journal_tidy_removes_what_ended_with_the_host(void)
{
    struct pruning p = { .kind = XLM__MARK_SENT, .earlier_boot = true };

    for (p.phase = 1; p.phase <= XLM__GUARD_MOVED; p.phase++)
        CU_ASSERT_EQUAL(is_pruned(&p), p.phase <= XLM__GUARD_RENAMED);
    p.earlier_boot = false;
    for (p.phase = 1; p.phase <= XLM__GUARD_MOVED; p.phase++)
        CU_ASSERT_FALSE(is_pruned(&p));
}

static void test_journal_tidy_never_removes_the_undecided_or_moved_by_age(void)
{
    struct pruning p = { .kind = XLM__MARK_SENT,
                         .age_s = 10 * XLM__JOURNAL_OLD_S,
                         .earlier_boot = true };

    for (p.phase = XLM__GUARD_PERMITTED; p.phase <= XLM__GUARD_MOVED; p.phase++)
        CU_ASSERT_FALSE(is_pruned(&p));
}

static void test_journal_tidy_removes_old_arrivals(void)
{
    struct pruning p = { .kind = XLM__MARK_RECEIVED,
                         .phase = XLM__RECEIVED_RUNS,
                         .age_s = XLM__JOURNAL_OLD_S };

    CU_ASSERT_FALSE(is_pruned(&p));
    p.age_s++;
    CU_ASSERT_TRUE(is_pruned(&p));
    p.held = true;
    CU_ASSERT_FALSE(is_pruned(&p));
    p.held = false;
    p.phase = XLM__RECEIVED_GO;
    CU_ASSERT_FALSE(is_pruned(&p));
    p.earlier_boot = true;
    CU_ASSERT_TRUE(is_pruned(&p));
}

/* A clock that was set back makes nothing old. */
static void test_journal_tidy_from_the_future_stays(void)
{
    const struct pruning p = { .kind = XLM__MARK_RECEIVED,
                               .phase = XLM__RECEIVED_RUNS,
                               .age_s = (uint64_t)-1000 };

    CU_ASSERT_FALSE(is_pruned(&p));
}

static void test_journal_tidy_moved_but_brought_back_by_others(void)
{
    struct pruning p = { .kind = XLM__MARK_SENT,
                         .phase = XLM__GUARD_MOVED,
                         .runs_here = true };

    CU_ASSERT_TRUE(is_pruned(&p));
    p.held = true;
    CU_ASSERT_FALSE(is_pruned(&p));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_journal_sent_keeps_what_is_not_ours_alone),
    UNIT_TEST(test_journal_received_is_looked_at_while_something_may_be_left),
    UNIT_TEST(test_journal_busy_is_waited_for),
    UNIT_TEST(test_journal_damaged_keeps_and_stays),
    UNIT_TEST(test_journal_moved_and_came_back_is_ours),
    UNIT_TEST(test_journal_tidy_removes_what_ended_with_the_host),
    UNIT_TEST(test_journal_tidy_never_removes_the_undecided_or_moved_by_age),
    UNIT_TEST(test_journal_tidy_removes_old_arrivals),
    UNIT_TEST(test_journal_tidy_from_the_future_stays),
    UNIT_TEST(test_journal_tidy_moved_but_brought_back_by_others),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("journal", tests)
