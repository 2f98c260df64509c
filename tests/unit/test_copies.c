/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies of what was sent. */
#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "codec/delta.h"
#include "engine/copies.h"
#include "unit.h"

#define PAGE XLM__DELTA_PAGE_BYTES
#define ROOM XLM__DELTA_BYTES_MAX

/* What the two sides have. */
static uint8_t here[PAGE], there[PAGE];
static uint8_t made[ROOM];

static struct xlm__copies *begin(size_t nr, unsigned round)
{
    struct xlm__copies *c = xlm__copies_new(nr);

    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    while (round--)
        xlm__copies_round(c, false);
    memset(here, 1, PAGE);
    return c;
}

/* Sent as it is now, with so many changed words; SIZE_MAX: as a whole. */
static size_t send(struct xlm__copies *c, uint64_t pfn)
{
    size_t n = xlm__copies_delta(c, pfn, here, made, ROOM);

    if (n) {
        CU_ASSERT_EQUAL(xlm__delta_bytes(made, n), n);
        CU_ASSERT_TRUE(xlm__delta_apply(made, there));
    }
    memcpy(there, here, PAGE);
    return n ? (n - XLM__DELTA_HEAD_BYTES) / 8 : SIZE_MAX;
}

static void test_copies_of_the_first_round_are_not_kept(void)
{
    struct xlm__copies *c = begin(16, 1);

    CU_ASSERT_EQUAL(send(c, 5), SIZE_MAX);
    xlm__copies_round(c, false);
    CU_ASSERT_EQUAL(send(c, 5), SIZE_MAX);
    xlm__copies_round(c, false);
    here[7]++, here[4000]++;
    CU_ASSERT_EQUAL(send(c, 5), 2);
    xlm__copies_round(c, false);
    CU_ASSERT_EQUAL(send(c, 5), 0);
    xlm__copies_free(c);
}

static void test_copies_that_do_not_fit_are_kept_all_the_same(void)
{
    struct xlm__copies *c = begin(16, 2);

    CU_ASSERT_EQUAL(send(c, 5), SIZE_MAX);
    memset(here, 2, PAGE);
    CU_ASSERT_EQUAL(xlm__copies_delta(c, 5, here, made, ROOM - 1), 0);
    memcpy(there, here, PAGE);
    CU_ASSERT_EQUAL(send(c, 5), 0);
    xlm__copies_free(c);
}

static void test_copies_forgotten_are_not_used(void)
{
    struct xlm__copies *c = begin(1024, 2);

    xlm__copies_forget(c, 5); /* there is none */
    CU_ASSERT_EQUAL(send(c, 5), SIZE_MAX);
    CU_ASSERT_EQUAL(send(c, 6), SIZE_MAX);
    xlm__copies_forget(c, 5);
    CU_ASSERT_EQUAL(send(c, 6), 0);
    CU_ASSERT_EQUAL(send(c, 5), SIZE_MAX);
    CU_ASSERT_EQUAL(send(c, 5), 0);
    xlm__copies_clear(c);
    CU_ASSERT_EQUAL(send(c, 5), SIZE_MAX);
    CU_ASSERT_EQUAL(send(c, 6), SIZE_MAX);
    CU_ASSERT_EQUAL(send(c, 5), 0);
    xlm__copies_free(c);
}

static void test_copies_of_neighbours_all_have_a_place(void)
{
    struct xlm__copies *c = begin(100, 2);

    for (uint64_t pfn = 12345; pfn < 12345 + 100; pfn++)
        CU_ASSERT_EQUAL(send(c, pfn), SIZE_MAX);
    for (uint64_t pfn = 12345; pfn < 12345 + 100; pfn++)
        CU_ASSERT_EQUAL(send(c, pfn), 0);
    xlm__copies_free(c);
}

