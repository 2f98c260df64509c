/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "destination"
#include "engine/dest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/host.h"
#include "util/clock.h"

static int take_offer(struct xlm__dest *d, const struct xlm__offer *o)
{
    d->offer = *o;
    d->dry_run = o->flags & XLM__OFFER_DRY_RUN;
    d->sample = o->flags & XLM__OFFER_SAMPLE;
    XLM_LOG(&d->s->err, INFO, "%s offers %s, domain %u, %llu MiB, Xen %s",
            o->hostname, o->name, o->domid,
            (unsigned long long)(o->memory_pages >> 8), o->xen_version);
    XLM__STATS(d->s, st->memory_pages = o->memory_pages);
    return xlm__dest_compare_xen(d);
}

static int take_config(struct xlm__dest *d, const char *json)
{
    int rc;

    /* This libxl may not know all that is in it, and nothing is built here. */
    if (d->older)
        return 0;
    rc = d->ts->ops->config_parse(d->ts, json, &d->config);
    if (!rc && (uint32_t)d->config.type != d->offer.domain_type)
        rc = XLM_FAIL(&d->s->err, XLM_ERR_STREAM,
                      "configuration is for guest type %d, offered was %u",
                      (int)d->config.type, d->offer.domain_type);
    return rc;
}

static int end_round(struct xlm__dest *d, const struct xlm__round *claimed)
{
    int rc = xlm__dest_round_end(d, claimed);

    /* Better now than when the domain has been suspended. */
    if (!rc && d->pre.begun)
        rc = d->ts->ops->restore_check(d->ts);
    if (rc)
        return rc;
    XLM__STATS(d->s, {
        st->round = claimed->round;
        st->sent_pages += claimed->pages + claimed->zero_pages;
        st->zero_pages += claimed->zero_pages;
    });
    xlm__session_progress(d->s);
    return xlm__send_round(&xlm__session_control(d->s)->stream,
                           XLM__REC_ROUND_DONE, claimed);
}

static void begin_round(struct xlm__dest *d, const struct xlm__round *r)
{
    const uint64_t features = xlm__session_control(d->s)->features;

    if (r->flags & XLM__ROUND_FINAL) {
        if (features & XLM__FEATURE_PAUSED)
            d->paused = r->flags & XLM__ROUND_PAUSED;
        xlm__session_event(d->s, XLM__EV_SUSPEND);
        xlm__dest_no_return(d);
    }
    xlm__dest_round_begin(d, r->round);
}

static int take_state(struct xlm__dest *d, const struct xlm__state_rec *st)
{
    return xlm__dest_keep_state(d, st);
}

static int take_ping(struct xlm__dest *d, const struct xlm__clock *ping)
{
    struct xlm__clock pong = { .t1 = ping->t1, .t2 = xlm__clock_ns() };

    pong.t3 = xlm__clock_ns();
    return xlm__send_pong(&xlm__session_control(d->s)->stream, &pong);
}

static int take_abort(struct xlm__dest *d, const struct xlm__abort *a)
{
    return XLM_FAIL(&d->s->err, XLM_ERR_PEER, "%s: %s", d->offer.hostname,
                    a->text);
}

int xlm__dest_mark(struct xlm__dest *d, enum xlm__received phase)
{
    struct xlm__mark k = { .domid = xlm_session_domid(d->s),
                           .phase = (uint32_t)phase };

    if (d->paused)
        k.flags = XLM__MARK_PAUSED;
    memcpy(k.uuid, d->config.uuid, sizeof(k.uuid));
    memcpy(k.session, d->s->greeting.session, sizeof(k.session));
    xlm__host_boot_id(k.boot);
    memcpy(k.peer_boot, d->offer.boot_id, sizeof(k.peer_boot));
    snprintf(k.peer, sizeof(k.peer), "%s", d->offer.hostname);
    snprintf(k.name, sizeof(k.name), "%s", d->config.name);
    d->marked = true;
    return d->ts->ops->mark_set(d->ts, XLM__MARK_RECEIVED, &k);
}

void xlm__dest_unmark(struct xlm__dest *d)
{
    if (d->marked)
        d->ts->ops->mark_clear(d->ts, XLM__MARK_RECEIVED, d->config.uuid);
    d->marked = false;
}

/* It is here again: that it once went away is over. */
void xlm__dest_forget_departure(struct xlm__dest *d)
{
    struct xlm__mark m;
    bool marked = false;

    if (!d->ts->ops->mark_get(d->ts, XLM__MARK_SENT, d->config.uuid, &m,
                              &marked) &&
        marked && m.phase == XLM__GUARD_MOVED)
        d->ts->ops->mark_clear(d->ts, XLM__MARK_SENT, d->config.uuid);
}

/* The mark of an earlier arrival must not be taken for this one's. */
static int build(struct xlm__dest *d, const struct xlm__build *b)
{
    int rc;

    if (d->sample)
        return xlm__dest_build_sample(d, b);
    rc = xlm__dest_build(d, b);
    return rc ? rc : xlm__dest_mark(d, XLM__RECEIVED_BUILDING);
}

