/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules are read once a process: each test has a child of its own. */
#include "config.h"

#include <signal.h>
#include <time.h>

#include "sim_fixture.h"

#include <xen/version.h>

typedef int body_fn(void);

/* Exit status of a child with those rules; 1000 + signal if one ended it. */
static int with(const char *rules, body_fn *body)
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (!pid) {
        setenv("SIMXEN_FAULT", rules, 1);
        _exit(body());
    }
    CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static long version(void)
{
    return sim_call(__HYPERVISOR_xen_version, XENVER_version, 0);
}

/* Bit i: call i + 1 gave ENOMEM. */
static int calls_failed(void)
{
    int failed = 0;

    for (int i = 0; i < 4; i++)
        failed |= (version() == -ENOMEM) << i;
    return failed;
}

static int pagesize_and_version(void)
{
    return (sim_call(__HYPERVISOR_xen_version, XENVER_pagesize, 0) == -EIO) |
           (version() == -EIO) << 1;
}

static int half(void)
{
    xen_pfn_t pfns[4] = { 0, 1, 2, 3 };
    uint32_t d = sim_new_domain(true, 4, NULL);

    return sim_reservation(XENMEM_decrease_reservation, d, pfns, 4);
}

static int took_ms(void)
{
    struct timespec a, b;

    clock_gettime(CLOCK_MONOTONIC, &a);
    version();
    clock_gettime(CLOCK_MONOTONIC, &b);
    return (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 >=
           60;
}

/* Killed after the call: the domain is there. Before it: it is not. */
static int create(void)
{
    sim_new_domain(true, 4, NULL);
    return 0;
}

static unsigned nr_domains(void)
{
    unsigned n = 0;

    for (unsigned i = 1; i < SIM_MAXDOM; i++)
        n += sim_hv->dom[i].used;
    return n;
}

static void test_fault_nth_call_fails(void)
{
    CU_ASSERT_EQUAL(with("xen_version.version=ENOMEM", calls_failed), 1);
    CU_ASSERT_EQUAL(with("xen_version.version:3=ENOMEM", calls_failed), 4);
    CU_ASSERT_EQUAL(with("xen_version.version:2+=ENOMEM", calls_failed), 14);
    CU_ASSERT_EQUAL(with("xen_version.version:9=ENOMEM", calls_failed), 0);
    CU_ASSERT_EQUAL(with("xen_version.version=12", calls_failed), 1);
}

static void test_fault_several_rules_apply(void)
{
    CU_ASSERT_EQUAL(with("xen_version.version:1=ENOMEM;"
                         "xen_version.version:4=ENOMEM",
                         calls_failed),
                    9);
}

static void test_fault_name_is_matched_whole_or_by_prefix(void)
{
    CU_ASSERT_EQUAL(with("xen_version.pagesize=EIO", pagesize_and_version), 1);
    CU_ASSERT_EQUAL(with("xen_version.p*=EIO", pagesize_and_version), 1);
    CU_ASSERT_EQUAL(with("xen_version.*:2=EIO", pagesize_and_version), 2);
    CU_ASSERT_EQUAL(with("xen_version.page=EIO", pagesize_and_version), 0);
}

static void test_fault_of_another_process_is_not_ours(void)
{
    CU_ASSERT_EQUAL(with("xl/xen_version.version=ENOMEM", calls_failed), 0);
    CU_ASSERT_EQUAL(with("test_sim/xen_version.version=ENOMEM", calls_failed),
                    1);
}

static void test_fault_short_does_half(void)
{
    CU_ASSERT_EQUAL(with("memory_op.decrease_reservation=short", half), 2);
}

static void test_fault_delay_delays(void)
{
    CU_ASSERT_EQUAL(with("xen_version.version=delay=60", took_ms), 1);
}

static void test_fault_kill_before_and_after(void)
{
    const unsigned before = nr_domains();

    CU_ASSERT_EQUAL(with("domctl.createdomain=kill", create), 1000 + SIGKILL);
    CU_ASSERT_EQUAL(nr_domains(), before);
    CU_ASSERT_EQUAL(with("domctl.createdomain=killafter", create),
                    1000 + SIGKILL);
    CU_ASSERT_EQUAL(nr_domains(), before + 1);
}

static void test_fault_unreadable_rule_is_no_pass(void)
{
    CU_ASSERT_EQUAL(with("xen_version.version", calls_failed), 111);
    CU_ASSERT_EQUAL(with("xen_version.version=NOSUCH", calls_failed), 111);
    CU_ASSERT_EQUAL(with("xen_version.version:0=EIO", calls_failed), 111);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_fault_nth_call_fails),
    UNIT_TEST(test_fault_several_rules_apply),
    UNIT_TEST(test_fault_name_is_matched_whole_or_by_prefix),
    UNIT_TEST(test_fault_of_another_process_is_not_ours),
    UNIT_TEST(test_fault_short_does_half),
    UNIT_TEST(test_fault_delay_delays),
    UNIT_TEST(test_fault_kill_before_and_after),
    UNIT_TEST(test_fault_unreadable_rule_is_no_pass),
    CU_TEST_INFO_NULL,
};
SIM_MAIN("sim_fault", tests)
