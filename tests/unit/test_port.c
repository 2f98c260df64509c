/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "chan/tcp.h"
#include "engine/port.h"
#include "unit.h"
#include "util/clock.h"

static struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
static struct xlm__port port;
static unsigned char greeting[XLM_GREETING_BYTES];

static void open_port(enum xlm__port_kind kind)
{
    const struct xlm_options opt = { .size = sizeof(opt) };
    struct xlm__build b = { .port = kind };

    if (kind == XLM__PORT_TLS)
        memset(b.key, 0x11, sizeof(b.key));
    for (size_t i = 0; i < sizeof(greeting); i++)
        greeting[i] = (unsigned char)(i * 3 + 1);
    memcpy(greeting, XLM__MAGIC, XLM__MAGIC_BYTES);
    CU_ASSERT_EQUAL_FATAL(xlm__port_open(&err, &b, &opt, false, &port), 0);
}

static int visit(void)
{
    struct xlm__endpoint e;
    size_t nr = 0;
    int fd;

    xlm__tcp_resolve("127.0.0.1", port.number, &e, 1, &nr);
    fd = socket(e.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(fd >= 0 && !connect(fd, (struct sockaddr *)&e.sa, e.len));
    return fd;
}

static void say(int fd, const void *what, size_t bytes)
{
    CU_ASSERT_EQUAL(send(fd, what, bytes, MSG_NOSIGNAL), (ssize_t)bytes);
}

/* Serve until somebody has arrived, or for that long. */
static bool serve(struct xlm__arrival *a, uint32_t ms)
{
    struct pollfd fds[XLM__PORT_FDS];
    uint64_t end = xlm__deadline_ns(ms);

    while (xlm__deadline_left_ms(end)) {
        xlm__port_watch(&port, fds);
        poll(fds, XLM__PORT_FDS, xlm__port_wait_ms(&port, 20));
        if (xlm__port_serve(&err, &port, fds, a))
            return true;
    }
    return false;
}

static void leave(struct xlm__arrival *a)
{
    xlm__tls_free(a->tls);
    close(a->rfd);
}

static bool is_closed(int fd)
{
    char c;

    return recv(fd, &c, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
}

static void test_port_greeting_arrives(void)
{
    struct xlm__arrival a;
    int fd;

    open_port(XLM__PORT_PLAIN);
    fd = visit();
    say(fd, greeting, 40);
    CU_ASSERT_FALSE(serve(&a, 60));
    say(fd, greeting + 40, sizeof(greeting) - 40);
    CU_ASSERT_FATAL(serve(&a, 5000));
    CU_ASSERT_EQUAL(memcmp(a.greeting, greeting, sizeof(greeting)), 0);
    CU_ASSERT(a.rfd == a.wfd && a.conn_fd == -1 && !a.tls);
    CU_ASSERT_EQUAL(port.nr_strangers, 0);
    leave(&a);
    close(fd);
    xlm__port_close(&err, &port);
}

static void test_port_greeting_arrives_over_tls(void)
{
    unsigned char key[XLM__KEY_BYTES];
    struct iovec iov = { greeting, sizeof(greeting) };
    struct xlm__arrival a;
    struct xlm__tls *t;
    int fd, r;

    open_port(XLM__PORT_TLS);
    memset(key, 0x11, sizeof(key));
    fd = visit();
    t = xlm__tls_new(fd, XLM_SOURCE, key, false);
    CU_ASSERT_EQUAL(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while (!(r = xlm__tls_handshake(t)))
        CU_ASSERT_FALSE_FATAL(serve(&a, 5));
    CU_ASSERT_EQUAL(r, 1);
    CU_ASSERT_EQUAL(xlm__tls_writev(t, &iov, 1), (ssize_t)sizeof(greeting));
    CU_ASSERT_FATAL(serve(&a, 5000));
    CU_ASSERT_EQUAL(memcmp(a.greeting, greeting, sizeof(greeting)), 0);
    CU_ASSERT_PTR_NOT_NULL(a.tls);
    leave(&a);
    xlm__tls_free(t);
    close(fd);
    xlm__port_close(&err, &port);
}

static void test_port_rubbish_is_turned_away_at_once(void)
{
    struct xlm__arrival a;
    int fd;

    open_port(XLM__PORT_PLAIN);
    fd = visit();
    say(fd, "XLMLIVE?", 8);
    CU_ASSERT_FALSE(serve(&a, 100));
    CU_ASSERT(is_closed(fd));
    CU_ASSERT_EQUAL(port.nr_strangers, 1);
    close(fd);
    xlm__port_close(&err, &port);
}

static void test_port_tls_rubbish_is_turned_away_at_once(void)
{
    struct xlm__arrival a;
    int fd;

    open_port(XLM__PORT_TLS);
    fd = visit();
    say(fd, greeting, sizeof(greeting));
    CU_ASSERT_FALSE(serve(&a, 100));
    CU_ASSERT(is_closed(fd));
    CU_ASSERT_EQUAL(port.nr_strangers, 1);
    close(fd);
    xlm__port_close(&err, &port);
}

static void test_port_silent_stranger_delays_nobody(void)
{
    struct xlm__arrival a;
    uint64_t began;
    int silent, fd;

    open_port(XLM__PORT_PLAIN);
    silent = visit();
    CU_ASSERT_FALSE(serve(&a, 60));
    began = xlm__clock_ns();
    fd = visit();
    say(fd, greeting, sizeof(greeting));
    CU_ASSERT_FATAL(serve(&a, 5000));
    CU_ASSERT(xlm__clock_ns() - began < XLM__NS_PER_S);
    leave(&a);
    close(fd);
    close(silent);
    xlm__port_close(&err, &port);
}

static void test_port_silent_stranger_has_to_go(void)
{
    struct xlm__arrival a;
    int fd;

    open_port(XLM__PORT_PLAIN);
    fd = visit();
    say(fd, greeting, 1);
    CU_ASSERT_FALSE(serve(&a, 60));
    CU_ASSERT_FALSE(is_closed(fd));
    CU_ASSERT_FALSE(serve(&a, XLM__GUEST_LIMIT_MS));
    CU_ASSERT(is_closed(fd));
    CU_ASSERT_EQUAL(port.nr_strangers, 1);
    close(fd);
    xlm__port_close(&err, &port);
}

static void test_port_crowd_does_not_keep_the_last_out(void)
{
    int crowd[3 * XLM__GUESTS_MAX];
    struct xlm__arrival a;
    unsigned nr = 0;
    int fd;

    open_port(XLM__PORT_PLAIN);
    for (; nr < sizeof(crowd) / sizeof(crowd[0]); nr++) {
        crowd[nr] = visit();
        say(crowd[nr], greeting, 1);
    }
    fd = visit();
    say(fd, greeting, sizeof(greeting));
    CU_ASSERT_FATAL(serve(&a, 5000));
    CU_ASSERT_EQUAL(memcmp(a.greeting, greeting, sizeof(greeting)), 0);
    CU_ASSERT(port.nr_strangers >= 2 * XLM__GUESTS_MAX);
    leave(&a);
    close(fd);
    while (nr--)
        close(crowd[nr]);
    xlm__port_close(&err, &port);
}

/* A source tries several addresses and uses one. */
static void test_port_who_leaves_in_silence_is_no_stranger(void)
{
    struct xlm__arrival a;

    open_port(XLM__PORT_TLS);
    close(visit());
    CU_ASSERT_FALSE(serve(&a, 100));
    CU_ASSERT_EQUAL(port.nr_strangers, 0);
    xlm__port_close(&err, &port);
}

static void test_port_closed_is_closed(void)
{
    struct xlm__arrival a;
    int waiting;

    open_port(XLM__PORT_PLAIN);
    waiting = visit();
    CU_ASSERT_FALSE(serve(&a, 30));
    xlm__port_close(&err, &port);
    CU_ASSERT(is_closed(waiting));
    CU_ASSERT_EQUAL(port.listen_fd, -1);
    xlm__port_close(&err, &port); /* twice is once */
    close(waiting);
}

static void test_port_of_the_destination_s_own_options_counts(void)
{
    const struct xlm__build b = { .port = XLM__PORT_PLAIN };
    struct xlm_options opt = { .size = sizeof(opt) };
    uint16_t was;

    /* One that was free a moment ago. */
    CU_ASSERT_EQUAL_FATAL(xlm__port_open(&err, &b, &opt, false, &port), 0);
    was = port.number;
    xlm__port_close(&err, &port);
    opt.port_low = opt.port_high = was;
    CU_ASSERT_EQUAL_FATAL(xlm__port_open(&err, &b, &opt, false, &port), 0);
    CU_ASSERT_EQUAL(port.number, was);
    xlm__port_close(&err, &port);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_port_greeting_arrives),
    UNIT_TEST(test_port_greeting_arrives_over_tls),
    UNIT_TEST(test_port_rubbish_is_turned_away_at_once),
    UNIT_TEST(test_port_tls_rubbish_is_turned_away_at_once),
    UNIT_TEST(test_port_silent_stranger_delays_nobody),
    UNIT_TEST(test_port_silent_stranger_has_to_go),
    UNIT_TEST(test_port_crowd_does_not_keep_the_last_out),
    UNIT_TEST(test_port_who_leaves_in_silence_is_no_stranger),
    UNIT_TEST(test_port_closed_is_closed),
    UNIT_TEST(test_port_of_the_destination_s_own_options_counts),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("port", tests)
