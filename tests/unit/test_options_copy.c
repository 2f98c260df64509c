/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the library takes from a caller's struct xlm_options. */
#include "config.h"

#include <stdlib.h>

#include "base/options.h"
#include "unit.h"

static unsigned strdups_left; /* the one after these fails; 0: none fails */

char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
char *__wrap_strdup(const char *s)
{
    if (strdups_left && !--strdups_left)
        return NULL;
    return __real_strdup(s);
}

static struct xlm_options valid(void)
{
    struct xlm_options o;

    memset(&o, 0, sizeof(o));
    o.size = sizeof(o);
    o.domid = 5;
    return o;
}

/* Copies as a source; the message, "" if it was taken. */
static const char *refusal(const struct xlm_options *src)
{
    static char message[XLM_MESSAGE_MAX];
    struct xlm_options dst;
    int rc;

    message[0] = '\0';
    rc = xlm__options_copy(&dst, src, XLM_SOURCE, message);
    if (rc) {
        CU_ASSERT_EQUAL(rc, XLM_ERR_INVAL);
        CU_ASSERT_PTR_NULL(dst.xl_path);
        return message;
    }
    xlm__options_free(&dst);
    return "";
}

static void test_options_none_given_are_defaults(void)
{
    struct xlm_options dst;

    CU_ASSERT_EQUAL_FATAL(xlm__options_copy(&dst, NULL, XLM_DESTINATION, NULL),
                          0);
    CU_ASSERT_EQUAL(dst.size, sizeof(dst));
    CU_ASSERT_EQUAL(dst.max_rounds, 30);
    CU_ASSERT_EQUAL(dst.suspend_timeout_ms, 60000);
    CU_ASSERT_EQUAL(dst.downtime_ms, 0);
    CU_ASSERT_EQUAL(dst.timeout_ms, 0);
    CU_ASSERT_STRING_EQUAL(dst.xl_path, XLM_REAL_XL);
    CU_ASSERT_PTR_NULL(dst.config_json);
    xlm__options_free(&dst);
}

static void test_options_none_given_is_no_source(void)
{
    CU_ASSERT_STRING_EQUAL(refusal(NULL),
                           "options: domid is 0, a source needs one");
}

static void test_options_set_values_are_kept(void)
{
    struct xlm_options dst, src = valid();

    src.max_rounds = 1000;
    src.suspend_timeout_ms = 1;
    src.downtime_ms = 300;
    src.flags = XLM__FLAGS_ALL & ~XLM_F_ESTIMATE; /* that is no dry run */
    src.guard_fd = 7;
    CU_ASSERT_EQUAL_FATAL(xlm__options_copy(&dst, &src, XLM_SOURCE, NULL), 0);
    CU_ASSERT_EQUAL(dst.domid, 5);
    CU_ASSERT_EQUAL(dst.max_rounds, 1000);
    CU_ASSERT_EQUAL(dst.suspend_timeout_ms, 1);
    CU_ASSERT_EQUAL(dst.downtime_ms, 300);
    CU_ASSERT_EQUAL(dst.flags, src.flags);
    CU_ASSERT_EQUAL(dst.guard_fd, 7);
    xlm__options_free(&dst);
}

static void test_options_strings_are_our_own(void)
{
    char path[] = "/opt/xl", config[] = "{}";
    struct xlm_options dst, src = valid();

    src.xl_path = path;
    src.config_json = config;
    CU_ASSERT_EQUAL_FATAL(xlm__options_copy(&dst, &src, XLM_SOURCE, NULL), 0);
    memset(path, 'x', sizeof(path) - 1);
    memset(config, 'x', sizeof(config) - 1);
    CU_ASSERT_STRING_EQUAL(dst.xl_path, "/opt/xl");
    CU_ASSERT_STRING_EQUAL(dst.config_json, "{}");
    xlm__options_free(&dst);
    CU_ASSERT_PTR_NULL(dst.xl_path);
    xlm__options_free(&dst); /* a second time does nothing */
}

static void test_options_of_an_older_caller_are_padded(void)
{
    struct xlm_options dst, src = valid();

    src.max_rounds = 9; /* past what this caller knew */
    src.size = offsetof(struct xlm_options, max_rounds);
    CU_ASSERT_EQUAL_FATAL(xlm__options_copy(&dst, &src, XLM_SOURCE, NULL), 0);
    CU_ASSERT_EQUAL(dst.domid, 5);
    CU_ASSERT_EQUAL(dst.max_rounds, 30);
    xlm__options_free(&dst);
}

static void test_options_of_a_newer_caller_unset_are_taken(void)
{
    struct {
        struct xlm_options o;
        uint64_t future;
    } src = { .o = { .size = sizeof(src), .domid = 5 } };

    CU_ASSERT_STRING_EQUAL(refusal(&src.o), "");
    src.future = 1;
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal(&src.o), "not known"));
}

