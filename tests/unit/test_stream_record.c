/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records over a channel: what travels, what may not be sent, what is skipped.
 */
#include "config.h"

#include "stream/record.h"

#include <pthread.h>
#include <stdlib.h>

#include "chan/chan_pair.h"
#include "error_says.h"
#include "unit.h"

static struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
static struct xlm__chan a, b;
static struct xlm__flow fa, fb;
static struct xlm__stream s, d;

static void open_streams(bool control)
{
    xlm__errslot_destroy(&err);
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    CU_ASSERT_EQUAL_FATAL(xlm__chan_pair(&a, &b, &err, -1, "test"), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__flow_init(&fa, &err, XLM_SOURCE), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__flow_init(&fb, &err, XLM_DESTINATION), 0);
    if (control) {
        CU_ASSERT_EQUAL(xlm__stream_init_control(&s, &a, XLM_SOURCE, &fa), 0);
        CU_ASSERT_EQUAL(xlm__stream_init_control(&d, &b, XLM_DESTINATION, &fb),
                        0);
    } else {
        CU_ASSERT_EQUAL(xlm__stream_init_data(&s, &a, XLM_SOURCE), 0);
        CU_ASSERT_EQUAL(xlm__stream_init_data(&d, &b, XLM_DESTINATION), 0);
        xlm__stream_limits(&s, 4096, false);
        xlm__stream_limits(&d, 4096, false);
        xlm__stream_features(&s, XLM__STREAM_FEATURES);
        xlm__stream_features(&d, XLM__STREAM_FEATURES);
    }
}

static void close_streams(void)
{
    xlm__stream_fini(&s);
    xlm__stream_fini(&d);
    xlm__flow_destroy(&fa);
    xlm__flow_destroy(&fb);
    xlm__chan_close(&a);
    xlm__chan_close(&b);
}

static struct xlm__offer offer(void)
{
    struct xlm__offer o = {
        .domid = 1,
        .domain_type = XLM__WIRE_HVM,
        .nr_pfns = 1 << 20,
        .memory_pages = 1 << 20,
        .nr_data_channels = 4,
        .name = "g",
        .hostname = "h",
        .xen_version = "4.17.7",
        .xlm_version = "0.1.0",
    };

    memset(o.uuid, 7, sizeof(o.uuid));
    return o;
}

static void test_stream_offer_arrives_as_sent(void)
{
    struct xlm__offer o = offer();
    struct xlm__rec r;

    open_streams(true);
    CU_ASSERT_EQUAL(xlm__send_offer(&s, &o), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__stream_read(&d, &r), 0);
    CU_ASSERT_EQUAL(r.type, XLM__REC_OFFER);
    CU_ASSERT_EQUAL(r.offset, 96);
    CU_ASSERT_EQUAL(r.u.offer.nr_pfns, 1 << 20);
    CU_ASSERT_EQUAL(r.u.offer.nr_data_channels, 4);
    CU_ASSERT_STRING_EQUAL(r.u.offer.xen_version, "4.17.7");
    CU_ASSERT_EQUAL(memcmp(r.u.offer.uuid, o.uuid, sizeof(o.uuid)), 0);
    close_streams();
}

