/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>

#include "unit.h"
#include "util/buf.h"

static unsigned reallocs_left; /* the one after these fails; 0: none fails */

void *__real_realloc(void *p, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes)
{
    if (reallocs_left && !--reallocs_left)
        return NULL;
    return __real_realloc(p, bytes);
}

static void test_buf_integers_are_little_endian(void)
{
    static const unsigned char want[] = { 1, 3, 2, 7, 6, 5, 4, 8,
                                          7, 6, 5, 4, 3, 2, 1 };
    struct xlm__buf b;

    xlm__buf_init(&b, 100);
    xlm__buf_put_u8(&b, 1);
    xlm__buf_put_le16(&b, 0x0203);
    xlm__buf_put_le32(&b, 0x04050607);
    xlm__buf_put_le64(&b, UINT64_C(0x0102030405060708));
    CU_ASSERT_FALSE(xlm__buf_bad(&b));
    CU_ASSERT_EQUAL_FATAL(b.bytes, sizeof(want));
    CU_ASSERT_EQUAL(memcmp(b.data, want, sizeof(want)), 0);
    xlm__buf_free(&b);
}

static void test_buf_grows_and_keeps_content(void)
{
    struct xlm__buf b;
    bool ok = true;

    xlm__buf_init(&b, 1u << 20);
    for (uint32_t i = 0; i < 10000; i++)
        xlm__buf_put_le32(&b, i);
    CU_ASSERT_FALSE(xlm__buf_bad(&b));
    CU_ASSERT_EQUAL(b.bytes, 40000);
    for (uint32_t i = 0; i < 10000; i++)
        ok = ok && !memcmp(b.data + 4 * i, &i, 2);
    CU_ASSERT(ok);
    xlm__buf_free(&b);
}

static void test_buf_limit_is_reached_but_not_passed(void)
{
    struct xlm__buf b;

    xlm__buf_init(&b, 1000);
    xlm__buf_put_zero(&b, 999);
    xlm__buf_put_u8(&b, 1);
    CU_ASSERT_FALSE(xlm__buf_bad(&b));
    CU_ASSERT_EQUAL(b.bytes, 1000);
    CU_ASSERT(b.allocated <= 1000);
    xlm__buf_put_u8(&b, 1);
    CU_ASSERT_EQUAL(b.state, XLM__BUF_FULL);
    CU_ASSERT_EQUAL(b.bytes, 1000);
    xlm__buf_free(&b);
}

static void test_buf_size_that_overflows_is_full(void)
{
    struct xlm__buf b;

    xlm__buf_init(&b, 1000);
    xlm__buf_put_u8(&b, 1);
    CU_ASSERT_PTR_NULL(xlm__buf_extend(&b, SIZE_MAX));
    CU_ASSERT_EQUAL(b.state, XLM__BUF_FULL);
    xlm__buf_free(&b);
}

static void test_buf_once_bad_ignores_what_would_fit(void)
{
    struct xlm__buf b;

    xlm__buf_init(&b, 4);
    xlm__buf_put_le64(&b, 1);
    xlm__buf_put_u8(&b, 1);
    CU_ASSERT(xlm__buf_bad(&b));
    CU_ASSERT_EQUAL(b.bytes, 0);
    xlm__buf_reset(&b);
    xlm__buf_put_u8(&b, 1);
    CU_ASSERT_FALSE(xlm__buf_bad(&b));
    CU_ASSERT_EQUAL(b.bytes, 1);
    xlm__buf_free(&b);
}

static void test_buf_without_memory_says_so_and_keeps_the_rest(void)
{
    struct xlm__buf b;

    xlm__buf_init(&b, 1u << 20);
    xlm__buf_put_text(&b, "kept");
    reallocs_left = 1;
    xlm__buf_put_zero(&b, 100000);
    CU_ASSERT_EQUAL(b.state, XLM__BUF_NOMEM);
    CU_ASSERT_EQUAL(b.bytes, 4);
    CU_ASSERT_EQUAL(memcmp(b.data, "kept", 4), 0);
    reallocs_left = 0;
    xlm__buf_free(&b);
}

static void test_buf_pad_fills_up_to_alignment_only(void)
{
    struct xlm__buf b;

    xlm__buf_init(&b, 100);
    xlm__buf_put_pad(&b, 8);
    CU_ASSERT_EQUAL(b.bytes, 0);
    xlm__buf_put_u8(&b, 0xff);
    xlm__buf_put_pad(&b, 8);
    CU_ASSERT_EQUAL(b.bytes, 8);
    CU_ASSERT_EQUAL(memcmp(b.data, "\xff\0\0\0\0\0\0\0", 8), 0);
    xlm__buf_put_pad(&b, 8);
    CU_ASSERT_EQUAL(b.bytes, 8);
    xlm__buf_free(&b);
}

static void test_buf_printf_may_fill_to_the_last_byte(void)
{
    struct xlm__buf b;

    xlm__buf_init(&b, 6);
    xlm__buf_printf(&b, "%s-%d", "abc", 12);
    CU_ASSERT_FALSE(xlm__buf_bad(&b));
    CU_ASSERT_EQUAL_FATAL(b.bytes, 6);
    CU_ASSERT_EQUAL(memcmp(b.data, "abc-12", 6), 0);
    xlm__buf_free(&b);
}

