/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "codec/codec.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "unit.h"

#define RAW  65536u
#define ROOM (2 * RAW)

struct fixture {
    const struct xlm__codec_ops *ops;
    void *encoder, *decoder;
    unsigned char raw[RAW], packed[ROOM], out[RAW + 64];
    size_t packed_bytes;
};

static const struct xlm__codec_ops *const all[] = { &xlm__codec_lz4,
                                                    &xlm__codec_zstd };

static struct fixture *open_codec(const struct xlm__codec_ops *ops)
{
    struct fixture *f = calloc(1, sizeof(*f));

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    f->ops = ops;
    CU_ASSERT_FATAL(ops->encoder_new(&f->encoder));
    CU_ASSERT_FATAL(ops->decoder_new(&f->decoder));
    memset(f->out, 0xee, sizeof(f->out));
    return f;
}

static void close_codec(struct fixture *f)
{
    f->ops->encoder_free(f->encoder);
    f->ops->decoder_free(f->decoder);
    free(f);
}

static uint32_t roll(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

static void fill_text(struct fixture *f)
{
    static const char *const words[] = { "page ", "memory ", "guest ",
                                         "a ",    "domain ", "of " };
    uint32_t dice = 2463534242u;

    for (size_t i = 0; i < RAW;) {
        const char *w = words[roll(&dice) % 6];

        while (*w && i < RAW)
            f->raw[i++] = (unsigned char)*w++;
    }
}

static void fill_random(struct fixture *f)
{
    uint32_t dice = 88675123u;

    for (size_t i = 0; i < RAW; i++)
        f->raw[i] = (unsigned char)(roll(&dice) >> 11);
}

static void encode(struct fixture *f, int level, size_t room)
{
    f->packed_bytes = f->ops->encode(f->encoder, level, f->raw, RAW, f->packed,
                                     room);
}

static bool decode(struct fixture *f, size_t packed_bytes, size_t raw_bytes)
{
    return f->ops->decode(f->decoder, f->packed, packed_bytes, f->out,
                          raw_bytes);
}

static bool beyond_is_untouched(const struct fixture *f, size_t raw_bytes)
{
    for (size_t i = raw_bytes; i < sizeof(f->out); i++)
        if (f->out[i] != 0xee)
            return false;
    return true;
}

static void round_trip(const struct xlm__codec_ops *ops, int level)
{
    struct fixture *f = open_codec(ops);

    fill_text(f);
    encode(f, level, RAW / 2);
    CU_ASSERT_FATAL(f->packed_bytes > 0 && f->packed_bytes <= RAW / 2);
    CU_ASSERT(decode(f, f->packed_bytes, RAW));
    CU_ASSERT_EQUAL(memcmp(f->raw, f->out, RAW), 0);
    CU_ASSERT(beyond_is_untouched(f, RAW));
    close_codec(f);
}

static void test_codec_lz4_text_comes_back(void)
{
    round_trip(&xlm__codec_lz4, 1);
}

static void test_codec_zstd_text_comes_back_at_every_level(void)
{
    for (int level = XLM__CODEC_LEVEL_MIN; level <= XLM__CODEC_LEVEL_MAX;
         level++)
        if (level)
            round_trip(&xlm__codec_zstd, level);
}

static void test_codec_contexts_are_reused(void)
{
    for (size_t i = 0; i < 2; i++) {
        struct fixture *f = open_codec(all[i]);

        for (int n = 0; n < 3; n++) {
            fill_text(f);
            f->raw[n] ^= 0xff;
            encode(f, n + 1, RAW);
            CU_ASSERT(decode(f, f->packed_bytes, RAW));
            CU_ASSERT_EQUAL(memcmp(f->raw, f->out, RAW), 0);
        }
        close_codec(f);
    }
}

static void test_codec_random_bytes_do_not_fit_in_less(void)
{
    for (size_t i = 0; i < 2; i++) {
        struct fixture *f = open_codec(all[i]);

        fill_random(f);
        encode(f, 1, RAW - RAW / 32);
        CU_ASSERT_EQUAL(f->packed_bytes, 0);
        /* and a failure leaves the context fit for the next */
        fill_text(f);
        encode(f, 1, RAW);
        CU_ASSERT(decode(f, f->packed_bytes, RAW));
        close_codec(f);
    }
}

static void test_codec_random_bytes_with_room_come_back(void)
{
    for (size_t i = 0; i < 2; i++) {
        struct fixture *f = open_codec(all[i]);

        fill_random(f);
        encode(f, 1, ROOM);
        CU_ASSERT(f->packed_bytes > RAW);
        CU_ASSERT(decode(f, f->packed_bytes, RAW));
        CU_ASSERT_EQUAL(memcmp(f->raw, f->out, RAW), 0);
        close_codec(f);
    }
}

static void test_codec_other_length_than_expected_is_refused(void)
{
    for (size_t i = 0; i < 2; i++) {
        struct fixture *f = open_codec(all[i]);

        fill_text(f);
        encode(f, 1, RAW);
        CU_ASSERT_FALSE(decode(f, f->packed_bytes, RAW - 1));
        CU_ASSERT(beyond_is_untouched(f, RAW - 1));
        CU_ASSERT_FALSE(decode(f, f->packed_bytes, RAW - 4096));
        CU_ASSERT(beyond_is_untouched(f, RAW - 1));
        CU_ASSERT_FALSE(decode(f, f->packed_bytes, RAW + 1));
        close_codec(f);
    }
}

static void test_codec_cut_at_every_byte_is_refused(void)
{
    for (size_t i = 0; i < 2; i++) {
        struct fixture *f = open_codec(all[i]);
        unsigned accepted = 0;

        fill_text(f);
        encode(f, 1, RAW);
        for (size_t n = 0; n < f->packed_bytes; n++)
            accepted += decode(f, n, RAW);
        CU_ASSERT_EQUAL(accepted, 0);
        close_codec(f);
    }
}

static void test_codec_byte_after_the_end_is_refused(void)
{
    for (size_t i = 0; i < 2; i++) {
        struct fixture *f = open_codec(all[i]);

        fill_text(f);
        encode(f, 1, RAW);
        f->packed[f->packed_bytes] = 0;
        CU_ASSERT_FALSE(decode(f, f->packed_bytes + 1, RAW));
        close_codec(f);
    }
}

static void test_codec_flipped_bits_never_write_too_far(void)
{
    for (size_t i = 0; i < 2; i++) {
        struct fixture *f = open_codec(all[i]);
        unsigned refused = 0;

        fill_text(f);
        encode(f, 1, RAW);
        for (size_t n = 0; n < f->packed_bytes; n++) {
            f->packed[n] ^= (unsigned char)(1u << n % 8);
            refused += !decode(f, f->packed_bytes, RAW);
            f->packed[n] ^= (unsigned char)(1u << n % 8);
        }
        CU_ASSERT(beyond_is_untouched(f, RAW));
        CU_ASSERT(refused > 0);
        close_codec(f);
    }
}

static void test_codec_zstd_two_frames_are_refused(void)
{
    struct fixture *f = open_codec(&xlm__codec_zstd);
    size_t half;

    fill_text(f);
    half = f->ops->encode(f->encoder, 1, f->raw, RAW / 2, f->packed, RAW);
    f->packed_bytes = half + f->ops->encode(f->encoder, 1, f->raw + RAW / 2,
                                            RAW / 2, f->packed + half, RAW);
    CU_ASSERT(decode(f, half, RAW / 2));
    CU_ASSERT_FALSE(decode(f, f->packed_bytes, RAW));
    CU_ASSERT_FALSE(decode(f, f->packed_bytes, RAW / 2));
    close_codec(f);
}

static void test_codec_zstd_skippable_frame_is_refused(void)
{
    static const unsigned char skip[] = { 0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0 };
    struct fixture *f = open_codec(&xlm__codec_zstd);

    fill_text(f);
    memcpy(f->packed, skip, sizeof(skip));
    f->packed_bytes = sizeof(skip) + f->ops->encode(f->encoder, 1, f->raw, RAW,
                                                    f->packed + sizeof(skip),
                                                    RAW);
    CU_ASSERT_FALSE(decode(f, f->packed_bytes, RAW));
    close_codec(f);
}

/* A window of 2 GiB (0xa8), the content size, and one block: RAW times 'x'. */
static void put_bomb(struct fixture *f, unsigned char size_top)
{
    const unsigned char bomb[] = {
        0x28, 0xb5, 0x2f,     0xfd, 0x80, 0xa8, 0,
        0,    1,    size_top, 0x03, 0,    0x08, 'x'
    };

    memcpy(f->packed, bomb, sizeof(bomb));
    f->packed_bytes = sizeof(bomb);
}

static void test_codec_zstd_huge_content_is_refused(void)
{
    struct fixture *f = open_codec(&xlm__codec_zstd);

    put_bomb(f, 0x80);
    CU_ASSERT_FALSE(decode(f, f->packed_bytes, RAW));
    CU_ASSERT(beyond_is_untouched(f, 0));
    close_codec(f);
}

static void test_codec_zstd_huge_window_needs_no_memory(void)
{
    struct fixture *f = open_codec(&xlm__codec_zstd);
    struct rlimit before, now;

    put_bomb(f, 0);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_DATA, &before), 0);
    now = before;
    now.rlim_cur = 1 << 20;
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_DATA, &now), 0);
    CU_ASSERT(decode(f, f->packed_bytes, RAW));
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_DATA, &before), 0);
    CU_ASSERT(f->out[0] == 'x' && f->out[RAW - 1] == 'x');
    CU_ASSERT(beyond_is_untouched(f, RAW));
    close_codec(f);
}

