/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "source"
#include "engine/source.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "util/clock.h"

/* The destination ends its xl and destroys what it left. */
#define ABORTED_MS 60000
#define BYE_MS     10000
/* Who waits for so long is told for what. */
#define TELL_MS 3000
/* The same, but a guest stands still meanwhile: if we gave up, which may be for
 * a link that is dead, and if the destination did, which was alive then. */
#define IMAGES_MS      1500
#define IMAGES_PEER_MS 5000

/* ---- ending the conversation ---- */

static int await_aborted(struct xlm__source *m, uint64_t deadline_ns)
{
    struct xlm__stream *st = &xlm__session_control(m->s)->stream;
    struct xlm__rec rec;
    int rc;

    do {
        if (xlm__chan_poll(st->chan, xlm__deadline_left_ms(deadline_ns)) <= 0)
            return XLM_ERR_TIMEOUT;
        st->chan->read_deadline_ns = deadline_ns;
        rc = xlm__stream_read(st, &rec);
        st->chan->read_deadline_ns = 0;
    } while (!rc && rec.type != XLM__REC_ABORTED);
    return rc;
}

/* Unless either side has already. */
static int say_abort(struct xlm__source *m, int rc)
{
    struct xlm__stream *st = &xlm__session_control(m->s)->stream;
    const enum xlm__flow_state state = xlm__flow_state(st->flow);
    char text[XLM_MESSAGE_MAX];

    if (state == XLM__FLOW_ABORTING || state == XLM__FLOW_ABORTED ||
        state == XLM__FLOW_NOT_RUNNING)
        return 0;
    xlm__errslot_read(&m->s->err, text);
    return xlm__send_abort(st, rc, text);
}

/*
 * A device model that has its state holds the locks of its images, and ours
 * does not go on without them.  The destination lets them go before it says
 * ABORTED.  After these limits it is resumed all the same: whoever resumes it
 * then waits for the locks themselves.
 */
static void await_images(struct xlm__source *m, int rc)
{
    struct xlm__chan *control = &xlm__session_control(m->s)->chan;
    const enum xlm__flow_state state = xlm__flow_state(&m->s->flow);
    const bool peer = rc == XLM_ERR_PEER;
    const uint64_t deadline_ns = xlm__deadline_ns(peer ? IMAGES_PEER_MS
                                                       : IMAGES_MS);

    if (!m->suspended || !m->dm_sent || state == XLM__FLOW_ABORTED ||
        state == XLM__FLOW_NOT_RUNNING)
        return;
    control->write_deadline_ns = deadline_ns;
    if (say_abort(m, rc) || await_aborted(m, deadline_ns))
        XLM_LOG(&m->s->err, WARN,
                "%s did not confirm in time that it gave up %s",
                xlm__source_peer(m), m->config.name);
    control->write_deadline_ns = xlm__deadline_ns(BYE_MS);
}

static void say_bye(struct xlm__source *m)
{
    struct xlm__stream *st = &xlm__session_control(m->s)->stream;
    struct xlm__rec rec;

    if (xlm__send_empty(st, XLM__REC_BYE))
        return;
    st->chan->read_deadline_ns = xlm__deadline_ns(BYE_MS);
    while (!xlm__stream_read(st, &rec) && rec.type != XLM__REC_BYE)
        ;
}

/* The domain is as before already; only the peer's word is missing. */
static int await_nothing_left(struct xlm__source *m)
{
    const uint64_t deadline_ns = xlm__deadline_ns(ABORTED_MS);
    int rc = xlm__chan_poll(&xlm__session_control(m->s)->chan, TELL_MS);

    if (rc < 0)
        return rc;
    if (!rc && m->built)
        XLM_LOG(&m->s->err, WARN,
                "%s stays here; waiting up to %u s for %s to say that nothing "
                "of it is left there",
                m->config.name, ABORTED_MS / 1000, xlm__source_peer(m));
    return await_aborted(m, deadline_ns);
}

