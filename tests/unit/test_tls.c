/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <poll.h>

#include "tls_fixture.h"
#include "util/clock.h"

static const uint8_t other_key[XLM__TLS_KEY_BYTES] = { 8, 1, 2, 3 };

static void test_tls_pages_arrive_as_pages(void)
{
    static const size_t pages[] = { 4096, 4096, 4096, 4096 };

    arrives(pages, pages);
}

static void test_tls_large_and_small_pieces_arrive(void)
{
    static const size_t out[] = { 1 << 20, 17, 4096, 16384 };
    static const size_t in[] = { 100, 2 << 20, 4096, 16385 };

    arrives(out, in);
}

static void test_tls_wrong_key_is_refused_at_both_ends(void)
{
    int c, s;

    open_both(other_key);
    shake(&c, &s);
    CU_ASSERT_EQUAL(s, -1);
    CU_ASSERT_NOT_EQUAL(c, 1);
    CU_ASSERT(strlen(xlm__tls_why(server)) > 0);
    close_both();
}

static void test_tls_rubbish_is_refused(void)
{
    open_both(key);
    CU_ASSERT_EQUAL(write(fds[0], "GET / HTTP/1.1\r\n\r\n", 18), 18);
    CU_ASSERT_EQUAL(xlm__tls_handshake(server), -1);
    close_both();
}

static void test_tls_silence_is_waited_for(void)
{
    open_both(key);
    CU_ASSERT_EQUAL(xlm__tls_handshake(server), 0);
    CU_ASSERT_EQUAL(xlm__tls_events(server), POLLIN);
    close_both();
}

/* What was written in the clear is not to be found on the wire. */
static void test_tls_wire_does_not_show_the_contents(void)
{
    static const char secret[] = "do not show this to anybody";
    char wire[4096];
    ssize_t n;

    open_channels();
    CU_ASSERT_EQUAL(xlm__chan_write(&a, secret, sizeof(secret)), 0);
    n = recv(fds[1], wire, sizeof(wire), MSG_PEEK);
    CU_ASSERT_FATAL(n > (ssize_t)sizeof(secret));
    CU_ASSERT_PTR_NULL(memmem(wire, (size_t)n, secret, 10));
    xlm__chan_close(&a);
    xlm__chan_close(&b);
}

static void test_tls_changed_byte_is_refused(void)
{
    char text[64] = "text", wire[4096];
    ssize_t n;

    open_channels();
    CU_ASSERT_EQUAL(xlm__chan_write(&a, text, sizeof(text)), 0);
    n = recv(fds[1], wire, sizeof(wire), 0);
    CU_ASSERT_FATAL(n > 20);
    wire[n - 20] ^= 1;
    CU_ASSERT_EQUAL(write(fds[0], wire, (size_t)n), n);
    CU_ASSERT_EQUAL(xlm__chan_read(&b, text, sizeof(text)), XLM_ERR_CHANNEL);
    CU_ASSERT(error_says(&err, "data 0: read after 0 bytes: "));
    xlm__chan_close(&a);
    xlm__chan_close(&b);
}

static void test_tls_peer_gone_is_an_end(void)
{
    char text[8];

    open_channels();
    CU_ASSERT_EQUAL(xlm__chan_write(&a, "1234", 4), 0);
    xlm__chan_close(&a);
    CU_ASSERT_EQUAL(xlm__chan_read(&b, text, sizeof(text)), XLM_ERR_CHANNEL);
    CU_ASSERT(error_says(&err, "data 0: the other side closed after 4 bytes"));
    xlm__chan_close(&b);
}

static void test_tls_poll_knows_of_what_was_read_ahead(void)
{
    char text[4];

    open_channels();
    CU_ASSERT_EQUAL(xlm__chan_poll(&b, 0), 0);
    CU_ASSERT_EQUAL(xlm__chan_write(&a, "12345678", 8), 0);
    CU_ASSERT_EQUAL(xlm__chan_poll(&b, 1000), 1);
    CU_ASSERT_EQUAL(xlm__chan_read(&b, text, 4), 0);
    CU_ASSERT_EQUAL(xlm__chan_poll(&b, 0), 1);
    CU_ASSERT_EQUAL(xlm__chan_read(&b, text, 4), 0);
    CU_ASSERT_EQUAL(memcmp(text, "5678", 4), 0);
    CU_ASSERT_EQUAL(xlm__chan_poll(&b, 0), 0);
    xlm__chan_close(&a);
    xlm__chan_close(&b);
}

static void test_tls_new_keys_do_not_hide_what_follows(void)
{
    struct stranger s;
    char text[9] = "";

    meet_stranger(&s);
    CU_ASSERT_EQUAL(gnutls_session_key_update(s.session, 0), 0);
    CU_ASSERT_EQUAL(gnutls_record_send(s.session, "12345678", 8), 8);
    b.read_deadline_ns = xlm__deadline_ns(2000);
    CU_ASSERT_EQUAL(xlm__chan_read(&b, text, 8), 0);
    CU_ASSERT_STRING_EQUAL(text, "12345678");
    leave_stranger(&s);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_tls_pages_arrive_as_pages),
    UNIT_TEST(test_tls_large_and_small_pieces_arrive),
    UNIT_TEST(test_tls_wrong_key_is_refused_at_both_ends),
    UNIT_TEST(test_tls_rubbish_is_refused),
    UNIT_TEST(test_tls_silence_is_waited_for),
    UNIT_TEST(test_tls_wire_does_not_show_the_contents),
    UNIT_TEST(test_tls_changed_byte_is_refused),
    UNIT_TEST(test_tls_peer_gone_is_an_end),
    UNIT_TEST(test_tls_poll_knows_of_what_was_read_ahead),
    UNIT_TEST(test_tls_new_keys_do_not_hide_what_follows),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("tls", tests)
