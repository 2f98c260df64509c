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
                                       .boot = { 7, 8 },
                                       .peer_boot = { 9 },
                                       .domid = 7,
                                       .phase = 4,
                                       .flags = XLM__MARK_DEVICE_MODEL,
                                       .peer = "hostb",
                                       .host = "root@hostb",
                                       .ssh = "ssh -p 23",
                                       .name = "a guest" };

static void begin(void)
{
    snprintf(dir, sizeof(dir), "/tmp/xlm-mark-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(file, sizeof(file),
             "%s/01020300-0000-0000-0000-000000000000.received", dir);
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
    CU_ASSERT_EQUAL(memcmp(m.boot, mark.boot, 16), 0);
    CU_ASSERT_EQUAL(memcmp(m.peer_boot, mark.peer_boot, 16), 0);
    CU_ASSERT_STRING_EQUAL(m.peer, "hostb");
    CU_ASSERT_STRING_EQUAL(m.host, "root@hostb");
    CU_ASSERT_STRING_EQUAL(m.ssh, "ssh -p 23");
    CU_ASSERT_STRING_EQUAL(m.name, "a guest");
    end();
}

static void test_mark_of_longest_names_reads_as_written(void)
{
    struct xlm__mark m, big = mark;
    bool exists;

    begin();
    memset(big.peer, 'p', sizeof(big.peer) - 1);
    memset(big.host, 'h', sizeof(big.host) - 1);
    memset(big.ssh, 's', sizeof(big.ssh) - 1);
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
    char text[2049];
    struct xlm__mark m;
    bool exists;
    ssize_t bytes;
    int fd, lines = 0;

    begin();
    CU_ASSERT_EQUAL(set(&mark), 0);
    fd = open(file, O_RDWR);
    bytes = read(fd, text, sizeof(text));
    CU_ASSERT_EQUAL(bytes, 2048);
    for (ssize_t at = 0; at < 2048 && text[at] != '\n'; at++, lines++) {
        char *end_of_line = memchr(text + at, '\n', (size_t)(2048 - at));
        const char old = text[at];

        text[at] = '#';
        CU_ASSERT_EQUAL(pwrite(fd, text, 2048, 0), 2048);
        CU_ASSERT_EQUAL(get(&m, &exists), XLM_ERR_SYSTEM);
        CU_ASSERT_FALSE(exists);
        text[at] = old;
        at = end_of_line - text;
    }
    CU_ASSERT_EQUAL(lines, 12);
    for (off_t n = (off_t)(strstr(text, "a guest") - text); n >= 0; n--) {
        CU_ASSERT_EQUAL(pwrite(fd, text, 2048, 0), 2048);
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
                "xlm-journal 1 phase 04 since 00000000000001\n"
                "uuid 01020300-0000-0000-0000-000000000000\n"
                "session 04050600-0000-0000-0000-000000000000\n"
                "boot 04050600-0000-0000-0000-000000000000\n"
                "peer-boot 04050600-0000-0000-0000-000000000000\n"
                "turn 1\ndomid %s\nflags 0x1\npeer p\nhost h\nssh s\n"
                "name n\n",
                bad[i]);
        fclose(f);
        CU_ASSERT_EQUAL(get(&m, &exists), XLM_ERR_SYSTEM);
    }
    xlm__errslot_read(&err, text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "damaged"));
    end();
}

static void test_mark_first_line_has_one_form(void)
{
    static const char *const bad[] = {
        "xlm-journal 1 phase 4 since 00000000000001",
        "xlm-journal 1 phase +4 since 00000000000001",
        "xlm-journal 1 phase 04 since 0000000000001",
        "xlm-journal 1 phase 04 since -0000000000001",
        "xlm-journal 1 phase 04  since 0000000000001",
        "xlm-journal 2 phase 04 since 00000000000001",
        "xlm-mark 1 phase 04",
    };
    struct xlm__mark m;
    char text[2049];
    bool exists;
    FILE *f;

    begin();
    CU_ASSERT_EQUAL(set(&mark), 0);
    f = fopen(file, "r");
    CU_ASSERT_EQUAL(fread(text, 1, sizeof(text), f), 2048);
    text[2048] = '\0';
    fclose(f);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        f = fopen(file, "w");
        fprintf(f, "%s%s", bad[i], strchr(text, '\n'));
        fclose(f);
        CU_ASSERT_EQUAL(get(&m, &exists), XLM_ERR_SYSTEM);
    }
    end();
}

static void test_mark_directory_is_made_but_not_its_parent(void)
{
    struct xlm__mark m;
    char deep[80];
    bool exists;

    begin();
    snprintf(deep, sizeof(deep), "%s/deep", dir);
    CU_ASSERT_EQUAL(xlm__mark_set(&err, deep, XLM__MARK_SENT, &mark), 0);
    CU_ASSERT_EQUAL(
        xlm__mark_get(&err, deep, XLM__MARK_SENT, mark.uuid, &m, &exists), 0);
    CU_ASSERT_TRUE(exists);
    CU_ASSERT_EQUAL(
        xlm__mark_set(&err, "/nonexistent/deep", XLM__MARK_SENT, &mark),
        XLM_ERR_SYSTEM);
    end();
}

