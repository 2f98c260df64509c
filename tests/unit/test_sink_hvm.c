/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <pthread.h>
#include <stdlib.h>

#include "error_says.h"
#include "fake_hv.h"
#include "fault_alloc.h"
#include "mem/sink.h"
#include "mem/zero.h"
#include "unit.h"

#define NR_PFNS 4096u

static struct xlm__errslot err;
static struct fake_hv *f;
static struct xlm__sink *s;
static struct xlm__job *j;
static uint64_t pfns[XLM__JOB_MAX];
static uint32_t types[XLM__JOB_MAX];
static void *pages[XLM__JOB_MAX];

static void make_host(uint64_t nr_frames)
{
    const struct fake_hv_config c = { .nr_pfns = NR_PFNS,
                                      .nr_frames = nr_frames };

    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    f = fake_hv_new(&err, &c);
    s = NULL;
    j = NULL;
    memset(types, 0, sizeof(types));
}

static int open_all(void)
{
    int rc = xlm__sink_open_hvm(&f->base, 1, NR_PFNS, &s);

    return rc ? rc : s->ops->job_new(s, &j);
}

static void make(void)
{
    make_host(8192);
    CU_ASSERT_EQUAL_FATAL(open_all(), 0);
}

static void unmake(void)
{
    if (j)
        s->ops->job_free(j);
    if (s)
        s->ops->close(s);
    CU_ASSERT_EQUAL(f->nr_mapped, 0);
    fake_hv_free(f);
    xlm__errslot_destroy(&err);
}

/* A job of nr pages from first on, each filled with its own pattern. */
static int put_run(struct xlm__job *job, uint64_t first, size_t nr,
                   uint64_t *at, void **page)
{
    int rc;

    for (size_t i = 0; i < nr; i++)
        at[i] = first + i;
    rc = s->ops->begin(job, nr, at, types, page);
    if (rc)
        return rc;
    for (size_t i = 0; i < nr; i++)
        memset(page[i], (int)(at[i] % 251) + 1, XLM__PAGE_SIZE);
    return s->ops->end(job);
}

static int run(uint64_t first, size_t nr)
{
    return put_run(j, first, nr, pfns, pages);
}

static unsigned wrong_pages(uint64_t first, uint64_t nr)
{
    unsigned wrong = 0;

    for (uint64_t i = first; i < first + nr; i++) {
        const unsigned char *p = fake_page(f, i);

        wrong += !p || p[0] != i % 251 + 1 || p[4095] != i % 251 + 1;
    }
    return wrong;
}

static void test_sink_hvm_content_arrives_in_place(void)
{
    make();
    CU_ASSERT_EQUAL(run(5, 10), 0);
    CU_ASSERT_EQUAL(wrong_pages(5, 10), 0);
    CU_ASSERT_PTR_NULL(fake_page(f, 4));
    CU_ASSERT_PTR_NULL(fake_page(f, 15));
    CU_ASSERT_EQUAL(f->nr_populate_4k, 10);
    CU_ASSERT_EQUAL(run(8, 10), 0); /* some are there already */
    CU_ASSERT_EQUAL(f->nr_populate_4k, 13);
    unmake();
}

static void test_sink_hvm_whole_2m_is_one_extent(void)
{
    make();
    CU_ASSERT_EQUAL(run(1024, 1024), 0);
    CU_ASSERT_EQUAL(f->nr_populate_2m, 2);
    CU_ASSERT_EQUAL(f->nr_populate_4k, 0);
    CU_ASSERT_EQUAL(wrong_pages(1024, 1024), 0);
    unmake();
}

static void test_sink_hvm_2m_partly_there_is_filled_by_pages(void)
{
    make();
    CU_ASSERT_EQUAL(run(1500, 1), 0);
    CU_ASSERT_EQUAL(run(1024, 1024), 0);
    CU_ASSERT_EQUAL(f->nr_populate_2m, 1);
    CU_ASSERT_EQUAL(f->nr_populate_4k, 512);
    CU_ASSERT_EQUAL(wrong_pages(1024, 1024), 0);
    unmake();
}

static void test_sink_hvm_unaligned_run_is_filled_by_pages(void)
{
    make();
    CU_ASSERT_EQUAL(run(100, 700), 0);
    CU_ASSERT_EQUAL(f->nr_populate_2m, 0);
    CU_ASSERT_EQUAL(f->nr_populate_4k, 700);
    unmake();
}

