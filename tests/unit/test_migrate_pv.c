/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PV domains that are completed before they are suspended, or are not. */
#include "config.h"

#include <stdint.h>

#include <xen/xen.h>

#include "../scenario/scenario_test.h"
#include "unit.h"

static void test_migrate_pv_is_built_before_it_is_suspended(void)
{
    LOOK(MOVED, .type = XLM__TYPE_PV, .writer = WRITER_SLOW);

    is_prebuilt(r, true);
    SCENARIO_CHECK(r, r->nr_findings == 0);
    SCENARIO_CHECK(r, r->dst.hv->nr_mapped == 0);
    DONE();
}

static void test_migrate_pv_no_prebuild_is_built_in_the_pause(void)
{
    LOOK(MOVED, .type = XLM__TYPE_PV, .writer = WRITER_SLOW,
         .opt = { .flags = XLM_F_NO_PREBUILD });

    is_prebuilt(r, false);
    DONE();
}

static void hide_rings(struct run *r)
{
    r->src.ts.no_rings = true;
}

static void test_migrate_pv_of_unknown_rings_is_built_in_the_pause(void)
{
    LOOK(MOVED, .type = XLM__TYPE_PV, .prepare = hide_rings);

    is_prebuilt(r, false);
    DONE();
}

/* Its p2m's first page is elsewhere when it suspends. */
static void move_leaf(struct run *r)
{
    fake_pv_move_leaf(r->src.hv, 0, 120);
}

static void test_migrate_pv_whose_p2m_moves(void)
{
    LOOK(MOVED, .type = XLM__TYPE_PV, .refuse_logdirty = true,
         .event = move_leaf, .event_to = TO_DESTINATION,
         .event_type = XLM__REC_ROUND_BEGIN);

    is_prebuilt(r, true);
    SCENARIO_CHECK(r, fake_pv_shared(r->src.hv)->p2m_generation == 4);
    DONE();
}

/* libxl's helper would take another list, its stream's grammar does not. */
static void test_migrate_pv_whose_p2m_moves_is_not_built_in_the_pause(void)
{
    LOOK(.rc = XLM_ERR_CHANGED, STAYED, .type = XLM__TYPE_PV,
         .refuse_logdirty = true, .opt = { .flags = XLM_F_NO_PREBUILD },
         .event = move_leaf, .event_to = TO_DESTINATION,
         .event_type = XLM__REC_ROUND_BEGIN);

    SCENARIO_CHECK(r, strstr(r->src.message, "moved its p2m while it was"));
    DONE();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_migrate_pv_is_built_before_it_is_suspended),
    UNIT_TEST(test_migrate_pv_no_prebuild_is_built_in_the_pause),
    UNIT_TEST(test_migrate_pv_of_unknown_rings_is_built_in_the_pause),
    UNIT_TEST(test_migrate_pv_whose_p2m_moves),
    UNIT_TEST(test_migrate_pv_whose_p2m_moves_is_not_built_in_the_pause),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("migrate_pv", tests)
