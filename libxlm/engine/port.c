/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "port"
#include "engine/port.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "chan/tcp.h"
#include "util/clock.h"

void xlm__port_init(struct xlm__port *p)
{
    memset(p, 0, sizeof(*p));
    p->listen_fd = -1;
    for (size_t i = 0; i < XLM__GUESTS_MAX; i++)
        p->guests[i].fd = -1;
}

int xlm__port_open(struct xlm__errslot *err, const struct xlm__build *b,
                   const struct xlm_options *opt, bool hands_over,
                   struct xlm__port *p)
{
    const bool ours = opt->port_low;

    xlm__port_init(p);
    p->tls = b->port == XLM__PORT_TLS;
    p->hands_over = hands_over;
    memcpy(p->key, b->key, sizeof(p->key));
    p->listen_fd = xlm__tcp_listen(
        err, opt->data_address, ours ? opt->port_low : b->port_low,
        ours ? opt->port_high : b->port_high, &p->number);
    return p->listen_fd < 0 ? p->listen_fd : 0;
}

static void forget(struct xlm__guest *g)
{
    memset(g, 0, sizeof(*g));
    g->fd = -1;
}

static void send_away(struct xlm__guest *g)
{
    if (g->fd < 0)
        return;
    xlm__tls_free(g->tls);
    close(g->fd);
    forget(g);
}

void xlm__port_close(struct xlm__errslot *err, struct xlm__port *p)
{
    if (p->listen_fd < 0)
        return;
    for (size_t i = 0; i < XLM__GUESTS_MAX; i++)
        send_away(&p->guests[i]);
    close(p->listen_fd);
    p->listen_fd = -1;
    explicit_bzero(p->key, sizeof(p->key));
    if (p->nr_strangers)
        XLM_LOG(err, WARN,
                "port %u: %u connections that were not ours were turned away",
                p->number, p->nr_strangers);
}

void xlm__port_turned_away(struct xlm__errslot *err, struct xlm__port *p,
                           const char *why)
{
    p->nr_strangers++;
    XLM_LOG(err, DEBUG, "port %u: turned away: %s", p->number, why);
}

/* ---- waiting ---- */

static short wants(const struct xlm__guest *g)
{
    return g->tls && !g->shaken ? xlm__tls_events(g->tls) : POLLIN;
}

void xlm__port_watch(const struct xlm__port *p, struct pollfd *fds_out)
{
    fds_out[0] = (struct pollfd){ .fd = p->listen_fd, .events = POLLIN };
    for (size_t i = 0; i < XLM__GUESTS_MAX; i++)
        fds_out[1 + i] = (struct pollfd){ .fd = p->guests[i].fd,
                                          .events = wants(&p->guests[i]) };
}

int xlm__port_wait_ms(const struct xlm__port *p, int most_ms)
{
    for (size_t i = 0; i < XLM__GUESTS_MAX; i++) {
        int left = p->guests[i].fd < 0
                       ? most_ms
                       : xlm__deadline_left_ms(p->guests[i].until_ns);

        most_ms = left < most_ms ? left : most_ms;
    }
    return most_ms;
}

/* ---- guests ---- */

static struct xlm__guest *free_place(struct xlm__errslot *err,
                                     struct xlm__port *p)
{
    struct xlm__guest *oldest = &p->guests[0];

    for (size_t i = 0; i < XLM__GUESTS_MAX; i++) {
        if (p->guests[i].fd < 0)
            return &p->guests[i];
        if (p->guests[i].since_ns < oldest->since_ns)
            oldest = &p->guests[i];
    }
    xlm__port_turned_away(err, p, "the oldest of too many");
    send_away(oldest);
    return oldest;
}

static void welcome(struct xlm__errslot *err, struct xlm__port *p, int fd)
{
    struct xlm__guest *g = free_place(err, p);

    g->fd = fd;
    g->since_ns = xlm__clock_ns();
    g->until_ns = xlm__deadline_ns(XLM__GUEST_LIMIT_MS);
    g->shaken = !p->tls;
    xlm__tcp_tune(fd);
    if (!p->tls)
        return;
    g->tls = xlm__tls_new(fd, XLM_DESTINATION, p->key, p->hands_over);
    if (!g->tls)
        send_away(g);
}