static void test_codec_find_knows_the_numbers_of_the_format(void)
{
    CU_ASSERT_PTR_EQUAL(xlm__codec_find(1), &xlm__codec_lz4);
    CU_ASSERT_PTR_EQUAL(xlm__codec_find(2), &xlm__codec_zstd);
    CU_ASSERT_PTR_NULL(xlm__codec_find(0));
    CU_ASSERT_PTR_NULL(xlm__codec_find(XLM__CODEC_MAX + 1));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_codec_lz4_text_comes_back),
    UNIT_TEST(test_codec_zstd_text_comes_back_at_every_level),
    UNIT_TEST(test_codec_contexts_are_reused),
    UNIT_TEST(test_codec_random_bytes_do_not_fit_in_less),
    UNIT_TEST(test_codec_random_bytes_with_room_come_back),
    UNIT_TEST(test_codec_other_length_than_expected_is_refused),
    UNIT_TEST(test_codec_cut_at_every_byte_is_refused),
    UNIT_TEST(test_codec_byte_after_the_end_is_refused),
    UNIT_TEST(test_codec_flipped_bits_never_write_too_far),
    UNIT_TEST(test_codec_zstd_two_frames_are_refused),
    UNIT_TEST(test_codec_zstd_skippable_frame_is_refused),
    UNIT_TEST(test_codec_zstd_huge_content_is_refused),
    UNIT_TEST(test_codec_zstd_huge_window_needs_no_memory),
    UNIT_TEST(test_codec_find_knows_the_numbers_of_the_format),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("codec", tests)
