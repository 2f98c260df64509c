/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stands between the source and the destination's port, and breaks the
 * connections that it passes on. */
#include "config.h"

#include "scenario.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chan/tcp.h"
#include "stream/format.h"
#include "unit.h"
#include "util/byteorder.h"

#define CONNECTIONS_MAX 64u
#define KEEP_MAX        (64u << 20) /* more than all of memory */

/* The destination listens at the same number: not one that the kernel gives to
 * whoever connects. */
#define PORT_LOW 20000u
#define NR_PORTS 12000u

struct connection {
    int src, dst; /* -1: closed */
    uint64_t limit;
    uint8_t *kept;
    size_t passed;
};

struct breaker {
    const struct scenario *sc;
    struct xlm__endpoint to;
    int listen_fd, end[2];
    pthread_t thread;
    unsigned nr;
    struct connection all[CONNECTIONS_MAX];
};

static void close_one(int *fd, bool reset)
{
    const struct linger now = { .l_onoff = 1 };

    if (*fd < 0)
        return;
    if (reset)
        setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(*fd);
    *fd = -1;
}

static void welcome(struct breaker *b)
{
    struct connection *c = &b->all[b->nr];

    c->src = accept4(b->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (c->src < 0)
        return;
    c->dst = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(c->dst, (struct sockaddr *)&b->to.sa, b->to.len)) {
        close_one(&c->src, true);
        close_one(&c->dst, true);
        return;
    }
    c->limit = b->nr < BREAKS_MAX ? b->sc->breaks[b->nr] : 0;
    /* Not malloc(): of that, tests let some fail. */
    if (posix_memalign((void **)&c->kept, 16, KEEP_MAX))
        abort();
    if (++b->nr == b->sc->break_refuse || b->nr == CONNECTIONS_MAX)
        close_one(&b->listen_fd, false);
}

static void break_it(struct breaker *b, struct connection *c)
{
    const enum break_how how = b->sc->break_how;

    close_one(&c->src, true);
    if (how == BREAK_RESET)
        close_one(&c->dst, true);
    else if (how == BREAK_END)
        shutdown(c->dst, SHUT_WR);
}

static void pass_on(struct breaker *b, struct connection *c)
{
    size_t room = KEEP_MAX - c->passed;
    ssize_t n;

    if (c->limit && c->limit - c->passed < room)
        room = c->limit - c->passed;
    n = read(c->src, c->kept + c->passed, room);
    if (n > 0 && send(c->dst, c->kept + c->passed, (size_t)n, MSG_NOSIGNAL) !=
                     n) /* it blocks */
        n = 0;
    if (n <= 0) {
        close_one(&c->src, false);
        close_one(&c->dst, false);
        return;
    }
    c->passed += (size_t)n;
    if (c->passed == c->limit)
        break_it(b, c);
}

static void pass_back(struct connection *c)
{
    char some[4096];
    ssize_t n = read(c->dst, some, sizeof(some));

    if (n > 0 && (c->src < 0 || send(c->src, some, (size_t)n, MSG_NOSIGNAL)))
        return;
    close_one(&c->src, false);
    close_one(&c->dst, false);
}

static void *serve(void *arg)
{
    struct breaker *b = arg;
    struct pollfd p[2 + 2 * CONNECTIONS_MAX];

    for (;;) {
        const unsigned nr = b->nr;

        p[0] = (struct pollfd){ b->end[0], POLLIN, 0 };
        p[1] = (struct pollfd){ b->listen_fd, POLLIN, 0 };
        for (unsigned i = 0; i < nr; i++) {
            p[2 + 2 * i] = (struct pollfd){ b->all[i].src, POLLIN, 0 };
            p[3 + 2 * i] = (struct pollfd){ b->all[i].dst, POLLIN, 0 };
        }
        if (poll(p, 2 + 2 * nr, -1) < 0)
            continue;
        if (p[0].revents)
            return NULL;
        for (unsigned i = 0; i < nr; i++) {
            if (p[3 + 2 * i].revents)
                pass_back(&b->all[i]);
            if (p[2 + 2 * i].revents && b->all[i].src >= 0)
                pass_on(b, &b->all[i]);
        }
        if (p[1].revents)
            welcome(b);
    }
}

