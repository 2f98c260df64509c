/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of xl lmigrate: numbers, rates, the option table. */
#include "config.h"

#include "unit.h"

#include <stdint.h>
#include <stdlib.h>

#include "libxlm.h"
#include "number.h"
#include "options.h"
#include "transport.h"
#include "xlconfig.h"

static void test_number_plain_digits_are_taken(void)
{
    uint64_t v = 0;

    CU_ASSERT(number_parse("1", 1, 10, &v) && v == 1);
    CU_ASSERT(number_parse("10", 1, 10, &v) && v == 10);
    CU_ASSERT(number_parse("007", 1, 10, &v) && v == 7);
    CU_ASSERT(number_parse("18446744073709551615", 0, UINT64_MAX, &v));
    CU_ASSERT_EQUAL(v, UINT64_MAX);
}

static void test_number_anything_else_is_refused(void)
{
    static const char *const bad[] = {
        "",    " 1",  "1 ", "+1", "-1",
        "0x1", "1e2", "0",  "11", "18446744073709551616"
    };
    uint64_t v = 99;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_FALSE(number_parse(bad[i], 1, 10, &v));
    CU_ASSERT_EQUAL(v, 99);
}

static void test_rate_units_are_understood(void)
{
    static const struct {
        const char *text;
        uint64_t bytes_s;
    } good[] = {
        { "65536", 65536 },
        { "64Ki", 65536 },
        { "100M", 100000000 },
        { "100MB/s", 100000000 },
        { "64Mi", 67108864 },
        { "2.5Gbit", 312500000 },
        { "1.125Gbit/s", 140625000 },
        { "1Gibit", 134217728 },
        { "1T", UINT64_C(1000000000000) },
        { "8Tbit", UINT64_C(1000000000000) },
        { "1000k/s", 1000000 },
    };
    uint64_t v = 0;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CU_ASSERT(rate_parse(good[i].text, &v));
        CU_ASSERT_EQUAL(v, good[i].bytes_s);
    }
}

static void test_rate_nonsense_and_limits_are_refused(void)
{
    static const char *const bad[] = {
        "",      "M",    "1",   "65535",  "1.0001G", "1.G",
        ".5G",   "-1G",  "1 G", "1GG",    "1Gb",     "1Gbits",
        "1Gi i", "1.1T", "2Ti", "1.2.3G", "500kbit", "99999999999999999999T",
    };
    uint64_t v;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_FALSE(rate_parse(bad[i], &v));
}

static void test_options_table_has_no_option_twice(void)
{
    for (size_t i = 0; i < lm_option_count; i++) {
        CU_ASSERT(lm_option_table[i].id < 0x100 ||
                  lm_option_table[i].long_name != NULL);
        for (size_t k = 0; k < i; k++) {
            const char *a = lm_option_table[i].long_name;
            const char *b = lm_option_table[k].long_name;

            CU_ASSERT_NOT_EQUAL(lm_option_table[i].id, lm_option_table[k].id);
            CU_ASSERT(!a || !b || strcmp(a, b));
        }
    }
}

static enum lm_action parse(struct lm_options *o, char *error, char **argv)
{
    int argc = 0;

    while (argv[argc])
        argc++;
    return lm_options_parse(argc, argv, NULL, o, error);
}

#define ARGV(...)                                                              \
    (char *[])                                                                 \
    {                                                                          \
        (char *)"xl-lmigrate", __VA_ARGS__, NULL                               \
    }
#define A(text) ((char *)(text))

static void test_options_each_flag_of_the_table_sets_something(void)
{
    struct lm_options plain, o;
    char error[LM_ERROR_MAX], name[40];

    CU_ASSERT_EQUAL(parse(&plain, error, ARGV(A("d"), A("h"))), LM_RUN);
    for (size_t i = 0; i < lm_option_count; i++) {
        const struct lm_option *t = &lm_option_table[i];

        if (t->value)
            continue;
        if (t->long_name)
            snprintf(name, sizeof(name), "--%s", t->long_name);
        else
            snprintf(name, sizeof(name), "-%c", t->id);
        if (parse(&o, error, ARGV(name, A("d"), A("h"))) != LM_RUN)
            continue; /* -h, --version */
        o.domain = plain.domain;
        o.host = plain.host;
        CU_ASSERT_EQUAL(!memcmp(&o, &plain, sizeof(o)),
                        t->id == 'f' ||
                            (t->long_name && !strcmp(t->long_name, "live")));
    }
}

static void test_options_may_follow_the_arguments(void)
{
    struct lm_options o;
    char error[LM_ERROR_MAX];

    CU_ASSERT_EQUAL(parse(&o, error,
                          ARGV(A("d"), A("h"), A("-p"), A("--rounds=3"),
                               A("--channels=64"))),
                    LM_RUN);
    CU_ASSERT_STRING_EQUAL(o.domain, "d");
    CU_ASSERT_STRING_EQUAL(o.host, "h");
    CU_ASSERT_STRING_EQUAL(o.ssh, "ssh");
    CU_ASSERT(o.leave_paused);
    CU_ASSERT_EQUAL(o.rounds, 3);
    CU_ASSERT_EQUAL(o.channels, 64);
}