/* Tell the peer that it is over and wait until nothing is left there. */
static void take_leave(struct xlm__source *m, int rc)
{
    struct xlm__stream *st = &xlm__session_control(m->s)->stream;
    enum xlm__flow_state state;

    if (!st->flow)
        return; /* never greeted */
    state = xlm__flow_state(st->flow);
    if (state == XLM__FLOW_CHECKED || state == XLM__FLOW_BLOCKED ||
        ((m->s->opt.flags & XLM_F_ESTIMATE) &&
         (state == XLM__FLOW_BUILT || state == XLM__FLOW_BETWEEN))) {
        say_bye(m);
        return;
    }
    if (say_abort(m, rc))
        return;
    if (state == XLM__FLOW_ABORTED || state == XLM__FLOW_NOT_RUNNING ||
        !await_nothing_left(m))
        m->built = false;
    if (m->built)
        XLM_LOG(&m->s->err, WARN,
                "%s did not confirm that nothing of %s is left there",
                xlm__source_peer(m), m->config.name);
    say_bye(m);
}

/* ---- undoing ---- */

int xlm__source_give_back(struct xlm__source *m, enum xlm__setting setting,
                          const char *still)
{
    struct xlm__errslot aside = XLM__ERRSLOT_INITIALIZER;
    char text[XLM_MESSAGE_MAX];
    int rc;

    m->hv->err = m->ts->err = &aside;
    rc = xlm__setting_restore(m->hv, m->ts, setting, m->domid, m->info.uuid);
    m->hv->err = m->ts->err = &m->s->err;
    xlm__errslot_read(&aside, text);
    xlm__errslot_destroy(&aside);
    if (rc)
        XLM_LOG(&m->s->err, WARN, "%s %s: %s", m->config.name, still, text);
    return rc;
}

static void untrack(struct xlm__source *m)
{
    if (m->dirty)
        m->dirty->ops->close(m->dirty);
    m->dirty = NULL;
    if (m->dm_logging && !m->ended)
        m->ts->ops->dm_logdirty(m->ts, m->domid, false);
    m->dm_logging = false;
}

/* The guest runs on here under its own name, as it did before. */
static int run_on(struct xlm__source *m)
{
    char away[XLM_NAME_MAX + 16];
    bool has = false;
    int rc = 0, r = 0, named = 0;

    untrack(m);
    if (m->unpaused)
        r = m->hv->ops->pause(m->hv, m->domid);
    if (m->suspended) {
        rc = m->ts->ops->resume(m->ts, m->domid);
        XLM_LOG(&m->s->err, INFO, "%s %s here", m->config.name,
                rc ? "could not be resumed" : "was resumed");
    }
    if (m->renamed) {
        snprintf(away, sizeof(away), "%s--migratedaway", m->config.name);
        named = m->ts->ops->rename(m->ts, m->domid, away, m->config.name);
    }
    /* A guest that suspends late takes xl's daemon with it (4.17): ours, which
     * yields to that one, has to be there by then. */
    if (m->had_monitor && m->suspend_asked_ns &&
        (m->may_suspend_later ||
         (!m->ts->ops->has_monitor(m->ts, m->domid, &has) && !has))) {
        pthread_mutex_lock(&m->s->lock);
        m->s->needs_monitor = true;
        pthread_mutex_unlock(&m->s->lock);
    }
    if (!rc)
        m->suspended = false;
    r = r ? r : named;
    return rc ? rc : r;
}

/* After PERMIT only the destination's word gives the domain back to us. */
static bool is_ours(struct xlm__source *m)
{
    if (!m->permitted)
        return true;
    if (xlm__flow_state(&m->s->flow) == XLM__FLOW_ABORTED)
        return true;
    return xlm__flow_state(&m->s->flow) == XLM__FLOW_ABORTING &&
           !await_aborted(m, xlm__deadline_ns(ABORTED_MS));
}

