/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "source"
#include "engine/source.h"

#include <stdio.h>
#include <string.h>

#include <xen/sched.h>

#include "base/log.h"
#include "engine/host.h"
#include "util/clock.h"

/* How often a wait looks at the guest and at the clock. */
#define LOOK_MS 250
/* The peer's reason for closing may be behind the data that we could not
 * send. */
#define BLAME_MS    3000
#define CLOCK_PINGS 8
/* Hotplug scripts on a loaded host; the guest runs meanwhile. */
#define PREBUILT_MS 300000

static const char *shutdown_name(unsigned reason)
{
    static const char *const names[] = {
        [SHUTDOWN_poweroff] = "shut down",
        [SHUTDOWN_reboot] = "rebooted",
        [SHUTDOWN_suspend] = "was suspended",
        [SHUTDOWN_crash] = "crashed",
        [SHUTDOWN_watchdog] = "was stopped by its watchdog",
        [SHUTDOWN_soft_reset] = "asked for a soft reset",
    };

    if (reason < sizeof(names) / sizeof(*names) && names[reason])
        return names[reason];
    return "stopped";
}

int xlm__source_guest(struct xlm__source *m)
{
    struct xlm__dominfo info;
    bool exists;
    int rc;

    if (!m->locked)
        return 0;
    rc = xlm__hv_dominfo_of(m->hv, m->domid, m->info.uuid, &info, &exists);
    if (rc)
        return rc;
    if (!exists || info.dying) {
        m->ended = true;
        return XLM_FAIL(&m->s->err, XLM_ERR_GUEST_ENDED,
                        "%s was destroyed during its migration",
                        m->config.name);
    }
    xlm__source_watch_growth(m, &info);
    if (m->suspended && !info.shutdown) {
        m->suspended = false;
        return XLM_FAIL(&m->s->err, XLM_ERR_BUSY,
                        "%s was resumed by somebody else while it moved",
                        m->config.name);
    }
    if (m->suspended || !info.shutdown)
        return 0;
    m->ended = true;
    if (info.shutdown_reason == SHUTDOWN_suspend)
        return XLM_FAIL(&m->s->err, XLM_ERR_BUSY,
                        "%s was suspended by somebody else", m->config.name);
    return XLM_FAIL(&m->s->err, XLM_ERR_GUEST_ENDED,
                    "%s %s during its migration", m->config.name,
                    shutdown_name(info.shutdown_reason));
}

const char *xlm__source_peer(const struct xlm__source *m)
{
    return m->peer.hostname[0] ? m->peer.hostname : "the destination";
}

static int take_abort(struct xlm__source *m, const struct xlm__abort *a)
{
    return XLM_FAIL(&m->s->err, XLM_ERR_PEER, "%s: %s", xlm__source_peer(m),
                    a->text);
}

static void take_finding(struct xlm__source *m,
                         const struct xlm__finding_rec *r)
{
    const struct xlm_finding f = { (enum xlm_severity)r->severity, r->code,
                                   r->message, r->advice };

    xlm__session_finding(m->s, &f);
}

/* 1 = a record that nobody waits for was dealt with, 0 = rec is for the
 * caller. */
static int take_other(struct xlm__source *m, const struct xlm__rec *rec)
{
    bool taken = false;
    int rc;

    if (rec->ignore || xlm__source_heard(m, rec))
        return 1;
    rc = xlm__source_verify_take(m, rec, &taken);
    if (rc || taken)
        return rc ? rc : 1;
    if (rec->type == XLM__REC_ABORT)
        return take_abort(m, &rec->u.abort);
    if (rec->type == XLM__REC_NOT_RUNNING) {
        m->permitted = false; /* proven: it is ours again */
        return XLM_FAIL(&m->s->err, XLM_ERR_PEER, "%s: %s", xlm__source_peer(m),
                        rec->u.text);
    }
    if (rec->type == XLM__REC_FINDING) {
        take_finding(m, &rec->u.finding);
        return 1;
    }
    if (rec->type == XLM__REC_PREBUILT) {
        XLM_LOG(&m->s->err, INFO, "%s has all devices of %s",
                xlm__source_peer(m), m->config.name);
        m->prebuilt = true;
        return 1;
    }
    return 0;
}

