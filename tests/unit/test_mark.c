/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "toolstack/mark.h"
#include "unit.h"

static char dir[64], file[128];
static struct xlm__errslot err;

static const struct xlm__mark mark = { .uuid = { 1, 2, 3 },
                                       .session = { 4, 5, 6 },
                                       .domid = 7,
                                       .phase = 4,
                                       .flags = XLM__MARK_DEVICE_MODEL,
                                       .peer = "hostb",
                                       .name = "a guest" };

static void begin(void)
{
    snprintf(dir, sizeof(dir), "/tmp/xlm-mark-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(file, sizeof(file),
             "%s/xlm-01020300-0000-0000-0000-000000000000.received", dir);
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
}

static void end(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -r %s", dir);
    CU_ASSERT_EQUAL(system(command), 0);
    xlm__errslot_destroy(&err);
}

static int set(const struct xlm__mark *m)
{
    return xlm__mark_set(&err, dir, XLM__MARK_RECEIVED, m);
}

static int get(struct xlm__mark *m, bool *exists)
{
    return xlm__mark_get(&err, dir, XLM__MARK_RECEIVED, mark.uuid, m, exists);
}

static void test_mark_reads_as_written(void)
{
    struct xlm__mark m;
    bool exists;

    begin();
    CU_ASSERT_EQUAL(set(&mark), 0);
    CU_ASSERT_EQUAL(get(&m, &exists), 0);
    CU_ASSERT_TRUE(exists);
    CU_ASSERT_EQUAL(memcmp(m.uuid, mark.uuid, 16), 0);
    CU_ASSERT_EQUAL(memcmp(m.session, mark.session, 16), 0);
    CU_ASSERT_EQUAL(m.domid, 7);
    CU_ASSERT_EQUAL(m.phase, 4);
    CU_ASSERT_EQUAL(m.flags, XLM__MARK_DEVICE_MODEL);
    CU_ASSERT_STRING_EQUAL(m.peer, "hostb");
    CU_ASSERT_STRING_EQUAL(m.name, "a guest");
    end();
}

static void test_mark_of_longest_names_reads_as_written(void)
{
    struct xlm__mark m, big = mark;
    bool exists;

    begin();
    memset(big.peer, 'p', sizeof(big.peer) - 1);
    memset(big.name, 'n', sizeof(big.name) - 1);
    big.domid = big.flags = UINT32_MAX;
    CU_ASSERT_EQUAL(set(&big), 0);
    CU_ASSERT_EQUAL(get(&m, &exists), 0);
    CU_ASSERT_STRING_EQUAL(m.peer, big.peer);
    CU_ASSERT_STRING_EQUAL(m.name, big.name);
    CU_ASSERT_EQUAL(m.flags, UINT32_MAX);
    end();
}

static void test_mark_none_is_no_error(void)
{
    struct xlm__mark m;
    bool exists = true;

    begin();
    CU_ASSERT_EQUAL(get(&m, &exists), 0);
    CU_ASSERT_FALSE(exists);
    end();
}

static void test_mark_kinds_are_apart(void)
{
    struct xlm__mark m;
    bool exists = true;

    begin();
    CU_ASSERT_EQUAL(xlm__mark_set(&err, dir, XLM__MARK_SENT, &mark), 0);
    CU_ASSERT_EQUAL(get(&m, &exists), 0);
    CU_ASSERT_FALSE(exists);
    xlm__mark_clear(dir, XLM__MARK_SENT, mark.uuid);
    CU_ASSERT_EQUAL(
        xlm__mark_get(&err, dir, XLM__MARK_SENT, mark.uuid, &m, &exists), 0);
    CU_ASSERT_FALSE(exists);
    end();
}

/* In place: nothing that a full disk or a lost directory entry can spoil. */
static void test_mark_change_of_phase_keeps_the_file(void)
{
    struct xlm__mark m = mark;
    struct stat before, after;
    bool exists;

    begin();
    CU_ASSERT_EQUAL(set(&m), 0);
    CU_ASSERT_EQUAL(stat(file, &before), 0);
    m.phase = 6;
    CU_ASSERT_EQUAL(set(&m), 0);
    CU_ASSERT_EQUAL(stat(file, &after), 0);
    CU_ASSERT_EQUAL(before.st_ino, after.st_ino);
    CU_ASSERT_EQUAL(before.st_size, after.st_size);
    CU_ASSERT_EQUAL(get(&m, &exists), 0);
    CU_ASSERT_EQUAL(m.phase, 6);
    end();
}

static void test_mark_of_another_session_replaces_it(void)
{
    struct xlm__mark m = mark;
    bool exists;

    begin();
    CU_ASSERT_EQUAL(set(&m), 0);
    m.session[0] = 99;
    m.phase = 1;
    CU_ASSERT_EQUAL(set(&m), 0);
    CU_ASSERT_EQUAL(get(&m, &exists), 0);
    CU_ASSERT_EQUAL(m.session[0], 99);
    CU_ASSERT_EQUAL(m.phase, 1);
    end();
}

