/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "mem/zero.h"
#include "unit.h"

static unsigned char page[4096] __attribute__((aligned(4096)));

static void test_zero_empty_page_is_zero(void)
{
    memset(page, 0, sizeof(page));
    CU_ASSERT_TRUE(xlm__page_is_zero(page));
}

static void test_zero_any_single_byte_is_seen(void)
{
    unsigned wrong = 0;

    memset(page, 0, sizeof(page));
    for (unsigned i = 0; i < sizeof(page); i++) {
        page[i] = i % 2 ? 0x01 : 0x80;
        wrong += xlm__page_is_zero(page);
        page[i] = 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_TRUE(xlm__page_is_zero(page));
}

static void test_zero_full_page_is_not_zero(void)
{
    memset(page, 0xff, sizeof(page));
    CU_ASSERT_FALSE(xlm__page_is_zero(page));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_zero_empty_page_is_zero),
    UNIT_TEST(test_zero_any_single_byte_is_seen),
    UNIT_TEST(test_zero_full_page_is_not_zero),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("zero", tests)
