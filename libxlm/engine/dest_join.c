/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "destination"
#include "engine/dest.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "chan/tcp.h"
#include "util/clock.h"

#define GREETING_LIMIT_MS 30000
/* A second ssh on a loaded host. */
#define ARRIVAL_LIMIT_MS 90000
#define LOOK_MS          200

/* ---- BUILT ---- */

static void add_address(struct xlm__built *b, const char *address)
{
    for (unsigned i = 0; i < b->nr_addresses; i++)
        if (!strcmp(b->addresses[i], address))
            return;
    if (b->nr_addresses < XLM__ADDRESSES_MAX)
        snprintf(b->addresses[b->nr_addresses++], sizeof(b->addresses[0]), "%s",
                 address);
}

static void name_addresses(struct xlm__dest *d, struct xlm__built *b)
{
    char own[XLM__ADDRESSES_MAX][XLM__ADDRESS_BYTES];
    size_t nr;

    if (d->s->opt.data_address) {
        xlm__tcp_local_address(d->port.listen_fd, own[0]);
        add_address(b, own[0]);
        return;
    }
    nr = xlm__tcp_own_addresses(own, XLM__ADDRESSES_MAX);
    if (d->s->opt.data_host && xlm__tcp_is_address(d->s->opt.data_host))
        add_address(b, d->s->opt.data_host);
    for (size_t i = 0; i < nr; i++)
        add_address(b, own[i]);
}

/* No port is no failure: the source has another way, or says that it has
 * none. */
static void open_port(struct xlm__dest *d, const struct xlm__build *wanted,
                      struct xlm__built *b)
{
    struct xlm__errslot err;
    bool hands_over;

    if (wanted->port == XLM__PORT_NONE)
        return;
    hands_over = wanted->port == XLM__PORT_TLS &&
                 xlm__session_hands_over(d->s, d->offer.nr_pfns,
                                         d->offer.nr_data_channels,
                                         wanted->resume_s);
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_ERROR);
    if (xlm__port_open(&err, wanted, &d->s->opt, hands_over, &d->port)) {
        xlm__errslot_read(&err, b->why);
    } else {
        b->port = d->port.number;
        name_addresses(d, b);
        XLM_LOG(&d->s->err, INFO, "TCP port %u is open%s", b->port,
                !d->port.tls ? ""
                : hands_over ? ", TLS, in the kernel if that takes it"
                             : ", TLS");
    }
    xlm__errslot_destroy(&err);
}

/* ---- one channel ---- */

static int gave_up(struct xlm__dest *d)
{
    return XLM_FAIL(&d->s->err, XLM_ERR_PEER,
                    "source gave up before its data channels came");
}

/* Something to read on a data channel; the source may give up instead, or be
 * gone, which the control channel tells: nothing else is due there. */
static int await_greeting(struct xlm__dest *d, struct xlm__link *l)
{
    struct xlm__chan *control = &xlm__session_control(d->s)->chan;
    uint64_t deadline = xlm__deadline_ns(GREETING_LIMIT_MS);
    int rc = 0;

    while (!l->greeted && !rc && xlm__deadline_left_ms(deadline)) {
        rc = xlm__chan_poll(&l->chan, 100);
        if (!rc && xlm__chan_poll(control, 0) > 0)
            return gave_up(d);
    }
    return rc < 0 ? rc : 0;
}

bool xlm__dest_knows(const struct xlm__dest *d,
                     const unsigned char bytes[XLM_GREETING_BYTES],
                     enum xlm__kind kind, struct xlm__greeting *theirs_out)
{
    char why[XLM_MESSAGE_MAX];

    return !xlm__greeting_decode(bytes, theirs_out, why) &&
           xlm__greeting_may_join(&d->s->greeting, theirs_out, kind);
}

/* Has it the session's token, and is it the channel that is due? */
static bool is_welcome(const struct xlm__dest *d,
                       const unsigned char greeting[XLM_GREETING_BYTES],
                       unsigned index)
{
    struct xlm__greeting theirs;

    return xlm__dest_knows(d, greeting, XLM__KIND_DATA, &theirs) &&
           theirs.index == index && !theirs.attempt;
}

static int join(struct xlm__dest *d, struct xlm__link *l)
{
    struct xlm_session *s = d->s;
    unsigned number = (unsigned)(l - s->links);
    struct xlm__greeting theirs;
    int rc;

    rc = xlm__link_open(l, s, number);
    if (!rc)
        rc = await_greeting(d, l);
    if (!rc && (rc = xlm__dest_read_greeting(l)))
        return xlm__link_promote(l, s, rc);
    if (!rc && !is_welcome(d, l->greeting, number - 1))
        return XLM_FAIL(&s->err, XLM_ERR_STREAM,
                        "%s: not of this session, or a wrong token",
                        l->chan.name);
    if (!rc)
        rc = xlm__dest_answer(d, l, &theirs);
    if (rc)
        return rc;
    rc = xlm__stream_init_data(&l->stream, &l->chan, XLM_DESTINATION);
    if (rc)
        return xlm__link_promote(l, s, rc);
    if (l->may_return && l->conn_fd < 0)
        xlm__tcp_dead_after(l->chan.rfd, XLM__TCP_SOON_MS);
    xlm__stream_limits(&l->stream, d->offer.nr_pfns,
                       d->offer.domain_type == XLM__WIRE_PV);
    return 0;
}

