/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A data channel that breaks may come back (doc/stream-format.md 2.3).
 *
 *   doorman: serves the port, and the rendezvous for those that came the way
 *            of the control channel; gives the channel's thread a new
 *            connection, and ends the one that it reads from
 *   thread:  leaves the old one, then answers on the new one how many records
 *            it has taken, then reads on
 *
 * What the old connection still had is taken before that or never: nothing of
 * it can come after what the new one brings.
 */
#include "config.h"

#define XLM_MODULE "destination"
#include "engine/dest.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "chan/tcp.h"
#include "util/clock.h"

#define LOOK_MS 200
/* ---- the doorman ---- */

static bool came_by_door(const struct xlm__link *l)
{
    return l->conn_fd >= 0;
}

/* The channel that this greeting brings back, or NULL; the way that it came
 * the first time. */
static struct xlm__dest_channel *whose(struct xlm__dest *d,
                                       const struct xlm__arrival *a,
                                       uint32_t *attempt_out)
{
    struct xlm__greeting theirs;
    struct xlm__dest_channel *c;

    if (!xlm__dest_knows(d, a->greeting, XLM__KIND_DATA, &theirs) ||
        !theirs.attempt || theirs.index >= d->nr_threads)
        return NULL;
    c = &d->channels[theirs.index];
    *attempt_out = theirs.attempt;
    return c->link->may_return && (c->link->leave_fd >= 0) == (a->conn_fd >= 0)
               ? c
               : NULL;
}

/* Under lock.  An attempt that the source has given up may come late: it must
 * not end a later one. */
static bool hand_over(struct xlm__dest_channel *c, struct xlm__arrival *a,
                      uint32_t attempt)
{
    if (c->d->no_return || attempt <= c->attempt)
        return false;
    c->attempt = attempt;
    if (c->arrived)
        xlm__dest_drop(&c->arrival);
    c->arrival = *a;
    c->arrived = true;
    if (c->link->leave_fd >= 0)
        xlm__link_leave(c->link);
    else if (c->live_fd >= 0)
        shutdown(c->live_fd, SHUT_RDWR);
    pthread_cond_broadcast(&c->d->changed);
    return true;
}

/* False if it is none that could come back. */
static bool judge(struct xlm__dest *d, struct xlm__arrival *a)
{
    uint32_t attempt;
    struct xlm__dest_channel *c = whose(d, a, &attempt);
    bool taken;

    if (!c)
        return false;
    pthread_mutex_lock(&d->lock);
    taken = hand_over(c, a, attempt);
    pthread_mutex_unlock(&d->lock);
    if (taken)
        return true;
    XLM_LOG(&d->s->err, DEBUG, "data %u: attempt %u came too late",
            (unsigned)(c - d->channels), attempt);
    xlm__dest_drop(a);
    return true;
}

/* May a channel still come back? */
static bool is_needed(struct xlm__dest *d)
{
    bool needed;

    pthread_mutex_lock(&d->lock);
    needed = !d->no_return && !d->stopping;
    pthread_mutex_unlock(&d->lock);
    return needed;
}

enum { FD_STOP, FD_DOOR, FD_PORT, NR_FDS = FD_PORT + XLM__PORT_FDS };

static void serve(struct xlm__dest *d, struct pollfd fds[NR_FDS])
{
    struct xlm__arrival a;

    if (fds[FD_DOOR].revents &&
        xlm__rendezvous_accept(&d->s->err, &d->door, 0, &a) > 0 &&
        !judge(d, &a))
        xlm__dest_control_judge(d, &a);
    while (d->port.listen_fd >= 0 &&
           xlm__port_serve(&d->s->err, &d->port, fds + FD_PORT, &a))
        if (!judge(d, &a)) {
            xlm__port_turned_away(&d->s->err, &d->port,
                                  "not a data channel of this session");
            xlm__dest_drop(&a);
        }
}

static void *keep_door(void *arg)
{
    struct xlm__dest *d = arg;
    struct pollfd fds[NR_FDS];

    xlm__dest_confine(d, "the doorman", true);
    while (is_needed(d)) {
        fds[FD_STOP] = (struct pollfd){ d->s->stop_fd, POLLIN, 0 };
        fds[FD_DOOR] = (struct pollfd){ d->door.listen_fd, POLLIN, 0 };
        xlm__port_watch(&d->port, fds + FD_PORT);
        if (poll(fds, NR_FDS, xlm__port_wait_ms(&d->port, LOOK_MS)) < 0)
            continue;
        if (fds[FD_STOP].revents)
            break;
        serve(d, fds);
    }
    xlm__port_close(&d->s->err, &d->port);
    return NULL;
}

bool xlm__dest_data_returns(const struct xlm__dest *d, bool by_door)
{
    bool returns = false;

    for (unsigned i = 1; i < d->s->nr_links; i++)
        returns |= d->s->links[i].may_return &&
                   came_by_door(&d->s->links[i]) == by_door;
    return returns;
}

int xlm__dest_return_begin(struct xlm__dest_channel *c)
{
    c->live_fd = c->link->may_return ? c->link->chan.rfd : -1;
    if (c->live_fd < 0 || !came_by_door(c->link))
        return 0;
    return xlm__link_may_leave(c->link, c->d->s);
}

int xlm__dest_doorman_start(struct xlm__dest *d)
{
    bool wanted = d->control_may_return;

    /* The channels' threads own the rest. */
    for (unsigned i = 1; i < d->s->nr_links; i++)
        wanted |= d->s->links[i].may_return;
    if (!wanted)
        return 0;
    if (pthread_create(&d->doorman, NULL, keep_door, d))
        return XLM_FAIL(&d->s->err, XLM_ERR_SYSTEM,
                        "thread for channels that return");
    d->has_doorman = true;
    return 0;
}

