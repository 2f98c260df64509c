/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Against a process that opens the name, and reads, as libxl's qemu does. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error_says.h"
#include "toolstack/dmgate.h"
#include "unit.h"

static struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
static char dir[64], path[96];

static void make_dir(void)
{
    snprintf(dir, sizeof(dir), "/tmp/xlm-dmgate-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/qemu-resume.7", dir);
    xlm__errslot_destroy(&err);
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
}

static bool is_there(void)
{
    char target[64];

    return readlink(path, target, sizeof(target)) > 0;
}

/* Nothing is left. */
static void remove_dir(void)
{
    CU_ASSERT(!is_there());
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

/* Reads all from fd; its exit status tells whether it was `bytes` times 'q'. */
static pid_t reader(int fd, struct xlm__dmgate *g, size_t bytes)
{
    static unsigned char buf[65536];
    size_t got = 0;
    bool right = true;
    pid_t pid = fork();
    ssize_t r;

    if (pid)
        return pid;
    close(g->write_fd); /* a qemu has none: ours are closed when it starts */
    if (g->read_fd >= 0)
        close(g->read_fd);
    while ((r = read(fd, buf, sizeof(buf))) > 0) {
        for (ssize_t i = 0; i < r; i++)
            right = right && buf[i] == 'q';
        got += (size_t)r;
    }
    _exit(right && got == bytes ? 0 : 1);
}

static int status_of(pid_t pid)
{
    int status = -1;

    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_dmgate_state_arrives_and_ends(void)
{
    const size_t bytes = 3000000; /* more than any pipe holds */
    unsigned char *state = malloc(bytes);
    struct xlm__dmgate g;
    pid_t pid;
    int fd;

    memset(state, 'q', bytes);
    make_dir();
    CU_ASSERT_EQUAL_FATAL(xlm__dmgate_open(&err, path, &g), 0);
    fd = open(path, O_RDONLY); /* as libxl does; does not block */
    CU_ASSERT_FATAL(fd >= 0);
    pid = reader(fd, &g, bytes);
    close(fd);
    CU_ASSERT_EQUAL(unlink(path), 0); /* as libxl does */
    xlm__dmgate_taken(&g);
    CU_ASSERT_EQUAL(xlm__dmgate_write(&err, &g, state, bytes, 10000, -1), 0);
    CU_ASSERT_EQUAL(status_of(pid), 0);
    xlm__dmgate_close(&g);
    free(state);
    remove_dir();
}

static void test_dmgate_closed_is_the_end_for_who_waits(void)
{
    struct xlm__dmgate g;
    pid_t pid;
    int fd;

    make_dir();
    CU_ASSERT_EQUAL_FATAL(xlm__dmgate_open(&err, path, &g), 0);
    fd = open(path, O_RDONLY);
    CU_ASSERT_FATAL(fd >= 0);
    pid = reader(fd, &g, 0);
    close(fd);
    xlm__dmgate_close(&g);
    CU_ASSERT_EQUAL(status_of(pid), 0);
    remove_dir();
}

static void test_dmgate_of_a_dead_process_cannot_be_opened(void)
{
    struct xlm__dmgate g;
    pid_t pid;

    make_dir();
    pid = fork();
    if (!pid)
        _exit(xlm__dmgate_open(&err, path, &g) != 0);
    CU_ASSERT_EQUAL(status_of(pid), 0);
    CU_ASSERT(is_there());
    CU_ASSERT_EQUAL(open(path, O_RDONLY), -1);
    CU_ASSERT_EQUAL(errno, ENOENT);
    /* The next one of that number replaces it. */
    CU_ASSERT_EQUAL_FATAL(xlm__dmgate_open(&err, path, &g), 0);
    xlm__dmgate_close(&g);
    remove_dir();
}

static void test_dmgate_reader_that_dies_is_noticed(void)
{
    unsigned char byte = 'q';
    struct xlm__dmgate g;

    signal(SIGPIPE, SIG_IGN); /* as libxlm.h asks for */
    make_dir();
    CU_ASSERT_EQUAL_FATAL(xlm__dmgate_open(&err, path, &g), 0);
    CU_ASSERT(!xlm__dmgate_abandoned(&g));
    xlm__dmgate_taken(&g);
    CU_ASSERT(xlm__dmgate_abandoned(&g));
    CU_ASSERT_EQUAL(xlm__dmgate_write(&err, &g, &byte, 1, 10000, -1),
                    XLM_ERR_DEVICE);
    CU_ASSERT(error_says(&err, "does not take its state"));
    xlm__dmgate_close(&g);
    remove_dir();
}

static void test_dmgate_reader_that_reads_nothing_is_given_up(void)
{
    const size_t bytes = 3000000;
    unsigned char *state = calloc(1, bytes);
    struct xlm__dmgate g;
    int stop[2];

    make_dir();
    CU_ASSERT_EQUAL_FATAL(xlm__dmgate_open(&err, path, &g), 0);
    CU_ASSERT_EQUAL(xlm__dmgate_write(&err, &g, state, bytes, 20, -1),
                    XLM_ERR_TIMEOUT);
    CU_ASSERT(error_says(&err, "does not read its state"));
    xlm__dmgate_close(&g);

    CU_ASSERT_EQUAL_FATAL(xlm__dmgate_open(&err, path, &g), 0);
    CU_ASSERT_EQUAL_FATAL(pipe2(stop, O_CLOEXEC), 0);
    close(stop[1]);
    CU_ASSERT_EQUAL(xlm__dmgate_write(&err, &g, state, bytes, 10000, stop[0]),
                    XLM_ERR_CANCELLED);
    close(stop[0]);
    xlm__dmgate_close(&g);
    free(state);
    remove_dir();
}

static void test_dmgate_name_of_somebody_else_is_left(void)
{
    struct xlm__dmgate g;

    make_dir();
    CU_ASSERT_EQUAL_FATAL(xlm__dmgate_open(&err, path, &g), 0);
    unlink(path);
    CU_ASSERT_EQUAL_FATAL(symlink("another", path), 0);
    xlm__dmgate_close(&g);
    CU_ASSERT(is_there());
    unlink(path);
    remove_dir();
}

static void test_dmgate_without_a_directory_says_where(void)
{
    struct xlm__dmgate g;

    make_dir();
    CU_ASSERT_EQUAL(rmdir(dir), 0);
    CU_ASSERT_EQUAL(xlm__dmgate_open(&err, path, &g), XLM_ERR_DEVICE);
    CU_ASSERT(error_says(&err, path));
    CU_ASSERT_PTR_NULL(g.path);
    CU_ASSERT_EQUAL(xlm__dmgate_write(&err, &g, "q", 1, 100, -1),
                    XLM_ERR_INTERNAL);
    xlm__dmgate_close(&g);
    xlm__dmgate_taken(&g);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_dmgate_state_arrives_and_ends),
    UNIT_TEST(test_dmgate_closed_is_the_end_for_who_waits),
    UNIT_TEST(test_dmgate_of_a_dead_process_cannot_be_opened),
    UNIT_TEST(test_dmgate_reader_that_dies_is_noticed),
    UNIT_TEST(test_dmgate_reader_that_reads_nothing_is_given_up),
    UNIT_TEST(test_dmgate_name_of_somebody_else_is_left),
    UNIT_TEST(test_dmgate_without_a_directory_says_where),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("dmgate", tests)
