/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "source"
#include "engine/source.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "chan/dialer.h"
#include "util/clock.h"

/* Over TCP; by the way of the control channel a person may have to type a
 * password. */
#define TCP_LIMIT_MS       3000u
#define HANDSHAKE_LIMIT_MS 5000u
#define GREETING_LIMIT_MS  120000u

/* Some for the name, the rest as the destination has told. */
#define ENDPOINTS_MAX (8u + XLM__ADDRESSES_MAX)

/* A way to the destination's port. */
struct way {
    struct xlm__source *m;
    const struct xlm__built *built;
    const uint8_t *key; /* NULL: no TLS */
    struct xlm__endpoint list[ENDPOINTS_MAX];
    size_t nr;
    char why[XLM__TEXT_MAX + 1]; /* it cannot be used */
};

unsigned xlm__source_channels(const struct xlm__source *m)
{
    if (m->s->opt.data != XLM_DATA_GIVEN)
        return m->s->opt.data_channels;
    return m->s->nr_links > 1 ? m->s->nr_links - 1 : 1;
}

int xlm__source_ask_port(struct xlm__source *m, struct xlm__build *b)
{
    const struct xlm_options *opt = &m->s->opt;

    if (opt->data == XLM_DATA_GIVEN)
        return m->s->nr_links > 1 ? 0
                                  : XLM_FAIL(&m->s->err, XLM_ERR_STATE,
                                             "session has no data channel");
    if (m->s->nr_links > 1)
        return XLM_FAIL(&m->s->err, XLM_ERR_STATE,
                        "session was given %u data channels, and is to open "
                        "its own",
                        m->s->nr_links - 1);
    b->port = opt->data == XLM_DATA_TLS ? XLM__PORT_TLS : XLM__PORT_PLAIN;
    b->port_low = opt->port_low;
    b->port_high = opt->port_high;
    if (b->port == XLM__PORT_TLS &&
        getrandom(b->key, sizeof(b->key), 0) != (ssize_t)sizeof(b->key))
        return XLM_FAIL_ERRNO(&m->s->err, XLM_ERR_SYSTEM, "key for TLS");
    return 0;
}

/* ---- one channel ---- */

/* Its errors stay with the link. */
static int greet(struct xlm__source *m, struct xlm__link *l, unsigned number,
                 uint32_t limit_ms)
{
    struct xlm_session *s = m->s;
    struct xlm__agreement agreed = { 0 };
    struct xlm__greeting g;
    int rc;

    xlm__greeting_init(&g, XLM__KIND_DATA, XLM_SOURCE, (uint16_t)(number - 1));
    memcpy(g.session, s->greeting.session, sizeof(g.session));
    memcpy(g.token, s->greeting.token, sizeof(g.token));
    l->chan.read_deadline_ns = xlm__deadline_ns(limit_ms);
    rc = xlm__greeting_exchange(&l->chan, &g, NULL, &agreed);
    l->chan.read_deadline_ns = 0;
    l->features = agreed.features;
    if (!rc)
        rc = xlm__stream_init_data(&l->stream, &l->chan, XLM_SOURCE);
    if (!rc)
        xlm__stream_limits(&l->stream, m->dom->nr_pfns, !m->info.hvm);
    return rc;
}

/* ---- over TCP ---- */

/* Where to try, the best first. */
static void find_way(struct way *w)
{
    const struct xlm_options *opt = &w->m->s->opt;
    const char *name = opt->data_address ? opt->data_address : opt->data_host;
    const char *wrong = NULL;

    if (name)
        wrong = xlm__tcp_resolve(name, w->built->port, w->list,
                                 ENDPOINTS_MAX - XLM__ADDRESSES_MAX, &w->nr);
    if (!opt->data_address)
        for (unsigned i = 0; i < w->built->nr_addresses; i++)
            xlm__tcp_resolve(w->built->addresses[i], w->built->port, w->list,
                             ENDPOINTS_MAX, &w->nr);
    if (w->nr)
        return;
    snprintf(w->why, sizeof(w->why), "%s%s%s", name ? name : "no address known",
             wrong ? ": " : "", wrong ? wrong : "");
}

static int shake_hands(struct xlm__source *m, struct xlm__tls *t, int fd)
{
    uint64_t deadline = xlm__deadline_ns(HANDSHAKE_LIMIT_MS);
    int r;

    while (!(r = xlm__tls_handshake(t))) {
        struct pollfd p[2] = { { fd, xlm__tls_events(t), 0 },
                               { m->s->stop_fd, POLLIN, 0 } };

        if (!xlm__deadline_left_ms(deadline))
            return XLM_ERR_TIMEOUT;
        if (poll(p, 2, xlm__deadline_left_ms(deadline)) > 0 && p[1].revents)
            return XLM_ERR_CANCELLED;
    }
    return r < 0 ? XLM_ERR_CHANNEL : 0;
}

/* A connection stands: is the destination behind it?  Takes fd; why: of
 * XLM_MESSAGE_MAX bytes. */