static void test_buf_patch_replaces_a_length(void)
{
    struct xlm__buf b;

    xlm__buf_init(&b, 100);
    xlm__buf_put_le32(&b, 0);
    xlm__buf_put_text(&b, "ab");
    xlm__buf_patch_le32(&b, 0, 2);
    CU_ASSERT_EQUAL(memcmp(b.data, "\2\0\0\0ab", 6), 0);
    xlm__buf_free(&b);
}

static void test_buf_steal_leaves_it_empty(void)
{
    unsigned char *data;
    size_t bytes = 0;
    struct xlm__buf b;

    xlm__buf_init(&b, 100);
    CU_ASSERT_PTR_NULL(xlm__buf_steal(&b, &bytes));
    xlm__buf_put_text(&b, "mine");
    data = xlm__buf_steal(&b, &bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    CU_ASSERT_EQUAL(bytes, 4);
    CU_ASSERT_EQUAL(b.bytes, 0);
    CU_ASSERT_PTR_NULL(b.data);
    free(data);
    xlm__buf_free(&b);
}

static void test_cur_reads_what_buf_wrote(void)
{
    struct xlm__cur c;
    struct xlm__buf b;
    char *text;

    xlm__buf_init(&b, 100);
    xlm__buf_put_u8(&b, 1);
    xlm__buf_put_le16(&b, 0x0203);
    xlm__buf_put_le32(&b, 0x04050607);
    xlm__buf_put_le64(&b, UINT64_C(0x08090a0b0c0d0e0f));
    xlm__buf_put_string(&b, "hosta");
    xlm__cur_init(&c, b.data, b.bytes);
    CU_ASSERT_EQUAL(xlm__cur_u8(&c), 1);
    CU_ASSERT_EQUAL(xlm__cur_le16(&c), 0x0203);
    CU_ASSERT_EQUAL(xlm__cur_le32(&c), 0x04050607);
    CU_ASSERT_EQUAL(xlm__cur_le64(&c), UINT64_C(0x08090a0b0c0d0e0f));
    CU_ASSERT_FALSE(xlm__cur_done(&c));
    text = xlm__cur_string(&c, 5);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_STRING_EQUAL(text, "hosta");
    CU_ASSERT_TRUE(xlm__cur_done(&c));
    free(text);
    xlm__buf_free(&b);
}

static void test_cur_past_the_end_gives_zero_and_stays_bad(void)
{
    static const unsigned char bytes[] = { 1, 2, 3 };
    struct xlm__cur c;

    xlm__cur_init(&c, bytes, sizeof(bytes));
    CU_ASSERT_EQUAL(xlm__cur_le32(&c), 0);
    CU_ASSERT(c.bad);
    CU_ASSERT_EQUAL(xlm__cur_u8(&c), 0); /* would be there, but comes late */
    CU_ASSERT_FALSE(xlm__cur_done(&c));
}

static void test_cur_huge_take_is_refused(void)
{
    static const unsigned char bytes[] = { 1, 2, 3 };
    struct xlm__cur c;

    xlm__cur_init(&c, bytes, sizeof(bytes));
    xlm__cur_u8(&c);
    CU_ASSERT_PTR_NULL(xlm__cur_take(&c, SIZE_MAX));
    CU_ASSERT(c.bad);
}

static void test_cur_empty_input_is_done_at_once(void)
{
    struct xlm__cur c;

    xlm__cur_init(&c, NULL, 0);
    CU_ASSERT_TRUE(xlm__cur_done(&c));
    CU_ASSERT_PTR_NOT_NULL(xlm__cur_take(&c, 0));
    CU_ASSERT_TRUE(xlm__cur_done(&c));
}

static void string_is_refused(const char *bytes, size_t nr, size_t max)
{
    struct xlm__cur c;

    xlm__cur_init(&c, bytes, nr);
    CU_ASSERT_PTR_NULL(xlm__cur_string(&c, max));
    CU_ASSERT(c.bad);
}

static void test_cur_string_longer_than_limit_is_refused(void)
{
    string_is_refused("\3\0\0\0abc", 7, 2);
}

static void test_cur_string_longer_than_input_is_refused(void)
{
    string_is_refused("\4\0\0\0abc", 7, 100);
    string_is_refused("\xff\xff\xff\xff"
                      "abc",
                      7, SIZE_MAX);
}

static void test_cur_string_with_nul_is_refused(void)
{
    string_is_refused("\3\0\0\0a\0c", 7, 100);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_buf_integers_are_little_endian),
    UNIT_TEST(test_buf_grows_and_keeps_content),
    UNIT_TEST(test_buf_limit_is_reached_but_not_passed),
    UNIT_TEST(test_buf_size_that_overflows_is_full),
    UNIT_TEST(test_buf_once_bad_ignores_what_would_fit),
    UNIT_TEST(test_buf_without_memory_says_so_and_keeps_the_rest),
    UNIT_TEST(test_buf_pad_fills_up_to_alignment_only),
    UNIT_TEST(test_buf_printf_may_fill_to_the_last_byte),
    UNIT_TEST(test_buf_patch_replaces_a_length),
    UNIT_TEST(test_buf_steal_leaves_it_empty),
    UNIT_TEST(test_cur_reads_what_buf_wrote),
    UNIT_TEST(test_cur_past_the_end_gives_zero_and_stays_bad),
    UNIT_TEST(test_cur_huge_take_is_refused),
    UNIT_TEST(test_cur_empty_input_is_done_at_once),
    UNIT_TEST(test_cur_string_longer_than_limit_is_refused),
    UNIT_TEST(test_cur_string_longer_than_input_is_refused),
    UNIT_TEST(test_cur_string_with_nul_is_refused),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("buf", tests)
