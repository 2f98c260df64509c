/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "test"
#include "base/error.h"
#include "unit.h"

struct seen {
    int nr;
    enum xlm_log_level level;
    char module[16];
    char message[XLM_MESSAGE_MAX];
};

static void keep(void *user, enum xlm_log_level level, const char *module,
                 const char *message)
{
    struct seen *seen = user;

    seen->nr++;
    seen->level = level;
    snprintf(seen->module, sizeof(seen->module), "%s", module);
    snprintf(seen->message, sizeof(seen->message), "%s", message);
}

static void test_error_fresh_slot_has_none(void)
{
    struct xlm__errslot e = XLM__ERRSLOT_INITIALIZER;
    char text[XLM_MESSAGE_MAX];

    CU_ASSERT_EQUAL(xlm__errslot_code(&e), 0);
    CU_ASSERT_PTR_NULL(xlm__errslot_first(&e));
    CU_ASSERT_EQUAL(xlm__errslot_read(&e, text), 0);
    CU_ASSERT_STRING_EQUAL(text, "");
}

static void test_error_first_one_wins_each_is_logged(void)
{
    struct xlm__errslot e;
    struct seen seen = { 0 };
    char text[XLM_MESSAGE_MAX];

    xlm__errslot_init(&e, keep, &seen, XLM_LOG_DEBUG);
    CU_ASSERT_EQUAL(XLM_FAIL(&e, XLM_ERR_STREAM, "record %u", 7u),
                    XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(XLM_FAIL(&e, XLM_ERR_CHANNEL, "closed"), XLM_ERR_CHANNEL);
    CU_ASSERT_EQUAL(xlm__errslot_read(&e, text), XLM_ERR_STREAM);
    CU_ASSERT_STRING_EQUAL(text, "record 7");
    CU_ASSERT_EQUAL(seen.nr, 2);
    CU_ASSERT_EQUAL(seen.level, XLM_LOG_ERROR);
    CU_ASSERT_STRING_EQUAL(seen.module, "test");
    CU_ASSERT_STRING_EQUAL(seen.message, "closed");
    xlm__errslot_destroy(&e);
}

static void test_error_first_carries_all_its_fields(void)
{
    struct xlm__errslot e = XLM__ERRSLOT_INITIALIZER;
    const struct xlm_error_info *info;

    xlm__errslot_set_state(&e, XLM_STATE_PRECOPY);
    errno = ENOENT;
    CU_ASSERT_EQUAL(XLM_FAIL_ERRNO(&e, XLM_ERR_SYSTEM, "open %s", "/x"),
                    XLM_ERR_SYSTEM);
    xlm__errslot_set_state(&e, XLM_STATE_FAILED);
    info = xlm__errslot_first(&e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(info);
    CU_ASSERT_EQUAL(info->code, XLM_ERR_SYSTEM);
    CU_ASSERT_EQUAL(info->sys_errno, ENOENT);
    CU_ASSERT_EQUAL(info->state, XLM_STATE_PRECOPY);
    CU_ASSERT_STRING_EQUAL(info->message, "open /x: No such file or directory");
}

static void test_error_soft_warns_and_is_not_recorded(void)
{
    struct xlm__errslot e;
    struct seen seen = { 0 };

    xlm__errslot_init(&e, keep, &seen, XLM_LOG_DEBUG);
    CU_ASSERT_EQUAL(XLM_SOFT(&e, XLM_ERR_DEVICE, "vif %d", 0), XLM_ERR_DEVICE);
    CU_ASSERT_EQUAL(seen.level, XLM_LOG_WARN);
    errno = EPERM;
    CU_ASSERT_EQUAL(XLM_SOFT_ERRNO(&e, XLM_ERR_SYSTEM, "nice"), XLM_ERR_SYSTEM);
    CU_ASSERT_STRING_EQUAL(seen.message, "nice: Operation not permitted");
    CU_ASSERT_EQUAL(xlm__errslot_code(&e), 0);
    xlm__errslot_destroy(&e);
}

static void test_error_control_characters_become_visible(void)
{
    struct xlm__errslot e = XLM__ERRSLOT_INITIALIZER;

    XLM_FAIL(&e, XLM_ERR_PEER, "name %s", "a\nb\033[2Jc\x7f");
    CU_ASSERT_STRING_EQUAL(xlm__errslot_first(&e)->message, "name a?b?[2Jc?");
}

static void test_error_long_message_is_cut_before_the_errno_text(void)
{
    struct xlm__errslot e = XLM__ERRSLOT_INITIALIZER;
    char name[2 * XLM_MESSAGE_MAX];
    const char *tail = ": No such file or directory", *message;

    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    errno = ENOENT;
    XLM_FAIL_ERRNO(&e, XLM_ERR_SYSTEM, "%s", name);
    message = xlm__errslot_first(&e)->message;
    CU_ASSERT_EQUAL(strlen(message), XLM_MESSAGE_MAX - 1);
    CU_ASSERT_STRING_EQUAL(message + strlen(message) - strlen(tail), tail);
}

static void *fail_often(void *arg)
{
    for (int i = 0; i < 200; i++)
        XLM_FAIL(arg, XLM_ERR_INTERNAL, "number %d", i);
    return NULL;
}

static void test_error_of_two_threads_is_one_of_theirs(void)
{
    struct xlm__errslot e = XLM__ERRSLOT_INITIALIZER;
    const struct xlm_error_info *info;
    pthread_t thread;

    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, fail_often, &e), 0);
    fail_often(&e);
    pthread_join(thread, NULL);
    info = xlm__errslot_first(&e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(info);
    CU_ASSERT_EQUAL(info->code, XLM_ERR_INTERNAL);
    CU_ASSERT_STRING_EQUAL(info->message, "number 0");
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_error_fresh_slot_has_none),
    UNIT_TEST(test_error_first_one_wins_each_is_logged),
    UNIT_TEST(test_error_first_carries_all_its_fields),
    UNIT_TEST(test_error_soft_warns_and_is_not_recorded),
    UNIT_TEST(test_error_control_characters_become_visible),
    UNIT_TEST(test_error_long_message_is_cut_before_the_errno_text),
    UNIT_TEST(test_error_of_two_threads_is_one_of_theirs),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("error", tests)
