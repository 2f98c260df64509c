/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/pack.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "chan/chan_pair.h"
#include "codec/delta.h"
#include "engine/unpack.h"
#include "unit.h"

#define NR     600u
#define BROKEN 0xd0000000u

static struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
static struct xlm_session session;
static struct xlm__link link_;
static struct xlm__chan peer_chan;
static struct xlm__stream peer;
static struct xlm__throttle throttle;
static struct xlm__packer *packer;
static unsigned char memory[NR][XLM__PAGE_BYTES];
static unsigned char arrived[NR][XLM__PAGE_BYTES];
static uint64_t pfns[NR];
static uint32_t types[NR];
static const void *contents[NR];

static bool is_pv = true;

static void open_packer(enum xlm_compress how)
{
    memset(&session, 0, sizeof(session));
    memset(&link_, 0, sizeof(link_));
    memset(arrived, 0, sizeof(arrived));
    xlm__errslot_destroy(&err);
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_ERROR);
    session.opt.compress = how;
    session.opt.compress_level = how == XLM_COMPRESS_ZSTD;
    session.stop_fd = -1;
    session.nr_links = 2;
    CU_ASSERT_EQUAL_FATAL(
        xlm__chan_pair(&link_.chan, &peer_chan, &err, -1, "test"), 0);
    CU_ASSERT_EQUAL(
        xlm__stream_init_data(&link_.stream, &link_.chan, XLM_SOURCE), 0);
    CU_ASSERT_EQUAL(xlm__stream_init_data(&peer, &peer_chan, XLM_DESTINATION),
                    0);
    link_.features = XLM__STREAM_FEATURES;
    xlm__stream_limits(&link_.stream, 2 * NR, is_pv);
    xlm__stream_limits(&peer, 2 * NR, is_pv);
    xlm__stream_features(&link_.stream, link_.features);
    xlm__stream_features(&peer, link_.features);
    xlm__throttle_init(&throttle, 0);
    CU_ASSERT_EQUAL_FATAL(xlm__packer_new(&session, &link_, &throttle, &packer),
                          0);
}

static void close_packer(void)
{
    xlm__packer_free(packer);
    xlm__throttle_destroy(&throttle);
    xlm__stream_fini(&link_.stream);
    xlm__stream_fini(&peer);
    xlm__chan_close(&link_.chan);
    xlm__chan_close(&peer_chan);
}

/* A guest with pages that shrink. */
static void fill(void)
{
    for (size_t i = 0; i < NR; i++) {
        for (size_t k = 0; k < XLM__PAGE_BYTES; k++)
            memory[i][k] = (unsigned char)(i + k / 64);
        pfns[i] = 2 * i;
        types[i] = 0;
        contents[i] = memory[i];
    }
}

static void fill_randomly(size_t first, size_t nr)
{
    uint64_t x = 88172645463325252u;

    for (size_t i = first; i < first + nr; i++)
        for (size_t k = 0; k < XLM__PAGE_BYTES; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            memory[i][k] = (unsigned char)(x >> 24);
        }
}

static void without_contents(size_t i)
{
    types[i] = BROKEN;
    contents[i] = NULL;
}

struct sending {
    size_t nr;
    int rc;
};

static void *send_all(void *arg)
{
    struct sending *j = arg;
    const struct xlm__pages_out out = { j->nr, pfns, types, contents };

    j->rc = xlm__packer_send(packer, &out);
    if (!j->rc)
        j->rc = xlm__send_mark(&link_.stream, false, NULL);
    return NULL;
}

/* Where the pages of a record go. */
static const struct xlm__pages *aim(const struct xlm__rec *r, void **pages)
{
    const struct xlm__pages *p = r->type == XLM__REC_PACKED ? &r->u.packed.pages
                                                            : &r->u.pages;

    for (uint32_t i = 0; i < p->nr; i++)
        pages[i] = p->types[i] == BROKEN ? NULL : arrived[p->pfns[i] / 2];
    return p;
}

/* Sends nr pages; kinds is told each record as p or P (packed) and a count. */
static void travel(size_t nr, char *kinds, size_t bytes)
{
    struct xlm__unpacker u = { 0 };
    struct sending j = { nr, -1 };
    void *pages[XLM__PAGES_MAX];
    struct xlm__rec r;
    pthread_t t;
    int n = 0;

    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, send_all, &j), 0);
    while (!xlm__stream_read(&peer, &r) && r.type != XLM__REC_MARK) {
        const struct xlm__pages *p = aim(&r, pages);
        bool packed = r.type == XLM__REC_PACKED;

        CU_ASSERT_EQUAL(packed ? xlm__unpack(&u, &err, &r, pages, NULL)
                               : xlm__stream_read_contents(&peer, &r, pages),
                        0);
        n += snprintf(kinds + n, bytes - (size_t)n, "%s%u ", packed ? "P" : "p",
                      p->nr);
    }
    CU_ASSERT_EQUAL(r.type, XLM__REC_MARK);
    CU_ASSERT_EQUAL(r.u.round.pages, nr);
    pthread_join(t, NULL);
    CU_ASSERT_EQUAL(j.rc, 0);
    xlm__unpack_free(&u);
    for (size_t i = 0; i < nr; i++)
        CU_ASSERT(!contents[i] ||
                  !memcmp(arrived[i], memory[i], XLM__PAGE_BYTES));
}

