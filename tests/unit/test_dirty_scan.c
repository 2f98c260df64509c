/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "error_says.h"
#include "fake_hv.h"
#include "fault_alloc.h"
#include "mem/batch.h"
#include "mem/dirty.h"
#include "unit.h"
#include "util/bitmap.h"

#define NR_PFNS 4000u
#define NR_RAM  3000u
#define FIRST   256u /* of the pages with content; below: a PV guest's tables */

static struct xlm__errslot err;
static struct fake_hv *f;
static struct xlm__dom *dom;
static struct xlm__dirty *d;
static struct xlm__batch *batch;
static uint64_t *bitmap, *deferred, *gone, nr;
static unsigned threads;
static int (*check)(void *user);

static int open_scan(void)
{
    const struct xlm__dirty_params p = { .want = XLM__DIRTY_SCAN,
                                         .threads = threads,
                                         .check = check };

    return xlm__dirty_open(dom, &p, &d);
}

static void make(bool pv)
{
    const struct fake_hv_config c = { .nr_pfns = NR_PFNS, .pv = pv };

    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    f = fake_hv_new(&err, &c);
    fake_add(f, 0, NR_RAM);
    if (pv)
        fake_pv_boot(f);
    for (uint64_t pfn = FIRST; pfn < NR_RAM; pfn++)
        if (pfn % 4)
            fake_fill(f, pfn, pfn);
    CU_ASSERT_EQUAL_FATAL(xlm__dom_open(&f->base, &f->info, &dom), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__batch_new(dom, &batch), 0);
    bitmap = xlm__bitmap_alloc(NR_PFNS);
    deferred = xlm__bitmap_alloc(NR_PFNS);
    gone = xlm__bitmap_alloc(NR_PFNS);
    d = NULL;
    check = NULL;
    threads = 3;
}

static void make_open(bool pv)
{
    make(pv);
    CU_ASSERT_EQUAL_FATAL(open_scan(), 0);
}

static void unmake(void)
{
    xlm__batch_free(batch);
    if (d)
        d->ops->close(d);
    dom->ops->close(dom);
    CU_ASSERT_EQUAL(f->nr_mapped, 0);
    free(bitmap);
    free(deferred);
    free(gone);
    fake_hv_free(f);
    xlm__errslot_destroy(&err);
}

/* A round: send what the bitmap says. */
static void send(void)
{
    uint64_t pfns[XLM__BATCH_MAX], pfn = xlm__bitmap_next(bitmap, NR_PFNS, 0);

    while (pfn < NR_PFNS) {
        size_t n = 0;

        for (; n < XLM__BATCH_MAX && pfn < NR_PFNS;
             pfn = xlm__bitmap_next(bitmap, NR_PFNS, pfn + 1))
            pfns[n++] = pfn;
        CU_ASSERT_EQUAL_FATAL(
            xlm__batch_load(batch, n, pfns, true, deferred, gone), 0);
        CU_ASSERT_EQUAL_FATAL(d->ops->sending(d, batch), 0);
        xlm__batch_unload(batch);
    }
}

static void first_round(void)
{
    CU_ASSERT_EQUAL_FATAL(dom->ops->ram(dom, bitmap, &nr), 0);
    CU_ASSERT_EQUAL(nr, NR_RAM);
    send();
}

static void fetch(bool final)
{
    CU_ASSERT_EQUAL_FATAL(d->ops->fetch(d, final, bitmap, &nr), 0);
    CU_ASSERT_EQUAL(nr, xlm__bitmap_count(bitmap, NR_PFNS));
}

static bool only(uint64_t pfn)
{
    return nr == 1 && xlm__bitmap_test(bitmap, pfn);
}

/* ---- */

static void test_dirty_scan_unsent_memory_is_all_dirty(void)
{
    make_open(false);
    fetch(false);
    CU_ASSERT_EQUAL(nr, NR_RAM);
    CU_ASSERT_TRUE(xlm__bitmap_all_set(bitmap, 0, NR_RAM));
    CU_ASSERT_EQUAL(f->nr_on, 0);
    unmake();
}

