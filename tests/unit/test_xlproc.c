/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Against a stand-in for xl: see fake_xl.h. */
#include "config.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_xl.h"
#include "toolstack/xlproc.h"
#include "toolstack/xlstream.h"
#include "unit.h"
#include "util/clock.h"

struct fixture {
    struct xlm__errslot err;
    struct xlm__xlproc_params params;
    struct xlm__xlproc *p;
    int stop[2];
    char path[512];
    char message[XLM_MESSAGE_MAX];
};

static void set_up(struct fixture *f, const char *script)
{
    ssize_t n;

    memset(f, 0, sizeof(*f));
    xlm__errslot_init(&f->err, NULL, NULL, XLM_LOG_DEBUG);
    n = readlink("/proc/self/exe", f->path, sizeof(f->path) - 1);
    CU_ASSERT_FATAL(n > 0);
    CU_ASSERT_FATAL(!pipe2(f->stop, O_CLOEXEC));
    f->params = (struct xlm__xlproc_params){
        .err = &f->err,
        .xl_path = f->path,
        .stop_fd = f->stop[0],
        .record_fd = -1,
    };
    setenv(FAKE_XL_SCRIPT, script, 1);
}

static void start(struct fixture *f, const char *script)
{
    set_up(f, script);
    CU_ASSERT_EQUAL_FATAL(xlm__xlproc_start(&f->params, &f->p), 0);
}

static void tear_down(struct fixture *f)
{
    xlm__xlproc_free(f->p);
    close(f->stop[0]);
    close(f->stop[1]);
    xlm__errslot_destroy(&f->err);
}

static int banner(struct fixture *f)
{
    return xlm__xlproc_expect(f->p, XLM__XL_BANNER, sizeof(XLM__XL_BANNER) - 1,
                              5000, "its banner");
}

static int write_bytes(struct fixture *f, size_t bytes)
{
    char *data = calloc(1, bytes);
    struct iovec part = { data, bytes };
    int rc = xlm__xlproc_write(f->p, &part, 1);

    free(data);
    return rc;
}

static void test_xlproc_dialogue_runs_to_a_clean_end(void)
{
    struct fixture f;
    char report[sizeof(XLM__XL_REPORT) + 1];

    start(&f, "b;r100;y;r50;g;x0");
    CU_ASSERT_EQUAL(banner(&f), 0);
    CU_ASSERT_EQUAL(write_bytes(&f, 100), 0);
    CU_ASSERT_EQUAL(xlm__xlproc_expect(f.p, XLM__XL_READY,
                                       sizeof(XLM__XL_READY), 5000, "ready"),
                    0);
    CU_ASSERT_EQUAL(write_bytes(&f, 50), 0);
    CU_ASSERT_EQUAL(
        xlm__xlproc_read(f.p, report, sizeof(report), 5000, "report"), 0);
    CU_ASSERT_EQUAL(report[sizeof(report) - 1], 0);
    CU_ASSERT_TRUE(xlm__xlproc_ended(f.p, 5000));
    CU_ASSERT_EQUAL(xlm__errslot_code(&f.err), 0);
    tear_down(&f);
}

static void test_xlproc_arguments_follow_the_flags(void)
{
    struct fixture f;
    char text[256];

    set_up(&f, "a0;x1");
    f.params.debug = true;
    f.params.no_monitor = true;
    CU_ASSERT_EQUAL_FATAL(xlm__xlproc_start(&f.params, &f.p), 0);
    CU_ASSERT_TRUE(xlm__xlproc_ended(f.p, 5000));
    xlm__xlproc_describe(f.p, text, sizeof(text));
    CU_ASSERT_STRING_EQUAL(text, "exited with status 1: "
                                 "[-vvv][migrate-receive][-e][-p][-d]");
    tear_down(&f);
}

static void test_xlproc_without_flags_is_plain(void)
{
    struct fixture f;
    char text[256];

    start(&f, "a0;x1");
    CU_ASSERT_TRUE(xlm__xlproc_ended(f.p, 5000));
    xlm__xlproc_describe(f.p, text, sizeof(text));
    CU_ASSERT_STRING_EQUAL(text, "exited with status 1: [migrate-receive][-p]");
    tear_down(&f);
}