static void test_sink_hvm_without_2m_extents_falls_back_to_pages(void)
{
    make();
    f->no_superpages = true;
    CU_ASSERT_EQUAL(run(512, 512), 0);
    CU_ASSERT_EQUAL(f->nr_populate_4k, 512);
    CU_ASSERT_EQUAL(wrong_pages(512, 512), 0);
    CU_ASSERT_EQUAL(xlm__errslot_code(&err), 0);
    unmake();
}

static void test_sink_hvm_page_named_twice_is_populated_once(void)
{
    make();
    for (size_t i = 0; i < 600; i++)
        pfns[i] = i < 512 ? i : i - 512;
    pfns[3] = 2; /* nor is this run of 512 one */
    CU_ASSERT_EQUAL(s->ops->begin(j, 600, pfns, types, pages), 0);
    CU_ASSERT_EQUAL(f->nr_populate_2m, 0);
    CU_ASSERT_EQUAL(f->nr_populate_4k, 512);
    CU_ASSERT_EQUAL(s->ops->end(j), 0);
    unmake();
}

static void test_sink_hvm_zero_clears_what_xen_left_there(void)
{
    make();
    CU_ASSERT_EQUAL(run(2, 1), 0);
    CU_ASSERT_EQUAL(s->ops->zero(j, 1, 3, 0), 0);
    for (uint64_t i = 1; i < 4; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(fake_page(f, i));
        CU_ASSERT_TRUE(xlm__page_is_zero(fake_page(f, i)));
    }
    CU_ASSERT_PTR_NULL(fake_page(f, 4));
    unmake();
}

static void test_sink_hvm_long_zero_run_uses_2m_extents(void)
{
    unsigned wrong = 0;

    make();
    CU_ASSERT_EQUAL(s->ops->zero(j, 300, 3000, 0), 0);
    CU_ASSERT_EQUAL(f->nr_populate_2m, 5); /* 512 .. 3071 */
    CU_ASSERT_EQUAL(f->nr_populate_4k, 3000 - 5 * 512);
    for (uint64_t i = 300; i < 3300; i++)
        wrong += !fake_page(f, i) || !xlm__page_is_zero(fake_page(f, i));
    CU_ASSERT_EQUAL(wrong, 0);
    unmake();
}

static void test_sink_hvm_pages_without_content_get_no_memory(void)
{
    make();
    for (size_t i = 0; i < 4; i++)
        pfns[i] = i;
    types[0] = XLM__PT_XTAB;
    types[1] = XLM__PT_BROKEN;
    types[2] = XLM__PT_XALLOC;
    CU_ASSERT_EQUAL(s->ops->begin(j, 4, pfns, types, pages), 0);
    CU_ASSERT_PTR_NULL(pages[0]);
    CU_ASSERT_PTR_NULL(pages[1]);
    CU_ASSERT_PTR_NULL(pages[2]);
    CU_ASSERT_PTR_NOT_NULL(pages[3]);
    CU_ASSERT_EQUAL(s->ops->end(j), 0);
    CU_ASSERT_PTR_NULL(fake_page(f, 0));
    CU_ASSERT_PTR_NULL(fake_page(f, 1));
    CU_ASSERT_PTR_NOT_NULL(fake_page(f, 2)); /* that is what XALLOC is */
    unmake();
}

static void test_sink_hvm_released_pages_go_and_may_come_back(void)
{
    make();
    CU_ASSERT_EQUAL(run(10, 20), 0);
    CU_ASSERT_EQUAL(s->ops->release(s, 0, 15), 0);
    CU_ASSERT_EQUAL(f->info.tot_pages, 15);
    CU_ASSERT_PTR_NULL(fake_page(f, 14));
    CU_ASSERT_EQUAL(wrong_pages(15, 15), 0);
    CU_ASSERT_EQUAL(s->ops->release(s, 0, NR_PFNS), 0);
    CU_ASSERT_EQUAL(f->info.tot_pages, 0);
    CU_ASSERT_EQUAL(run(10, 20), 0);
    CU_ASSERT_EQUAL(wrong_pages(10, 20), 0);
    unmake();
}

static void test_sink_hvm_released_page_keeps_nothing_for_others(void)
{
    uint64_t frame;
    size_t wrong = 0;

    make();
    CU_ASSERT_EQUAL(s->ops->zero(j, 0, 20, 0), 0);
    memset(fake_page(f, 7), 0x11, XLM__PAGE_SIZE);
    frame = fake_frame(f, 7);
    CU_ASSERT_EQUAL(s->ops->release(s, 7, 1), 0);
    for (unsigned i = 0; i < XLM__PAGE_SIZE; i++)
        wrong += f->frames[frame * XLM__PAGE_SIZE + i] != 0;
    CU_ASSERT_EQUAL(wrong, 0);
    unmake();
}

