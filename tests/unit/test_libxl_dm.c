/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A device model that starts before its state is here; qemu's answers are the
 * test's, its input is read here. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake_qmp.h"
#include "toolstack/toolstack_libxl.h"
#include "unit.h"
#include "util/clock.h"

#define XLM_MODULE "fake"
#define SILENCE    "silent"
#define GONE       "gone"

static struct xlm__errslot err;
static struct xlm__ts ts;
static char dir[64], path[96], message[XLM_MESSAGE_MAX];
static int qemu_fd;
/* What qemu says, one after the other; the last one again and again. */
static const char *const *says;
static unsigned asked;

static int answer(struct xlm__errslot *e, const char *socket_path,
                  const char *command, const struct xlm__qmp_text *want)
{
    const char *word = says[0];

    CU_ASSERT_STRING_EQUAL(socket_path, "/run/xen/qmp-libxl-7");
    CU_ASSERT_STRING_EQUAL(command, "query-status");
    asked++;
    if (says[1])
        says++;
    if (!strcmp(word, SILENCE))
        return XLM_FAIL(e, XLM_ERR_TIMEOUT, "no answer to query-status");
    if (!strcmp(word, GONE))
        return XLM_FAIL(e, XLM_ERR_DEVICE, "connect: nobody is there");
    snprintf(want->out, want->bytes, "%s", word);
    return 0;
}

/* qemu has the pipe open, and waits. */
static void begin(const char *const *words)
{
    fake_qmp = answer;
    says = words;
    asked = 0;
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    memset(&ts, 0, sizeof(ts));
    ts.base.err = &err;
    ts.base.stop_fd = -1;
    ts.restore.domid = 7;
    snprintf(dir, sizeof(dir), "/tmp/xlm-dm-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/qemu-resume.7", dir);
    CU_ASSERT_EQUAL_FATAL(xlm__dmgate_open(&err, path, &ts.restore.gate), 0);
    qemu_fd = open(path, O_RDONLY);
    CU_ASSERT_FATAL(qemu_fd >= 0);
    xlm__dmgate_taken(&ts.restore.gate);
}

static int load(uint32_t limit_ms)
{
    struct xlm__blob dm = { .data = (void *)"state", .bytes = 5 };
    int rc = xlm__ts_dm_load_within(&ts, &dm, limit_ms);

    CU_ASSERT_EQUAL(xlm__errslot_read(&err, message),
                    rc == XLM_ERR_CANCELLED ? 0 : rc);
    return rc;
}

static void end(void)
{
    xlm__dmgate_close(&ts.restore.gate);
    close(qemu_fd);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
    xlm__errslot_destroy(&err);
}

static void test_libxl_dm_state_is_given_and_taken(void)
{
    static const char *const words[] = { "inmigrate", "inmigrate", "running",
                                         NULL };
    char got[16] = "";

    begin(words);
    CU_ASSERT_EQUAL(load(10000), 0);
    CU_ASSERT_EQUAL(asked, 3);
    CU_ASSERT_EQUAL(read(qemu_fd, got, sizeof(got)), 5);
    CU_ASSERT_STRING_EQUAL(got, "state");
    CU_ASSERT_EQUAL(read(qemu_fd, got, sizeof(got)), 0); /* its end */
    end();
}

/* On a slow host it answers nobody while it loads. */
static void test_libxl_dm_silence_is_waited_for(void)
{
    static const char *const words[] = { SILENCE, SILENCE, "inmigrate",
                                         "running", NULL };

    begin(words);
    CU_ASSERT_EQUAL(load(10000), 0);
    CU_ASSERT_EQUAL(asked, 4);
    end();
}

static void test_libxl_dm_silence_has_a_limit_that_is_named(void)
{
    static const char *const words[] = { SILENCE, NULL };
    const uint64_t start = xlm__clock_ns();

    begin(words);
    CU_ASSERT_EQUAL(load(300), XLM_ERR_TIMEOUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "domain 7 did not take its state "
                                           "within 0.3 s: no answer"));
    CU_ASSERT(xlm__clock_ns() - start >= 300 * XLM__NS_PER_MS);
    end();
}

static void test_libxl_dm_loading_has_the_same_limit(void)
{
    static const char *const words[] = { "inmigrate", NULL };

    begin(words);
    CU_ASSERT_EQUAL(load(100), XLM_ERR_TIMEOUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "within 0.1 s: it is inmigrate"));
    end();
}

/* It did not like the state, say. */
static void test_libxl_dm_that_ends_is_noticed_at_once(void)
{
    static const char *const words[] = { "inmigrate", GONE, NULL };

    begin(words);
    CU_ASSERT_EQUAL(load(60000), XLM_ERR_DEVICE);
    CU_ASSERT_EQUAL(asked, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "state: connect: nobody is there"));
    end();
}

static void test_libxl_dm_in_another_state_is_refused(void)
{
    static const char *const words[] = { "internal-error", NULL };

    begin(words);
    CU_ASSERT_EQUAL(load(60000), XLM_ERR_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "state: it is internal-error"));
    end();
}

static void test_libxl_dm_wait_can_be_stopped(void)
{
    static const char *const words[] = { "inmigrate", NULL };

    begin(words);
    ts.base.stop_fd = eventfd(1, EFD_CLOEXEC);
    CU_ASSERT_EQUAL(load(60000), XLM_ERR_CANCELLED);
    close(ts.base.stop_fd);
    end();
}

static void test_libxl_dm_is_not_held_without_a_restore(void)
{
    static const char *const words[] = { "running", NULL };

    begin(words);
    CU_ASSERT_EQUAL(xlm__ts_dm_hold(&ts.base), XLM_ERR_INTERNAL);
    end();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_libxl_dm_state_is_given_and_taken),
    UNIT_TEST(test_libxl_dm_silence_is_waited_for),
    UNIT_TEST(test_libxl_dm_silence_has_a_limit_that_is_named),
    UNIT_TEST(test_libxl_dm_loading_has_the_same_limit),
    UNIT_TEST(test_libxl_dm_that_ends_is_noticed_at_once),
    UNIT_TEST(test_libxl_dm_in_another_state_is_refused),
    UNIT_TEST(test_libxl_dm_wait_can_be_stopped),
    UNIT_TEST(test_libxl_dm_is_not_held_without_a_restore),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("libxl_dm", tests)
