/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdint.h>

#include <xen/xen.h>

#include <xen/hvm/params.h>

#include "dom/dom.h"
#include "fake_hv.h"
#include "recorder.h"
#include "unit.h"

static struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
static struct fake_hv *f;
static struct xlm__dom *dom;
static struct recorder r;

static void make(void)
{
    const struct fake_hv_config c = { .nr_pfns = 2000 };

    f = fake_hv_new(&err, &c);
    fake_add(f, 0, 100);
    fake_set_policy(f, "leaves", 6, "msrs", 4);
    fake_set_blob(&f->hvm_context, "context", 7);
    f->tsc = (struct xlm__tsc){
        .mode = 1, .khz = 2, .incarnation = 3, .nsec = 4
    };
    f->hvm_params[HVM_PARAM_CONSOLE_PFN] = 0xfefff;
    f->hvm_params[HVM_PARAM_STORE_PFN] = 0xfeffe;
    f->hvm_params[HVM_PARAM_STORE_EVTCHN] = 7; /* never travels */
    CU_ASSERT_EQUAL_FATAL(xlm__dom_open(&f->base, &f->info, &dom), 0);
}

static void unmake(void)
{
    dom->ops->close(dom);
    recorder_clear(&r);
    CU_ASSERT_EQUAL(f->nr_mapped, 0);
    fake_hv_free(f);
}

static void test_dom_hvm_static_records_are_in_order(void)
{
    make();
    CU_ASSERT_EQUAL(dom->nr_pfns, 2000);
    CU_ASSERT_EQUAL(dom->ops->emit_static(dom, recorder_emit, &r), 0);
    CU_ASSERT_EQUAL_FATAL(r.nr, 3);
    CU_ASSERT_EQUAL(r.rec[0].type, XLM__XC_X86_CPUID_POLICY);
    CU_ASSERT_EQUAL(r.rec[0].bytes, 6);
    CU_ASSERT_EQUAL(r.rec[1].type, XLM__XC_X86_MSR_POLICY);
    CU_ASSERT_EQUAL(r.rec[2].type, XLM__XC_STATIC_DATA_END);
    CU_ASSERT_EQUAL(r.rec[2].bytes, 0);
    unmake();
}

static void test_dom_hvm_empty_policies_are_left_out(void)
{
    make();
    fake_set_policy(f, "", 0, "", 0);
    CU_ASSERT_EQUAL(dom->ops->emit_static(dom, recorder_emit, &r), 0);
    CU_ASSERT_EQUAL_FATAL(r.nr, 1);
    CU_ASSERT_EQUAL(r.rec[0].type, XLM__XC_STATIC_DATA_END);
    unmake();
}

static void test_dom_hvm_tail_has_tsc_context_and_set_params(void)
{
    const uint64_t params[] = { 2, HVM_PARAM_STORE_PFN, 0xfeffe,
                                HVM_PARAM_CONSOLE_PFN, 0xfefff };
    const uint32_t tsc[] = { 1, 2, 4, 0, 3, 0 };

    make();
    CU_ASSERT_EQUAL(dom->ops->emit_tail(dom, recorder_emit, &r), 0);
    CU_ASSERT_EQUAL_FATAL(r.nr, 3);
    CU_ASSERT_EQUAL(r.rec[0].type, XLM__XC_X86_TSC_INFO);
    CU_ASSERT_EQUAL_FATAL(r.rec[0].bytes, sizeof(tsc));
    CU_ASSERT_EQUAL(memcmp(r.rec[0].body, tsc, sizeof(tsc)), 0);
    CU_ASSERT_EQUAL(r.rec[1].type, XLM__XC_HVM_CONTEXT);
    CU_ASSERT_EQUAL(r.rec[1].bytes, 7);
    CU_ASSERT_EQUAL(r.rec[2].type, XLM__XC_HVM_PARAMS);
    CU_ASSERT_EQUAL_FATAL(r.rec[2].bytes, sizeof(params));
    CU_ASSERT_EQUAL(memcmp(r.rec[2].body, params, sizeof(params)), 0);
    unmake();
}

static void test_dom_hvm_no_params_no_record(void)
{
    make();
    memset(f->hvm_params, 0, sizeof(f->hvm_params));
    CU_ASSERT_EQUAL(dom->ops->emit_tail(dom, recorder_emit, &r), 0);
    CU_ASSERT_EQUAL(r.nr, 2);
    unmake();
}

static void test_dom_hvm_gfn_is_pfn(void)
{
    uint64_t pfns[] = { 0, 99, 1999 }, gfns[3];

    make();
    CU_ASSERT_EQUAL(dom->ops->gfns(dom, 3, pfns, gfns), 0);
    CU_ASSERT_EQUAL(memcmp(pfns, gfns, sizeof(pfns)), 0);
    CU_ASSERT_FALSE(dom->ops->needs_copy(0x4u << 28));
    unmake();
}

static void test_dom_hvm_refused_record_ends_emission(void)
{
    for (unsigned i = 1; i <= 3; i++) {
        make();
        r.fail_at = i;
        CU_ASSERT_EQUAL(dom->ops->emit_tail(dom, recorder_emit, &r),
                        XLM_ERR_CHANNEL);
        CU_ASSERT_EQUAL(r.nr, i - 1);
        unmake();
    }
}

static void test_dom_hvm_every_failing_call_is_passed_on(void)
{
    unsigned n = 1;
    int rc;

    do {
        make();
        f->fail_call = n++;
        rc = dom->ops->emit_static(dom, recorder_emit, &r);
        if (!rc)
            rc = dom->ops->emit_tail(dom, recorder_emit, &r);
        CU_ASSERT_TRUE(rc == 0 || rc == XLM_ERR_HYPERVISOR);
        unmake();
    } while (rc);
    CU_ASSERT_EQUAL(n, 1 + 3 + 16 + 1); /* policy, TSC, context, params */
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_dom_hvm_static_records_are_in_order),
    UNIT_TEST(test_dom_hvm_empty_policies_are_left_out),
    UNIT_TEST(test_dom_hvm_tail_has_tsc_context_and_set_params),
    UNIT_TEST(test_dom_hvm_no_params_no_record),
    UNIT_TEST(test_dom_hvm_gfn_is_pfn),
    UNIT_TEST(test_dom_hvm_refused_record_ends_emission),
    UNIT_TEST(test_dom_hvm_every_failing_call_is_passed_on),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("dom_hvm", tests)
