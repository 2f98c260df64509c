/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "error_says.h"
#include "fake_hv.h"
#include "fault_alloc.h"
#include "mem/sink.h"
#include "unit.h"

#define NR_PFNS 2048u
#define L1      (1u << 28)
#define L2      (2u << 28)
#define PTE     0x67ull

static struct xlm__errslot err;
static struct fake_hv *f;
static struct xlm__pv_frames *frames;
static struct xlm__sink *s;
static struct xlm__job *j;

static int open_all(void)
{
    int rc = xlm__pv_frames_new(&err, NR_PFNS, &frames);

    if (!rc)
        rc = xlm__sink_open_frames(&f->base, 1, frames, &s);
    return rc ? rc : s->ops->job_new(s, &j);
}

static void make_host(void)
{
    const struct fake_hv_config c = { .nr_pfns = NR_PFNS, .pv = true };

    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    f = fake_hv_new(&err, &c);
    frames = NULL;
    s = NULL;
    j = NULL;
}

static void make(void)
{
    make_host();
    CU_ASSERT_EQUAL_FATAL(open_all(), 0);
}

static void unmake(void)
{
    if (j)
        s->ops->job_free(j);
    if (s)
        s->ops->close(s);
    xlm__pv_frames_free(frames);
    CU_ASSERT_EQUAL(f->nr_mapped, 0);
    fake_hv_free(f);
    xlm__errslot_destroy(&err);
}

/* One page, full of `byte`. */
static int put(uint64_t pfn, uint32_t type, int byte)
{
    void *page = NULL;
    int rc = s->ops->begin(j, 1, &pfn, &type, &page);

    if (rc)
        return rc;
    if (page)
        memset(page, byte, XLM__PAGE_SIZE);
    return s->ops->end(j);
}

/* A table of which entry i leads to `to`. */
static int put_table(uint64_t pfn, uint32_t type, unsigned i, uint64_t to)
{
    void *page = NULL;
    int rc = s->ops->begin(j, 1, &pfn, &type, &page);

    if (rc)
        return rc;
    memset(page, 0, XLM__PAGE_SIZE);
    ((uint64_t *)page)[i] = to << 12 | PTE;
    return s->ops->end(j);
}

static uint64_t word_of(uint64_t pfn, unsigned i)
{
    const unsigned char *page = fake_page(f, pfn);

    return page ? ((const uint64_t *)(const void *)page)[i] : 0;
}

static bool is_full_of(uint64_t pfn, int byte)
{
    const unsigned char *page = fake_page(f, pfn);

    for (unsigned i = 0; page && i < XLM__PAGE_SIZE; i++)
        if (page[i] != byte)
            return false;
    return page;
}

static void test_frames_page_is_in_a_frame_of_its_own(void)
{
    make();
    CU_ASSERT_EQUAL(put(7, XLM__PT_NOTAB, 0x11), 0);
    CU_ASSERT_EQUAL(put(8, XLM__PT_NOTAB, 0x22), 0);
    CU_ASSERT(is_full_of(7, 0x11));
    CU_ASSERT(is_full_of(8, 0x22));
    CU_ASSERT_EQUAL(frames->mfns[7], fake_frame(f, 7));
    CU_ASSERT_EQUAL(f->info.tot_pages, 2);
    CU_ASSERT_EQUAL(put(7, XLM__PT_NOTAB, 0x33), 0); /* again */
    CU_ASSERT(is_full_of(7, 0x33));
    CU_ASSERT_EQUAL(f->info.tot_pages, 2);
    unmake();
}

static void test_frames_table_leads_to_frames(void)
{
    make();
    CU_ASSERT_EQUAL(put(100, XLM__PT_NOTAB, 0x11), 0);
    CU_ASSERT_EQUAL(put_table(5, L1 | XLM__PT_LPINTAB, 3, 100), 0);
    CU_ASSERT_EQUAL(word_of(5, 3), fake_frame(f, 100) << 12 | PTE);
    CU_ASSERT_EQUAL(word_of(5, 2), 0);
    CU_ASSERT_EQUAL(xlm__pv_frames_type(frames, 5), L1 | XLM__PT_LPINTAB);
    unmake();
}