/* ---- all of them ---- */

void xlm__dest_drop(struct xlm__arrival *a)
{
    xlm__tls_free(a->tls);
    close(a->rfd);
    if (a->wfd != a->rfd)
        close(a->wfd);
    if (a->conn_fd >= 0)
        close(a->conn_fd);
}

static void turn_away(struct xlm__dest *d, struct xlm__arrival *a)
{
    static const char why[] = "not a data channel of this session";

    xlm__dest_drop(a);
    if (a->conn_fd >= 0) {
        XLM_LOG(&d->s->err, WARN, "%s was turned away", why);
    } else {
        xlm__port_turned_away(&d->s->err, &d->port, why);
    }
}

/* Somebody has come and has spoken. */
static int take_arrival(struct xlm__dest *d, struct xlm__arrival *a)
{
    struct xlm_session *s = d->s;
    struct xlm__link *l = &s->links[s->nr_links];

    if (s->nr_links > d->offer.nr_data_channels ||
        !is_welcome(d, a->greeting, s->nr_links - 1)) {
        turn_away(d, a);
        return 0;
    }
    xlm__link_init(l, s, a->rfd, a->wfd, a->conn_fd);
    l->tls = a->tls;
    d->by_login |= a->conn_fd >= 0;
    l->may_return = d->resume_s;
    if (l->may_return) /* what goes wrong with it may be of no account */
        xlm__link_forget(l);
    l->greeted = true;
    memcpy(l->greeting, a->greeting, sizeof(a->greeting));
    s->nr_links++;
    /* At once: the source greets the next when this one has answered. */
    return join(d, l);
}

enum {
    FD_CONTROL,
    FD_STOP,
    FD_DOOR,
    FD_PORT,
    NR_FDS = FD_PORT + XLM__PORT_FDS
};

static int serve(struct xlm__dest *d, struct pollfd *fds)
{
    struct xlm__arrival a;
    int rc;

    if (fds[FD_DOOR].revents) {
        rc = xlm__rendezvous_accept(&d->s->err, &d->door, 0, &a);
        if (rc > 0)
            rc = take_arrival(d, &a);
        if (rc)
            return rc;
    }
    while (d->port.listen_fd >= 0 &&
           xlm__port_serve(&d->s->err, &d->port, fds + FD_PORT, &a)) {
        rc = take_arrival(d, &a);
        if (rc)
            return rc;
    }
    return 0;
}

static void wait_for_any(struct xlm__dest *d, struct pollfd fds[NR_FDS])
{
    fds[FD_CONTROL] = (struct pollfd){ xlm__session_control(d->s)->chan.rfd,
                                       POLLIN, 0 };
    fds[FD_STOP] = (struct pollfd){ d->s->stop_fd, POLLIN, 0 };
    fds[FD_DOOR] = (struct pollfd){ d->door.listen_fd, POLLIN, 0 };
    xlm__port_watch(&d->port, fds + FD_PORT);
    if (poll(fds, NR_FDS, xlm__port_wait_ms(&d->port, LOOK_MS)) < 0)
        for (int i = 0; i < NR_FDS; i++) /* EINTR: nothing is known */
            fds[i].revents = 0;
}

static int let_in(struct xlm__dest *d)
{
    struct xlm_session *s = d->s;
    uint64_t deadline = xlm__deadline_ns(ARRIVAL_LIMIT_MS);
    struct pollfd fds[NR_FDS];
    int rc;

    while (s->nr_links <= d->offer.nr_data_channels) {
        if (!xlm__deadline_left_ms(deadline))
            return XLM_FAIL(&s->err, XLM_ERR_TIMEOUT,
                            "%u of %u data channels arrived within %d s",
                            s->nr_links - 1, d->offer.nr_data_channels,
                            ARRIVAL_LIMIT_MS / 1000);
        rc = xlm__session_check(s);
        if (!rc)
            rc = xlm__chan_poll(&xlm__session_control(s)->chan, 0);
        if (rc > 0) /* nothing is due: it gave up, or it is gone */
            return gave_up(d);
        if (rc)
            return rc;
        wait_for_any(d, fds);
        rc = serve(d, fds);
        if (rc)
            return rc;
    }
    return 0;
}

int xlm__dest_join(struct xlm__dest *d, const struct xlm__build *b,
                   uint32_t domid)
{
    struct xlm_session *s = d->s;
    struct xlm__built built = { .domid = domid };
    int rc;

    open_port(d, b, &built);
    d->resume_s = b->resume_s;
    d->control_may_return &= !d->sample && d->resume_s;
    rc = xlm__send_built(&xlm__session_control(s)->stream, &built);
    if (!rc && s->nr_links == 1) /* none was given to us */
        rc = let_in(d);
    else
        for (unsigned i = 1; i < s->nr_links && !rc; i++)
            rc = join(d, &s->links[i]);
    /* Nobody else is expected there, and undoing may take its time. */
    if (rc || !(d->control_may_return || xlm__dest_data_returns(d, true)))
        xlm__rendezvous_close(&d->door);
    if (rc || !xlm__dest_data_returns(d, false))
        xlm__port_close(&s->err, &d->port);
    return rc;
}
