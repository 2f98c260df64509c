/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migrations whose pages are compressed; see tests/scenario/scenario.h. */
#include "config.h"

#include "../scenario/scenario_test.h"
#include "unit.h"

/* Which the guest writes to. */
#define SPOILT 300

static bool is_compressed(const struct run *r)
{
    return r->src.stats.raw_bytes > 0 &&
           r->src.stats.packed_bytes < r->src.stats.raw_bytes / 4 * 3;
}

static void test_migrate_pvh_by_lz4_moves(void)
{
    LOOK(MOVED, .channels = 2, .nr_ram = 2000, .writer = WRITER_SLOW,
         .opt = { .compress = XLM_COMPRESS_LZ4 });

    SCENARIO_CHECK(r, is_compressed(r));
    SCENARIO_CHECK(r, r->src.stats.wire_bytes < r->src.stats.raw_bytes);
    DONE();
}

static void test_migrate_pvh_by_zstd_moves(void)
{
    LOOK(MOVED, .nr_ram = 2000, .writer = WRITER_BALLOON,
         .opt = { .compress = XLM_COMPRESS_ZSTD, .compress_level = -5 });

    SCENARIO_CHECK(r, is_compressed(r));
    DONE();
}

static void test_migrate_pv_with_page_tables_by_zstd_moves(void)
{
    LOOK(MOVED, .type = XLM__TYPE_PV, .writer = WRITER_SLOW,
         .opt = { .compress = XLM_COMPRESS_ZSTD });

    SCENARIO_CHECK(r, is_compressed(r));
    DONE();
}

static void test_migrate_hvm_by_lz4_moves(void)
{
    LOOK(MOVED, .type = XLM__TYPE_HVM, .sparse = true, .writer = WRITER_SLOW,
         .opt = { .compress = XLM_COMPRESS_LZ4 });

    SCENARIO_CHECK(r, is_compressed(r));
    DONE();
}

static void test_migrate_by_default_a_limited_wire_is_compressed(void)
{
    LOOK(MOVED, .opt = { .bandwidth_bytes_s = 20 << 20 });

    SCENARIO_CHECK(r, is_compressed(r));
    DONE();
}

static void test_migrate_compression_may_be_refused(void)
{
    LOOK(MOVED, .opt = { .compress = XLM_COMPRESS_NONE,
                         .bandwidth_bytes_s = 20 << 20 });

    SCENARIO_CHECK(r, r->src.stats.raw_bytes > 0);
    SCENARIO_CHECK(r, r->src.stats.packed_bytes == r->src.stats.raw_bytes);
    DONE();
}

static void fill_randomly(struct run *r)
{
    unsigned char page[XLM__PAGE_SIZE];
    uint64_t x = 88172645463325252u;

    for (uint64_t pfn = 0; pfn < r->src.hv->nr_pfns; pfn++) {
        for (size_t i = 0; i < sizeof(page); i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            page[i] = (unsigned char)(x >> 24);
        }
        if (fake_page(r->src.hv, pfn))
            fake_write(r->src.hv, pfn, 0, page, sizeof(page));
    }
}

static void test_migrate_memory_that_does_not_shrink_goes_as_it_is(void)
{
    LOOK(MOVED, .prepare = fill_randomly,
         .opt = { .compress = XLM_COMPRESS_ZSTD });

    SCENARIO_CHECK(r, r->src.stats.raw_bytes >= SCENARIO_RAM * 4096ull);
    SCENARIO_CHECK(r, r->src.stats.packed_bytes == r->src.stats.raw_bytes);
    DONE();
}

static void cannot_unpack(struct run *r)
{
    r->dst.session->greeting.offered = XLM__FEATURE_LZ4;
}

static void test_migrate_to_a_peer_that_does_not_unpack_it_says_so(void)
{
    LOOK(MOVED, .prepare = cannot_unpack,
         .opt = { .compress = XLM_COMPRESS_ZSTD });

    SCENARIO_CHECK(r, r->src.stats.packed_bytes == r->src.stats.raw_bytes);
    SCENARIO_CHECK(r, strstr(r->log, "data 0: the destination does not unpack "
                                     "zstd: nothing is compressed"));
    DONE();
}

static void test_migrate_stays_packed_byte_changed_on_the_wire(void)
{
    LOOK(.rc = SCENARIO_ANY, STAYED, .corrupt = CORRUPT_PLAIN,
         .opt = { .compress = XLM_COMPRESS_ZSTD });

    SCENARIO_CHECK(r, r->dst.error == XLM_ERR_STREAM);
    SCENARIO_CHECK(r, strstr(r->dst.message, "PACKED at 0x60: CRC 0x"));
    DONE();
}

