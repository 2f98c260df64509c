/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <xen/xen.h>

#include "dom/dom.h"
#include "error_says.h"
#include "fake_hv.h"
#include "fault_alloc.h"
#include "recorder.h"
#include "unit.h"
#include "util/bitmap.h"

#define NR_PFNS 1500u

static struct xlm__errslot err;
static struct fake_hv *f;
static struct xlm__dom *dom;
static struct recorder r;

static void make(void)
{
    const struct fake_hv_config c = { .nr_pfns = NR_PFNS, .pv = true };

    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    f = fake_hv_new(&err, &c);
    fake_add(f, 0, NR_PFNS);
    fake_pv_boot(f);
    fake_set_policy(f, "leaves", 6, "msrs", 4);
    dom = NULL;
    r.fail_at = 0;
}

static void open_ok(void)
{
    make();
    CU_ASSERT_EQUAL_FATAL(xlm__dom_open(&f->base, &f->info, &dom), 0);
}

static void unmake(void)
{
    if (dom)
        dom->ops->close(dom);
    recorder_clear(&r);
    CU_ASSERT_EQUAL(f->nr_mapped, 0);
    fake_hv_free(f);
    xlm__errslot_destroy(&err);
}

static uint64_t gfn_of(uint64_t pfn)
{
    uint64_t gfn = 0;

    CU_ASSERT_EQUAL(dom->ops->gfns(dom, 1, &pfn, &gfn), 0);
    return gfn;
}

static void test_dom_pv_32_bit_is_refused_by_name(void)
{
    make();
    f->width = 4;
    CU_ASSERT_EQUAL(xlm__dom_open(&f->base, &f->info, &dom),
                    XLM_ERR_INCOMPATIBLE);
    CU_ASSERT_TRUE(error_says(&err, "domain 1 is a 32-bit PV guest"));
    unmake();
}

static void test_dom_pv_without_linear_p2m_is_refused_by_name(void)
{
    make();
    fake_pv_shared(f)->p2m_cr3 = 0;
    CU_ASSERT_EQUAL(xlm__dom_open(&f->base, &f->info, &dom),
                    XLM_ERR_INCOMPATIBLE);
    CU_ASSERT_TRUE(error_says(&err, "0 = no linear p2m"));
    unmake();
}

static void test_dom_pv_ram_is_what_has_frames(void)
{
    uint64_t *ram = xlm__bitmap_alloc(NR_PFNS), nr = 0;

    open_ok();
    CU_ASSERT_EQUAL(dom->nr_pfns, NR_PFNS);
    fake_remove(f, 1000, 3);
    CU_ASSERT_EQUAL(dom->ops->ram(dom, ram, &nr), 0);
    CU_ASSERT_EQUAL(nr, NR_PFNS - 3);
    CU_ASSERT_TRUE(xlm__bitmap_test(ram, 999));
    CU_ASSERT_TRUE(xlm__bitmap_all_clear(ram, 1000, 3));
    CU_ASSERT_TRUE(xlm__bitmap_test(ram, 1003));
    free(ram);
    unmake();
}

static void test_dom_pv_gfn_is_the_frame_of_the_moment(void)
{
    open_ok();
    CU_ASSERT_EQUAL(gfn_of(1000), fake_frame(f, 1000));
    fake_remove(f, 1000, 1);
    CU_ASSERT_EQUAL(gfn_of(1000), UINT64_MAX);
    fake_add(f, 1000, 1);
    CU_ASSERT_EQUAL(gfn_of(1000), fake_frame(f, 1000));
    CU_ASSERT_EQUAL(gfn_of(NR_PFNS), UINT64_MAX);
    unmake();
}

static void test_dom_pv_moved_p2m_is_followed(void)
{
    open_ok();
    fake_pv_move_leaf(f, 1, 300);
    fake_fill(f, FAKE_PV_LEAVES + 1, 1); /* the old place is reused */
    CU_ASSERT_EQUAL(gfn_of(700), fake_frame(f, 700));
    unmake();
}

static void test_dom_pv_p2m_being_moved_does_not_stop_a_live_round(void)
{
    open_ok();
    fake_pv_shared(f)->p2m_generation++;
    CU_ASSERT_EQUAL(gfn_of(700), fake_frame(f, 700));
    CU_ASSERT_EQUAL(xlm__errslot_code(&err), 0);
    unmake();
}

