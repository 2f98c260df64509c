/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order of records when both sides do not walk the golden path. */
#include "config.h"

#include "flow_fixture.h"

static uint32_t offer_flags;

/* Walk the right way, up to a state. */
static void up_to(enum xlm_role role, enum xlm__flow_state end)
{
    union xlm__body offer = { .offer = { .domain_type = XLM__WIRE_PVH,
                                         .nr_pfns = 100,
                                         .flags = offer_flags } };

    begin(role);
    CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_OFFER, &offer), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_CONFIG), 0);
    state(0x11, 1);
    state(0x12, 1);
    if (end >= XLM__FLOW_CHECKING)
        CU_ASSERT_EQUAL(s(XLM__REC_CHECK), 0);
    if (end >= XLM__FLOW_CHECKED)
        CU_ASSERT_EQUAL(d(XLM__REC_CHECKED), 0);
    if (end >= XLM__FLOW_BUILDING)
        CU_ASSERT_EQUAL(s(XLM__REC_BUILD), 0);
    if (end >= XLM__FLOW_BUILT) {
        CU_ASSERT_EQUAL(d(XLM__REC_BUILT), 0);
        state(0x10, 0);
    }
    if (end >= XLM__FLOW_FINAL)
        a_round(XLM__REC_ROUND_BEGIN, XLM_SOURCE, 1, true);
    if (end >= XLM__FLOW_TAIL) {
        a_round(XLM__REC_ROUND_END, XLM_SOURCE, 1, true);
        state(0x08, 1);
        state(0x09, 1);
        state(0x0a, 1);
    }
    if (end >= XLM__FLOW_TAIL_ENDED)
        CU_ASSERT_EQUAL(s(XLM__REC_TAIL_END), 0);
    if (end >= XLM__FLOW_READY) {
        a_round(XLM__REC_ROUND_DONE, XLM_DESTINATION, 1, true);
        CU_ASSERT_EQUAL(d(XLM__REC_READY), 0);
    }
    if (end >= XLM__FLOW_PERMITTED)
        CU_ASSERT_EQUAL(s(XLM__REC_PERMIT), 0);
    if (end >= XLM__FLOW_COMMITTED)
        CU_ASSERT_EQUAL(d(XLM__REC_COMMIT), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__flow_state(&f), end);
}

/* Up to BUILT, pre-building asked for and allowed as said. */
static void up_to_built_of(enum xlm_role role, bool asked, bool allowed,
                           uint32_t domain_type)
{
    union xlm__body offer = { .offer = { .domain_type = domain_type,
                                         .nr_pfns = 100 } };
    union xlm__body checked = { .checked = { .verdict = XLM__VERDICT_OK } };

    if (asked)
        offer.offer.flags = XLM__OFFER_PREBUILD;
    if (allowed)
        checked.checked.flags = XLM__CHECKED_PREBUILD;
    begin(role);
    CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_OFFER, &offer), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_CONFIG), 0);
    state(0x11, 1);
    state(0x12, 1);
    state(0x10, 0);
    CU_ASSERT_EQUAL(s(XLM__REC_CHECK), 0);
    CU_ASSERT_EQUAL(step(XLM_DESTINATION, XLM__REC_CHECKED, &checked),
                    allowed && !asked ? XLM_ERR_STREAM : 0);
    if (allowed && !asked)
        return;
    CU_ASSERT_EQUAL(s(XLM__REC_BUILD), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_BUILT), 0);
}

static void up_to_built(enum xlm_role role, bool asked, bool allowed)
{
    up_to_built_of(role, asked, allowed, XLM__WIRE_PVH);
}

static void early_state(void)
{
    state(0x08, 1);
    state(0x09, 1);
    state(0x0a, 1);
}

static void test_flow_prebuild_then_final_round_is_right(void)
{
    up_to_built(XLM_DESTINATION, true, true);
    early_state();
    CU_ASSERT_EQUAL(s(XLM__REC_PREBUILD), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_PREBUILT), 0);
    CU_ASSERT_EQUAL(final_round(), 0);
    a_round(XLM__REC_ROUND_END, XLM_SOURCE, 1, true);
    early_state(); /* the tail's own */
    CU_ASSERT_EQUAL(s(XLM__REC_TAIL_END), 0);
}

