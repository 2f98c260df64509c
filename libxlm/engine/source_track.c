/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* By which way the dirty pages are found, and what that means for the goal. */
#include "config.h"

#define XLM_MODULE "source"
#include "engine/source.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "util/clock.h"

/* Expected fixed part where no report of this peer is known: suspend, device
 * hotplug and rebuild as first measured in the lab on PVH and HVM; the report
 * says what it really was. */
#define FIXED_MS     300
#define FIXED_DM_MS  1000
#define FIXED_PRE_MS 50 /* without hotplug and rebuild */
/* A scan asks for each batch whether to go on; that costs a hypercall. */
#define LOOK_NS (100 * XLM__NS_PER_MS)

static uint64_t fixed_ms(const struct xlm__source *m)
{
    if (m->s->opt.fixed_pause_ms)
        return m->s->opt.fixed_pause_ms;
    if (m->prebuild)
        return FIXED_PRE_MS;
    return m->config.type == XLM__TYPE_HVM ? FIXED_DM_MS : FIXED_MS;
}

static bool may_pause(const struct xlm__source *m)
{
    return m->s->opt.flags & XLM_F_ALLOW_PAUSE;
}

static bool wants_log(const struct xlm__source *m)
{
    return m->s->opt.dirty == XLM_DIRTY_AUTO ||
           m->s->opt.dirty == XLM_DIRTY_LOG;
}

/* ---- findings ---- */

static int add(struct xlm__source *m, enum xlm_severity severity,
               const char *code, const char *advice, const char *text)
{
    int rc = xlm__findings_add(m->findings, severity, code, advice, "%s", text);

    return rc ? XLM_FAIL(&m->s->err, rc, "list of findings") : 0;
}

/* All of it travels in the pause. */
static int tell_pause(struct xlm__source *m)
{
    uint64_t ms = xlm__policy_predict_us(&m->policy, m->info.tot_pages) / 1000;
    uint32_t goal = atomic_load(&m->s->downtime_ms);
    bool too_long = goal && ms > goal && !may_pause(m);
    char text[XLM_MESSAGE_MAX];

    snprintf(text, sizeof(text),
             "%.64s is not copied live, as asked for: it is suspended while "
             "all %" PRIu64 " MiB are copied, expected pause %" PRIu64 " ms",
             m->config.name, m->info.tot_pages >> 8, ms);
    return add(m, too_long ? XLM_FINDING_BLOCK : XLM_FINDING_WARN,
               "paused-copy",
               too_long ? "give --allow-pause to accept a pause beyond the "
                          "downtime goal"
                        : "",
               text);
}

static int tell_scan(struct xlm__source *m, const char *why)
{
    char text[XLM_MESSAGE_MAX];

    snprintf(text, sizeof(text),
             "%s: what %.64s writes is found by reading its %" PRIu64
             " MiB again and again, the last time while it is suspended "
             "(content scan)",
             why, m->config.name, m->info.tot_pages >> 8);
    return add(m, XLM_FINDING_NOTE, "content-scan", "", text);
}

static int tell_refused(struct xlm__source *m)
{
    static const char refused[] = "Xen here has no log-dirty mode for PV "
                                  "domains (it is built without shadow paging)";
    char text[XLM_MESSAGE_MAX];

    if (m->s->opt.dirty == XLM_DIRTY_AUTO)
        return tell_scan(m, refused);
    snprintf(text, sizeof(text), "%s such as %.64s", refused, m->config.name);
    return add(m, XLM_FINDING_BLOCK, "no-log-dirty",
               "give --dirty=auto or --dirty=scan to move it live all the same",
               text);
}

/* Only PV: Xen has log-dirty for every guest that it translates. */
static int probe_log(struct xlm__source *m)
{
    bool refused = false, busy = false;
    int rc = xlm__source_tell_guard(m, XLM__GUARD_TRACKING);

    if (!rc)
        rc = m->hv->ops->logdirty_on(m->hv, m->domid, &refused, &busy);
    if (rc || busy)
        return rc; /* who holds it is said when tracking starts */
    if (!refused)
        return m->hv->ops->logdirty_off(m->hv, m->domid);
    m->note.not_logged = 1;
    return tell_refused(m);
}

int xlm__source_probe(struct xlm__source *m)
{
    xlm__policy_init(
        &m->policy, m->s->opt.max_rounds ? m->s->opt.max_rounds : 30,
        atomic_load(&m->s->downtime_ms) * UINT64_C(1000), fixed_ms(m) * 1000);
    m->policy.scan_may_exceed = may_pause(m);
    xlm__slow_init(&m->slow, m->s->opt.on_slow,
                   m->s->opt.deadline_ms * UINT64_C(1000));
    XLM__STATS(m->s, st->fixed_pause_ms = (uint32_t)fixed_ms(m));
    m->note.not_logged = !wants_log(m);
    if (m->s->opt.dirty == XLM_DIRTY_NONE)
        return tell_pause(m);
    if (m->s->opt.dirty == XLM_DIRTY_SCAN)
        return tell_scan(m, "As asked for");
    return m->info.hvm ? 0 : probe_log(m);
}

/* ---- tracking ---- */

static int look_now_and_then(void *user)
{
    struct xlm__source *m = user;
    uint64_t now = xlm__clock_ns();

    if (now - m->looked_ns < LOOK_NS)
        return 0;
    m->looked_ns = now;
    return xlm__source_look(m);
}

static void announce_goal(struct xlm__source *m)
{
    if (xlm__policy_goal_unreachable(&m->policy))
        XLM_LOG(&m->s->err, WARN,
                "downtime goal of %u ms: the fixed part of the pause alone is "
                "expected to be %" PRIu64
                " ms; the goal is applied to the rest",
                atomic_load(&m->s->downtime_ms), fixed_ms(m));
}

static const char *way_text(enum xlm__dirty_way way)
{
    switch (way) {
    case XLM__DIRTY_LOG:
        return "by Xen's dirty log";
    case XLM__DIRTY_SCAN:
        return "by content scan";
    default:
        return "not at all, it is copied while suspended";
    }
}

static int open_dirty(struct xlm__source *m)
{
    const struct xlm__dirty_params p = {
        .want = (enum xlm__dirty_way)m->s->opt.dirty,
        .ram = m->ram,
        .check = look_now_and_then,
        .user = m,
    };

    return xlm__dirty_open(m->dom, &p, &m->dirty);
}

int xlm__source_track(struct xlm__source *m)
{
    int rc = xlm__source_tell_guard(m, XLM__GUARD_TRACKING);

    if (!rc && m->config.type == XLM__TYPE_HVM && wants_log(m)) {
        rc = m->ts->ops->dm_logdirty(m->ts, m->domid, true);
        m->dm_logging = true;
    }
    if (!rc)
        rc = open_dirty(m);
    if (rc)
        return rc;
    m->live = m->dirty->way != XLM__DIRTY_NONE;
    XLM__STATS(m->s, {
        st->live = m->live;
        st->dirty = (uint32_t)m->dirty->way;
    });
    XLM_LOG(&m->s->err, INFO, "what is written is tracked %s",
            way_text(m->dirty->way));
    return 0;
}

int xlm__source_expect_pause(struct xlm__source *m)
{
    int rc = xlm__source_verify_guess(m);

    if (rc)
        return rc;
    /* The peer has said since the probe whether it pre-builds. */
    xlm__policy_set_fixed(&m->policy, fixed_ms(m) * 1000 + m->verify_guess_us);
    XLM__STATS(m->s, st->fixed_pause_ms = (uint32_t)fixed_ms(m));
    if (m->live)
        announce_goal(m);
    return 0;
}
