/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "chan/dialer.h"
#include "unit.h"
#include "util/clock.h"

static struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;

/* A listener whose queue is full: Linux drops what comes then, as a firewall
 * does that swallows SYNs. */
struct pit {
    int fd;
    uint16_t port;
    int fillers[8];
};

static int dial_raw(uint16_t port)
{
    struct xlm__endpoint e;
    size_t nr = 0;
    int fd;

    CU_ASSERT_PTR_NULL_FATAL(xlm__tcp_resolve("127.0.0.1", port, &e, 1, &nr));
    fd = socket(e.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CU_ASSERT_FATAL(fd >= 0);
    if (connect(fd, (struct sockaddr *)&e.sa, e.len))
        CU_ASSERT_EQUAL(errno, EINPROGRESS);
    return fd;
}

static void dig(struct pit *p)
{
    p->fd = xlm__tcp_listen(&err, NULL, 0, 0, &p->port);
    CU_ASSERT_FATAL(p->fd >= 0);
    CU_ASSERT_EQUAL(listen(p->fd, 0), 0);
    for (size_t i = 0; i < sizeof(p->fillers) / sizeof(p->fillers[0]); i++)
        p->fillers[i] = dial_raw(p->port);
}

static void fill_in(struct pit *p)
{
    for (size_t i = 0; i < sizeof(p->fillers) / sizeof(p->fillers[0]); i++)
        close(p->fillers[i]);
    close(p->fd);
}

/* A port at which nobody listens. */
static uint16_t closed_port(void)
{
    uint16_t port;
    int fd = xlm__tcp_listen(&err, NULL, 0, 0, &port);

    CU_ASSERT_FATAL(fd >= 0);
    close(fd);
    return port;
}

static void test_tcp_listen_takes_the_first_free_of_a_range(void)
{
    uint16_t first, second;
    int a, b;

    a = xlm__tcp_listen(&err, NULL, 0, 0, &first);
    CU_ASSERT_FATAL(a >= 0 && first > 0);
    b = xlm__tcp_listen(&err, NULL, first, first < 65000 ? first + 50 : first,
                        &second);
    CU_ASSERT(b >= 0 && second > first);
    close(b);
    close(a);
}

static void test_tcp_listen_full_range_names_it(void)
{
    char text[XLM_MESSAGE_MAX], want[64];
    struct xlm__errslot e = XLM__ERRSLOT_INITIALIZER;
    uint16_t port, other;
    int fd = xlm__tcp_listen(&err, NULL, 0, 0, &port);

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(xlm__tcp_listen(&e, NULL, port, port, &other),
                    XLM_ERR_SYSTEM);
    xlm__errslot_read(&e, text);
    snprintf(want, sizeof(want), "listen on TCP port %u to %u: Address", port,
             port);
    CU_ASSERT(strstr(text, want) == text);
    close(fd);
    xlm__errslot_destroy(&e);
}

static void test_tcp_both_families_reach_a_listener(void)
{
    static const char *const hosts[] = { "127.0.0.1", "::1" };
    struct xlm__dialer *d;
    uint16_t port;
    size_t which;
    int fd = xlm__tcp_listen(&err, NULL, 0, 0, &port), c;

    for (size_t i = 0; i < 2; i++) {
        struct xlm__endpoint e;
        size_t nr = 0;

        CU_ASSERT_PTR_NULL_FATAL(xlm__tcp_resolve(hosts[i], port, &e, 1, &nr));
        CU_ASSERT_STRING_EQUAL(e.text, hosts[i]);
        d = xlm__dialer_new(&e, 1, 3000);
        c = xlm__dialer_next(d, -1, &which);
        /* or it is a kernel without IPv6 */
        CU_ASSERT(c >= 0 ||
                  (i && (strstr(xlm__dialer_why(d), "Cannot assign") ||
                         strstr(xlm__dialer_why(d), "not supported"))));
        if (c >= 0)
            close(c);
        xlm__dialer_free(d);
    }
    close(fd);
}

static void test_tcp_resolve_leaves_out_doubles(void)
{
    struct xlm__endpoint list[4];
    size_t nr = 0;

    CU_ASSERT_PTR_NULL(xlm__tcp_resolve("127.0.0.1", 5, list, 4, &nr));
    CU_ASSERT_PTR_NULL(xlm__tcp_resolve("127.0.0.1", 5, list, 4, &nr));
    CU_ASSERT_EQUAL(nr, 1);
    CU_ASSERT_PTR_NULL(xlm__tcp_resolve("127.0.0.2", 5, list, 4, &nr));
    CU_ASSERT_EQUAL(nr, 2);
    CU_ASSERT_PTR_NOT_NULL(
        xlm__tcp_resolve("no.such.host.invalid", 5, list, 4, &nr));
    CU_ASSERT_EQUAL(nr, 2);
}

static void test_tcp_own_addresses_are_addresses(void)
{
    char own[16][XLM__ADDRESS_BYTES];
    size_t nr = xlm__tcp_own_addresses(own, 16);

    CU_ASSERT(nr <= 16);
    for (size_t i = 0; i < nr; i++) {
        CU_ASSERT(xlm__tcp_is_address(own[i]));
        CU_ASSERT(strncmp(own[i], "127.", 4));
    }
    CU_ASSERT_FALSE(xlm__tcp_is_address("localhost"));
    CU_ASSERT_FALSE(xlm__tcp_is_address("fe80::1%eth0"));
}

static void test_dialer_refused_says_so(void)
{
    struct xlm__endpoint e;
    struct xlm__dialer *d;
    size_t nr = 0, which;

    xlm__tcp_resolve("127.0.0.1", closed_port(), &e, 1, &nr);
    d = xlm__dialer_new(&e, 1, 3000);
    CU_ASSERT_EQUAL(xlm__dialer_next(d, -1, &which), XLM_ERR_CHANNEL);
    CU_ASSERT_STRING_EQUAL(xlm__dialer_why(d), "127.0.0.1: Connection refused");
    xlm__dialer_free(d);
}

static void test_dialer_silence_ends_at_the_limit(void)
{
    uint64_t began = xlm__clock_ns(), ms;
    struct xlm__endpoint e;
    struct xlm__dialer *d;
    size_t nr = 0, which;
    struct pit pit;

    dig(&pit);
    xlm__tcp_resolve("127.0.0.1", pit.port, &e, 1, &nr);
    d = xlm__dialer_new(&e, 1, 400);
    CU_ASSERT_EQUAL(xlm__dialer_next(d, -1, &which), XLM_ERR_CHANNEL);
    ms = (xlm__clock_ns() - began) / XLM__NS_PER_MS;
    CU_ASSERT(ms >= 400 && ms < 5000);
    CU_ASSERT_STRING_EQUAL(xlm__dialer_why(d),
                           "127.0.0.1: no answer within 400 ms");
    xlm__dialer_free(d);
    fill_in(&pit);
}

/* One address swallows, one refuses, one is right: the right one is used. */
static void test_dialer_goes_on_to_the_address_that_answers(void)
{
    struct xlm__endpoint list[3];
    struct xlm__dialer *d;
    size_t nr = 0, which = 9;
    struct pit pit;
    uint16_t port;
    int fd = xlm__tcp_listen(&err, NULL, 0, 0, &port), c;

    dig(&pit);
    xlm__tcp_resolve("127.0.0.1", pit.port, list, 3, &nr);
    xlm__tcp_resolve("127.0.0.1", closed_port(), list, 3, &nr);
    xlm__tcp_resolve("127.0.0.1", port, list, 3, &nr);
    CU_ASSERT_EQUAL_FATAL(nr, 3);
    d = xlm__dialer_new(list, 3, 20000);
    c = xlm__dialer_next(d, -1, &which);
    CU_ASSERT(c >= 0);
    CU_ASSERT_EQUAL(which, 2);
    close(c);
    xlm__dialer_free(d);
    fill_in(&pit);
    close(fd);
}

static void test_dialer_gives_the_next_after_a_wrong_one(void)
{
    struct xlm__endpoint list[2];
    struct xlm__dialer *d;
    size_t nr = 0, which = 9;
    uint16_t port, closed = closed_port();
    int fd = xlm__tcp_listen(&err, NULL, 0, 0, &port), c;

    xlm__tcp_resolve("127.0.0.1", port, list, 2, &nr);
    xlm__tcp_resolve("127.0.0.1", closed, list, 2, &nr);
    d = xlm__dialer_new(list, 2, 3000);
    c = xlm__dialer_next(d, -1, &which);
    CU_ASSERT(c >= 0);
    close(c);
    xlm__dialer_wrong(d, which, "not the one");
    CU_ASSERT_EQUAL(xlm__dialer_next(d, -1, &which), XLM_ERR_CHANNEL);
    CU_ASSERT_STRING_EQUAL(
        xlm__dialer_why(d),
        "127.0.0.1: not the one; 127.0.0.1: Connection refused");
    xlm__dialer_free(d);
    close(fd);
}

static void test_dialer_stop_ends_it(void)
{
    int stop = eventfd(1, EFD_CLOEXEC);
    struct xlm__endpoint e;
    struct xlm__dialer *d;
    size_t nr = 0, which;
    struct pit pit;

    dig(&pit);
    xlm__tcp_resolve("127.0.0.1", pit.port, &e, 1, &nr);
    d = xlm__dialer_new(&e, 1, 60000);
    CU_ASSERT_EQUAL(xlm__dialer_next(d, stop, &which), XLM_ERR_CANCELLED);
    xlm__dialer_free(d);
    fill_in(&pit);
    close(stop);
}

/* Whether something answers there. */
static bool answers(const char *address, uint16_t port)
{
    struct xlm__endpoint e;
    size_t nr = 0;
    bool yes;
    int fd;

    CU_ASSERT_PTR_NULL_FATAL(xlm__tcp_resolve(address, port, &e, 1, &nr));
    fd = socket(e.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(fd >= 0);
    yes = !connect(fd, (struct sockaddr *)&e.sa, e.len);
    close(fd);
    return yes;
}

static void test_tcp_listens_at_one_address_only(void)
{
    char where[XLM__ADDRESS_BYTES];
    uint16_t port;
    int fd = xlm__tcp_listen(&err, "127.0.0.1", 0, 0, &port);

    CU_ASSERT_FATAL(fd >= 0);
    xlm__tcp_local_address(fd, where);
    CU_ASSERT_STRING_EQUAL(where, "127.0.0.1");
    CU_ASSERT(answers("127.0.0.1", port));
    CU_ASSERT_FALSE(answers("127.0.0.2", port));
    close(fd);
}

static void test_tcp_address_that_is_not_here_is_named(void)
{
    struct xlm__errslot e = XLM__ERRSLOT_INITIALIZER;
    char what[XLM_MESSAGE_MAX];
    uint16_t port;

    CU_ASSERT_EQUAL(xlm__tcp_listen(&e, "192.0.2.1", 0, 0, &port),
                    XLM_ERR_SYSTEM);
    xlm__errslot_read(&e, what);
    CU_ASSERT_PTR_NOT_NULL(strstr(what, "at 192.0.2.1: "));
    xlm__errslot_destroy(&e);
}

static void test_tcp_fault_tells_silence_from_an_end(void)
{
    const uint64_t limit = xlm__deadline_ns(30000);
    struct pollfd p = { .events = 0 };
    int reason = 0, fds[2];
    struct pit pit;

    dig(&pit);
    p.fd = dial_raw(pit.port);
    CU_ASSERT_EQUAL(xlm__tcp_fault(p.fd), 0);
    xlm__tcp_dead_after(p.fd, 500);
    while (!(reason = xlm__tcp_fault(p.fd)) && xlm__deadline_left_ms(limit))
        (void)poll(NULL, 0, 50);
    CU_ASSERT_EQUAL(reason, ETIMEDOUT);
    CU_ASSERT_TRUE(xlm__tcp_is_lost(reason));
    CU_ASSERT_EQUAL(xlm__tcp_fault(p.fd), 0); /* said once */
    close(p.fd);
    fill_in(&pit);

    p.fd = dial_raw(closed_port());
    CU_ASSERT_EQUAL(poll(&p, 1, 10000), 1);
    CU_ASSERT_TRUE(p.revents & POLLERR);
    reason = xlm__tcp_fault(p.fd);
    CU_ASSERT_EQUAL(reason, ECONNREFUSED);
    CU_ASSERT_FALSE(xlm__tcp_is_lost(reason));
    close(p.fd);

    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    close(fds[0]);
    CU_ASSERT_EQUAL(xlm__tcp_fault(fds[1]), 0); /* as of --data ssh */
    close(fds[1]);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_tcp_listen_takes_the_first_free_of_a_range),
    UNIT_TEST(test_tcp_listen_full_range_names_it),
    UNIT_TEST(test_tcp_both_families_reach_a_listener),
    UNIT_TEST(test_tcp_resolve_leaves_out_doubles),
    UNIT_TEST(test_tcp_own_addresses_are_addresses),
    UNIT_TEST(test_dialer_refused_says_so),
    UNIT_TEST(test_dialer_silence_ends_at_the_limit),
    UNIT_TEST(test_dialer_goes_on_to_the_address_that_answers),
    UNIT_TEST(test_dialer_gives_the_next_after_a_wrong_one),
    UNIT_TEST(test_dialer_stop_ends_it),
    UNIT_TEST(test_tcp_listens_at_one_address_only),
    UNIT_TEST(test_tcp_address_that_is_not_here_is_named),
    UNIT_TEST(test_tcp_fault_tells_silence_from_an_end),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("tcp", tests)
