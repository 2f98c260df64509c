/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the guardian hears of the worker: notes over a pipe. */
#include "config.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "engine/guard.h"
#include "unit.h"
#include "util/clock.h"

static const struct xlm__guard_note note = { .domid = 1,
                                             .name = "guest",
                                             .uuid = { 0x5a } };

struct line {
    struct xlm__errslot err;
    int fds[2];
};

static void line_open(struct line *l)
{
    xlm__errslot_init(&l->err, NULL, NULL, XLM_LOG_DEBUG);
    CU_ASSERT_EQUAL_FATAL(pipe(l->fds), 0);
}

static int listen_to(struct line *l, struct xlm__guard_note *last)
{
    int rc;

    close(l->fds[1]);
    rc = xlm__guard_listen(&l->err, l->fds[0], last);
    close(l->fds[0]);
    xlm__errslot_destroy(&l->err);
    return rc;
}

static void test_guard_last_whole_note_counts(void)
{
    struct xlm__guard_note last;
    struct line l;

    line_open(&l);
    for (int p = XLM__GUARD_TRACKING; p <= XLM__GUARD_PERMITTED; p++)
        CU_ASSERT_EQUAL(
            xlm__guard_tell(&l.err, l.fds[1], &note, (enum xlm__guard_phase)p),
            0);
    CU_ASSERT_EQUAL(listen_to(&l, &last), 0);
    CU_ASSERT_EQUAL(last.phase, XLM__GUARD_PERMITTED);
    CU_ASSERT_EQUAL(last.domid, 1);
    CU_ASSERT_STRING_EQUAL(last.name, "guest");
    CU_ASSERT_EQUAL(memcmp(last.uuid, note.uuid, 16), 0);
}

static void test_guard_no_note_is_phase_none(void)
{
    struct xlm__guard_note last;
    struct line l;

    line_open(&l);
    CU_ASSERT_EQUAL(listen_to(&l, &last), 0);
    CU_ASSERT_EQUAL(last.phase, XLM__GUARD_NONE);
}

static void test_guard_torn_note_does_not_count(void)
{
    struct xlm__guard_note last;
    struct line l;

    line_open(&l);
    xlm__guard_tell(&l.err, l.fds[1], &note, XLM__GUARD_TRACKING);
    CU_ASSERT_EQUAL(write(l.fds[1], &note, sizeof(note) / 2),
                    (ssize_t)sizeof(note) / 2);
    CU_ASSERT_EQUAL(listen_to(&l, &last), 0);
    CU_ASSERT_EQUAL(last.phase, XLM__GUARD_TRACKING);
}

static void *write_in_pieces(void *arg)
{
    const struct timespec nap = { .tv_nsec = 2000000 };
    struct xlm__guard_note n = note;
    const struct line *l = arg;
    int pipe_of_note[2];

    /* Let tell() itself fill in what is private to it. */
    if (pipe(pipe_of_note))
        abort();
    xlm__guard_tell(NULL, pipe_of_note[1], &note, XLM__GUARD_RENAMED);
    if (read(pipe_of_note[0], &n, sizeof(n)) != (ssize_t)sizeof(n))
        abort();
    close(pipe_of_note[0]);
    close(pipe_of_note[1]);
    for (size_t at = 0; at < sizeof(n); at += 96) {
        size_t bytes = sizeof(n) - at < 96 ? sizeof(n) - at : 96;

        if (write(l->fds[1], (char *)&n + at, bytes) != (ssize_t)bytes)
            abort();
        nanosleep(&nap, NULL);
    }
    close(l->fds[1]);
    return NULL;
}

static void test_guard_note_in_pieces_is_put_together(void)
{
    struct xlm__guard_note last;
    struct line l;
    pthread_t t;

    line_open(&l);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, write_in_pieces, &l), 0);
    CU_ASSERT_EQUAL(xlm__guard_listen(&l.err, l.fds[0], &last), 0);
    CU_ASSERT_EQUAL(last.phase, XLM__GUARD_RENAMED);
    pthread_join(t, NULL);
    close(l.fds[0]);
    xlm__errslot_destroy(&l.err);
}

static void test_guard_foreign_note_is_an_error(void)
{
    struct xlm__guard_note last;
    struct line l;

    line_open(&l);
    xlm__guard_tell(&l.err, l.fds[1], &note, XLM__GUARD_TRACKING);
    CU_ASSERT_EQUAL(write(l.fds[1], &note, sizeof(note)),
                    (ssize_t)sizeof(note)); /* no magic */
    CU_ASSERT_EQUAL(listen_to(&l, &last), XLM_ERR_INTERNAL);
}

static void test_guard_unknown_phase_is_an_error(void)
{
    struct xlm__guard_note last;
    struct line l;

    line_open(&l);
    xlm__guard_tell(&l.err, l.fds[1], &note,
                    (enum xlm__guard_phase)(XLM__GUARD_DONE + 1));
    CU_ASSERT_EQUAL(listen_to(&l, &last), XLM_ERR_INTERNAL);
}

static void test_guard_gone_is_an_error(void)
{
    struct line l;
    char text[XLM_MESSAGE_MAX];

    line_open(&l);
    signal(SIGPIPE, SIG_IGN);
    close(l.fds[0]);
    CU_ASSERT_EQUAL(
        xlm__guard_tell(&l.err, l.fds[1], &note, XLM__GUARD_SUSPENDING),
        XLM_ERR_SYSTEM);
    xlm__errslot_read(&l.err, text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "guest"));
    close(l.fds[1]);
    xlm__errslot_destroy(&l.err);
}

static void test_guard_without_one_nothing_is_told(void)
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;

    CU_ASSERT_EQUAL(xlm__guard_tell(&err, 0, &note, XLM__GUARD_TRACKING), 0);
}

static void test_guard_unknown_owner_is_an_error(void)
{
    struct xlm__guard_note last, n = note;
    struct line l;

    line_open(&l);
    n.owner = XLM_OWNER_UNKNOWN + 1;
    xlm__guard_tell(&l.err, l.fds[1], &n, XLM__GUARD_DONE);
    CU_ASSERT_EQUAL(listen_to(&l, &last), XLM_ERR_INTERNAL);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_guard_last_whole_note_counts),
    UNIT_TEST(test_guard_no_note_is_phase_none),
    UNIT_TEST(test_guard_torn_note_does_not_count),
    UNIT_TEST(test_guard_note_in_pieces_is_put_together),
    UNIT_TEST(test_guard_foreign_note_is_an_error),
    UNIT_TEST(test_guard_unknown_phase_is_an_error),
    UNIT_TEST(test_guard_gone_is_an_error),
    UNIT_TEST(test_guard_without_one_nothing_is_told),
    UNIT_TEST(test_guard_unknown_owner_is_an_error),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("guard_line", tests)
