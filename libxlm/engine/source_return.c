/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A control channel that breaks while memory is copied is made again
 * (doc/stream-format.md 2.4), by the leader: data channels and the domain go on
 * meanwhile, and so do orders, cancelling and the time limits.
 */
#include "config.h"

#define XLM_MODULE "source"
#include "engine/source.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "util/clock.h"

/* Silent for so long, it is asked whether anybody is there; a destination that
 * reads answers at once, but its host may have much else to do. */
#define IDLE_MS   5000u
#define SILENT_MS 15000u
/* A login takes a while; one that began while nothing got through may be stuck
 * for longer than a new one would take. */
#define ATTEMPT_MS 15000u
/* Between attempts; the first is made at once. */
#define NAP_LEAST_MS 100
#define NAP_MOST_MS  2000
#define LOOK_MS      250
/* Before the domain is suspended; it may be away several times meanwhile. */
#define END_MS 300000u

struct loss {
    uint64_t since_ns, deadline_ns;
    char text[XLM_MESSAGE_MAX]; /* what was wrong with the old one        */
    char why[XLM_MESSAGE_MAX];  /* ... with the last attempt              */
    bool over;                  /* nobody there wants to hear of us again */
};

/* ---- when it may ---- */

void xlm__source_return_begin(struct xlm__source *m)
{
    struct xlm__link *l = xlm__session_control(m->s);

    m->may_return = (m->agreed.features & XLM__FEATURE_RETURN) &&
                    !(m->s->opt.flags & XLM_F_ESTIMATE);
    if (!m->may_return)
        return;
    xlm__link_forget(l);
    xlm__stream_may_return(&l->stream, &l->err, -1);
    m->heard_ns = xlm__clock_ns();
}

void xlm__source_return_never(struct xlm__source *m)
{
    if (m->may_return)
        xlm__stream_no_return(&xlm__session_control(m->s)->stream);
    m->may_return = false;
}

static int ask(struct xlm__source *m)
{
    m->asked_ns = xlm__clock_ns();
    return xlm__send_ping(&xlm__session_control(m->s)->stream, m->asked_ns);
}

/* The domain is about to be suspended: not because of a wire that leads
 * nowhere any more. */
int xlm__source_return_end(struct xlm__source *m)
{
    int rc = 0;

    if (!m->may_return)
        return 0;
    do {
        if (!m->asked_ns)
            rc = ask(m);
        if (!rc)
            rc = xlm__source_await_zero(m, &m->asked_ns, END_MS, "answer");
        if (!rc) /* that may have been silent, and others with it */
            rc = xlm__source_channels_stand(m);
    } while (!rc && (m->asked_ns || xlm__source_is_away(m)));
    if (!rc)
        xlm__source_return_never(m);
    return rc;
}

bool xlm__source_is_away(struct xlm__source *m)
{
    return m->may_return &&
           xlm__stream_is_away(&xlm__session_control(m->s)->stream);
}

/* ---- silence ---- */

/* Waiting for a round's last pages, over connections that may be as slow as
 * they like, it does not read. */
static bool may_be_busy(struct xlm__source *m)
{
    bool unconfirmed = false;

    for (unsigned i = 1; i < m->s->nr_links; i++)
        unconfirmed |= !m->s->links[i].may_return;
    return unconfirmed && xlm__flow_state(&m->s->flow) == XLM__FLOW_ROUND_ENDED;
}

int xlm__source_ask(struct xlm__source *m)
{
    struct xlm__link *l = xlm__session_control(m->s);
    const uint64_t now = xlm__clock_ns();

    if (!m->may_return || xlm__source_is_away(m))
        return 0;
    if (!m->asked_ns)
        return now - m->heard_ns > IDLE_MS * XLM__NS_PER_MS ? ask(m) : 0;
    if (may_be_busy(m))
        m->asked_ns = now;
    if (now - m->asked_ns <= SILENT_MS * XLM__NS_PER_MS)
        return 0;
    (void)XLM_FAIL(&l->err, XLM_ERR_CHANNEL, "no answer for %u s",
                   SILENT_MS / 1000);
    xlm__stream_leave(&l->stream);
    m->was_silent = true;
    return 0;
}