/* 1 = there is something to read, or the channel has to be made again. */
static int wait_readable(struct xlm__source *m, uint64_t deadline_ns,
                         const char *what)
{
    struct xlm__chan *c = &xlm__session_control(m->s)->chan;
    int rc;

    for (;;) {
        int left = xlm__deadline_left_ms(deadline_ns);

        rc = xlm__session_check(m->s);
        if (!rc && !m->permitted)
            rc = xlm__source_guest(m);
        if (!rc && m->suspended && !m->permitted)
            rc = xlm__session_look_at_wire(m->s, xlm__source_peer(m));
        if (!rc)
            rc = xlm__source_tend(m);
        if (!rc)
            rc = xlm__source_deadline(m);
        if (rc)
            return rc;
        if (xlm__source_is_away(m))
            return 1;
        if (!left)
            return XLM_FAIL(&m->s->err, XLM_ERR_TIMEOUT,
                            "no %s from %s within the limit", what,
                            xlm__source_peer(m));
        rc = xlm__chan_poll(c, left > 0 && left < LOOK_MS ? left : LOOK_MS);
        if (rc > 0)
            return 1;
        if (rc < 0 && !xlm__session_check(m->s))
            return rc;
        if (!rc && (rc = xlm__source_ask(m)))
            return rc;
    }
}

/* 1 = no record: the channel is another one now. */
static int read_record(struct xlm__source *m, uint64_t deadline_ns,
                       struct xlm__rec *rec)
{
    struct xlm__link *l = xlm__session_control(m->s);
    int rc;

    l->chan.read_deadline_ns = deadline_ns;
    rc = xlm__stream_read(&l->stream, rec);
    l->chan.read_deadline_ns = 0;
    if (rc != XLM_ERR_CHANNEL || !xlm__source_is_away(m))
        return rc;
    rc = xlm__source_return(m);
    return rc ? rc : 1;
}

int xlm__source_await(struct xlm__source *m, enum xlm__rec_type type,
                      uint32_t limit_ms, struct xlm__rec *rec)
{
    uint64_t deadline = xlm__deadline_ns(limit_ms);
    int rc;

    for (;;) {
        rc = wait_readable(m, deadline, xlm__rec_name((uint32_t)type));
        if (rc < 0)
            return rc;
        rc = read_record(m, deadline, rec);
        if (rc < 0)
            return rc;
        if (rc) { /* it may be asked for again only now */
            deadline = xlm__deadline_ns(limit_ms);
            continue;
        }
        rc = take_other(m, rec);
        if (rc < 0)
            return rc;
        if (rc)
            continue;
        if (rec->type == (uint32_t)type)
            return 0;
        return XLM_FAIL(&m->s->err, XLM_ERR_STREAM,
                        "%s from %s while waiting for %s",
                        xlm__rec_name(rec->type), xlm__source_peer(m),
                        xlm__rec_name((uint32_t)type));
    }
}

/* The time in which the channel was away does not count. */
static void renew(const struct xlm__source *m, uint32_t *returns,
                  uint32_t limit_ms, uint64_t *deadline_ns)
{
    if (*returns == m->nr_returns)
        return;
    *returns = m->nr_returns;
    *deadline_ns = xlm__deadline_ns(limit_ms);
}

int xlm__source_await_prebuilt(struct xlm__source *m)
{
    uint64_t deadline = xlm__deadline_ns(PREBUILT_MS);
    uint32_t returns = m->nr_returns;
    int rc = 0;

    while (!rc && !m->prebuilt) {
        renew(m, &returns, PREBUILT_MS, &deadline);
        rc = wait_readable(m, deadline, xlm__rec_name(XLM__REC_PREBUILT));
        if (rc > 0)
            rc = xlm__source_listen(m);
    }
    return rc;
}

int xlm__source_await_zero(struct xlm__source *m, const uint64_t *gone,
                           uint32_t limit_ms, const char *what)
{
    uint64_t deadline = xlm__deadline_ns(limit_ms);
    uint32_t returns = m->nr_returns;
    int rc = 0;

    while (rc >= 0 && *gone) {
        renew(m, &returns, limit_ms, &deadline);
        rc = wait_readable(m, deadline, what);
        if (rc > 0)
            rc = xlm__source_listen(m);
    }
    return rc;
}

/* 1 = there is something to read, or the channel has to be made again. */
static int has_news(struct xlm__source *m)
{
    if (xlm__source_is_away(m))
        return 1;
    return xlm__chan_poll(&xlm__session_control(m->s)->chan, 0);
}

int xlm__source_listen(struct xlm__source *m)
{
    struct xlm__rec rec;
    int rc;

    while ((rc = has_news(m)) > 0) {
        rc = read_record(m, 0, &rec);
        if (rc < 0)
            return rc;
        if (rc)
            continue;
        rc = take_other(m, &rec);
        if (rc < 0)
            return rc;
        if (!rc)
            return XLM_FAIL(&m->s->err, XLM_ERR_STREAM, "unexpected %s from %s",
                            xlm__rec_name(rec.type), xlm__source_peer(m));
    }
    return rc;
}

