/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The golden files of version 1 against today's writer and both readers. */
#include "config.h"

#include "dump_run.h"
#include "unit.h"

static bool load(const struct script *sc, const char *role, struct bytes *out)
{
    const char *top = getenv("top_srcdir");
    char path[512];
    FILE *f;

    snprintf(path, sizeof(path), "%s/tests/golden/v1/%s-%s.bin",
             top ? top : ".", sc->name, role);
    f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return false;
    }
    out->data = malloc(1 << 16);
    out->nr = fread(out->data, 1, 1 << 16, f);
    fclose(f);
    return true;
}

static void expect_same(const struct script *sc, const char *role,
                        const struct bytes *now)
{
    struct bytes golden = { 0 };

    CU_ASSERT_FATAL(load(sc, role, &golden));
    CU_ASSERT_EQUAL_FATAL(now->nr, golden.nr);
    CU_ASSERT_EQUAL(memcmp(now->data, golden.data, golden.nr), 0);
    bytes_free(&golden);
}

static void test_golden_writer_today_gives_the_same_bytes(void)
{
    for (size_t i = 0; i < nr_scripts; i++) {
        struct bytes s = { 0 }, d = { 0 };

        CU_ASSERT_EQUAL_FATAL(script_run(&scripts[i], &s, &d), 0);
        expect_same(&scripts[i], "source", &s);
        if (scripts[i].kind == XLM__KIND_CONTROL)
            expect_same(&scripts[i], "destination", &d);
        bytes_free(&s);
        bytes_free(&d);
    }
}

/* Calls fn for every golden file. */
static void for_each(void (*fn)(const struct script *, enum xlm_role,
                                const struct bytes *))
{
    for (size_t i = 0; i < nr_scripts; i++) {
        struct bytes b = { 0 };

        CU_ASSERT_FATAL(load(&scripts[i], "source", &b));
        fn(&scripts[i], XLM_SOURCE, &b);
        bytes_free(&b);
        if (scripts[i].kind != XLM__KIND_CONTROL)
            continue;
        CU_ASSERT_FATAL(load(&scripts[i], "destination", &b));
        fn(&scripts[i], XLM_DESTINATION, &b);
        bytes_free(&b);
    }
}

static void read_whole(const struct script *sc, enum xlm_role by,
                       const struct bytes *b)
{
    char text[XLM_MESSAGE_MAX];
    unsigned failures;

    CU_ASSERT_EQUAL(script_read(sc, by, b->data, b->nr, text, &failures), 0);
    CU_ASSERT_STRING_EQUAL(text, "");
}

static void test_golden_files_are_read_by_the_library(void)
{
    for_each(read_whole);
}

static void dump_whole(const struct script *sc, enum xlm_role by,
                       const struct bytes *b)
{
    char text[512];

    (void)by;
    CU_ASSERT_EQUAL(dump_run(sc, "-q", b, text), 0);
    CU_ASSERT_STRING_EQUAL(text, "");
}

static void test_golden_files_are_read_by_xlmdump(void)
{
    for_each(dump_whole);
}

static void read_cut(const struct script *sc, enum xlm_role by,
                     const struct bytes *b)
{
    char text[XLM_MESSAGE_MAX];
    unsigned failures;

    for (size_t n = 0; n < b->nr; n++) {
        int rc = script_read(sc, by, b->data, n, text, &failures);

        if (rc && failures == 1 && text[0])
            continue;
        printf("%s cut at %zu: %d, %u failures, %s\n", sc->name, n, rc,
               failures, text);
        CU_FAIL("a cut stream was not refused with one error");
        return;
    }
}

static void test_golden_cut_at_every_byte_is_one_error_in_the_library(void)
{
    for_each(read_cut);
}

static void dump_cut(const struct script *sc, enum xlm_role by,
                     const struct bytes *b)
{
    char text[512];

    (void)by;
    CU_ASSERT_EQUAL(dump_run(sc, "-c", b, text), 0);
    CU_ASSERT_STRING_EQUAL(text, "");
}

static void test_golden_cut_at_every_byte_is_one_error_in_xlmdump(void)
{
    for_each(dump_cut);
}

/* Any change of a byte under a CRC, of a header, or of padding shows. */
static void flip(const struct script *sc, enum xlm_role by,
                 const struct bytes *b)
{
    char text[XLM_MESSAGE_MAX];
    unsigned failures;

    if (sc->kind == XLM__KIND_DATA)
        return; /* contents of pages are not under the CRC */
    for (size_t i = 0; i < b->nr; i++) {
        b->data[i] ^= 0x10;
        CU_ASSERT_NOT_EQUAL(
            script_read(sc, by, b->data, b->nr, text, &failures), 0);
        CU_ASSERT_EQUAL(failures, 1);
        b->data[i] ^= 0x10;
    }
}

static void test_golden_every_flipped_byte_of_control_is_one_error(void)
{
    for_each(flip);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_golden_writer_today_gives_the_same_bytes),
    UNIT_TEST(test_golden_files_are_read_by_the_library),
    UNIT_TEST(test_golden_files_are_read_by_xlmdump),
    UNIT_TEST(test_golden_cut_at_every_byte_is_one_error_in_the_library),
    UNIT_TEST(test_golden_cut_at_every_byte_is_one_error_in_xlmdump),
    UNIT_TEST(test_golden_every_flipped_byte_of_control_is_one_error),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("golden", tests)
