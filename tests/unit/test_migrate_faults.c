/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A small migration, broken once at every place where it can be. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "../scenario/scenario.h"
#include "fault_alloc.h"
#include "unit.h"

/* Polls of the guest make the number of calls vary: some more are tried. */
#define MARGIN 6u

static unsigned nth; /* of the call that fails in this step */

/* ---- the wire is cut after every record ---- */

static void count_units(const struct scenario *plain, unsigned units[3])
{
    struct run *r = calloc(1, sizeof(*r));

    scenario_run(plain, "no cut", r);
    SCENARIO_CHECK(r, r->src.rc == 0);
    memcpy(units, r->units, 3 * sizeof(*units));
    SCENARIO_CHECK(r, units[TO_DESTINATION] > 15 && units[TO_SOURCE] > 10);
    scenario_free(r);
    free(r);
}

static void cut_everywhere(const struct scenario *plain, enum direction to,
                           bool torn)
{
    unsigned units[3];
    char label[64];

    count_units(plain, units);
    for (unsigned n = 0; n < units[to]; n++) {
        struct scenario sc = *plain;

        sc.rc = SCENARIO_ANY;
        sc.cut = to;
        sc.cut_units = n;
        sc.cut_torn = torn;
        snprintf(label, sizeof(label), "cut %s to %s after %u",
                 torn ? "torn" : "clean",
                 to == TO_SOURCE ? "source" : "destination", n);
        scenario(&sc, label);
    }
}

static const struct scenario pvh = { .owner = XLM_OWNER_DESTINATION };
static const struct scenario hvm = { .owner = XLM_OWNER_DESTINATION,
                                     .type = XLM__TYPE_HVM,
                                     .channels = 2 };
static const struct scenario pv = { .owner = XLM_OWNER_DESTINATION,
                                    .type = XLM__TYPE_PV };
static const struct scenario packed = {
    .owner = XLM_OWNER_DESTINATION, .opt = { .compress = XLM_COMPRESS_LZ4 }
};

/* A data channel breaks, and comes back. */
static const struct scenario returning = { .owner = XLM_OWNER_DESTINATION,
                                           .opt = { .data = XLM_DATA_PLAIN,
                                                    .reconnect_ms = 1000 },
                                           .breaks = { 200000, 5000 } };

static const struct scenario pv_scan = { .owner = XLM_OWNER_DESTINATION,
                                         .type = XLM__TYPE_PV,
                                         .refuse_logdirty = true };

/* All memory is compared. */
static const struct scenario compared = { .owner = XLM_OWNER_DESTINATION,
                                          .opt = { .flags = XLM_F_VERIFY } };
static const struct scenario pv_compared = { .owner = XLM_OWNER_DESTINATION,
                                             .type = XLM__TYPE_PV,
                                             .opt = { .flags = XLM_F_VERIFY } };

static void test_migrate_faults_cut_to_destination_after_each_record(void)
{
    cut_everywhere(&pvh, TO_DESTINATION, false);
}

static void test_migrate_faults_cut_to_source_after_each_record(void)
{
    cut_everywhere(&pvh, TO_SOURCE, false);
}

static void test_migrate_faults_cut_to_destination_within_each_record(void)
{
    cut_everywhere(&hvm, TO_DESTINATION, true);
}

static void test_migrate_faults_cut_to_source_within_each_record(void)
{
    cut_everywhere(&hvm, TO_SOURCE, true);
}

static void test_migrate_faults_cut_after_each_record_when_compared(void)
{
    cut_everywhere(&compared, TO_DESTINATION, false);
    cut_everywhere(&compared, TO_SOURCE, true);
}

/* ---- one side is cancelled before every record ---- */

static void cancel_destination(struct run *r)
{
    scenario_cancel(&r->dst);
}