static void test_dom_pv_p2m_left_half_moved_fails_the_tail(void)
{
    open_ok();
    CU_ASSERT_EQUAL(dom->ops->emit_static(dom, recorder_emit, &r), 0);
    fake_pv_shared(f)->p2m_generation++;
    CU_ASSERT_EQUAL(dom->ops->emit_tail(dom, recorder_emit, &r),
                    XLM_ERR_INCOMPATIBLE);
    CU_ASSERT_TRUE(error_says(&err, "does not stop moving it"));
    unmake();
}

static void test_dom_pv_p2m_that_grew_fails_by_name(void)
{
    uint64_t pfn = 5, gfn;

    open_ok();
    fake_pv_shared(f)->max_pfn = NR_PFNS + 10;
    fake_pv_shared(f)->p2m_generation += 2;
    CU_ASSERT_EQUAL(dom->ops->gfns(dom, 1, &pfn, &gfn), XLM_ERR_INCOMPATIBLE);
    CU_ASSERT_TRUE(error_says(&err, "grew from 1500 to 1510"));
    unmake();
}

static void test_dom_pv_static_records_are_in_order(void)
{
    const uint32_t range[2] = { 0, NR_PFNS - 1 };
    uint64_t pfn;

    open_ok();
    CU_ASSERT_EQUAL(dom->ops->emit_static(dom, recorder_emit, &r), 0);
    CU_ASSERT_EQUAL_FATAL(r.nr, 5);
    CU_ASSERT_EQUAL(r.rec[0].type, XLM__XC_X86_PV_INFO);
    CU_ASSERT_EQUAL_FATAL(r.rec[0].bytes, 8);
    CU_ASSERT_EQUAL(memcmp(r.rec[0].body, "\10\4\0\0\0\0\0\0", 8), 0);
    CU_ASSERT_EQUAL(r.rec[1].type, XLM__XC_X86_CPUID_POLICY);
    CU_ASSERT_EQUAL(r.rec[2].type, XLM__XC_X86_MSR_POLICY);
    CU_ASSERT_EQUAL(r.rec[3].type, XLM__XC_STATIC_DATA_END);
    CU_ASSERT_EQUAL(r.rec[4].type, XLM__XC_X86_PV_P2M_FRAMES);
    CU_ASSERT_EQUAL_FATAL(r.rec[4].bytes, 8 + 3 * 8);
    CU_ASSERT_EQUAL(memcmp(r.rec[4].body, range, 8), 0);
    memcpy(&pfn, r.rec[4].body + 8 + 16, 8);
    CU_ASSERT_EQUAL(pfn, FAKE_PV_LEAVES + 2);
    unmake();
}

static void test_dom_pv_tail_records_are_in_order(void)
{
    vcpu_guest_context_t ctx;

    open_ok();
    fake_set_blob(&f->vcpu[0][XLM__VCPU_MSRS], "msrs", 4);
    f->vcpu_online[2] = true;
    f->info.max_vcpu_id = 2;
    ctx = *(vcpu_guest_context_t *)f->vcpu[0][XLM__VCPU_BASIC].data;
    fake_set_blob(&f->vcpu[2][XLM__VCPU_BASIC], &ctx, sizeof(ctx));
    CU_ASSERT_EQUAL(dom->ops->emit_static(dom, recorder_emit, &r), 0);
    recorder_clear(&r);
    CU_ASSERT_EQUAL(dom->ops->emit_tail(dom, recorder_emit, &r), 0);
    CU_ASSERT_EQUAL_FATAL(r.nr, 6);
    CU_ASSERT_EQUAL(r.rec[0].type, XLM__XC_X86_TSC_INFO);
    CU_ASSERT_EQUAL(r.rec[1].type, XLM__XC_SHARED_INFO);
    CU_ASSERT_EQUAL(r.rec[1].bytes, 4096);
    CU_ASSERT_EQUAL(r.rec[2].type, XLM__XC_X86_PV_VCPU_BASIC);
    CU_ASSERT_EQUAL_FATAL(r.rec[2].bytes, 8 + sizeof(ctx));
    memcpy(&ctx, r.rec[2].body + 8, sizeof(ctx));
    CU_ASSERT_EQUAL(ctx.user_regs.rdx, FAKE_PV_START);
    CU_ASSERT_EQUAL(ctx.ctrlreg[3], FAKE_PV_L4 << 12);
    CU_ASSERT_EQUAL(r.rec[3].type, XLM__XC_X86_PV_VCPU_EXTENDED);
    CU_ASSERT_EQUAL(r.rec[4].type, XLM__XC_X86_PV_VCPU_MSRS);
    CU_ASSERT_EQUAL(r.rec[4].bytes, 8 + 4);
    CU_ASSERT_EQUAL(r.rec[5].type, XLM__XC_X86_PV_VCPU_BASIC);
    CU_ASSERT_EQUAL(r.rec[5].body[0], 2);
    unmake();
}