static void expect(enum xlm_compress how, size_t nr, const char *records)
{
    char kinds[256] = "";

    open_packer(how);
    travel(nr, kinds, sizeof(kinds));
    CU_ASSERT_STRING_EQUAL(kinds, records);
    if (strcmp(kinds, records))
        printf("    sent: %s\n", kinds);
    close_packer();
}

static void test_pack_none_is_one_plain_record(void)
{
    fill();
    without_contents(7);
    expect(XLM_COMPRESS_NONE, NR, "p600 ");
}

static void test_pack_256_pages_a_record(void)
{
    fill();
    expect(XLM_COMPRESS_LZ4, NR, "P256 P256 P88 ");
    expect(XLM_COMPRESS_ZSTD, NR, "P256 P256 P88 ");
}

/* A 40th of a second's bytes at once. */
static void test_pack_limit_cuts_records(void)
{
    char kinds[256] = "";

    fill();
    fill_randomly(0, 60);
    open_packer(XLM_COMPRESS_NONE);
    xlm__throttle_set(&throttle, 40 * 25 * XLM__PAGE_BYTES, 0);
    travel(60, kinds, sizeof(kinds));
    CU_ASSERT_STRING_EQUAL(kinds, "p25 p25 p10 ");
    close_packer();
    memset(kinds, 0, sizeof(kinds));
    open_packer(XLM_COMPRESS_ZSTD);
    xlm__throttle_set(&throttle, 40 * 20 * XLM__PAGE_BYTES, 0);
    travel(60, kinds, sizeof(kinds));
    CU_ASSERT_STRING_EQUAL(kinds, "p20 p20 p20 ");
    close_packer();
}

static void test_pack_tight_limit_still_moves_pages(void)
{
    char kinds[256] = "";

    fill();
    open_packer(XLM_COMPRESS_NONE);
    xlm__throttle_set(&throttle, 64 << 10, 0);
    travel(3, kinds, sizeof(kinds));
    CU_ASSERT_STRING_EQUAL(kinds, "p1 p1 p1 ");
    close_packer();
    memset(kinds, 0, sizeof(kinds));
    open_packer(XLM_COMPRESS_LZ4);
    xlm__throttle_set(&throttle, 64 << 10, 0);
    travel(40, kinds, sizeof(kinds));
    CU_ASSERT_STRING_EQUAL(kinds, "P16 P16 P8 ");
    close_packer();
}

static void test_pack_one_page(void)
{
    fill();
    expect(XLM_COMPRESS_ZSTD, 1, "P1 ");
}

static void test_pack_pages_without_contents_go_plainly(void)
{
    fill();
    without_contents(0);
    without_contents(10);
    without_contents(11);
    without_contents(599);
    expect(XLM_COMPRESS_ZSTD, NR, "p1 P9 p2 P256 P256 P75 p1 ");
}

static void test_pack_pages_that_do_not_shrink_go_plainly(void)
{
    fill();
    fill_randomly(256, 256);
    expect(XLM_COMPRESS_LZ4, NR, "P256 p256 P88 ");
    expect(XLM_COMPRESS_ZSTD, NR, "P256 p256 P88 ");
}

static void test_pack_counts_what_went_out(void)
{
    struct xlm__packer_sums sums = { 1, 1, 1 };
    char kinds[256];

    fill();
    fill_randomly(256, 256);
    without_contents(599);
    open_packer(XLM_COMPRESS_ZSTD);
    travel(NR, kinds, sizeof(kinds));
    xlm__packer_count(packer, &sums);
    CU_ASSERT_EQUAL(sums.raw_bytes, 1 + 599 * XLM__PAGE_BYTES);
    CU_ASSERT(sums.packed_bytes > 256 * XLM__PAGE_BYTES);
    CU_ASSERT(sums.packed_bytes < 300 * XLM__PAGE_BYTES);
    CU_ASSERT_EQUAL(sums.delta_pages, 1);
    /* heads and lists are all that is besides */
    CU_ASSERT(link_.chan.written_bytes - sums.packed_bytes < 8 * NR + 6 * 64);
    close_packer();
}

static void test_pack_auto_without_a_limit_begins_plainly(void)
{
    fill();
    expect(XLM_COMPRESS_AUTO, NR, "p600 ");
}