void xlm__dest_no_return(struct xlm__dest *d)
{
    pthread_mutex_lock(&d->lock);
    d->no_return = true;
    /* Nobody dials again: what is there has all the time again. */
    for (unsigned i = 0; i < XLM__CHANNELS_MAX; i++)
        if (d->channels[i].live_fd > 0)
            xlm__tcp_dead_after(d->channels[i].live_fd, 0);
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    if (d->has_doorman)
        xlm__rendezvous_hide(&d->door);
    xlm__dest_control_never(d);
}

void xlm__dest_doorman_end(struct xlm__dest *d)
{
    if (d->has_doorman)
        pthread_join(d->doorman, NULL);
    d->has_doorman = false;
    xlm__rendezvous_close(&d->door); /* its name is more than the doorman's */
    for (unsigned i = 0; i < XLM__CHANNELS_MAX; i++) {
        struct xlm__dest_channel *c = &d->channels[i];

        pthread_mutex_lock(&d->lock);
        if (c->arrived)
            xlm__dest_drop(&c->arrival);
        c->arrived = false;
        pthread_mutex_unlock(&d->lock);
    }
    xlm__dest_control_end(d);
}

/* ---- the channel's thread ---- */

int xlm__dest_confirm(struct xlm__dest_channel *c, uint32_t type)
{
    if (!c->link->may_return)
        return 0;
    if (++c->unconfirmed < XLM__TAKEN_EVERY && type != XLM__REC_MARK)
        return 0;
    c->unconfirmed = 0;
    return xlm__send_taken(&c->link->stream, c->at.seq);
}

bool xlm__dest_may_return(struct xlm__dest_channel *c, int rc)
{
    return is_needed(c->d) && rc == XLM_ERR_CHANNEL && c->link->may_return &&
           xlm__errslot_code(&c->link->err) == XLM_ERR_CHANNEL;
}

/* Also so that the source learns that it is broken: of two pipes one may be
 * whole, and what brought them waits for conn_fd's end. */
static void leave(struct xlm__dest_channel *c)
{
    const struct xlm_error_info *e = xlm__errslot_first(&c->link->err);

    pthread_mutex_lock(&c->d->lock);
    c->live_fd = -1;
    c->ended = e &&
               !xlm__tcp_is_lost(c->live_errno ? c->live_errno : e->sys_errno);
    c->live_errno = 0;
    pthread_mutex_unlock(&c->d->lock);
    xlm__link_hang_up(c->link);
}

/* Another connection, up to then. */
static int await_arrival(struct xlm__dest_channel *c, uint64_t deadline_ns,
                         struct xlm__arrival *out)
{
    struct xlm__dest *d = c->d;
    int rc = XLM_ERR_TIMEOUT;

    pthread_mutex_lock(&d->lock);
    while (!c->arrived && !d->stopping && !d->no_return &&
           xlm__deadline_left_ms(deadline_ns))
        xlm__dest_wait_changed(d);
    if (d->stopping) {
        rc = XLM_ERR_CANCELLED;
    } else if (c->arrived) {
        *out = c->arrival;
        c->arrived = false;
        c->ended = false;
        c->live_fd = out->rfd;
        xlm__link_has_left(c->link);
        rc = 0;
    }
    pthread_mutex_unlock(&d->lock);
    return rc;
}

/* Answer on the new connection. */
static int take_over(struct xlm__dest_channel *c, const struct xlm__arrival *a)
{
    struct xlm__link *l = c->link;
    struct xlm_session *s = c->d->s;
    int rc;

    xlm__link_forget(l);
    l->rfd = a->rfd;
    l->wfd = a->wfd;
    l->conn_fd = a->conn_fd;
    l->tls = a->tls;
    memcpy(l->greeting, a->greeting, sizeof(l->greeting));
    rc = xlm__link_open(l, s, (unsigned)(l - s->links));
    if (rc)
        return rc;
    l->chan.leave_fd = l->leave_fd;
    if (!came_by_door(l))
        xlm__tcp_dead_after(l->chan.rfd, XLM__TCP_SOON_MS);
    c->unconfirmed = 0;
    xlm__stream_resume(&l->stream, &c->at);
    return xlm__dest_answer_again(c->d, l, c->at.seq);
}

static int give_up(struct xlm__dest_channel *c, const char *text)
{
    xlm__link_forget(c->link);
    return XLM_FAIL(&c->link->err, XLM_ERR_CHANNEL,
                    "%s; it did not come back within %u s", text,
                    c->d->resume_s + XLM__DEST_LATER_S);
}

int xlm__dest_return(struct xlm__dest_channel *c)
{
    uint64_t deadline = xlm__deadline_ns((c->d->resume_s + XLM__DEST_LATER_S) *
                                         1000);
    char text[XLM_MESSAGE_MAX];
    struct xlm__arrival a;
    int rc;

    xlm__errslot_read(&c->link->err, text);
    XLM_LOG(&c->d->s->err, INFO, "%s; it may come back", text);
    do {
        leave(c);
        rc = await_arrival(c, deadline, &a);
        if (rc == XLM_ERR_TIMEOUT)
            return give_up(c, text);
        if (!rc)
            rc = take_over(c, &a);
    } while (rc && xlm__dest_may_return(c, rc));
    if (!rc)
        XLM_LOG(&c->d->s->err, INFO, "%s is back after %u records",
                c->link->chan.name, c->at.seq);
    return rc;
}