static char addresses[2][INET_ADDRSTRLEN];

/* Tests run side by side, so each process has its own. */
static void make_addresses(void)
{
    const unsigned pid = (unsigned)getpid();

    for (unsigned i = 0; i < 2; i++)
        snprintf(addresses[i], sizeof(addresses[i]), "127.%u.%u.%u",
                 64 * (i + 1) + (pid >> 16 & 63), pid >> 8 & 255, pid & 255);
}

const char *breaker_address(enum xlm_role role)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_addresses);
    return addresses[role == XLM_DESTINATION];
}

struct breaker *breaker_start(const struct scenario *sc, uint16_t *port_out)
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    struct breaker *b = calloc(1, sizeof(*b));
    size_t nr = 0;

    if (!b)
        abort();
    b->sc = sc;
    b->listen_fd = xlm__tcp_listen(
        &err, breaker_address(XLM_SOURCE), (uint16_t)PORT_LOW,
        (uint16_t)(PORT_LOW + NR_PORTS - 1), port_out);
    if (b->listen_fd < 0 || pipe(b->end) ||
        xlm__tcp_resolve(breaker_address(XLM_DESTINATION), *port_out, &b->to, 1,
                         &nr) ||
        pthread_create(&b->thread, NULL, serve, b))
        abort();
    return b;
}

/* ---- what arrived whole ---- */

static unsigned count_pages(struct run *r, uint32_t *last, const uint8_t *body,
                            bool zeros)
{
    const uint32_t round = xlm__get_le32(body), nr = xlm__get_le32(body + 4);
    unsigned twice = 0;

    for (uint32_t i = 0; i < nr; i++) {
        const uint8_t *at = body + 8 + (zeros ? 16 : 8) * (size_t)i;
        uint64_t pfn = xlm__get_le64(at) & XLM__ENTRY_PFN_MASK;
        uint64_t end = pfn + (zeros ? xlm__get_le64(at + 8) : 1);

        SCENARIO_CHECK(r, end <= r->src.hv->nr_pfns);
        for (; pfn < end && pfn < r->src.hv->nr_pfns; pfn++) {
            twice += last[pfn] == round;
            last[pfn] = round;
        }
    }
    return twice;
}

static void count_connection(struct run *r, uint32_t *last,
                             const struct connection *c)
{
    size_t at = XLM__GREETING_BYTES;

    while (at + XLM__HEADER_BYTES <= c->passed) {
        const uint32_t type = xlm__get_le32(c->kept + at);
        const size_t length = xlm__get_le32(c->kept + at + 4);

        at += XLM__HEADER_BYTES;
        if (c->passed - at < length)
            return;
        if (type == XLM__REC_PAGES || type == XLM__REC_ZEROS)
            r->twice += count_pages(r, last, c->kept + at,
                                    type == XLM__REC_ZEROS);
        at += (length + 7) / 8 * 8;
    }
}

void breaker_end(struct breaker *b, struct run *r)
{
    const size_t bytes = r->src.hv->nr_pfns * sizeof(uint32_t);
    uint32_t *last;

    if (!b)
        return;
    if (posix_memalign((void **)&last, 16, bytes) ||
        write(b->end[1], "", 1) != 1)
        abort();
    memset(last, 0, bytes);
    pthread_join(b->thread, NULL);
    for (unsigned i = 0; i < b->nr; i++) {
        if (r->sc->opt.data == XLM_DATA_PLAIN)
            count_connection(r, last, &b->all[i]);
        close_one(&b->all[i].src, false);
        close_one(&b->all[i].dst, false);
        free(b->all[i].kept);
    }
    r->nr_connections = b->nr;
    close_one(&b->listen_fd, false);
    close(b->end[0]);
    close(b->end[1]);
    free(last);
    free(b);
}