int xlm__source_blame(struct xlm__source *m, struct xlm__link *failed, int rc)
{
    struct xlm__link *l = xlm__session_control(m->s);
    struct xlm__rec rec;
    uint64_t deadline = xlm__deadline_ns(BLAME_MS);

    if (xlm__errslot_code(&m->s->err) || xlm__session_stopped(m->s))
        return rc;
    if (failed && rc != XLM_ERR_CHANNEL) /* our own */
        return xlm__link_promote(failed, m->s, rc);
    l->chan.read_deadline_ns = deadline;
    while (l->stream.flow && !xlm__source_is_away(m) &&
           xlm__chan_poll(&l->chan, BLAME_MS) > 0) {
        if (xlm__stream_read(&l->stream, &rec))
            break;
        if (take_other(m, &rec) < 0)
            return XLM_ERR_PEER;
    }
    l->chan.read_deadline_ns = 0;
    return failed ? xlm__link_promote(failed, m->s, rc) : rc;
}

/* t1 ── ping ──> t2..t3 ── pong ──> t4, as in NTP (RFC 5905 section 8). */
static void note_clock(struct xlm__source *m, const struct xlm__clock *c,
                       uint64_t t4)
{
    uint64_t trip = (t4 - c->t1) - (c->t3 - c->t2);

    if (m->clock_known && trip / 2 >= m->clock_error_ns)
        return;
    m->clock_error_ns = trip / 2;
    m->clock_offset_ns = ((int64_t)(c->t2 - c->t1) + (int64_t)(c->t3 - t4)) / 2;
    m->clock_known = true;
}

int xlm__source_clock(struct xlm__source *m)
{
    struct xlm__rec rec;
    int rc;

    for (int i = 0; i < CLOCK_PINGS; i++) {
        rc = xlm__send_ping(&xlm__session_control(m->s)->stream,
                            xlm__clock_ns());
        if (!rc)
            rc = xlm__source_await(m, XLM__REC_CLOCK_PONG, 30000, &rec);
        if (rc)
            return rc;
        note_clock(m, &rec.u.clock, xlm__clock_ns());
    }
    XLM__STATS(m->s, st->clock_error_us = m->clock_error_ns / XLM__NS_PER_US);
    return 0;
}

static void print_if(char *out, size_t bytes, const char *text)
{
    snprintf(out, bytes, "%s", text && strlen(text) < bytes ? text : "");
}

/* Into the journal, should nobody of us be left. */
static int mark(struct xlm__source *m, enum xlm__guard_phase phase)
{
    struct xlm__mark k = { .domid = m->domid, .phase = (uint32_t)phase };

    if (m->note.device_model)
        k.flags |= XLM__MARK_DEVICE_MODEL;
    if (m->note.not_logged)
        k.flags |= XLM__MARK_NOT_LOGGED;
    if (m->note.was_paused)
        k.flags |= XLM__MARK_WAS_PAUSED;
    memcpy(k.uuid, m->note.uuid, sizeof(k.uuid));
    memcpy(k.session, m->s->greeting.session, sizeof(k.session));
    xlm__host_boot_id(k.boot);
    memcpy(k.peer_boot, m->peer.boot_id, sizeof(k.peer_boot));
    snprintf(k.peer, sizeof(k.peer), "%s", m->peer.hostname);
    print_if(k.host, sizeof(k.host), m->s->opt.journal_host);
    print_if(k.ssh, sizeof(k.ssh), m->s->opt.journal_ssh);
    snprintf(k.name, sizeof(k.name), "%s", m->note.name);
    m->marked = true;
    return m->ts->ops->mark_set(m->ts, XLM__MARK_SENT, &k);
}

/* rc: why it stays.  Where Xen's log was on, whoever left it so is still to be
 * recovered from. */
void xlm__source_unmark(struct xlm__source *m, int rc)
{
    if (m->marked && rc == XLM_ERR_BUSY && m->has_left)
        m->ts->ops->mark_set(m->ts, XLM__MARK_SENT, &m->left);
    else if (m->marked)
        m->ts->ops->mark_clear(m->ts, XLM__MARK_SENT, m->note.uuid);
    m->marked = false;
}

int xlm__source_mark_moved(struct xlm__source *m)
{
    int rc = mark(m, XLM__GUARD_MOVED);

    m->marked = false; /* it stays */
    return rc;
}

int xlm__source_tell_guard(struct xlm__source *m, enum xlm__guard_phase phase)
{
    int rc = 0;

    /* Before anything was built there, there is nothing to be told. */
    if (phase != XLM__GUARD_DONE && (m->built || m->marked))
        rc = mark(m, phase);
    m->note.owner = (uint32_t)xlm_session_owner(m->s);
    memcpy(m->note.session, m->s->greeting.session, sizeof(m->note.session));
    if (rc)
        return rc;
    return xlm__guard_tell(&m->s->err, m->s->opt.guard_fd, &m->note, phase);
}
