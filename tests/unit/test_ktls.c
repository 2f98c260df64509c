/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TLS whose records are the kernel's.  Where it does not take them (said on
 * stdout) all of this is GnuTLS's, by TCP: the lab runs it where it does.
 */
#include "config.h"

#include "chan/ktls.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "tls_fixture.h"
#include "util/clock.h"

static void open_as(int whose)
{
    handed_over = whose;
    open_channels();
    CU_ASSERT_EQUAL(xlm__tls_is_in_kernel(client),
                    xlm__ktls_exists() && (whose & CLIENT));
    CU_ASSERT_EQUAL(xlm__tls_is_in_kernel(server),
                    xlm__ktls_exists() && (whose & SERVER));
}

static void close_channels(void)
{
    xlm__chan_close(&a);
    xlm__chan_close(&b);
}

static void test_ktls_exists_where_it_is_taken(void)
{
    printf("the kernel %s TLS ... ",
           xlm__ktls_exists() ? "has" : "does not have");
    open_as(BOTH);
    close_channels();
}

static void test_ktls_pieces_arrive_whoever_has_the_kernel(void)
{
    static const size_t pages[] = { 4096, 4096, 4096, 4096 };
    static const size_t out[] = { 1 << 20, 17, 4096, 16384 };
    static const size_t in[] = { 100, 2 << 20, 4096, 16385 };

    for (handed_over = CLIENT; handed_over <= BOTH; handed_over++) {
        arrives(pages, pages);
        arrives(out, in);
    }
}

/* The other direction has keys of its own. */
static void test_ktls_answers_arrive(void)
{
    char text[6] = "";

    for (int whose = CLIENT; whose <= BOTH; whose++) {
        open_as(whose);
        CU_ASSERT_EQUAL(xlm__chan_write(&b, "hello", 6), 0);
        a.read_deadline_ns = xlm__deadline_ns(2000);
        CU_ASSERT_EQUAL(xlm__chan_read(&a, text, 6), 0);
        CU_ASSERT_STRING_EQUAL(text, "hello");
        close_channels();
    }
}

static void test_ktls_wire_does_not_show_the_contents(void)
{
    static const char secret[] = "do not show this to anybody";
    char wire[4096];
    ssize_t n;

    open_as(CLIENT);
    CU_ASSERT_EQUAL(xlm__chan_write(&a, secret, sizeof(secret)), 0);
    CU_ASSERT_EQUAL(xlm__chan_poll(&b, 2000), 1);
    n = recv(fds[1], wire, sizeof(wire), MSG_PEEK);
    CU_ASSERT_FATAL(n > (ssize_t)sizeof(secret));
    CU_ASSERT_PTR_NULL(memmem(wire, (size_t)n, secret, 10));
    close_channels();
}

/* As long as it says, and by nobody who has the key. */
static void test_ktls_forged_record_is_refused(void)
{
    uint8_t forged[5 + 64] = { 23, 3, 3, 0, 64, 1, 2, 3 };
    char text[8];

    open_as(SERVER);
    CU_ASSERT_EQUAL(write(fds[0], forged, sizeof(forged)), sizeof(forged));
    b.read_deadline_ns = xlm__deadline_ns(2000);
    CU_ASSERT_EQUAL(xlm__chan_read(&b, text, sizeof(text)), XLM_ERR_CHANNEL);
    CU_ASSERT(error_says(&err, "data 0: read after 0 bytes: "));
    close_channels();
}

static uint64_t own_cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* poll() may say that there is something: not again and again, and not beyond
 * the time. */
static void test_ktls_rest_of_a_record_is_waited_for(void)
{
    const uint8_t part[5 + 20] = { 23, 3, 3, 0, 64 };
    uint64_t cpu_ms;
    char text[8];

    open_as(SERVER);
    CU_ASSERT_EQUAL(write(fds[0], part, sizeof(part)), sizeof(part));
    cpu_ms = own_cpu_ms();
    b.read_deadline_ns = xlm__deadline_ns(400);
    CU_ASSERT_EQUAL(xlm__chan_read(&b, text, sizeof(text)), XLM_ERR_TIMEOUT);
    CU_ASSERT(own_cpu_ms() - cpu_ms < 300);
    CU_ASSERT(error_says(&err, "data 0: the other side sent nothing in time"));
    close_channels();
}

static void test_ktls_peer_gone_is_an_end(void)
{
    char text[8];

    open_as(BOTH);
    CU_ASSERT_EQUAL(xlm__chan_write(&a, "1234", 4), 0);
    xlm__chan_close(&a);
    b.read_deadline_ns = xlm__deadline_ns(2000);
    CU_ASSERT_EQUAL(xlm__chan_read(&b, text, sizeof(text)), XLM_ERR_CHANNEL);
    CU_ASSERT(error_says(&err, "data 0: the other side closed after 4 bytes"));
    xlm__chan_close(&b);
}