static void test_flow_prebuild_of_hvm_ends_with_its_dm_state(void)
{
    union xlm__body part = { .dm = { .total = 5, .bytes = 5 } };

    for (int sent = 0; sent < 2; sent++) {
        up_to_built_of(XLM_DESTINATION, true, true, XLM__WIRE_HVM);
        early_state();
        CU_ASSERT_EQUAL(s(XLM__REC_PREBUILD), 0);
        CU_ASSERT_EQUAL(d(XLM__REC_PREBUILT), 0);
        CU_ASSERT_EQUAL(final_round(), 0);
        a_round(XLM__REC_ROUND_END, XLM_SOURCE, 1, true);
        early_state();
        if (sent)
            CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_DM_STATE, &part), 0);
        CU_ASSERT_EQUAL(s(XLM__REC_TAIL_END), sent ? 0 : XLM_ERR_STREAM);
    }
}

static void test_flow_prebuild_of_pvh_names_no_rings(void)
{
    const union xlm__body rings = { .prebuild = { true, 1, 2 } };

    up_to_built(XLM_DESTINATION, true, true);
    early_state();
    CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_PREBUILD, &rings),
                    XLM_ERR_STREAM);
}

static void test_flow_prebuild_that_was_not_allowed_is_refused(void)
{
    up_to_built(XLM_DESTINATION, true, false);
    CU_ASSERT_EQUAL(early_again(0x08), XLM_ERR_STREAM);
    up_to_built(XLM_DESTINATION, true, false);
    CU_ASSERT_EQUAL(s(XLM__REC_PREBUILD), XLM_ERR_STREAM);
}

static void test_flow_prebuild_allowed_unasked_is_refused(void)
{
    up_to_built(XLM_SOURCE, false, true);
}

static void test_flow_prebuild_without_all_state_is_refused(void)
{
    up_to_built(XLM_DESTINATION, true, true);
    state(0x08, 1);
    state(0x0a, 1);
    CU_ASSERT_EQUAL(s(XLM__REC_PREBUILD), XLM_ERR_STREAM);
}

static void test_flow_prebuild_state_twice_is_refused(void)
{
    up_to_built(XLM_DESTINATION, true, true);
    early_state();
    CU_ASSERT_EQUAL(early_again(0x09), XLM_ERR_STREAM);
}

static void test_flow_prebuild_state_after_it_is_refused(void)
{
    up_to_built(XLM_DESTINATION, true, true);
    early_state();
    CU_ASSERT_EQUAL(s(XLM__REC_PREBUILD), 0);
    CU_ASSERT_EQUAL(early_again(0x09), XLM_ERR_STREAM);
}

static void test_flow_prebuild_state_without_it_is_refused(void)
{
    up_to_built(XLM_DESTINATION, true, true);
    early_state();
    CU_ASSERT_EQUAL(final_round(), XLM_ERR_STREAM);
}

static void test_flow_prebuild_unanswered_holds_the_final_round(void)
{
    up_to_built(XLM_DESTINATION, true, true);
    early_state();
    CU_ASSERT_EQUAL(s(XLM__REC_PREBUILD), 0);
    a_round(XLM__REC_ROUND_BEGIN, XLM_SOURCE, 1, false);
    a_round(XLM__REC_ROUND_END, XLM_SOURCE, 1, false);
    a_round(XLM__REC_ROUND_DONE, XLM_DESTINATION, 1, false);
    {
        union xlm__body b = { .round = { 2, XLM__ROUND_FINAL, 0, 0 } };

        CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_ROUND_BEGIN, &b),
                        XLM_ERR_STREAM);
    }
}

static void test_flow_prebuilt_unasked_or_twice_is_refused(void)
{
    up_to_built(XLM_SOURCE, true, true);
    CU_ASSERT_EQUAL(d(XLM__REC_PREBUILT), XLM_ERR_STREAM);
    up_to_built(XLM_SOURCE, true, true);
    early_state();
    CU_ASSERT_EQUAL(s(XLM__REC_PREBUILD), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_PREBUILT), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_PREBUILT), XLM_ERR_STREAM);
}

