/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pages that others than the domain write to. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <xen/xen.h>

#include <xen/hvm/params.h>

#include "dom/spared.h"
#include "fake_hv.h"
#include "unit.h"
#include "util/bitmap.h"

#define NR_PFNS 4096u

static struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
static struct fake_hv *hv;
static struct xlm__dom *dom;
static struct xlm__spared *pages;
static size_t nr;

static void begin(bool pv)
{
    const struct fake_hv_config c = { .pv = pv, .nr_pfns = NR_PFNS };

    hv = fake_hv_new(&err, &c);
    CU_ASSERT_PTR_NOT_NULL_FATAL(hv);
    fake_add(hv, 0, 1024);
    if (pv)
        fake_pv_boot(hv);
    CU_ASSERT_EQUAL_FATAL(xlm__dom_open(&hv->base, &hv->info, &dom), 0);
}

static int find(size_t most)
{
    uint64_t *ram = xlm__bitmap_alloc(NR_PFNS);
    uint64_t nr_ram;
    int rc = dom->ops->ram(dom, ram, &nr_ram);

    pages = NULL;
    nr = 0;
    if (!rc)
        rc = xlm__spared_find(dom, &hv->info, ram, most, &pages, &nr);
    free(ram);
    return rc;
}

static void end(void)
{
    free(pages);
    dom->ops->close(dom);
    CU_ASSERT_EQUAL(hv->nr_mapped, 0);
    fake_hv_free(hv);
    xlm__errslot_destroy(&err);
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_ERROR);
}

static bool is(size_t i, uint64_t pfn, enum xlm__spared_kind kind)
{
    return i < nr && pages[i].pfn == pfn && pages[i].kind == kind;
}

static void test_spared_parameters_of_hvm_are_found(void)
{
    begin(false);
    hv->hvm_params[HVM_PARAM_STORE_PFN] = 0x105;
    hv->hvm_params[HVM_PARAM_CONSOLE_PFN] = 0x101;
    hv->hvm_params[HVM_PARAM_IOREQ_PFN] = 0x104;
    hv->hvm_params[HVM_PARAM_BUFIOREQ_PFN] = 0x103;
    hv->hvm_params[HVM_PARAM_IOREQ_SERVER_PFN] = 0x110;
    hv->hvm_params[HVM_PARAM_NR_IOREQ_SERVER_PAGES] = 2;
    CU_ASSERT_EQUAL(find(64), 0);
    CU_ASSERT_EQUAL(nr, 6);
    CU_ASSERT(is(0, 0x101, XLM__SPARED_CONSOLE));
    CU_ASSERT(is(1, 0x103, XLM__SPARED_BUFIOREQ));
    CU_ASSERT(is(2, 0x104, XLM__SPARED_IOREQ));
    CU_ASSERT(is(3, 0x105, XLM__SPARED_XENSTORE));
    CU_ASSERT(is(4, 0x110, XLM__SPARED_IOREQ_SERVER));
    CU_ASSERT(is(5, 0x111, XLM__SPARED_IOREQ_SERVER));
    end();
}

static void test_spared_tss_over_two_pages_is_found(void)
{
    begin(false);
    hv->hvm_params[HVM_PARAM_VM86_TSS_SIZED] = 385ull << 32 | 0x20f80;
    CU_ASSERT_EQUAL(find(64), 0);
    CU_ASSERT_EQUAL(nr, 2);
    CU_ASSERT(is(0, 0x20, XLM__SPARED_VM86_TSS));
    CU_ASSERT(is(1, 0x21, XLM__SPARED_VM86_TSS));
    end();
}

static void test_spared_past_the_end_is_nothing(void)
{
    begin(false);
    hv->hvm_params[HVM_PARAM_STORE_PFN] = NR_PFNS;
    hv->hvm_params[HVM_PARAM_IOREQ_SERVER_PFN] = NR_PFNS - 1;
    hv->hvm_params[HVM_PARAM_NR_IOREQ_SERVER_PAGES] = UINT64_MAX;
    CU_ASSERT_EQUAL(find(64), 0);
    CU_ASSERT_EQUAL(nr, 1);
    CU_ASSERT(is(0, NR_PFNS - 1, XLM__SPARED_IOREQ_SERVER));
    end();
}

static void test_spared_page_that_is_granted_too_is_there_once(void)
{
    begin(false);
    hv->hvm_params[HVM_PARAM_STORE_PFN] = 0x105;
    hv->written[0] = 0x200;
    hv->written[1] = 0x105;
    hv->written[2] = 0x200;
    hv->nr_written = 3;
    CU_ASSERT_EQUAL(find(64), 0);
    CU_ASSERT_EQUAL(nr, 2);
    CU_ASSERT(is(0, 0x105, XLM__SPARED_XENSTORE));
    CU_ASSERT(is(1, 0x200, XLM__SPARED_GRANTED));
    end();
}

static void test_spared_frames_of_pv_are_pfns(void)
{
    begin(true);
    hv->written[0] = fake_frame(hv, 0x300);
    hv->written[1] = fake_frame(hv, 0x2ff);
    hv->nr_written = 2;
    CU_ASSERT_EQUAL(find(64), 0);
    CU_ASSERT_EQUAL(nr, 2);
    CU_ASSERT(is(0, 0x2ff, XLM__SPARED_GRANTED));
    CU_ASSERT(is(1, 0x300, XLM__SPARED_GRANTED));
    end();
}

static void test_spared_more_than_there_is_room_for_are_cut(void)
{
    begin(false);
    hv->written[0] = 0x200;
    hv->written[1] = 0x201;
    hv->nr_written = 2;
    CU_ASSERT_EQUAL(find(1), 0);
    CU_ASSERT_EQUAL(nr, 1);
    end();
}

static void test_spared_failing_hypervisor_is_an_error(void)
{
    unsigned before;

    begin(false);
    before = hv->calls;
    CU_ASSERT_EQUAL(find(64), 0);
    free(pages);
    hv->fail_call = hv->calls - before; /* the last one of the same again */
    CU_ASSERT_EQUAL(find(64), XLM_ERR_HYPERVISOR);
    CU_ASSERT_PTR_NULL(pages);
    end();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_spared_parameters_of_hvm_are_found),
    UNIT_TEST(test_spared_tss_over_two_pages_is_found),
    UNIT_TEST(test_spared_past_the_end_is_nothing),
    UNIT_TEST(test_spared_page_that_is_granted_too_is_there_once),
    UNIT_TEST(test_spared_frames_of_pv_are_pfns),
    UNIT_TEST(test_spared_more_than_there_is_room_for_are_cut),
    UNIT_TEST(test_spared_failing_hypervisor_is_an_error),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("spared", tests)