bool xlm__source_heard(struct xlm__source *m, const struct xlm__rec *rec)
{
    m->heard_ns = xlm__clock_ns();
    if (rec->type != XLM__REC_CLOCK_PONG || !m->asked_ns)
        return false;
    m->asked_ns = 0;
    return true;
}

/* ---- another connection ---- */

/* Between two steps: what else can end it, and who watches. */
static int look(struct xlm__source *m)
{
    int rc = xlm__source_may_go_on(m);

    xlm__session_progress(m->s);
    return rc;
}

/* 1 = somebody answers on c, 0 = not until then. */
static int await_answer(struct xlm__source *m, struct xlm__chan *c,
                        uint64_t deadline_ns)
{
    int rc = 0;

    while (!rc && xlm__deadline_left_ms(deadline_ns)) {
        rc = xlm__chan_poll(c, LOOK_MS);
        if (!rc)
            rc = look(m);
    }
    return rc;
}

static uint64_t attempt_until(const struct loss *loss)
{
    const int left = xlm__deadline_left_ms(loss->deadline_ns);

    if (left < 1)
        return xlm__deadline_ns(1);
    return xlm__deadline_ns((uint32_t)left < ATTEMPT_MS ? (uint32_t)left
                                                        : ATTEMPT_MS);
}

/* Its errors stay with *l; those of the domain and the like do not. */
static int greet(struct xlm__source *m, struct xlm__link *l, uint64_t deadline,
                 uint32_t *taken)
{
    struct xlm__greeting mine = m->s->greeting, theirs = { 0 };
    uint8_t bytes[XLM__GREETING_BYTES];
    struct xlm__agreement agreed;
    char why[XLM_MESSAGE_MAX];
    int rc;

    mine.attempt = m->attempts;
    mine.taken = xlm__session_control(m->s)->stream.read_seq;
    xlm__greeting_encode(&mine, bytes);
    l->chan.read_deadline_ns = l->chan.write_deadline_ns = deadline;
    rc = xlm__chan_write(&l->chan, bytes, sizeof(bytes));
    if (!rc)
        rc = await_answer(m, &l->chan, deadline);
    if (rc >= 0)
        rc = xlm__greeting_read(&l->chan, bytes);
    if (!rc && (rc = xlm__greeting_decode(bytes, &theirs, why)))
        return XLM_FAIL(&l->err, rc, "%s", why);
    if (rc)
        return rc;
    l->chan.read_deadline_ns = l->chan.write_deadline_ns = 0;
    *taken = theirs.taken;
    if (!theirs.attempt)
        return XLM_FAIL(&l->err, XLM_ERR_PEER,
                        "it does not wait for us any more");
    rc = xlm__greeting_agree(&mine, &theirs, &agreed, why);
    return rc ? XLM_FAIL(&l->err, rc, "%s", why) : 0;
}

/* By that way.  Errors stay with *fresh. */
static int use(struct xlm__source *m, struct xlm__link *fresh,
               struct loss *loss)
{
    struct xlm__link *control = xlm__session_control(m->s);
    char why[XLM_MESSAGE_MAX];
    uint32_t taken = 0;
    int rc = xlm__chan_init(&fresh->chan, &fresh->err, fresh->rfd, fresh->wfd,
                            m->s->stop_fd, "control");

    if (rc)
        return rc;
    fresh->rfd = fresh->wfd = -1;
    rc = greet(m, fresh, attempt_until(loss), &taken);
    if (rc) {
        loss->over = rc == XLM_ERR_PEER;
        return rc;
    }
    xlm__link_forget(control);
    rc = xlm__stream_come_back(&control->stream, &fresh->chan, NULL, taken);
    loss->over = rc == XLM_ERR_STREAM;
    if (rc == XLM_ERR_CHANNEL) { /* it broke again at once */
        xlm__errslot_read(&control->err, why);
        (void)XLM_FAIL(&fresh->err, rc, "%s", why);
    }
    return rc;
}

