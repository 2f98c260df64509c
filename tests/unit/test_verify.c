/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All memory of a domain in few bytes. */
#include "config.h"

#include <stdlib.h>

#include "fake_hv.h"
#include "fault_alloc.h"
#include "mem/verify.h"
#include "unit.h"
#include "util/bitmap.h"

#define NR_PFNS 1000u /* of four sums, the last one not full */
#define NR_RAM  700u

static const uint64_t nr_sums = 4;

struct host { /* one of two that are to have the same */
    struct xlm__errslot err;
    struct fake_hv *f;
    struct xlm__dom *dom;
    struct xlm__reader *reader;
    struct xlm__verify *v;
    uint64_t *ram, nr_ram;
};

static struct xlm__verify_key key;

static void make(struct host *h)
{
    const struct fake_hv_config c = { .nr_pfns = NR_PFNS };

    memset(h, 0, sizeof(*h));
    xlm__errslot_init(&h->err, NULL, NULL, XLM_LOG_DEBUG);
    h->f = fake_hv_new(&h->err, &c);
    fake_add(h->f, 0, NR_RAM);
    for (uint64_t pfn = 0; pfn < NR_RAM; pfn++)
        if (pfn % 3)
            fake_fill(h->f, pfn, pfn);
    h->ram = xlm__bitmap_alloc(NR_PFNS);
    CU_ASSERT_EQUAL_FATAL(xlm__dom_open(&h->f->base, &h->f->info, &h->dom), 0);
    CU_ASSERT_EQUAL_FATAL(h->dom->ops->ram(h->dom, h->ram, &h->nr_ram), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__reader_new(h->dom, 3, &h->reader), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__verify_new(&h->err, &key, NR_PFNS, false, &h->v),
                          0);
}

static void unmake(struct host *h)
{
    xlm__verify_free(h->v);
    xlm__reader_free(h->reader);
    h->dom->ops->close(h->dom);
    CU_ASSERT_EQUAL(h->f->nr_mapped, 0);
    fake_hv_free(h->f);
    free(h->ram);
    xlm__errslot_destroy(&h->err);
}

static void note_all(struct host *h)
{
    const struct xlm__reading all = { .pages = h->ram, .nr_pages = h->nr_ram };

    CU_ASSERT_EQUAL(xlm__verify_note(h->v, h->reader, all), 0);
    xlm__verify_add_up(h->v);
}

static void make_both(struct host *a, struct host *b)
{
    CU_ASSERT_EQUAL_FATAL(xlm__pagehash_draw(NULL, &key.pages), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__pagehash_draw(NULL, &key.sums), 0);
    make(a);
    make(b);
}

/* Bit i: sum i differs. */
static unsigned differ(const struct host *a, const struct host *b)
{
    unsigned sums = 0;

    CU_ASSERT_EQUAL(xlm__verify_nr_sums(a->v), nr_sums);
    for (uint64_t i = 0; i < nr_sums; i++)
        if (!xlm__hash_same(xlm__verify_sums(a->v)[i],
                            xlm__verify_sums(b->v)[i]))
            sums |= 1u << i;
    return sums;
}

static void test_verify_same_memory_has_same_sums(void)
{
    struct host a, b;

    make_both(&a, &b);
    note_all(&a);
    note_all(&b);
    CU_ASSERT_EQUAL(differ(&a, &b), 0);
    CU_ASSERT_EQUAL(xlm__verify_nr_pages(a.v), NR_RAM);
    unmake(&a);
    unmake(&b);
}

static void test_verify_changed_bit_is_in_its_sum_and_page(void)
{
    struct xlm__hash ours[XLM__SUM_PAGES], theirs[XLM__SUM_PAGES];
    struct host a, b;
    unsigned others = 0;

    make_both(&a, &b);
    fake_page(b.f, 300)[4095] ^= 0x80;
    note_all(&a);
    note_all(&b);
    CU_ASSERT_EQUAL(differ(&a, &b), 1u << 1);
    xlm__verify_pages_of(a.v, 1, ours);
    xlm__verify_pages_of(b.v, 1, theirs);
    for (unsigned i = 0; i < XLM__SUM_PAGES; i++)
        others += !xlm__hash_same(ours[i], theirs[i]);
    CU_ASSERT_EQUAL(others, 1);
    CU_ASSERT_FALSE(xlm__hash_same(ours[300 - 256], theirs[300 - 256]));
    unmake(&a);
    unmake(&b);
}

/* All zero is not the same as not there. */
static void test_verify_page_that_is_not_there_differs_from_zero(void)
{
    struct host a, b;

    make_both(&a, &b);
    fake_add(b.f, NR_PFNS - 1, 1);
    CU_ASSERT_EQUAL(b.dom->ops->ram(b.dom, b.ram, &b.nr_ram), 0);
    note_all(&a);
    note_all(&b);
    CU_ASSERT_EQUAL(differ(&a, &b), 1u << 3);
    CU_ASSERT_EQUAL(xlm__verify_nr_pages(b.v), NR_RAM + 1);
    unmake(&a);
    unmake(&b);
}

