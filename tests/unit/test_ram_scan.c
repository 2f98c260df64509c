/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>

#include "dom/ram_scan.h"
#include "fake_hv.h"
#include "unit.h"
#include "util/bitmap.h"

/* As a PVH guest of 16 MiB: special pages just below 4 GiB. */
#define NR_PFNS 0xfefffu
#define LOW     4096u

static struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
static struct fake_hv *f;
static uint64_t *ram, found;

static void make(uint64_t nr_pfns)
{
    const struct fake_hv_config c = { .nr_pfns = nr_pfns, .nr_frames = 8192 };

    f = fake_hv_new(&err, &c);
    ram = xlm__bitmap_alloc(nr_pfns);
}

static int scan(void)
{
    return xlm__ram_scan(&f->base, 1, f->nr_pfns, ram, &found);
}

/* The bitmap is the truth, whatever way it was found. */
static void done(void)
{
    uint64_t wrong = 0;

    for (uint64_t i = 0; i < f->nr_pfns; i++)
        wrong += xlm__bitmap_test(ram, i) != (f->p2m[i] != FAKE_NONE);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(found, xlm__bitmap_count(ram, f->nr_pfns));
    free(ram);
    fake_hv_free(f);
}

static void test_ram_scan_small_guest_takes_few_calls(void)
{
    make(NR_PFNS);
    fake_add(f, 0, LOW);
    fake_add(f, 0xfc000, 8); /* as seen with PVH on Xen 4.17 */
    fake_add(f, 0xfeff8, 7);
    CU_ASSERT_EQUAL(scan(), 0);
    CU_ASSERT_EQUAL(found, LOW + 15);
    /* 4 chunks of memory, 4 of gap, 12 up to the special pages; all: 1020 */
    CU_ASSERT_TRUE(f->nr_type_calls <= 20);
    done();
}

static void test_ram_scan_page_in_odd_place_is_found(void)
{
    make(NR_PFNS);
    fake_add(f, 0, LOW);
    fake_add(f, 0xc1234, 1);
    CU_ASSERT_EQUAL(scan(), 0);
    CU_ASSERT_EQUAL(found, LOW + 1);
    done();
}

static void test_ram_scan_memory_above_4g_is_found(void)
{
    make(0x100000 + 3000);
    fake_add(f, 0, LOW);
    fake_add(f, 0x100000, 2999);
    CU_ASSERT_EQUAL(scan(), 0);
    CU_ASSERT_EQUAL(found, LOW + 2999);
    CU_ASSERT_TRUE(f->nr_type_calls < 32);
    done();
}

static void test_ram_scan_holes_of_ballooned_guest_are_left_out(void)
{
    make(NR_PFNS);
    fake_add(f, 0, 8000);
    for (uint64_t i = 100; i < 7000; i += 7)
        fake_remove(f, i, 1);
    CU_ASSERT_EQUAL(scan(), 0);
    done();
}

static void test_ram_scan_more_pages_owned_than_mapped_scans_all(void)
{
    make(NR_PFNS);
    fake_add(f, 0, LOW);
    f->info.tot_pages += 3; /* owned, but at no gfn */
    CU_ASSERT_EQUAL(scan(), 0);
    CU_ASSERT_EQUAL(found, LOW);
    CU_ASSERT_EQUAL(f->nr_type_calls, (NR_PFNS + 1023) / 1024);
    done();
}

static void test_ram_scan_last_partial_chunk_is_scanned(void)
{
    make(1030);
    fake_add(f, 1029, 1);
    CU_ASSERT_EQUAL(scan(), 0);
    CU_ASSERT_EQUAL(found, 1);
    done();
}

static void test_ram_scan_domain_without_memory_is_empty(void)
{
    make(5000);
    CU_ASSERT_EQUAL(scan(), 0);
    CU_ASSERT_EQUAL(found, 0);
    done();
}

static void test_ram_scan_domain_that_is_gone_is_named(void)
{
    struct xlm__errslot own = XLM__ERRSLOT_INITIALIZER;
    char text[XLM_MESSAGE_MAX];

    make(5000);
    f->base.err = &own;
    f->exists = false;
    CU_ASSERT_EQUAL(scan(), XLM_ERR_GUEST_ENDED);
    xlm__errslot_read(&own, text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "domain 1 is gone"));
    done();
}

static void test_ram_scan_every_failing_call_ends_it(void)
{
    unsigned n = 1;
    int rc;

    do {
        make(NR_PFNS);
        fake_add(f, 0, LOW);
        fake_add(f, 0xfeff8, 7);
        f->fail_call = n++;
        rc = scan();
        CU_ASSERT_TRUE(rc == 0 || rc == XLM_ERR_HYPERVISOR);
        free(ram);
        fake_hv_free(f);
    } while (rc);
    CU_ASSERT_TRUE(n > 10);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_ram_scan_small_guest_takes_few_calls),
    UNIT_TEST(test_ram_scan_page_in_odd_place_is_found),
    UNIT_TEST(test_ram_scan_memory_above_4g_is_found),
    UNIT_TEST(test_ram_scan_holes_of_ballooned_guest_are_left_out),
    UNIT_TEST(test_ram_scan_more_pages_owned_than_mapped_scans_all),
    UNIT_TEST(test_ram_scan_last_partial_chunk_is_scanned),
    UNIT_TEST(test_ram_scan_domain_without_memory_is_empty),
    UNIT_TEST(test_ram_scan_domain_that_is_gone_is_named),
    UNIT_TEST(test_ram_scan_every_failing_call_ends_it),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("ram_scan", tests)