static void test_migrate_stays_packed_contents_that_do_not_unpack(void)
{
    LOOK(.rc = SCENARIO_ANY, STAYED, .corrupt = CORRUPT_CRC_RIGHT,
         .writer = WRITER_SLOW, .opt = { .compress = XLM_COMPRESS_ZSTD });

    SCENARIO_CHECK(r, r->dst.error == XLM_ERR_STREAM);
    SCENARIO_CHECK(r, strstr(r->dst.message, "PACKED at 0x60: "));
    SCENARIO_CHECK(r, strstr(r->dst.message, " of zstd do not unpack to the "));
    DONE();
}

/* ---- by what has changed ---- */

/* Some rounds, as what stays of the pause is over the goal. */
#define ROUNDS                                                                 \
    .prepare = fill_randomly, .event = scenario_switch,                        \
    .event_state = XLM_STATE_PRECOPY, .event_round = 6

static void test_migrate_pages_sent_again_go_by_what_has_changed(void)
{
    LOOK(MOVED, ROUNDS, .writer = WRITER_WORDS,
         .opt = { .compress = XLM_COMPRESS_ZSTD, OFTEN });

    SCENARIO_CHECK(r, r->src.stats.delta_pages > 300);
    /* Twice as a whole. */
    SCENARIO_CHECK(r, r->src.stats.packed_bytes <
                          3 * (uint64_t)SCENARIO_RAM * XLM__PAGE_SIZE);
    SCENARIO_CHECK(r, strstr(r->log, " pages only what had changed"));
    DONE();
}

/* Nothing is gained by a codec, but by that. */
static void test_migrate_changes_over_a_slow_wire_move_by_default(void)
{
    LOOK(MOVED, ROUNDS, .writer = WRITER_WORDS, .opt = { OFTEN });

    SCENARIO_CHECK(r, r->src.stats.delta_pages > 300);
    DONE();
}

static void test_migrate_changes_of_several_channels_move(void)
{
    LOOK(MOVED, ROUNDS, .writer = WRITER_WORDS, .channels = 4,
         .opt = { .compress = XLM_COMPRESS_LZ4, OFTEN });

    SCENARIO_CHECK(r, r->src.stats.delta_pages > 300);
    DONE();
}

static void test_migrate_changes_of_few_pages_move(void)
{
    LOOK(MOVED, ROUNDS, .writer = WRITER_WORDS, .nr_pfns = 2048, .nr_ram = 2000,
         .opt = { .compress = XLM_COMPRESS_ZSTD, OFTEN, .delta_mib = 1 });

    /* 256 places, of at most seven rounds. */
    SCENARIO_CHECK(r, r->src.stats.delta_pages > 0);
    SCENARIO_CHECK(r, r->src.stats.delta_pages <= 7 * 256);
    DONE();
}

static void test_migrate_changes_of_a_ballooning_guest_move(void)
{
    LOOK(MOVED, ROUNDS, .writer = WRITER_SHRINKS,
         .opt = { .compress = XLM_COMPRESS_ZSTD, OFTEN });

    SCENARIO_CHECK(r, r->src.stats.delta_pages > 0);
    DONE();
}

static void test_migrate_changes_of_hvm_move(void)
{
    LOOK(MOVED, ROUNDS, .type = XLM__TYPE_HVM, .writer = WRITER_WORDS,
         .opt = { .compress = XLM_COMPRESS_ZSTD, OFTEN });

    SCENARIO_CHECK(r, r->src.stats.delta_pages > 300);
    DONE();
}

static void test_migrate_changes_found_by_a_scan_move(void)
{
    LOOK(MOVED, ROUNDS, .writer = WRITER_WORDS,
         .opt = { .compress = XLM_COMPRESS_ZSTD,
                  .dirty = XLM_DIRTY_SCAN,
                  .bandwidth_bytes_s = 16 << 20 });

    SCENARIO_CHECK(r, r->src.stats.delta_pages > 0);
    DONE();
}

static void test_migrate_changes_are_verified(void)
{
    LOOK(
        MOVED, ROUNDS, .writer = WRITER_WORDS,
        .opt = { .compress = XLM_COMPRESS_ZSTD, OFTEN, .flags = XLM_F_VERIFY });

    SCENARIO_CHECK(r, r->src.stats.delta_pages > 300);
    SCENARIO_CHECK(r, r->src.stats.verified_pages > 0);
    DONE();
}