static void test_dom_pv_p2m_moved_since_is_sent_again_first(void)
{
    uint64_t pfn;

    open_ok();
    CU_ASSERT_EQUAL(dom->ops->emit_static(dom, recorder_emit, &r), 0);
    recorder_clear(&r);
    fake_pv_move_leaf(f, 1, 300);
    CU_ASSERT_EQUAL(dom->ops->emit_tail(dom, recorder_emit, &r), 0);
    CU_ASSERT_EQUAL_FATAL(r.nr, 5);
    CU_ASSERT_EQUAL(r.rec[0].type, XLM__XC_X86_PV_P2M_FRAMES);
    memcpy(&pfn, r.rec[0].body + 8 + 8, 8);
    CU_ASSERT_EQUAL(pfn, 300);
    unmake();
}

static void test_dom_pv_bad_vcpu_register_is_named(void)
{
    vcpu_guest_context_t *ctx;

    open_ok();
    CU_ASSERT_EQUAL(dom->ops->emit_static(dom, recorder_emit, &r), 0);
    ctx = f->vcpu[0][XLM__VCPU_BASIC].data;
    ctx->user_regs.rdx = f->nr_frames;
    CU_ASSERT_EQUAL(dom->ops->emit_tail(dom, recorder_emit, &r),
                    XLM_ERR_INCOMPATIBLE);
    CU_ASSERT_TRUE(error_says(&err, "rdx (start_info)"));
    unmake();
}

static void test_dom_pv_short_vcpu_context_is_named(void)
{
    open_ok();
    CU_ASSERT_EQUAL(dom->ops->emit_static(dom, recorder_emit, &r), 0);
    f->vcpu[0][XLM__VCPU_BASIC].bytes = 8;
    CU_ASSERT_EQUAL(dom->ops->emit_tail(dom, recorder_emit, &r),
                    XLM_ERR_HYPERVISOR);
    CU_ASSERT_TRUE(error_says(&err, "8 bytes, expected"));
    unmake();
}

static void test_dom_pv_page_table_waits_while_live_only(void)
{
    uint64_t out[512];
    enum xlm__page_fate fate;
    const void *l4;

    open_ok();
    l4 = fake_page(f, FAKE_PV_L4);
    CU_ASSERT_TRUE(dom->ops->needs_copy(f->types[FAKE_PV_L4]));
    CU_ASSERT_FALSE(dom->ops->needs_copy(XLM__PT_NOTAB));
    CU_ASSERT_EQUAL(
        dom->ops->page_out(dom, FAKE_PV_L4, 0x4u << 28, l4, out, false, &fate),
        0);
    CU_ASSERT_EQUAL(fate, XLM__PAGE_SEND);
    CU_ASSERT_EQUAL(out[256], 0);
    ((uint64_t *)(uintptr_t)l4)[3] = 1; /* frame 0: Xen's */
    CU_ASSERT_EQUAL(
        dom->ops->page_out(dom, FAKE_PV_L4, 0x4u << 28, l4, out, true, &fate),
        0);
    CU_ASSERT_EQUAL(fate, XLM__PAGE_DEFER);
    CU_ASSERT_EQUAL(
        dom->ops->page_out(dom, FAKE_PV_L4, 0x4u << 28, l4, out, false, &fate),
        XLM_ERR_INCOMPATIBLE);
    CU_ASSERT_TRUE(error_says(&err, "pfn 0x5d, level 4, entry 3 maps a page"));
    unmake();
}