static void test_ktls_poll_knows_what_is_left_of_a_record(void)
{
    char text[4];

    open_as(BOTH);
    CU_ASSERT_EQUAL(xlm__chan_poll(&b, 0), 0);
    CU_ASSERT_EQUAL(xlm__chan_write(&a, "12345678", 8), 0);
    CU_ASSERT_EQUAL(xlm__chan_poll(&b, 2000), 1);
    CU_ASSERT_EQUAL(xlm__chan_read(&b, text, 4), 0);
    CU_ASSERT_EQUAL(xlm__chan_poll(&b, 0), 1);
    CU_ASSERT_EQUAL(xlm__chan_read(&b, text, 4), 0);
    CU_ASSERT_EQUAL(memcmp(text, "5678", 4), 0);
    CU_ASSERT_EQUAL(xlm__chan_poll(&b, 0), 0);
    close_channels();
}

static void test_ktls_farewell_is_an_end(void)
{
    struct stranger s;
    char text[8];

    handed_over = SERVER;
    meet_stranger(&s);
    CU_ASSERT_EQUAL(gnutls_record_send(s.session, "1234", 4), 4);
    CU_ASSERT_EQUAL(gnutls_bye(s.session, GNUTLS_SHUT_WR), 0);
    b.read_deadline_ns = xlm__deadline_ns(2000);
    CU_ASSERT_EQUAL(xlm__chan_read(&b, text, sizeof(text)), XLM_ERR_CHANNEL);
    CU_ASSERT(error_says(&err, "data 0: the other side closed after 4 bytes"));
    leave_stranger(&s);
}

/* The kernel has none for it: the connection is given up, for another one. */
static void test_ktls_new_keys_are_an_error(void)
{
    const bool exists = xlm__ktls_exists();
    struct stranger s;
    char text[9] = "";

    handed_over = SERVER;
    meet_stranger(&s);
    CU_ASSERT_EQUAL(gnutls_session_key_update(s.session, 0), 0);
    CU_ASSERT_EQUAL(gnutls_record_send(s.session, "12345678", 8), 8);
    b.read_deadline_ns = xlm__deadline_ns(2000);
    CU_ASSERT_EQUAL(xlm__chan_read(&b, text, 8), exists ? XLM_ERR_CHANNEL : 0);
    if (exists)
        CU_ASSERT(error_says(&err, "data 0: read after 0 bytes: An unexpected "
                                   "TLS packet was received."));
    leave_stranger(&s);
}

/* At least as many as there are. */
static void test_ktls_records_are_counted(void)
{
    static uint8_t bytes[40000];

    for (int whose = NOBODY; whose <= BOTH; whose++) {
        open_as(whose);
        CU_ASSERT_EQUAL(xlm__tls_records(client), 0);
        CU_ASSERT_EQUAL(xlm__chan_write(&a, bytes, sizeof(bytes)), 0);
        CU_ASSERT_EQUAL(xlm__chan_write(&a, bytes, 1), 0);
        CU_ASSERT(xlm__tls_records(client) >= 4);
        CU_ASSERT(xlm__tls_records(client) <= 8);
        close_channels();
    }
}

/* Nobody reads: it takes what it has room for, then waits, and loses nothing.
 */
static void test_ktls_full_connection_is_waited_for(void)
{
    static uint8_t out[1 << 16], in[1 << 16];
    struct iovec iov = { out, sizeof(out) };
    size_t full = 0, got = 0;
    ssize_t r;

    open_as(BOTH);
    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i * 7);
    do {
        struct pollfd p = { fds[0], POLLOUT, 0 };

        iov = (struct iovec){ out + full % sizeof(out),
                              sizeof(out) - full % sizeof(out) };
        r = xlm__tls_writev(client, &iov, 1);
        if (r > 0)
            full += (size_t)r;
        else if (errno == EAGAIN && poll(&p, 1, 100) > 0)
            r = 1;
    } while (r > 0);
    CU_ASSERT(full > sizeof(out));
    for (b.read_deadline_ns = xlm__deadline_ns(5000); got < full;) {
        const size_t n = full - got < sizeof(in) ? full - got : sizeof(in);

        CU_ASSERT_EQUAL_FATAL(xlm__chan_read(&b, in, n), 0);
        CU_ASSERT_EQUAL_FATAL(memcmp(in, out, n), 0);
        got += n;
    }
    close_channels();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_ktls_exists_where_it_is_taken),
    UNIT_TEST(test_ktls_pieces_arrive_whoever_has_the_kernel),
    UNIT_TEST(test_ktls_answers_arrive),
    UNIT_TEST(test_ktls_wire_does_not_show_the_contents),
    UNIT_TEST(test_ktls_forged_record_is_refused),
    UNIT_TEST(test_ktls_rest_of_a_record_is_waited_for),
    UNIT_TEST(test_ktls_peer_gone_is_an_end),
    UNIT_TEST(test_ktls_poll_knows_what_is_left_of_a_record),
    UNIT_TEST(test_ktls_farewell_is_an_end),
    UNIT_TEST(test_ktls_new_keys_are_an_error),
    UNIT_TEST(test_ktls_records_are_counted),
    UNIT_TEST(test_ktls_full_connection_is_waited_for),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("ktls", tests)