/* As many as wait, but not for ever. */
static void let_guests_in(struct xlm__errslot *err, struct xlm__port *p)
{
    for (unsigned i = 0; i < XLM__GUESTS_MAX; i++) {
        int fd = accept4(p->listen_fd, NULL, NULL,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
            return;
        welcome(err, p, fd);
    }
}

static ssize_t read_more(struct xlm__guest *g)
{
    struct iovec iov = { g->greeting + g->got, sizeof(g->greeting) - g->got };

    if (g->tls)
        return xlm__tls_readv(g->tls, &iov, 1);
    return recv(g->fd, iov.iov_base, iov.iov_len, 0);
}

/* As far as it goes, does it begin as a greeting does? */
static bool begins_well(const struct xlm__guest *g)
{
    size_t n = g->got < XLM__MAGIC_BYTES ? g->got : XLM__MAGIC_BYTES;

    return !memcmp(g->greeting, XLM__MAGIC, n);
}

/* 1: the greeting is complete, 0: not yet, -1: a stranger; *why. */
static int listen_to(struct xlm__guest *g, const char **why)
{
    ssize_t n;

    if (!g->shaken) {
        int r = xlm__tls_handshake(g->tls);

        if (r < 0)
            *why = xlm__tls_why(g->tls);
        if (r <= 0)
            return r;
        g->shaken = true;
    }
    while (g->got < sizeof(g->greeting)) {
        n = read_more(g);
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n <= 0) {
            *why = "it closed before its greeting was complete";
            return -1;
        }
        g->got += (size_t)n;
        if (!begins_well(g)) {
            *why = "what it said is no greeting";
            return -1;
        }
    }
    return 1;
}

/* A source tries several of our addresses at once, and leaves those that it
 * does not need. */
static bool left_in_silence(struct xlm__guest *g)
{
    char c;
    ssize_t n;

    if (g->spoke)
        return false;
    n = recv(g->fd, &c, 1, MSG_PEEK);
    g->spoke = n > 0;
    return !n;
}

static int serve_guest(struct xlm__errslot *err, struct xlm__port *p,
                       struct xlm__guest *g, struct xlm__arrival *out)
{
    const char *why = "";
    int r;

    if (left_in_silence(g)) {
        send_away(g);
        return 0;
    }
    r = listen_to(g, &why);
    if (r < 0) {
        xlm__port_turned_away(err, p, why);
        send_away(g);
        return 0;
    }
    if (!r)
        return 0;
    *out = (struct xlm__arrival){
        .rfd = g->fd, .wfd = g->fd, .conn_fd = -1, .tls = g->tls
    };
    memcpy(out->greeting, g->greeting, sizeof(out->greeting));
    forget(g);
    return 1;
}

static void send_away_the_late(struct xlm__errslot *err, struct xlm__port *p)
{
    const uint64_t now = xlm__clock_ns();

    for (size_t i = 0; i < XLM__GUESTS_MAX; i++) {
        struct xlm__guest *g = &p->guests[i];

        if (g->fd < 0 || !xlm__deadline_over(g->until_ns, now))
            continue;
        xlm__port_turned_away(err, p, "it said nothing, or too slowly");
        send_away(g);
    }
}

int xlm__port_serve(struct xlm__errslot *err, struct xlm__port *p,
                    struct pollfd *fds, struct xlm__arrival *out)
{
    for (size_t i = 0; i < XLM__GUESTS_MAX; i++) {
        const bool due = fds[1 + i].revents && p->guests[i].fd == fds[1 + i].fd;

        fds[1 + i].revents = 0;
        if (due && serve_guest(err, p, &p->guests[i], out))
            return 1;
    }
    send_away_the_late(err, p);
    if (fds[0].revents)
        let_guests_in(err, p);
    fds[0].revents = 0;
    return 0;
}