/* An older peer has no word for it. */
static void test_stream_what_has_a_feature_needs_it(void)
{
    static const uint8_t keys[XLM__VERIFY_BYTES];
    const struct xlm__round paused = { 1, 3, 0, 0 };
    struct xlm__offer o = offer();
    struct xlm__rec r;

    o.flags = XLM__OFFER_PREBUILD;
    open_streams(true);
    CU_ASSERT_EQUAL(xlm__send_offer(&s, &o), XLM_ERR_INVAL);
    CU_ASSERT(error_says(&err, "type 3 cannot be pre-built"));
    CU_ASSERT_EQUAL(xlm__send_verify(&s, keys), XLM_ERR_INVAL);
    CU_ASSERT_EQUAL(xlm__send_round(&s, XLM__REC_ROUND_BEGIN, &paused),
                    XLM_ERR_INVAL);
    close_streams();

    open_streams(true);
    xlm__stream_features(&s, XLM__FEATURE_PREBUILD_DM);
    CU_ASSERT_EQUAL(xlm__send_offer(&s, &o), 0);
    CU_ASSERT_EQUAL(xlm__stream_read(&d, &r), XLM_ERR_STREAM);
    CU_ASSERT(error_says(&err, "type 3 cannot be pre-built"));
    close_streams();

    open_streams(true);
    xlm__stream_features(&s, XLM__FEATURE_PREBUILD_DM);
    xlm__stream_features(&d, XLM__FEATURE_PREBUILD_DM);
    CU_ASSERT_EQUAL(xlm__send_offer(&s, &o), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__stream_read(&d, &r), 0);
    CU_ASSERT_EQUAL(r.u.offer.flags, XLM__OFFER_PREBUILD);
    close_streams();
}

static void test_stream_offer_with_bad_name_is_not_sent(void)
{
    struct xlm__offer o = offer();

    open_streams(true);
    strncpy(o.name, "../etc/x", sizeof(o.name) - 1);
    CU_ASSERT_EQUAL(xlm__send_offer(&s, &o), XLM_ERR_INVAL);
    CU_ASSERT(error_says(&err, "domain name \"../etc/x\""));
    CU_ASSERT_EQUAL(a.written_bytes, 0);
    close_streams();
}

static void test_stream_config_too_long_is_not_sent(void)
{
    char *json = malloc(XLM__CONFIG_MAX + 2);
    struct xlm__offer o = offer();

    memset(json, 'x', XLM__CONFIG_MAX + 1);
    json[XLM__CONFIG_MAX + 1] = '\0';
    open_streams(true);
    CU_ASSERT_EQUAL(xlm__send_offer(&s, &o), 0);
    CU_ASSERT_EQUAL(xlm__send_config(&s, json), XLM_ERR_INVAL);
    CU_ASSERT(error_says(&err, "CONFIG"));
    close_streams();
    free(json);
}

/* The checks of source and destination, as far as a FINDING. */
static void begin_check(void)
{
    struct xlm__offer o = offer();
    struct xlm__rec r;

    open_streams(true);
    CU_ASSERT_EQUAL(xlm__send_offer(&s, &o), 0);
    CU_ASSERT_EQUAL(xlm__send_config(&s, "{}"), 0);
    CU_ASSERT_EQUAL(xlm__send_state(&s, 0x11, "x", 1), 0);
    CU_ASSERT_EQUAL(xlm__send_state(&s, 0x12, "x", 1), 0);
    CU_ASSERT_EQUAL(xlm__send_empty(&s, XLM__REC_CHECK), 0);
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(xlm__stream_read(&d, &r), 0);
}

static void test_stream_finding_is_made_fit_to_send(void)
{
    char text[600];
    struct xlm_finding f = { XLM_FINDING_NOTE, "Bad Code", text, NULL };
    struct xlm__rec r;

    /* 511 characters, then one of two bytes that does not fit whole */
    memset(text, 'm', sizeof(text));
    memcpy(text + 511, "\xc3\xa4", 3);
    text[0] = '\n';
    text[1] = (char)0xff;
    begin_check();
    CU_ASSERT_EQUAL(xlm__send_finding(&d, &f), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__stream_read(&s, &r), 0);
    CU_ASSERT_STRING_EQUAL(r.u.finding.code, "-ad--ode");
    CU_ASSERT_EQUAL(strlen(r.u.finding.message), 511);
    CU_ASSERT_EQUAL(memcmp(r.u.finding.message, "??mm", 4), 0);
    CU_ASSERT_STRING_EQUAL(r.u.finding.advice, "");
    close_streams();
}

