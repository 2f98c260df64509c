/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests that give up memory, or get some, while they are copied. */
#include "config.h"

#include "../scenario/scenario_test.h"
#include "unit.h"

static void another_limit(struct run *r)
{
    struct fake_hv *f = r->src.hv;

    pthread_mutex_lock(&f->lock);
    f->info.max_pages = SCENARIO_RAM + 64;
    pthread_mutex_unlock(&f->lock);
}

/* As Xen does: a page that ballooning adds is not logged.  Only with a limit
 * that somebody has set may it be added at all. */
static void add_unlogged(struct run *r)
{
    another_limit(r);
    for (uint64_t pfn = SCENARIO_RAM + 8; pfn < SCENARIO_RAM + 12; pfn++)
        SCENARIO_CHECK(r, fake_grow(r->src.hv, pfn));
}

static void test_ram_page_added_unlogged_arrives(void)
{
    LOOK(MOVED, .event = add_unlogged, .event_state = XLM_STATE_PRECOPY,
         .event_round = 1, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, fake_page(r->dst.hv, SCENARIO_RAM + 8));
    DONE();
}

/* Sent before, then given up and taken again, and written to: Xen has no trace
 * of it in its log, and the domain has as many pages as before. */
static void recycle(struct run *r)
{
    pthread_mutex_lock(&r->guest); /* its writer looks before it writes */
    another_limit(r);
    fake_remove(r->src.hv, 300, 8);
    for (uint64_t pfn = 300; pfn < 308; pfn++) {
        SCENARIO_CHECK(r, fake_grow(r->src.hv, pfn));
        fake_fill(r->src.hv, pfn, ~pfn);
    }
    pthread_mutex_unlock(&r->guest);
}

static void shrink(struct run *r)
{
    pthread_mutex_lock(&r->guest);
    fake_remove(r->src.hv, 300, 8);
    SCENARIO_CHECK(r, !fake_grow(r->src.hv, 300));
    SCENARIO_CHECK(r, r->src.ts.marked[XLM__MARK_LIMITED]);
    pthread_mutex_unlock(&r->guest);
}

/* What it gave up needs no more than not to be sent. */
static void test_ram_guest_gets_no_memory_while_it_is_copied(void)
{
    LOOK(MOVED, .event = shrink, .event_state = XLM_STATE_PRECOPY,
         .event_round = 1, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, !fake_page(r->dst.hv, 300));
    SCENARIO_CHECK(r, r->src.stats.sent_pages < 2 * SCENARIO_RAM);
    DONE();
}

static void runs_still(struct run *r)
{
    SCENARIO_CHECK(r, !r->src.hv->info.shutdown);
    scenario_switch(r);
}

/* It would go on until it is to switch over, which it is told by then. */
static void test_ram_what_it_gives_up_is_given_up_between_rounds(void)
{
    LOOK(MOVED, .event = runs_still, .event_to = TO_DESTINATION,
         .event_type = XLM__REC_RELEASE, .writer = WRITER_SHRINKS,
         .opt = { OFTEN });

    SCENARIO_CHECK(r, r->event_done);
    DONE();
}

static unsigned asked_before;

static void note_calls(struct run *r)
{
    asked_before = r->src.hv->nr_type_calls;
}

/* Which pages it has was asked while it ran, by four calls at least: in the
 * pause it is a sample, and of what is sent. */
static void test_ram_memory_that_stays_is_not_asked_for_in_the_pause(void)
{
    LOOK(MOVED, .event = note_calls, .event_state = XLM_STATE_SWITCHOVER,
         .nr_pfns = 8192, .nr_ram = 4000, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, asked_before >= 4);
    SCENARIO_CHECK(r, r->src.hv->nr_type_calls <= asked_before + 2);
    DONE();
}

#define MOVED_FROM 1024u /* one of the sample */
#define MOVED_TO   3000u

/* As a device model does with video memory. */
static void move_a_page(struct run *r)
{
    struct fake_hv *f = r->src.hv;

    pthread_mutex_lock(&f->lock);
    f->p2m[MOVED_TO] = f->p2m[MOVED_FROM];
    f->m2p[f->p2m[MOVED_TO]] = MOVED_TO;
    f->types[MOVED_TO] = f->types[MOVED_FROM];
    f->p2m[MOVED_FROM] = FAKE_NONE;
    pthread_mutex_unlock(&f->lock);
}