/* What the shell left open for us is not the matter here. */
static void close_strangers(void)
{
    for (int fd = 3; fd < 256; fd++)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void test_xlproc_child_inherits_three_fds_and_no_signals(void)
{
    struct fixture f;
    char text[256];
    sigset_t set;
    sigset_t old;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    close_strangers();
    start(&f, "i;x1");
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    CU_ASSERT_TRUE(xlm__xlproc_ended(f.p, 5000));
    xlm__xlproc_describe(f.p, text, sizeof(text));
    CU_ASSERT_STRING_EQUAL(text,
                           "exited with status 1: fds=3 leader=1 blocked=0");
    tear_down(&f);
}

static void test_xlproc_missing_program_is_named(void)
{
    struct fixture f;

    set_up(&f, "x0");
    f.params.xl_path = "/nonexistent/xl";
    CU_ASSERT_EQUAL(xlm__xlproc_start(&f.params, &f.p), XLM_ERR_TOOLSTACK);
    xlm__errslot_read(&f.err, f.message);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.message, "/nonexistent/xl"));
    tear_down(&f);
}

static void test_xlproc_early_end_quotes_its_first_error(void)
{
    struct fixture f;

    start(&f, "b;eall is well;elibxl: error: no memory;ecannot go on;x3");
    CU_ASSERT_EQUAL(banner(&f), 0);
    CU_ASSERT_EQUAL(xlm__xlproc_expect(f.p, XLM__XL_READY,
                                       sizeof(XLM__XL_READY), 5000, "ready"),
                    XLM_ERR_TOOLSTACK);
    xlm__errslot_read(&f.err, f.message);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(f.message, "exited with status 3: libxl: error: no memory"));
    tear_down(&f);
}

static void test_xlproc_wrong_words_are_quoted(void)
{
    struct fixture f;

    start(&f, "y;y;z");
    CU_ASSERT_EQUAL(banner(&f), XLM_ERR_TOOLSTACK);
    xlm__errslot_read(&f.err, f.message);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.message, "domain received"));
    tear_down(&f);
}

static void test_xlproc_read_times_out(void)
{
    struct fixture f;

    start(&f, "s60000");
    CU_ASSERT_EQUAL(xlm__xlproc_expect(f.p, XLM__XL_READY,
                                       sizeof(XLM__XL_READY), 100,
                                       "word from it"),
                    XLM_ERR_TIMEOUT);
    xlm__errslot_read(&f.err, f.message);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.message, "no word from it within 100 ms"));
    xlm__xlproc_kill(f.p);
    tear_down(&f);
}

static void test_xlproc_read_is_cancelled_by_stop(void)
{
    struct fixture f;

    start(&f, "s60000");
    CU_ASSERT_EQUAL(write(f.stop[1], "", 1), 1);
    CU_ASSERT_EQUAL(banner(&f), XLM_ERR_CANCELLED);
    CU_ASSERT_EQUAL(xlm__errslot_code(&f.err), 0);
    xlm__xlproc_kill(f.p);
    tear_down(&f);
}

static void test_xlproc_stop_is_ignored_when_told_so(void)
{
    struct fixture f;

    start(&f, "s100;b;z");
    CU_ASSERT_EQUAL(write(f.stop[1], "", 1), 1);
    xlm__xlproc_ignore_stop(f.p);
    CU_ASSERT_EQUAL(banner(&f), 0);
    tear_down(&f);
}

static void test_xlproc_sync_returns_when_all_is_read(void)
{
    struct fixture f;
    const uint64_t begin = xlm__clock_ns();

    start(&f, "b;s200;r100;z");
    CU_ASSERT_EQUAL(banner(&f), 0);
    CU_ASSERT_EQUAL(write_bytes(&f, 100), 0);
    CU_ASSERT_EQUAL(xlm__xlproc_sync(f.p, 5000, "it"), 0);
    CU_ASSERT_TRUE(xlm__clock_ns() - begin >= 200 * XLM__NS_PER_MS);
    tear_down(&f);
}

static void test_xlproc_sync_times_out(void)
{
    struct fixture f;

    start(&f, "s60000");
    CU_ASSERT_EQUAL(write_bytes(&f, 1), 0);
    CU_ASSERT_EQUAL(xlm__xlproc_sync(f.p, 100, "it"), XLM_ERR_TIMEOUT);
    xlm__xlproc_kill(f.p);
    tear_down(&f);
}

