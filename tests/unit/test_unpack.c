/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/unpack.h"

#include <stdlib.h>

#include "codec/delta.h"
#include "unit.h"

#define NR 3u

static struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
static struct xlm__unpacker u;
static unsigned char raw[NR * XLM__PAGE_BYTES];
static unsigned char packed[2 * sizeof(raw)];
/* one more page than is filled, to see that it is not */
static unsigned char frames[(2 * NR + 1) * XLM__PAGE_BYTES];
static struct xlm__rec rec;
static uint64_t numbers[NR] = { 0x100, 0x101, 0x102 };

static void pack(const struct xlm__codec_ops *codec)
{
    void *encoder;
    size_t n;

    xlm__errslot_destroy(&err);
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_ERROR);
    for (size_t i = 0; i < sizeof(raw); i++)
        raw[i] = (unsigned char)(i / 16 % 37);
    memset(frames, 0xee, sizeof(frames));
    CU_ASSERT_FATAL(codec->encoder_new(&encoder));
    n = codec->encode(encoder, 1, raw, sizeof(raw), packed, sizeof(packed));
    codec->encoder_free(encoder);
    CU_ASSERT_FATAL(n > 0 && n < sizeof(raw) / 2);
    rec = (struct xlm__rec){
        .type = XLM__REC_PACKED,
        .offset = 0x60,
        .u.packed = { .pages = { .round = 1, .nr = NR, .nr_contents = NR },
                      .codec = codec->id,
                      .bytes = (uint32_t)n,
                      .at = packed },
    };
}

static int unpack(size_t step)
{
    void *pages[NR];

    for (size_t i = 0; i < NR; i++)
        pages[i] = frames + i * step;
    return xlm__unpack(&u, &err, &rec, pages, NULL);
}

static bool says(const char *text)
{
    char message[XLM_MESSAGE_MAX];

    xlm__errslot_read(&err, message);
    if (!strstr(message, text))
        printf("    said: %s\n", message);
    return strstr(message, text) != NULL;
}

static bool page_is(size_t at, const unsigned char *want)
{
    return !memcmp(frames + at, want, XLM__PAGE_BYTES);
}

static bool page_is_untouched(size_t at)
{
    for (size_t i = 0; i < XLM__PAGE_BYTES; i++)
        if (frames[at + i] != 0xee)
            return false;
    return true;
}

static void expect_together(const struct xlm__codec_ops *codec)
{
    pack(codec);
    CU_ASSERT_EQUAL(unpack(XLM__PAGE_BYTES), 0);
    CU_ASSERT_EQUAL(memcmp(frames, raw, sizeof(raw)), 0);
    CU_ASSERT(page_is_untouched(sizeof(raw)));
    CU_ASSERT_PTR_NULL(u.bounce); /* none was needed */
    xlm__unpack_free(&u);
}

static void test_unpack_frames_in_one_piece_are_filled_in_place(void)
{
    expect_together(&xlm__codec_lz4);
    expect_together(&xlm__codec_zstd);
}

static void test_unpack_frames_apart_are_filled(void)
{
    pack(&xlm__codec_zstd);
    CU_ASSERT_EQUAL(unpack(2 * XLM__PAGE_BYTES), 0);
    for (size_t i = 0; i < NR; i++) {
        CU_ASSERT(page_is(2 * i * XLM__PAGE_BYTES, raw + i * XLM__PAGE_BYTES));
        CU_ASSERT(page_is_untouched((2 * i + 1) * XLM__PAGE_BYTES));
    }
    xlm__unpack_free(&u);
}

static void test_unpack_both_codecs_in_turn(void)
{
    for (int i = 0; i < 4; i++) {
        pack(i % 2 ? &xlm__codec_lz4 : &xlm__codec_zstd);
        CU_ASSERT_EQUAL(unpack(XLM__PAGE_BYTES), 0);
        CU_ASSERT_EQUAL(memcmp(frames, raw, sizeof(raw)), 0);
    }
    xlm__unpack_free(&u);
}

static void test_unpack_too_few_pages_is_one_clear_error(void)
{
    pack(&xlm__codec_lz4);
    rec.u.packed.pages.nr = NR - 1;
    CU_ASSERT_EQUAL(unpack(XLM__PAGE_BYTES), XLM_ERR_STREAM);
    CU_ASSERT(says("PACKED at 0x60: "));
    CU_ASSERT(says(" of lz4 do not unpack to the 8192 of 2 pages"));
    CU_ASSERT(page_is_untouched((NR - 1) * XLM__PAGE_BYTES));
    xlm__unpack_free(&u);
}

