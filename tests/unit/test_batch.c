/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>

#include "error_says.h"
#include "fake_hv.h"
#include "fault_alloc.h"
#include "mem/batch.h"
#include "unit.h"
#include "util/bitmap.h"

#define NR_PFNS 1500u

static struct xlm__errslot err;
static struct fake_hv *f;
static struct xlm__dom *dom;
static struct xlm__batch *b;
static uint64_t *deferred, *gone;
static const struct xlm__entry *e;
static size_t nr;

static void make(bool pv)
{
    const struct fake_hv_config c = { .nr_pfns = NR_PFNS, .pv = pv };

    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    f = fake_hv_new(&err, &c);
    fake_add(f, 0, NR_PFNS);
    if (pv)
        fake_pv_boot(f);
    CU_ASSERT_EQUAL_FATAL(xlm__dom_open(&f->base, &f->info, &dom), 0);
    deferred = xlm__bitmap_alloc(NR_PFNS);
    gone = xlm__bitmap_alloc(NR_PFNS);
    b = NULL;
    nr = 0;
}

static void unmake(void)
{
    xlm__batch_free(b);
    dom->ops->close(dom);
    free(deferred);
    free(gone);
    CU_ASSERT_EQUAL(f->nr_mapped, 0);
    fake_hv_free(f);
    xlm__errslot_destroy(&err);
}

static int load(size_t n, const uint64_t *pfns, bool live)
{
    int rc = xlm__batch_load(b, n, pfns, live, deferred, gone);

    e = xlm__batch_entries(b, &nr);
    return rc;
}

static void make_batch(bool pv)
{
    make(pv);
    CU_ASSERT_EQUAL_FATAL(xlm__batch_new(dom, &b), 0);
}

static bool same(uint64_t pfn, const void *page)
{
    return !memcmp(fake_page(f, pfn), page, XLM__PAGE_SIZE);
}

static void test_batch_data_and_zero_pages_are_told_apart(void)
{
    const uint64_t pfns[] = { 3, 4, 5 };

    make_batch(false);
    fake_fill(f, 3, 1);
    fake_write(f, 5, 4095, "x", 1);
    CU_ASSERT_EQUAL(load(3, pfns, true), 0);
    CU_ASSERT_EQUAL_FATAL(nr, 3);
    CU_ASSERT_EQUAL(e[0].kind, XLM__ENTRY_DATA);
    CU_ASSERT_TRUE(same(3, e[0].page));
    CU_ASSERT_EQUAL(e[1].kind, XLM__ENTRY_ZERO);
    CU_ASSERT_EQUAL(e[1].pfn, 4);
    CU_ASSERT_EQUAL(e[2].kind, XLM__ENTRY_DATA);
    CU_ASSERT_TRUE(same(5, e[2].page));
    unmake();
}

static void test_batch_pages_are_the_guests_own_frames(void)
{
    const uint64_t pfn = 3;

    make_batch(false);
    fake_fill(f, 3, 1);
    CU_ASSERT_EQUAL(load(1, &pfn, true), 0);
    fake_fill(f, 3, 2); /* seen through the mapping: nothing was copied */
    CU_ASSERT_TRUE(same(3, e[0].page));
    unmake();
}

static void test_batch_holes_are_gone_and_cost_no_map(void)
{
    const uint64_t pfns[] = { 10, 11, 12 };

    make_batch(false);
    fake_remove(f, 10, 2);
    CU_ASSERT_EQUAL(load(3, pfns, true), 0);
    CU_ASSERT_EQUAL_FATAL(nr, 1);
    CU_ASSERT_EQUAL(e[0].pfn, 12);
    CU_ASSERT_TRUE(xlm__bitmap_all_set(gone, 10, 2));
    CU_ASSERT_EQUAL(xlm__bitmap_count(gone, NR_PFNS), 2);
    xlm__batch_unload(b);
    f->nr_map_calls = 0;
    CU_ASSERT_EQUAL(load(2, pfns, true), 0);
    CU_ASSERT_EQUAL(nr, 0);
    CU_ASSERT_EQUAL(f->nr_map_calls, 0);
    unmake();
}

static void test_batch_page_that_goes_under_us_is_gone(void)
{
    const uint64_t pfns[] = { 7, 8, 9 };

    make_batch(false);
    fake_fill(f, 9, 9);
    f->bad_gfn = 8;
    CU_ASSERT_EQUAL(load(3, pfns, true), 0);
    CU_ASSERT_EQUAL_FATAL(nr, 2);
    CU_ASSERT_EQUAL(e[1].pfn, 9);
    CU_ASSERT_TRUE(same(9, e[1].page));
    CU_ASSERT_TRUE(xlm__bitmap_test(gone, 8));
    unmake();
}

static void test_batch_page_that_cannot_be_mapped_when_suspended_fails(void)
{
    const uint64_t pfns[] = { 7, 8, 9 };

    make_batch(false);
    f->bad_gfn = 8;
    CU_ASSERT_EQUAL(load(3, pfns, false), XLM_ERR_HYPERVISOR);
    CU_ASSERT_TRUE(error_says(&err, "map page 0x8 of domain 1"));
    CU_ASSERT_EQUAL(nr, 0);
    unmake();
}

static void test_batch_broken_page_travels_as_type(void)
{
    const uint64_t pfns[] = { 7, 8 };

    make_batch(false);
    f->types[7] = XLM__PT_BROKEN;
    CU_ASSERT_EQUAL(load(2, pfns, true), 0);
    CU_ASSERT_EQUAL_FATAL(nr, 2);
    CU_ASSERT_EQUAL(e[0].kind, XLM__ENTRY_TYPE);
    CU_ASSERT_EQUAL(e[0].type, XLM__PT_BROKEN);
    CU_ASSERT_EQUAL(e[1].kind, XLM__ENTRY_ZERO);
    unmake();
}