static void test_xlproc_sync_is_cancelled_by_stop(void)
{
    struct fixture f;

    start(&f, "s60000");
    CU_ASSERT_EQUAL(write_bytes(&f, 1), 0);
    CU_ASSERT_EQUAL(write(f.stop[1], "", 1), 1);
    CU_ASSERT_EQUAL(xlm__xlproc_sync(f.p, 5000, "it"), XLM_ERR_CANCELLED);
    xlm__xlproc_kill(f.p);
    tear_down(&f);
}

static void test_xlproc_sync_notices_that_xl_died(void)
{
    struct fixture f;

    start(&f, "eerror: out of luck;s100;x2");
    CU_ASSERT_EQUAL(write_bytes(&f, 100), 0);
    CU_ASSERT_EQUAL(xlm__xlproc_sync(f.p, 10000, "it"), XLM_ERR_TOOLSTACK);
    xlm__errslot_read(&f.err, f.message);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.message, "out of luck"));
    tear_down(&f);
}

static void test_xlproc_write_to_dead_xl_fails(void)
{
    struct fixture f;

    start(&f, "eerror: gone;x4");
    CU_ASSERT_TRUE(xlm__xlproc_ended(f.p, 5000));
    CU_ASSERT_EQUAL(write_bytes(&f, 10), XLM_ERR_TOOLSTACK);
    xlm__errslot_read(&f.err, f.message);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.message, "exited with status 4"));
    tear_down(&f);
}

static void test_xlproc_write_into_full_pipe_ends_when_xl_dies(void)
{
    struct fixture f;

    start(&f, "s200;x5");
    CU_ASSERT_EQUAL(write_bytes(&f, 8 << 20), XLM_ERR_TOOLSTACK);
    tear_down(&f);
}

static void test_xlproc_write_into_full_pipe_is_cancelled_by_stop(void)
{
    struct fixture f;

    start(&f, "s60000");
    CU_ASSERT_EQUAL(write(f.stop[1], "", 1), 1);
    CU_ASSERT_EQUAL(write_bytes(&f, 8 << 20), XLM_ERR_CANCELLED);
    xlm__xlproc_kill(f.p);
    tear_down(&f);
}

static void test_xlproc_record_fd_gets_all_that_was_written(void)
{
    struct fixture f;
    char path[] = "/tmp/xlm-record-XXXXXX";
    int fd = mkstemp(path);

    CU_ASSERT_FATAL(fd >= 0);
    set_up(&f, "z;x0");
    f.params.record_fd = fd;
    CU_ASSERT_EQUAL_FATAL(xlm__xlproc_start(&f.params, &f.p), 0);
    CU_ASSERT_EQUAL(write_bytes(&f, 3 << 20), 0);
    CU_ASSERT_EQUAL(write_bytes(&f, 5), 0);
    CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_END), (3 << 20) + 5);
    tear_down(&f);
    close(fd);
    unlink(path);
}

struct writer {
    struct fixture *f;
    unsigned char value;
    int rc;
};

static void *write_records(void *arg)
{
    struct writer *w = arg;
    unsigned char data[FAKE_XL_RECORD];
    struct iovec parts[2] = { { data, 100 },
                              { data + 100, FAKE_XL_RECORD - 100 } };

    memset(data, w->value, sizeof(data));
    for (int i = 0; i < 500 && !w->rc; i++)
        w->rc = xlm__xlproc_write(w->f->p, parts, 2);
    return NULL;
}

static void test_xlproc_writers_do_not_mix(void)
{
    struct fixture f;
    struct writer w[4];
    pthread_t threads[4];
    char text[256];

    start(&f, "v");
    for (int i = 0; i < 4; i++) {
        w[i] = (struct writer){ &f, (unsigned char)(i + 1), 0 };
        CU_ASSERT_FATAL(
            !pthread_create(&threads[i], NULL, write_records, &w[i]));
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(w[i].rc, 0);
    }
    xlm__xlproc_close_stdin(f.p);
    CU_ASSERT_TRUE(xlm__xlproc_ended(f.p, 10000));
    xlm__xlproc_describe(f.p, text, sizeof(text));
    CU_ASSERT_STRING_EQUAL(text, "exited with status 0");
    tear_down(&f);
}

