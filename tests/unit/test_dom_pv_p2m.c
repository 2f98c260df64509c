/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdint.h>

#include "dom/dom_pv.h"
#include "fake_hv.h"
#include "unit.h"

#define NR_PFNS 1500u /* 3 leaf pages, the last one partly used */

static struct xlm__errslot err;
static struct fake_hv *f;
static struct xlm__dom dom;
static struct xlm__map m2p;
static uint64_t nr_mfns;
static struct xlm__pv_p2m p2m;
static char why[XLM__PV_WHY_BYTES];

static void make(uint64_t nr_pfns)
{
    const struct fake_hv_config c = { .nr_pfns = nr_pfns, .pv = true };

    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    f = fake_hv_new(&err, &c);
    fake_add(f, 0, nr_pfns);
    fake_pv_boot(f);
    dom.hv = &f->base;
    dom.domid = 1;
    CU_ASSERT_EQUAL_FATAL(f->base.ops->m2p_map(&f->base, &m2p, &nr_mfns), 0);
    why[0] = '\0';
}

static int load(uint64_t fixed)
{
    struct xlm__pv_anchor a;

    xlm__pv_anchor_read(
        (void *)fake_pv_shared(f) - offsetof(shared_info_t, arch), &a);
    return xlm__pv_p2m_load(&dom, &a, m2p.addr, nr_mfns, fixed, &p2m, why);
}

static void unmake(void)
{
    xlm__pv_p2m_free(&f->base, &p2m);
    f->base.ops->unmap(&f->base, &m2p);
    CU_ASSERT_EQUAL(f->nr_mapped, 0);
    fake_hv_free(f);
    xlm__errslot_destroy(&err);
}

/* load() says no, names it, records nothing and leaks nothing. */
static void refused(const char *word)
{
    CU_ASSERT_EQUAL(load(0), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, word));
    CU_ASSERT_EQUAL(xlm__errslot_code(&err), 0);
    CU_ASSERT_EQUAL(f->nr_mapped, 1); /* the M2P */
    unmake();
}

static uint64_t *table(uint64_t pfn)
{
    return (uint64_t *)(void *)fake_page(f, pfn);
}

static void test_pv_p2m_walk_finds_every_page(void)
{
    struct xlm__pv_view v;
    unsigned wrong = 0;

    make(NR_PFNS);
    CU_ASSERT_EQUAL_FATAL(load(0), 0);
    CU_ASSERT_EQUAL(p2m.nr_pfns, NR_PFNS);
    CU_ASSERT_EQUAL(p2m.nr_frames, 3);
    CU_ASSERT_EQUAL(p2m.generation, 2);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(p2m.pfns[i], FAKE_PV_LEAVES + i);
    v = (struct xlm__pv_view){ .m2p = m2p.addr,
                               .nr_mfns = nr_mfns,
                               .p2m = p2m.maps,
                               .nr_pfns = p2m.nr_pfns };
    for (uint64_t i = 0; i < NR_PFNS; i++)
        wrong += xlm__pv_p2m_entry(&v, i) != fake_frame(f, i);
    CU_ASSERT_EQUAL(wrong, 0);
    unmake();
}

static void test_pv_p2m_range_rules(void)
{
    CU_ASSERT_TRUE(xlm__pv_range_ok(0xffffc90000000000, 4096));
    CU_ASSERT_TRUE(xlm__pv_range_ok(0x1000, 4096));
    CU_ASSERT_TRUE(xlm__pv_range_ok(0xffff880000000000, 4096));
    CU_ASSERT_FALSE(xlm__pv_range_ok(0xffff87fffffff000, 4096));
    CU_ASSERT_FALSE(xlm__pv_range_ok(0xffff800000000000, 4096));
    CU_ASSERT_FALSE(xlm__pv_range_ok(0x0000800000000000, 4096));
    CU_ASSERT_FALSE(xlm__pv_range_ok(0x00007ffffffff000, 8192));
    CU_ASSERT_FALSE(xlm__pv_range_ok(0x00007ffffffff000, 1ull << 63));
    CU_ASSERT_FALSE(xlm__pv_range_ok(0xfffffffffffff000, 8192));
    CU_ASSERT_FALSE(xlm__pv_range_ok(0x1000, 0));
}

static void test_pv_p2m_trim_drops_the_repeated_end(void)
{
    const uint64_t used[] = { 1, 2, 3 }, half[] = { 1, 2, 9, 9, 9 };
    const uint64_t inner[] = { 1, 9, 9, 2 }, all[] = { 9, 9, 9 };

    CU_ASSERT_EQUAL(xlm__pv_trim(used, 3), 3);
    CU_ASSERT_EQUAL(xlm__pv_trim(half, 5), 2);
    CU_ASSERT_EQUAL(xlm__pv_trim(inner, 4), 4);
    CU_ASSERT_EQUAL(xlm__pv_trim(all, 3), 1);
    CU_ASSERT_EQUAL(xlm__pv_trim(used, 1), 1);
    CU_ASSERT_EQUAL(xlm__pv_trim(used, 0), 0);
}

