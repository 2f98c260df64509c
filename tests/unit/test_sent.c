/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/sent.h"

#include <stdlib.h>

#include "fault_alloc.h"
#include "unit.h"

static struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
static struct xlm__sentlog sent;
static struct xlm__sent *again;

static const uint64_t pfns[] = { 3, 5, 9, 10 };
static const struct xlm__extent zeros[] = { { .first = 20, .nr = 100 },
                                            { .first = 200, .nr = 7 } };

static struct xlm__point point(uint32_t seq)
{
    return (struct xlm__point){ .seq = seq,
                                .lane = { .round = 2, .pages = 10 * seq } };
}

/* Records 7 (pages), 8 (zeros), 9 (pages), 10 (MARK). */
static void fill(void)
{
    struct xlm__point at[4] = { point(7), point(8), point(9), point(10) };

    xlm__sentlog_init(&sent);
    again = NULL;
    CU_ASSERT_EQUAL(xlm__sent_pages(&sent, &err, &at[0], 4, pfns), 0);
    CU_ASSERT_EQUAL(xlm__sent_zeros(&sent, &err, &at[1], 2, zeros), 0);
    CU_ASSERT_EQUAL(xlm__sent_pages(&sent, &err, &at[2], 1, pfns), 0);
    CU_ASSERT_EQUAL(xlm__sent_mark(&sent, &err, &at[3]), 0);
    CU_ASSERT_EQUAL(sent.nr_records, 4);
}

static void forget(void)
{
    while (again) {
        struct xlm__sent *next = again->next;

        free(again);
        again = next;
    }
    xlm__sentlog_free(&sent);
    CU_ASSERT_EQUAL(sent.nr_records, 0);
}

static void test_sent_rewind_gives_all_back(void)
{
    struct xlm__point from = { 0 };
    bool marked = false;

    fill();
    CU_ASSERT_EQUAL(xlm__sent_rewind(&sent, &again, &from, &marked),
                    4 + 107 + 1);
    CU_ASSERT(marked);
    CU_ASSERT_EQUAL(from.seq, 7);
    CU_ASSERT_EQUAL(from.lane.pages, 70);
    CU_ASSERT_EQUAL(sent.nr_records, 0);
    CU_ASSERT_EQUAL_FATAL(again->kind, XLM__SENT_PAGES);
    CU_ASSERT_EQUAL(again->nr, 1);
    CU_ASSERT_EQUAL_FATAL(again->next->kind, XLM__SENT_ZEROS);
    CU_ASSERT_EQUAL(again->next->of[1].extent.first, 200);
    CU_ASSERT_EQUAL(again->next->next->of[3].pfn, 10);
    CU_ASSERT_PTR_NULL(again->next->next->next);
    forget();
}

static void test_sent_what_was_taken_does_not_go_again(void)
{
    struct xlm__point from = { 0 };
    bool marked = false;

    fill();
    xlm__sent_taken(&sent, 9);
    CU_ASSERT_EQUAL(sent.nr_records, 2);
    CU_ASSERT_EQUAL(xlm__sent_rewind(&sent, &again, &from, &marked), 1);
    CU_ASSERT(marked);
    CU_ASSERT_EQUAL(from.seq, 9);
    CU_ASSERT_PTR_NULL(again->next);
    forget();
}

static void test_sent_all_taken_leaves_the_point(void)
{
    struct xlm__point from = point(11);
    bool marked = true;

    fill();
    xlm__sent_taken(&sent, 11);
    CU_ASSERT_EQUAL(xlm__sent_rewind(&sent, &again, &from, &marked), 0);
    CU_ASSERT_FALSE(marked);
    CU_ASSERT_EQUAL(from.seq, 11);
    CU_ASSERT_PTR_NULL(again);
    /* And it can be used on. */
    CU_ASSERT_EQUAL(xlm__sent_pages(&sent, &err, &from, 4, pfns), 0);
    CU_ASSERT_EQUAL(sent.nr_records, 1);
    CU_ASSERT_EQUAL(sent.pages, 9);
    forget();
}

static void test_sent_a_second_break_keeps_what_the_first_left(void)
{
    struct xlm__point from = point(7);
    bool marked;

    fill();
    xlm__sent_rewind(&sent, &again, &from, &marked);
    CU_ASSERT_EQUAL(xlm__sent_pages(&sent, &err, &from, 4, pfns), 0);
    CU_ASSERT_EQUAL(xlm__sent_rewind(&sent, &again, &from, &marked), 4);
    CU_ASSERT_EQUAL(again->nr, 4);
    CU_ASSERT_PTR_NOT_NULL(again->next->next->next);
    CU_ASSERT_EQUAL(xlm__sent_never(&again, &err, 2, pfns), 0);
    CU_ASSERT_EQUAL(again->nr, 2);
    CU_ASSERT_EQUAL(again->of[1].pfn, 5);
    forget();
}

static void test_sent_no_memory_is_an_error_and_keeps_the_rest(void)
{
    struct xlm__point at = point(11);

    fill();
    fault_alloc_at(1);
    CU_ASSERT_EQUAL(xlm__sent_pages(&sent, &err, &at, 4, pfns), XLM_ERR_NOMEM);
    fault_alloc_at(1);
    CU_ASSERT_EQUAL(xlm__sent_zeros(&sent, &err, &at, 2, zeros), XLM_ERR_NOMEM);
    fault_alloc_at(1);
    CU_ASSERT_EQUAL(xlm__sent_mark(&sent, &err, &at), XLM_ERR_NOMEM);
    fault_alloc_at(1);
    CU_ASSERT_EQUAL(xlm__sent_never(&again, &err, 4, pfns), XLM_ERR_NOMEM);
    fault_alloc_at(0);
    CU_ASSERT_EQUAL(sent.nr_records, 4);
    CU_ASSERT_EQUAL(sent.pages, 5);
    forget();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_sent_rewind_gives_all_back),
    UNIT_TEST(test_sent_what_was_taken_does_not_go_again),
    UNIT_TEST(test_sent_all_taken_leaves_the_point),
    UNIT_TEST(test_sent_a_second_break_keeps_what_the_first_left),
    UNIT_TEST(test_sent_no_memory_is_an_error_and_keeps_the_rest),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("sent", tests)