/* The destination's word was had: who finishes for us need not ask again. */
static void note_return(struct xlm__source *m)
{
    if (m->permit_ns)
        (void)xlm__source_tell_guard(m, XLM__GUARD_RENAMED);
}

static int unwind(struct xlm__source *m, int rc)
{
    struct xlm__chan *control = &xlm__session_control(m->s)->chan;
    int slowed, limited;

    xlm__source_return_never(m);
    xlm__session_stop(m->s);
    control->stop_fd = -1;
    control->write_deadline_ns = xlm__deadline_ns(BYE_MS);
    xlm__pages_close(m->pool);
    m->pool = NULL;
    slowed = xlm__source_full_speed(m);
    limited = xlm__source_allow_growth(m);
    if (!is_ours(m)) {
        untrack(m);
        xlm__session_set_owner(m->s, XLM_OWNER_UNKNOWN);
        return XLM_ERR_UNDECIDED;
    }
    xlm__session_set_owner(m->s, XLM_OWNER_SOURCE);
    note_return(m);
    await_images(m, rc);
    if (m->locked && !m->ended && (run_on(m) || slowed || limited))
        return rc; /* the guardian is not told: it tries again */
    /* It is gone when the destination, which then hears goodbye, forgets. */
    xlm__source_unmark(m, rc);
    take_leave(m, rc);
    xlm__source_tell_guard(m, XLM__GUARD_DONE);
    return rc;
}

/* ---- doing ---- */

static int move(struct xlm__source *m)
{
    int rc;

    rc = xlm__source_prepare(m);
    if (!rc)
        rc = xlm__source_greet(m);
    if (!rc)
        rc = xlm__source_preflight(m);
    if (rc || (m->s->opt.flags & XLM_F_DRY_RUN))
        return rc;
    rc = xlm__source_build(m);
    if (rc)
        return rc;
    if (m->s->opt.flags & XLM_F_ESTIMATE)
        return xlm__source_estimate(m);
    xlm__session_event(m->s, XLM__EV_BUILT);
    rc = xlm__source_precopy(m);
    if (!rc)
        rc = xlm__source_switchover(m);
    return rc ? rc : xlm__source_permit(m);
}

static void dispose(struct xlm__source *m)
{
    xlm__pages_close(m->pool);
    xlm__source_verify_free(m);
    if (m->dirty)
        m->dirty->ops->close(m->dirty);
    if (m->dom)
        m->dom->ops->close(m->dom);
    if (m->locked)
        m->ts->ops->unlock(m->ts);
    xlm__source_forget_way(m);
    xlm__config_free(&m->config);
    xlm__findings_free(m->findings);
    free(m->ram);
    free(m->todo);
    free(m->deferred);
    free(m->gone);
    free(m->there);
    free(m);
}

int xlm__source_run(struct xlm_session *s)
{
    struct xlm__source *m = calloc(1, sizeof(*m));
    int rc;

    if (!m)
        return XLM_FAIL(&s->err, XLM_ERR_NOMEM, "source of a migration");
    m->s = s;
    m->hv = s->hv;
    m->ts = s->toolstack;
    m->domid = s->opt.domid;
    rc = move(m);
    if (rc && rc != XLM_ERR_CLEANUP && rc != XLM_ERR_UNDECIDED)
        rc = unwind(m, xlm__session_first_error(s, rc));
    else if (rc == XLM_ERR_UNDECIDED)
        rc = unwind(m, rc);
    else if (s->opt.flags & (XLM_F_DRY_RUN | XLM_F_ESTIMATE)) {
        untrack(m);
        xlm__source_unmark(m, 0);
        say_bye(m);
    }
    if (!rc || rc == XLM_ERR_CLEANUP)
        xlm__source_tell_guard(m, XLM__GUARD_DONE);
    dispose(m);
    return rc;
}