/* What was on its way is not known to be there. */
static void test_migrate_changes_over_a_broken_channel_move(void)
{
    LOOK(MOVED, ROUNDS, .writer = WRITER_WORDS,
         .breaks = { 96 + 100000, 96 + 1500000, 96 + 2000000, 96 + 1300000,
                     96 + 30000, 96 + 40001, 96 + 50000, 96 + 70000 },
         .opt = {
             .compress = XLM_COMPRESS_ZSTD, OFTEN, .data = XLM_DATA_PLAIN });

    SCENARIO_CHECK(r, r->src.stats.reconnects >= 5);
    SCENARIO_CHECK(r, r->src.stats.delta_pages > 0);
    DONE();
}

static void test_migrate_changes_may_be_switched_off(void)
{
    LOOK(MOVED, ROUNDS, .writer = WRITER_WORDS,
         .opt = { .compress = XLM_COMPRESS_ZSTD,
                  OFTEN,
                  .delta_mib = XLM_DELTA_OFF });

    SCENARIO_CHECK(r, r->src.stats.delta_pages == 0);
    DONE();
}

static void test_migrate_changes_of_pv_go_whole(void)
{
    LOOK(MOVED, .type = XLM__TYPE_PV, .event = scenario_switch,
         .event_state = XLM_STATE_PRECOPY, .event_round = 4,
         .writer = WRITER_WORDS,
         .opt = { .compress = XLM_COMPRESS_ZSTD, OFTEN });

    SCENARIO_CHECK(r, r->src.stats.delta_pages == 0);
    DONE();
}

static void knows_no_changes(struct run *r)
{
    fill_randomly(r);
    r->dst.session->greeting.offered &= ~XLM__FEATURE_DELTA;
}

static void test_migrate_changes_that_the_peer_does_not_know_go_whole(void)
{
    LOOK(MOVED, .prepare = knows_no_changes, .event = scenario_switch,
         .event_state = XLM_STATE_PRECOPY, .event_round = 4,
         .writer = WRITER_WORDS,
         .opt = { .compress = XLM_COMPRESS_ZSTD, OFTEN });

    SCENARIO_CHECK(r, r->src.stats.delta_pages == 0);
    DONE();
}

static void spoil(struct run *r)
{
    /* As nobody must: a page of the new domain is written to, in a word that
     * the guest leaves alone. */
    fake_write(r->dst.hv, SPOILT, 4000, "spoilt", 6);
    scenario_switch(r);
}

static void test_migrate_stays_changes_of_another_page(void)
{
    LOOK(.rc = SCENARIO_ANY, STAYED, .prepare = fill_randomly, .event = spoil,
         .event_state = XLM_STATE_PRECOPY, .event_round = 3,
         .writer = WRITER_WORDS,
         .opt = { .compress = XLM_COMPRESS_ZSTD, OFTEN });

    SCENARIO_CHECK(r, r->dst.error == XLM_ERR_STREAM);
    SCENARIO_CHECK(r, strstr(r->dst.message, " is not what the source has "
                                             "changed"));
    DONE();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_migrate_pvh_by_lz4_moves),
    UNIT_TEST(test_migrate_pvh_by_zstd_moves),
    UNIT_TEST(test_migrate_pv_with_page_tables_by_zstd_moves),
    UNIT_TEST(test_migrate_hvm_by_lz4_moves),
    UNIT_TEST(test_migrate_by_default_a_limited_wire_is_compressed),
    UNIT_TEST(test_migrate_compression_may_be_refused),
    UNIT_TEST(test_migrate_memory_that_does_not_shrink_goes_as_it_is),
    UNIT_TEST(test_migrate_to_a_peer_that_does_not_unpack_it_says_so),
    UNIT_TEST(test_migrate_stays_packed_byte_changed_on_the_wire),
    UNIT_TEST(test_migrate_stays_packed_contents_that_do_not_unpack),
    UNIT_TEST(test_migrate_pages_sent_again_go_by_what_has_changed),
    UNIT_TEST(test_migrate_changes_over_a_slow_wire_move_by_default),
    UNIT_TEST(test_migrate_changes_of_several_channels_move),
    UNIT_TEST(test_migrate_changes_of_few_pages_move),
    UNIT_TEST(test_migrate_changes_of_a_ballooning_guest_move),
    UNIT_TEST(test_migrate_changes_of_hvm_move),
    UNIT_TEST(test_migrate_changes_found_by_a_scan_move),
    UNIT_TEST(test_migrate_changes_are_verified),
    UNIT_TEST(test_migrate_changes_over_a_broken_channel_move),
    UNIT_TEST(test_migrate_changes_may_be_switched_off),
    UNIT_TEST(test_migrate_changes_of_pv_go_whole),
    UNIT_TEST(test_migrate_changes_that_the_peer_does_not_know_go_whole),
    UNIT_TEST(test_migrate_stays_changes_of_another_page),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("migrate_packed", tests)
