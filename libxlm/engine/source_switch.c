/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "source"
#include "engine/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/host.h"
#include "engine/watch.h"
#include "util/bitmap.h"
#include "util/clock.h"

#define SUSPEND_MS 60000
/* A back end that has not answered by then never will. */
#define SETTLE_MS 20000
/* Device model and hotplug scripts on a loaded host. */
#define READY_MS 180000
/* Of memory that the destination compares, in a small dom0. */
#define WRITE_MS           30000
#define VERIFY_PAGES_PER_S 65536u
/* After the permission we wait long: giving up here is what hurts. */
#define COMMIT_MS  60000
#define RUNNING_MS 180000

/* ---- suspend ---- */

/* It arrives as it is now: while it was copied somebody may have paused or
 * unpaused it. */
static int look_if_paused(struct xlm__source *m)
{
    struct xlm__dominfo info = { .paused = false };
    bool exists;
    int rc = m->hv->ops->dominfo(m->hv, m->domid, &info, &exists);

    if (rc)
        return rc;
    m->note.was_paused = info.paused &&
                         (m->s->opt.flags & XLM_F_UNPAUSE_TO_SUSPEND);
    m->stays_paused = info.paused || (m->s->opt.flags & XLM_F_LEAVE_PAUSED);
    if ((m->agreed.features & XLM__FEATURE_PAUSED) ||
        m->stays_paused ==
            (m->info.paused || (m->s->opt.flags & XLM_F_LEAVE_PAUSED)))
        return 0;
    return XLM_FAIL(&m->s->err, XLM_ERR_CHANGED,
                    "%s was %s during its migration, and %s, whose xlm is "
                    "older, cannot be told: migrate it again",
                    m->config.name, info.paused ? "paused" : "unpaused",
                    xlm__source_peer(m));
}

static int suspend(struct xlm__source *m)
{
    struct xlm__watch watch;
    uint32_t limit = m->s->opt.suspend_timeout_ms;
    int rc;

    rc = look_if_paused(m);
    if (!rc)
        rc = xlm__source_tell_guard(m, XLM__GUARD_SUSPENDING);
    if (rc)
        return rc;
    if (m->note.was_paused) {
        rc = m->hv->ops->unpause(m->hv, m->domid);
        if (rc)
            return rc;
        m->unpaused = true;
    }
    m->suspend_asked_ns = xlm__clock_ns();
    xlm__watch_start(&watch, m->hv, m->domid);
    rc = m->ts->ops->suspend(m->ts, m->domid, limit ? limit : SUSPEND_MS,
                             &m->may_suspend_later);
    m->suspended_ns = xlm__watch_end(&watch, xlm__clock_ns());
    if (rc) {
        m->ended = rc == XLM_ERR_GUEST_ENDED;
        if (m->may_suspend_later)
            XLM_LOG(&m->s->err, WARN,
                    "%s may still suspend: its monitor will resume it",
                    m->config.name);
        return rc;
    }
    m->suspended = true;
    xlm__source_full_speed(m); /* nobody would do it later */
    XLM__STATS(m->s, st->suspend_us = (m->suspended_ns - m->suspend_asked_ns) /
                                      XLM__NS_PER_US);
    XLM_LOG(&m->s->err, INFO, "suspended after %" PRIu64 " ms",
            (m->suspended_ns - m->suspend_asked_ns) / XLM__NS_PER_MS);
    return 0;
}

/* ---- last round ---- */

/*
 * The set of RAM pages again, where it may be another. Xen does not log a page
 * that ballooning adds until it is written to, but the guest may count on its
 * being there.
 */
static int rescan(struct xlm__source *m)
{
    bool changed;
    int rc = xlm__source_ram_changed(m, &changed);

    if (rc || !changed)
        return rc;
    rc = xlm__source_scan_ram(m);
    if (rc)
        return rc;
    XLM_LOG(&m->s->err, DEBUG, "what has memory was asked again");
    xlm__bitmap_or_andnot(m->todo, m->ram, m->there, m->dom->nr_pfns);
    return 0;
}