static void move_and_give_up(struct run *r)
{
    pthread_mutex_lock(&r->guest);
    move_a_page(r);
    fake_remove(r->src.hv, 300, 1);
    pthread_mutex_unlock(&r->guest);
}

/* What is released between rounds is asked for then, and not again. */
static void test_ram_memory_that_moves_before_the_pause_arrives(void)
{
    LOOK(MOVED, .event = move_and_give_up, .event_state = XLM_STATE_PRECOPY,
         .event_round = 1, .nr_pfns = 4096, .nr_ram = 2000,
         .opt = { .bandwidth_bytes_s = 20 << 20 });

    SCENARIO_CHECK(r, r->event_done);
    SCENARIO_CHECK(r, fake_page(r->dst.hv, MOVED_TO));
    SCENARIO_CHECK(r, !fake_page(r->dst.hv, MOVED_FROM));
    SCENARIO_CHECK(r, !fake_page(r->dst.hv, 300));
    DONE();
}

/* All that is missing comes back, with other contents. */
static void come_back(struct run *r)
{
    pthread_mutex_lock(&r->guest);
    another_limit(r);
    for (uint64_t pfn = 256; pfn < SCENARIO_RAM; pfn++) {
        if (!fake_page(r->src.hv, pfn) && fake_grow(r->src.hv, pfn))
            fake_fill(r->src.hv, pfn, ~pfn);
    }
    pthread_mutex_unlock(&r->guest);
    scenario_switch(r);
}

static void test_ram_pages_that_were_released_come_back(void)
{
    LOOK(MOVED, .event = come_back, .event_to = TO_DESTINATION,
         .event_type = XLM__REC_RELEASE, .writer = WRITER_SHRINKS,
         .opt = { .compress = XLM_COMPRESS_ZSTD, OFTEN });

    SCENARIO_CHECK(r, r->event_done);
    DONE();
}

static void test_ram_memory_that_moves_is_noticed_in_the_pause(void)
{
    LOOK(MOVED, .event = move_a_page, .event_state = XLM_STATE_SWITCHOVER,
         .nr_pfns = 4096, .nr_ram = 2000);

    SCENARIO_CHECK(r, r->event_done);
    SCENARIO_CHECK(r, fake_page(r->dst.hv, MOVED_TO));
    SCENARIO_CHECK(r, !fake_page(r->dst.hv, MOVED_FROM));
    DONE();
}

static void test_ram_guest_that_stays_may_have_memory_again(void)
{
    const uint64_t pages = SCENARIO_PFNS + 64; /* that fake_hv starts with */

    LOOK(.rc = XLM_ERR_CANCELLED, STAYED, .event = scenario_cancel_source,
         .event_state = XLM_STATE_PRECOPY, .event_round = 1);

    SCENARIO_CHECK(r, r->src.hv->info.max_pages == pages);
    DONE();
}

static void test_ram_recycled_pages_arrive(void)
{
    LOOK(MOVED, .event = recycle, .event_state = XLM_STATE_PRECOPY,
         .event_round = 1, .writer = WRITER_SLOW,
         .opt = { .bandwidth_bytes_s = 20 << 20 });

    SCENARIO_CHECK(r, r->src.stats.sent_pages >= 2 * SCENARIO_RAM);
    DONE();
}

static void test_ram_ballooning_guest_moves(void)
{
    RUN(MOVED, .writer = WRITER_BALLOON, .nr_ram = 1500, .channels = 2,
        .opt = { .bandwidth_bytes_s = 20 << 20 });
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_ram_page_added_unlogged_arrives),
    UNIT_TEST(test_ram_guest_gets_no_memory_while_it_is_copied),
    UNIT_TEST(test_ram_what_it_gives_up_is_given_up_between_rounds),
    UNIT_TEST(test_ram_memory_that_stays_is_not_asked_for_in_the_pause),
    UNIT_TEST(test_ram_memory_that_moves_is_noticed_in_the_pause),
    UNIT_TEST(test_ram_memory_that_moves_before_the_pause_arrives),
    UNIT_TEST(test_ram_pages_that_were_released_come_back),
    UNIT_TEST(test_ram_guest_that_stays_may_have_memory_again),
    UNIT_TEST(test_ram_recycled_pages_arrive),
    UNIT_TEST(test_ram_ballooning_guest_moves),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("migrate_ram", tests)
