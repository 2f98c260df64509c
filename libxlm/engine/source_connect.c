/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "source"
#include "engine/source.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "chan/dialer.h"
#include "util/clock.h"

/* Over TCP; by the way of the control channel a person may have to type a
 * password. */
#define TCP_LIMIT_MS 3000u
/* Of a login, to be followed by another. */
#define LOGIN_LIMIT_MS     15000u
#define HANDSHAKE_LIMIT_MS 5000u
#define GREETING_LIMIT_MS  120000u

/* Some for the name, the rest as the destination has told. */
#define ENDPOINTS_MAX (8u + XLM__ADDRESSES_MAX)

/* A way to the destination's port; kept for channels that have to be dialled
 * again. */
struct xlm__way {
    struct xlm__source *m;
    unsigned over_tcp; /* so many data channels; the others are the caller's */
    uint16_t port;     /* 0: none */
    bool tls;
    bool hands_over; /* records of TLS to the kernel */
    uint8_t key[XLM__KEY_BYTES];
    struct xlm__endpoint list[ENDPOINTS_MAX];
    size_t nr;
    char why[XLM__TEXT_MAX + 1]; /* it cannot be used */
};

/* One attempt to have one channel. */
struct call {
    struct xlm__way *w;
    struct xlm__link *l;
    unsigned number;  /* of the link */
    bool given;       /* it is the caller's */
    uint32_t attempt; /* 0: it is new */
    uint32_t taken;   /* of the answer */
    uint64_t deadline_ns;
};

/* Milliseconds for a step of it. */
static uint32_t at_most(const struct call *c, uint32_t ms)
{
    const int left = c->deadline_ns ? xlm__deadline_left_ms(c->deadline_ns)
                                    : (int)ms;

    return left < 1 ? 1 : left < (int)ms ? (uint32_t)left : ms;
}

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

/* May another connection take its place? */
static bool offers_return(const struct xlm__source *m, const struct call *c)
{
    return m->resume_ms && (!c->given || m->s->opt.reopen_data);
}

/* Its errors stay with the link. */
static int greet(struct xlm__source *m, struct call *c, uint32_t limit_ms)
{
    struct xlm_session *s = m->s;
    struct xlm__link *l = c->l;
    struct xlm__agreement agreed = { 0 };
    struct xlm__greeting g, theirs = { 0 };
    int rc;

    xlm__greeting_init(&g, XLM__KIND_DATA, XLM_SOURCE,
                       (uint16_t)(c->number - 1));
    memcpy(g.session, s->greeting.session, sizeof(g.session));
    memcpy(g.token, s->greeting.token, sizeof(g.token));
    if (offers_return(m, c))
        g.offered |= XLM__FEATURE_RESUME;
    g.attempt = c->attempt;
    l->chan.read_deadline_ns = xlm__deadline_ns(limit_ms);
    rc = xlm__greeting_exchange(&l->chan, &g, &theirs, &agreed);
    l->chan.read_deadline_ns = 0;
    l->features = agreed.features;
    l->may_return = agreed.features & XLM__FEATURE_RESUME;
    c->taken = theirs.taken;
    return rc;
}

static int greet_new(struct xlm__source *m, struct call *c, uint32_t limit_ms)
{
    struct xlm__link *l = c->l;
    int rc = greet(m, c, limit_ms);

    if (!rc)
        rc = xlm__stream_init_data(&l->stream, &l->chan, XLM_SOURCE);
    if (!rc)
        xlm__stream_limits(&l->stream, m->dom->nr_pfns, !m->info.hvm);
    return rc;
}

/* ---- over TCP ---- */

/* Where to try, the best first. */
static void find_way(struct xlm__way *w, const struct xlm__built *built)
{
    const struct xlm_options *opt = &w->m->s->opt;
    const char *name = opt->data_address ? opt->data_address : opt->data_host;
    const char *wrong = NULL;

    if (name)
        wrong = xlm__tcp_resolve(name, built->port, w->list,
                                 ENDPOINTS_MAX - XLM__ADDRESSES_MAX, &w->nr);
    if (!opt->data_address)
        for (unsigned i = 0; i < built->nr_addresses; i++)
            xlm__tcp_resolve(built->addresses[i], built->port, w->list,
                             ENDPOINTS_MAX, &w->nr);
    if (w->nr)
        return;
    snprintf(w->why, sizeof(w->why), "%s%s%s", name ? name : "no address known",
             wrong ? ": " : "", wrong ? wrong : "");
}

