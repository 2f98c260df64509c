/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For the tests of TLS: both ends of a connection. */
#ifndef XLM_TESTS_TLS_FIXTURE_H
#define XLM_TESTS_TLS_FIXTURE_H

#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chan_fixture.h"
#include "unit.h"

#define BIG (9u << 20) /* many records, and more than a socket holds */

static const uint8_t key[XLM__TLS_KEY_BYTES] = { 7, 1, 2, 3 };

/* Whose records may be the kernel's; then it is TCP. */
enum { NOBODY, CLIENT, SERVER, BOTH };
static int handed_over = NOBODY;

static struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
static int fds[2];
static struct xlm__tls *client, *server;
static struct xlm__chan a, b; /* source, destination */

/* Of TCP, by the machine's own address. */
static inline void connect_both(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof(at);
    const int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CU_ASSERT_FATAL(!bind(l, (struct sockaddr *)&at, sizeof(at)) &&
                    !listen(l, 1) &&
                    !getsockname(l, (struct sockaddr *)&at, &len));
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(!connect(fds[0], (struct sockaddr *)&at, sizeof(at)));
    fds[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    CU_ASSERT_FATAL(fds[1] >= 0);
    CU_ASSERT_FATAL(!fcntl(fds[0], F_SETFL, O_NONBLOCK));
    close(l);
}

static inline void open_both(const uint8_t *there)
{
    if (handed_over)
        connect_both();
    else
        CU_ASSERT_FATAL(!socketpair(
            AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
    client = xlm__tls_new(fds[0], XLM_SOURCE, key, handed_over & CLIENT);
    server = xlm__tls_new(fds[1], XLM_DESTINATION, there, handed_over & SERVER);
    CU_ASSERT_PTR_NOT_NULL_FATAL(client);
    CU_ASSERT_PTR_NOT_NULL_FATAL(server);
}

static inline void close_both(void)
{
    xlm__tls_free(client);
    xlm__tls_free(server);
    close(fds[0]);
    close(fds[1]);
}

/* Either of them may go on, or a while has passed. */
static inline void await_both(void)
{
    struct pollfd p[2] = { { fds[0], POLLIN, 0 }, { fds[1], POLLIN, 0 } };

    poll(p, 2, 100);
}

/* Step by step; 1 each when they are done. */
static inline void shake(int *c, int *s)
{
    *c = *s = 0;
    for (int i = 0; i < 100 && *c >= 0 && *s >= 0 && (!*c || !*s); i++) {
        if (!*c)
            *c = xlm__tls_handshake(client);
        if (!*s)
            *s = xlm__tls_handshake(server);
        if (!*c || !*s)
            await_both();
    }
}

static inline void open_channels(void)
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
static inline size_t cut(uint8_t *at, const size_t *sizes, size_t nr_sizes,
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

static inline void arrives(const size_t *out_sizes, const size_t *in_sizes)
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

/* A source that is not ours, which may do with its session what it likes. */
struct stranger {
    gnutls_session_t session;
    gnutls_psk_client_credentials_t psk;
};

static inline void make_stranger(struct stranger *s)
{
    const gnutls_datum_t k = { (uint8_t *)(uintptr_t)key, sizeof(key) };
    const unsigned flags = GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS;

    CU_ASSERT_EQUAL_FATAL(gnutls_init(&s->session, flags), 0);
    CU_ASSERT_EQUAL_FATAL(
        gnutls_priority_set_direct(s->session,
                                   "NORMAL:-VERS-ALL:+VERS-TLS1.3:+ECDHE-PSK:"
                                   "-CIPHER-ALL:+AES-128-GCM",
                                   NULL),
        0);
    CU_ASSERT_EQUAL_FATAL(gnutls_psk_allocate_client_credentials(&s->psk), 0);
    CU_ASSERT_EQUAL_FATAL(gnutls_psk_set_client_credentials(s->psk, "xlm", &k,
                                                            GNUTLS_PSK_KEY_RAW),
                          0);
    CU_ASSERT_EQUAL_FATAL(
        gnutls_credentials_set(s->session, GNUTLS_CRD_PSK, s->psk), 0);
    gnutls_transport_set_int(s->session, fds[0]);
}

/* It has the key: b is the other end. */
static inline void meet_stranger(struct stranger *s)
{
    int c = -1, d = 0;

    xlm__errslot_destroy(&err);
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    open_both(key);
    make_stranger(s);
    for (int i = 0; i < 100 && d >= 0 && (c || !d); i++) {
        if (c)
            c = gnutls_handshake(s->session);
        if (!d)
            d = xlm__tls_handshake(server);
        if (c || !d)
            await_both();
    }
    CU_ASSERT_EQUAL_FATAL(c, 0);
    CU_ASSERT_EQUAL_FATAL(d, 1);
    CU_ASSERT_EQUAL_FATAL(
        xlm__chan_init(&b, &err, fds[1], fds[1], -1, "data 0"), 0);
    xlm__chan_use_tls(&b, server);
}

static inline void leave_stranger(struct stranger *s)
{
    xlm__chan_close(&b);
    gnutls_deinit(s->session);
    gnutls_psk_free_client_credentials(s->psk);
    xlm__tls_free(client);
    close(fds[0]);
}

#endif /* XLM_TESTS_TLS_FIXTURE_H */