static void test_dirty_scan_sent_memory_is_clean(void)
{
    for (int pv = 0; pv < 2; pv++) {
        make_open(pv);
        first_round();
        fetch(false);
        CU_ASSERT_EQUAL(nr, 0);
        fetch(true);
        CU_ASSERT_EQUAL(nr, 0);
        unmake();
    }
}

static void test_dirty_scan_one_changed_byte_anywhere_is_found(void)
{
    static const uint64_t pfns[] = { 0,    FIRST, 511,  512,
                                     1023, 1024,  2047, NR_RAM - 1 };

    make_open(false);
    first_round();
    for (size_t i = 0; i < sizeof(pfns) / sizeof(*pfns); i++) {
        fake_write(f, pfns[i], i * 585, "x", 1);
        fetch(false);
        CU_ASSERT_TRUE(only(pfns[i]));
        send();
        fetch(false);
        CU_ASSERT_EQUAL(nr, 0);
    }
    unmake();
}

static void test_dirty_scan_unsent_change_is_found_again(void)
{
    make_open(false);
    first_round();
    fake_write(f, 700, 0, "x", 1);
    fetch(false);
    CU_ASSERT_TRUE(only(700));
    fetch(true);
    CU_ASSERT_TRUE(only(700));
    unmake();
}

static void test_dirty_scan_change_that_is_undone_is_none(void)
{
    unsigned char was;

    make_open(false);
    first_round();
    was = *fake_page(f, 701);
    fake_write(f, 701, 0, "x", 1);
    fake_write(f, 701, 0, &was, 1);
    fetch(true);
    CU_ASSERT_EQUAL(nr, 0);
    unmake();
}

static void test_dirty_scan_page_to_zero_and_back_is_found(void)
{
    static const unsigned char zeros[XLM__PAGE_SIZE];

    make_open(false);
    first_round();
    fake_write(f, 701, 0, zeros, sizeof(zeros));
    fetch(false);
    CU_ASSERT_TRUE(only(701));
    send();
    fake_write(f, 701, XLM__PAGE_SIZE - 1, "x", 1);
    fetch(false);
    CU_ASSERT_TRUE(only(701));
    unmake();
}

/* Between its being copied and its being sent the page changes. */
static void test_dirty_scan_what_is_sent_is_what_was_hashed(void)
{
    const uint64_t pfn = 701;
    const struct xlm__entry *e;
    size_t entries;

    make_open(false);
    first_round();
    CU_ASSERT_EQUAL_FATAL(xlm__batch_load(batch, 1, &pfn, true, deferred, gone),
                          0);
    CU_ASSERT_EQUAL_FATAL(d->ops->sending(d, batch), 0);
    fake_fill(f, pfn, 4711);
    e = xlm__batch_entries(batch, &entries);
    CU_ASSERT_EQUAL(entries, 1);
    CU_ASSERT_NOT_EQUAL(memcmp(e->page, fake_page(f, pfn), XLM__PAGE_SIZE), 0);
    xlm__batch_unload(batch);
    fetch(true);
    CU_ASSERT_TRUE(only(pfn));
    unmake();
}

static void test_dirty_scan_absent_pages_are_not_touched(void)
{
    make_open(false);
    first_round();
    fake_remove(f, 1000, 50);
    f->bad_gfn = 1010; /* whoever maps it when all is still, fails */
    f->bad_errno = 2;
    fetch(false);
    CU_ASSERT_EQUAL(nr, 0);
    fetch(true);
    CU_ASSERT_EQUAL(nr, 0);
    unmake();
}

/* Dirty ones among the pages of the p2m. */
static uint64_t leaves(void)
{
    uint64_t n = 0;

    for (uint64_t pfn = FAKE_PV_LEAVES; pfn < FAKE_PV_LEAVES + 8; pfn++)
        n += xlm__bitmap_test(bitmap, pfn);
    return n;
}

