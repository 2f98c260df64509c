/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "stream/backlog.h"

#include <string.h>

#include "stream/format.h"
#include "unit.h"
#include "util/byteorder.h"

static uint8_t body[XLM__BACKLOG_BYTES + 8];

/* A record whose body is so many bytes of that value. */
static void add(struct xlm__backlog *b, uint8_t value, uint32_t bytes)
{
    uint8_t h[XLM__HEADER_BYTES] = { value };
    const size_t padded = (bytes + 7u) / 8 * 8;
    struct iovec iov[2] = { { h, sizeof(h) }, { body, padded } };

    xlm__put_le32(h + 4, bytes);
    memset(body, value, bytes);
    memset(body + bytes, 0, padded - bytes);
    xlm__backlog_add(b, iov, 2);
}

static void test_backlog_gives_what_follows(void)
{
    struct xlm__backlog b = { 0 };
    const uint8_t *at;
    size_t bytes;

    CU_ASSERT_EQUAL_FATAL(xlm__backlog_init(&b), 0);
    add(&b, 1, 0);
    add(&b, 2, 13);
    add(&b, 3, 8);
    at = xlm__backlog_since(&b, 1, &bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    CU_ASSERT_EQUAL(bytes, 16 + 16 + 16 + 8);
    CU_ASSERT_EQUAL(at[0], 2);
    CU_ASSERT_EQUAL(at[32], 3);
    CU_ASSERT_PTR_NOT_NULL(xlm__backlog_since(&b, 3, &bytes));
    CU_ASSERT_EQUAL(bytes, 0);
    CU_ASSERT_PTR_NULL(xlm__backlog_since(&b, 4, &bytes));
    xlm__backlog_free(&b);
}

static void test_backlog_drops_the_oldest(void)
{
    struct xlm__backlog b = { 0 };
    const uint8_t *at;
    size_t bytes;

    CU_ASSERT_EQUAL_FATAL(xlm__backlog_init(&b), 0);
    for (uint32_t i = 0; i < 100; i++)
        add(&b, (uint8_t)i, XLM__BACKLOG_BYTES / 35 + i);
    CU_ASSERT_TRUE(b.first > 60 && b.first < 90);
    CU_ASSERT_TRUE(b.bytes <= XLM__BACKLOG_BYTES);
    CU_ASSERT_PTR_NULL(xlm__backlog_since(&b, b.first - 1, &bytes));
    for (uint32_t i = b.first; i < 100; i++) {
        at = xlm__backlog_since(&b, i, &bytes);
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        CU_ASSERT_EQUAL(at[0], i);
    }
    xlm__backlog_free(&b);
}

static void test_backlog_of_one_that_is_too_big_has_nothing(void)
{
    struct xlm__backlog b = { 0 };
    size_t bytes;

    CU_ASSERT_EQUAL_FATAL(xlm__backlog_init(&b), 0);
    add(&b, 1, 100);
    add(&b, 2, XLM__BACKLOG_BYTES);
    CU_ASSERT_PTR_NULL(xlm__backlog_since(&b, 0, &bytes));
    CU_ASSERT_PTR_NULL(xlm__backlog_since(&b, 1, &bytes));
    add(&b, 3, 100);
    CU_ASSERT_PTR_NOT_NULL(xlm__backlog_since(&b, 2, &bytes));
    CU_ASSERT_EQUAL(bytes, 16 + 104);
    xlm__backlog_free(&b);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_backlog_gives_what_follows),
    UNIT_TEST(test_backlog_drops_the_oldest),
    UNIT_TEST(test_backlog_of_one_that_is_too_big_has_nothing),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("backlog", tests)