/* One place: its page stays as long as it comes in every round. */
static void test_copies_of_who_comes_always_stay(void)
{
    struct xlm__copies *c = begin(1, 2);

    CU_ASSERT_EQUAL(send(c, 5), SIZE_MAX);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(send(c, 6), SIZE_MAX);
        xlm__copies_round(c, false);
        CU_ASSERT_EQUAL(send(c, 5), 0);
    }
    xlm__copies_round(c, false);
    CU_ASSERT_EQUAL(send(c, 6), SIZE_MAX);
    xlm__copies_round(c, false);
    CU_ASSERT_EQUAL(send(c, 6), SIZE_MAX); /* 5 did not come */
    CU_ASSERT_EQUAL(send(c, 6), 0);
    CU_ASSERT_EQUAL(send(c, 5), SIZE_MAX);
    xlm__copies_free(c);
}

static void test_copies_in_the_last_round_are_used_only(void)
{
    struct xlm__copies *c = begin(16, 2);

    CU_ASSERT_EQUAL(send(c, 5), SIZE_MAX);
    xlm__copies_round(c, true);
    here[0]++;
    CU_ASSERT_EQUAL(send(c, 5), 1);
    CU_ASSERT_EQUAL(send(c, 6), SIZE_MAX);
    CU_ASSERT_EQUAL(send(c, 6), SIZE_MAX);
    xlm__copies_free(c);
}

/* ---- several threads, each with its own pages, and few places ---- */

#define NR_THREADS 4u
#define NR_PAGES   64u
#define NR_ROUNDS  20u

static struct xlm__copies *shared;
static pthread_barrier_t meet;

static void change(uint8_t *page, unsigned *seed)
{
    for (int i = 0; i < 9; i++)
        page[(size_t)rand_r(seed) % PAGE]++;
}

static void *send_mine(void *arg)
{
    const uint64_t first = *(unsigned *)arg * NR_PAGES;
    uint8_t(*is)[PAGE] = calloc(2 * NR_PAGES, PAGE), (*was)[PAGE];
    unsigned seed = (unsigned)first, nr_changed = 0;
    uint8_t out[ROOM];
    bool well = true;

    was = is + NR_PAGES;
    for (unsigned round = 0; round < NR_ROUNDS; round++) {
        if (pthread_barrier_wait(&meet) == PTHREAD_BARRIER_SERIAL_THREAD)
            xlm__copies_round(shared, false);
        pthread_barrier_wait(&meet);
        for (unsigned i = 0; i < NR_PAGES; i++) {
            change(is[i], &seed);
            if (xlm__copies_delta(shared, first + i, is[i], out, ROOM) &&
                ++nr_changed)
                well &= xlm__delta_apply(out, was[i]) &&
                        !memcmp(was[i], is[i], PAGE);
            memcpy(was[i], is[i], PAGE);
            if (rand_r(&seed) % 8 == 0)
                xlm__copies_forget(shared, first + i);
            if (rand_r(&seed) % 512 == 0)
                xlm__copies_clear(shared);
        }
    }
    free(is);
    return well && nr_changed ? arg : NULL;
}

static void test_copies_of_several_threads_are_each_ones_own(void)
{
    unsigned numbers[NR_THREADS];
    pthread_t t[NR_THREADS];
    void *well;

    shared = begin(100, 0);
    pthread_barrier_init(&meet, NULL, NR_THREADS);
    for (unsigned i = 0; i < NR_THREADS; i++) {
        numbers[i] = i;
        CU_ASSERT_EQUAL_FATAL(
            pthread_create(&t[i], NULL, send_mine, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < NR_THREADS; i++) {
        pthread_join(t[i], &well);
        CU_ASSERT_PTR_NOT_NULL(well);
    }
    pthread_barrier_destroy(&meet);
    xlm__copies_free(shared);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_copies_of_the_first_round_are_not_kept),
    UNIT_TEST(test_copies_that_do_not_fit_are_kept_all_the_same),
    UNIT_TEST(test_copies_forgotten_are_not_used),
    UNIT_TEST(test_copies_of_neighbours_all_have_a_place),
    UNIT_TEST(test_copies_of_who_comes_always_stay),
    UNIT_TEST(test_copies_in_the_last_round_are_used_only),
    UNIT_TEST(test_copies_of_several_threads_are_each_ones_own),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("copies", tests)