static void test_unpack_cut_contents_are_refused_apart(void)
{
    pack(&xlm__codec_zstd);
    rec.u.packed.bytes--;
    CU_ASSERT_EQUAL(unpack(2 * XLM__PAGE_BYTES), XLM_ERR_STREAM);
    CU_ASSERT(says(" of zstd do not unpack to the 12288 of 3 pages"));
    /* nothing of a unit that is refused gets that far */
    CU_ASSERT(page_is_untouched(0));
    xlm__unpack_free(&u);
}

static void test_unpack_by_the_other_codec_is_refused(void)
{
    pack(&xlm__codec_zstd);
    rec.u.packed.codec = XLM__CODEC_LZ4;
    CU_ASSERT_EQUAL(unpack(XLM__PAGE_BYTES), XLM_ERR_STREAM);
    CU_ASSERT(page_is_untouched(sizeof(raw)));
    xlm__unpack_free(&u);
}

/* ---- what has changed ---- */

/* Page i has i changed words, of what is there. */
static void pack_changes(void)
{
    unsigned char was[XLM__PAGE_BYTES], is[XLM__PAGE_BYTES];
    size_t n = 0;

    pack(&xlm__codec_lz4);
    memset(was, 0xee, sizeof(was));
    for (size_t i = 0; i < NR; i++) {
        memcpy(is, was, sizeof(is));
        for (size_t w = 0; w < i; w++)
            is[64 * w] = (unsigned char)i;
        n += xlm__delta_make(was, is, packed + n, sizeof(packed) - n);
    }
    rec.u.packed.codec = XLM__PACKED_DELTA;
    rec.u.packed.bytes = (uint32_t)n;
    rec.u.packed.pages.pfns = numbers;
}

static void test_unpack_changes_what_is_there(void)
{
    pack_changes();
    CU_ASSERT_EQUAL(unpack(XLM__PAGE_BYTES), 0);
    for (size_t i = 0; i < NR; i++)
        for (size_t k = 0; k < XLM__PAGE_BYTES; k++)
            CU_ASSERT_EQUAL(frames[i * XLM__PAGE_BYTES + k],
                            k % 64 == 0 && k / 64 < i ? i : 0xee);
}

static void test_unpack_changes_of_another_page_are_refused(void)
{
    void *pages[NR];

    pack_changes();
    for (size_t i = 0; i < NR; i++)
        pages[i] = frames + i * XLM__PAGE_BYTES;
    frames[2 * XLM__PAGE_BYTES + 2000] = 1;
    CU_ASSERT_EQUAL(xlm__unpack(&u, &err, &rec, pages, NULL), XLM_ERR_STREAM);
    CU_ASSERT(says("PACKED at 0x60: page 0x102 is not what the source has "
                   "changed"));
    /* Of what is dropped nothing is expected. */
    pack_changes();
    frames[2 * XLM__PAGE_BYTES + 2000] = 1;
    CU_ASSERT_EQUAL(xlm__unpack(&u, &err, &rec, pages, pages[2]), 0);
}

static void test_unpack_changes_too_few_or_too_many_touch_nothing(void)
{
    pack_changes();
    rec.u.packed.bytes -= 8;
    CU_ASSERT_EQUAL(unpack(XLM__PAGE_BYTES), XLM_ERR_STREAM);
    CU_ASSERT(says("PACKED at 0x60: "));
    CU_ASSERT(says(" bytes are left for the changes of pages "));
    CU_ASSERT(page_is_untouched(XLM__PAGE_BYTES));
    pack_changes();
    rec.u.packed.bytes += 8;
    CU_ASSERT_EQUAL(unpack(XLM__PAGE_BYTES), XLM_ERR_STREAM);
    CU_ASSERT(says(" bytes, but the changes of "));
    CU_ASSERT(page_is_untouched(XLM__PAGE_BYTES));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_unpack_frames_in_one_piece_are_filled_in_place),
    UNIT_TEST(test_unpack_frames_apart_are_filled),
    UNIT_TEST(test_unpack_both_codecs_in_turn),
    UNIT_TEST(test_unpack_too_few_pages_is_one_clear_error),
    UNIT_TEST(test_unpack_cut_contents_are_refused_apart),
    UNIT_TEST(test_unpack_by_the_other_codec_is_refused),
    UNIT_TEST(test_unpack_changes_what_is_there),
    UNIT_TEST(test_unpack_changes_of_another_page_are_refused),
    UNIT_TEST(test_unpack_changes_too_few_or_too_many_touch_nothing),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("unpack", tests)
