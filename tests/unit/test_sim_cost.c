/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Costs are read once a process: each test has a child of its own.  A loaded
 * machine makes calls longer, never shorter: only lower bounds are certain. */
#include "config.h"

#include <time.h>

#include "sim_fixture.h"

#define PAGES 20u

static int with(const char *costs, int body(void))
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (!pid) {
        setenv("SIMXEN_COST", costs, 1);
        _exit(body());
    }
    CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static unsigned now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static unsigned shadow_ms(uint32_t domid, unsigned what)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_shadow_op, .domain = domid };
    const unsigned begin = now_ms();
    uint64_t bits[1];

    op.u.shadow_op.op = what;
    op.u.shadow_op.pages = PAGES;
    op.u.shadow_op.dirty_bitmap.p = (uint8_t *)bits;
    CU_ASSERT_EQUAL(sim_domctl_call(&op), 0);
    return now_ms() - begin;
}

/* Bit 0: CLEAN took at least 80 ms, bit 1: PEEK did, bit 2: 20 maps did. */
static int what_is_slow(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);
    uint64_t frames[PAGES];
    int errs[PAGES], slow;
    unsigned begin;
    void *p;

    for (unsigned i = 0; i < PAGES; i++)
        frames[i] = i;
    slow = shadow_ms(d, XEN_DOMCTL_SHADOW_OP_CLEAN) >= 80;
    slow |= (shadow_ms(d, XEN_DOMCTL_SHADOW_OP_PEEK) >= 80) << 1;
    begin = now_ms();
    p = sim_map(d, NULL, PROT_READ, 0, PAGES, frames, errs);
    slow |= (now_ms() - begin >= 80) << 2;
    munmap(p, PAGES * 4096);
    sim_kill_domain(d);
    return slow;
}

static void test_cost_is_charged_where_it_is_named(void)
{
    CU_ASSERT(with("clean=81000", what_is_slow) & 1);
    CU_ASSERT(with("peek=81000", what_is_slow) & 2);
    CU_ASSERT(with("map=4100000", what_is_slow) & 4); /* 20 pages */
    CU_ASSERT_EQUAL(with("clean=81000,peek=81000,map=4100000", what_is_slow),
                    7);
}

static void test_cost_unreadable_is_no_pass(void)
{
    CU_ASSERT_EQUAL(with("clean", what_is_slow), 111);
    CU_ASSERT_EQUAL(with("clean=x", what_is_slow), 111);
    CU_ASSERT_EQUAL(with("hypercall=1", what_is_slow), 111);
    CU_ASSERT_EQUAL(with("map=99999999999", what_is_slow), 111);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_cost_is_charged_where_it_is_named),
    UNIT_TEST(test_cost_unreadable_is_no_pass),
    CU_TEST_INFO_NULL,
};
SIM_MAIN("sim_cost", tests)