static void test_sink_hvm_release_of_more_than_one_step(void)
{
    make();
    CU_ASSERT_EQUAL(s->ops->zero(j, 0, 2500, 0), 0);
    CU_ASSERT_EQUAL(s->ops->release(s, 1, 2498), 0);
    CU_ASSERT_EQUAL(f->info.tot_pages, 2);
    unmake();
}

static void test_sink_hvm_hostile_numbers_are_named(void)
{
    make();
    pfns[0] = NR_PFNS;
    CU_ASSERT_EQUAL(s->ops->begin(j, 1, pfns, types, pages), XLM_ERR_STREAM);
    CU_ASSERT_TRUE(error_says(&err, "page 0x1000, limit 0x1000"));
    unmake();
    make();
    CU_ASSERT_EQUAL(s->ops->begin(j, XLM__JOB_MAX + 1, pfns, types, pages),
                    XLM_ERR_STREAM);
    CU_ASSERT_TRUE(error_says(&err, "1025 pages at once, limit 1024"));
    unmake();
    make();
    pfns[0] = 0;
    types[0] = 0x5u << 28;
    CU_ASSERT_EQUAL(s->ops->begin(j, 1, pfns, types, pages), XLM_ERR_STREAM);
    CU_ASSERT_TRUE(error_says(&err, "no type 0x50000000"));
    unmake();
    make();
    types[0] = 1;
    CU_ASSERT_EQUAL(s->ops->begin(j, 1, pfns, types, pages), XLM_ERR_STREAM);
    unmake();
}

/* It is destroyed between the two questions. */
static int forgotten(struct xlm__hv *hv, uint32_t domid,
                     struct xlm__dominfo *out, bool *exists_out)
{
    (void)hv;
    (void)domid;
    (void)out;
    *exists_out = false;
    return 0;
}

static void test_sink_hvm_full_host_and_lost_domain_are_told_apart(void)
{
    static struct xlm__hv_ops forgetful;

    make();
    f->free_frames = 0;
    CU_ASSERT_EQUAL(run(0, 5), XLM_ERR_HYPERVISOR);
    CU_ASSERT_TRUE(
        error_says(&err, "no memory for domain 1: 5 pages wanted, this host"));
    f->free_frames = 8192;
    unmake();
    make();
    f->free_frames = 0;
    forgetful = *f->base.ops;
    forgetful.dominfo = forgotten;
    f->base.ops = &forgetful;
    CU_ASSERT_EQUAL(run(0, 5), XLM_ERR_TOOLSTACK);
    CU_ASSERT_TRUE(
        error_says(&err, "domain 1 was destroyed while its memory came"));
    unmake();
}

static void test_sink_hvm_hostile_ranges_are_named(void)
{
    const struct {
        uint64_t first, nr;
    } bad[] = { { NR_PFNS, 1 },
                { NR_PFNS - 1, 2 },
                { 1, UINT64_MAX },
                { UINT64_MAX, 1 },
                { 0, NR_PFNS + 1 } };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        make();
        CU_ASSERT_EQUAL(s->ops->zero(j, bad[i].first, bad[i].nr, 0),
                        XLM_ERR_STREAM);
        CU_ASSERT_EQUAL(s->ops->release(s, bad[i].first, bad[i].nr),
                        XLM_ERR_STREAM);
        CU_ASSERT_EQUAL(f->info.tot_pages, 0);
        unmake();
    }
    make();
    CU_ASSERT_EQUAL(s->ops->zero(j, 0, 1, XLM__PT_XTAB), XLM_ERR_STREAM);
    unmake();
}

static void test_sink_hvm_host_without_memory_is_named(void)
{
    make_host(100);
    CU_ASSERT_EQUAL_FATAL(open_all(), 0);
    CU_ASSERT_EQUAL(run(0, 90), 0);
    CU_ASSERT_EQUAL(run(90, 20), XLM_ERR_HYPERVISOR);
    CU_ASSERT_TRUE(
        error_says(&err, "20 pages wanted, this host has 10 free, the domain "
                         "has 90 of at most 100"));
    unmake();
}

static void test_sink_hvm_page_that_cannot_be_mapped_is_named(void)
{
    make();
    f->bad_gfn = 7;
    CU_ASSERT_EQUAL(run(0, 10), XLM_ERR_HYPERVISOR);
    CU_ASSERT_TRUE(error_says(&err, "map page 0x7 of domain 1"));
    CU_ASSERT_EQUAL(f->nr_mapped, 0);
    unmake();
}