/* One record; *done_out when the conversation is over. */
static int take(struct xlm__dest *d, const struct xlm__rec *rec, bool *done_out)
{
    switch (rec->type) {
    case XLM__REC_OFFER:
        return take_offer(d, &rec->u.offer);
    case XLM__REC_CONFIG:
        return take_config(d, rec->u.config.json);
    case XLM__REC_STATE:
        return take_state(d, &rec->u.state);
    case XLM__REC_CHECK:
        return xlm__dest_check(d);
    case XLM__REC_BUILD:
        return build(d, &rec->u.build);
    case XLM__REC_PREBUILD:
        return xlm__dest_prebuild(d, &rec->u.prebuild);
    case XLM__REC_VERIFY:
        return xlm__dest_verify_begin(d, rec->u.keys);
    case XLM__REC_SPARED:
        return xlm__dest_verify_spare(d, &rec->u.spared);
    case XLM__REC_SUMS:
        return xlm__dest_verify_sums(d, &rec->u.sums);
    case XLM__REC_HASHES:
        return xlm__dest_verify_hashes(d, &rec->u.sums);
    case XLM__REC_CLOCK_PING:
        return take_ping(d, &rec->u.clock);
    case XLM__REC_ROUND_BEGIN:
        begin_round(d, &rec->u.round);
        return 0;
    case XLM__REC_ROUND_END:
        return end_round(d, &rec->u.round);
    case XLM__REC_RELEASE:
        return xlm__dest_release(d, &rec->u.release);
    case XLM__REC_DM_STATE:
        return xlm__dest_keep_dm(d, &rec->u.dm);
    case XLM__REC_XENSTORE:
        return xlm__dest_keep_xenstore(d, &rec->u.xenstore);
    case XLM__REC_TAIL_END:
        return xlm__dest_finish(d);
    case XLM__REC_PERMIT:
        *done_out = true;
        return xlm__dest_commit(d);
    case XLM__REC_BYE:
        *done_out = true;
        return xlm__send_empty(&xlm__session_control(d->s)->stream,
                               XLM__REC_BYE);
    case XLM__REC_ABORT:
        return take_abort(d, &rec->u.abort);
    default:
        return XLM_FAIL(&d->s->err, XLM_ERR_STREAM, "unexpected %s",
                        xlm__rec_name(rec->type));
    }
}

/* What stopped the session: a data channel's failure comes by the stop. */
static int why_stopped(struct xlm__dest *d, int rc)
{
    struct xlm__link *failed;
    int failed_rc;

    pthread_mutex_lock(&d->lock);
    failed = d->failed;
    failed_rc = d->failed_rc;
    pthread_mutex_unlock(&d->lock);
    if (xlm__errslot_code(&d->s->err))
        return xlm__errslot_code(&d->s->err);
    if (failed)
        return xlm__link_promote(failed, d->s, failed_rc);
    if (rc == XLM_ERR_CANCELLED)
        xlm__session_check(d->s);
    return rc;
}

static int converse(struct xlm__dest *d)
{
    struct xlm__rec rec;
    bool done = false;
    int rc = 0;

    while (!rc && !done) {
        if (d->no_return)
            rc = xlm__dest_await_word(d);
        if (!rc)
            rc = xlm__dest_read_word(d, &rec);
        if (!rc) {
            rc = take(d, &rec, &done);
            if (rec.type == XLM__REC_BUILD)
                explicit_bzero(rec.u.build.key, sizeof(rec.u.build.key));
        } else if (xlm__dest_control_is_away(d, rc)) {
            rc = xlm__dest_control_return(d);
        }
    }
    return rc;
}

static void dispose(struct xlm__dest *d)
{
    xlm__dest_data_stop(d);
    xlm__dest_prebuild_free(d);
    xlm__rendezvous_close(&d->door);
    xlm__port_close(&d->s->err, &d->port);
    if (d->sink)
        d->sink->ops->close(d->sink);
    if (d->narrow)
        d->narrow->ops->close(d->narrow);
    xlm__dest_verify_free(d);
    if (d->locked)
        d->ts->ops->unlock(d->ts);
    for (struct xlm__kept *k = d->kept, *next; k; k = next) {
        next = k->next;
        free(k);
    }
    if (d->leave_fd >= 0)
        close(d->leave_fd);
    xlm__config_free(&d->config);
    xlm__findings_free(d->findings);
    xlm__xsnodes_free(&d->nodes);
    free(d->dm.data);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

int xlm__dest_run(struct xlm_session *s)
{
    struct xlm__dest *d = calloc(1, sizeof(*d));
    pthread_condattr_t monotonic;
    int rc;

    if (!d)
        return XLM_FAIL(&s->err, XLM_ERR_NOMEM, "destination of a migration");
    d->s = s;
    d->hv = s->hv;
    d->ts = s->toolstack;
    d->kept_end = &d->kept;
    d->door.listen_fd = d->leave_fd = -1;
    xlm__port_init(&d->port);
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&d->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);

    rc = xlm__dest_greet(d);
    if (!rc)
        rc = converse(d);
    if (rc && !xlm__session_sealed(s))
        rc = xlm__dest_give_up(d, why_stopped(d, rc));
    dispose(d);
    return rc;
}
