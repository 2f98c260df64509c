/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Order of records of a PV domain that is completed early. */
#include "config.h"

#include "flow_fixture.h"

/* Up to BUILT of a PV domain that may be pre-built. */
static void up_to_built_pv(bool may)
{
    union xlm__body offer = { .offer = { .domain_type = XLM__WIRE_PV,
                                         .nr_pfns = 100,
                                         .flags = XLM__OFFER_PREBUILD } };
    union xlm__body checked = { .checked = { .verdict = XLM__VERDICT_OK } };

    checked.checked.flags = may ? XLM__CHECKED_PREBUILD : 0;
    begin(XLM_DESTINATION);
    CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_OFFER, &offer), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_CONFIG), 0);
    state(0x02, 8);
    state(0x11, 1);
    state(0x12, 1);
    state(0x10, 0);
    state(0x03, 16);
    CU_ASSERT_EQUAL(s(XLM__REC_CHECK), 0);
    CU_ASSERT_EQUAL(step(XLM_DESTINATION, XLM__REC_CHECKED, &checked), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_BUILD), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_BUILT), 0);
}

static const union xlm__body with_rings = { .prebuild = { true, 1, 2 } };

static void up_to_prebuilt_pv(void)
{
    up_to_built_pv(true);
    CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_PREBUILD, &with_rings), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_PREBUILT), 0);
}

static void test_flow_prebuild_of_pv_names_its_rings(void)
{
    up_to_built_pv(true);
    CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_PREBUILD, &with_rings), 0);
    CU_ASSERT_EQUAL(final_round(), XLM_ERR_STREAM);
    up_to_prebuilt_pv();
    CU_ASSERT_EQUAL(final_round(), 0);

    up_to_built_pv(true);
    CU_ASSERT_EQUAL(s(XLM__REC_PREBUILD), XLM_ERR_STREAM);
}

static void test_flow_prebuild_of_pv_must_come_if_it_may(void)
{
    up_to_built_pv(true);
    CU_ASSERT_EQUAL(final_round(), XLM_ERR_STREAM);
    up_to_built_pv(false);
    CU_ASSERT_EQUAL(final_round(), 0);
    up_to_built_pv(false);
    CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_PREBUILD, &with_rings),
                    XLM_ERR_STREAM);
}

static void test_flow_prebuild_of_pv_has_no_early_state(void)
{
    up_to_built_pv(true);
    CU_ASSERT_EQUAL(early_again(0x08), XLM_ERR_STREAM);
}

static void test_flow_p2m_may_be_elsewhere_in_the_tail_once(void)
{
    for (int early = 0; early < 2; early++) {
        early ? up_to_prebuilt_pv() : up_to_built_pv(false);
        CU_ASSERT_EQUAL(final_round(), 0);
        a_round(XLM__REC_ROUND_END, XLM_SOURCE, 1, true);
        CU_ASSERT_EQUAL(early_again(0x03), early ? 0 : XLM_ERR_STREAM);
        CU_ASSERT_EQUAL(early_again(0x03), XLM_ERR_STREAM);
    }
}

static void test_flow_release_of_pv_is_final_after_prebuild(void)
{
    for (int early = 0; early < 2; early++) {
        early ? up_to_prebuilt_pv() : up_to_built_pv(false);
        a_round(XLM__REC_ROUND_BEGIN, XLM_SOURCE, 1, false);
        CU_ASSERT_EQUAL(s(XLM__REC_RELEASE), early ? XLM_ERR_STREAM : 0);
    }
    up_to_prebuilt_pv();
    CU_ASSERT_EQUAL(final_round(), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_RELEASE), 0);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_flow_prebuild_of_pv_names_its_rings),
    UNIT_TEST(test_flow_prebuild_of_pv_must_come_if_it_may),
    UNIT_TEST(test_flow_prebuild_of_pv_has_no_early_state),
    UNIT_TEST(test_flow_p2m_may_be_elsewhere_in_the_tail_once),
    UNIT_TEST(test_flow_release_of_pv_is_final_after_prebuild),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("stream_flow_pv", tests)