static int shake_hands(struct xlm__source *m, struct xlm__tls *t, int fd,
                       uint32_t limit_ms)
{
    uint64_t deadline = xlm__deadline_ns(limit_ms);
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
static int use(struct call *c, int fd, char *why)
{
    struct xlm__way *w = c->w;
    struct xlm_session *s = w->m->s;
    struct xlm__link *l = c->l;
    const uint32_t limit_ms = at_most(c, HANDSHAKE_LIMIT_MS);
    int rc = 0;

    xlm__tcp_tune(fd);
    xlm__link_init(l, s, fd, fd, -1);
    if (w->m->resume_ms) /* what goes wrong with it is told by who uses it */
        xlm__link_forget(l);
    if (w->tls) {
        l->tls = xlm__tls_new(fd, XLM_SOURCE, w->key, w->hands_over);
        rc = l->tls ? shake_hands(w->m, l->tls, fd, limit_ms) : XLM_ERR_NOMEM;
        snprintf(why, XLM_MESSAGE_MAX, "TLS: %s",
                 rc == XLM_ERR_CHANNEL ? xlm__tls_why(l->tls)
                                       : xlm_strerror(rc));
    }
    if (!rc) {
        rc = xlm__link_try(l, s, c->number);
        if (!rc)
            rc = c->attempt ? greet(w->m, c, limit_ms)
                            : greet_new(w->m, c, limit_ms);
        xlm__errslot_read(&l->err, why);
    }
    if (!rc && l->may_return)
        xlm__tcp_dead_after(fd, XLM__TCP_SOON_MS);
    if (rc)
        xlm__link_close(l);
    return rc;
}

/* 0, or CHANNEL: not over TCP, for the reason in w->why; or a failure. */
static int dial(struct call *c)
{
    struct xlm__way *w = c->w;
    struct xlm__dialer *d = xlm__dialer_new(w->list, w->nr,
                                            at_most(c, TCP_LIMIT_MS));
    char why[XLM_MESSAGE_MAX];
    size_t which;
    int fd, rc;

    if (!d)
        return XLM_FAIL(&w->m->s->err, XLM_ERR_NOMEM, "connection");
    for (;;) {
        fd = xlm__dialer_next(d, w->m->s->stop_fd, &which);
        rc = fd < 0 ? fd : use(c, fd, why);
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

/* The caller has another way for it; as dial(). */
static int ask_for_another(struct call *c)
{
    struct xlm_session *s = c->w->m->s;
    int rfd, wfd, error, rc;

    error = s->opt.reopen_data(s->opt.user, c->number - 1 - c->w->over_tcp,
                               &rfd, &wfd);
    if (error) {
        snprintf(c->w->why, sizeof(c->w->why), "%s", strerror(error));
        return XLM_ERR_CHANNEL;
    }
    xlm__link_init(c->l, s, rfd, wfd, -1);
    xlm__link_forget(c->l);
    rc = xlm__link_try(c->l, s, c->number);
    if (!rc)
        rc = greet(c->w->m, c, at_most(c, LOGIN_LIMIT_MS));
    if (!rc)
        return 0;
    xlm__errslot_read(&c->l->err, c->w->why);
    xlm__link_close(c->l);
    return rc == XLM_ERR_CANCELLED ? rc : XLM_ERR_CHANNEL;
}

/* On the thread of that channel: several may be at it. */
int xlm__source_dial_again(void *user, struct xlm__redial *r)
{
    struct xlm__source *m = user;
    struct xlm__way w = *m->way;
    struct call c = { .w = &w,
                      .l = r->fresh,
                      .number = r->number,
                      .given = r->number > w.over_tcp,
                      .attempt = r->attempt,
                      .deadline_ns = r->deadline_ns };
    int rc = c.given ? ask_for_another(&c) : dial(&c);

    r->taken = c.taken;
    memcpy(r->why, w.why, sizeof(r->why));
    explicit_bzero(w.key, sizeof(w.key));
    return rc;
}

/* As many as can be reached over TCP. */
static int connect_tcp(struct xlm__way *w, const struct xlm__built *built)
{
    struct xlm_session *s = w->m->s;
    int rc = 0;

    if (!built->port)
        snprintf(w->why, sizeof(w->why), "%s", built->why);
    else
        find_way(w, built);
    while (w->nr && !rc && s->nr_links <= s->opt.data_channels) {
        struct call c = { .w = w,
                          .l = &s->links[s->nr_links],
                          .number = s->nr_links };

        rc = dial(&c);
        if (!rc)
            s->nr_links++;
    }
    return rc == XLM_ERR_CHANNEL ? 0 : rc;
}

/* ---- by the way of the control channel ---- */

static int ask_caller(struct xlm__way *w)
{
    struct xlm_session *s = w->m->s;
    char port[32] = "a port there";

    if (w->port)
        snprintf(port, sizeof(port), "TCP port %u", w->port);
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
    struct call c = {
        .w = m->way, .l = &m->s->links[number], .number = number, .given = true
    };
    int rc;

    if (offers_return(m, &c))
        xlm__link_forget(c.l); /* what goes wrong may be of no account */
    rc = xlm__link_open(c.l, m->s, number);
    if (rc)
        return rc;
    rc = greet_new(m, &c, GREETING_LIMIT_MS);
    if (rc)
        return xlm__source_blame(m, c.l, rc);
    return c.l->may_return ? xlm__link_may_leave(c.l, m->s) : 0;
}

static struct xlm__way *new_way(struct xlm__source *m, uint16_t port,
                                const uint8_t key[XLM__KEY_BYTES])
{
    struct xlm__way *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->m = m;
    w->port = port;
    w->tls = m->s->opt.data == XLM_DATA_TLS;
    w->hands_over = w->tls && xlm__session_hands_over(m->s, m->dom->nr_pfns,
                                                      xlm__source_channels(m),
                                                      m->resume_ms);
    memcpy(w->key, key, sizeof(w->key));
    return w;
}

void xlm__source_forget_way(struct xlm__source *m)
{
    if (m->way)
        explicit_bzero(m->way, sizeof(*m->way));
    free(m->way);
    m->way = NULL;
}

static const char *with_tls(const struct xlm__way *w)
{
    if (!w->tls)
        return "";
    if (xlm__tls_is_in_kernel(w->m->s->links[1].chan.tls))
        return " with TLS 1.3 in the kernel";
    return w->m->s->opt.flags & XLM_F_KTLS ? " with TLS 1.3, not in the kernel"
                                           : " with TLS 1.3";
}

int xlm__source_connect(struct xlm__source *m, const struct xlm__built *built,
                        const uint8_t key[XLM__KEY_BYTES])
{
    struct xlm_session *s = m->s;
    struct xlm__way *w = m->way = new_way(m, built->port, key);
    int rc = 0;

    if (!w)
        return XLM_FAIL(&s->err, XLM_ERR_NOMEM, "way to the data channels");
    if (s->opt.data != XLM_DATA_GIVEN)
        rc = connect_tcp(w, built);
    w->over_tcp = w->nr ? s->nr_links - 1 : 0;
    if (w->over_tcp)
        XLM_LOG(&s->err, INFO, "%u data channels over TCP%s to %s port %u",
                w->over_tcp, with_tls(w), w->list[0].text, built->port);
    if (!rc && s->opt.data != XLM_DATA_GIVEN &&
        w->over_tcp < s->opt.data_channels)
        rc = ask_caller(w);
    for (unsigned i = 1 + w->over_tcp; i < s->nr_links && !rc; i++)
        rc = greet_given(m, i);
    XLM__STATS(s, {
        st->channels = s->nr_links - 1;
        st->data = s->opt.data;
    });
    return rc;
}
