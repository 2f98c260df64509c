/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control channel breaks while memory is copied, and comes back
 * (doc/stream-format.md 2.4).
 *
 *   doorman: serves the rendezvous; keeps what comes for the leader, and makes
 *            it leave the old connection
 *   leader:  leaves it, answers on the new one how many records it has taken,
 *            sends what the source has not, and reads on
 *
 * Other threads send records as if nothing had happened.
 */
#include "config.h"

#define XLM_MODULE "destination"
#include "engine/dest.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "chan/tcp.h"
#include "util/clock.h"

/* All data channels were closed at once, as a source does that has ended: for
 * how long it may have been something else; if a login is needed to come back.
 */
#define ENDED_MS      5000u
#define ENDED_LOGIN_S 15u

int xlm__dest_control_begin(struct xlm__dest *d)
{
    struct xlm__link *l = xlm__session_control(d->s);

    if (!d->control_may_return)
        return 0;
    d->leave_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (d->leave_fd < 0)
        return XLM_FAIL_ERRNO(&d->s->err, XLM_ERR_SYSTEM,
                              "event for a control channel that returns");
    xlm__link_forget(l);
    xlm__stream_may_return(&l->stream, &l->err, d->leave_fd);
    return 0;
}

void xlm__dest_control_never(struct xlm__dest *d)
{
    if (d->leave_fd >= 0)
        xlm__stream_no_return(&xlm__session_control(d->s)->stream);
}

void xlm__dest_control_end(struct xlm__dest *d)
{
    if (d->arrived)
        xlm__dest_drop(&d->arrival);
    d->arrived = false;
}

/* ---- the doorman ---- */

/* Under lock.  As of a data channel: an attempt that the source has given up
 * must not end a later one. */
static bool hand_over(struct xlm__dest *d, const struct xlm__arrival *a,
                      uint32_t attempt)
{
    if (d->no_return || d->leave_fd < 0 || attempt <= d->attempt)
        return false;
    d->attempt = attempt;
    if (d->arrived)
        xlm__dest_drop(&d->arrival);
    d->arrival = *a;
    d->arrived = true;
    eventfd_write(d->leave_fd, 1);
    pthread_cond_broadcast(&d->changed);
    return true;
}

void xlm__dest_control_judge(struct xlm__dest *d, struct xlm__arrival *a)
{
    struct xlm__greeting theirs;
    bool known, taken = false;

    known = xlm__dest_knows(d, a->greeting, XLM__KIND_CONTROL, &theirs);
    if (known) {
        pthread_mutex_lock(&d->lock);
        taken = hand_over(d, a, theirs.attempt);
        pthread_mutex_unlock(&d->lock);
    }
    if (taken)
        return;
    if (known)
        XLM_LOG(&d->s->err, DEBUG, "control: attempt %u came too late",
                theirs.attempt);
    else
        XLM_LOG(&d->s->err, WARN,
                "what is not the control channel of this session was turned "
                "away");
    xlm__dest_drop(a);
}

/* ---- the leader ---- */

bool xlm__dest_control_is_away(struct xlm__dest *d, int rc)
{
    bool needed;

    pthread_mutex_lock(&d->lock);
    needed = d->leave_fd >= 0 && !d->no_return && !d->stopping;
    pthread_mutex_unlock(&d->lock);
    return needed && rc == XLM_ERR_CHANNEL &&
           xlm__stream_is_away(&xlm__session_control(d->s)->stream);
}

/* Under lock.  Its thread may have something else to do than to read.  A source
 * that ends with an answer unread resets the connection; who asks for the
 * reason takes it away from the thread, which only sees the end then. */
static bool has_ended(struct xlm__dest_channel *c)
{
    struct pollfd p = { .fd = c->live_fd, .events = POLLRDHUP };

    if (c->live_fd < 0)
        return c->ended;
    if (poll(&p, 1, 0) <= 0)
        return false;
    if (!c->live_errno && (c->live_errno = xlm__tcp_fault(c->live_fd)))
        XLM_LOG(&c->d->s->err, INFO, "%s: %s", c->link->chan.name,
                strerror(c->live_errno));
    return !xlm__tcp_is_lost(c->live_errno);
}

static bool all_ended(struct xlm__dest *d)
{
    for (unsigned i = 0; i < d->nr_threads; i++)
        if (!has_ended(&d->channels[i]))
            return false;
    return true;
}

