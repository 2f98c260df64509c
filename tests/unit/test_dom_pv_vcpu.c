/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "dom/dom_pv.h"
#include "unit.h"

#define FRAME0 20u /* of page 0; 8 pages */

static uint64_t m2p[40], p2m[XLM__PV_ENTRIES];
static struct xlm__map p2m_map = { p2m, 1 };
static vcpu_guest_context_t ctx;
static char why[XLM__PV_WHY_BYTES];

static void make(void)
{
    memset(m2p, 0xff, sizeof(m2p));
    memset(p2m, 0xff, sizeof(p2m));
    memset(&ctx, 0, sizeof(ctx));
    why[0] = '\0';
    for (unsigned i = 0; i < 8; i++) {
        p2m[i] = FRAME0 + i;
        m2p[FRAME0 + i] = i;
    }
    ctx.user_regs.rdx = FRAME0 + 1;
    ctx.gdt_ents = 513;
    ctx.gdt_frames[0] = FRAME0 + 2;
    ctx.gdt_frames[1] = FRAME0 + 3;
    ctx.gdt_frames[2] = 99; /* not in use */
    ctx.ctrlreg[3] = (FRAME0 + 4) << 12;
    ctx.ctrlreg[1] = (FRAME0 + 5) << 12;
}

static bool run(uint32_t vcpu)
{
    struct xlm__pv_view v = {
        .m2p = m2p, .nr_mfns = 40, .p2m = &p2m_map, .nr_pfns = 8
    };

    return xlm__pv_vcpu_convert(&v, vcpu, &ctx, why);
}

static void test_pv_vcpu_all_frames_become_pfns(void)
{
    make();
    CU_ASSERT_TRUE(run(0));
    CU_ASSERT_EQUAL(ctx.user_regs.rdx, 1);
    CU_ASSERT_EQUAL(ctx.gdt_frames[0], 2);
    CU_ASSERT_EQUAL(ctx.gdt_frames[1], 3);
    CU_ASSERT_EQUAL(ctx.gdt_frames[2], 99);
    CU_ASSERT_EQUAL(ctx.ctrlreg[3], 4 << 12);
    CU_ASSERT_EQUAL(ctx.ctrlreg[1], 5 << 12 | 1);
}

static void test_pv_vcpu_other_than_0_keeps_rdx(void)
{
    make();
    ctx.user_regs.rdx = 0xdeadbeef;
    CU_ASSERT_TRUE(run(1));
    CU_ASSERT_EQUAL(ctx.user_regs.rdx, 0xdeadbeef);
}

static void test_pv_vcpu_without_user_table_keeps_cr1_zero(void)
{
    make();
    ctx.ctrlreg[1] = 0;
    CU_ASSERT_TRUE(run(0));
    CU_ASSERT_EQUAL(ctx.ctrlreg[1], 0);
}

static void test_pv_vcpu_bad_frame_is_named(void)
{
    make();
    ctx.user_regs.rdx = 39;
    CU_ASSERT_FALSE(run(0));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "vcpu 0: rdx"));
    make();
    ctx.gdt_frames[1] = 1ull << 60;
    CU_ASSERT_FALSE(run(0));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "GDT frame"));
    make();
    ctx.ctrlreg[3] = 0;
    CU_ASSERT_FALSE(run(3));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "vcpu 3: cr3"));
    make();
    ctx.ctrlreg[1] = 1;
    CU_ASSERT_FALSE(run(0));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "cr1"));
}

static void test_pv_vcpu_gdt_beyond_limit_is_refused(void)
{
    make();
    ctx.gdt_ents = FIRST_RESERVED_GDT_ENTRY + 1;
    CU_ASSERT_FALSE(run(0));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "7169 entries, limit 7168"));
    make();
    ctx.gdt_ents = ~0ul;
    CU_ASSERT_FALSE(run(0));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_pv_vcpu_all_frames_become_pfns),
    UNIT_TEST(test_pv_vcpu_other_than_0_keeps_rdx),
    UNIT_TEST(test_pv_vcpu_without_user_table_keeps_cr1_zero),
    UNIT_TEST(test_pv_vcpu_bad_frame_is_named),
    UNIT_TEST(test_pv_vcpu_gdt_beyond_limit_is_refused),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("dom_pv_vcpu", tests)
