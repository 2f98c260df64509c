/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is put into a PV domain is noted, page by page. */
#include "config.h"

#include <stdlib.h>

#include "fake_hv.h"
#include "mem/sink.h"
#include "recorder.h"
#include "unit.h"

#define NR_PFNS 4096u
#define L1      (1u << 28)

static struct xlm__errslot err;
static struct fake_hv *f;
static struct xlm__sink *s;
static struct xlm__job *j;
static struct recorder r;
static struct xlm__pagehash *hash;
static struct xlm__hash given[NR_PFNS];
static const struct xlm__hash none;

static void make(void)
{
    const struct fake_hv_config c = { .nr_pfns = NR_PFNS, .pv = true };
    struct xlm__sink *pv;

    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    memset(given, 0, sizeof(given));
    f = fake_hv_new(&err, &c);
    r.fail_at = 0;
    CU_ASSERT_EQUAL_FATAL(xlm__pagehash_new(&err, &hash), 0);
    CU_ASSERT_EQUAL_FATAL(
        xlm__sink_open_pv(&f->base, 1, NR_PFNS, recorder_relay, &r, &pv), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__sink_open_given(pv, hash, given, &s), 0);
    CU_ASSERT_EQUAL_FATAL(s->ops->job_new(s, &j), 0);
}

static void unmake(void)
{
    s->ops->job_free(j);
    s->ops->close(s);
    xlm__pagehash_free(hash);
    recorder_clear(&r);
    fake_hv_free(f);
    xlm__errslot_destroy(&err);
}

static unsigned nr_noted(void)
{
    unsigned nr = 0;

    for (size_t i = 0; i < NR_PFNS; i++)
        nr += !xlm__hash_same(given[i], none);
    return nr;
}

static bool is_noted(uint64_t pfn, uint32_t type, unsigned char byte)
{
    _Alignas(64) unsigned char page[XLM__PAGE_SIZE];

    memset(page, byte, sizeof(page));
    return xlm__hash_same(given[pfn], xlm__pagehash(hash, type, page));
}

static int put(uint64_t pfn, uint32_t type, unsigned char byte)
{
    void *pages[1];
    int rc = s->ops->begin(j, 1, &pfn, &type, pages);

    if (rc)
        return rc;
    if (pages[0])
        memset(pages[0], byte, XLM__PAGE_SIZE);
    return s->ops->end(j);
}

static void test_sink_given_pages_are_noted_and_passed_on(void)
{
    make();
    CU_ASSERT_EQUAL(put(7, 0, 0xaa), 0);
    CU_ASSERT_EQUAL(put(8, L1, 0xbb), 0);
    CU_ASSERT_TRUE(is_noted(7, 0, 0xaa));
    CU_ASSERT_TRUE(is_noted(8, L1, 0xbb));
    CU_ASSERT_FALSE(is_noted(8, 0, 0xbb)); /* what it is counts, too */
    CU_ASSERT_EQUAL(nr_noted(), 2);
    CU_ASSERT_EQUAL(r.nr, 2);
    unmake();
}

static void test_sink_given_last_one_counts(void)
{
    make();
    CU_ASSERT_EQUAL(put(7, L1, 0xaa), 0);
    CU_ASSERT_EQUAL(put(7, 0, 0xcc), 0);
    CU_ASSERT_TRUE(is_noted(7, 0, 0xcc));
    CU_ASSERT_EQUAL(nr_noted(), 1);
    unmake();
}

static void test_sink_given_page_without_contents_is_noted_by_its_type(void)
{
    make();
    CU_ASSERT_EQUAL(put(9, XLM__PT_XALLOC, 0), 0);
    CU_ASSERT_TRUE(
        xlm__hash_same(given[9], xlm__pagehash(hash, XLM__PT_XALLOC, NULL)));
    CU_ASSERT_EQUAL(put(9, XLM__PT_XTAB, 0), 0); /* it is gone */
    CU_ASSERT_EQUAL(nr_noted(), 0);
    unmake();
}

static void test_sink_given_zeros_are_as_a_page_of_zeros(void)
{
    make();
    CU_ASSERT_EQUAL(s->ops->zero(j, 100, 5, 0), 0);
    CU_ASSERT_TRUE(is_noted(100, 0, 0));
    CU_ASSERT_TRUE(is_noted(104, 0, 0));
    CU_ASSERT_EQUAL(nr_noted(), 5);
    unmake();
}

/* There is nothing then that a note could be of. */
static void test_sink_given_zeros_that_fail_are_not_noted(void)
{
    make();
    CU_ASSERT_EQUAL(s->ops->zero(j, NR_PFNS - 2, 5, 0), XLM_ERR_STREAM);
    r.fail_at = 1;
    CU_ASSERT_NOT_EQUAL(s->ops->zero(j, 100, 5, 0), 0);
    CU_ASSERT_EQUAL(nr_noted(), 0);
    unmake();
}

static void test_sink_given_released_page_is_forgotten(void)
{
    make();
    CU_ASSERT_EQUAL(put(7, 0, 0xaa), 0);
    CU_ASSERT_EQUAL(put(9, 0, 0xaa), 0);
    CU_ASSERT_EQUAL(s->ops->release(s, 0, 9), 0);
    CU_ASSERT_EQUAL(nr_noted(), 1);
    CU_ASSERT_TRUE(is_noted(9, 0, 0xaa));
    CU_ASSERT_EQUAL(s->ops->release(s, 0, NR_PFNS + 1), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(nr_noted(), 1);
    unmake();
}

static void test_sink_given_abandoned_job_is_not_noted(void)
{
    const uint64_t pfn = 7;
    const uint32_t type = 0;
    void *pages[1];

    make();
    CU_ASSERT_EQUAL(s->ops->begin(j, 1, &pfn, &type, pages), 0);
    s->ops->abort(j);
    CU_ASSERT_EQUAL(nr_noted(), 0);
    unmake();
}

static void test_sink_given_what_the_next_one_refuses_is_refused(void)
{
    make();
    CU_ASSERT_EQUAL(put(NR_PFNS, 0, 1), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(put(7, 6u << 28, 1), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(nr_noted(), 0);
    unmake();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_sink_given_pages_are_noted_and_passed_on),
    UNIT_TEST(test_sink_given_last_one_counts),
    UNIT_TEST(test_sink_given_page_without_contents_is_noted_by_its_type),
    UNIT_TEST(test_sink_given_zeros_are_as_a_page_of_zeros),
    UNIT_TEST(test_sink_given_zeros_that_fail_are_not_noted),
    UNIT_TEST(test_sink_given_released_page_is_forgotten),
    UNIT_TEST(test_sink_given_abandoned_job_is_not_noted),
    UNIT_TEST(test_sink_given_what_the_next_one_refuses_is_refused),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("sink_given", tests)
