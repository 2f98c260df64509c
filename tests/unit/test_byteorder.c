/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "unit.h"
#include "util/byteorder.h"

/* Read at every offset of a word, so that alignment is of no account. */
static const unsigned char bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

static void test_byteorder_little_endian_low_byte_first(void)
{
    CU_ASSERT_EQUAL(xlm__get_le16(bytes + 1), 0x0302);
    CU_ASSERT_EQUAL(xlm__get_le32(bytes + 1), 0x05040302);
    CU_ASSERT_EQUAL(xlm__get_le64(bytes + 1), UINT64_C(0x0908070605040302));
}

static void test_byteorder_big_endian_high_byte_first(void)
{
    CU_ASSERT_EQUAL(xlm__get_be16(bytes + 1), 0x0203);
    CU_ASSERT_EQUAL(xlm__get_be32(bytes + 1), 0x02030405);
    CU_ASSERT_EQUAL(xlm__get_be64(bytes + 1), UINT64_C(0x0203040506070809));
}

static void test_byteorder_put_is_the_reverse_of_get(void)
{
    unsigned char out[9] = { 0 };

    xlm__put_le16(out + 1, 0x0302);
    CU_ASSERT_EQUAL(memcmp(out + 1, bytes + 1, 2), 0);
    xlm__put_le32(out + 1, 0x05040302);
    CU_ASSERT_EQUAL(memcmp(out + 1, bytes + 1, 4), 0);
    xlm__put_le64(out + 1, UINT64_C(0x0908070605040302));
    CU_ASSERT_EQUAL(memcmp(out + 1, bytes + 1, 8), 0);
    memset(out, 0, sizeof(out));
    xlm__put_be16(out + 1, 0x0203);
    CU_ASSERT_EQUAL(memcmp(out + 1, bytes + 1, 2), 0);
    xlm__put_be32(out + 1, 0x02030405);
    CU_ASSERT_EQUAL(memcmp(out + 1, bytes + 1, 4), 0);
    xlm__put_be64(out + 1, UINT64_C(0x0203040506070809));
    CU_ASSERT_EQUAL(memcmp(out + 1, bytes + 1, 8), 0);
    CU_ASSERT_EQUAL(out[0], 0);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_byteorder_little_endian_low_byte_first),
    UNIT_TEST(test_byteorder_big_endian_high_byte_first),
    UNIT_TEST(test_byteorder_put_is_the_reverse_of_get),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("byteorder", tests)
