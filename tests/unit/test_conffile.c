/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xlm.conf: what is a setting, and what each mistake is called. */
#include "config.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conffile.h"

static char path[] = "/tmp/xlm-conf-XXXXXX";
static char seen[1024];

static bool on_set(void *user, const char *name, const char *value,
                   char error_out[LM_ERROR_MAX])
{
    const size_t n = strlen(seen);

    CU_ASSERT_PTR_EQUAL(user, &path);
    if (!strcmp(name, "wrong")) {
        snprintf(error_out, LM_ERROR_MAX, "wrong '%s': never right", value);
        return false;
    }
    snprintf(seen + n, sizeof(seen) - n, "%s=%s;", name, value);
    return true;
}

static void remove_file(void)
{
    unlink(path);
}

static bool reads(const char *text, char error_out[LM_ERROR_MAX])
{
    static bool there;
    FILE *f;

    if (!there) {
        f = fdopen(mkstemp(path), "w");
        atexit(remove_file);
    } else {
        f = fopen(path, "w");
    }
    there = true;
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    setenv("XLM_CONF", path, 1);
    fputs(text, f);
    fclose(f);
    seen[0] = error_out[0] = '\0';
    return conffile_read(on_set, &path, error_out);
}

static void test_conffile_settings_come_in_order(void)
{
    char error[LM_ERROR_MAX];

    CU_ASSERT(reads("# all of it\n\ndata = \"ssh\"\nchannels=4 # or more\n"
                    "  \nmigration_address = '192.0.2.1'\nplain=1",
                    error));
    CU_ASSERT_STRING_EQUAL(seen, "data=ssh;channels=4;"
                                 "migration_address=192.0.2.1;plain=1;");
    CU_ASSERT(reads("", error));
    CU_ASSERT_STRING_EQUAL(seen, "");
}

static void test_conffile_mistakes_name_the_line(void)
{
    static const struct {
        const char *text, *line, *what;
    } bad[] = {
        { "a=1\nwrong = 7\nb=2", ":2: ", "wrong '7': never right" },
        { "a = 1\nnonsense\n", ":2: ", "NAME = VALUE is wanted" },
        { "[section]\na = 1\n", ":2: ", "[section]: there are no sections" },
        { "a = \"open\n", ":1: ", "a quote is missing" },
        { "a = \"o\"p\"\n", ":1: ", "a quote is missing" },
        { "a = \"\n", ":1: ", "a quote is missing" },
    };
    char error[LM_ERROR_MAX];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_FALSE(reads(bad[i].text, error));
        CU_ASSERT_EQUAL(strncmp(error, path, strlen(path)), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(error, bad[i].line));
        CU_ASSERT_PTR_NOT_NULL(strstr(error, bad[i].what));
        CU_ASSERT_PTR_NULL(strstr(seen, "b=2"));
    }
}

static void test_conffile_limits_hold(void)
{
    char error[LM_ERROR_MAX], text[9000] = "a = ";

    memset(text + 4, 'x', 511);
    text[515] = '\0';
    CU_ASSERT(reads(text, error));
    CU_ASSERT_EQUAL(strlen(seen), 2 + 511 + 1);
    memset(text + 4, 'x', sizeof(text) - 5);
    CU_ASSERT_FALSE(reads(text, error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, ":1: "));
}

static void test_conffile_named_one_must_be_there(void)
{
    char error[LM_ERROR_MAX] = "";

    setenv("XLM_CONF", "/nonexistent/xlm.conf", 1);
    CU_ASSERT_FALSE(conffile_read(on_set, &path, error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "/nonexistent/xlm.conf: No such"));
    setenv("XLM_CONF", "/", 1);
    CU_ASSERT_FALSE(conffile_read(on_set, &path, error));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_conffile_settings_come_in_order),
    UNIT_TEST(test_conffile_mistakes_name_the_line),
    UNIT_TEST(test_conffile_limits_hold),
    UNIT_TEST(test_conffile_named_one_must_be_there),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("conffile", tests)
