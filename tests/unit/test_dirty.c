/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>

#include "error_says.h"
#include "fake_hv.h"
#include "fault_alloc.h"
#include "mem/dirty.h"
#include "unit.h"
#include "util/bitmap.h"

#define NR_PFNS 300u
#define NR_RAM  200u

static struct xlm__errslot err;
static struct fake_hv *f;
static struct xlm__dom *dom;
static struct xlm__dirty *d;
static uint64_t *ram, *bitmap, nr;

static int open_way(enum xlm__dirty_way want)
{
    const struct xlm__dirty_params p = { .want = want, .ram = ram };

    return xlm__dirty_open(dom, &p, &d);
}

static void make(void)
{
    const struct fake_hv_config c = { .nr_pfns = NR_PFNS };

    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    f = fake_hv_new(&err, &c);
    fake_add(f, 0, NR_RAM);
    CU_ASSERT_EQUAL_FATAL(xlm__dom_open(&f->base, &f->info, &dom), 0);
    ram = xlm__bitmap_alloc(NR_PFNS);
    bitmap = xlm__bitmap_alloc(NR_PFNS);
    xlm__bitmap_set_range(ram, 0, NR_RAM);
    d = NULL;
}

static void open_ok(void)
{
    make();
    CU_ASSERT_EQUAL_FATAL(open_way(XLM__DIRTY_LOG), 0);
}

static void unmake(void)
{
    if (d)
        d->ops->close(d);
    dom->ops->close(dom);
    free(ram);
    free(bitmap);
    fake_hv_free(f);
    xlm__errslot_destroy(&err);
}

static void test_dirty_written_pages_are_told_once(void)
{
    open_ok();
    CU_ASSERT_EQUAL(d->way, XLM__DIRTY_LOG);
    fake_write(f, 3, 0, "x", 1);
    fake_write(f, 3, 1, "x", 1);
    fake_write(f, 199, 0, "x", 1);
    CU_ASSERT_EQUAL(d->ops->fetch(d, false, bitmap, &nr), 0);
    CU_ASSERT_EQUAL(nr, 2);
    CU_ASSERT_TRUE(xlm__bitmap_test(bitmap, 3));
    CU_ASSERT_TRUE(xlm__bitmap_test(bitmap, 199));
    CU_ASSERT_EQUAL(d->ops->fetch(d, true, bitmap, &nr), 0);
    CU_ASSERT_EQUAL(nr, 0);
    unmake();
}

static void test_dirty_close_switches_log_off(void)
{
    open_ok();
    CU_ASSERT_TRUE(f->logging);
    d->ops->close(d);
    d = NULL;
    CU_ASSERT_FALSE(f->logging);
    unmake();
}

static unsigned warnings;

static void count(void *user, enum xlm_log_level level, const char *module,
                  const char *message)
{
    (void)user;
    (void)module;
    (void)message;
    warnings += level == XLM_LOG_WARN;
}

static void close_counted(void)
{
    warnings = 0;
    err.log = count;
    d->ops->close(d);
    d = NULL;
    err.log = NULL;
}

static void test_dirty_close_that_fails_to_switch_it_off_says_so(void)
{
    open_ok();
    f->fail_call = 1;
    close_counted();
    CU_ASSERT_EQUAL(warnings, 1);
    unmake();
}

static void test_dirty_close_of_an_ended_domain_is_silent(void)
{
    open_ok();
    f->exists = false;
    close_counted();
    CU_ASSERT_EQUAL(warnings, 0);
    unmake();
}

static void test_dirty_refused_log_becomes_a_scan(void)
{
    make();
    f->refuse_logdirty = true;
    CU_ASSERT_EQUAL_FATAL(open_way(XLM__DIRTY_AUTO), 0);
    CU_ASSERT_EQUAL(d->way, XLM__DIRTY_SCAN);
    CU_ASSERT_EQUAL(xlm__errslot_code(&err), 0);
    d->ops->close(d);
    d = NULL;
    CU_ASSERT_EQUAL(f->nr_off, 0); /* not ours to switch off */
    unmake();
}

static void test_dirty_granted_log_is_preferred(void)
{
    make();
    CU_ASSERT_EQUAL_FATAL(open_way(XLM__DIRTY_AUTO), 0);
    CU_ASSERT_EQUAL(d->way, XLM__DIRTY_LOG);
    unmake();
}

static void test_dirty_wanted_log_refused_fails_by_name(void)
{
    make();
    f->refuse_logdirty = true;
    CU_ASSERT_EQUAL(open_way(XLM__DIRTY_LOG), XLM_ERR_INCOMPATIBLE);
    CU_ASSERT_TRUE(error_says(&err, "domain 1"));
    unmake();
}

static void test_dirty_none_makes_everything_dirty(void)
{
    make();
    CU_ASSERT_EQUAL_FATAL(open_way(XLM__DIRTY_NONE), 0);
    CU_ASSERT_EQUAL(d->way, XLM__DIRTY_NONE);
    CU_ASSERT_EQUAL(d->ops->fetch(d, true, bitmap, &nr), 0);
    CU_ASSERT_EQUAL(nr, NR_RAM);
    CU_ASSERT_EQUAL(memcmp(bitmap, ram, XLM__BITMAP_BYTES(NR_PFNS)), 0);
    CU_ASSERT_EQUAL(f->nr_on, 0);
    unmake();
}