static void test_stream_abort_with_odd_code_is_internal(void)
{
    struct xlm__rec r;

    begin_check();
    CU_ASSERT_EQUAL(xlm__send_abort(&s, 5, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__stream_read(&d, &r), 0);
    CU_ASSERT_EQUAL(r.u.abort.code, XLM_ERR_INTERNAL);
    close_streams();
}

static void test_stream_pages_land_in_the_frames_given(void)
{
    static uint8_t from[3][XLM__PAGE_BYTES], to[3][XLM__PAGE_BYTES];
    const uint64_t pfns[] = { 1, 7, 8, 4095 };
    const uint32_t types[] = { 0, 0xf0000000u, 0, 0 };
    const void *const out[] = { from[0], NULL, from[1], from[2] };
    void *const in[] = { to[2], NULL, to[0], to[1] };
    const struct xlm__pages_out p = { 4, pfns, types, out };
    struct xlm__rec r;

    for (int i = 0; i < 3; i++)
        memset(from[i], 'a' + i, XLM__PAGE_BYTES);
    open_streams(false);
    CU_ASSERT_EQUAL(xlm__send_pages(&s, &p), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__stream_read(&d, &r), 0);
    CU_ASSERT_EQUAL(r.u.pages.nr, 4);
    CU_ASSERT_EQUAL(r.u.pages.nr_contents, 3);
    CU_ASSERT_EQUAL(memcmp(r.u.pages.pfns, pfns, sizeof(pfns)), 0);
    CU_ASSERT_EQUAL(memcmp(r.u.pages.types, types, sizeof(types)), 0);
    CU_ASSERT_EQUAL(xlm__stream_read_contents(&d, &r, in), 0);
    CU_ASSERT_EQUAL(memcmp(to[2], from[0], XLM__PAGE_BYTES), 0);
    CU_ASSERT_EQUAL(memcmp(to[0], from[1], XLM__PAGE_BYTES), 0);
    CU_ASSERT_EQUAL(memcmp(to[1], from[2], XLM__PAGE_BYTES), 0);
    close_streams();
}

static uint8_t room[XLM__PACKED_FRONT + 8192 + XLM__PACKED_BEHIND];

static void expect_packed(size_t nr, size_t bytes, uint32_t codec, int rc,
                          const char *says)
{
    const uint64_t pfns[] = { 3, 4095 };
    const uint32_t types[] = { 0, 0 };
    const struct xlm__packed_out p = {
        nr, pfns, types, codec, room + XLM__PACKED_FRONT, bytes
    };

    memset(room, 0x5a, sizeof(room));
    CU_ASSERT_EQUAL(xlm__send_packed(&s, &p), rc);
    CU_ASSERT(!says || error_says(&err, says));
    CU_ASSERT_EQUAL(a.written_bytes != 0, !rc);
}

static void packed_arrive(uint32_t codec)
{
    struct xlm__rec r;

    open_streams(false);
    expect_packed(2, 100, codec, 0, NULL);
    CU_ASSERT_EQUAL_FATAL(xlm__stream_read(&d, &r), 0);
    CU_ASSERT_EQUAL(r.type, XLM__REC_PACKED);
    CU_ASSERT_EQUAL(r.u.packed.codec, codec);
    CU_ASSERT_EQUAL(r.u.packed.bytes, 100);
    CU_ASSERT_EQUAL(r.u.packed.pages.nr, 2);
    CU_ASSERT_EQUAL(r.u.packed.pages.nr_contents, 2);
    CU_ASSERT_EQUAL(r.u.packed.pages.pfns[1], 4095);
    CU_ASSERT(r.u.packed.at[0] == 0x5a && r.u.packed.at[99] == 0x5a);
    CU_ASSERT_EQUAL(s.write_lane.pages, 2);
    CU_ASSERT_EQUAL(d.read_lane.pages, 2);
    close_streams();
}

static void test_stream_packed_pages_arrive_as_sent(void)
{
    for (uint32_t codec = 1; codec <= XLM__PACKED_CODEC; codec++)
        packed_arrive(codec);
}

static void expect_packed_not_sent(size_t nr, size_t bytes, uint32_t codec,
                                   const char *says)
{
    open_streams(false);
    expect_packed(nr, bytes, codec, XLM_ERR_INVAL, says);
    close_streams();
}

static void test_stream_packed_that_do_not_fit_are_not_sent(void)
{
    expect_packed_not_sent(0, 10, 1, "0 packed pages");
    expect_packed_not_sent(257, 10, 1, "257 packed pages");
    expect_packed_not_sent(2, 8192, 1, "in 8192 bytes");
    expect_packed_not_sent(2, 0, 1, "0 packed bytes");
    expect_packed_not_sent(2, 10, 4, "4 as codec");
}

static void test_stream_packed_by_a_codec_not_agreed_is_refused(void)
{
    struct xlm__rec r;

    open_streams(false);
    xlm__stream_features(&s, XLM__FEATURE_LZ4);
    expect_packed(2, 10, 2, XLM_ERR_INVAL, "codec 2 is not in use");
    close_streams();
    open_streams(false);
    xlm__stream_features(&d, XLM__FEATURE_ZSTD);
    expect_packed(2, 10, 1, 0, NULL);
    CU_ASSERT_EQUAL(xlm__stream_read(&d, &r), XLM_ERR_STREAM);
    CU_ASSERT(error_says(
        &err, "PACKED at 0x60: codec 1 is not in use on this channel"));
    close_streams();
}

static void test_stream_packed_delta_not_agreed_is_refused(void)
{
    struct xlm__rec r;

    open_streams(false);
    xlm__stream_features(&s, XLM__STREAM_FEATURES & ~XLM__FEATURE_DELTA);
    expect_packed(2, 10, 3, XLM_ERR_INVAL, "codec 3 is not in use");
    close_streams();
    open_streams(false);
    xlm__stream_features(&d, XLM__STREAM_FEATURES & ~XLM__FEATURE_DELTA);
    expect_packed(2, 10, 3, 0, NULL);
    CU_ASSERT_EQUAL(xlm__stream_read(&d, &r), XLM_ERR_STREAM);
    CU_ASSERT(error_says(
        &err, "PACKED at 0x60: codec 3 is not in use on this channel"));
    close_streams();
}

static void test_stream_packed_delta_of_pv_is_refused(void)
{
    struct xlm__rec r;

    open_streams(false);
    xlm__stream_limits(&s, 4096, true);
    expect_packed(2, 10, 3, XLM_ERR_INVAL, "codec 3 for a PV domain");
    close_streams();
    open_streams(false);
    xlm__stream_limits(&d, 4096, true);
    expect_packed(2, 10, 3, 0, NULL);
    CU_ASSERT_EQUAL(xlm__stream_read(&d, &r), XLM_ERR_STREAM);
    CU_ASSERT(error_says(&err, "PACKED at 0x60: codec 3 for a PV domain"));
    close_streams();
}

struct sending {
    const struct xlm__pages_out *p;
    int rc;
};

static void *send_pages(void *arg)
{
    struct sending *j = arg;

    j->rc = xlm__send_pages(&s, j->p);
    return NULL;
}

static void test_stream_1024_pages_in_1024_pieces_arrive(void)
{
    enum { NR = 1024, GAP = 2 * XLM__PAGE_BYTES };
    uint8_t *from = calloc(NR, GAP), *to = calloc(NR, GAP);
    uint64_t pfns[NR];
    uint32_t types[NR] = { 0 };
    const void *out[NR];
    void *in[NR];
    const struct xlm__pages_out p = { NR, pfns, types, out };
    struct sending j = { &p, -1 };
    struct xlm__rec r;
    pthread_t t;

    for (size_t i = 0; i < NR; i++) {
        pfns[i] = i * 4;
        out[i] = memset(from + i * GAP, (int)i + 1, XLM__PAGE_BYTES);
        in[i] = to + i * GAP;
    }
    open_streams(false);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, send_pages, &j), 0);
    CU_ASSERT_EQUAL(xlm__stream_read(&d, &r), 0);
    CU_ASSERT_EQUAL(xlm__stream_read_contents(&d, &r, in), 0);
    pthread_join(t, NULL);
    CU_ASSERT_EQUAL(j.rc, 0);
    CU_ASSERT_EQUAL(memcmp(from, to, (size_t)NR * GAP), 0);
    close_streams();
    free(from);
    free(to);
}

