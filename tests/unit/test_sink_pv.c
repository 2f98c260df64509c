/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>

#include "fake_hv.h"
#include "fault_alloc.h"
#include "mem/sink.h"
#include "recorder.h"
#include "unit.h"

#define NR_PFNS 4096u

static struct xlm__errslot err;
static struct fake_hv *f;
static struct xlm__sink *s;
static struct xlm__job *j;
static struct recorder r;

static int open_all(void)
{
    int rc = xlm__sink_open_pv(&f->base, 1, NR_PFNS, recorder_relay, &r, &s);

    return rc ? rc : s->ops->job_new(s, &j);
}

static void make_host(void)
{
    const struct fake_hv_config c = { .nr_pfns = NR_PFNS, .pv = true };

    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    f = fake_hv_new(&err, &c);
    s = NULL;
    j = NULL;
    r.fail_at = 0;
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
    recorder_clear(&r);
    fake_hv_free(f);
    xlm__errslot_destroy(&err);
}

static uint64_t word(unsigned rec, size_t at)
{
    uint64_t value = 0;

    if (rec < r.nr && (at + 1) * 8 <= r.rec[rec].bytes)
        memcpy(&value, r.rec[rec].body + at * 8, 8);
    return value;
}

static void test_sink_pv_job_becomes_one_page_data_record(void)
{
    const uint64_t pfns[] = { 7, 8, 9 };
    const uint32_t types[] = { 0x1u << 28 | XLM__PT_LPINTAB, XLM__PT_XTAB, 0 };
    void *pages[3];

    make();
    CU_ASSERT_EQUAL(s->ops->begin(j, 3, pfns, types, pages), 0);
    CU_ASSERT_PTR_NULL(pages[1]);
    memset(pages[0], 0x11, XLM__PAGE_SIZE);
    memset(pages[2], 0x33, XLM__PAGE_SIZE);
    CU_ASSERT_EQUAL(r.nr, 0);
    CU_ASSERT_EQUAL(s->ops->end(j), 0);
    CU_ASSERT_EQUAL_FATAL(r.nr, 1);
    CU_ASSERT_EQUAL(r.rec[0].type, 1);
    CU_ASSERT_EQUAL_FATAL(r.rec[0].bytes, 8 + 3 * 8 + 2 * 4096);
    CU_ASSERT_EQUAL(word(0, 0), 3);
    CU_ASSERT_EQUAL(word(0, 1), 0x9000000000000007);
    CU_ASSERT_EQUAL(word(0, 2), 0xf000000000000008);
    CU_ASSERT_EQUAL(word(0, 3), 9);
    CU_ASSERT_EQUAL(r.rec[0].body[32], 0x11);
    CU_ASSERT_EQUAL(r.rec[0].body[32 + 4095], 0x11);
    CU_ASSERT_EQUAL(r.rec[0].body[32 + 4096], 0x33);
    unmake();
}

static void test_sink_pv_job_without_content_has_no_pages(void)
{
    const uint64_t pfns[] = { 7, 8 };
    const uint32_t types[] = { XLM__PT_XALLOC, XLM__PT_BROKEN };
    void *pages[2];

    make();
    CU_ASSERT_EQUAL(s->ops->begin(j, 2, pfns, types, pages), 0);
    CU_ASSERT_EQUAL(s->ops->end(j), 0);
    CU_ASSERT_EQUAL_FATAL(r.nr, 1);
    CU_ASSERT_EQUAL(r.rec[0].bytes, 8 + 2 * 8);
    unmake();
}

static void test_sink_pv_empty_job_sends_nothing(void)
{
    make();
    CU_ASSERT_EQUAL(s->ops->begin(j, 0, NULL, NULL, NULL), 0);
    CU_ASSERT_EQUAL(s->ops->end(j), 0);
    CU_ASSERT_EQUAL(r.nr, 0); /* libxc refuses a record of no pages */
    unmake();
}

static void test_sink_pv_zero_run_is_cut_at_256_pages(void)
{
    size_t wrong = 0;

    make();
    CU_ASSERT_EQUAL(s->ops->zero(j, 100, 600, 0x2u << 28), 0);
    CU_ASSERT_EQUAL_FATAL(r.nr, 3);
    CU_ASSERT_EQUAL(word(0, 0), 256);
    CU_ASSERT_EQUAL(word(1, 0), 256);
    CU_ASSERT_EQUAL(word(2, 0), 88);
    CU_ASSERT_EQUAL(word(0, 1), 0x2000000000000000 | 100);
    CU_ASSERT_EQUAL(word(2, 88), 0x2000000000000000 | 699);
    CU_ASSERT_EQUAL_FATAL(r.rec[2].bytes, 8 + 88 * (8 + 4096));
    for (size_t i = 8 + 88 * 8; i < r.rec[2].bytes; i++)
        wrong += r.rec[2].body[i] != 0;
    CU_ASSERT_EQUAL(wrong, 0);
    unmake();
}