static void test_sink_hvm_abort_unmaps(void)
{
    make();
    pfns[0] = 1;
    CU_ASSERT_EQUAL(s->ops->begin(j, 1, pfns, types, pages), 0);
    s->ops->abort(j);
    CU_ASSERT_EQUAL(f->nr_mapped, 0);
    s->ops->abort(j);
    unmake();
}

#define NR_THREADS 4

/* Every fourth page of everything: each thread wants part of each 2 MiB. */
static void *writer(void *arg)
{
    uint64_t at[256], first = *(uint64_t *)arg;
    uint32_t type[256] = { 0 };
    void *page[256];
    struct xlm__job *job = NULL;
    int rc = s->ops->job_new(s, &job);

    for (uint64_t base = 0; base < NR_PFNS && !rc; base += 1024) {
        for (size_t i = 0; i < 256; i++)
            at[i] = base + first + i * NR_THREADS;
        rc = s->ops->begin(job, 256, at, type, page);
        for (size_t i = 0; i < 256 && !rc; i++)
            memset(page[i], (int)(at[i] % 251) + 1, XLM__PAGE_SIZE);
        if (!rc)
            rc = s->ops->end(job);
    }
    if (job)
        s->ops->job_free(job);
    return rc ? arg : NULL;
}

static void test_sink_hvm_threads_share_one_sink(void)
{
    uint64_t first[NR_THREADS];
    pthread_t thread[NR_THREADS];
    void *failed;

    make();
    for (unsigned i = 0; i < NR_THREADS; i++) {
        first[i] = i;
        CU_ASSERT_EQUAL_FATAL(
            pthread_create(&thread[i], NULL, writer, &first[i]), 0);
    }
    for (unsigned i = 0; i < NR_THREADS; i++) {
        pthread_join(thread[i], &failed);
        CU_ASSERT_PTR_NULL(failed);
    }
    CU_ASSERT_EQUAL(wrong_pages(0, NR_PFNS), 0);
    CU_ASSERT_EQUAL(f->info.tot_pages, NR_PFNS);
    unmake();
}

static int whole(void)
{
    int rc = open_all();

    if (!rc)
        rc = run(500, 600);
    if (!rc)
        rc = s->ops->zero(j, 2000, 1100, 0);
    if (!rc)
        rc = s->ops->release(s, 600, 10);
    return rc;
}

static void test_sink_hvm_every_failing_call_leaks_nothing(void)
{
    unsigned n = 1;
    int rc;

    do {
        make_host(8192);
        f->fail_call = n++;
        rc = whole();
        CU_ASSERT_TRUE(rc == 0 || rc == XLM_ERR_HYPERVISOR);
        unmake();
    } while (rc);
    CU_ASSERT_TRUE(n > 10);
}

static void test_sink_hvm_every_failing_allocation_is_told(void)
{
    unsigned n = 1;
    int rc;

    do {
        make_host(8192);
        fault_alloc_at(n++);
        rc = whole();
        CU_ASSERT_EQUAL(rc == XLM_ERR_NOMEM, fault_alloc_hit());
        unmake();
    } while (rc);
    CU_ASSERT_EQUAL(n, 1 + 3 + 1); /* sink, bitmap, job */
}

