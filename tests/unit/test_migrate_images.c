/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves that fail when the other device model has the locks of the disks'
 * images, without which the source's does not go on. */
#include "config.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "../scenario/scenario_test.h"
#include "unit.h"
#include "util/clock.h"

static uint64_t changed_ns;
static atomic_bool is_changed, is_loaded;

/* The other device model has its state before the source looks at what was
 * changed. */
static void note_load(void *user, const char *op)
{
    (void)user;
    if (!strcmp(op, "dm_load"))
        atomic_store(&is_loaded, true);
}

static void await_load(void *user, const char *op)
{
    const uint64_t limit = xlm__deadline_ns(10000);

    (void)user;
    if (strcmp(op, "config_get") || !atomic_load(&is_changed))
        return;
    while (!atomic_load(&is_loaded) && xlm__deadline_left_ms(limit))
        (void)poll(NULL, 0, 5);
}

static void look_late(struct run *r)
{
    atomic_store(&is_changed, false);
    atomic_store(&is_loaded, false);
    r->dst.ts.on_op = note_load;
    r->src.ts.on_op = await_load;
}

static void change_and_undo_slowly(struct run *r, unsigned ms)
{
    atomic_store(&is_changed, true);
    changed_ns = xlm__clock_ns();
    r->src.ts.stamp++;
    r->src.ts.changed = "disk xvdb was attached";
    r->dst.ts.slow_op = "restore_abort";
    r->dst.ts.slow_ms = ms;
}

static void change_and_undo_soon(struct run *r)
{
    change_and_undo_slowly(r, 400);
}

static void change_and_undo_late(struct run *r)
{
    change_and_undo_slowly(r, 3000);
}

static uint64_t resumed_after_ms(const struct run *r)
{
    return (r->src.ts.resumed_ns - changed_ns) / XLM__NS_PER_MS;
}

static void test_images_hvm_is_resumed_when_its_images_are_free(void)
{
    LOOK(.rc = XLM_ERR_CHANGED, STAYED, .type = XLM__TYPE_HVM,
         .prepare = look_late, .event = change_and_undo_soon,
         .event_state = XLM_STATE_SWITCHOVER);

    SCENARIO_CHECK(r, fake_toolstack_count(&r->dst.ts, "dm_load") == 1);
    SCENARIO_CHECK(r, !r->src.ts.waited_for_images);
    DONE();
}

static void undo_after_dm_load(struct run *r)
{
    r->dst.ts.fail_op = "xenstore_restore";
    r->dst.ts.slow_op = "restore_abort";
    r->dst.ts.slow_ms = 400;
}

static void test_images_hvm_that_failed_there_waits_for_its_images(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, .type = XLM__TYPE_HVM,
         .prepare = undo_after_dm_load);

    SCENARIO_CHECK(r, fake_toolstack_count(&r->dst.ts, "dm_load") == 1);
    SCENARIO_CHECK(r, !r->src.ts.waited_for_images);
    DONE();
}

/* As with a link that is dead: the guest is not to stand still for it. */
static void test_images_hvm_does_not_wait_long_for_its_images(void)
{
    LOOK(.rc = XLM_ERR_CHANGED, STAYED, .type = XLM__TYPE_HVM,
         .prepare = look_late, .event = change_and_undo_late,
         .event_state = XLM_STATE_SWITCHOVER);

    SCENARIO_CHECK(r, r->src.ts.waited_for_images);
    SCENARIO_CHECK(r, resumed_after_ms(r) < 3000);
    SCENARIO_CHECK(r, strstr(r->log, "did not confirm in time"));
    DONE();
}

static void test_images_pvh_has_no_images_to_wait_for(void)
{
    LOOK(.rc = XLM_ERR_CHANGED, STAYED, .event = change_and_undo_late,
         .event_state = XLM_STATE_SWITCHOVER);

    SCENARIO_CHECK(r, resumed_after_ms(r) < 1500);
    DONE();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_images_hvm_is_resumed_when_its_images_are_free),
    UNIT_TEST(test_images_hvm_that_failed_there_waits_for_its_images),
    UNIT_TEST(test_images_hvm_does_not_wait_long_for_its_images),
    UNIT_TEST(test_images_pvh_has_no_images_to_wait_for),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("migrate_images", tests)
