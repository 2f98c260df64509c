/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "unit.h"
#include "util/uuid.h"

#define TEXT "00112233-4455-6677-8899-aabbccddeeff"

static void test_uuid_parse_and_format_are_inverse(void)
{
    unsigned char uuid[XLM__UUID_BYTES];
    char text[XLM__UUID_TEXT];

    CU_ASSERT_TRUE_FATAL(xlm__uuid_parse(TEXT, uuid));
    for (unsigned i = 0; i < sizeof(uuid); i++)
        CU_ASSERT_EQUAL(uuid[i], 0x11 * i);
    xlm__uuid_format(uuid, text);
    CU_ASSERT_STRING_EQUAL(text, TEXT);
}

static void test_uuid_upper_case_is_the_same(void)
{
    unsigned char a[XLM__UUID_BYTES], b[XLM__UUID_BYTES];

    CU_ASSERT_TRUE_FATAL(xlm__uuid_parse(TEXT, a));
    CU_ASSERT_TRUE_FATAL(
        xlm__uuid_parse("00112233-4455-6677-8899-AABBCCDDEEFF", b));
    CU_ASSERT_TRUE(xlm__uuid_equal(a, b));
    b[15] ^= 1;
    CU_ASSERT_FALSE(xlm__uuid_equal(a, b));
}

/* Every prefix, so also every place where the text may end too early. */
static void test_uuid_cut_short_is_refused(void)
{
    unsigned char uuid[XLM__UUID_BYTES] = { 42 };
    char text[sizeof(TEXT)];

    for (size_t n = 0; n < sizeof(TEXT) - 1; n++) {
        memcpy(text, TEXT, n);
        text[n] = '\0';
        CU_ASSERT_FALSE(xlm__uuid_parse(text, uuid));
    }
    CU_ASSERT_EQUAL(uuid[0], 42);
}

/* A wrong character in every place, dashes included. */
static void test_uuid_bad_character_is_refused(void)
{
    unsigned char uuid[XLM__UUID_BYTES];
    char text[sizeof(TEXT)];

    for (size_t i = 0; i < sizeof(TEXT) - 1; i++) {
        memcpy(text, TEXT, sizeof(TEXT));
        text[i] = 'g';
        CU_ASSERT_FALSE(xlm__uuid_parse(text, uuid));
    }
}

static void test_uuid_something_after_it_is_refused(void)
{
    unsigned char uuid[XLM__UUID_BYTES];

    CU_ASSERT_FALSE(xlm__uuid_parse(TEXT "0", uuid));
    CU_ASSERT_FALSE(xlm__uuid_parse(TEXT " ", uuid));
    CU_ASSERT_FALSE(xlm__uuid_parse(TEXT "\n", uuid));
}

static void test_uuid_random_differs_and_has_its_version(void)
{
    unsigned char a[XLM__UUID_BYTES], b[XLM__UUID_BYTES];

    CU_ASSERT_TRUE_FATAL(xlm__uuid_random(a));
    CU_ASSERT_TRUE_FATAL(xlm__uuid_random(b));
    CU_ASSERT_FALSE(xlm__uuid_equal(a, b));
    CU_ASSERT_EQUAL(a[6] >> 4, 4);
    CU_ASSERT_EQUAL(a[8] >> 6, 2);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_uuid_parse_and_format_are_inverse),
    UNIT_TEST(test_uuid_upper_case_is_the_same),
    UNIT_TEST(test_uuid_cut_short_is_refused),
    UNIT_TEST(test_uuid_bad_character_is_refused),
    UNIT_TEST(test_uuid_something_after_it_is_refused),
    UNIT_TEST(test_uuid_random_differs_and_has_its_version),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("uuid", tests)