static void make_kept(uint64_t pfn)
{
    make();
    CU_ASSERT_EQUAL(s->ops->keep(s, pfn), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(fake_page(f, pfn));
    CU_ASSERT_TRUE(xlm__page_is_zero(fake_page(f, pfn)));
    fake_page(f, pfn)[7] = 0x99; /* as its user does */
}

static bool is_untouched(uint64_t pfn)
{
    unsigned char *p = fake_page(f, pfn);

    if (!p || p[7] != 0x99)
        return false;
    p[7] = 0;
    return xlm__page_is_zero(p);
}

static void test_sink_hvm_kept_page_is_not_written(void)
{
    make_kept(7);
    CU_ASSERT_EQUAL(run(5, 10), 0);
    CU_ASSERT_TRUE(is_untouched(7));
    CU_ASSERT_EQUAL(wrong_pages(5, 2), 0);
    CU_ASSERT_EQUAL(wrong_pages(8, 7), 0);
    unmake();
}

static void test_sink_hvm_kept_page_is_said_to_be_dropped(void)
{
    const uint64_t both[2] = { 6, 7 };
    const uint32_t plain[2] = { XLM__PT_NOTAB, XLM__PT_NOTAB };
    void *at[2];

    make_kept(7);
    CU_ASSERT_EQUAL_FATAL(s->ops->begin(j, 2, both, plain, at), 0);
    CU_ASSERT_PTR_NOT_NULL(at[1]);
    CU_ASSERT_PTR_EQUAL(s->ops->dropped(j), at[1]);
    CU_ASSERT_PTR_NOT_EQUAL(s->ops->dropped(j), at[0]);
    s->ops->abort(j);
    unmake();
}

static void test_sink_hvm_kept_page_alone_is_not_written(void)
{
    make_kept(7);
    CU_ASSERT_EQUAL(run(7, 1), 0);
    CU_ASSERT_EQUAL(s->ops->zero(j, 7, 1, XLM__PT_NOTAB), 0);
    CU_ASSERT_TRUE(is_untouched(7));
    unmake();
}

static void test_sink_hvm_kept_page_is_not_zeroed(void)
{
    make_kept(7);
    CU_ASSERT_EQUAL(s->ops->zero(j, 0, 20, XLM__PT_NOTAB), 0);
    CU_ASSERT_TRUE(is_untouched(7));
    CU_ASSERT_TRUE(xlm__page_is_zero(fake_page(f, 19)));
    unmake();
}

static void test_sink_hvm_kept_page_is_not_released(void)
{
    make_kept(7);
    CU_ASSERT_EQUAL(run(5, 10), 0);
    CU_ASSERT_EQUAL(s->ops->release(s, 5, 10), 0);
    CU_ASSERT_TRUE(is_untouched(7));
    CU_ASSERT_PTR_NULL(fake_page(f, 6));
    CU_ASSERT_PTR_NULL(fake_page(f, 8));
    unmake();
}

static void test_sink_hvm_keeps_four_pages_and_no_more(void)
{
    make();
    for (uint64_t pfn = 0; pfn < XLM__KEEP_MAX; pfn++)
        CU_ASSERT_EQUAL(s->ops->keep(s, pfn), 0);
    CU_ASSERT_EQUAL(s->ops->keep(s, 0), 0);
    CU_ASSERT_EQUAL(s->ops->keep(s, XLM__KEEP_MAX), XLM_ERR_INTERNAL);
    unmake();
}

static void test_sink_hvm_kept_page_out_of_range_is_refused(void)
{
    make();
    CU_ASSERT_EQUAL(s->ops->keep(s, NR_PFNS), XLM_ERR_STREAM);
    unmake();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_sink_hvm_kept_page_is_not_written),
    UNIT_TEST(test_sink_hvm_kept_page_is_said_to_be_dropped),
    UNIT_TEST(test_sink_hvm_kept_page_alone_is_not_written),
    UNIT_TEST(test_sink_hvm_kept_page_is_not_zeroed),
    UNIT_TEST(test_sink_hvm_kept_page_is_not_released),
    UNIT_TEST(test_sink_hvm_keeps_four_pages_and_no_more),
    UNIT_TEST(test_sink_hvm_kept_page_out_of_range_is_refused),
    UNIT_TEST(test_sink_hvm_content_arrives_in_place),
    UNIT_TEST(test_sink_hvm_whole_2m_is_one_extent),
    UNIT_TEST(test_sink_hvm_2m_partly_there_is_filled_by_pages),
    UNIT_TEST(test_sink_hvm_unaligned_run_is_filled_by_pages),
    UNIT_TEST(test_sink_hvm_without_2m_extents_falls_back_to_pages),
    UNIT_TEST(test_sink_hvm_page_named_twice_is_populated_once),
    UNIT_TEST(test_sink_hvm_zero_clears_what_xen_left_there),
    UNIT_TEST(test_sink_hvm_long_zero_run_uses_2m_extents),
    UNIT_TEST(test_sink_hvm_pages_without_content_get_no_memory),
    UNIT_TEST(test_sink_hvm_released_pages_go_and_may_come_back),
    UNIT_TEST(test_sink_hvm_released_page_keeps_nothing_for_others),
    UNIT_TEST(test_sink_hvm_release_of_more_than_one_step),
    UNIT_TEST(test_sink_hvm_hostile_numbers_are_named),
    UNIT_TEST(test_sink_hvm_full_host_and_lost_domain_are_told_apart),
    UNIT_TEST(test_sink_hvm_hostile_ranges_are_named),
    UNIT_TEST(test_sink_hvm_host_without_memory_is_named),
    UNIT_TEST(test_sink_hvm_page_that_cannot_be_mapped_is_named),
    UNIT_TEST(test_sink_hvm_abort_unmaps),
    UNIT_TEST(test_sink_hvm_threads_share_one_sink),
    UNIT_TEST(test_sink_hvm_every_failing_call_leaks_nothing),
    UNIT_TEST(test_sink_hvm_every_failing_allocation_is_told),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("sink_hvm", tests)
