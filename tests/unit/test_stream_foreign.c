/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records that today's writer does not send: both readers. */
#include "config.h"

#include "dump_run.h"
#include "unit.h"
#include "util/byteorder.h"

static struct bytes insert(const struct script *sc, size_t at, uint32_t type,
                           uint32_t length)
{
    size_t extra = 16 + (((size_t)length + 7) & ~(size_t)7);
    struct bytes from = { 0 }, other = { 0 }, to;

    CU_ASSERT_EQUAL_FATAL(script_run(sc, &from, &other), 0);
    to.nr = from.nr + extra;
    to.data = calloc(1, to.nr);
    memcpy(to.data, from.data, at);
    memcpy(to.data + at + extra, from.data + at, from.nr - at);
    xlm__put_le32(to.data + at, type);
    xlm__put_le32(to.data + at + 4, length);
    memset(to.data + at + 16, 'o', length);
    for (unsigned i = 0; record_at(&to, i); i++) {
        xlm__put_le32(to.data + record_at(&to, i) + 8, i);
        record_fix(&to, record_at(&to, i));
    }
    bytes_free(&from);
    bytes_free(&other);
    return to;
}

static void expect_both(const char *script, const struct bytes *b_, bool good)
{
    const struct script *sc = script_find(script);
    char text[XLM_MESSAGE_MAX], dump_text[512];
    unsigned failures;
    int rc = script_read(sc, XLM_SOURCE, b_->data, b_->nr, text, &failures);

    CU_ASSERT_EQUAL(rc, good ? 0 : XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(failures, good ? 0 : 1);
    CU_ASSERT_EQUAL(dump_run(sc, "-q", b_, dump_text), good ? 0 : 1);
}

static void expect_inserted(const char *script, uint32_t type, uint32_t length,
                            bool good)
{
    struct bytes b_ = insert(script_find(script), 96, type, length);

    expect_both(script, &b_, good);
    bytes_free(&b_);
}

static void test_stream_unknown_optional_record_is_skipped(void)
{
    expect_inserted("control-hvm", 0x80000099, 13, true);
    expect_inserted("data-hvm", 0x80000099, 0, true);
}

static void test_stream_unknown_optional_record_has_a_limit(void)
{
    expect_inserted("control-hvm", 0x80000099, 1 << 20, true);
    expect_inserted("control-hvm", 0x80000099, (1 << 20) + 1, false);
}

static void test_stream_unknown_optional_record_is_checked(void)
{
    struct bytes b_ = insert(script_find("control-hvm"), 96, 0x80000099, 13);

    b_.data[96 + 16] ^= 1;
    expect_both("control-hvm", &b_, false);
    bytes_free(&b_);
}

static void test_stream_unknown_mandatory_record_is_refused(void)
{
    expect_inserted("control-hvm", 0x99, 8, false);
    expect_inserted("data-hvm", 0x99, 8, false);
}

static void test_stream_reserved_post_copy_type_is_refused(void)
{
    expect_inserted("control-hvm", 0x50, 8, false);
}

static void test_stream_optional_bit_on_a_mandatory_type_is_another_type(void)
{
    expect_inserted("control-hvm", 0x80000011, 0, true);
}

static void test_stream_bytes_after_bye_are_refused(void)
{
    const struct script *sc = script_find("control-hvm");
    struct bytes from = { 0 }, other = { 0 };

    CU_ASSERT_EQUAL_FATAL(script_run(sc, &from, &other), 0);
    from.data = realloc(from.data, from.nr + 16);
    memset(from.data + from.nr, 0, 16);
    from.nr += 16;
    expect_both("control-hvm", &from, false);
    bytes_free(&from);
    bytes_free(&other);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_stream_unknown_optional_record_is_skipped),
    UNIT_TEST(test_stream_unknown_optional_record_has_a_limit),
    UNIT_TEST(test_stream_unknown_optional_record_is_checked),
    UNIT_TEST(test_stream_unknown_mandatory_record_is_refused),
    UNIT_TEST(test_stream_reserved_post_copy_type_is_refused),
    UNIT_TEST(test_stream_optional_bit_on_a_mandatory_type_is_another_type),
    UNIT_TEST(test_stream_bytes_after_bye_are_refused),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("stream_foreign", tests)
