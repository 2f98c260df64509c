/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "hv/cpuid.h"
#include "unit.h"

#define NA XEN_CPUID_NO_SUBLEAF

static char why[160];

static bool lacks(xen_cpuid_leaf_t guest, xen_cpuid_leaf_t host)
{
    why[0] = '\0';
    return xlm__cpuid_lacks(&guest, 1, &host, 1, why, sizeof(why));
}

static void test_cpuid_same_policies_fit(void)
{
    xen_cpuid_leaf_t leaf = { 7, 0, 1, ~0u, ~0u, ~0u };

    CU_ASSERT_FALSE(lacks(leaf, leaf));
}

static void test_cpuid_host_with_more_fits(void)
{
    CU_ASSERT_FALSE(lacks((xen_cpuid_leaf_t){ 7, 0, 0, 0x20, 0, 0 },
                          (xen_cpuid_leaf_t){ 7, 0, 0, 0x10020, 1, 1 }));
}

static void test_cpuid_missing_feature_is_named(void)
{
    CU_ASSERT_TRUE(lacks((xen_cpuid_leaf_t){ 7, 0, 0, 0x10020, 0, 0 },
                         (xen_cpuid_leaf_t){ 7, 0, 0, 0x20, 0, 0 }));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "leaf 0x7 ebx"));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "0x10000 "));
}

static void test_cpuid_missing_leaf_lacks_all_of_it(void)
{
    CU_ASSERT_TRUE(lacks((xen_cpuid_leaf_t){ 0xd, 1, 1, 0, 0, 0 },
                         (xen_cpuid_leaf_t){ 0xd, 0, 1, 0, 0, 0 }));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "leaf 0xd.1 eax"));
}

static void test_cpuid_bits_of_toolstack_and_guest_are_ignored(void)
{
    xen_cpuid_leaf_t none = { 1, NA, 0, 0, 0, 0 };

    CU_ASSERT_FALSE(
        lacks((xen_cpuid_leaf_t){ 1, NA, 0, 0, 1u << 27, 1u << 28 }, none));
    CU_ASSERT_TRUE(lacks((xen_cpuid_leaf_t){ 1, NA, 0, 0, 1u << 25, 0 }, none));
}

/* As seen on Xen 4.17 on an AMD CPU. */
static void test_cpuid_bits_amd_repeats_are_ignored(void)
{
    xen_cpuid_leaf_t host = { 0x80000001, NA, 0, 0, 0, 0x20100800 };

    CU_ASSERT_FALSE(
        lacks((xen_cpuid_leaf_t){ 0x80000001, NA, 0, 0, 0, 0x2193fbfd }, host));
    CU_ASSERT_TRUE(
        lacks((xen_cpuid_leaf_t){ 0x80000001, NA, 0, 0, 0, 1u << 26 }, host));
}

static void test_cpuid_numbers_that_are_no_features_are_ignored(void)
{
    CU_ASSERT_FALSE(lacks((xen_cpuid_leaf_t){ 1, NA, 0xff, 0xff, 0, 0 },
                          (xen_cpuid_leaf_t){ 1, NA, 0, 0, 0, 0 }));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_cpuid_same_policies_fit),
    UNIT_TEST(test_cpuid_host_with_more_fits),
    UNIT_TEST(test_cpuid_missing_feature_is_named),
    UNIT_TEST(test_cpuid_missing_leaf_lacks_all_of_it),
    UNIT_TEST(test_cpuid_bits_of_toolstack_and_guest_are_ignored),
    UNIT_TEST(test_cpuid_bits_amd_repeats_are_ignored),
    UNIT_TEST(test_cpuid_numbers_that_are_no_features_are_ignored),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("cpuid", tests)