static void test_dirty_scan_ballooned_down_and_up_is_found(void)
{
    for (int pv = 0; pv < 2; pv++) {
        make_open(pv);
        first_round();
        fake_remove(f, 1000, 8);
        if (pv)
            fake_pv_rewrite(f);
        fetch(false);
        /* A PV guest's list of pages is in pages too. */
        CU_ASSERT_EQUAL(nr, pv ? 1 : 0);
        fake_add(f, 1000, 8);
        fake_add(f, NR_RAM, 4); /* never there before */
        if (pv)
            fake_pv_rewrite(f);
        for (uint64_t pfn = 1000; pfn < 1008; pfn++)
            fake_fill(f, pfn, pfn + 7);
        fetch(false);
        CU_ASSERT_EQUAL(nr - leaves(), 12);
        CU_ASSERT_EQUAL(leaves() != 0, pv);
        CU_ASSERT_TRUE(xlm__bitmap_all_set(bitmap, 1000, 8));
        CU_ASSERT_TRUE(xlm__bitmap_all_set(bitmap, NR_RAM, 4));
        send();
        fetch(true);
        CU_ASSERT_EQUAL(nr, 0);
        unmake();
    }
}

/* ---- against log-dirty ---- */

static uint64_t roll(uint64_t *x, uint64_t below)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x % below;
}

/* Came since the log was read: Xen does not log that. */
static bool came[NR_PFNS];

/* Writes, some of what is there already, and balloons. */
static void live_a_little(uint64_t *dice)
{
    memset(came, 0, sizeof(came));
    for (int i = 0; i < 200; i++) {
        uint64_t pfn = FIRST + roll(dice, NR_PFNS - FIRST);
        uint64_t at = roll(dice, XLM__PAGE_SIZE);
        unsigned char c = (unsigned char)roll(dice, 3);

        if (roll(dice, 20) == 0 && fake_page(f, pfn))
            fake_remove(f, pfn, 1);
        else if (fake_page(f, pfn))
            fake_write(f, pfn, at, &c, 1);
        else {
            fake_add(f, pfn, 1);
            came[pfn] = true;
        }
    }
}

static unsigned char shadow[NR_PFNS][XLM__PAGE_SIZE];
static bool shadowed[NR_PFNS];

static void take_shadow(void)
{
    for (uint64_t pfn = 0; pfn < NR_PFNS; pfn++) {
        if (!xlm__bitmap_test(bitmap, pfn) || !fake_page(f, pfn))
            continue;
        memcpy(shadow[pfn], fake_page(f, pfn), XLM__PAGE_SIZE);
        shadowed[pfn] = true;
    }
}

static bool differs(uint64_t pfn)
{
    const unsigned char *page = fake_page(f, pfn);

    return page &&
           (!shadowed[pfn] || memcmp(page, shadow[pfn], XLM__PAGE_SIZE) != 0);
}