static void expect_not_sent(uint64_t pfn, uint32_t type, const void *page,
                            const char *says)
{
    const void *const pages[] = { page };
    const struct xlm__pages_out p = { 1, &pfn, &type, pages };

    open_streams(false);
    CU_ASSERT_EQUAL(xlm__send_pages(&s, &p), XLM_ERR_INVAL);
    CU_ASSERT(error_says(&err, says));
    CU_ASSERT_EQUAL(a.written_bytes, 0);
    close_streams();
}

static void test_stream_pages_that_do_not_fit_are_not_sent(void)
{
    static const uint8_t page[XLM__PAGE_BYTES];

    expect_not_sent(4096, 0, page, "pfn 0x1000, limit 0x1000");
    expect_not_sent(1, 0x10000000u, page, "page type 1");
    expect_not_sent(1, 0, NULL, "length");
    expect_not_sent(1, 0xf0000000u, page, "length");
}

static void test_stream_pages_none_or_too_many_are_not_sent(void)
{
    struct xlm__pages_out p = { .nr = 0 };

    open_streams(false);
    CU_ASSERT_EQUAL(xlm__send_pages(&s, &p), XLM_ERR_INVAL);
    p.nr = 1025;
    CU_ASSERT_EQUAL(xlm__send_pages(&s, &p), XLM_ERR_INVAL);
    close_streams();
}