static void test_xlproc_kill_ends_one_that_ignores_sigterm(void)
{
    struct fixture f;
    char text[256];

    start(&f, "t;b;s60000");
    CU_ASSERT_EQUAL(banner(&f), 0);
    xlm__xlproc_kill(f.p);
    xlm__xlproc_describe(f.p, text, sizeof(text));
    CU_ASSERT_STRING_EQUAL(text, "was killed by signal 9");
    tear_down(&f);
}

static void test_xlproc_write_after_close_is_refused(void)
{
    struct fixture f;

    start(&f, "z;x0");
    xlm__xlproc_close_stdin(f.p);
    CU_ASSERT_EQUAL(write_bytes(&f, 1), XLM_ERR_TOOLSTACK);
    tear_down(&f);
}

static bool appears(const char *path, int timeout_ms)
{
    while (access(path, F_OK)) {
        if (timeout_ms-- <= 0)
            return false;
        (void)poll(NULL, 0, 1);
    }
    return true;
}

/* The process that fed it is killed; with its stdout and stderr broken, xl
 * would die before it has removed its domain (here: made the file). */
static void test_xlproc_xl_survives_us_to_clean_up(void)
{
    char dir[] = "/tmp/xlm-survive-XXXXXX";
    char mark[64];
    char script[128];
    int ready[2];
    pid_t pid;
    char c;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(mark, sizeof(mark), "%s/mark", dir);
    snprintf(script, sizeof(script), "b;z;g;ebye;s50;g;ebye;m%s", mark);
    CU_ASSERT_FATAL(!pipe2(ready, O_CLOEXEC));
    pid = fork();
    if (pid == 0) {
        struct fixture f;

        start(&f, script);
        if (!banner(&f))
            (void)!write(ready[1], "", 1);
        pause();
    }
    CU_ASSERT_EQUAL(read(ready[0], &c, 1), 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    CU_ASSERT_TRUE(appears(mark, 5000));
    close(ready[0]);
    close(ready[1]);
    unlink(mark);
    rmdir(dir);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_xlproc_dialogue_runs_to_a_clean_end),
    UNIT_TEST(test_xlproc_arguments_follow_the_flags),
    UNIT_TEST(test_xlproc_without_flags_is_plain),
    UNIT_TEST(test_xlproc_child_inherits_three_fds_and_no_signals),
    UNIT_TEST(test_xlproc_missing_program_is_named),
    UNIT_TEST(test_xlproc_early_end_quotes_its_first_error),
    UNIT_TEST(test_xlproc_wrong_words_are_quoted),
    UNIT_TEST(test_xlproc_read_times_out),
    UNIT_TEST(test_xlproc_read_is_cancelled_by_stop),
    UNIT_TEST(test_xlproc_stop_is_ignored_when_told_so),
    UNIT_TEST(test_xlproc_sync_returns_when_all_is_read),
    UNIT_TEST(test_xlproc_sync_times_out),
    UNIT_TEST(test_xlproc_sync_is_cancelled_by_stop),
    UNIT_TEST(test_xlproc_sync_notices_that_xl_died),
    UNIT_TEST(test_xlproc_write_to_dead_xl_fails),
    UNIT_TEST(test_xlproc_write_into_full_pipe_ends_when_xl_dies),
    UNIT_TEST(test_xlproc_write_into_full_pipe_is_cancelled_by_stop),
    UNIT_TEST(test_xlproc_record_fd_gets_all_that_was_written),
    UNIT_TEST(test_xlproc_writers_do_not_mix),
    UNIT_TEST(test_xlproc_kill_ends_one_that_ignores_sigterm),
    UNIT_TEST(test_xlproc_write_after_close_is_refused),
    UNIT_TEST(test_xlproc_xl_survives_us_to_clean_up),
    CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "migrate-receive"))
            return fake_xl(argv);
    /* As the library asks of its callers. */
    signal(SIGPIPE, SIG_IGN);
    return unit_run("xlproc", tests, argc > 1 ? argv[1] : NULL);
}
