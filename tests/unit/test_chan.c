/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "chan/chan.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "chan/chan_pair.h"
#include "chan_fixture.h"
#include "unit.h"
#include "util/clock.h"

#define BIG (4u << 20) /* more than any socket or pipe holds */

static struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
static struct xlm__chan a, b;
static int stop = -1;

static void open_pair(void)
{
    xlm__errslot_destroy(&err);
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    stop = eventfd(0, EFD_CLOEXEC);
    CU_ASSERT_EQUAL_FATAL(xlm__chan_pair(&a, &b, &err, stop, "data 0"), 0);
}

static void close_pair(void)
{
    xlm__chan_close(&a);
    xlm__chan_close(&b);
    close(stop);
}

static void give_up(void)
{
    const uint64_t one = 1;

    CU_ASSERT_EQUAL(write(stop, &one, sizeof(one)), (ssize_t)sizeof(one));
}

static void test_chan_more_than_iov_max_parts_arrive_in_order(void)
{
    enum { NR = 3000, PART = 1000 };
    struct iovec *out = calloc(NR, sizeof(*out));
    struct iovec *in = calloc(NR, sizeof(*in));
    uint8_t *from = malloc(NR * PART), *to = malloc(NR * PART);
    struct writing j = { &a, out, NR, -1 };
    pthread_t t;

    open_pair();
    for (size_t i = 0; i < (size_t)NR * PART; i++)
        from[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t i = 0; i < NR; i++) {
        out[i] = (struct iovec){ from + i * PART, PART };
        in[i] = (struct iovec){ to + i * PART, PART };
    }
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, write_all, &j), 0);
    CU_ASSERT_EQUAL(xlm__chan_readv(&b, in, NR), 0);
    pthread_join(t, NULL);
    CU_ASSERT_EQUAL(j.rc, 0);
    CU_ASSERT_EQUAL(memcmp(from, to, NR * PART), 0);
    CU_ASSERT_EQUAL(a.written_bytes, NR * PART);
    CU_ASSERT_EQUAL(b.read_bytes, NR * PART);
    close_pair();
    free(out);
    free(in);
    free(from);
    free(to);
}

static void test_chan_empty_parts_are_skipped(void)
{
    char c = 'x', got = 0;
    struct iovec out[] = { { NULL, 0 }, { &c, 1 }, { NULL, 0 } };
    struct iovec in[] = { { NULL, 0 }, { &got, 1 }, { NULL, 0 } };

    open_pair();
    CU_ASSERT_EQUAL(xlm__chan_writev(&a, out, 3), 0);
    CU_ASSERT_EQUAL(xlm__chan_readv(&b, in, 3), 0);
    CU_ASSERT_EQUAL(got, 'x');
    close_pair();
}

static void test_chan_peer_closed_names_channel_and_bytes(void)
{
    char got[8];

    open_pair();
    CU_ASSERT_EQUAL(xlm__chan_write(&a, "abc", 3), 0);
    xlm__chan_close(&a);
    CU_ASSERT_EQUAL(xlm__chan_read(&b, got, 8), XLM_ERR_CHANNEL);
    CU_ASSERT(error_says(&err, "data 0: the other side closed after 3 bytes"));
    close_pair();
}

static void test_chan_read_some_gives_what_is_there_then_the_end(void)
{
    char got[8];
    size_t n = 9;

    open_pair();
    CU_ASSERT_EQUAL(xlm__chan_write(&a, "abc", 3), 0);
    xlm__chan_close(&a);
    CU_ASSERT_EQUAL(xlm__chan_read_some(&b, got, 8, &n), 0);
    CU_ASSERT_EQUAL(n, 3);
    CU_ASSERT_EQUAL(xlm__chan_read_some(&b, got, 8, &n), 0);
    CU_ASSERT_EQUAL(n, 0);
    CU_ASSERT_EQUAL(xlm__errslot_code(&err), 0);
    close_pair();
}

static void test_chan_write_to_closed_socket_is_an_error(void)
{
    char *big = calloc(1, BIG);

    open_pair();
    xlm__chan_close(&b);
    CU_ASSERT_EQUAL(xlm__chan_write(&a, big, BIG), XLM_ERR_CHANNEL);
    CU_ASSERT(error_says(&err, "data 0: write after"));
    close_pair();
    free(big);
}