static void test_stream_next_record_before_contents_is_our_bug(void)
{
    static const uint8_t page[XLM__PAGE_BYTES];
    const uint64_t pfn = 0;
    const uint32_t type = 0;
    const void *const pages[] = { page };
    const struct xlm__pages_out p = { 1, &pfn, &type, pages };
    struct xlm__rec r;

    open_streams(false);
    CU_ASSERT_EQUAL(xlm__send_pages(&s, &p), 0);
    CU_ASSERT_EQUAL(xlm__stream_read(&d, &r), 0);
    CU_ASSERT_EQUAL(xlm__stream_read(&d, &r), XLM_ERR_INTERNAL);
    close_streams();
}

static void test_stream_marks_count_over_rounds(void)
{
    const struct xlm__extent e[] = { { 0, 3, 0 }, { 5, 1, 0 } };
    struct xlm__round total = { 0 };
    struct xlm__rec r;

    open_streams(false);
    CU_ASSERT_EQUAL(xlm__send_zeros(&s, 2, e), 0);
    CU_ASSERT_EQUAL(xlm__send_mark(&s, false, &total), 0);
    CU_ASSERT_EQUAL(xlm__send_zeros(&s, 1, e), 0);
    CU_ASSERT_EQUAL(xlm__send_mark(&s, true, &total), 0);
    CU_ASSERT_EQUAL(xlm__send_empty(&s, XLM__REC_CLOSE), 0);
    CU_ASSERT_EQUAL(total.zero_pages, 7);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(xlm__stream_read(&d, &r), 0);
    CU_ASSERT_EQUAL(r.u.round.round, 2);
    CU_ASSERT_EQUAL(r.u.round.zero_pages, 3);
    CU_ASSERT_EQUAL(r.u.round.flags, XLM__ROUND_FINAL);
    CU_ASSERT_EQUAL(xlm__stream_read(&d, &r), 0);
    CU_ASSERT_EQUAL(r.type, XLM__REC_CLOSE);
    CU_ASSERT_EQUAL(xlm__send_mark(&s, true, &total), XLM_ERR_INTERNAL);
    close_streams();
}

