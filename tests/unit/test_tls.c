/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "chan/chan.h"

#include <gnutls/gnutls.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chan_fixture.h"
#include "unit.h"
#include "util/clock.h"

#define BIG (9u << 20) /* many records, and more than a socket holds */

static const uint8_t key[XLM__TLS_KEY_BYTES] = { 7, 1, 2, 3 };
static const uint8_t other_key[XLM__TLS_KEY_BYTES] = { 8, 1, 2, 3 };

static struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
static int fds[2];
static struct xlm__tls *client, *server;
static struct xlm__chan a, b; /* source, destination */

static void open_both(const uint8_t *there)
{
    CU_ASSERT_FATAL(!socketpair(
        AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
    client = xlm__tls_new(fds[0], XLM_SOURCE, key);
    server = xlm__tls_new(fds[1], XLM_DESTINATION, there);
    CU_ASSERT_PTR_NOT_NULL_FATAL(client);
    CU_ASSERT_PTR_NOT_NULL_FATAL(server);
}

static void close_both(void)
{
    xlm__tls_free(client);
    xlm__tls_free(server);
    close(fds[0]);
    close(fds[1]);
}

/* Step by step, as both would by poll(); 1 each when they are done. */
static void shake(int *c, int *s)
{
    *c = *s = 0;
    for (int i = 0; i < 100 && *c >= 0 && *s >= 0 && (!*c || !*s); i++) {
        if (!*c)
            *c = xlm__tls_handshake(client);
        if (!*s)
            *s = xlm__tls_handshake(server);
    }
}

static void open_channels(void)
{
    int c, s;

    xlm__errslot_destroy(&err);
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    open_both(key);
    shake(&c, &s);
    CU_ASSERT_EQUAL_FATAL(c, 1);
    CU_ASSERT_EQUAL_FATAL(s, 1);
    CU_ASSERT_EQUAL_FATAL(
        xlm__chan_init(&a, &err, fds[0], fds[0], -1, "data 0"), 0);
    CU_ASSERT_EQUAL_FATAL(
        xlm__chan_init(&b, &err, fds[1], fds[1], -1, "data 0"), 0);
    xlm__chan_use_tls(&a, client);
    xlm__chan_use_tls(&b, server);
}

/* Cuts [at, at + BIG) into pieces of the sizes given, again and again. */
static size_t cut(uint8_t *at, const size_t *sizes, size_t nr_sizes,
                  struct iovec *out)
{
    size_t done = 0, nr = 0;

    while (done < BIG) {
        size_t n = sizes[nr % nr_sizes];

        n = n < BIG - done ? n : BIG - done;
        out[nr++] = (struct iovec){ at + done, n };
        done += n;
    }
    return nr;
}

static void arrives(const size_t *out_sizes, const size_t *in_sizes)
{
    uint8_t *from = malloc(BIG), *to = calloc(1, BIG);
    struct iovec *out = calloc(BIG / 64, sizeof(*out));
    struct iovec *in = calloc(BIG / 64, sizeof(*in));
    struct writing j = { .chan = &a, .iov = out, .rc = -1 };
    pthread_t t;

    open_channels();
    for (size_t i = 0; i < BIG; i++)
        from[i] = (uint8_t)(i * 11 + i / 253);
    j.nr = cut(from, out_sizes, 4, out);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, write_all, &j), 0);
    CU_ASSERT_EQUAL(xlm__chan_readv(&b, in, cut(to, in_sizes, 4, in)), 0);
    pthread_join(t, NULL);
    CU_ASSERT_EQUAL(j.rc, 0);
    CU_ASSERT_EQUAL(memcmp(from, to, BIG), 0);
    CU_ASSERT_EQUAL(a.written_bytes, BIG);
    CU_ASSERT_EQUAL(b.read_bytes, BIG);
    xlm__chan_close(&a);
    xlm__chan_close(&b);
    free(from);
    free(to);
    free(out);
    free(in);
}

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

/* A source that is not ours, which may do with its session what it likes. */
static void make_stranger(gnutls_session_t *session,
                          gnutls_psk_client_credentials_t *psk)
{
    const gnutls_datum_t k = { (uint8_t *)(uintptr_t)key, sizeof(key) };
    const unsigned flags = GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS;

    CU_ASSERT_EQUAL_FATAL(gnutls_init(session, flags), 0);
    CU_ASSERT_EQUAL_FATAL(
        gnutls_priority_set_direct(
            *session, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+ECDHE-PSK", NULL),
        0);
    CU_ASSERT_EQUAL_FATAL(gnutls_psk_allocate_client_credentials(psk), 0);
    CU_ASSERT_EQUAL_FATAL(
        gnutls_psk_set_client_credentials(*psk, "xlm", &k, GNUTLS_PSK_KEY_RAW),
        0);
    CU_ASSERT_EQUAL_FATAL(
        gnutls_credentials_set(*session, GNUTLS_CRD_PSK, *psk), 0);
    gnutls_transport_set_int(*session, fds[0]);
}

static void test_tls_new_keys_do_not_hide_what_follows(void)
{
    gnutls_psk_client_credentials_t psk;
    gnutls_session_t c;
    char text[9] = "";
    int r = -1, s = 0;

    xlm__errslot_destroy(&err);
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    open_both(key);
    make_stranger(&c, &psk);
    for (int i = 0; i < 100 && s >= 0 && (r || !s); i++) {
        if (r)
            r = gnutls_handshake(c);
        if (!s)
            s = xlm__tls_handshake(server);
    }
    CU_ASSERT_EQUAL_FATAL(r, 0);
    CU_ASSERT_EQUAL_FATAL(s, 1);
    CU_ASSERT_EQUAL_FATAL(
        xlm__chan_init(&b, &err, fds[1], fds[1], -1, "data 0"), 0);
    xlm__chan_use_tls(&b, server);
    CU_ASSERT_EQUAL(gnutls_session_key_update(c, 0), 0);
    CU_ASSERT_EQUAL(gnutls_record_send(c, "12345678", 8), 8);
    b.read_deadline_ns = xlm__deadline_ns(2000);
    CU_ASSERT_EQUAL(xlm__chan_read(&b, text, 8), 0);
    CU_ASSERT_STRING_EQUAL(text, "12345678");
    xlm__chan_close(&b);
    gnutls_deinit(c);
    gnutls_psk_free_client_credentials(psk);
    xlm__tls_free(client);
    close(fds[0]);
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