static void test_frames_table_gives_memory_to_what_comes_later(void)
{
    make();
    CU_ASSERT_EQUAL(put_table(5, L2, 511, 6), 0);
    CU_ASSERT_EQUAL(put_table(6, L1, 0, 900), 0);
    CU_ASSERT_EQUAL(f->info.tot_pages, 3);
    CU_ASSERT_EQUAL(put(900, XLM__PT_NOTAB, 0x44), 0);
    CU_ASSERT_EQUAL(f->info.tot_pages, 3);
    CU_ASSERT_EQUAL(word_of(5, 511), fake_frame(f, 6) << 12 | PTE);
    CU_ASSERT_EQUAL(word_of(6, 0), fake_frame(f, 900) << 12 | PTE);
    CU_ASSERT(is_full_of(900, 0x44));
    unmake();
}

static void test_frames_table_that_leads_out_of_the_domain_is_refused(void)
{
    make();
    CU_ASSERT_EQUAL(put_table(5, L1, 9, NR_PFNS), XLM_ERR_STREAM);
    CU_ASSERT(error_says(&err,
                         "page table at page 0x5: entry 9 leads to page 0x800, "
                         "limit 0x800"));
    s->ops->abort(j);
    unmake();
}

static void test_frames_table_becomes_data_and_data_a_table(void)
{
    make();
    CU_ASSERT_EQUAL(put_table(5, L1 | XLM__PT_LPINTAB, 0, 6), 0);
    CU_ASSERT_EQUAL(put(6, XLM__PT_NOTAB, 0x67), 0); /* as if entries */
    CU_ASSERT_EQUAL(put(5, XLM__PT_NOTAB, 0x67), 0);
    CU_ASSERT(is_full_of(5, 0x67));
    CU_ASSERT_EQUAL(xlm__pv_frames_type(frames, 5), 0);
    CU_ASSERT_EQUAL(put_table(6, L1, 0, 5), 0);
    CU_ASSERT_EQUAL(word_of(6, 0), fake_frame(f, 5) << 12 | PTE);
    CU_ASSERT_EQUAL(s->ops->zero(j, 6, 1, L1), 0);
    CU_ASSERT(is_full_of(6, 0));
    CU_ASSERT_EQUAL(xlm__pv_frames_type(frames, 6), L1);
    unmake();
}

static void test_frames_ring_is_filled_beside_it(void)
{
    uint64_t mfn;
    bool nomem;

    make();
    CU_ASSERT_EQUAL(f->base.ops->pv_populate(&f->base, 1, 1, &(uint64_t){ 70 },
                                             &mfn, &nomem),
                    0);
    memset(fake_page(f, 70), 0x5a, XLM__PAGE_SIZE);
    frames->rings[XLM__PV_RING_CONSOLE].pfn = 70;
    frames->mfns[70] = mfn;
    CU_ASSERT_EQUAL(put(70, XLM__PT_NOTAB, 0x11), 0);
    CU_ASSERT(is_full_of(70, 0x5a));
    CU_ASSERT_EQUAL(frames->rings[XLM__PV_RING_CONSOLE].copy[4095], 0x11);
    CU_ASSERT_EQUAL(s->ops->zero(j, 69, 3, XLM__PT_NOTAB), 0);
    CU_ASSERT(is_full_of(70, 0x5a));
    CU_ASSERT(is_full_of(69, 0) && is_full_of(71, 0));
    CU_ASSERT_EQUAL(frames->rings[XLM__PV_RING_CONSOLE].copy[4095], 0);
    CU_ASSERT_EQUAL(put_table(5, L1, 0, 70), 0);
    CU_ASSERT_EQUAL(word_of(5, 0), mfn << 12 | PTE);
    CU_ASSERT_EQUAL(s->ops->release(s, 60, 20), 0);
    CU_ASSERT(is_full_of(70, 0x5a));
    CU_ASSERT_PTR_NULL(fake_page(f, 69));
    unmake();
}