static void test_pv_p2m_unused_end_is_left_out(void)
{
    const uint64_t per_l1 = 512 * 512;

    make(NR_PFNS);
    /* Room for 1 GiB more than there is: three times the same L1 table. */
    fake_pv_shared(f)->max_pfn = 4 * per_l1;
    for (unsigned i = 1; i < 4; i++)
        table(FAKE_PV_L2)[i] = fake_frame(f, 80) << 12 | 1;
    for (unsigned i = 3; i < 512; i++)
        table(FAKE_PV_L1)[i] = fake_frame(f, 81) << 12 | 1;
    memset(table(81), 0xff, 4096);
    CU_ASSERT_EQUAL_FATAL(load(0), 0);
    CU_ASSERT_EQUAL(p2m.nr_pfns, per_l1);
    CU_ASSERT_EQUAL(p2m.nr_frames, 512);
    unmake();
}

static void test_pv_p2m_that_grew_is_named(void)
{
    make(NR_PFNS);
    CU_ASSERT_EQUAL(load(1000), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "grew from 1000 to 1500"));
    unmake();
}

static void test_pv_p2m_hostile_anchor_is_named(void)
{
    make(NR_PFNS);
    fake_pv_shared(f)->max_pfn = 0;
    refused("max_pfn is 0");
    make(NR_PFNS);
    fake_pv_shared(f)->max_pfn = (1ull << 32) + 1;
    refused("max_pfn is 4294967297");
    make(NR_PFNS);
    fake_pv_shared(f)->max_pfn = ~0ull;
    refused("max_pfn");
    make(NR_PFNS);
    fake_pv_shared(f)->p2m_cr3 = 0;
    refused("p2m_cr3 is 0,");
    make(NR_PFNS);
    fake_pv_shared(f)->p2m_cr3 = nr_mfns << 12;
    refused("p2m_cr3");
    make(NR_PFNS);
    fake_pv_shared(f)->p2m_vaddr = 0x0000900000000000;
    refused("p2m_vaddr");
    make(NR_PFNS);
    fake_pv_shared(f)->p2m_vaddr += 8;
    refused("p2m_vaddr");
}

static void test_pv_p2m_hostile_tables_are_named(void)
{
    make(NR_PFNS);
    fake_pv_shared(f)->p2m_cr3 = (nr_mfns - 60) << 12; /* nobody's frame? */
    fake_remove(f, f->m2p[nr_mfns - 60], 1);
    refused("cannot be mapped");
    make(NR_PFNS);
    table(FAKE_PV_L4)[FAKE_PV_VADDR >> 39 & 511] = 0;
    refused("level 4 entry");
    make(NR_PFNS);
    table(FAKE_PV_L3)[FAKE_PV_VADDR >> 30 & 511] = nr_mfns << 12 | 1;
    refused("level 3 entry");
    make(NR_PFNS);
    table(FAKE_PV_L2)[0] |= XLM__PV_PTE_PSE;
    refused("level 2 entry 0");
    make(NR_PFNS);
    table(FAKE_PV_L1)[2] &= ~1ull;
    refused("level 1 entry 2");
    make(NR_PFNS);
    table(FAKE_PV_L1)[2] = 1; /* frame 0 is Xen's */
    refused("level 1 entry 2");
}

static void test_pv_p2m_leaf_of_another_domain_is_named(void)
{
    make(NR_PFNS);
    table(FAKE_PV_LEAVES)[FAKE_PV_LEAVES + 1] = 7; /* denies its own leaf */
    refused("leaf page 1 at mfn");
}

static void test_pv_p2m_every_failing_call_leaks_nothing(void)
{
    unsigned n = 1;
    int rc;

    do {
        make(NR_PFNS);
        f->fail_call = n++;
        rc = load(0);
        CU_ASSERT_TRUE(rc == 0 || rc == XLM_ERR_HYPERVISOR);
        unmake();
    } while (rc);
    CU_ASSERT_EQUAL(n, 1 + 5 + 1); /* four tables, the leaves */
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_pv_p2m_walk_finds_every_page),
    UNIT_TEST(test_pv_p2m_range_rules),
    UNIT_TEST(test_pv_p2m_trim_drops_the_repeated_end),
    UNIT_TEST(test_pv_p2m_unused_end_is_left_out),
    UNIT_TEST(test_pv_p2m_that_grew_is_named),
    UNIT_TEST(test_pv_p2m_hostile_anchor_is_named),
    UNIT_TEST(test_pv_p2m_hostile_tables_are_named),
    UNIT_TEST(test_pv_p2m_leaf_of_another_domain_is_named),
    UNIT_TEST(test_pv_p2m_every_failing_call_leaks_nothing),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("dom_pv_p2m", tests)