/* What is still to be sent, now that nothing changes any more. */
static int collect_rest(struct xlm__source *m)
{
    bool grown;
    uint64_t nr;
    int rc = xlm__source_guest(m);

    if (!rc)
        rc = xlm__source_has_grown(m, &grown);
    if (rc)
        return rc;
    if (m->live) {
        /* What the last live round left, and pages that were not there when
         * they were looked for: they may have come back unlogged. */
        xlm__bitmap_or(m->deferred, m->todo, m->dom->nr_pfns);
        xlm__bitmap_or(m->deferred, m->gone, m->dom->nr_pfns);
        rc = m->dirty->ops->fetch(m->dirty, true, m->todo, &nr);
        if (rc)
            return rc;
        xlm__bitmap_or(m->todo, m->deferred, m->dom->nr_pfns);
    }
    /* Not live: nothing is there, so what is added is everything. */
    rc = grown ? xlm__source_add_all(m, &nr) : rescan(m);
    if (rc)
        return rc;
    xlm__source_allow_growth(m); /* nobody would do it later */
    xlm__bitmap_zero(m->deferred, m->dom->nr_pfns);
    nr = xlm__bitmap_count(m->todo, m->dom->nr_pfns);
    XLM__STATS(m->s, st->predicted_blackout_us = xlm__policy_predict_us(
                         &m->policy, nr));
    XLM_LOG(&m->s->err, INFO, "last round: %" PRIu64 " pages", nr);
    return 0;
}

/* While the last pages travel: what else has to be true of a still domain. */
static int settle(struct xlm__source *m)
{
    return m->ts->ops->storage_settle(m->ts, m->hv, m->domid, &m->config,
                                      SETTLE_MS);
}

/* ---- state ---- */

static int emit(void *user, uint32_t type, const void *body, size_t bytes)
{
    struct xlm__source *m = user;

    /* What was sent before the first page cannot be taken back there. */
    if (type == XLM__XC_X86_PV_P2M_FRAMES && !m->prebuild)
        return XLM_FAIL(&m->s->err, XLM_ERR_CHANGED,
                        "%s moved its p2m while it was copied: it goes on "
                        "here, move it again",
                        m->config.name);
    return xlm__send_state(&xlm__session_control(m->s)->stream, type, body,
                           bytes);
}

static int send_dm(struct xlm__source *m)
{
    struct xlm__blob blob = { 0 };
    int rc;

    if (m->config.type != XLM__TYPE_HVM)
        return 0;
    rc = m->ts->ops->dm_state(m->ts, m->domid, &blob);
    m->dm_sent = !rc && blob.data;
    if (m->dm_sent)
        rc = xlm__send_dm_state(&xlm__session_control(m->s)->stream, blob.data,
                                blob.bytes);
    free(blob.data);
    return rc;
}

static int send_xenstore(struct xlm__source *m)
{
    struct xlm__xsnodes list = { 0 };
    struct xlm__node_ref *refs = NULL;
    int rc;

    rc = m->ts->ops->xenstore_collect(m->ts, m->domid, &list);
    if (rc || !list.nr)
        goto out;
    refs = calloc(list.nr, sizeof(*refs));
    if (!refs) {
        rc = XLM_FAIL(&m->s->err, XLM_ERR_NOMEM, "%zu xenstore entries",
                      list.nr);
        goto out;
    }
    for (size_t i = 0; i < list.nr; i++)
        refs[i] = (struct xlm__node_ref){ list.nodes[i].path,
                                          list.nodes[i].perms,
                                          list.nodes[i].value,
                                          list.nodes[i].value_bytes };
    rc = xlm__send_xenstore(&xlm__session_control(m->s)->stream, list.nr, refs);

out:
    free(refs);
    xlm__xsnodes_free(&list);
    return rc;
}

/* The destination reads all memory, and no record meanwhile. */
static unsigned verify_ms(const struct xlm__source *m)
{
    return m->verify ? (unsigned)(1000 * m->nr_ram / VERIFY_PAGES_PER_S) : 0;
}

/* The domain stands still: a link that takes nothing is no link. */
void xlm__source_write_by(struct xlm__source *m)
{
    xlm__session_control(m->s)->chan.write_deadline_ns = xlm__deadline_ns(
        WRITE_MS + verify_ms(m));
}

static int send_tail(struct xlm__source *m)
{
    int rc;

    xlm__source_write_by(m);
    rc = m->dom->ops->emit_tail(m->dom, emit, m);
    if (!rc)
        rc = send_dm(m);
    if (!rc)
        rc = send_xenstore(m);
    if (!rc)
        rc = xlm__source_verify_spare(m);
    if (!rc)
        rc = xlm__send_empty(&xlm__session_control(m->s)->stream,
                             XLM__REC_TAIL_END);
    return rc;
}

/* ---- while the destination rebuilds ---- */

static int compare_config(struct xlm__source *m)
{
    struct xlm__config now = { 0 };
    char diff[XLM_MESSAGE_MAX / 2] = "";
    int rc;

    rc = m->ts->ops->config_get(m->ts, m->domid, &now);
    if (!rc)
        rc = m->ts->ops->config_diff(m->ts, &m->config, &now, diff,
                                     sizeof(diff));
    if (!rc && diff[0])
        rc = XLM_FAIL(&m->s->err, XLM_ERR_CHANGED,
                      "%s was changed during its migration: %s", m->config.name,
                      diff);
    xlm__config_free(&now);
    return rc;
}