static void test_frames_zero_run_is_zero_whatever_was_there(void)
{
    size_t wrong = 0;

    make();
    CU_ASSERT_EQUAL(put(100, XLM__PT_NOTAB, 0x11), 0);
    CU_ASSERT_EQUAL(s->ops->zero(j, 10, 1500, XLM__PT_NOTAB), 0);
    for (uint64_t pfn = 10; pfn < 1510; pfn++)
        wrong += !is_full_of(pfn, 0);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(f->info.tot_pages, 1500);
    CU_ASSERT_EQUAL(s->ops->zero(j, 2000, 49, XLM__PT_NOTAB), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(s->ops->zero(j, 1, 1, XLM__PT_XTAB), XLM_ERR_STREAM);
    unmake();
}

static void test_frames_released_page_has_no_frame_and_may_come_again(void)
{
    make();
    CU_ASSERT_EQUAL(s->ops->zero(j, 0, 1200, L1), 0);
    CU_ASSERT_EQUAL(s->ops->release(s, 1, 1198), 0);
    CU_ASSERT_EQUAL(f->info.tot_pages, 2);
    CU_ASSERT(!xlm__pv_frames_has(frames, 600));
    CU_ASSERT_EQUAL(xlm__pv_frames_type(frames, 600), XLM__PT_XTAB);
    CU_ASSERT_EQUAL(s->ops->release(s, 1, 1198), 0); /* nothing is there */
    CU_ASSERT_EQUAL(put(600, XLM__PT_NOTAB, 0x11), 0);
    CU_ASSERT(is_full_of(600, 0x11));
    CU_ASSERT_EQUAL(xlm__pv_frames_type(frames, 600), 0);
    CU_ASSERT_EQUAL(s->ops->release(s, NR_PFNS - 1, 2), XLM_ERR_STREAM);
    unmake();
}

static void test_frames_released_page_keeps_nothing_for_others(void)
{
    uint64_t frame;

    make();
    CU_ASSERT_EQUAL(put(7, XLM__PT_NOTAB, 0x11), 0);
    frame = fake_frame(f, 7);
    CU_ASSERT_EQUAL(s->ops->release(s, 7, 1), 0);
    for (unsigned i = 0; i < XLM__PAGE_SIZE; i++)
        CU_ASSERT_EQUAL(f->frames[frame * XLM__PAGE_SIZE + i], 0);
    unmake();
}

static void test_frames_only_led_to_are_given_back(void)
{
    make();
    CU_ASSERT_EQUAL(put_table(5, L2, 511, 6), 0);
    CU_ASSERT_EQUAL(s->ops->zero(j, 8, 1, XLM__PT_NOTAB), 0);
    CU_ASSERT_EQUAL(f->info.tot_pages, 3);
    CU_ASSERT_EQUAL(xlm__pv_frames_trim(frames, &f->base, 1), 0);
    CU_ASSERT_EQUAL(f->info.tot_pages, 2);
    CU_ASSERT(!xlm__pv_frames_has(frames, 6));
    CU_ASSERT(xlm__pv_frames_has(frames, 5) && xlm__pv_frames_has(frames, 8));
    unmake();
}

static void test_frames_page_without_content(void)
{
    const uint64_t pfns[] = { 7, 8, 9 };
    const uint32_t types[] = { XLM__PT_XALLOC, XLM__PT_BROKEN, XLM__PT_XTAB };
    void *pages[3];

    make();
    CU_ASSERT_EQUAL(s->ops->begin(j, 3, pfns, types, pages), 0);
    CU_ASSERT(!pages[0] && !pages[1] && !pages[2]);
    CU_ASSERT_EQUAL(s->ops->end(j), 0);
    CU_ASSERT_EQUAL(f->info.tot_pages, 1);
    CU_ASSERT(xlm__pv_frames_has(frames, 7));
    unmake();
}

static void test_frames_no_memory_says_what_there_is(void)
{
    make();
    f->info.max_pages = 3;
    CU_ASSERT_EQUAL(s->ops->zero(j, 0, 3, XLM__PT_NOTAB), 0);
    CU_ASSERT_EQUAL(put(3, XLM__PT_NOTAB, 1), XLM_ERR_HYPERVISOR);
    CU_ASSERT(error_says(&err, "no memory for domain 1: 1 pages wanted"));
    CU_ASSERT(!xlm__pv_frames_has(frames, 3));
    unmake();

    make();
    f->info.max_pages = 1;
    CU_ASSERT_EQUAL(put_table(5, L1, 0, 6), XLM_ERR_HYPERVISOR);
    CU_ASSERT(error_says(&err, "no memory for domain 1"));
    s->ops->abort(j);
    unmake();
}

static void test_frames_page_that_cannot_be_mapped_is_named(void)
{
    make();
    CU_ASSERT_EQUAL(put(3, XLM__PT_NOTAB, 1), 0);
    f->bad_gfn = fake_frame(f, 3);
    CU_ASSERT_EQUAL(put(3, XLM__PT_NOTAB, 1), XLM_ERR_HYPERVISOR);
    CU_ASSERT(error_says(&err, "map page 0x"));
    unmake();
}

static void test_frames_bad_job_is_refused(void)
{
    make();
    CU_ASSERT_EQUAL(put(NR_PFNS, XLM__PT_NOTAB, 1), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(put(1, 5u << 28, 1), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(s->ops->keep(s, 1), XLM_ERR_INTERNAL);
    CU_ASSERT_EQUAL(s->ops->begin(j, 0, NULL, NULL, NULL), 0);
    CU_ASSERT_EQUAL(s->ops->end(j), 0);
    CU_ASSERT_EQUAL(f->info.tot_pages, 0);
    unmake();
}

/* ---- several channels ---- */

#define THREADS 4u
#define EACH    400u

struct filler {
    pthread_t thread;
    unsigned nr;
    int rc;
};

/* Tables that lead to pages which other threads put at the same time. */
static void *fill(void *arg)
{
    struct filler *me = arg;
    struct xlm__job *job = NULL;

    me->rc = s->ops->job_new(s, &job);
    for (uint64_t i = 0; i < EACH && !me->rc; i++) {
        const uint64_t pfn = i * THREADS + me->nr;
        const uint32_t type = i % 2 ? XLM__PT_NOTAB : L1;
        void *page = NULL;

        me->rc = s->ops->begin(job, 1, &pfn, &type, &page);
        if (me->rc)
            break;
        for (unsigned k = 0; k < 512; k++)
            ((uint64_t *)page)[k] = (pfn + k) % (THREADS * EACH) << 12 | PTE;
        me->rc = s->ops->end(job);
    }
    s->ops->job_free(job);
    return NULL;
}

static bool is_filled(uint64_t pfn)
{
    const bool table = !(pfn / THREADS % 2);

    for (unsigned k = 0; k < 512; k++) {
        const uint64_t to = (pfn + k) % (THREADS * EACH);

        if (word_of(pfn, k) != ((table ? fake_frame(f, to) : to) << 12 | PTE))
            return false;
    }
    return true;
}

static void test_frames_channels_give_each_page_one_frame(void)
{
    struct filler fillers[THREADS];
    size_t wrong = 0;

    make();
    for (unsigned i = 0; i < THREADS; i++) {
        fillers[i] = (struct filler){ .nr = i };
        CU_ASSERT_EQUAL_FATAL(
            pthread_create(&fillers[i].thread, NULL, fill, &fillers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(fillers[i].thread, NULL);
        CU_ASSERT_EQUAL(fillers[i].rc, 0);
    }
    for (uint64_t pfn = 0; pfn < THREADS * EACH; pfn++)
        wrong += !is_filled(pfn);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(f->info.tot_pages, THREADS * EACH);
    unmake();
}

static void test_frames_every_failing_allocation_is_told(void)
{
    unsigned n = 1;
    int rc;

    do {
        make_host();
        fault_alloc_at(n++);
        rc = open_all();
        CU_ASSERT_EQUAL(rc == XLM_ERR_NOMEM, fault_alloc_hit());
        unmake();
    } while (rc);
    /* the list, its two arrays, two rings, the sink, the job */
    CU_ASSERT_EQUAL(n, 1 + 7 + 1);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_frames_page_is_in_a_frame_of_its_own),
    UNIT_TEST(test_frames_table_leads_to_frames),
    UNIT_TEST(test_frames_table_gives_memory_to_what_comes_later),
    UNIT_TEST(test_frames_table_that_leads_out_of_the_domain_is_refused),
    UNIT_TEST(test_frames_table_becomes_data_and_data_a_table),
    UNIT_TEST(test_frames_ring_is_filled_beside_it),
    UNIT_TEST(test_frames_zero_run_is_zero_whatever_was_there),
    UNIT_TEST(test_frames_released_page_has_no_frame_and_may_come_again),
    UNIT_TEST(test_frames_released_page_keeps_nothing_for_others),
    UNIT_TEST(test_frames_only_led_to_are_given_back),
    UNIT_TEST(test_frames_page_without_content),
    UNIT_TEST(test_frames_no_memory_says_what_there_is),
    UNIT_TEST(test_frames_page_that_cannot_be_mapped_is_named),
    UNIT_TEST(test_frames_bad_job_is_refused),
    UNIT_TEST(test_frames_channels_give_each_page_one_frame),
    UNIT_TEST(test_frames_every_failing_allocation_is_told),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("sink_frames", tests)