static void test_flow_permit_before_ready_is_refused(void)
{
    up_to(XLM_DESTINATION, XLM__FLOW_TAIL_ENDED);
    CU_ASSERT_EQUAL(s(XLM__REC_PERMIT), XLM_ERR_STREAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "PERMIT at 0x0 in state "
                                            "TAIL_ENDED"));
}

static void test_flow_commit_before_permit_is_refused(void)
{
    up_to(XLM_SOURCE, XLM__FLOW_READY);
    CU_ASSERT_EQUAL(d(XLM__REC_COMMIT), XLM_ERR_STREAM);
}

static void test_flow_our_own_mistake_is_internal(void)
{
    up_to(XLM_SOURCE, XLM__FLOW_TAIL_ENDED);
    CU_ASSERT_EQUAL(s(XLM__REC_PERMIT), XLM_ERR_INTERNAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "PERMIT cannot be sent"));
}

static void test_flow_ready_before_round_done_is_refused(void)
{
    up_to(XLM_SOURCE, XLM__FLOW_TAIL_ENDED);
    CU_ASSERT_EQUAL(d(XLM__REC_READY), XLM_ERR_STREAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "ROUND_DONE has not come"));
}

static void test_flow_round_done_twice_is_refused(void)
{
    union xlm__body b = { .round = { 1, XLM__ROUND_FINAL, 0, 0 } };

    up_to(XLM_SOURCE, XLM__FLOW_TAIL);
    a_round(XLM__REC_ROUND_DONE, XLM_DESTINATION, 1, true);
    CU_ASSERT_EQUAL(step(XLM_DESTINATION, XLM__REC_ROUND_DONE, &b),
                    XLM_ERR_STREAM);
}

static void test_flow_next_round_before_round_done_is_refused(void)
{
    union xlm__body b = { .round = { 2, 0, 0, 0 } };

    up_to(XLM_DESTINATION, XLM__FLOW_BUILT);
    a_round(XLM__REC_ROUND_BEGIN, XLM_SOURCE, 1, false);
    a_round(XLM__REC_ROUND_END, XLM_SOURCE, 1, false);
    CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_ROUND_BEGIN, &b), XLM_ERR_STREAM);
}

static void test_flow_check_without_policies_is_refused(void)
{
    union xlm__body offer = { .offer = { .domain_type = XLM__WIRE_PVH } };

    begin(XLM_DESTINATION);
    CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_OFFER, &offer), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_CONFIG), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_CHECK), XLM_ERR_STREAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "not all state has come"));
}

static void test_flow_policy_after_build_is_refused(void)
{
    union xlm__body b = { .state = { .xc_type = 0x11, .bytes = 1 } };

    up_to(XLM_DESTINATION, XLM__FLOW_BUILT);
    CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_STATE, &b), XLM_ERR_STREAM);
}

static void test_flow_dm_state_of_pvh_is_refused(void)
{
    up_to(XLM_DESTINATION, XLM__FLOW_TAIL);
    CU_ASSERT_EQUAL(s(XLM__REC_DM_STATE), XLM_ERR_STREAM);
}

static void test_flow_257_findings_are_refused(void)
{
    up_to(XLM_SOURCE, XLM__FLOW_CHECKING);
    for (unsigned i = 0; i < 256; i++)
        CU_ASSERT_EQUAL(d(XLM__REC_FINDING), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_FINDING), XLM_ERR_STREAM);
}

static void test_flow_seventeenth_open_ping_is_refused(void)
{
    up_to(XLM_DESTINATION, XLM__FLOW_BUILT);
    for (unsigned i = 0; i < 16; i++)
        CU_ASSERT_EQUAL(s(XLM__REC_CLOCK_PING), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_CLOCK_PING), XLM_ERR_STREAM);
}

static void test_flow_pong_without_ping_is_refused(void)
{
    up_to(XLM_SOURCE, XLM__FLOW_BUILT);
    CU_ASSERT_EQUAL(d(XLM__REC_CLOCK_PONG), XLM_ERR_STREAM);
}

