/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A data channel of the source that breaks gets another connection, and goes on
 * after the last record that the destination took (stream-format.md 2.3).
 *
 * The destination's thread of the channel has left the old connection when it
 * answers on the new one, so nothing old can come after it.
 */
#include "config.h"

#define XLM_MODULE "pages"
#include "engine/pages_int.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "util/clock.h"

/* Between attempts; the first is made at once. */
#define NAP_LEAST_MS 100u
#define NAP_MOST_MS  2000u
/* As the destination waits for the marks of a round. */
#define TAKEN_MS  120000u
#define STUCK_MAX 2u /* connections that carry greetings only */

bool xlm__pages_may_return(struct xlm__worker *w, int rc)
{
    return rc == XLM_ERR_CHANNEL && w->link->may_return &&
           !w->pool->job.final && !xlm__session_stopped(w->pool->s) &&
           xlm__errslot_code(&w->link->err) == XLM_ERR_CHANNEL;
}

/* ---- what the destination has taken ---- */

static int note_taken(struct xlm__worker *w, uint32_t count)
{
    const struct xlm__stream *st = &w->link->stream;
    const uint32_t least = w->sent.first ? w->sent.first->at.seq
                                         : st->write_seq;

    if (count < least || count > st->write_seq)
        return XLM_FAIL(&w->link->err, XLM_ERR_STREAM,
                        "%s: the destination took %u records, %u to %u are "
                        "possible",
                        st->chan->name, count, least, st->write_seq);
    xlm__sent_taken(&w->sent, count);
    return 0;
}

/* Another connection may do better. */
static int is_stuck(struct xlm__link *l)
{
    xlm__link_forget(l);
    return XLM_FAIL(&l->err, XLM_ERR_CHANNEL,
                    "%s: what was sent is not taken within %u s", l->chan.name,
                    TAKEN_MS / 1000);
}

int xlm__pages_hear(struct xlm__worker *w, size_t most)
{
    struct xlm__link *l = w->link;
    struct xlm__rec rec;
    int rc = 0;

    while (!rc && l->may_return) {
        if (w->sent.nr_records <= most) {
            rc = xlm__chan_poll(&l->chan, 0);
            if (rc <= 0)
                break;
        }
        /* All of a round is taken at once, or its reader stands still. */
        if (!most)
            l->chan.read_deadline_ns = xlm__deadline_ns(TAKEN_MS);
        rc = xlm__stream_read(&l->stream, &rec);
        if (rc == XLM_ERR_TIMEOUT && w->stuck++ < STUCK_MAX)
            rc = is_stuck(l);
        else if (!rc)
            w->stuck = 0;
        l->chan.read_deadline_ns = 0;
        if (!rc)
            rc = note_taken(w, rec.u.taken);
    }
    return rc;
}

bool xlm__pages_is_restless(const struct xlm__worker *w)
{
    const int rc = w->link->may_return ? xlm__chan_poll(&w->link->chan, 0) : 0;

    return rc && rc != XLM_ERR_CANCELLED;
}

/* ---- another connection ---- */

struct loss {
    struct xlm__redial redial;
    struct xlm__link fresh;
    char text[XLM_MESSAGE_MAX]; /* what was wrong with the old one */
    uint64_t since_ns;
    bool told;
};

static void tell_lost(struct xlm__worker *w, struct loss *l)
{
    const struct xlm__pages_pool *p = w->pool;

    if (!l->told)
        XLM_LOG(&p->s->err, WARN,
                "data channel %u lost: %s; trying again for %u s",
                l->redial.number - 1, l->text, p->redial.limit_ms / 1000);
    l->told = true;
}

/* false: the session is at its end. */
static bool nap(struct xlm__worker *w, unsigned ms)
{
    struct pollfd p = { .fd = w->pool->s->stop_fd, .events = POLLIN };

    return poll(&p, 1, (int)ms) <= 0;
}

/* Until there is one, in l->fresh. */
static int call(struct xlm__worker *w, struct loss *l)
{
    const struct xlm__again *again = &w->pool->redial;
    unsigned ms = NAP_LEAST_MS;
    int rc;

    l->redial.deadline_ns = xlm__deadline_ns(again->limit_ms);
    for (;;) {
        if (!nap(w, 0))
            return XLM_ERR_CANCELLED;
        l->redial.attempt = ++w->attempts;
        l->redial.fresh = &l->fresh;
        rc = again->redial(again->user, &l->redial);
        if (rc != XLM_ERR_CHANNEL)
            return rc;
        /* If the destination is giving up, it is about to say so on the
         * control channel, and nobody need hear of this. */
        if (!nap(w, ms))
            return XLM_ERR_CANCELLED;
        tell_lost(w, l);
        if (!xlm__deadline_left_ms(l->redial.deadline_ns))
            return XLM_ERR_TIMEOUT;
        ms = ms * 2 < NAP_MOST_MS ? ms * 2 : NAP_MOST_MS;
    }
}