static void test_options_delta_of_none_is_off(void)
{
    struct lm_options o;
    char error[LM_ERROR_MAX];

    CU_ASSERT_EQUAL(parse(&o, error, ARGV(A("d"), A("h"))), LM_RUN);
    CU_ASSERT_EQUAL(o.delta_mib, 0);
    CU_ASSERT(lm_options_set(&o, "delta", "65536", error));
    CU_ASSERT_EQUAL(o.delta_mib, 65536);
    CU_ASSERT(lm_options_set(&o, "delta", "0", error));
    CU_ASSERT_EQUAL(o.delta_mib, XLM_DELTA_OFF);
}

static void test_options_delta_past_its_limit_is_refused(void)
{
    struct lm_options o;
    char error[LM_ERROR_MAX];

    CU_ASSERT_EQUAL(parse(&o, error, ARGV(A("--delta=65537"), A("d"), A("h"))),
                    LM_BAD);
    CU_ASSERT_STRING_EQUAL(error, "--delta '65537': a whole number of MiB "
                                  "from 0 to 65536 is wanted");
}

static void test_command_is_composed_as_xl_does(void)
{
    struct lm_options o = { .ssh = "ssh -p 22", .host = "root@h" };
    char *c = transport_command(&o, "web1");

    CU_ASSERT_STRING_EQUAL(
        c, "exec ssh -p 22 root@h xl lmigrate-receive --name=web1");
    free(c);
    o.verbose = 2;
    o.timestamps = o.no_monitor = o.leave_paused = o.debug = true;
    c = transport_command(&o, "web1");
    CU_ASSERT_STRING_EQUAL(c, "exec ssh -p 22 root@h xl -T -vv "
                              "lmigrate-receive -e -d -p --name=web1");
    free(c);
}

static void test_command_name_for_no_shell_to_act_on(void)
{
    static const char *const names[] = { "a b", "$(reboot)", "a;b", "", "a'b" };
    struct lm_options o = { .ssh = "ssh", .host = "h" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *c = transport_command(&o, names[i]);

        CU_ASSERT_STRING_EQUAL(c, "exec ssh -o ServerAliveInterval=10 "
                                  "-o ServerAliveCountMax=3 h "
                                  "xl lmigrate-receive");
        free(c);
    }
}

static void test_command_empty_ssh_is_the_host(void)
{
    struct lm_options o = { .ssh = "", .host = "do this --now", .verbose = 3 };
    char *c = transport_command(&o, "web1");

    CU_ASSERT_STRING_EQUAL(c, "do this --now");
    free(c);
}

static void test_xlconfig_of_either_xl_is_found(void)
{
    char error[LM_ERROR_MAX];
    char *c = xlconfig_extract("Parsing config from x\n"
                               "{\"domid\":null,\"config\":{\"c_info\":{},"
                               "\"x\":[1.5,-2,\"\\u00e9\",true,null]}}",
                               error);

    CU_ASSERT_STRING_EQUAL(
        c, "{\"c_info\":{},\"x\":[1.5,-2,\"\xc3\xa9\",true,null]}");
    free(c);
    c = xlconfig_extract("{\"c_info\":{\"name\":\"n\"},\"b_info\":{}}", error);
    CU_ASSERT_STRING_EQUAL(c, "{\"c_info\":{\"name\":\"n\"},\"b_info\":{}}");
    free(c);
}

static void test_xlconfig_anything_else_is_refused(void)
{
    static const char *const bad[] = { "",   "(domain)",       "{",
                                       "{}", "{\"config\":3}", "[1]" };
    char error[LM_ERROR_MAX];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        error[0] = 0;
        CU_ASSERT_PTR_NULL(xlconfig_extract(bad[i], error));
        CU_ASSERT(error[0] && !strchr(error, '\n'));
    }
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_number_plain_digits_are_taken),
    UNIT_TEST(test_number_anything_else_is_refused),
    UNIT_TEST(test_rate_units_are_understood),
    UNIT_TEST(test_rate_nonsense_and_limits_are_refused),
    UNIT_TEST(test_options_table_has_no_option_twice),
    UNIT_TEST(test_options_each_flag_of_the_table_sets_something),
    UNIT_TEST(test_options_may_follow_the_arguments),
    UNIT_TEST(test_options_delta_of_none_is_off),
    UNIT_TEST(test_options_delta_past_its_limit_is_refused),
    UNIT_TEST(test_command_is_composed_as_xl_does),
    UNIT_TEST(test_command_name_for_no_shell_to_act_on),
    UNIT_TEST(test_command_empty_ssh_is_the_host),
    UNIT_TEST(test_xlconfig_of_either_xl_is_found),
    UNIT_TEST(test_xlconfig_anything_else_is_refused),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("plugin_options", tests)
