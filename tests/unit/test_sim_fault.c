/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules are read once a process: each test has a child of its own. */
#include "config.h"

#include <signal.h>
#include <time.h>

#include "sim_fixture.h"

#include <xen/version.h>
#include <xentoollog.h>

#include <xenforeignmemory.h>

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

static int populated(void)
{
    xen_pfn_t pfns[4] = { 0, 1, 2, 3 };
    uint32_t d = sim_new_domain(true, 4, NULL);

    sim_reservation(XENMEM_decrease_reservation, d, pfns, 4);
    return sim_reservation(XENMEM_populate_physmap, d, pfns, 4);
}

static int claimed(void)
{
    const uint32_t d = sim_new_domain(true, 4, NULL);

    return sim_reservation(XENMEM_claim_pages, d, NULL, 4) == -ENOMEM;
}

/* Through the real library's functions. Bit i: page i is there. */
static int mapped(int *errs)
{
    const uint32_t d = sim_new_domain(true, 4, NULL);
    const xen_pfn_t pfns[4] = { 0, 1, 2, 3 };
    xenforeignmemory_handle *h = xenforeignmemory_open(NULL, 0);
    const char *p = xenforeignmemory_map(h, d, PROT_READ, 4, pfns, errs);
    int there = 0, pipes[2];

    if (!p)
        return errno == EINVAL ? 64 : 65;
    if (pipe(pipes))
        return 66;
    /* Asks the kernel whether it can be read; and errs must say the same. */
    for (unsigned i = 0; i < 4; i++)
        if (write(pipes[1], p + i * 4096, 1) == 1 && !errs[i])
            there |= 1 << i;
    return there;
}

static int mapped_each(void)
{
    int errs[4];

    return mapped(errs);
}

static int mapped_all_or_none(void)
{
    return mapped(NULL);
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

static void test_fault_process_with_a_dot_is_meant_whole(void)
{
    char rule[64];

    CU_ASSERT_EQUAL(with("test_sim./xen_version.version=ENOMEM", calls_failed),
                    0);
    snprintf(rule, sizeof(rule), "%s./xen_version.version=ENOMEM",
             sim_process());
    CU_ASSERT_EQUAL(with(rule, calls_failed), 1);
}

static void test_fault_short_does_half(void)
{
    CU_ASSERT_EQUAL(with("memory_op.decrease_reservation=short", half), 2);
}

static void test_fault_short_populates_half(void)
{
    CU_ASSERT_EQUAL(with("memory_op.populate_physmap:2=short", populated), 2);
}

static void test_fault_short_map_refuses_pages(void)
{
    CU_ASSERT_EQUAL(with("foreignmemory.map:2=short", mapped_each), 15);
    CU_ASSERT_EQUAL(with("foreignmemory.map=short", mapped_each), 3);
    CU_ASSERT_EQUAL(with("foreignmemory.map=short", mapped_all_or_none), 64);
}

static void test_fault_no_memory_populates_none(void)
{
    CU_ASSERT_EQUAL(with("memory_op.populate_physmap:2=nomem", populated), 0);
    CU_ASSERT_EQUAL(with("memory_op.populate_physmap:3+=nomem", populated), 4);
}

static void test_fault_no_memory_fails_other_calls(void)
{
    CU_ASSERT_EQUAL(with("memory_op.claim_pages=nomem", claimed), 1);
    CU_ASSERT_EQUAL(with("memory_op.claim_pages:2=nomem", claimed), 0);
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
    UNIT_TEST(test_fault_process_with_a_dot_is_meant_whole),
    UNIT_TEST(test_fault_short_does_half),
    UNIT_TEST(test_fault_short_populates_half),
    UNIT_TEST(test_fault_short_map_refuses_pages),
    UNIT_TEST(test_fault_no_memory_populates_none),
    UNIT_TEST(test_fault_no_memory_fails_other_calls),
    UNIT_TEST(test_fault_delay_delays),
    UNIT_TEST(test_fault_kill_before_and_after),
    UNIT_TEST(test_fault_unreadable_rule_is_no_pass),
    CU_TEST_INFO_NULL,
};
SIM_MAIN("sim_fault", tests)