static void test_verify_page_left_out_may_differ(void)
{
    static const uint64_t spared[] = { 3, 300, 640 };
    struct host a, b;

    make_both(&a, &b);
    fake_page(b.f, 300)[0] ^= 1;
    CU_ASSERT_EQUAL(xlm__verify_spare(a.v, 3, spared), 0);
    note_all(&a);
    /* It is known after they were noted, too. */
    note_all(&b);
    CU_ASSERT_EQUAL(xlm__verify_spare(b.v, 3, spared), 0);
    xlm__verify_add_up(b.v);
    CU_ASSERT_EQUAL(differ(&a, &b), 0);
    CU_ASSERT_EQUAL(xlm__verify_nr_pages(a.v), NR_RAM - 3);
    CU_ASSERT_EQUAL(xlm__verify_nr_pages(b.v), NR_RAM - 3);
    CU_ASSERT_TRUE(xlm__verify_spares(a.v, 640));
    CU_ASSERT_FALSE(xlm__verify_spares(a.v, 641));
    unmake(&a);
    unmake(&b);
}

static void test_verify_noted_again_tells_what_changed(void)
{
    struct host a, b;
    uint64_t nr = 0;

    make_both(&a, &b);
    note_all(&a);
    fake_page(a.f, 5)[17] ^= 1;
    fake_page(a.f, 511)[17] ^= 1;
    fake_page(a.f, 600)[17] ^= 1;
    CU_ASSERT_EQUAL(xlm__verify_note_sum(a.v, a.reader, a.ram, 1), 0);
    for (uint64_t pfn = 0; pfn < NR_PFNS; pfn++)
        nr += xlm__verify_changed(a.v, pfn);
    CU_ASSERT_EQUAL(nr, 1); /* the others are of other sums */
    CU_ASSERT_TRUE(xlm__verify_changed(a.v, 511));
    note_all(&a);
    CU_ASSERT_TRUE(xlm__verify_changed(a.v, 5));
    CU_ASSERT_TRUE(xlm__verify_changed(a.v, 511)); /* still */
    CU_ASSERT_TRUE(xlm__verify_changed(a.v, 600));
    CU_ASSERT_FALSE(xlm__verify_changed(a.v, 6));
    CU_ASSERT_FALSE(xlm__verify_changed(a.v, UINT64_MAX));
    unmake(&a);
    unmake(&b);
}

static void test_verify_other_keys_have_other_sums(void)
{
    struct host a, b;

    make_both(&a, &b);
    note_all(&a);
    unmake(&b);
    CU_ASSERT_EQUAL(xlm__pagehash_draw(NULL, &key.sums), 0);
    make(&b);
    note_all(&b);
    CU_ASSERT_EQUAL(differ(&a, &b), 0xf);
    unmake(&a);
    unmake(&b);
}

static int stop(void *user)
{
    (void)user;
    return XLM_ERR_CANCELLED;
}

static void test_verify_can_be_stopped(void)
{
    struct host a, b;
    struct xlm__reading all = { .check = stop };

    make_both(&a, &b);
    xlm__reader_free(a.reader); /* the caller's thread is the only one */
    CU_ASSERT_EQUAL_FATAL(xlm__reader_new(a.dom, 1, &a.reader), 0);
    all.pages = a.ram;
    all.nr_pages = a.nr_ram;
    CU_ASSERT_EQUAL(xlm__verify_note(a.v, a.reader, all), XLM_ERR_CANCELLED);
    unmake(&a);
    unmake(&b);
}

static void test_verify_more_page_numbers_than_memory_has_a_limit(void)
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    char text[XLM_MESSAGE_MAX];

    CU_ASSERT_EQUAL(xlm__verify_check(&err, 1, 1), 0);
    CU_ASSERT_EQUAL(xlm__verify_check(&err, 1024 + (1 << 20), 1), 0);
    CU_ASSERT_EQUAL(xlm__verify_check(&err, 1025 + (1 << 20), 1),
                    XLM_ERR_INVAL);
    xlm__errslot_read(&err, text);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text, "page numbers up to 0x100401 for 1 pages of memory, "
                     "limit 0x100400"));
    xlm__errslot_destroy(&err);
}

static void test_verify_out_of_memory_is_an_error(void)
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    struct xlm__verify *v = NULL;
    int rc = XLM_ERR_NOMEM;

    for (unsigned nth = 1; rc; nth++) {
        CU_ASSERT_FATAL(nth < 100);
        fault_alloc_at(nth);
        rc = xlm__verify_new(&err, &key, NR_PFNS, false, &v);
        (void)fault_alloc_hit();
        CU_ASSERT(!rc || rc == XLM_ERR_NOMEM);
    }
    xlm__verify_free(v);
    xlm__errslot_destroy(&err);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_verify_same_memory_has_same_sums),
    UNIT_TEST(test_verify_changed_bit_is_in_its_sum_and_page),
    UNIT_TEST(test_verify_page_that_is_not_there_differs_from_zero),
    UNIT_TEST(test_verify_page_left_out_may_differ),
    UNIT_TEST(test_verify_noted_again_tells_what_changed),
    UNIT_TEST(test_verify_other_keys_have_other_sums),
    UNIT_TEST(test_verify_can_be_stopped),
    UNIT_TEST(test_verify_more_page_numbers_than_memory_has_a_limit),
    UNIT_TEST(test_verify_out_of_memory_is_an_error),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("verify", tests)