static int rename_away(struct xlm__source *m)
{
    char away[XLM_NAME_MAX + 16];

    m->renamed = true;
    snprintf(away, sizeof(away), "%s--migratedaway", m->config.name);
    return m->ts->ops->rename(m->ts, m->domid, m->config.name, away);
}

static int give_up_name(struct xlm__source *m)
{
    int rc = xlm__source_tell_guard(m, XLM__GUARD_RENAMED);

    return rc ? rc : rename_away(m);
}

/* While the destination starts it: in the pause that would only cost time, and
 * a name that stays what it was harms nobody. */
static void give_up_name_late(struct xlm__source *m)
{
    struct xlm__errslot aside = XLM__ERRSLOT_INITIALIZER;
    char text[XLM_MESSAGE_MAX];

    if (m->renamed)
        return;
    m->ts->err = &aside;
    if (rename_away(m)) {
        xlm__errslot_read(&aside, text);
        XLM_LOG(&m->s->err, WARN, "%s keeps its name here: %s", m->config.name,
                text);
    }
    m->ts->err = &m->s->err;
    xlm__errslot_destroy(&aside);
}

/* Its devices are there already, so nothing hides the time that a comparison
 * takes: done before, and then only that nobody did anything since. */
int xlm__source_compare(struct xlm__source *m)
{
    uint64_t now;
    int rc;

    if (!m->prebuild)
        return 0;
    rc = m->ts->ops->config_stamp(m->ts, m->domid, m->info.uuid, &now);
    if (rc || (m->compared && now == m->stamp))
        return rc;
    /* Somebody did something, or nobody looked: what it was, if it matters. */
    m->compared = true;
    m->stamp = now;
    return compare_config(m);
}

static int prepare(struct xlm__source *m)
{
    int rc = m->prebuild ? xlm__source_await_prebuilt(m) : 0;

    return rc ? rc : xlm__source_compare(m);
}

/* Two domains of one name cannot be on one host. */
static bool is_same_host(const struct xlm__source *m)
{
    char name[XLM__HOSTNAME_MAX + 1];

    xlm__host_name(name, sizeof(name));
    return xlm__host_is_boot(m->peer.boot_id) &&
           !strcmp(name, m->peer.hostname);
}

static unsigned ready_ms(const struct xlm__source *m)
{
    return READY_MS + verify_ms(m);
}

static void end_log(struct xlm__source *m)
{
    if (m->dirty)
        m->dirty->ops->close(m->dirty);
    m->dirty = NULL;
}

/* While the destination gets ready. */
static int make_sure(struct xlm__source *m)
{
    int rc = m->prebuild ? xlm__source_compare(m) : compare_config(m);

    if (!rc && (!m->prebuild || is_same_host(m)))
        rc = give_up_name(m);
    /* Fetched for the last time, unless there may be a question. */
    if (!m->verify)
        end_log(m);
    return rc;
}

int xlm__source_switchover(struct xlm__source *m)
{
    struct xlm__round total;
    struct xlm__rec rec;
    int rc;

    rc = prepare(m);
    if (!rc)
        rc = xlm__source_channels_stand(m);
    if (rc)
        return rc;
    xlm__session_event(m->s, XLM__EV_SUSPEND);
    rc = suspend(m);
    if (!rc)
        rc = collect_rest(m);
    if (!rc)
        rc = xlm__source_verify_watch(m);
    if (!rc)
        rc = xlm__source_round(m, true, settle, &total);
    if (rc)
        return rc;
    m->memory_done_ns = xlm__clock_ns();
    XLM__STATS(m->s, st->last_round_us = (m->memory_done_ns - m->suspended_ns) /
                                         XLM__NS_PER_US);
    rc = send_tail(m);
    if (!rc)
        rc = xlm__source_verify_send(m);
    xlm__session_control(m->s)->chan.write_deadline_ns = 0;
    if (!rc)
        rc = make_sure(m);
    if (!rc)
        rc = xlm__source_await(m, XLM__REC_READY, ready_ms(m), &rec);
    end_log(m);
    m->ready_ns = xlm__clock_ns();
    XLM__STATS(m->s, {
        st->rebuild_us = (m->ready_ns - m->memory_done_ns) / XLM__NS_PER_US;
        st->prebuilt = m->prebuilt;
    });
    if (!rc)
        XLM_LOG(&m->s->err, INFO, "%s has everything, and is ready",
                xlm__source_peer(m));
    return rc;
}

/* ---- permission ---- */