static void test_chan_write_to_closed_pipe_raises_no_signal(void)
{
    int fds[2];
    sigset_t pending;

    open_pair();
    xlm__chan_close(&a);
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    CU_ASSERT_EQUAL(xlm__chan_init(&a, &err, fds[1], fds[1], -1, "pipe"), 0);
    close(fds[0]);
    /* SIGPIPE has its default action here: it would end the program. */
    CU_ASSERT_EQUAL(xlm__chan_write(&a, "x", 1), XLM_ERR_CHANNEL);
    sigpending(&pending);
    CU_ASSERT_EQUAL(sigismember(&pending, SIGPIPE), 0);
    close_pair();
}

static void test_chan_read_past_deadline_times_out(void)
{
    char got;

    open_pair();
    b.read_deadline_ns = xlm__clock_ns() + 20 * XLM__NS_PER_MS;
    CU_ASSERT_EQUAL(xlm__chan_read(&b, &got, 1), XLM_ERR_TIMEOUT);
    CU_ASSERT(xlm__clock_ns() >= b.read_deadline_ns);
    CU_ASSERT(error_says(&err, "sent nothing in time"));
    close_pair();
}

static void test_chan_write_past_deadline_times_out(void)
{
    char *big = calloc(1, BIG);

    open_pair();
    a.write_deadline_ns = xlm__clock_ns() + 20 * XLM__NS_PER_MS;
    CU_ASSERT_EQUAL(xlm__chan_write(&a, big, BIG), XLM_ERR_TIMEOUT);
    CU_ASSERT(error_says(&err, "took nothing in time"));
    close_pair();
    free(big);
}

static void test_chan_stop_ends_read_and_is_not_recorded(void)
{
    char got;

    open_pair();
    give_up();
    CU_ASSERT_EQUAL(xlm__chan_read(&b, &got, 1), XLM_ERR_CANCELLED);
    CU_ASSERT_EQUAL(xlm__errslot_code(&err), 0);
    close_pair();
}

static void test_chan_stop_ends_a_blocked_write(void)
{
    char *big = calloc(1, BIG);

    open_pair();
    give_up();
    CU_ASSERT_EQUAL(xlm__chan_write(&a, big, BIG), XLM_ERR_CANCELLED);
    CU_ASSERT_EQUAL(xlm__errslot_code(&err), 0);
    close_pair();
    free(big);
}

static void test_chan_poll_tells_data_end_timeout_and_stop(void)
{
    char got;

    open_pair();
    CU_ASSERT_EQUAL(xlm__chan_poll(&b, 0), 0);
    CU_ASSERT_EQUAL(xlm__chan_poll(&b, 5), 0);
    CU_ASSERT_EQUAL(xlm__chan_write(&a, "x", 1), 0);
    CU_ASSERT_EQUAL(xlm__chan_poll(&b, 0), 1);
    CU_ASSERT_EQUAL(xlm__chan_read(&b, &got, 1), 0);
    xlm__chan_close(&a);
    CU_ASSERT_EQUAL(xlm__chan_poll(&b, 1000), 1);
    give_up();
    CU_ASSERT_EQUAL(xlm__chan_poll(&b, 1000), XLM_ERR_CANCELLED);
    close_pair();
}

static void test_chan_bad_descriptor_is_refused(void)
{
    struct xlm__chan c;

    open_pair();
    CU_ASSERT_EQUAL(xlm__chan_init(&c, &err, -1, -1, -1, "control"),
                    XLM_ERR_SYSTEM);
    CU_ASSERT(error_says(&err, "control: descriptor -1"));
    xlm__chan_close(&c);
    close_pair();
}

static void test_chan_close_of_zeroed_leaves_stdin_alone(void)
{
    struct xlm__chan c = { 0 };

    xlm__chan_close(&c);
    CU_ASSERT_NOT_EQUAL(fcntl(0, F_GETFD), -1);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_chan_more_than_iov_max_parts_arrive_in_order),
    UNIT_TEST(test_chan_empty_parts_are_skipped),
    UNIT_TEST(test_chan_peer_closed_names_channel_and_bytes),
    UNIT_TEST(test_chan_read_some_gives_what_is_there_then_the_end),
    UNIT_TEST(test_chan_write_to_closed_socket_is_an_error),
    UNIT_TEST(test_chan_write_to_closed_pipe_raises_no_signal),
    UNIT_TEST(test_chan_read_past_deadline_times_out),
    UNIT_TEST(test_chan_write_past_deadline_times_out),
    UNIT_TEST(test_chan_stop_ends_read_and_is_not_recorded),
    UNIT_TEST(test_chan_stop_ends_a_blocked_write),
    UNIT_TEST(test_chan_poll_tells_data_end_timeout_and_stop),
    UNIT_TEST(test_chan_bad_descriptor_is_refused),
    UNIT_TEST(test_chan_close_of_zeroed_leaves_stdin_alone),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("chan", tests)