static void test_options_size_too_small_is_refused(void)
{
    struct xlm_options src = valid();

    src.size = 0;
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal(&src), "size is 0"));
    src.size = offsetof(struct xlm_options, flags) - 1;
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal(&src), "size is"));
}

static void test_options_domid_out_of_range_is_refused(void)
{
    struct xlm_options src = valid();

    src.domid = 0x7fef;
    CU_ASSERT_STRING_EQUAL(refusal(&src), "");
    src.domid = 0x7ff0;
    CU_ASSERT_STRING_EQUAL(refusal(&src),
                           "options: domid is 32752, limit 32751");
}

static void test_options_unknown_flag_is_refused(void)
{
    struct xlm_options src = valid();

    src.flags = 1u << 31;
    CU_ASSERT_STRING_EQUAL(refusal(&src),
                           "options: flags 0x80000000 are not known");
}

static void test_options_too_many_rounds_are_refused(void)
{
    struct xlm_options src = valid();

    src.max_rounds = 1001;
    CU_ASSERT_STRING_EQUAL(refusal(&src),
                           "options: max_rounds is 1001, limit 1000");
}

static void test_options_compression_is_taken(void)
{
    struct xlm_options src = valid(), dst;

    CU_ASSERT_EQUAL(xlm__options_copy(&dst, &src, XLM_SOURCE, NULL), 0);
    CU_ASSERT_EQUAL(dst.compress, XLM_COMPRESS_AUTO);
    CU_ASSERT_EQUAL(dst.compress_level, 0);
    xlm__options_free(&dst);
    src.compress = XLM_COMPRESS_ZSTD;
    CU_ASSERT_EQUAL(xlm__options_copy(&dst, &src, XLM_SOURCE, NULL), 0);
    CU_ASSERT_EQUAL(dst.compress_level, 1);
    xlm__options_free(&dst);
    for (int level = -5; level <= 9; level++) {
        src.compress_level = level;
        CU_ASSERT_STRING_EQUAL(refusal(&src), "");
    }
}

static void test_options_bad_compression_is_refused(void)
{
    struct xlm_options src = valid();

    src.compress = 4;
    CU_ASSERT_STRING_EQUAL(refusal(&src), "options: compress is 4, limit 3");
    src.compress = XLM_COMPRESS_LZ4;
    src.compress_level = 1;
    CU_ASSERT_STRING_EQUAL(
        refusal(&src), "options: compress_level is 1, but only zstd has one");
    src.compress = XLM_COMPRESS_ZSTD;
    src.compress_level = 10;
    CU_ASSERT_STRING_EQUAL(refusal(&src),
                           "options: compress_level is 10, limits -5 and 9");
    src.compress_level = -6;
    CU_ASSERT_STRING_EQUAL(refusal(&src),
                           "options: compress_level is -6, limits -5 and 9");
}

static void test_options_delta_is_taken(void)
{
    static const struct {
        uint32_t asked, got;
    } good[] = { { 0, 64 }, { 1, 1 }, { 65536, 65536 }, { XLM_DELTA_OFF, 0 } };
    struct xlm_options src = valid(), dst;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        src.delta_mib = good[i].asked;
        CU_ASSERT_EQUAL_FATAL(xlm__options_copy(&dst, &src, XLM_SOURCE, NULL),
                              0);
        CU_ASSERT_EQUAL(dst.delta_mib, good[i].got);
        xlm__options_free(&dst);
    }
}

static void test_options_too_much_for_delta_is_refused(void)
{
    struct xlm_options src = valid();

    src.delta_mib = 65537;
    CU_ASSERT_STRING_EQUAL(refusal(&src),
                           "options: delta_mib is 65537, limit 65536");
    src.delta_mib = XLM_DELTA_OFF - 1;
    CU_ASSERT_STRING_EQUAL(refusal(&src),
                           "options: delta_mib is 4294967294, limit 65536");
}

static void test_options_ways_for_slow_goals_are_taken(void)
{
    static const uint8_t good[][4] = {
        { XLM_SLOW_WAIT },
        { XLM_SLOW_SWITCH },
        { XLM_SLOW_ABORT },
        { XLM_SLOW_WAIT, XLM_SLOW_SWITCH },
        { XLM_SLOW_WAIT, XLM_SLOW_ABORT },
        { XLM_SLOW_THROTTLE },
        { XLM_SLOW_THROTTLE, XLM_SLOW_WAIT, XLM_SLOW_SWITCH },
    };
    struct xlm_options src = valid(), dst;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        memcpy(src.on_slow, good[i], sizeof(src.on_slow));
        CU_ASSERT_EQUAL(xlm__options_copy(&dst, &src, XLM_SOURCE, NULL), 0);
        CU_ASSERT_EQUAL(dst.max_rounds,
                        good[i][0] < XLM_SLOW_SWITCH ? 1000 : 30);
        xlm__options_free(&dst);
    }
    src.max_rounds = 7;
    CU_ASSERT_EQUAL(xlm__options_copy(&dst, &src, XLM_SOURCE, NULL), 0);
    CU_ASSERT_EQUAL(dst.max_rounds, 7);
    xlm__options_free(&dst);
}

