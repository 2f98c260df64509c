/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdbool.h>
#include <stdlib.h>

#include "unit.h"
#include "util/crc32c.h"

typedef uint32_t crc_fn(uint32_t crc, const void *data, size_t bytes);

/* RFC 3720, B.4, and the check value of the CRC catalogues. */
static void vectors(crc_fn *crc)
{
    unsigned char v[32];

    CU_ASSERT_EQUAL(crc(0, "", 0), 0);
    CU_ASSERT_EQUAL(crc(0, "123456789", 9), 0xe3069283);
    memset(v, 0, sizeof(v));
    CU_ASSERT_EQUAL(crc(0, v, sizeof(v)), 0x8a9136aa);
    memset(v, 0xff, sizeof(v));
    CU_ASSERT_EQUAL(crc(0, v, sizeof(v)), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof(v); i++)
        v[i] = (unsigned char)i;
    CU_ASSERT_EQUAL(crc(0, v, sizeof(v)), 0x46dd794e);
    for (unsigned i = 0; i < sizeof(v); i++)
        v[i] = (unsigned char)(31 - i);
    CU_ASSERT_EQUAL(crc(0, v, sizeof(v)), 0x113fdb5c);
}

static void test_crc32c_published_vectors(void)
{
    vectors(xlm__crc32c);
}

static void test_crc32c_table_published_vectors(void)
{
    vectors(xlm__crc32c_table);
}

static void test_crc32c_in_two_parts_is_the_same_at_every_cut(void)
{
    static const char text[] = "a message that is cut at every place it has";
    const uint32_t whole = xlm__crc32c(0, text, sizeof(text));
    bool ok = true;

    for (size_t cut = 0; cut <= sizeof(text); cut++)
        ok = ok && xlm__crc32c(xlm__crc32c(0, text, cut), text + cut,
                               sizeof(text) - cut) == whole;
    CU_ASSERT(ok);
}

#if defined(__x86_64__)
static void test_crc32c_processor_and_table_agree(void)
{
    unsigned char data[300];
    unsigned seed = 3;
    bool ok = true;

    if (!__builtin_cpu_supports("sse4.2")) {
        puts("no SSE4.2 here: nothing to compare");
        return;
    }
    vectors(xlm__crc32c_sse42);
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)rand_r(&seed);
    for (size_t at = 0; at < 8; at++) /* every alignment, every length */
        for (size_t n = 0; n <= sizeof(data) - at; n++)
            ok = ok && xlm__crc32c_sse42(7, data + at, n) ==
                           xlm__crc32c_table(7, data + at, n);
    CU_ASSERT(ok);
}
#endif

static CU_TestInfo tests[] = {
    UNIT_TEST(test_crc32c_published_vectors),
    UNIT_TEST(test_crc32c_table_published_vectors),
    UNIT_TEST(test_crc32c_in_two_parts_is_the_same_at_every_cut),
#if defined(__x86_64__)
    UNIT_TEST(test_crc32c_processor_and_table_agree),
#endif
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("crc32c", tests)