static void measure(struct xlm__source *m, const struct xlm__running *r)
{
    int64_t there = (int64_t)r->unpaused_ns - m->clock_offset_ns;
    int64_t blackout = there - (int64_t)m->suspended_ns;
    int64_t start = there - (int64_t)m->permit_ns;

    if (r->flags & XLM__RUNNING_PAUSED) /* it never was to run yet */
        return;
    XLM__STATS(m->s, {
        st->blackout_us = blackout > 0 ? (uint64_t)blackout / 1000 : 0;
        st->start_us = start > 0 ? (uint64_t)start / 1000 : 0;
    });
    XLM_LOG(&m->s->err, INFO, "blackout %" PRId64 " ms, +- %" PRIu64 " ms",
            blackout / 1000000, m->clock_error_ns / XLM__NS_PER_MS);
}

/* Nobody can stop it any more; false if somebody already has. */
static bool pass_point_of_no_return(struct xlm__source *m)
{
    if (!xlm__session_seal(m->s))
        return false;
    xlm__session_control(m->s)->chan.stop_fd = -1;
    return true;
}

static int destroy_copy(struct xlm__source *m)
{
    int rc = m->ts->ops->destroy(m->ts, m->domid);

    if (rc)
        return XLM_ERR_CLEANUP;
    m->suspended = m->renamed = false;
    /* What it could not be given back is noted for nobody now. */
    xlm__source_give_back(m, XLM__SETTING_CAP, "has left a mark here");
    xlm__source_give_back(m, XLM__SETTING_LIMIT, "has left a mark here");
    return 0;
}

static void await_bye(struct xlm__source *m)
{
    struct xlm__stream *stream = &xlm__session_control(m->s)->stream;
    struct xlm__chan *c = stream->chan;
    struct xlm__rec rec;

    c->read_deadline_ns = xlm__deadline_ns(30000);
    while (!xlm__stream_read(stream, &rec)) {
        if (rec.type == XLM__REC_GUEST_GAP)
            XLM__STATS(m->s, st->guest_gap_us = rec.u.gap_us);
        if (rec.type == XLM__REC_BYE)
            break;
    }
}

/* Contact was lost after PERMIT: nobody here may decide. */
static int undecided(struct xlm__source *m)
{
    xlm__session_set_owner(m->s, XLM_OWNER_UNKNOWN);
    return XLM_ERR_UNDECIDED;
}

/* It owns the domain, but never said that it runs. */
static int unknown_there(struct xlm__source *m)
{
    m->permitted = false;
    XLM_LOG(&m->s->err, WARN,
            "%s took %s over, but contact was lost before it said that it "
            "runs: the copy here stays suspended",
            xlm__source_peer(m), m->config.name);
    return XLM_ERR_CLEANUP;
}

static int finish_move(struct xlm__source *m, const struct xlm__running *r)
{
    struct xlm__running running = *r;
    const bool wait = m->s->opt.flags & XLM_F_GUEST_GAP;
    struct xlm__stream *control = &xlm__session_control(m->s)->stream;
    int rc, told, moved = XLM_ERR_CLEANUP;

    told = xlm__source_tell_guard(m, XLM__GUARD_RUNNING);
    measure(m, &running);
    rc = destroy_copy(m);
    if (!rc)
        moved = xlm__source_mark_moved(m);
    if (wait)
        await_bye(m);
    /* With this goodbye the destination forgets what we may have to ask, and
     * does not wait for what the guest has to say. */
    if (!told || !moved)
        xlm__send_empty(control, XLM__REC_BYE);
    if (!wait)
        await_bye(m);
    return rc;
}

int xlm__source_permit(struct xlm__source *m)
{
    struct xlm__stream *control = &xlm__session_control(m->s)->stream;
    struct xlm__rec rec;
    int rc, told;

    rc = xlm__source_guest(m);
    if (!rc)
        rc = xlm__source_listen(m);
    if (!rc && !pass_point_of_no_return(m))
        rc = xlm__session_check(m->s);
    if (!rc)
        rc = xlm__source_tell_guard(m, XLM__GUARD_PERMITTED);
    if (rc)
        return rc;
    m->permitted = true;
    m->permit_ns = xlm__clock_ns();
    rc = xlm__send_empty(control, XLM__REC_PERMIT);
    if (!rc) {
        XLM_LOG(&m->s->err, INFO, "%s has the permission to run %s",
                xlm__source_peer(m), m->config.name);
        give_up_name_late(m);
        rc = xlm__source_await(m, XLM__REC_COMMIT, COMMIT_MS, &rec);
    }
    if (rc)
        return rc == XLM_ERR_PEER ? rc : undecided(m);
    xlm__session_set_owner(m->s, XLM_OWNER_DESTINATION);
    told = xlm__source_tell_guard(m, XLM__GUARD_COMMITTED);
    (void)told; /* without a guardian we go on alone */
    rc = xlm__source_await(m, XLM__REC_RUNNING, RUNNING_MS, &rec);
    if (!rc)
        return finish_move(m, &rec.u.running);
    return m->permitted ? unknown_there(m) : rc;
}