static void test_flow_pong_after_bye_of_dry_run_is_taken(void)
{
    up_to(XLM_SOURCE, XLM__FLOW_CHECKED);
    CU_ASSERT_EQUAL(s(XLM__REC_CLOCK_PING), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_BYE), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_CLOCK_PONG), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_BYE), 0);
    CU_ASSERT_EQUAL(xlm__flow_state(&f), XLM__FLOW_DONE);
}

static void test_flow_permit_that_crosses_abort_is_ignored(void)
{
    up_to(XLM_DESTINATION, XLM__FLOW_READY);
    CU_ASSERT_EQUAL(d(XLM__REC_ABORT), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_PERMIT), 0);
    CU_ASSERT_TRUE(ignored);
    /* and the domain is never committed */
    CU_ASSERT_EQUAL(d(XLM__REC_COMMIT), XLM_ERR_CANCELLED);
    CU_ASSERT_EQUAL(d(XLM__REC_ABORTED), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_BYE), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_BYE), 0);
    CU_ASSERT_EQUAL(xlm__flow_state(&f), XLM__FLOW_DONE);
}

static void test_flow_permit_that_crosses_aborted_is_ignored(void)
{
    up_to(XLM_DESTINATION, XLM__FLOW_READY);
    CU_ASSERT_EQUAL(d(XLM__REC_ABORTED), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_PERMIT), 0);
    CU_ASSERT_TRUE(ignored);
    CU_ASSERT_EQUAL(d(XLM__REC_COMMIT), XLM_ERR_CANCELLED);
    CU_ASSERT_EQUAL(xlm__flow_state(&f), XLM__FLOW_ABORTED);
}

static void test_flow_source_sees_abort_after_its_permit(void)
{
    up_to(XLM_SOURCE, XLM__FLOW_PERMITTED);
    CU_ASSERT_EQUAL(d(XLM__REC_ABORT), 0);
    CU_ASSERT_EQUAL(xlm__flow_state(&f), XLM__FLOW_ABORTING);
    CU_ASSERT_EQUAL(d(XLM__REC_COMMIT), XLM_ERR_STREAM);
}

static void test_flow_aborted_after_permit_is_taken(void)
{
    up_to(XLM_SOURCE, XLM__FLOW_PERMITTED);
    CU_ASSERT_EQUAL(d(XLM__REC_ABORTED), 0);
    CU_ASSERT_EQUAL(xlm__flow_state(&f), XLM__FLOW_ABORTED);
}

static void test_flow_source_cannot_abort_after_permit(void)
{
    up_to(XLM_SOURCE, XLM__FLOW_PERMITTED);
    CU_ASSERT_EQUAL(s(XLM__REC_ABORT), XLM_ERR_INTERNAL);
}

static void test_flow_abort_after_commit_is_refused(void)
{
    up_to(XLM_SOURCE, XLM__FLOW_COMMITTED);
    CU_ASSERT_EQUAL(d(XLM__REC_ABORT), XLM_ERR_STREAM);
}

static void test_flow_aborted_after_commit_is_refused(void)
{
    up_to(XLM_SOURCE, XLM__FLOW_COMMITTED);
    CU_ASSERT_EQUAL(d(XLM__REC_ABORTED), XLM_ERR_STREAM);
}

static void test_flow_ready_that_crosses_our_abort_is_ignored(void)
{
    up_to(XLM_SOURCE, XLM__FLOW_TAIL_ENDED);
    CU_ASSERT_EQUAL(s(XLM__REC_ABORT), 0);
    a_round(XLM__REC_ROUND_DONE, XLM_DESTINATION, 1, true);
    CU_ASSERT_TRUE(ignored);
    CU_ASSERT_EQUAL(d(XLM__REC_READY), 0);
    CU_ASSERT_TRUE(ignored);
    /* another thread of ours did not know yet */
    CU_ASSERT_EQUAL(s(XLM__REC_PERMIT), XLM_ERR_CANCELLED);
    CU_ASSERT_EQUAL(d(XLM__REC_ABORTED), 0);
    CU_ASSERT_FALSE(ignored);
    CU_ASSERT_EQUAL(xlm__errslot_code(&err), 0);
}