static void test_batch_full_size_loads_every_page(void)
{
    uint64_t pfns[XLM__BATCH_MAX];
    unsigned wrong = 0;

    make_batch(false);
    for (unsigned i = 0; i < XLM__BATCH_MAX; i++) {
        pfns[i] = i + 100;
        fake_fill(f, i + 100, i);
    }
    CU_ASSERT_EQUAL(load(XLM__BATCH_MAX, pfns, true), 0);
    CU_ASSERT_EQUAL_FATAL(nr, XLM__BATCH_MAX);
    for (unsigned i = 0; i < XLM__BATCH_MAX; i++)
        wrong += !same(i + 100, e[i].page) || e[i].kind != XLM__ENTRY_DATA;
    CU_ASSERT_EQUAL(wrong, 0);
    unmake();
}

static void test_batch_page_tables_are_copies_with_pfns(void)
{
    const uint64_t pfns[] = { FAKE_PV_L2, FAKE_PV_L3, FAKE_PV_LEAVES };
    const uint64_t *pte;

    make_batch(true);
    CU_ASSERT_EQUAL(load(3, pfns, true), 0);
    CU_ASSERT_EQUAL_FATAL(nr, 3);
    pte = e[0].page;
    CU_ASSERT_EQUAL(pte[0] >> 12, FAKE_PV_L1);
    pte = e[1].page;
    CU_ASSERT_EQUAL(pte[FAKE_PV_VADDR >> 30 & 511] >> 12, FAKE_PV_L2);
    CU_ASSERT_TRUE(same(FAKE_PV_LEAVES, e[2].page));
    unmake();
}

static void test_batch_page_table_in_the_making_is_deferred(void)
{
    const uint64_t pfns[] = { FAKE_PV_L2, FAKE_PV_L3 };
    const uint64_t pte = 1; /* frame 0: Xen's own */

    make_batch(true);
    fake_write(f, FAKE_PV_L2, 8 * 77, &pte, 8);
    CU_ASSERT_EQUAL(load(2, pfns, true), 0);
    CU_ASSERT_EQUAL_FATAL(nr, 1);
    CU_ASSERT_EQUAL(e[0].pfn, FAKE_PV_L3);
    CU_ASSERT_TRUE(xlm__bitmap_test(deferred, FAKE_PV_L2));
    CU_ASSERT_EQUAL(xlm__bitmap_count(deferred, NR_PFNS), 1);
    xlm__batch_unload(b);
    CU_ASSERT_EQUAL(load(2, pfns, false), XLM_ERR_INCOMPATIBLE);
    CU_ASSERT_TRUE(error_says(&err, "pfn 0x5b, level 2, entry 77"));
    unmake();
}

static void test_batch_pv_page_without_frame_is_gone(void)
{
    const uint64_t pfns[] = { 900, 901 };

    make_batch(true);
    fake_remove(f, 901, 1);
    CU_ASSERT_EQUAL(load(2, pfns, false), 0);
    CU_ASSERT_EQUAL(nr, 1);
    CU_ASSERT_TRUE(xlm__bitmap_test(gone, 901));
    unmake();
}

static void test_batch_unloaded_twice_is_safe(void)
{
    const uint64_t pfn = 3;

    make_batch(false);
    xlm__batch_unload(b);
    CU_ASSERT_EQUAL(load(1, &pfn, true), 0);
    xlm__batch_unload(b);
    xlm__batch_unload(b);
    CU_ASSERT_EQUAL(f->nr_mapped, 0);
    unmake();
    xlm__batch_free(NULL);
}

static const uint64_t mixed[] = { 7, FAKE_PV_L2, FAKE_PV_L4, 900 };

static void test_batch_every_failing_call_leaks_nothing(void)
{
    for (int pv = 0; pv < 2; pv++) {
        unsigned n = 1;
        int rc;

        do {
            make_batch(pv);
            f->fail_call = n++;
            rc = load(4, mixed, true);
            CU_ASSERT_TRUE(rc == 0 || rc == XLM_ERR_HYPERVISOR);
            unmake();
        } while (rc);
        CU_ASSERT_EQUAL(n, 1 + 2 + 1); /* types, map */
    }
}

static void test_batch_every_failing_allocation_is_told(void)
{
    unsigned n = 1;
    int rc;

    do {
        make(true);
        fault_alloc_at(n++);
        rc = xlm__batch_new(dom, &b);
        if (!rc)
            rc = load(4, mixed, true);
        CU_ASSERT_EQUAL(rc == XLM_ERR_NOMEM, fault_alloc_hit());
        unmake();
    } while (rc);
    CU_ASSERT_EQUAL(n, 1 + 2 + 1);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_batch_data_and_zero_pages_are_told_apart),
    UNIT_TEST(test_batch_pages_are_the_guests_own_frames),
    UNIT_TEST(test_batch_holes_are_gone_and_cost_no_map),
    UNIT_TEST(test_batch_page_that_goes_under_us_is_gone),
    UNIT_TEST(test_batch_page_that_cannot_be_mapped_when_suspended_fails),
    UNIT_TEST(test_batch_broken_page_travels_as_type),
    UNIT_TEST(test_batch_full_size_loads_every_page),
    UNIT_TEST(test_batch_page_tables_are_copies_with_pfns),
    UNIT_TEST(test_batch_page_table_in_the_making_is_deferred),
    UNIT_TEST(test_batch_pv_page_without_frame_is_gone),
    UNIT_TEST(test_batch_unloaded_twice_is_safe),
    UNIT_TEST(test_batch_every_failing_call_leaks_nothing),
    UNIT_TEST(test_batch_every_failing_allocation_is_told),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("batch", tests)
