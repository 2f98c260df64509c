/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A control channel that gets another connection. */
#include "config.h"

#include "stream/record.h"

#include <inttypes.h>

#include "stream/record_int.h"
#include "util/clock.h"

#define XLM_MODULE "stream"

/* What goes again is small, and who asks for it is there: section 2.4. */
#define AGAIN_MS 10000u

int xlm__stream_keep(struct xlm__stream *s)
{
    if (xlm__backlog_init(&s->backlog))
        return XLM_FAIL(s->err, XLM_ERR_NOMEM, "%u bytes of sent records",
                        XLM__BACKLOG_BYTES);
    return 0;
}

void xlm__stream_may_return(struct xlm__stream *s, struct xlm__errslot *aside,
                            int leave_fd)
{
    pthread_mutex_lock(&s->write_lock);
    s->may_return = true;
    s->chan->err = aside;
    s->chan->leave_fd = leave_fd;
    pthread_mutex_unlock(&s->write_lock);
}

void xlm__stream_no_return(struct xlm__stream *s)
{
    pthread_mutex_lock(&s->write_lock);
    s->may_return = false;
    s->chan->err = s->err;
    s->chan->leave_fd = -1;
    xlm__backlog_free(&s->backlog);
    pthread_mutex_unlock(&s->write_lock);
}

bool xlm__stream_is_away(struct xlm__stream *s)
{
    bool away;

    pthread_mutex_lock(&s->write_lock);
    away = s->away;
    pthread_mutex_unlock(&s->write_lock);
    return away;
}

void xlm__stream_leave(struct xlm__stream *s)
{
    pthread_mutex_lock(&s->write_lock);
    s->away = true;
    pthread_mutex_unlock(&s->write_lock);
}

int xlm__stream_broken(struct xlm__stream *s, int rc)
{
    char text[XLM_MESSAGE_MAX];

    if (s->chan->err == s->err)
        return rc;
    if (rc == XLM_ERR_CHANNEL)
        xlm__stream_leave(s);
    else if (xlm__errslot_read(s->chan->err, text) == rc)
        return XLM_FAIL(s->err, rc, "%s", text);
    return rc;
}

/* Under lock.  The new one, with the counters of the old one. */
static void replace(struct xlm__stream *s, struct xlm__chan *fresh)
{
    struct xlm__chan *c = s->chan;
    struct xlm__errslot *err = c->err;
    const uint64_t read_bytes = c->read_bytes + fresh->read_bytes;
    const uint64_t written_bytes = c->written_bytes + fresh->written_bytes;
    const int leave_fd = c->leave_fd;

    xlm__chan_close(c);
    *c = *fresh;
    c->err = err;
    c->leave_fd = leave_fd;
    c->read_bytes = read_bytes;
    c->written_bytes = written_bytes;
    fresh->err = NULL; /* owns nothing now */
}

static int come_back(struct xlm__stream *s, struct xlm__chan *fresh,
                     const uint8_t *answer, uint32_t taken)
{
    size_t bytes = 0;
    const uint8_t *rest = xlm__backlog_since(&s->backlog, taken, &bytes);
    int rc = 0;

    if (!rest)
        return XLM_FAIL(fresh->err, XLM_ERR_STREAM,
                        "%s: the other side took %u records, those from %u to "
                        "%u can be sent again",
                        fresh->name, taken, s->backlog.first, s->backlog.next);
    replace(s, fresh);
    s->chan->write_deadline_ns = xlm__deadline_ns(AGAIN_MS);
    if (answer)
        rc = xlm__chan_write(s->chan, answer, XLM__GREETING_BYTES);
    if (!rc && bytes)
        rc = xlm__chan_write(s->chan, rest, bytes);
    s->chan->write_deadline_ns = 0;
    s->away = rc != 0;
    return rc == XLM_ERR_TIMEOUT ? XLM_ERR_CHANNEL : rc;
}

int xlm__stream_come_back(struct xlm__stream *s, struct xlm__chan *fresh,
                          const uint8_t *answer, uint32_t taken)
{
    int rc;

    pthread_mutex_lock(&s->write_lock);
    rc = come_back(s, fresh, answer, taken);
    pthread_mutex_unlock(&s->write_lock);
    return rc;
}
