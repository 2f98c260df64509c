/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "toolstack/toolstack.h"
#include "unit.h"

static void test_findings_new_list_is_empty_and_not_blocked(void)
{
    struct xlm__findings *f = xlm__findings_new();

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(xlm__findings_count(f), 0);
    CU_ASSERT_PTR_NULL(xlm__findings_get(f, 0));
    CU_ASSERT_FALSE(xlm__findings_blocked(f));
    xlm__findings_free(f);
}

static void test_findings_add_copies_and_formats(void)
{
    struct xlm__findings *f = xlm__findings_new();
    char code[] = "bridge-missing";
    const struct xlm_finding *got;

    CU_ASSERT_EQUAL(xlm__findings_add(f, XLM_FINDING_WARN, code, "do it",
                                      "bridge %s, %d", "br0", 7),
                    0);
    code[0] = 'X';
    got = xlm__findings_get(f, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got);
    CU_ASSERT_EQUAL(got->severity, XLM_FINDING_WARN);
    CU_ASSERT_STRING_EQUAL(got->code, "bridge-missing");
    CU_ASSERT_STRING_EQUAL(got->message, "bridge br0, 7");
    CU_ASSERT_STRING_EQUAL(got->advice, "do it");
    CU_ASSERT_FALSE(xlm__findings_blocked(f));
    xlm__findings_free(f);
}

static void test_findings_one_block_among_many_blocks(void)
{
    struct xlm__findings *f = xlm__findings_new();

    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(
            xlm__findings_add(f, i == 57 ? XLM_FINDING_BLOCK : XLM_FINDING_NOTE,
                              "code", "", "number %d", i),
            0);
    CU_ASSERT_EQUAL(xlm__findings_count(f), 100);
    CU_ASSERT_STRING_EQUAL(xlm__findings_get(f, 99)->message, "number 99");
    CU_ASSERT_TRUE(xlm__findings_blocked(f));
    xlm__findings_free(f);
}

static void test_findings_message_with_newline_stays_one_line(void)
{
    struct xlm__findings *f = xlm__findings_new();

    CU_ASSERT_EQUAL(
        xlm__findings_add(f, XLM_FINDING_NOTE, "c", "", "a\nb\x1b[2J"), 0);
    CU_ASSERT_PTR_NULL(strchr(xlm__findings_get(f, 0)->message, '\n'));
    CU_ASSERT_PTR_NULL(strchr(xlm__findings_get(f, 0)->message, '\x1b'));
    xlm__findings_free(f);
}

static void test_findings_free_of_null_is_allowed(void)
{
    xlm__findings_free(NULL);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_findings_new_list_is_empty_and_not_blocked),
    UNIT_TEST(test_findings_add_copies_and_formats),
    UNIT_TEST(test_findings_one_block_among_many_blocks),
    UNIT_TEST(test_findings_message_with_newline_stays_one_line),
    UNIT_TEST(test_findings_free_of_null_is_allowed),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("findings", tests)
