/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pages given by what has changed in them. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "codec/delta.h"
#include "unit.h"
#include "util/byteorder.h"
#include "util/crc32c.h"

#define PAGE  XLM__DELTA_PAGE_BYTES
#define WORDS (PAGE / 8)
#define MOST  XLM__DELTA_BYTES_MAX

static uint8_t was[PAGE], is[PAGE], made[MOST + 8];

static void fill(uint8_t *page, unsigned seed)
{
    for (size_t i = 0; i < PAGE; i++) {
        seed = seed * 1103515245u + 12345u;
        page[i] = (uint8_t)(seed ^ seed >> 16);
    }
}

static void begin(void)
{
    fill(was, 1);
    memcpy(is, was, PAGE);
    memset(made, 0xee, sizeof(made));
}

/* Does what was made turn one page into the other? */
static bool works(size_t bytes)
{
    uint8_t page[PAGE];

    memcpy(page, was, PAGE);
    return xlm__delta_bytes(made, bytes) == bytes &&
           xlm__delta_apply(made, page) && !memcmp(page, is, PAGE);
}

static void test_delta_of_equal_pages_is_a_head(void)
{
    begin();
    CU_ASSERT_EQUAL(xlm__delta_make(was, is, made, MOST), 72);
    CU_ASSERT_TRUE(works(72));
    CU_ASSERT_EQUAL(made[72], 0xee);
}

static void test_delta_of_each_word_is_as_the_format_says(void)
{
    for (size_t w = 0; w < WORDS; w++) {
        begin();
        is[8 * w + w % 8] ^= 0x80;
        CU_ASSERT_EQUAL(xlm__delta_make(was, is, made, MOST), 80);
        CU_ASSERT_EQUAL(xlm__get_le64(made + 8 * (w / 64)), 1ull << w % 64);
        CU_ASSERT_EQUAL(xlm__get_le32(made + 64), xlm__crc32c(0, is, PAGE));
        CU_ASSERT_EQUAL(xlm__get_le32(made + 68), 0);
        CU_ASSERT_EQUAL(memcmp(made + 72, is + 8 * w, 8), 0);
        CU_ASSERT_TRUE(works(80));
    }
}

static void test_delta_of_any_number_of_words_works(void)
{
    for (size_t nr = 1; nr <= WORDS; nr += 17) {
        size_t bytes, changed = 0;

        begin();
        for (size_t i = 0; i < nr; i++)
            is[8 * ((i * 37) % WORDS)] ^= 1;
        for (size_t w = 0; w < WORDS; w++)
            changed += memcmp(was + 8 * w, is + 8 * w, 8) != 0;
        CU_ASSERT_EQUAL(changed, nr);
        bytes = xlm__delta_make(was, is, made, MOST);
        CU_ASSERT_EQUAL(bytes, 72 + 8 * nr);
        CU_ASSERT_TRUE(works(bytes));
    }
}

static void test_delta_of_other_pages_fits_or_is_none(void)
{
    begin();
    fill(is, 2);
    CU_ASSERT_EQUAL(xlm__delta_make(was, is, made, MOST - 1), 0);
    CU_ASSERT_EQUAL(xlm__delta_make(was, is, made, MOST), MOST);
    CU_ASSERT_TRUE(works(MOST));
    CU_ASSERT_EQUAL(made[MOST], 0xee);
    CU_ASSERT_EQUAL(xlm__delta_make(was, is, made, 0), 0);
}

static void test_delta_of_another_page_is_noticed(void)
{
    size_t bytes;

    begin();
    is[100] ^= 1;
    bytes = xlm__delta_make(was, is, made, MOST);
    CU_ASSERT_TRUE(works(bytes));
    was[5] ^= 1;
    CU_ASSERT_FALSE(works(bytes));
}

static void test_delta_that_is_cut_is_none(void)
{
    begin();
    is[0] ^= 1, is[PAGE - 1] ^= 1;
    CU_ASSERT_EQUAL(xlm__delta_make(was, is, made, MOST), 88);
    for (size_t n = 0; n < 88; n++)
        CU_ASSERT_EQUAL(xlm__delta_bytes(made, n), 0);
    CU_ASSERT_EQUAL(xlm__delta_bytes(made, 89), 88);
    made[70] = 1;
    CU_ASSERT_EQUAL(xlm__delta_bytes(made, 88), 0);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_delta_of_equal_pages_is_a_head),
    UNIT_TEST(test_delta_of_each_word_is_as_the_format_says),
    UNIT_TEST(test_delta_of_any_number_of_words_works),
    UNIT_TEST(test_delta_of_other_pages_fits_or_is_none),
    UNIT_TEST(test_delta_of_another_page_is_noticed),
    UNIT_TEST(test_delta_that_is_cut_is_none),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("delta", tests)