/* 1: not this time, for the reason in loss->why; negative: all is over. */
static int attempt(struct xlm__source *m, struct loss *loss)
{
    struct xlm__link fresh;
    int rfd, wfd, rc, error;

    m->attempts++;
    error = m->s->opt.reopen_control(m->s->opt.user, &rfd, &wfd);
    if (error) {
        snprintf(loss->why, sizeof(loss->why), "%s", strerror(error));
        return 1;
    }
    xlm__link_init(&fresh, m->s, rfd, wfd, -1);
    xlm__link_forget(&fresh);
    rc = use(m, &fresh, loss);
    xlm__errslot_read(&fresh.err, loss->why);
    xlm__link_close(&fresh);
    if (!rc || loss->over || rc == XLM_ERR_CANCELLED ||
        xlm__errslot_code(&m->s->err))
        return rc;
    return 1;
}

/* Until it stands, or until then. */
static int call(struct xlm__source *m, struct loss *loss)
{
    struct pollfd p = { .fd = m->s->stop_fd, .events = POLLIN };
    int ms = NAP_LEAST_MS;
    int rc;

    for (;;) {
        rc = attempt(m, loss);
        if (rc <= 0)
            return rc;
        XLM_LOG(&m->s->err, DEBUG, "control channel, attempt %u: %s",
                m->attempts, loss->why);
        if (!xlm__deadline_left_ms(loss->deadline_ns))
            return XLM_ERR_TIMEOUT;
        poll(&p, 1, ms);
        ms = ms * 2 < NAP_MOST_MS ? ms * 2 : NAP_MOST_MS;
        rc = look(m);
        if (rc)
            return rc;
    }
}

/* Without the channel's name, which is in what is said of it. */
static void read_text(struct xlm__link *l, char text[XLM_MESSAGE_MAX])
{
    static const char name[] = "control: ";

    xlm__errslot_read(&l->err, text);
    if (!strncmp(text, name, strlen(name)))
        memmove(text, text + strlen(name), strlen(text + strlen(name)) + 1);
}

static int give_up(struct xlm__source *m, const struct loss *loss, int rc)
{
    if (xlm__errslot_code(&m->s->err) || rc == XLM_ERR_CANCELLED)
        return rc;
    if (loss->over)
        return XLM_FAIL(&m->s->err, XLM_ERR_CHANNEL,
                        "control channel lost: %s; %s: %s", loss->text,
                        xlm__source_peer(m), loss->why);
    return XLM_FAIL(&m->s->err, XLM_ERR_CHANNEL,
                    "control channel lost: %s; not back within %u s: %s",
                    loss->text, m->resume_ms / 1000, loss->why);
}

/* What memory goes through by the same way may be silent for longer than we
 * want to wait. */
static void others_too(struct xlm__source *m)
{
    for (unsigned i = 1; m->was_silent && i < m->s->nr_links; i++)
        if (m->s->links[i].leave_fd >= 0)
            xlm__link_leave(&m->s->links[i]);
    m->was_silent = false;
}

static uint32_t seq_read(const struct xlm__source *m)
{
    return xlm__session_control(m->s)->stream.read_seq;
}

int xlm__source_return(struct xlm__source *m)
{
    struct xlm_session *s = m->s;
    struct loss loss = { .since_ns = xlm__clock_ns() };
    int rc;

    /* A connection by which nothing came was none: the time goes on. */
    if (!m->return_by_ns || m->returned_seq != seq_read(m))
        m->return_by_ns = xlm__deadline_ns(m->resume_ms);
    loss.deadline_ns = m->return_by_ns;
    read_text(xlm__session_control(s), loss.text);
    XLM_LOG(&s->err, WARN, "control channel lost: %s; trying again for %u s",
            loss.text, m->resume_ms / 1000);
    XLM__STATS(s, st->control_lost = 1);
    rc = call(m, &loss);
    XLM__STATS(s, st->control_lost = 0);
    if (rc)
        return give_up(m, &loss, rc);
    m->returned_seq = seq_read(m);
    others_too(m);
    m->nr_returns++;
    XLM__STATS(s, st->control_reconnects++);
    /* What was asked before was asked again. */
    m->heard_ns = xlm__clock_ns();
    if (m->asked_ns)
        m->asked_ns = m->heard_ns;
    XLM_LOG(&s->err, WARN, "control channel is back after %.1f s",
            (double)(m->heard_ns - loss.since_ns) / XLM__NS_PER_S);
    return 0;
}