static uint32_t turn_after(enum xlm__mark_kind kind, unsigned char session)
{
    struct xlm__mark m = mark;
    bool exists;

    m.session[0] = session;
    CU_ASSERT_EQUAL(xlm__mark_set(&err, dir, kind, &m), 0);
    CU_ASSERT_EQUAL(xlm__mark_get(&err, dir, kind, m.uuid, &m, &exists), 0);
    return m.turn;
}

/* It left, came back, left again: the order outlives any clock. */
static void test_mark_turn_grows_with_each_session(void)
{
    begin();
    CU_ASSERT_EQUAL(turn_after(XLM__MARK_SENT, 1), 1);
    CU_ASSERT_EQUAL(turn_after(XLM__MARK_SENT, 1), 1);
    CU_ASSERT_EQUAL(turn_after(XLM__MARK_RECEIVED, 2), 2);
    CU_ASSERT_EQUAL(turn_after(XLM__MARK_RECEIVED, 2), 2);
    CU_ASSERT_EQUAL(turn_after(XLM__MARK_SENT, 3), 3);
    CU_ASSERT_EQUAL(turn_after(XLM__MARK_SENT, 4), 4);
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

struct seen {
    unsigned sent, received, damaged;
    int stop_after;
};

static int see(void *user, enum xlm__mark_kind kind,
               const unsigned char uuid[16], const struct xlm__mark *m)
{
    struct seen *s = user;

    s->sent += m && kind == XLM__MARK_SENT;
    s->received += m && kind == XLM__MARK_RECEIVED;
    s->damaged += !m;
    if (m)
        xlm__mark_clear(dir, kind, uuid);
    return --s->stop_after ? 0 : 77;
}

static void test_mark_each_sees_all_and_damage_and_nothing_else(void)
{
    struct xlm__mark m = mark;
    struct seen s = { 0 };

    begin();
    CU_ASSERT_EQUAL(xlm__mark_each(&err, dir, see, &s), 0);
    CU_ASSERT_EQUAL(s.sent + s.received + s.damaged, 0);
    for (m.uuid[0] = 0; m.uuid[0] < 5; m.uuid[0]++)
        CU_ASSERT_EQUAL(xlm__mark_set(&err, dir, XLM__MARK_SENT, &m), 0);
    CU_ASSERT_EQUAL(set(&mark), 0);
    unit_touch(dir, "01020300-0000-0000-0000-000000000001.sent");
    unit_touch(dir, "01020300-0000-0000-0000-000000000001.sent.new");
    unit_touch(dir, "01020300-0000-0000-0000-000000000001");
    unit_touch(dir, "x1020300-0000-0000-0000-000000000001.sent");
    unit_touch(dir, "README");
    CU_ASSERT_EQUAL(xlm__mark_each(&err, dir, see, &s), 0);
    CU_ASSERT_EQUAL(s.sent, 5);
    CU_ASSERT_EQUAL(s.received, 1);
    CU_ASSERT_EQUAL(s.damaged, 1);
    end();
}

static void test_mark_each_ends_when_told_and_without_a_directory(void)
{
    struct seen s = { .stop_after = 1 };
    struct xlm__mark m = mark;

    begin();
    for (m.uuid[0] = 0; m.uuid[0] < 5; m.uuid[0]++)
        CU_ASSERT_EQUAL(xlm__mark_set(&err, dir, XLM__MARK_SENT, &m), 0);
    CU_ASSERT_EQUAL(xlm__mark_each(&err, dir, see, &s), 77);
    CU_ASSERT_EQUAL(s.sent, 1);
    CU_ASSERT_EQUAL(xlm__mark_each(&err, "/nonexistent", see, &s), 0);
    end();
}

/* The table is what everybody goes by. */
static void test_phase_owner_and_word_of_each(void)
{
    CU_ASSERT_EQUAL(xlm__phase_owner(XLM__MARK_SENT, XLM__GUARD_RENAMED),
                    XLM_OWNER_SOURCE);
    CU_ASSERT_EQUAL(xlm__phase_owner(XLM__MARK_SENT, XLM__GUARD_PERMITTED),
                    XLM_OWNER_UNKNOWN);
    CU_ASSERT_EQUAL(xlm__phase_owner(XLM__MARK_SENT, XLM__GUARD_MOVED),
                    XLM_OWNER_DESTINATION);
    CU_ASSERT_EQUAL(xlm__phase_owner(XLM__MARK_RECEIVED, XLM__RECEIVED_NEVER),
                    XLM_OWNER_SOURCE);
    for (uint32_t p = 8; p < 100; p++) {
        CU_ASSERT_EQUAL(xlm__phase_owner(XLM__MARK_SENT, p), XLM_OWNER_UNKNOWN);
        CU_ASSERT_STRING_EQUAL(xlm__phase_word(XLM__MARK_RECEIVED, p), "?");
    }
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
    UNIT_TEST(test_mark_first_line_has_one_form),
    UNIT_TEST(test_mark_directory_is_made_but_not_its_parent),
    UNIT_TEST(test_mark_turn_grows_with_each_session),
    UNIT_TEST(test_mark_each_sees_all_and_damage_and_nothing_else),
    UNIT_TEST(test_mark_each_ends_when_told_and_without_a_directory),
    UNIT_TEST(test_phase_owner_and_word_of_each),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("mark", tests)