/* What carries a login, and has lost its wire, closes it in the same way. */
static uint32_t ended_ms(const struct xlm__dest *d)
{
    for (unsigned i = 0; i < d->nr_threads; i++)
        if (d->channels[i].link->leave_fd >= 0)
            return (d->resume_s > ENDED_LOGIN_S ? d->resume_s : ENDED_LOGIN_S) *
                   1000;
    return ENDED_MS;
}

/* 0: it is here.  TIMEOUT: it does not come. */
static int await_arrival(struct xlm__dest *d, uint64_t deadline_ns,
                         struct xlm__arrival *out)
{
    struct pollfd stop = { .fd = d->s->stop_fd, .events = POLLIN };
    uint64_t ended_ns = 0;
    eventfd_t events;
    bool arrived;

    for (;;) {
        pthread_mutex_lock(&d->lock);
        if (!d->arrived)
            xlm__dest_wait_changed(d);
        arrived = d->arrived;
        if (arrived) {
            *out = d->arrival;
            d->arrived = false;
            eventfd_read(d->leave_fd, &events);
        }
        if (!all_ended(d))
            ended_ns = 0;
        else if (!ended_ns)
            ended_ns = xlm__deadline_ns(ended_ms(d));
        pthread_mutex_unlock(&d->lock);
        if (arrived)
            return 0;
        if (poll(&stop, 1, 0) > 0)
            return XLM_ERR_CANCELLED;
        if (xlm__session_check(d->s))
            return xlm__errslot_code(&d->s->err);
        if (!xlm__deadline_left_ms(deadline_ns) ||
            !xlm__deadline_left_ms(ended_ns))
            return XLM_ERR_TIMEOUT;
    }
}

static void encode_answer(const struct xlm__dest *d, uint32_t attempt,
                          uint32_t taken, uint8_t out[XLM__GREETING_BYTES])
{
    struct xlm__greeting mine = d->s->greeting;

    mine.attempt = attempt;
    mine.taken = taken;
    memset(mine.token, 0, sizeof(mine.token));
    xlm__greeting_encode(&mine, out);
}

/* What can never be is refused, and ends the session; what breaks may come
 * again. */
static int take_over(struct xlm__dest *d, struct xlm__arrival *a)
{
    struct xlm__link *l = xlm__session_control(d->s);
    uint8_t answer[XLM__GREETING_BYTES];
    struct xlm__greeting theirs;
    struct xlm__link fresh;
    int rc;

    (void)xlm__dest_knows(d, a->greeting, XLM__KIND_CONTROL, &theirs);
    xlm__link_init(&fresh, d->s, a->rfd, a->wfd, a->conn_fd);
    rc = xlm__chan_init(&fresh.chan, &d->s->err, a->rfd, a->wfd, d->s->stop_fd,
                        "control");
    if (rc)
        goto out;
    fresh.rfd = fresh.wfd = -1;
    xlm__link_forget(l);
    encode_answer(d, theirs.attempt, l->stream.read_seq, answer);
    rc = xlm__stream_come_back(&l->stream, &fresh.chan, answer, theirs.taken);
    if (rc == XLM_ERR_STREAM) {
        encode_answer(d, 0, 0, answer);
        fresh.chan.write_deadline_ns = xlm__deadline_ns(1000);
        (void)xlm__chan_write(&fresh.chan, answer, sizeof(answer));
        goto out;
    }
    if (l->conn_fd >= 0)
        close(l->conn_fd);
    l->conn_fd = fresh.conn_fd;
    fresh.conn_fd = -1;
out:
    xlm__link_close(&fresh);
    return rc;
}

int xlm__dest_control_return(struct xlm__dest *d)
{
    struct xlm__link *l = xlm__session_control(d->s);
    const uint32_t limit_s = d->resume_s + XLM__DEST_LATER_S;
    uint64_t deadline = xlm__deadline_ns(limit_s * 1000);
    char text[XLM_MESSAGE_MAX];
    struct xlm__arrival a;
    int rc;

    xlm__errslot_read(&l->err, text);
    XLM_LOG(&d->s->err, INFO, "%s; it may come back", text);
    do {
        rc = await_arrival(d, deadline, &a);
        if (rc == XLM_ERR_TIMEOUT)
            return XLM_FAIL(&d->s->err, XLM_ERR_CHANNEL,
                            "%s; it did not come back%s", text,
                            xlm__deadline_left_ms(deadline)
                                ? ", and the data channels have ended"
                                : " in time");
        if (!rc)
            rc = take_over(d, &a);
    } while (rc == XLM_ERR_CHANNEL);
    if (!rc)
        XLM_LOG(&d->s->err, INFO, "control is back after %u records",
                l->stream.read_seq);
    return rc;
}