static void test_stream_more_pages_than_the_domain_has_are_not_sent(void)
{
    const struct xlm__extent e[] = { { 0, 2049, 0 } };

    open_streams(false);
    CU_ASSERT_EQUAL(xlm__send_zeros(&s, 1, e), 0);
    CU_ASSERT_EQUAL(xlm__send_zeros(&s, 1, e), XLM_ERR_INTERNAL);
    CU_ASSERT(error_says(&err, "more pages than the domain"));
    close_streams();
}

static void *send_pings(void *arg)
{
    int *rc = arg;

    for (uint64_t i = 0; !*rc && i < 8; i++)
        *rc = xlm__send_ping(&s, i);
    return NULL;
}

static void test_stream_two_threads_send_control_records(void)
{
    struct xlm__rec r;
    int rcs[2] = { 0, 0 };
    pthread_t t[2];

    begin_check();
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, send_pings, &rcs[i]),
                              0);
    for (int i = 0; i < 16; i++)
        CU_ASSERT_EQUAL(xlm__stream_read(&d, &r), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(t[i], NULL);
        CU_ASSERT_EQUAL(rcs[i], 0);
    }
    close_streams();
}

static void test_stream_nothing_follows_a_record_that_was_cut_off(void)
{
    size_t bytes = 8 << 20; /* more than the socket holds */
    char *big = calloc(1, bytes);
    struct xlm__offer o = offer();

    open_streams(true);
    CU_ASSERT_EQUAL(xlm__send_offer(&s, &o), 0);
    CU_ASSERT_EQUAL(xlm__send_config(&s, "{}"), 0);
    a.write_deadline_ns = 1;
    CU_ASSERT_EQUAL(xlm__send_state(&s, 0x11, big, bytes), XLM_ERR_TIMEOUT);
    CU_ASSERT_EQUAL(xlm__send_abort(&s, XLM_ERR_TIMEOUT, ""), XLM_ERR_CHANNEL);
    close_streams();
    free(big);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_stream_offer_arrives_as_sent),
    UNIT_TEST(test_stream_what_has_a_feature_needs_it),
    UNIT_TEST(test_stream_offer_with_bad_name_is_not_sent),
    UNIT_TEST(test_stream_config_too_long_is_not_sent),
    UNIT_TEST(test_stream_finding_is_made_fit_to_send),
    UNIT_TEST(test_stream_abort_with_odd_code_is_internal),
    UNIT_TEST(test_stream_pages_land_in_the_frames_given),
    UNIT_TEST(test_stream_packed_pages_arrive_as_sent),
    UNIT_TEST(test_stream_packed_that_do_not_fit_are_not_sent),
    UNIT_TEST(test_stream_packed_by_a_codec_not_agreed_is_refused),
    UNIT_TEST(test_stream_packed_delta_not_agreed_is_refused),
    UNIT_TEST(test_stream_packed_delta_of_pv_is_refused),
    UNIT_TEST(test_stream_1024_pages_in_1024_pieces_arrive),
    UNIT_TEST(test_stream_pages_that_do_not_fit_are_not_sent),
    UNIT_TEST(test_stream_pages_none_or_too_many_are_not_sent),
    UNIT_TEST(test_stream_next_record_before_contents_is_our_bug),
    UNIT_TEST(test_stream_marks_count_over_rounds),
    UNIT_TEST(test_stream_more_pages_than_the_domain_has_are_not_sent),
    UNIT_TEST(test_stream_two_threads_send_control_records),
    UNIT_TEST(test_stream_nothing_follows_a_record_that_was_cut_off),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("stream_record", tests)