static void cancel_everywhere(const struct scenario *plain, enum direction to,
                              const char *who, void (*cancel)(struct run *r))
{
    unsigned units[3];
    char label[64];

    count_units(plain, units);
    for (unsigned n = 0; n < units[to]; n++) {
        struct scenario sc = *plain;

        sc.rc = SCENARIO_ANY;
        sc.event = cancel;
        sc.event_to = to;
        sc.event_unit = n;
        snprintf(label, sizeof(label), "%s cancelled before %u to %s", who, n,
                 to == TO_SOURCE ? "source" : "destination");
        scenario(&sc, label);
    }
}

static void test_migrate_faults_source_cancelled_before_each_record(void)
{
    cancel_everywhere(&pvh, TO_DESTINATION, "source", scenario_cancel_source);
    cancel_everywhere(&pvh, TO_SOURCE, "source", scenario_cancel_source);
}

static void test_migrate_faults_destination_cancelled_before_each_record(void)
{
    cancel_everywhere(&pvh, TO_DESTINATION, "destination", cancel_destination);
    cancel_everywhere(&pvh, TO_SOURCE, "destination", cancel_destination);
}

/* ---- every call of a host's ops fails once ---- */

static void fail_src_hv(struct run *r)
{
    r->src.hv->fail_call = nth;
}

static void fail_dst_hv(struct run *r)
{
    r->dst.hv->fail_call = nth;
}

static void fail_src_ts(struct run *r)
{
    r->src.ts.fail_call = nth;
}

static void fail_dst_ts(struct run *r)
{
    r->dst.ts.fail_call = nth;
}

static unsigned calls_of(const struct run *r, void (*prepare)(struct run *r))
{
    if (prepare == fail_src_hv)
        return r->src.hv->calls + MARGIN;
    if (prepare == fail_dst_hv)
        return r->dst.hv->calls + MARGIN;
    return prepare == fail_src_ts ? r->src.ts.calls : r->dst.ts.calls;
}

static void fail_everywhere(const struct scenario *plain, const char *what,
                            void (*prepare)(struct run *r))
{
    struct run *r = calloc(1, sizeof(*r));
    struct scenario sc = *plain;
    char label[64];
    unsigned calls;

    scenario_run(&sc, "no failure", r);
    SCENARIO_CHECK(r, r->src.rc == 0);
    calls = calls_of(r, prepare);
    SCENARIO_CHECK(r, calls > 5);
    scenario_free(r);
    sc.rc = SCENARIO_ANY;
    sc.prepare = prepare;
    for (nth = 1; nth <= calls; nth++) {
        snprintf(label, sizeof(label), "%s call %u fails", what, nth);
        scenario_run(&sc, label, r);
        scenario_free(r);
    }
    free(r);
}

static void test_migrate_faults_each_source_hypervisor_call(void)
{
    fail_everywhere(&pvh, "source hypervisor", fail_src_hv);
}

static void test_migrate_faults_each_source_hypervisor_call_of_pv(void)
{
    fail_everywhere(&pv, "source hypervisor (PV)", fail_src_hv);
}

static void test_migrate_faults_each_source_hypervisor_call_of_a_scan(void)
{
    fail_everywhere(&pv_scan, "source hypervisor (scan)", fail_src_hv);
}

static void test_migrate_faults_each_destination_hypervisor_call(void)
{
    fail_everywhere(&pvh, "destination hypervisor", fail_dst_hv);
}

static void test_migrate_faults_each_hypervisor_call_when_compared(void)
{
    fail_everywhere(&compared, "source hypervisor (compared)", fail_src_hv);
    fail_everywhere(&compared, "destination hypervisor (compared)",
                    fail_dst_hv);
}

static void test_migrate_faults_each_source_toolstack_call(void)
{
    fail_everywhere(&hvm, "source toolstack", fail_src_ts);
    fail_everywhere(&pvh, "source toolstack (PVH)", fail_src_ts);
}

