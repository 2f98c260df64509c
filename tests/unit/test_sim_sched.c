/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Caps. A loaded machine makes waits longer, never shorter: only lower bounds
 * are certain. */
#include "config.h"

#include <time.h>

#include "sim_fixture.h"

#define MS UINT64_C(1000000)

static long sched_op(uint32_t domid, uint32_t cmd, uint32_t sched,
                     uint16_t weight, uint16_t cap,
                     struct xen_domctl_sched_credit2 *out)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_scheduler_op, .domain = domid };
    long rc;

    op.u.scheduler_op.sched_id = sched;
    op.u.scheduler_op.cmd = cmd;
    op.u.scheduler_op.u.credit2.weight = weight;
    op.u.scheduler_op.u.credit2.cap = cap;
    rc = sim_domctl_call(&op);
    if (out)
        *out = op.u.scheduler_op.u.credit2;
    return rc;
}

static long put(uint32_t domid, uint16_t weight, uint16_t cap)
{
    return sched_op(domid, XEN_DOMCTL_SCHEDOP_putinfo, sim_hv->sched_id, weight,
                    cap, NULL);
}

static void expect(uint32_t domid, uint16_t weight, uint16_t cap)
{
    struct xen_domctl_sched_credit2 p;

    CU_ASSERT_EQUAL(
        sched_op(domid, XEN_DOMCTL_SCHEDOP_getinfo, sim_hv->sched_id, 0, 0, &p),
        0);
    CU_ASSERT_EQUAL(p.weight, weight);
    CU_ASSERT_EQUAL(p.cap, cap);
}

static void test_sim_credit2_weight_0_stays_and_cap_0_is_none(void)
{
    uint32_t d = sim_new_domain(true, 4, NULL);

    expect(d, 256, 0);
    CU_ASSERT_EQUAL(put(d, 0, 50), 0);
    expect(d, 256, 50);
    CU_ASSERT_EQUAL(put(d, 512, 0), 0);
    expect(d, 512, 0);
    sim_kill_domain(d);
}

static void test_sim_credit2_cap_beyond_its_vcpus_is_refused(void)
{
    uint32_t d = sim_new_domain(true, 4, NULL);

    CU_ASSERT_EQUAL(put(d, 0, 200), 0);
    CU_ASSERT_EQUAL(put(d, 0, 201), -EINVAL);
    expect(d, 256, 200);
    sim_kill_domain(d);
}

static void test_sim_sched_of_another_kind_is_refused(void)
{
    uint32_t d = sim_new_domain(true, 4, NULL);

    CU_ASSERT_EQUAL(sched_op(d, XEN_DOMCTL_SCHEDOP_getinfo,
                             XEN_SCHEDULER_CREDIT, 0, 0, NULL),
                    -EINVAL);
    CU_ASSERT_EQUAL(sched_op(d, XEN_DOMCTL_SCHEDOP_getvcpuinfo,
                             XEN_SCHEDULER_CREDIT2, 0, 0, NULL),
                    -EINVAL);
    sim_kill_domain(d);
}

static void test_sim_credit_cap_of_all_ones_stays(void)
{
    uint32_t d = sim_new_domain(true, 4, NULL);

    sim_hv->sched_id = XEN_SCHEDULER_CREDIT;
    CU_ASSERT_EQUAL(put(d, 0, 30), 0);
    CU_ASSERT_EQUAL(put(d, 99, UINT16_MAX), 0);
    expect(d, 99, 30);
    sim_hv->sched_id = XEN_SCHEDULER_CREDIT2;
    sim_kill_domain(d);
}

static void test_sim_null_has_nothing_to_set(void)
{
    uint32_t d = sim_new_domain(true, 4, NULL);

    sim_hv->sched_id = XEN_SCHEDULER_NULL;
    CU_ASSERT_EQUAL(put(d, 99, 30), 0);
    sim_hv->sched_id = XEN_SCHEDULER_CREDIT2;
    expect(d, 256, 0);
    sim_kill_domain(d);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* How long a domain waits that has used so much. */
static uint64_t wait_after(struct sim_domain *d, uint64_t used_ns)
{
    const uint64_t began = now_ns();

    sim_sched_charge(d, used_ns);
    sim_sched_wait(d, d->incarnation);
    return now_ns() - began;
}

static void test_sim_cap_makes_it_wait_for_what_it_used(void)
{
    uint32_t id = sim_new_domain(true, 4, NULL);
    struct sim_domain *d = sim_find(id);
    struct xen_domctl_getdomaininfo info;

    CU_ASSERT(wait_after(d, 20 * MS) < 20 * MS || d->sched_cap == 0);
    CU_ASSERT_EQUAL(put(id, 0, 25), 0);
    /* Four times as long, but for a period that it had not used. */
    CU_ASSERT(wait_after(d, 20 * MS) >= 69 * MS);
    CU_ASSERT(wait_after(d, 20 * MS) >= 69 * MS);
    sim_lock();
    sim_domain_info(d, &info);
    sim_unlock();
    CU_ASSERT_EQUAL(info.cpu_time, 60 * MS);
    sim_kill_domain(id);
}

/* Otherwise it would wait for ten seconds. */
static void test_sim_cap_that_is_lifted_is_not_waited_for(void)
{
    uint32_t id = sim_new_domain(true, 4, NULL);
    struct sim_domain *d = sim_find(id);
    uint64_t began;

    CU_ASSERT_EQUAL(put(id, 0, 1), 0);
    sim_sched_charge(d, 100 * MS);
    CU_ASSERT_EQUAL(put(id, 0, 0), 0);
    began = now_ns();
    sim_sched_wait(d, d->incarnation);
    CU_ASSERT(now_ns() - began < 5000 * MS);
    sim_kill_domain(id);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_sim_credit2_weight_0_stays_and_cap_0_is_none),
    UNIT_TEST(test_sim_credit2_cap_beyond_its_vcpus_is_refused),
    UNIT_TEST(test_sim_sched_of_another_kind_is_refused),
    UNIT_TEST(test_sim_credit_cap_of_all_ones_stays),
    UNIT_TEST(test_sim_null_has_nothing_to_set),
    UNIT_TEST(test_sim_cap_makes_it_wait_for_what_it_used),
    UNIT_TEST(test_sim_cap_that_is_lifted_is_not_waited_for),
    CU_TEST_INFO_NULL,
};
SIM_MAIN("sim_sched", tests)
