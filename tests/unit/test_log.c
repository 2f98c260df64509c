/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "test"
#include "base/log.h"
#include "unit.h"

static int logged;
static char last[XLM_MESSAGE_MAX];

static void keep(void *user, enum xlm_log_level level, const char *module,
                 const char *message)
{
    (void)user, (void)level, (void)module;
    logged++;
    snprintf(last, sizeof(last), "%s", message);
    errno = EIO; /* what a callback does to errno must not be seen */
}

static int evaluated(void)
{
    static int times;

    return ++times;
}

static void test_log_filter_drops_what_is_less_important(void)
{
    struct xlm__errslot e;

    logged = 0;
    xlm__errslot_init(&e, keep, NULL, XLM_LOG_INFO);
    XLM_LOG(&e, DEBUG, "no");
    CU_ASSERT_EQUAL(logged, 0);
    XLM_LOG(&e, INFO, "round %d", 3);
    XLM_LOG(&e, WARN, "pool");
    CU_ASSERT_EQUAL(logged, 2);
    xlm__log(&e, XLM_LOG_DEBUG, "test", "no");
    CU_ASSERT_EQUAL(logged, 2);
    xlm__errslot_destroy(&e);
}

static void test_log_unheard_arguments_are_not_evaluated(void)
{
    struct xlm__errslot e = XLM__ERRSLOT_INITIALIZER;

    XLM_LOG(&e, WARN, "%d", evaluated());
    CU_ASSERT_EQUAL(evaluated(), 1);
}

static void test_log_keeps_errno(void)
{
    struct xlm__errslot e;

    xlm__errslot_init(&e, keep, NULL, XLM_LOG_DEBUG);
    errno = ENOENT;
    XLM_LOG(&e, INFO, "hello");
    CU_ASSERT_EQUAL(errno, ENOENT);
    xlm__errslot_destroy(&e);
}

static void test_log_message_too_long_is_cut(void)
{
    struct xlm__errslot e;
    char text[2 * XLM_MESSAGE_MAX];

    memset(text, 'y', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    xlm__errslot_init(&e, keep, NULL, XLM_LOG_DEBUG);
    XLM_LOG(&e, INFO, "%s", text);
    CU_ASSERT_EQUAL(strlen(last), XLM_MESSAGE_MAX - 1);
    xlm__errslot_destroy(&e);
}

static void test_log_utf8_is_left_alone(void)
{
    struct xlm__errslot e;

    xlm__errslot_init(&e, keep, NULL, XLM_LOG_DEBUG);
    XLM_LOG(&e, INFO, "%s", "gr\xc3\xbcn\ttab");
    CU_ASSERT_STRING_EQUAL(last, "gr\xc3\xbcn?tab");
    xlm__errslot_destroy(&e);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_log_filter_drops_what_is_less_important),
    UNIT_TEST(test_log_unheard_arguments_are_not_evaluated),
    UNIT_TEST(test_log_keeps_errno),
    UNIT_TEST(test_log_message_too_long_is_cut),
    UNIT_TEST(test_log_utf8_is_left_alone),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("log", tests)