static void test_dirty_log_of_somebody_else_is_left_on(void)
{
    make();
    f->logging = true;
    CU_ASSERT_EQUAL(open_way(XLM__DIRTY_LOG), XLM_ERR_BUSY);
    CU_ASSERT_TRUE(error_says(&err, "domain 1 is on already"));
    CU_ASSERT_TRUE(f->logging);
    CU_ASSERT_EQUAL(f->nr_off, 0);
    unmake();
}

static void test_dirty_lost_log_restarts_with_larger_pool(void)
{
    open_ok();
    f->lose_logs = 1;
    CU_ASSERT_EQUAL(d->ops->fetch(d, false, bitmap, &nr), 0);
    CU_ASSERT_EQUAL(nr, NR_RAM);
    CU_ASSERT_EQUAL(memcmp(bitmap, ram, XLM__BITMAP_BYTES(NR_PFNS)), 0);
    CU_ASSERT_EQUAL(f->pool_bytes, 2 << 20);
    CU_ASSERT_EQUAL(f->nr_on, 2);
    fake_write(f, 5, 0, "x", 1);
    CU_ASSERT_EQUAL(d->ops->fetch(d, false, bitmap, &nr), 0);
    CU_ASSERT_EQUAL(nr, 1);
    unmake();
}

static void test_dirty_log_lost_twice_fails_by_name(void)
{
    open_ok();
    f->lose_logs = 2;
    CU_ASSERT_EQUAL(d->ops->fetch(d, false, bitmap, &nr), 0);
    CU_ASSERT_EQUAL(d->ops->fetch(d, false, bitmap, &nr), XLM_ERR_HYPERVISOR);
    CU_ASSERT_TRUE(error_says(&err, "ran out of memory again"));
    unmake();
}

static void test_dirty_log_lost_at_the_end_needs_no_restart(void)
{
    open_ok();
    f->lose_logs = 1;
    CU_ASSERT_EQUAL(d->ops->fetch(d, true, bitmap, &nr), 0);
    CU_ASSERT_EQUAL(nr, NR_RAM);
    CU_ASSERT_EQUAL(f->nr_on, 1);
    CU_ASSERT_EQUAL(f->pool_bytes, 1 << 20);
    unmake();
}

static void test_dirty_pool_growth_is_limited(void)
{
    open_ok();
    f->pool_bytes = 1ull << 30;
    f->lose_logs = 1;
    CU_ASSERT_EQUAL(d->ops->fetch(d, false, bitmap, &nr), 0);
    CU_ASSERT_EQUAL(f->pool_bytes, (1ull << 30) + (256ull << 20));
    unmake();
}

static void test_dirty_refusal_at_restart_fails_by_name(void)
{
    open_ok();
    f->lose_logs = 1;
    f->refuse_logdirty = true;
    CU_ASSERT_EQUAL(d->ops->fetch(d, false, bitmap, &nr), XLM_ERR_HYPERVISOR);
    CU_ASSERT_TRUE(error_says(&err, "refuses to start it again"));
    unmake();
}

static void test_dirty_every_failing_call_is_passed_on(void)
{
    unsigned n = 1;
    int rc;

    do {
        make();
        f->lose_logs = 1;
        f->fail_call = n++;
        rc = open_way(XLM__DIRTY_LOG);
        if (!rc)
            rc = d->ops->fetch(d, false, bitmap, &nr);
        CU_ASSERT_TRUE(rc == 0 || rc == XLM_ERR_HYPERVISOR);
        unmake();
    } while (rc);
    CU_ASSERT_EQUAL(n, 1 + 6 + 1); /* on, clean, off, get, set, on */
}

static void test_dirty_every_failing_allocation_is_told(void)
{
    for (int way = XLM__DIRTY_LOG; way <= XLM__DIRTY_NONE; way++) {
        unsigned n = 1;
        int rc;

        do {
            make();
            fault_alloc_at(n++);
            rc = open_way((enum xlm__dirty_way)way);
            CU_ASSERT_EQUAL(rc == XLM_ERR_NOMEM, fault_alloc_hit());
            unmake();
        } while (rc);
        CU_ASSERT_TRUE(n > 2);
    }
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_dirty_written_pages_are_told_once),
    UNIT_TEST(test_dirty_close_switches_log_off),
    UNIT_TEST(test_dirty_close_that_fails_to_switch_it_off_says_so),
    UNIT_TEST(test_dirty_close_of_an_ended_domain_is_silent),
    UNIT_TEST(test_dirty_refused_log_becomes_a_scan),
    UNIT_TEST(test_dirty_granted_log_is_preferred),
    UNIT_TEST(test_dirty_wanted_log_refused_fails_by_name),
    UNIT_TEST(test_dirty_none_makes_everything_dirty),
    UNIT_TEST(test_dirty_log_of_somebody_else_is_left_on),
    UNIT_TEST(test_dirty_lost_log_restarts_with_larger_pool),
    UNIT_TEST(test_dirty_log_lost_twice_fails_by_name),
    UNIT_TEST(test_dirty_log_lost_at_the_end_needs_no_restart),
    UNIT_TEST(test_dirty_pool_growth_is_limited),
    UNIT_TEST(test_dirty_refusal_at_restart_fails_by_name),
    UNIT_TEST(test_dirty_every_failing_call_is_passed_on),
    UNIT_TEST(test_dirty_every_failing_allocation_is_told),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("dirty", tests)