static void test_mark_newline_in_a_name_ends_no_line(void)
{
    struct xlm__mark m = mark;
    bool exists;

    begin();
    snprintf(m.peer, sizeof(m.peer), "x\nname evil");
    CU_ASSERT_EQUAL(set(&m), 0);
    CU_ASSERT_EQUAL(get(&m, &exists), 0);
    CU_ASSERT_STRING_EQUAL(m.peer, "x?name evil");
    CU_ASSERT_STRING_EQUAL(m.name, "a guest");
    end();
}

/* Every prefix of a mark, and every line spoilt: an error, never a mark. */
static void test_mark_damaged_is_an_error(void)
{
    char text[1025];
    struct xlm__mark m;
    bool exists;
    ssize_t bytes;
    int fd, lines = 0;

    begin();
    CU_ASSERT_EQUAL(set(&mark), 0);
    fd = open(file, O_RDWR);
    bytes = read(fd, text, sizeof(text));
    CU_ASSERT_EQUAL(bytes, 1024);
    for (ssize_t at = 0; at < 1024 && text[at] != '\n'; at++, lines++) {
        char *end_of_line = memchr(text + at, '\n', (size_t)(1024 - at));
        const char old = text[at];

        text[at] = '#';
        CU_ASSERT_EQUAL(pwrite(fd, text, 1024, 0), 1024);
        CU_ASSERT_EQUAL(get(&m, &exists), XLM_ERR_SYSTEM);
        CU_ASSERT_FALSE(exists);
        text[at] = old;
        at = end_of_line - text;
    }
    CU_ASSERT_EQUAL(lines, 7);
    for (off_t n = (off_t)(strstr(text, "a guest") - text); n >= 0; n--) {
        CU_ASSERT_EQUAL(pwrite(fd, text, 1024, 0), 1024);
        CU_ASSERT_EQUAL(ftruncate(fd, n), 0);
        CU_ASSERT_EQUAL(get(&m, &exists), XLM_ERR_SYSTEM);
    }
    close(fd);
    end();
}

static void test_mark_numbers_out_of_range_are_errors(void)
{
    static const char *const bad[] = { "-1", "4294967296", "7x",
                                       "",   " 7",         "99999999999999" };
    struct xlm__mark m;
    char text[512];
    bool exists;
    FILE *f;

    begin();
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        f = fopen(file, "w");
        fprintf(f,
                "xlm-mark 1 phase 04\n"
                "uuid 01020300-0000-0000-0000-000000000000\n"
                "session 04050600-0000-0000-0000-000000000000\n"
                "domid %s\nflags 0x1\npeer p\nname n\n",
                bad[i]);
        fclose(f);
        CU_ASSERT_EQUAL(get(&m, &exists), XLM_ERR_SYSTEM);
    }
    xlm__errslot_read(&err, text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "damaged"));
    end();
}

static void test_mark_no_directory_is_an_error(void)
{
    begin();
    CU_ASSERT_EQUAL(xlm__mark_set(&err, "/nonexistent", XLM__MARK_SENT, &mark),
                    XLM_ERR_SYSTEM);
    end();
}

static void test_mark_of_each_kind_is_its_own(void)
{
    struct xlm__mark m;
    bool exists;

    begin();
    CU_ASSERT_EQUAL(xlm__mark_set(&err, dir, XLM__MARK_SLOWED, &mark), 0);
    CU_ASSERT_EQUAL(
        xlm__mark_get(&err, dir, XLM__MARK_SENT, mark.uuid, &m, &exists), 0);
    CU_ASSERT_FALSE(exists);
    CU_ASSERT_EQUAL(
        xlm__mark_get(&err, dir, XLM__MARK_SLOWED, mark.uuid, &m, &exists), 0);
    CU_ASSERT_TRUE(exists);
    xlm__mark_clear(dir, XLM__MARK_SLOWED, mark.uuid);
    end();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_mark_of_each_kind_is_its_own),
    UNIT_TEST(test_mark_reads_as_written),
    UNIT_TEST(test_mark_of_longest_names_reads_as_written),
    UNIT_TEST(test_mark_none_is_no_error),
    UNIT_TEST(test_mark_kinds_are_apart),
    UNIT_TEST(test_mark_change_of_phase_keeps_the_file),
    UNIT_TEST(test_mark_of_another_session_replaces_it),
    UNIT_TEST(test_mark_newline_in_a_name_ends_no_line),
    UNIT_TEST(test_mark_damaged_is_an_error),
    UNIT_TEST(test_mark_numbers_out_of_range_are_errors),
    UNIT_TEST(test_mark_no_directory_is_an_error),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("mark", tests)
