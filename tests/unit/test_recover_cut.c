/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A migration whose wire is cut after every record, and recovered then: with
 * both hosts up it always ends decided, and the guest is at one of them. */
#include "config.h"

#include <stdlib.h>

#include "../scenario/scenario.h"
#include "unit.h"

static unsigned nr_undecided, nr_resumed, nr_destroyed;

static bool source_runs(const struct run *r)
{
    return r->src.hv->exists && !r->src.hv->info.shutdown;
}

static void recover(struct run *r)
{
    enum xlm_verdict verdict = scenario_recover(r);

    nr_resumed += verdict == XLM_VERDICT_RESUMED;
    nr_destroyed += verdict == XLM_VERDICT_DESTROYED;
}

static void check(struct run *r)
{
    const bool there = destination_runs(r);

    SCENARIO_CHECK(r, source_runs(r) != there);
    SCENARIO_CHECK(r, r->src.hv->exists != there);
    SCENARIO_CHECK(r, atomic_load(&r->two_runners) == 0);
    SCENARIO_CHECK(r, r->src.ts.wrong == 0);
    SCENARIO_CHECK(r, r->src.ts.marked[XLM__MARK_SENT] == there);
    SCENARIO_CHECK(r, !there || r->src.ts.mark[XLM__MARK_SENT].phase ==
                                    XLM__GUARD_MOVED);
    if (source_runs(r))
        SCENARIO_CHECK(r, !strcmp(r->src.ts.name, "guest"));
}

static unsigned run_once(const struct scenario *sc, const char *label,
                         enum direction to)
{
    struct run *r = calloc(1, sizeof(*r));
    unsigned units;

    if (!r)
        abort();
    scenario_run(sc, label, r);
    units = r->units[to];
    if (r->src.hv->exists && !source_runs(r)) {
        nr_undecided++;
        recover(r);
    }
    check(r);
    if (sc->rc != SCENARIO_ANY) /* they parted in peace */
        SCENARIO_CHECK(r, !r->dst.ts.marked[XLM__MARK_RECEIVED]);
    scenario_free(r);
    free(r);
    return units;
}

static void cut_everywhere(struct scenario sc, enum direction to)
{
    unsigned units = run_once(&sc, "no cut", to);
    char label[64];

    nr_undecided = nr_resumed = nr_destroyed = 0;
    sc.rc = SCENARIO_ANY;
    sc.cut = to;
    for (sc.cut_units = 0; sc.cut_units < units; sc.cut_units++) {
        snprintf(label, sizeof(label), "cut %u, %u", (unsigned)to,
                 sc.cut_units);
        (void)run_once(&sc, label, to);
    }
    printf("%u cuts, %u undecided: %u resumed, %u destroyed; ", units,
           nr_undecided, nr_resumed, nr_destroyed);
}

/* The destination still says what it does; only its last words come too late.
 */
static void test_recover_cut_after_each_record_to_the_destination(void)
{
    const struct scenario hvm = { .owner = XLM_OWNER_DESTINATION,
                                  .type = XLM__TYPE_HVM };
    unsigned seen = 0;

    /* The cut after PERMIT races with what comes back. */
    for (int i = 0; i < 5 && !seen; i++) {
        cut_everywhere(hvm, TO_DESTINATION);
        seen = nr_undecided;
    }
    CU_ASSERT_TRUE(seen > 0);
}

/* It runs there, and the source never learns of it. */
static void test_recover_cut_after_each_record_to_the_source(void)
{
    const struct scenario pvh = { .owner = XLM_OWNER_DESTINATION };

    cut_everywhere(pvh, TO_SOURCE);
    CU_ASSERT_TRUE(nr_destroyed > 0);
}

static void test_recover_cut_with_a_domain_that_stays_paused(void)
{
    const struct scenario paused = { .owner = XLM_OWNER_DESTINATION,
                                     .opt = { .flags = XLM_F_LEAVE_PAUSED } };

    cut_everywhere(paused, TO_SOURCE);
    CU_ASSERT_TRUE(nr_destroyed > 0);
}

static void never_starts(struct run *r)
{
    r->dst.ts.go_fails_cleanly = true;
}

/* Taken over, but not started: proven there, and ours again. */
static void test_recover_cut_when_it_cannot_start_there(void)
{
    struct scenario sc = { .owner = XLM_OWNER_SOURCE,
                           .rc = XLM_ERR_PEER,
                           .prepare = never_starts };

    cut_everywhere(sc, TO_SOURCE);
    CU_ASSERT_TRUE(nr_resumed > 0);
    CU_ASSERT_EQUAL(nr_destroyed, 0);
}

static void disk_is_full_there(struct run *r)
{
    pthread_mutex_lock(&r->dst.ts.lock);
    r->dst.ts.fail_op = "mark_received";
    pthread_mutex_unlock(&r->dst.ts.lock);
}

/* The permission came, but it could not be written down: not taken over. */
static void test_recover_cut_when_the_permission_cannot_be_noted(void)
{
    struct scenario sc = { .owner = XLM_OWNER_SOURCE,
                           .rc = XLM_ERR_PEER,
                           .event = disk_is_full_there,
                           .event_state = XLM_STATE_SWITCHOVER };

    cut_everywhere(sc, TO_SOURCE);
    CU_ASSERT_TRUE(nr_resumed > 0);
    CU_ASSERT_EQUAL(nr_destroyed, 0);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_recover_cut_after_each_record_to_the_destination),
    UNIT_TEST(test_recover_cut_after_each_record_to_the_source),
    UNIT_TEST(test_recover_cut_with_a_domain_that_stays_paused),
    UNIT_TEST(test_recover_cut_when_it_cannot_start_there),
    UNIT_TEST(test_recover_cut_when_the_permission_cannot_be_noted),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("recover_cut", tests)