static void test_flow_commit_after_our_abort_is_refused(void)
{
    up_to(XLM_SOURCE, XLM__FLOW_READY);
    CU_ASSERT_EQUAL(s(XLM__REC_ABORT), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_COMMIT), XLM_ERR_STREAM);
}

static void test_flow_sending_after_the_peer_gave_up_is_not_recorded(void)
{
    up_to(XLM_SOURCE, XLM__FLOW_FINAL);
    CU_ASSERT_EQUAL(d(XLM__REC_ABORT), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_RELEASE), XLM_ERR_PEER);
    CU_ASSERT_EQUAL(s(XLM__REC_ABORT), XLM_ERR_PEER);
    CU_ASSERT_EQUAL(xlm__errslot_code(&err), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_BYE), 0);
}

static void test_flow_both_abort_at_once(void)
{
    up_to(XLM_DESTINATION, XLM__FLOW_FINAL);
    CU_ASSERT_EQUAL(d(XLM__REC_ABORT), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_ABORT), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_ABORTED), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_BYE), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_BYE), 0);
    CU_ASSERT_EQUAL(xlm__flow_state(&f), XLM__FLOW_DONE);
}

static void test_flow_record_after_bye_is_refused(void)
{
    up_to(XLM_DESTINATION, XLM__FLOW_CHECKED);
    CU_ASSERT_EQUAL(s(XLM__REC_BYE), 0);
    CU_ASSERT_EQUAL(s(XLM__REC_BUILD), XLM_ERR_STREAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "has said BYE"));
}

static void test_flow_port_that_was_not_asked_for_is_refused(void)
{
    const union xlm__body built = { .built = { .domid = 1, .port = 5 } };
    const union xlm__body build = { .build = { .port = XLM__PORT_PLAIN } };

    up_to(XLM_SOURCE, XLM__FLOW_BUILDING);
    CU_ASSERT_EQUAL(step(XLM_DESTINATION, XLM__REC_BUILT, &built),
                    XLM_ERR_STREAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no port was asked for"));
    up_to(XLM_SOURCE, XLM__FLOW_CHECKED);
    CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_BUILD, &build), 0);
    CU_ASSERT_EQUAL(step(XLM_DESTINATION, XLM__REC_BUILT, &built), 0);
}

static void test_flow_only_offer_and_giving_up_may_come_first(void)
{
#define NAME(name, value) XLM__REC_##name,
    static const uint32_t types[] = { XLM__REC_MAP(NAME) };
#undef NAME
    unsigned taken = 0;

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        for (int by = XLM_SOURCE; by <= XLM_DESTINATION; by++) {
            static const union xlm__body none;

            begin(by == XLM_SOURCE ? XLM_DESTINATION : XLM_SOURCE);
            taken += step((enum xlm_role)by, types[i], &none) == 0;
        }
    }
    /* OFFER; ABORT of either; ABORTED */
    CU_ASSERT_EQUAL(taken, 4);
}

/* ---- samples ---- */

/* Up to BUILT, and through a round. */
static void between(uint32_t flags)
{
    offer_flags = flags;
    up_to(XLM_DESTINATION, XLM__FLOW_BUILT);
    offer_flags = 0;
    a_round(XLM__REC_ROUND_BEGIN, XLM_SOURCE, 1, false);
    a_round(XLM__REC_ROUND_END, XLM_SOURCE, 1, false);
    a_round(XLM__REC_ROUND_DONE, XLM_DESTINATION, 1, false);
    CU_ASSERT_EQUAL(xlm__flow_state(&f), XLM__FLOW_BETWEEN);
}

static void test_flow_sample_ends_by_bye_between_rounds(void)
{
    between(XLM__OFFER_SAMPLE);
    CU_ASSERT_EQUAL(s(XLM__REC_BYE), 0);
    CU_ASSERT_EQUAL(d(XLM__REC_BYE), 0);
    CU_ASSERT_EQUAL(xlm__flow_state(&f), XLM__FLOW_DONE);
    between(XLM__OFFER_SAMPLE);
    a_round(XLM__REC_ROUND_BEGIN, XLM_SOURCE, 2, false);
    CU_ASSERT_EQUAL(s(XLM__REC_BYE), XLM_ERR_STREAM);
}