static int stop_readers;

/* What a sender thread asks for; returns the number of wrong answers. */
static void *reader(void *arg)
{
    uint64_t *wrong = arg;

    while (!__atomic_load_n(&stop_readers, __ATOMIC_RELAXED)) {
        for (uint64_t pfn = 512; pfn < 1024; pfn++) {
            uint64_t gfn = 0;

            if (dom->ops->gfns(dom, 1, &pfn, &gfn) || gfn != fake_frame(f, pfn))
                (*wrong)++;
        }
    }
    return NULL;
}

static void test_dom_pv_threads_see_right_frames_while_p2m_moves(void)
{
    uint64_t wrong[2] = { 0 }, nr;
    uint64_t *ram = xlm__bitmap_alloc(NR_PFNS);
    pthread_t thread[2];

    open_ok();
    stop_readers = 0;
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(
            pthread_create(&thread[i], NULL, reader, &wrong[i]), 0);
    for (unsigned i = 0; i < 50; i++) {
        fake_pv_move_leaf(f, 1, i % 2 ? 301 : 300);
        CU_ASSERT_EQUAL(dom->ops->ram(dom, ram, &nr), 0);
        CU_ASSERT_EQUAL(nr, NR_PFNS);
    }
    __atomic_store_n(&stop_readers, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], NULL);
        CU_ASSERT_EQUAL(wrong[i], 0);
    }
    free(ram);
    unmake();
}

static int whole(void)
{
    uint64_t ram[XLM__BITMAP_WORDS(NR_PFNS)] = { 0 }, nr;
    int rc = xlm__dom_open(&f->base, &f->info, &dom);

    if (!rc)
        rc = dom->ops->ram(dom, ram, &nr);
    if (!rc)
        rc = dom->ops->emit_static(dom, recorder_emit, &r);
    if (!rc) {
        fake_pv_move_leaf(f, 1, 300);
        rc = dom->ops->emit_tail(dom, recorder_emit, &r);
    }
    return rc;
}

static void test_dom_pv_every_failing_call_is_passed_on(void)
{
    unsigned n = 1;
    int rc;

    do {
        make();
        f->fail_call = n++;
        rc = whole();
        CU_ASSERT_TRUE(rc == 0 || rc == XLM_ERR_HYPERVISOR);
        unmake();
    } while (rc);
    CU_ASSERT_TRUE(n > 20);
}

static void test_dom_pv_every_failing_allocation_is_told(void)
{
    unsigned n = 1;
    int rc;

    do {
        make();
        fault_alloc_at(n++);
        rc = whole();
        CU_ASSERT_EQUAL(rc == XLM_ERR_NOMEM, fault_alloc_hit());
        unmake();
    } while (rc);
    CU_ASSERT_TRUE(n > 20);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_dom_pv_32_bit_is_refused_by_name),
    UNIT_TEST(test_dom_pv_without_linear_p2m_is_refused_by_name),
    UNIT_TEST(test_dom_pv_ram_is_what_has_frames),
    UNIT_TEST(test_dom_pv_gfn_is_the_frame_of_the_moment),
    UNIT_TEST(test_dom_pv_moved_p2m_is_followed),
    UNIT_TEST(test_dom_pv_p2m_being_moved_does_not_stop_a_live_round),
    UNIT_TEST(test_dom_pv_p2m_left_half_moved_fails_the_tail),
    UNIT_TEST(test_dom_pv_p2m_that_grew_fails_by_name),
    UNIT_TEST(test_dom_pv_static_records_are_in_order),
    UNIT_TEST(test_dom_pv_tail_records_are_in_order),
    UNIT_TEST(test_dom_pv_p2m_moved_since_is_sent_again_first),
    UNIT_TEST(test_dom_pv_bad_vcpu_register_is_named),
    UNIT_TEST(test_dom_pv_short_vcpu_context_is_named),
    UNIT_TEST(test_dom_pv_page_table_waits_while_live_only),
    UNIT_TEST(test_dom_pv_threads_see_right_frames_while_p2m_moves),
    UNIT_TEST(test_dom_pv_every_failing_call_is_passed_on),
    UNIT_TEST(test_dom_pv_every_failing_allocation_is_told),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("dom_pv", tests)