/* The channel is the fresh one from now on. */
static void replace(struct xlm__worker *w, struct loss *l)
{
    struct xlm__link *link = w->link;
    const uint64_t written = link->chan.written_bytes;

    xlm__chan_close(&link->chan);
    xlm__link_forget(link);
    link->chan = l->fresh.chan;
    link->chan.err = &link->err;
    link->chan.written_bytes += written;
    w->postponed = 0;
    xlm__link_has_left(link);
    xlm__errslot_destroy(&l->fresh.err);
}

/* What did not arrive goes again, and what was about to be sent. */
static int take_back(struct xlm__worker *w, struct loss *l, uint64_t *pages)
{
    struct xlm__point from;
    bool marked;
    int rc = note_taken(w, l->redial.taken);

    if (rc)
        return rc;
    if (w->pool->copies && (w->sent.first || w->nr_pages))
        xlm__copies_clear(w->pool->copies);
    xlm__stream_point(&w->link->stream, &from);
    *pages = xlm__sent_rewind(&w->sent, &w->again, &from, &marked);
    xlm__stream_resume(&w->link->stream, &from);
    if (marked)
        w->marked = false;
    if (w->nr_pages)
        rc = xlm__sent_never(&w->again, &w->link->err, w->nr_pages,
                             w->page_pfns);
    w->nr_pages = 0;
    return rc;
}

static void count(struct xlm__worker *w, const struct loss *l, uint64_t pages)
{
    struct xlm_session *s = w->pool->s;
    const uint64_t ns = xlm__clock_ns() - l->since_ns;

    XLM_LOG(&s->err, WARN,
            "data channel %u is back after %.1f s, %" PRIu64
            " pages sent again",
            l->redial.number - 1, (double)ns / XLM__NS_PER_S, pages);
    XLM__STATS(s, {
        st->reconnects++;
        st->resent_pages += pages;
        st->lost_us += ns / XLM__NS_PER_US;
    });
}

static int give_up(struct xlm__worker *w, const struct loss *l)
{
    xlm__link_forget(w->link);
    return XLM_FAIL(&w->link->err, XLM_ERR_CHANNEL,
                    "data channel %u lost: %s; not back within %u s: %s",
                    l->redial.number - 1, l->text,
                    w->pool->redial.limit_ms / 1000, l->redial.why);
}

static int have_it_back(struct xlm__worker *w, struct loss *l)
{
    uint64_t pages = 0;
    int rc = call(w, l);

    if (rc == XLM_ERR_TIMEOUT)
        return give_up(w, l);
    if (rc)
        return rc;
    tell_lost(w, l);
    replace(w, l);
    rc = take_back(w, l, &pages);
    if (!rc)
        count(w, l, pages);
    return rc;
}

/* Without the channel's name, which is in what is said of it. */
static void read_text(struct xlm__link *l, char text[XLM_MESSAGE_MAX])
{
    const size_t name = strlen(l->chan.name);

    xlm__errslot_read(&l->err, text);
    if (!strncmp(text, l->chan.name, name) && text[name] == ':')
        memmove(text, text + name + 2, strlen(text + name + 2) + 1);
}

int xlm__pages_return(struct xlm__worker *w)
{
    struct xlm_session *s = w->pool->s;
    struct loss l = { .since_ns = xlm__clock_ns() };
    int rc;

    l.redial.number = (unsigned)(w->link - s->links);
    read_text(w->link, l.text);
    XLM__STATS(s, st->lost_channels++);
    rc = have_it_back(w, &l);
    XLM__STATS(s, st->lost_channels--);
    return rc;
}

/* ---- another key ---- */

bool xlm__pages_is_worn(const struct xlm__worker *w)
{
    const struct xlm__chan *c = &w->link->chan;

    return c->tls && w->link->may_return && !w->pool->job.final &&
           xlm__tls_records(c->tls) >= w->pool->s->key_records + w->postponed;
}

/* The old one may go on for a while, but not for ever. */
static int postpone(struct xlm__worker *w, const struct loss *l)
{
    const uint64_t enough = w->pool->s->key_records;

    if (w->postponed >= 3 * enough)
        return XLM_FAIL(&w->link->err, XLM_ERR_CHANNEL,
                        "%s: its key is worn out, and there is no other: %s",
                        w->link->chan.name, l->redial.why);
    w->postponed += (enough + 3) / 4;
    XLM_LOG(&w->pool->s->err, INFO, "data channel %u keeps its key for now: %s",
            l->redial.number - 1, l->redial.why);
    return 0;
}

int xlm__pages_renew(struct xlm__worker *w)
{
    struct xlm_session *s = w->pool->s;
    const struct xlm__again *again = &w->pool->redial;
    struct loss l = { 0 };
    uint64_t pages = 0;
    int rc;

    l.redial.number = (unsigned)(w->link - s->links);
    l.redial.deadline_ns = xlm__deadline_ns(again->limit_ms);
    l.redial.attempt = ++w->attempts;
    l.redial.fresh = &l.fresh;
    rc = again->redial(again->user, &l.redial);
    if (rc == XLM_ERR_CHANNEL)
        return postpone(w, &l);
    if (rc)
        return rc;
    replace(w, &l);
    rc = take_back(w, &l, &pages);
    if (!rc)
        XLM_LOG(&s->err, INFO,
                "data channel %u has another key, %" PRIu64 " pages sent again",
                l.redial.number - 1, pages);
    return rc;
}
