/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "dom/dom_pv.h"
#include "unit.h"

/* A guest of 8 pages in frames 20, 21, ...; frame 30 is somebody else's, and
 * frame 31 claims to be page 3, which the guest does not agree to. */
#define NR_MFNS 40u
#define NR_PFNS 8u
#define FRAME0  20u

static uint64_t m2p[NR_MFNS], p2m[XLM__PV_ENTRIES];
static struct xlm__map p2m_map = { p2m, 1 };
static uint64_t in[XLM__PV_ENTRIES], out[XLM__PV_ENTRIES];
static unsigned slot;

static struct xlm__pv_view make(void)
{
    memset(m2p, 0xff, sizeof(m2p));
    memset(p2m, 0xff, sizeof(p2m));
    memset(in, 0, sizeof(in));
    memset(out, 0xa5, sizeof(out));
    for (unsigned i = 0; i < NR_PFNS; i++) {
        p2m[i] = FRAME0 + i;
        m2p[FRAME0 + i] = i;
    }
    m2p[30] = 5000;
    m2p[31] = 3;
    return (struct xlm__pv_view){
        .m2p = m2p, .nr_mfns = NR_MFNS, .p2m = &p2m_map, .nr_pfns = NR_PFNS
    };
}

static enum xlm__pv_pt run(unsigned level)
{
    struct xlm__pv_view v = {
        .m2p = m2p, .nr_mfns = NR_MFNS, .p2m = &p2m_map, .nr_pfns = NR_PFNS
    };

    return xlm__pv_pt_normalise(&v, level, in, out, &slot);
}

static void test_pv_pt_level_of_type(void)
{
    CU_ASSERT_EQUAL(xlm__pv_pt_level(XLM__PT_NOTAB), 0);
    CU_ASSERT_EQUAL(xlm__pv_pt_level(0x1u << 28), 1);
    CU_ASSERT_EQUAL(xlm__pv_pt_level(0x4u << 28 | XLM__PT_LPINTAB), 4);
    CU_ASSERT_EQUAL(xlm__pv_pt_level(0x5u << 28), 0);
    CU_ASSERT_EQUAL(xlm__pv_pt_level(XLM__PT_BROKEN), 0);
    CU_ASSERT_EQUAL(xlm__pv_pt_level(XLM__PT_XALLOC), 0);
    CU_ASSERT_EQUAL(xlm__pv_pt_level(XLM__PT_XTAB), 0);
}

static void test_pv_pt_absent_entries_stay_as_they_are(void)
{
    make();
    in[7] = 0x123456789abcde00; /* a swap entry */
    CU_ASSERT_EQUAL(run(1), XLM__PV_PT_OK);
    CU_ASSERT_EQUAL(memcmp(in, out, sizeof(in)), 0);
}

static void test_pv_pt_frame_becomes_pfn_flags_stay(void)
{
    make();
    in[0] = 0x8000000000000067 | (uint64_t)(FRAME0 + 3) << 12;
    in[511] = 0x1 | (uint64_t)FRAME0 << 12;
    CU_ASSERT_EQUAL(run(1), XLM__PV_PT_OK);
    CU_ASSERT_EQUAL(out[0], 0x8000000000003067);
    CU_ASSERT_EQUAL(out[511], 0x1);
}

static void test_pv_pt_frame_of_another_is_foreign(void)
{
    const uint64_t frames[] = { 30, 31, NR_MFNS, 0xffffffffff };

    for (size_t i = 0; i < 4; i++) {
        make();
        in[9] = frames[i] << 12 | 1;
        CU_ASSERT_EQUAL(run(1), XLM__PV_PT_FOREIGN);
        CU_ASSERT_EQUAL(slot, 9);
    }
}

static void test_pv_pt_superpage_is_told_above_level_1_only(void)
{
    make();
    in[4] = (uint64_t)FRAME0 << 12 | 0x81;
    CU_ASSERT_EQUAL(run(1), XLM__PV_PT_OK); /* there it is the PAT bit */
    CU_ASSERT_EQUAL(out[4], 0x81);
    CU_ASSERT_EQUAL(run(2), XLM__PV_PT_SUPERPAGE);
    CU_ASSERT_EQUAL(slot, 4);
}

static void test_pv_pt_slots_of_xen_are_cleared_in_l4_only(void)
{
    make();
    for (unsigned i = 255; i <= 272; i++)
        in[i] = (uint64_t)FRAME0 << 12 | 1;
    in[260] = 30ull << 12 | 0x81; /* Xen's own, whatever it is */
    CU_ASSERT_EQUAL(run(4), XLM__PV_PT_OK);
    CU_ASSERT_EQUAL(out[255], 1);
    CU_ASSERT_EQUAL(out[256], 0);
    CU_ASSERT_EQUAL(out[260], 0);
    CU_ASSERT_EQUAL(out[271], 0);
    CU_ASSERT_EQUAL(out[272], 1);
    CU_ASSERT_EQUAL(run(3), XLM__PV_PT_SUPERPAGE);
    CU_ASSERT_EQUAL(slot, 260);
}

static void test_pv_view_both_tables_must_agree(void)
{
    struct xlm__pv_view v = make();
    uint64_t n;

    CU_ASSERT_TRUE(xlm__pv_mfn_to_pfn(&v, FRAME0 + 7, &n));
    CU_ASSERT_EQUAL(n, 7);
    CU_ASSERT_TRUE(xlm__pv_pfn_to_mfn(&v, 7, &n));
    CU_ASSERT_EQUAL(n, FRAME0 + 7);
    m2p[FRAME0 + 7] = 6;
    CU_ASSERT_FALSE(xlm__pv_mfn_to_pfn(&v, FRAME0 + 7, &n));
    CU_ASSERT_FALSE(xlm__pv_pfn_to_mfn(&v, 7, &n));
    p2m[1] = NR_MFNS; /* just past Xen's table */
    CU_ASSERT_FALSE(xlm__pv_pfn_to_mfn(&v, 1, &n));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_pv_pt_level_of_type),
    UNIT_TEST(test_pv_pt_absent_entries_stay_as_they_are),
    UNIT_TEST(test_pv_pt_frame_becomes_pfn_flags_stay),
    UNIT_TEST(test_pv_pt_frame_of_another_is_foreign),
    UNIT_TEST(test_pv_pt_superpage_is_told_above_level_1_only),
    UNIT_TEST(test_pv_pt_slots_of_xen_are_cleared_in_l4_only),
    UNIT_TEST(test_pv_view_both_tables_must_agree),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("dom_pv_pt", tests)
