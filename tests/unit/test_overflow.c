/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "unit.h"
#include "util/overflow.h"

static void test_overflow_sum_that_fits(void)
{
    uint64_t sum = 0;
    size_t small = 0;

    CU_ASSERT(xlm__add_u64(UINT64_MAX - 1, 1, &sum));
    CU_ASSERT_EQUAL(sum, UINT64_MAX);
    CU_ASSERT(xlm__add_size(2, 3, &small));
    CU_ASSERT_EQUAL(small, 5);
}

static void test_overflow_sum_too_large_leaves_the_output(void)
{
    uint64_t sum = 7;
    size_t small = 7;

    CU_ASSERT_FALSE(xlm__add_u64(UINT64_MAX, 1, &sum));
    CU_ASSERT_FALSE(xlm__add_size(SIZE_MAX, 1, &small));
    CU_ASSERT_EQUAL(sum, 7);
    CU_ASSERT_EQUAL(small, 7);
}

static void test_overflow_product_that_fits(void)
{
    uint64_t product = 0;
    size_t small = 0;

    CU_ASSERT(xlm__mul_u64(UINT64_C(1) << 32, UINT32_MAX, &product));
    CU_ASSERT_EQUAL(product, UINT64_C(0xffffffff00000000));
    CU_ASSERT(xlm__mul_size(0, SIZE_MAX, &small));
    CU_ASSERT_EQUAL(small, 0);
}

static void test_overflow_product_too_large_leaves_the_output(void)
{
    uint64_t product = 7;
    size_t small = 7;

    CU_ASSERT_FALSE(
        xlm__mul_u64(UINT64_C(1) << 32, UINT64_C(1) << 32, &product));
    CU_ASSERT_FALSE(xlm__mul_size(SIZE_MAX, 2, &small));
    CU_ASSERT_EQUAL(product, 7);
    CU_ASSERT_EQUAL(small, 7);
}

static void test_overflow_range_at_the_limit(void)
{
    CU_ASSERT_TRUE(xlm__range_within(0, 10, 10));
    CU_ASSERT_TRUE(xlm__range_within(10, 0, 10));
    CU_ASSERT_FALSE(xlm__range_within(0, 11, 10));
    CU_ASSERT_FALSE(xlm__range_within(11, 0, 10));
}

static void test_overflow_range_that_wraps_is_outside(void)
{
    CU_ASSERT_FALSE(xlm__range_within(5, UINT64_MAX, 10));
    CU_ASSERT_FALSE(xlm__range_within(UINT64_MAX, 5, 10));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_overflow_sum_that_fits),
    UNIT_TEST(test_overflow_sum_too_large_leaves_the_output),
    UNIT_TEST(test_overflow_product_that_fits),
    UNIT_TEST(test_overflow_product_too_large_leaves_the_output),
    UNIT_TEST(test_overflow_range_at_the_limit),
    UNIT_TEST(test_overflow_range_that_wraps_is_outside),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("overflow", tests)