static void test_sink_pv_zero_after_a_job_is_zero(void)
{
    const uint64_t pfns[] = { 5, 6, 7 };
    const uint32_t types[3] = { 0 };
    const size_t start = 8 + 2 * 8; /* of the pages: count, then pfns */
    size_t wrong = 0;
    void *pages[3];

    make();
    CU_ASSERT_EQUAL(s->ops->begin(j, 3, pfns, types, pages), 0);
    for (size_t i = 0; i < 3; i++)
        memset(pages[i], 0x11, XLM__PAGE_SIZE);
    CU_ASSERT_EQUAL(s->ops->end(j), 0);
    CU_ASSERT_EQUAL(s->ops->zero(j, 8, 2, 0), 0);
    CU_ASSERT_EQUAL_FATAL(r.nr, 2);
    CU_ASSERT_EQUAL_FATAL(r.rec[1].bytes, start + 2 * XLM__PAGE_SIZE);
    for (size_t i = start; i < r.rec[1].bytes; i++)
        wrong += r.rec[1].body[i] != 0;
    CU_ASSERT_EQUAL(wrong, 0);
    unmake();
}

static void test_sink_pv_release_tells_that_nothing_is_there(void)
{
    make();
    CU_ASSERT_EQUAL(s->ops->release(s, 5, 1030), 0);
    CU_ASSERT_EQUAL_FATAL(r.nr, 2);
    CU_ASSERT_EQUAL(word(0, 0), 1024);
    CU_ASSERT_EQUAL(word(0, 1), 0xf000000000000005);
    CU_ASSERT_EQUAL(word(1, 0), 6);
    CU_ASSERT_EQUAL(word(1, 6), 0xf000000000000000 | 1034);
    CU_ASSERT_EQUAL(r.rec[1].bytes, 8 + 6 * 8);
    unmake();
}

static void test_sink_pv_aborted_job_is_not_sent(void)
{
    const uint64_t pfn = 7;
    const uint32_t type = 0;
    void *page;

    make();
    CU_ASSERT_EQUAL(s->ops->begin(j, 1, &pfn, &type, &page), 0);
    s->ops->abort(j);
    CU_ASSERT_EQUAL(s->ops->end(j), 0);
    CU_ASSERT_EQUAL(r.nr, 0);
    unmake();
}

static void test_sink_pv_hostile_numbers_are_named(void)
{
    const uint64_t pfn = NR_PFNS;
    const uint32_t type = 0;
    void *page;

    make();
    CU_ASSERT_EQUAL(s->ops->begin(j, 1, &pfn, &type, &page), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(s->ops->zero(j, NR_PFNS, 1, 0), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(s->ops->zero(j, 0, 1, XLM__PT_XALLOC), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(s->ops->release(s, 1, UINT64_MAX), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(r.nr, 0);
    unmake();
}

static void test_sink_pv_failing_relay_is_passed_on(void)
{
    const uint64_t pfn = 7;
    const uint32_t type = 0;
    void *page;

    make();
    r.fail_at = 1;
    CU_ASSERT_EQUAL(s->ops->begin(j, 1, &pfn, &type, &page), 0);
    CU_ASSERT_EQUAL(s->ops->end(j), XLM_ERR_CHANNEL);
    r.fail_at = 2;
    CU_ASSERT_EQUAL(s->ops->zero(j, 0, 600, 0), XLM_ERR_CHANNEL);
    CU_ASSERT_EQUAL(r.nr, 1);
    r.fail_at = 1;
    CU_ASSERT_EQUAL(s->ops->release(s, 0, 1), XLM_ERR_CHANNEL);
    unmake();
}

static void test_sink_pv_every_failing_allocation_is_told(void)
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
    CU_ASSERT_EQUAL(n, 1 + 3 + 1); /* sink, job, its pages */
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_sink_pv_job_becomes_one_page_data_record),
    UNIT_TEST(test_sink_pv_job_without_content_has_no_pages),
    UNIT_TEST(test_sink_pv_empty_job_sends_nothing),
    UNIT_TEST(test_sink_pv_zero_run_is_cut_at_256_pages),
    UNIT_TEST(test_sink_pv_zero_after_a_job_is_zero),
    UNIT_TEST(test_sink_pv_release_tells_that_nothing_is_there),
    UNIT_TEST(test_sink_pv_aborted_job_is_not_sent),
    UNIT_TEST(test_sink_pv_hostile_numbers_are_named),
    UNIT_TEST(test_sink_pv_failing_relay_is_passed_on),
    UNIT_TEST(test_sink_pv_every_failing_allocation_is_told),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("sink_pv", tests)