static void test_flow_bye_between_rounds_of_a_move_is_refused(void)
{
    between(0);
    CU_ASSERT_EQUAL(s(XLM__REC_BYE), XLM_ERR_STREAM);
}

static void test_flow_sample_has_no_last_round(void)
{
    const union xlm__body last = { .round = { 2, XLM__ROUND_FINAL, 0, 0 } };

    between(XLM__OFFER_SAMPLE);
    CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_ROUND_BEGIN, &last),
                    XLM_ERR_STREAM);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_flow_sample_ends_by_bye_between_rounds),
    UNIT_TEST(test_flow_bye_between_rounds_of_a_move_is_refused),
    UNIT_TEST(test_flow_sample_has_no_last_round),
    UNIT_TEST(test_flow_prebuild_then_final_round_is_right),
    UNIT_TEST(test_flow_prebuild_of_hvm_ends_with_its_dm_state),
    UNIT_TEST(test_flow_prebuild_of_pvh_names_no_rings),
    UNIT_TEST(test_flow_prebuild_that_was_not_allowed_is_refused),
    UNIT_TEST(test_flow_prebuild_allowed_unasked_is_refused),
    UNIT_TEST(test_flow_prebuild_without_all_state_is_refused),
    UNIT_TEST(test_flow_prebuild_state_twice_is_refused),
    UNIT_TEST(test_flow_prebuild_state_after_it_is_refused),
    UNIT_TEST(test_flow_prebuild_state_without_it_is_refused),
    UNIT_TEST(test_flow_prebuild_unanswered_holds_the_final_round),
    UNIT_TEST(test_flow_prebuilt_unasked_or_twice_is_refused),
    UNIT_TEST(test_flow_permit_before_ready_is_refused),
    UNIT_TEST(test_flow_commit_before_permit_is_refused),
    UNIT_TEST(test_flow_our_own_mistake_is_internal),
    UNIT_TEST(test_flow_ready_before_round_done_is_refused),
    UNIT_TEST(test_flow_round_done_twice_is_refused),
    UNIT_TEST(test_flow_next_round_before_round_done_is_refused),
    UNIT_TEST(test_flow_check_without_policies_is_refused),
    UNIT_TEST(test_flow_policy_after_build_is_refused),
    UNIT_TEST(test_flow_dm_state_of_pvh_is_refused),
    UNIT_TEST(test_flow_257_findings_are_refused),
    UNIT_TEST(test_flow_seventeenth_open_ping_is_refused),
    UNIT_TEST(test_flow_pong_without_ping_is_refused),
    UNIT_TEST(test_flow_pong_after_bye_of_dry_run_is_taken),
    UNIT_TEST(test_flow_permit_that_crosses_abort_is_ignored),
    UNIT_TEST(test_flow_permit_that_crosses_aborted_is_ignored),
    UNIT_TEST(test_flow_source_sees_abort_after_its_permit),
    UNIT_TEST(test_flow_aborted_after_permit_is_taken),
    UNIT_TEST(test_flow_source_cannot_abort_after_permit),
    UNIT_TEST(test_flow_abort_after_commit_is_refused),
    UNIT_TEST(test_flow_aborted_after_commit_is_refused),
    UNIT_TEST(test_flow_ready_that_crosses_our_abort_is_ignored),
    UNIT_TEST(test_flow_commit_after_our_abort_is_refused),
    UNIT_TEST(test_flow_sending_after_the_peer_gave_up_is_not_recorded),
    UNIT_TEST(test_flow_both_abort_at_once),
    UNIT_TEST(test_flow_record_after_bye_is_refused),
    UNIT_TEST(test_flow_port_that_was_not_asked_for_is_refused),
    UNIT_TEST(test_flow_only_offer_and_giving_up_may_come_first),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("stream_flow", tests)
