/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "base/version.h"
#include "unit.h"

static void test_version_number_and_text_agree(void)
{
    char text[32];

    snprintf(text, sizeof(text), "%u.%u.%u", xlm_version() / 10000,
             xlm_version() / 100 % 100, xlm_version() % 100);
    CU_ASSERT_STRING_EQUAL(text, xlm__version_text());
    CU_ASSERT_EQUAL(xlm_version(), XLM_VERSION);
}

static void test_strerror_every_code_has_its_own_text(void)
{
    static const int codes[] = {
#define CODE(name, value, text) value,
        XLM_ERROR_MAP(CODE)
#undef CODE
    };
    const size_t nr = sizeof(codes) / sizeof(codes[0]);

    for (size_t a = 0; a < nr; a++) {
        CU_ASSERT_EQUAL(codes[a], -(int)(a + 1)); /* pinned, no holes */
        for (size_t b = a + 1; b < nr; b++) {
            CU_ASSERT_STRING_NOT_EQUAL(xlm_strerror(codes[a]),
                                       xlm_strerror(codes[b]));
            CU_ASSERT_STRING_NOT_EQUAL(xlm__error_name(codes[a]),
                                       xlm__error_name(codes[b]));
        }
    }
}

static void test_strerror_unknown_code_has_a_text(void)
{
    CU_ASSERT_STRING_EQUAL(xlm_strerror(0), "success");
    CU_ASSERT_STRING_EQUAL(xlm_strerror(-999), "unknown error");
    CU_ASSERT_STRING_EQUAL(xlm_strerror(1), "unknown error");
    CU_ASSERT_STRING_EQUAL(xlm__error_name(-999), "UNKNOWN");
    CU_ASSERT_STRING_EQUAL(xlm__error_name(0), "OK");
    CU_ASSERT_STRING_EQUAL(xlm__error_name(XLM_ERR_BUSY), "BUSY");
}

static void test_state_name_every_state_has_its_own(void)
{
    for (int a = XLM_STATE_NEW; a <= XLM_STATE_CANCELLED; a++) {
        CU_ASSERT_STRING_NOT_EQUAL(xlm_state_name((enum xlm_state)a),
                                   "unknown");
        for (int b = a + 1; b <= XLM_STATE_CANCELLED; b++)
            CU_ASSERT_STRING_NOT_EQUAL(xlm_state_name((enum xlm_state)a),
                                       xlm_state_name((enum xlm_state)b));
    }
    CU_ASSERT_STRING_EQUAL(xlm_state_name((enum xlm_state)99), "unknown");
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_version_number_and_text_agree),
    UNIT_TEST(test_strerror_every_code_has_its_own_text),
    UNIT_TEST(test_strerror_unknown_code_has_a_text),
    UNIT_TEST(test_state_name_every_state_has_its_own),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("version", tests)