static void test_migrate_faults_each_destination_toolstack_call(void)
{
    fail_everywhere(&hvm, "destination toolstack", fail_dst_ts);
    fail_everywhere(&pvh, "destination toolstack (PVH)", fail_dst_ts);
}

/* ---- every allocation fails once ---- */

static void fail_alloc(struct run *r)
{
    (void)r;
    fault_alloc_at(nth);
}

static bool alloc_hit;

static void end_alloc(struct run *r)
{
    (void)r;
    alloc_hit = fault_alloc_hit();
}

static void each_allocation(const struct scenario *plain)
{
    struct run *r = calloc(1, sizeof(*r));
    struct scenario sc = *plain;
    char label[64];

    sc.rc = SCENARIO_ANY;
    sc.prepare = fail_alloc;
    sc.over = end_alloc;
    alloc_hit = true;
    for (nth = 1; alloc_hit; nth++) {
        snprintf(label, sizeof(label), "allocation %u fails", nth);
        scenario_run(&sc, label, r);
        SCENARIO_CHECK(r, alloc_hit || r->src.rc == 0);
        scenario_free(r);
    }
    CU_ASSERT_TRUE(nth > 50);
    free(r);
}

static void test_migrate_faults_each_allocation(void)
{
    each_allocation(&hvm);
}

static void test_migrate_faults_each_allocation_of_pv(void)
{
    each_allocation(&pv);
}

static void test_migrate_faults_each_allocation_when_compressed(void)
{
    each_allocation(&packed);
}

static void test_migrate_faults_each_allocation_of_a_scan(void)
{
    each_allocation(&pv_scan);
}

static void test_migrate_faults_each_allocation_when_a_channel_returns(void)
{
    each_allocation(&returning);
}

static void test_migrate_faults_each_destination_call_when_one_returns(void)
{
    fail_everywhere(&returning, "destination hypervisor (return)", fail_dst_hv);
}

static void test_migrate_faults_each_allocation_when_compared(void)
{
    each_allocation(&compared);
}

static void test_migrate_faults_each_allocation_when_pv_is_compared(void)
{
    each_allocation(&pv_compared);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_migrate_faults_cut_to_destination_after_each_record),
    UNIT_TEST(test_migrate_faults_cut_to_source_after_each_record),
    UNIT_TEST(test_migrate_faults_cut_to_destination_within_each_record),
    UNIT_TEST(test_migrate_faults_cut_to_source_within_each_record),
    UNIT_TEST(test_migrate_faults_source_cancelled_before_each_record),
    UNIT_TEST(test_migrate_faults_destination_cancelled_before_each_record),
    UNIT_TEST(test_migrate_faults_each_source_hypervisor_call),
    UNIT_TEST(test_migrate_faults_each_source_hypervisor_call_of_pv),
    UNIT_TEST(test_migrate_faults_each_source_hypervisor_call_of_a_scan),
    UNIT_TEST(test_migrate_faults_each_destination_hypervisor_call),
    UNIT_TEST(test_migrate_faults_each_source_toolstack_call),
    UNIT_TEST(test_migrate_faults_each_destination_toolstack_call),
    UNIT_TEST(test_migrate_faults_each_allocation),
    UNIT_TEST(test_migrate_faults_each_allocation_of_pv),
    UNIT_TEST(test_migrate_faults_each_allocation_when_compressed),
    UNIT_TEST(test_migrate_faults_each_allocation_of_a_scan),
    UNIT_TEST(test_migrate_faults_each_allocation_when_a_channel_returns),
    UNIT_TEST(test_migrate_faults_each_destination_call_when_one_returns),
    UNIT_TEST(test_migrate_faults_cut_after_each_record_when_compared),
    UNIT_TEST(test_migrate_faults_each_hypervisor_call_when_compared),
    UNIT_TEST(test_migrate_faults_each_allocation_when_compared),
    UNIT_TEST(test_migrate_faults_each_allocation_when_pv_is_compared),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("migrate_faults", tests)
