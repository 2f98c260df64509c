/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the permission on (doc/stream-format.md 8.2).
 *
 *   PERMIT ──> COMMIT, xl renames the domain and ends
 *              GO into the journal
 *              we take both of its pauses back      it runs
 *              RUNS into the journal ──> RUNNING
 *
 * From its creation on the domain has Xen's pause for a new one, and ours: no
 * stray "xl unpause" starts half a guest, and no xl, which is always told to
 * leave it paused.  So nothing but us starts it, and what the journal says
 * decides: without GO it never ran; with GO, whoever comes after us starts it,
 * or it did run (recover_look.c).
 */
#include "config.h"

#define XLM_MODULE "destination"
#include "engine/dest.h"

#include "base/log.h"
#include "util/clock.h"

/* The guest's own report is written once a second, if at all. */
#define GAP_MS 4000

int xlm__dest_hold(struct xlm__dest *d, uint32_t domid)
{
    return d->hv->ops->pause(d->hv, domid);
}

/* *first_out: it failed at the first one, so that nobody else's stray unpause
 * can have started it either. */
static int let_go(struct xlm__dest *d, bool *first_out)
{
    const unsigned nr = d->paused ? 1 : XLM__HELD_PAUSES;
    const uint32_t domid = xlm_session_domid(d->s);
    struct xlm__dominfo info;
    bool exists;
    int rc = 0;

    *first_out = true;
    for (unsigned i = 0; i < nr && !rc; i++) {
        rc = d->hv->ops->dominfo(d->hv, domid, &info, &exists);
        /* A stray one may have taken one back already. */
        if (rc || !exists || !info.paused)
            break;
        rc = d->hv->ops->unpause(d->hv, domid);
        *first_out = *first_out && rc;
    }
    return rc;
}

/* GO was written, and it was not started: that has to be written first. */
static bool take_back(struct xlm__dest *d)
{
    struct xlm__dominfo info;
    bool exists;

    return !d->hv->ops->dominfo(d->hv, xlm_session_domid(d->s), &info,
                                &exists) &&
           (!exists || info.paused) &&
           !xlm__dest_mark(d, XLM__RECEIVED_NEVER) &&
           !d->ts->ops->restore_abort(d->ts);
}

/* *never_ran_out with an error: it is proven, and nothing of it is left. */
static int start(struct xlm__dest *d, struct xlm__running *r,
                 bool *never_ran_out)
{
    bool named = false, first;
    int rc;

    rc = d->ts->ops->restore_go(d->ts, &named);
    if (!rc && !named)
        rc = XLM_FAIL(&d->s->err, XLM_ERR_TOOLSTACK, "%s could not be started",
                      d->config.name);
    /* A device model that is gone must be found out before GO. */
    if (!rc && !d->paused && d->offer.domain_type == XLM__WIRE_HVM)
        rc = d->ts->ops->dm_continue(d->ts, xlm_session_domid(d->s));
    /* One that stays paused keeps Xen's pause; nobody could tell later whether
     * ours was taken back. */
    if (!rc && d->paused)
        rc = let_go(d, &first);
    if (!rc)
        rc = xlm__dest_mark(d, XLM__RECEIVED_GO);
    if (rc) {
        *never_ran_out = !d->ts->ops->restore_abort(d->ts);
        return rc;
    }
    r->domid = xlm_session_domid(d->s);
    r->flags = d->paused ? XLM__RUNNING_PAUSED : 0;
    if (d->paused)
        return 0;
    rc = let_go(d, &first);
    r->unpaused_ns = xlm__clock_ns();
    *never_ran_out = rc && first && take_back(d);
    return rc;
}

/* Unless the source says goodbye before: it was not asked for that. */
static void tell_gap(struct xlm__dest *d, struct xlm__stream *st)
{
    uint64_t gap_us = 0;

    if (d->paused || xlm__chan_poll(st->chan, 0))
        return;
    if (!d->ts->ops->guest_gap(d->ts, xlm_session_domid(d->s), GAP_MS,
                               st->chan->rfd, &gap_us) &&
        gap_us)
        xlm__send_guest_gap(st, gap_us);
}

/* The source's goodbye says that it has acted on our last word: nobody will
 * ever ask for the mark again. */
void xlm__dest_say_bye(struct xlm__dest *d)
{
    struct xlm__stream *st = &xlm__session_control(d->s)->stream;
    struct xlm__rec rec;

    if (xlm__send_empty(st, XLM__REC_BYE))
        return;
    st->chan->read_deadline_ns = xlm__deadline_ns(XLM__DEST_BYE_MS);
    while (!xlm__stream_read(st, &rec)) {
        if (rec.type != XLM__REC_BYE)
            continue;
        xlm__dest_unmark(d);
        return;
    }
}

static void tell_never_ran(struct xlm__dest *d, struct xlm__stream *st)
{
    char text[XLM_MESSAGE_MAX];

    /* If this fails, recovery finds that it was never to run: the same. */
    (void)xlm__dest_mark(d, XLM__RECEIVED_NEVER);
    xlm__session_set_owner(d->s, XLM_OWNER_SOURCE);
    xlm__errslot_read(&d->s->err, text);
    (void)xlm__send_not_running(st, text);
    xlm__dest_say_bye(d);
}

int xlm__dest_commit(struct xlm__dest *d)
{
    struct xlm__stream *st = &xlm__session_control(d->s)->stream;
    struct xlm__running r = { 0 };
    bool never_ran = false;
    int rc, lost;

    atomic_store(&d->s->way_out, XLM__WAY_SEALED);
    st->chan->stop_fd = -1;
    st->chan->write_deadline_ns = xlm__deadline_ns(XLM__DEST_BYE_MS);
    xlm__session_set_owner(d->s, XLM_OWNER_DESTINATION);
    XLM_LOG(&d->s->err, INFO, "permission to run %s came", d->config.name);
    /* If this does not reach the source, it stays suspended there: go on. */
    lost = xlm__send_empty(st, XLM__REC_COMMIT);
    rc = start(d, &r, &never_ran);
    d->building = false;
    if (rc) { /* it may run: nothing is said that is not proven */
        if (never_ran)
            tell_never_ran(d, st);
        return rc;
    }
    /* If this fails, recovery finds that it was to run: the same. */
    if (!xlm__dest_mark(d, XLM__RECEIVED_RUNS))
        xlm__dest_forget_departure(d);
    if (!lost)
        lost = xlm__send_running(st, &r);
    if (lost)
        XLM_LOG(&d->s->err, WARN, "%s runs here, but the source does not know",
                d->config.name);
    else
        tell_gap(d, st);
    xlm__dest_say_bye(d);
    return 0;
}