static void test_pack_peer_without_codec_gets_plain_pages(void)
{
    char kinds[256];

    fill();
    open_packer(XLM_COMPRESS_ZSTD);
    xlm__packer_free(packer);
    link_.features = XLM__FEATURE_LZ4;
    CU_ASSERT_EQUAL_FATAL(xlm__packer_new(&session, &link_, &throttle, &packer),
                          0);
    travel(NR, kinds, sizeof(kinds));
    CU_ASSERT_STRING_EQUAL(kinds, "p600 ");
    close_packer();
}

/* ---- what has changed ---- */

/* Of 256 pages: which was sent before as it is but for a word? */
static bool is_little_changed(size_t i)
{
    return i % 5 < 2;
}

/* A round that keeps them, and then most are others. */
static struct xlm__copies *open_changed(void)
{
    static unsigned char room[XLM__DELTA_BYTES_MAX];
    struct xlm__copies *c = xlm__copies_new(NR * 2);

    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    is_pv = false;
    fill();
    open_packer(XLM_COMPRESS_LZ4);
    xlm__packer_copies(packer, c);
    xlm__copies_round(c, false);
    xlm__copies_round(c, false);
    for (size_t i = 0; i < 256; i++) {
        if (!is_little_changed(i))
            continue;
        xlm__copies_delta(c, pfns[i], memory[i], room, sizeof(room));
        memcpy(arrived[i], memory[i], XLM__PAGE_BYTES);
        memory[i][17 * i % XLM__PAGE_BYTES]++;
    }
    xlm__copies_round(c, false);
    return c;
}

static void close_changed(struct xlm__copies *c)
{
    close_packer();
    xlm__copies_free(c);
    is_pv = true;
}

static void test_pack_little_changed_pages_have_a_record_of_their_own(void)
{
    struct xlm__packer_sums sums = { 0, 0, 0 };
    struct xlm__copies *c = open_changed();
    char kinds[256];

    travel(256, kinds, sizeof(kinds));
    CU_ASSERT_STRING_EQUAL(kinds, "P103 P153 ");
    xlm__packer_count(packer, &sums);
    CU_ASSERT_EQUAL(sums.delta_pages, 103);
    CU_ASSERT_EQUAL(sums.raw_bytes, 256 * XLM__PAGE_BYTES);
    close_changed(c);
}

static const struct xlm__chan_ops *real_ops;
static size_t bytes_left;

static ssize_t write_what_is_left(struct xlm__chan *c, const struct iovec *iov,
                                  size_t nr)
{
    const struct iovec some = { iov->iov_base, iov->iov_len < bytes_left
                                                   ? iov->iov_len
                                                   : bytes_left };
    ssize_t n;

    (void)nr;
    if (!some.iov_len) {
        errno = EPIPE;
        return -1;
    }
    n = real_ops->writev(c, &some, 1);
    bytes_left -= n > 0 ? (size_t)n : 0;
    return n;
}

static void cut_after(size_t bytes)
{
    static struct xlm__chan_ops ops;

    real_ops = link_.chan.ops;
    ops = *real_ops;
    ops.writev = write_what_is_left;
    link_.chan.ops = &ops;
    bytes_left = bytes;
}

/* The caller takes the first pages of its list for those that were sent. */
static void test_pack_broken_between_the_two_all_pages_are_noted(void)
{
    const struct xlm__pages_out out = { 256, pfns, types, contents };
    unsigned nr_none = 0, nr_all = 0;

    for (size_t after = 0; after < 12000; after += 500) {
        struct xlm__copies *c = open_changed();
        struct xlm__sentlog log;

        xlm__sentlog_init(&log);
        xlm__packer_note(packer, &log);
        cut_after(after);
        CU_ASSERT_NOT_EQUAL(xlm__packer_send(packer, &out), 0);
        CU_ASSERT_TRUE(log.pages == 0 || log.pages == 256);
        nr_none += log.pages == 0;
        nr_all += log.pages == 256;
        xlm__sentlog_free(&log);
        close_changed(c);
    }
    CU_ASSERT_TRUE(nr_none > 0 && nr_all > 0);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_pack_none_is_one_plain_record),
    UNIT_TEST(test_pack_256_pages_a_record),
    UNIT_TEST(test_pack_limit_cuts_records),
    UNIT_TEST(test_pack_tight_limit_still_moves_pages),
    UNIT_TEST(test_pack_one_page),
    UNIT_TEST(test_pack_pages_without_contents_go_plainly),
    UNIT_TEST(test_pack_pages_that_do_not_shrink_go_plainly),
    UNIT_TEST(test_pack_counts_what_went_out),
    UNIT_TEST(test_pack_auto_without_a_limit_begins_plainly),
    UNIT_TEST(test_pack_peer_without_codec_gets_plain_pages),
    UNIT_TEST(test_pack_little_changed_pages_have_a_record_of_their_own),
    UNIT_TEST(test_pack_broken_between_the_two_all_pages_are_noted),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("pack", tests)
