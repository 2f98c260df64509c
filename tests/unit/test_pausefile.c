/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is remembered of the last pause. */
#include "config.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pausefile.h"

static struct xlm_stats moved(uint64_t blackout_us, uint64_t predicted_us,
                              uint32_t fixed_ms)
{
    return (struct xlm_stats){ .size = sizeof(struct xlm_stats),
                               .blackout_us = blackout_us,
                               .predicted_blackout_us = predicted_us,
                               .fixed_pause_ms = fixed_ms };
}

static void test_pausefile_fixed_part_is_what_memory_does_not_explain(void)
{
    /* predicted 300 ms fixed and 200 ms of pages, took 1200 ms */
    struct xlm_stats s = moved(1200000, 500000, 300);

    CU_ASSERT_EQUAL(pausefile_fixed_ms(&s), 1000);
}

static void test_pausefile_unmeasured_or_absurd_pause_is_nothing(void)
{
    struct xlm_stats none = moved(0, 500000, 300);
    struct xlm_stats less = moved(100000, 500000, 300);
    struct xlm_stats absurd = moved(UINT64_C(7200000000), 0, 0);

    CU_ASSERT_EQUAL(pausefile_fixed_ms(&none), 0);
    CU_ASSERT_EQUAL(pausefile_fixed_ms(&less), 0);
    CU_ASSERT_EQUAL(pausefile_fixed_ms(&absurd), 0);
}

static void test_pausefile_what_was_written_is_read_for_that_pair_only(void)
{
    struct xlm_stats s = moved(1200000, 500000, 300);
    char dir[] = "/tmp/xlm-pausefile-XXXXXX";
    char path[sizeof(dir) + 64];

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    setenv("XLM_STATE_DIR", dir, 1);
    pausefile_write("host/b", "guest", &s);
    CU_ASSERT_EQUAL(pausefile_read("host/b", "guest"), 1000);
    CU_ASSERT_EQUAL(pausefile_read("host/b", "other"), 0);
    CU_ASSERT_EQUAL(pausefile_read("hostc", "guest"), 0);
    snprintf(path, sizeof(path), "%s/xlm-pause-host_b-guest", dir);
    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
    unsetenv("XLM_STATE_DIR");
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_pausefile_fixed_part_is_what_memory_does_not_explain),
    UNIT_TEST(test_pausefile_unmeasured_or_absurd_pause_is_nothing),
    UNIT_TEST(test_pausefile_what_was_written_is_read_for_that_pair_only),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("pausefile", tests)
