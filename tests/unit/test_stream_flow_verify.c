/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order of the records that compare all memory. */
#include "config.h"

#include "flow_fixture.h"

static void whole_final_round(void)
{
    union xlm__body b = { .round = { 1, XLM__ROUND_FINAL, 0, 0 } };

    CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_ROUND_BEGIN, &b), 0);
    CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_ROUND_END, &b), 0);
    CU_ASSERT_EQUAL(step(XLM_DESTINATION, XLM__REC_ROUND_DONE, &b), 0);
}

/* Of 300 pages, two sums; compared: was VERIFY sent? */
static void up_to_tail(enum xlm_role role, bool compared)
{
    union xlm__body offer = { .offer = { .domain_type = XLM__WIRE_PVH,
                                         .nr_pfns = 300 } };
    union xlm__body ok = { .checked = { .verdict = XLM__VERDICT_OK } };

    begin(role);
    CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_OFFER, &offer), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_CONFIG), 0);
    state(0x11, 1);
    state(0x12, 1);
    state(0x10, 0);
    CU_ASSERT_EQUAL(s(XLM__REC_CHECK), 0);
    CU_ASSERT_EQUAL(step(XLM_DESTINATION, XLM__REC_CHECKED, &ok), 0);
    if (compared)
        CU_ASSERT_EQUAL(s(XLM__REC_VERIFY), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_BUILD), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_BUILT), 0);
    whole_final_round();
    state(0x08, 1);
    state(0x09, 1);
    state(0x0a, 1);
}

static void up_to_sums(enum xlm_role role)
{
    up_to_tail(role, true);
}

static int sums(uint64_t first, uint32_t nr)
{
    union xlm__body b = { .sums = { .first = first, .nr = nr } };

    return step(XLM_SOURCE, XLM__REC_SUMS, &b);
}

static int ask(uint64_t sum)
{
    union xlm__body b = { .asked = sum };

    return step(XLM_DESTINATION, XLM__REC_ASK, &b);
}

static int hashes(uint64_t sum)
{
    union xlm__body b = { .sums = { .first = sum, .nr = 256 } };

    return step(XLM_SOURCE, XLM__REC_HASHES, &b);
}

static void test_flow_verify_asked_and_answered_is_right(void)
{
    up_to_sums(XLM_SOURCE);
    CU_ASSERT_EQUAL(s(XLM__REC_SPARED), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_TAIL_END), 0);
    CU_ASSERT_EQUAL(sums(0, 1), 0);
    CU_ASSERT_EQUAL(sums(1, 1), 0);
    CU_ASSERT_EQUAL(ask(1), 0);
    CU_ASSERT_EQUAL(hashes(1), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_VERIFIED), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_READY), 0);
}

static void test_flow_verify_tail_without_spared_is_refused(void)
{
    up_to_sums(XLM_DESTINATION);
    CU_ASSERT_EQUAL(s(XLM__REC_TAIL_END), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(s(XLM__REC_SPARED), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_SPARED), XLM_ERR_STREAM);
}

static void up_to_asking(enum xlm_role role)
{
    up_to_sums(role);
    CU_ASSERT_EQUAL(s(XLM__REC_SPARED), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_TAIL_END), 0);
}

static void test_flow_verify_sums_out_of_order_are_refused(void)
{
    up_to_asking(XLM_DESTINATION);
    CU_ASSERT_EQUAL(sums(1, 1), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(sums(0, 1), 0);
    CU_ASSERT_EQUAL(sums(0, 1), XLM_ERR_STREAM);
}

static void test_flow_verify_question_before_all_sums_is_refused(void)
{
    up_to_asking(XLM_SOURCE);
    CU_ASSERT_EQUAL(sums(0, 1), 0);
    CU_ASSERT_EQUAL(ask(0), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(d(XLM__REC_VERIFIED), XLM_ERR_STREAM);
}

static void test_flow_verify_second_question_at_once_is_refused(void)
{
    up_to_asking(XLM_SOURCE);
    CU_ASSERT_EQUAL(sums(0, 2), 0);
    CU_ASSERT_EQUAL(ask(0), 0);
    CU_ASSERT_EQUAL(ask(1), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(d(XLM__REC_VERIFIED), XLM_ERR_STREAM);
}

static void test_flow_verify_seventeen_questions_are_refused(void)
{
    up_to_asking(XLM_SOURCE);
    CU_ASSERT_EQUAL(sums(0, 2), 0);
    for (unsigned i = 0; i < 16; i++) {
        CU_ASSERT_EQUAL(ask(i & 1), 0);
        CU_ASSERT_EQUAL(hashes(i & 1), 0);
    }
    CU_ASSERT_EQUAL(ask(0), XLM_ERR_STREAM);
}

static void test_flow_verify_answer_to_nothing_is_refused(void)
{
    up_to_asking(XLM_DESTINATION);
    CU_ASSERT_EQUAL(sums(0, 2), 0);
    CU_ASSERT_EQUAL(hashes(0), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(ask(0), 0);
    CU_ASSERT_EQUAL(hashes(1), XLM_ERR_STREAM);
}

static void test_flow_verify_ready_without_its_result_is_refused(void)
{
    up_to_asking(XLM_SOURCE);
    CU_ASSERT_EQUAL(sums(0, 2), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_READY), XLM_ERR_STREAM);
}

static void test_flow_sums_that_verify_did_not_announce_are_refused(void)
{
    up_to_tail(XLM_DESTINATION, false);
    CU_ASSERT_EQUAL(s(XLM__REC_SPARED), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(s(XLM__REC_TAIL_END), 0);
    CU_ASSERT_EQUAL(sums(0, 1), XLM_ERR_STREAM);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_flow_verify_asked_and_answered_is_right),
    UNIT_TEST(test_flow_verify_tail_without_spared_is_refused),
    UNIT_TEST(test_flow_verify_sums_out_of_order_are_refused),
    UNIT_TEST(test_flow_verify_question_before_all_sums_is_refused),
    UNIT_TEST(test_flow_verify_second_question_at_once_is_refused),
    UNIT_TEST(test_flow_verify_seventeen_questions_are_refused),
    UNIT_TEST(test_flow_verify_answer_to_nothing_is_refused),
    UNIT_TEST(test_flow_verify_ready_without_its_result_is_refused),
    UNIT_TEST(test_flow_sums_that_verify_did_not_announce_are_refused),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("stream_flow_verify", tests)
