/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain completed early becomes what the source's last records say. */
#include "config.h"

#include <stdint.h>

#include <xen/xen.h>

#include <xen/hvm/params.h>
#include <xen/hvm/save.h>

#include "dom/dom_commit.h"
#include "fake_hv.h"
#include "unit.h"

#define NR_PFNS 2000u

static struct xlm__errslot err;
static struct fake_hv *f;
static struct xlm__hvm_state first, last;

struct entry {
    uint64_t index, value;
};

static void keep_tsc(struct xlm__hvm_state *s, uint32_t khz)
{
    const uint32_t tsc[] = { 1, khz, 4, 0, 3, 0 };

    CU_ASSERT_EQUAL(
        xlm__hvm_state_keep(&err, s, XLM__XC_X86_TSC_INFO, tsc, sizeof(tsc)),
        0);
}

static void keep_params(struct xlm__hvm_state *s, uint32_t nr,
                        const struct entry *e)
{
    unsigned char body[256] = { 0 };

    memcpy(body, &nr, sizeof(nr));
    memcpy(body + 8, e, nr * sizeof(*e));
    CU_ASSERT_EQUAL(xlm__hvm_state_keep(&err, s, XLM__XC_HVM_PARAMS, body,
                                        8 + nr * sizeof(*e)),
                    0);
}

static void keep_context(struct xlm__hvm_state *s, const char *text)
{
    CU_ASSERT_EQUAL(
        xlm__hvm_state_keep(&err, s, XLM__XC_HVM_CONTEXT, text, strlen(text)),
        0);
}

static const struct entry usual[] = { { HVM_PARAM_STORE_PFN, 100 },
                                      { HVM_PARAM_CONSOLE_PFN, 101 },
                                      { HVM_PARAM_IDENT_PT, 0x5000 } };

static void make(void)
{
    const struct fake_hv_config c = { .nr_pfns = NR_PFNS };

    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    f = fake_hv_new(&err, &c);
    f->info.paused = true;
    keep_tsc(&first, 1000);
    keep_tsc(&last, 2000);
    keep_context(&first, "first");
    keep_context(&last, "last");
    keep_params(&first, 3, usual);
    keep_params(&last, 3, usual);
}

static void unmake(void)
{
    xlm__hvm_state_free(&first);
    xlm__hvm_state_free(&last);
    fake_hv_free(f);
    xlm__errslot_destroy(&err);
}

static int commit(void)
{
    return xlm__hvm_commit(&f->base, 1, &first, &last);
}

static void test_dom_commit_sets_tsc_and_context_and_no_old_parameter(void)
{
    make();
    CU_ASSERT_EQUAL(commit(), 0);
    CU_ASSERT_EQUAL(f->tsc.khz, 2000);
    CU_ASSERT_EQUAL(f->tsc.nsec, 4);
    CU_ASSERT_EQUAL(f->tsc.incarnation, 3);
    CU_ASSERT_EQUAL_FATAL(f->hvm_context.bytes, 4);
    CU_ASSERT_EQUAL(memcmp(f->hvm_context.data, "last", 4), 0);
    for (unsigned i = 0; i < FAKE_NR_PARAMS; i++)
        CU_ASSERT_EQUAL(f->hvm_params[i], 0);
    unmake();
}

static void test_dom_commit_sets_changed_new_and_gone_parameters(void)
{
    const struct entry now[] = { { HVM_PARAM_STORE_PFN, 100 },
                                 { HVM_PARAM_CONSOLE_PFN, 101 },
                                 { HVM_PARAM_VM_GENERATION_ID_ADDR, 77 },
                                 { HVM_PARAM_VM86_TSS_SIZED, 88 } };
    const struct entry then[] = { { HVM_PARAM_STORE_PFN, 100 },
                                  { HVM_PARAM_CONSOLE_PFN, 101 },
                                  { HVM_PARAM_VM_GENERATION_ID_ADDR, 76 },
                                  { HVM_PARAM_IDENT_PT, 0x5000 } };

    make();
    keep_params(&first, 4, then);
    keep_params(&last, 4, now);
    f->hvm_params[HVM_PARAM_IDENT_PT] = 0x5000;
    CU_ASSERT_EQUAL(commit(), 0);
    CU_ASSERT_EQUAL(f->hvm_params[HVM_PARAM_VM_GENERATION_ID_ADDR], 77);
    CU_ASSERT_EQUAL(f->hvm_params[HVM_PARAM_VM86_TSS_SIZED], 88);
    CU_ASSERT_EQUAL(f->hvm_params[HVM_PARAM_IDENT_PT], 0);
    CU_ASSERT_EQUAL(f->hvm_params[HVM_PARAM_STORE_PFN], 0); /* not touched */
    unmake();
}

static void test_dom_commit_moved_shared_page_is_refused(void)
{
    const struct entry moved[] = { { HVM_PARAM_STORE_PFN, 100 },
                                   { HVM_PARAM_CONSOLE_PFN, 102 } };

    make();
    keep_params(&last, 2, moved);
    CU_ASSERT_EQUAL(commit(), XLM_ERR_CHANGED);
    CU_ASSERT_EQUAL(f->hvm_context.bytes, 0);
    unmake();
}

static void test_dom_commit_event_channel_is_refused(void)
{
    const struct entry e[] = { { HVM_PARAM_STORE_PFN, 100 },
                               { HVM_PARAM_STORE_EVTCHN, 3 } };

    make();
    keep_params(&last, 2, e);
    CU_ASSERT_EQUAL(commit(), XLM_ERR_STREAM);
    unmake();
}