static void test_dirty_scan_finds_what_the_log_tells_and_what_differs(void)
{
    const struct xlm__dirty_params p = { .want = XLM__DIRTY_LOG };
    uint64_t *logged = xlm__bitmap_alloc(NR_PFNS), nr_logged, dice = 88172645;
    unsigned unlogged = 0, wrong = 0, found = 0;
    struct xlm__dirty *log;

    make_open(false);
    memset(shadowed, 0, sizeof(shadowed));
    CU_ASSERT_EQUAL_FATAL(xlm__dirty_open(dom, &p, &log), 0);
    first_round();
    take_shadow();
    for (int round = 0; round < 20; round++) {
        live_a_little(&dice);
        CU_ASSERT_EQUAL(log->ops->fetch(log, false, logged, &nr_logged), 0);
        fetch(false);
        for (uint64_t pfn = 0; pfn < NR_PFNS; pfn++) {
            bool dirty = xlm__bitmap_test(bitmap, pfn);

            wrong += dirty != differs(pfn);
            unlogged += dirty && !came[pfn] && !xlm__bitmap_test(logged, pfn);
            found += dirty;
        }
        send();
        take_shadow();
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(unlogged, 0);
    CU_ASSERT_TRUE(found > 1000);
    log->ops->close(log);
    free(logged);
    unmake();
}

/* ---- PV ---- */

static void swap_frames(uint64_t a, uint64_t b)
{
    uint64_t frame = f->p2m[a];

    f->p2m[a] = f->p2m[b];
    f->p2m[b] = frame;
    f->m2p[f->p2m[a]] = a;
    f->m2p[f->p2m[b]] = b;
    fake_pv_rewrite(f);
}

static void test_dirty_scan_replaced_frame_is_found(void)
{
    make_open(true);
    first_round();
    swap_frames(701, 702);
    fetch(false);
    CU_ASSERT_TRUE(xlm__bitmap_test(bitmap, 701));
    CU_ASSERT_TRUE(xlm__bitmap_test(bitmap, 702));
    CU_ASSERT_EQUAL(nr, 3); /* and the leaf of the p2m that says so */
    unmake();
}

static void test_dirty_scan_moved_p2m_is_followed(void)
{
    make_open(true);
    first_round();
    fake_pv_move_leaf(f, 1, 130);
    fetch(false);
    /* The new leaf, and the table that leads to it. */
    CU_ASSERT_EQUAL(nr, 2);
    CU_ASSERT_TRUE(xlm__bitmap_test(bitmap, 130));
    CU_ASSERT_TRUE(xlm__bitmap_test(bitmap, FAKE_PV_L1));
    unmake();
}

static uint64_t *l1(void)
{
    return (uint64_t *)(void *)fake_page(f, FAKE_PV_L1);
}

static void test_dirty_scan_page_table_entry_is_found(void)
{
    make_open(true);
    first_round();
    l1()[400] = fake_frame(f, 701) << 12 | 0x67;
    fetch(false);
    CU_ASSERT_TRUE(only(FAKE_PV_L1));
    send();
    l1()[400] |= 1ull << 63; /* not to be executed */
    fetch(true);
    CU_ASSERT_TRUE(only(FAKE_PV_L1));
    unmake();
}

/* The pfn travels, not the frame: a page table that leads to the same page in
 * another frame is as it was. */
static void test_dirty_scan_page_table_is_compared_as_it_travels(void)
{
    make_open(true);
    l1()[400] = fake_frame(f, 701) << 12 | 0x67;
    first_round();
    swap_frames(701, 702);
    l1()[400] = fake_frame(f, 701) << 12 | 0x67;
    fetch(false);
    CU_ASSERT_TRUE(xlm__bitmap_test(bitmap, 701));
    CU_ASSERT_FALSE(xlm__bitmap_test(bitmap, FAKE_PV_L1));
    unmake();
}

static void test_dirty_scan_new_type_of_the_same_page_is_found(void)
{
    make_open(true);
    first_round();
    f->types[FAKE_PV_L3] |= XLM__PT_LPINTAB;
    fetch(false);
    CU_ASSERT_TRUE(only(FAKE_PV_L3));
    unmake();
}

static void test_dirty_scan_page_table_in_between_is_dirty(void)
{
    make_open(true);
    first_round();
    l1()[400] = f->shared_frame << 12 | 0x67; /* not a page of its own */
    fetch(false);
    CU_ASSERT_TRUE(only(FAKE_PV_L1));
    send();
    CU_ASSERT_TRUE(xlm__bitmap_test(deferred, FAKE_PV_L1));
    CU_ASSERT_EQUAL(d->ops->fetch(d, true, bitmap, &nr), XLM_ERR_INCOMPATIBLE);
    CU_ASSERT_TRUE(error_says(&err, "page table at pfn 0x5a"));
    unmake();
}

/* ---- */

static atomic_uint nr_checks;

static int check_second(void *user)
{
    (void)user;
    return ++nr_checks == 2 ? XLM_ERR_CANCELLED : 0;
}

static void test_dirty_scan_check_ends_it(void)
{
    make(false);
    check = check_second;
    threads = 1;
    nr_checks = 0;
    CU_ASSERT_EQUAL_FATAL(open_scan(), 0);
    CU_ASSERT_EQUAL(d->ops->fetch(d, false, bitmap, &nr), XLM_ERR_CANCELLED);
    CU_ASSERT_EQUAL(nr_checks, 2);
    /* And can be begun again. */
    fetch(false);
    CU_ASSERT_EQUAL(nr, NR_RAM);
    unmake();
}

static void test_dirty_scan_default_threads_scan(void)
{
    make(false);
    threads = 0;
    CU_ASSERT_EQUAL_FATAL(open_scan(), 0);
    first_round();
    fake_write(f, 2999, 0, "x", 1);
    fetch(false);
    CU_ASSERT_TRUE(only(2999));
    unmake();
}

static void test_dirty_scan_every_failing_call_is_passed_on(void)
{
    for (int pv = 0; pv < 2; pv++) {
        unsigned n = 1;
        int rc;

        do {
            make_open(pv);
            f->fail_call = n++;
            rc = d->ops->fetch(d, true, bitmap, &nr);
            CU_ASSERT_TRUE(rc == 0 || rc == XLM_ERR_HYPERVISOR);
            unmake();
        } while (rc);
        CU_ASSERT_TRUE(n > 6);
    }
}

static void test_dirty_scan_every_failing_allocation_is_told(void)
{
    unsigned n = 1;
    int rc;

    do {
        make(true);
        fault_alloc_at(n++);
        rc = open_scan();
        if (!rc) {
            rc = dom->ops->ram(dom, bitmap, &nr);
            for (uint64_t pfn = 90; !rc && pfn < 95; pfn++) {
                rc = xlm__batch_load(batch, 1, &pfn, true, deferred, gone);
                if (!rc)
                    rc = d->ops->sending(d, batch);
                xlm__batch_unload(batch);
            }
            if (!rc)
                rc = d->ops->fetch(d, false, bitmap, &nr);
        }
        CU_ASSERT_EQUAL(rc == XLM_ERR_NOMEM, fault_alloc_hit());
        unmake();
    } while (rc);
    CU_ASSERT_TRUE(n > 10);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_dirty_scan_unsent_memory_is_all_dirty),
    UNIT_TEST(test_dirty_scan_sent_memory_is_clean),
    UNIT_TEST(test_dirty_scan_one_changed_byte_anywhere_is_found),
    UNIT_TEST(test_dirty_scan_unsent_change_is_found_again),
    UNIT_TEST(test_dirty_scan_change_that_is_undone_is_none),
    UNIT_TEST(test_dirty_scan_page_to_zero_and_back_is_found),
    UNIT_TEST(test_dirty_scan_what_is_sent_is_what_was_hashed),
    UNIT_TEST(test_dirty_scan_absent_pages_are_not_touched),
    UNIT_TEST(test_dirty_scan_ballooned_down_and_up_is_found),
    UNIT_TEST(test_dirty_scan_finds_what_the_log_tells_and_what_differs),
    UNIT_TEST(test_dirty_scan_replaced_frame_is_found),
    UNIT_TEST(test_dirty_scan_moved_p2m_is_followed),
    UNIT_TEST(test_dirty_scan_page_table_entry_is_found),
    UNIT_TEST(test_dirty_scan_page_table_is_compared_as_it_travels),
    UNIT_TEST(test_dirty_scan_new_type_of_the_same_page_is_found),
    UNIT_TEST(test_dirty_scan_page_table_in_between_is_dirty),
    UNIT_TEST(test_dirty_scan_check_ends_it),
    UNIT_TEST(test_dirty_scan_default_threads_scan),
    UNIT_TEST(test_dirty_scan_every_failing_call_is_passed_on),
    UNIT_TEST(test_dirty_scan_every_failing_allocation_is_told),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("dirty_scan", tests)