static int use(struct way *w, unsigned number, int fd, char *why)
{
    struct xlm_session *s = w->m->s;
    struct xlm__link *l = &s->links[number];
    int rc = 0;

    xlm__tcp_tune(fd);
    xlm__link_init(l, s, fd, fd, -1);
    if (w->key) {
        l->tls = xlm__tls_new(fd, XLM_SOURCE, w->key);
        rc = l->tls ? shake_hands(w->m, l->tls, fd) : XLM_ERR_NOMEM;
        snprintf(why, XLM_MESSAGE_MAX, "TLS: %s",
                 rc == XLM_ERR_CHANNEL ? xlm__tls_why(l->tls)
                                       : xlm_strerror(rc));
    }
    if (!rc) {
        rc = xlm__link_open(l, s, number);
        if (!rc)
            rc = greet(w->m, l, number, HANDSHAKE_LIMIT_MS);
        xlm__errslot_read(&l->err, why);
    }
    if (rc)
        xlm__link_close(l);
    return rc;
}

/* 0, or CHANNEL: not over TCP, for the reason in w->why; or a failure. */
static int dial(struct way *w, unsigned number)
{
    struct xlm__dialer *d = xlm__dialer_new(w->list, w->nr, TCP_LIMIT_MS);
    char why[XLM_MESSAGE_MAX];
    size_t which;
    int fd, rc;

    if (!d)
        return XLM_FAIL(&w->m->s->err, XLM_ERR_NOMEM, "connection");
    for (;;) {
        fd = xlm__dialer_next(d, w->m->s->stop_fd, &which);
        rc = fd < 0 ? fd : use(w, number, fd, why);
        if (fd < 0 || !rc || rc == XLM_ERR_CANCELLED)
            break;
        xlm__dialer_wrong(d, which, why);
    }
    snprintf(w->why, sizeof(w->why), "%s", xlm__dialer_why(d));
    xlm__dialer_free(d);
    if (!rc && w->nr > 1) { /* the others take the same way */
        w->list[0] = w->list[which];
        w->nr = 1;
    }
    return rc == XLM_ERR_SYSTEM ? XLM_ERR_CHANNEL : rc;
}

/* As many as can be reached over TCP. */
static int connect_tcp(struct way *w)
{
    struct xlm_session *s = w->m->s;
    int rc = 0;

    if (!w->built->port)
        snprintf(w->why, sizeof(w->why), "%s", w->built->why);
    else
        find_way(w);
    while (w->nr && !rc && s->nr_links <= s->opt.data_channels) {
        rc = dial(w, s->nr_links);
        if (!rc)
            s->nr_links++;
    }
    return rc == XLM_ERR_CHANNEL ? 0 : rc;
}

/* ---- by the way of the control channel ---- */

static int ask_caller(struct way *w)
{
    struct xlm_session *s = w->m->s;
    char port[32] = "a port there";

    if (w->built->port)
        snprintf(port, sizeof(port), "TCP port %u", w->built->port);
    if (!s->opt.open_channel)
        return XLM_FAIL(&s->err, XLM_ERR_CHANNEL,
                        "%s of %s cannot be reached: %s", port,
                        xlm__source_peer(w->m), w->why);
    XLM_LOG(&s->err, WARN,
            "memory goes the way of the control channel: %s of %s cannot be "
            "reached: %s",
            port, xlm__source_peer(w->m), w->why);
    s->opt.data = XLM_DATA_GIVEN;
    while (s->nr_links <= s->opt.data_channels) {
        int rfd, wfd, error;

        error = s->opt.open_channel(s->opt.user, &rfd, &wfd);
        if (error)
            return XLM_FAIL(&s->err, XLM_ERR_SYSTEM, "data channel %u: %s",
                            s->nr_links - 1, strerror(error));
        xlm__link_init(&s->links[s->nr_links++], s, rfd, wfd, -1);
    }
    return 0;
}

static int greet_given(struct xlm__source *m, unsigned number)
{
    struct xlm__link *l = &m->s->links[number];
    int rc;

    rc = xlm__link_open(l, m->s, number);
    if (rc)
        return rc;
    rc = greet(m, l, number, GREETING_LIMIT_MS);
    return rc ? xlm__source_blame(m, l, rc) : 0;
}

int xlm__source_connect(struct xlm__source *m, const struct xlm__built *built,
                        const uint8_t key[XLM__KEY_BYTES])
{
    struct xlm_session *s = m->s;
    struct way w = { .m = m,
                     .built = built,
                     .key = s->opt.data == XLM_DATA_TLS ? key : NULL };
    unsigned over_tcp;
    int rc = 0;

    if (s->opt.data != XLM_DATA_GIVEN)
        rc = connect_tcp(&w);
    over_tcp = w.nr ? s->nr_links - 1 : 0;
    if (over_tcp)
        XLM_LOG(&s->err, INFO, "%u data channels over TCP%s to %s port %u",
                over_tcp, w.key ? " with TLS 1.3" : "", w.list[0].text,
                built->port);
    if (!rc && s->opt.data != XLM_DATA_GIVEN && over_tcp < s->opt.data_channels)
        rc = ask_caller(&w);
    for (unsigned i = 1 + over_tcp; i < s->nr_links && !rc; i++)
        rc = greet_given(m, i);
    XLM__STATS(s, {
        st->channels = s->nr_links - 1;
        st->data = s->opt.data;
    });
    return rc;
}