static void test_dom_commit_unknown_parameter_is_refused(void)
{
    const struct entry e[] = { { 1ull << 32 | 6, 3 } };

    make();
    keep_params(&last, 1, e);
    CU_ASSERT_EQUAL(commit(), XLM_ERR_STREAM);
    unmake();
}

static void test_dom_commit_params_of_wrong_length_are_refused(void)
{
    const uint32_t count[] = { 0x10000001, 0, 1, 0, 100, 0 };

    make();
    CU_ASSERT_EQUAL(xlm__hvm_state_keep(&err, &last, XLM__XC_HVM_PARAMS, count,
                                        sizeof(count)),
                    0);
    CU_ASSERT_EQUAL(commit(), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(
        xlm__hvm_state_keep(&err, &last, XLM__XC_HVM_PARAMS, count, 3), 0);
    CU_ASSERT_EQUAL(commit(), XLM_ERR_STREAM);
    unmake();
}

static void test_dom_commit_tsc_of_wrong_length_is_refused(void)
{
    make();
    CU_ASSERT_EQUAL(
        xlm__hvm_state_keep(&err, &last, XLM__XC_X86_TSC_INFO, "tsc", 3), 0);
    CU_ASSERT_EQUAL(commit(), XLM_ERR_STREAM);
    unmake();
}

static void test_dom_commit_each_hypervisor_call_that_fails_is_an_error(void)
{
    const struct entry now[] = { { HVM_PARAM_STORE_PFN, 100 },
                                 { HVM_PARAM_CONSOLE_PFN, 101 } };

    for (unsigned n = 1; n <= 3; n++) {
        make();
        keep_params(&last, 2, now); /* IDENT_PT goes: TSC, it, context */
        f->fail_call = n;
        CU_ASSERT_EQUAL(commit(), XLM_ERR_HYPERVISOR);
        CU_ASSERT_EQUAL(f->hvm_context.bytes, 0);
        unmake();
    }
}

static void test_dom_commit_shared_pages_are_those_of_its_users(void)
{
    uint64_t pfns[XLM__HVM_SHARED_MAX];
    size_t nr = 0;

    make();
    CU_ASSERT_EQUAL(
        xlm__hvm_shared_pages(&err, &first.params, NR_PFNS, pfns, &nr), 0);
    CU_ASSERT_EQUAL_FATAL(nr, 2);
    CU_ASSERT_EQUAL(pfns[0], 100);
    CU_ASSERT_EQUAL(pfns[1], 101);
    CU_ASSERT_EQUAL(xlm__hvm_shared_pages(&err, &first.params, 101, pfns, &nr),
                    XLM_ERR_STREAM);
    unmake();
}

static void test_dom_commit_context_is_cut_to_header_and_end(void)
{
    unsigned char context[100], out[XLM__HVM_CONTEXT_MIN];
    const struct hvm_save_descriptor d = {
        .typecode = HVM_SAVE_CODE(HEADER),
        .length = sizeof(HVM_SAVE_TYPE(HEADER)),
    };
    struct xlm__blob b = { context, sizeof(context) };

    make();
    memset(context, 0x77, sizeof(context));
    memcpy(context, &d, sizeof(d));
    CU_ASSERT_EQUAL(xlm__hvm_context_shorten(&err, &b, out), 0);
    CU_ASSERT_EQUAL(memcmp(out, context, 32), 0);
    for (unsigned i = 32; i < 40; i++)
        CU_ASSERT_EQUAL(out[i], 0);
    unmake();
}

static void test_dom_commit_context_without_header_is_refused(void)
{
    unsigned char context[100] = { 2 }, out[XLM__HVM_CONTEXT_MIN];
    struct xlm__blob b = { context, sizeof(context) };

    make();
    CU_ASSERT_EQUAL(xlm__hvm_context_shorten(&err, &b, out), XLM_ERR_STREAM);
    b.bytes = 31;
    context[0] = HVM_SAVE_CODE(HEADER);
    context[4] = sizeof(HVM_SAVE_TYPE(HEADER));
    CU_ASSERT_EQUAL(xlm__hvm_context_shorten(&err, &b, out), XLM_ERR_STREAM);
    b.bytes = 32;
    CU_ASSERT_EQUAL(xlm__hvm_context_shorten(&err, &b, out), 0);
    unmake();
}

static void test_dom_commit_has_a_place_for_three_types(void)
{
    CU_ASSERT_TRUE(xlm__hvm_state_has(XLM__XC_X86_TSC_INFO));
    CU_ASSERT_TRUE(xlm__hvm_state_has(XLM__XC_HVM_CONTEXT));
    CU_ASSERT_TRUE(xlm__hvm_state_has(XLM__XC_HVM_PARAMS));
    CU_ASSERT_FALSE(xlm__hvm_state_has(XLM__XC_STATIC_DATA_END));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_dom_commit_sets_tsc_and_context_and_no_old_parameter),
    UNIT_TEST(test_dom_commit_sets_changed_new_and_gone_parameters),
    UNIT_TEST(test_dom_commit_moved_shared_page_is_refused),
    UNIT_TEST(test_dom_commit_event_channel_is_refused),
    UNIT_TEST(test_dom_commit_unknown_parameter_is_refused),
    UNIT_TEST(test_dom_commit_params_of_wrong_length_are_refused),
    UNIT_TEST(test_dom_commit_tsc_of_wrong_length_is_refused),
    UNIT_TEST(test_dom_commit_each_hypervisor_call_that_fails_is_an_error),
    UNIT_TEST(test_dom_commit_shared_pages_are_those_of_its_users),
    UNIT_TEST(test_dom_commit_context_is_cut_to_header_and_end),
    UNIT_TEST(test_dom_commit_context_without_header_is_refused),
    UNIT_TEST(test_dom_commit_has_a_place_for_three_types),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("dom_commit", tests)
