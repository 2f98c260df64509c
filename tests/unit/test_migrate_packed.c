/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migrations whose pages are compressed; see tests/scenario/scenario.h. */
#include "config.h"

#include "../scenario/scenario_test.h"
#include "unit.h"

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
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("migrate_packed", tests)