static void test_options_ways_out_of_order_are_refused(void)
{
    static const uint8_t bad[][4] = {
        { 5 },
        { 0, XLM_SLOW_WAIT },
        { XLM_SLOW_WAIT, XLM_SLOW_WAIT },
        { XLM_SLOW_WAIT, XLM_SLOW_THROTTLE },
        { XLM_SLOW_SWITCH, XLM_SLOW_WAIT },
        { XLM_SLOW_SWITCH, XLM_SLOW_ABORT },
    };
    struct xlm_options src = valid();

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memcpy(src.on_slow, bad[i], sizeof(src.on_slow));
        CU_ASSERT_STRING_NOT_EQUAL(refusal(&src), "");
    }
    CU_ASSERT_STRING_EQUAL(refusal(&src), "options: on_slow[1] is 4 after 3");
}

static void test_options_negative_descriptor_is_refused(void)
{
    struct xlm_options src = valid();

    src.guard_fd = -1;
    CU_ASSERT_STRING_EQUAL(refusal(&src), "options: descriptor -1");
    src.guard_fd = 0;
    src.record_fd = -2;
    CU_ASSERT_STRING_EQUAL(refusal(&src), "options: descriptor -2");
}

static void test_options_relative_xl_is_refused(void)
{
    struct xlm_options src = valid();

    src.xl_path = "xl";
    CU_ASSERT_STRING_EQUAL(refusal(&src),
                           "options: xl_path xl is not absolute");
}

static void test_options_config_too_long_is_refused(void)
{
    const size_t bytes = 1u << 20;
    struct xlm_options src = valid();
    char *config = calloc(1, bytes + 2);

    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    src.config_json = config;
    memset(config, ' ', bytes);
    CU_ASSERT_STRING_EQUAL(refusal(&src), "");
    memset(config, ' ', bytes + 1);
    CU_ASSERT_STRING_EQUAL(refusal(&src),
                           "options: config_json is over 1048576 bytes");
    free(config);
}

static void test_options_bad_role_is_refused(void)
{
    struct xlm_options dst, src = valid();
    char message[XLM_MESSAGE_MAX];

    CU_ASSERT_EQUAL(xlm__options_copy(&dst, &src, (enum xlm_role)3, message),
                    XLM_ERR_INVAL);
    CU_ASSERT_STRING_EQUAL(message,
                           "role is 3, neither source nor destination");
}

static void test_options_no_memory_for_either_string_leaks_none(void)
{
    struct xlm_options dst, src = valid();

    src.config_json = "{}";
    for (unsigned nth = 1; nth <= 2; nth++) {
        strdups_left = nth;
        CU_ASSERT_EQUAL(xlm__options_copy(&dst, &src, XLM_SOURCE, NULL),
                        XLM_ERR_NOMEM);
        CU_ASSERT_PTR_NULL(dst.xl_path);
        CU_ASSERT_PTR_NULL(dst.config_json);
    }
    strdups_left = 0;
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_options_none_given_are_defaults),
    UNIT_TEST(test_options_none_given_is_no_source),
    UNIT_TEST(test_options_set_values_are_kept),
    UNIT_TEST(test_options_strings_are_our_own),
    UNIT_TEST(test_options_of_an_older_caller_are_padded),
    UNIT_TEST(test_options_of_a_newer_caller_unset_are_taken),
    UNIT_TEST(test_options_size_too_small_is_refused),
    UNIT_TEST(test_options_domid_out_of_range_is_refused),
    UNIT_TEST(test_options_unknown_flag_is_refused),
    UNIT_TEST(test_options_too_many_rounds_are_refused),
    UNIT_TEST(test_options_compression_is_taken),
    UNIT_TEST(test_options_bad_compression_is_refused),
    UNIT_TEST(test_options_delta_is_taken),
    UNIT_TEST(test_options_too_much_for_delta_is_refused),
    UNIT_TEST(test_options_ways_for_slow_goals_are_taken),
    UNIT_TEST(test_options_ways_out_of_order_are_refused),
    UNIT_TEST(test_options_negative_descriptor_is_refused),
    UNIT_TEST(test_options_relative_xl_is_refused),
    UNIT_TEST(test_options_config_too_long_is_refused),
    UNIT_TEST(test_options_bad_role_is_refused),
    UNIT_TEST(test_options_no_memory_for_either_string_leaks_none),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("options_copy", tests)
