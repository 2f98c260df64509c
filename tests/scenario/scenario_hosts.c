/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two hosts.  Their fakes are watched: never may both run the domain. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "scenario.h"

#define DST_DOMID 7u

/* A host's ops, and the ones they stand for. */
struct watched {
    struct xlm__toolstack_ops ts;
    struct xlm__hv_ops hv;
};

static struct side *side_of_ts(struct xlm__toolstack *t)
{
    return (struct side *)(void *)((char *)t - offsetof(struct side, ts));
}

/* The fake's own ops are `static const`: one copy of each does. */
static const struct xlm__toolstack_ops *fake_ts;
static const struct xlm__hv_ops *fake_hv_ops;

static int watch_suspend(struct xlm__toolstack *t, uint32_t domid,
                         uint32_t timeout_ms, bool *may_suspend_later_out)
{
    struct run *r = side_of_ts(t)->run;
    int rc;

    pthread_mutex_lock(&r->guest);
    rc = fake_ts->suspend(t, domid, timeout_ms, may_suspend_later_out);
    if (!rc)
        guest_snapshot(r);
    pthread_mutex_unlock(&r->guest);
    return rc;
}

static bool to_stay_paused(const struct run *r)
{
    return atomic_load(&r->paused) &&
           (r->sc->opt.flags & XLM_F_UNPAUSE_TO_SUSPEND);
}

static int watch_resume(struct xlm__toolstack *t, uint32_t domid)
{
    struct run *r = side_of_ts(t)->run;

    if (atomic_load(&r->runs_there))
        atomic_fetch_add(&r->two_runners, 1);
    /* Paused by the operator, it must not run for an instant either. */
    if (to_stay_paused(r) && !r->src.hv->info.paused)
        SCENARIO_CHECK(r, atomic_load(&r->pause_failed));
    return fake_ts->resume(t, domid);
}

static int watch_end(struct xlm__toolstack *t, const struct xlm__blob *dm)
{
    int rc = fake_ts->restore_end(t, dm);

    if (!rc)
        guest_is_completed(side_of_ts(t)->run);
    return rc;
}

static struct run *the_run; /* the only one at a time */

static int watch_off(struct xlm__hv *hv, uint32_t domid)
{
    int rc = fake_hv_ops->logdirty_off(hv, domid);

    if (rc)
        atomic_store(&the_run->off_failed, true);
    return rc;
}

static int watch_pause(struct xlm__hv *hv, uint32_t domid)
{
    int rc = fake_hv_ops->pause(hv, domid);

    if (rc && hv == &the_run->src.hv->base)
        atomic_store(&the_run->pause_failed, true);
    return rc;
}

/* The last one of a domain that arrives starts it. */
static int watch_unpause(struct xlm__hv *hv, uint32_t domid)
{
    struct fake_hv *f = the_run->src.hv;
    int rc = fake_hv_ops->unpause(hv, domid);

    if (rc || hv != &the_run->dst.hv->base || the_run->dst.hv->info.paused)
        return rc;
    atomic_store(&the_run->runs_there, true);
    pthread_mutex_lock(&f->lock);
    if (f->exists && !f->info.shutdown)
        atomic_fetch_add(&the_run->two_runners, 1);
    pthread_mutex_unlock(&f->lock);
    return 0;
}

static void watch(struct side *s)
{
    static struct watched w;

    fake_ts = fake_ts ? fake_ts : s->ts.base.ops;
    fake_hv_ops = fake_hv_ops ? fake_hv_ops : s->hv->base.ops;
    w.ts = *fake_ts;
    w.ts.suspend = watch_suspend;
    w.ts.resume = watch_resume;
    w.ts.restore_end = watch_end;
    w.hv = *fake_hv_ops;
    w.hv.logdirty_off = watch_off;
    w.hv.pause = watch_pause;
    w.hv.unpause = watch_unpause;
    the_run = s->run;
    s->ts.base.ops = &w.ts;
    s->hv->base.ops = &w.hv;
}

static void create(struct run *r, struct side *s, uint32_t domid)
{
    const struct scenario *sc = r->sc;
    const struct fake_hv_config config = {
        .domid = domid,
        .pv = sc->type == XLM__TYPE_PV,
        .nr_pfns = sc->nr_pfns ? sc->nr_pfns : SCENARIO_PFNS,
    };

    s->run = r;
    pthread_mutex_init(&s->lock, NULL);
    s->hv = fake_hv_new(NULL, &config);
    fake_toolstack_init(&s->ts, NULL, sc->type ? sc->type : XLM__TYPE_PVH);
    s->ts.hv = s->hv;
    memcpy(s->hv->info.uuid, s->ts.uuid, sizeof(s->ts.uuid));
    watch(s);
}

void hosts_create(struct run *r)
{
    create(r, &r->src, 1);
    create(r, &r->dst, DST_DOMID);
    r->dst.hv->exists = false;
    r->dst.ts.exists = false;
    r->dst.ts.new_domid = DST_DOMID;
    r->src.ts.peer = &r->dst.ts;
    r->src.hv->refuse_logdirty = r->sc->refuse_logdirty;
    r->src.hv->info.paused = r->sc->paused;
    atomic_store(&r->paused, r->sc->paused);
    if (r->src.ts.type == XLM__TYPE_HVM)
        fake_set_blob(&r->src.ts.dm, "device model", 12);
    r->src.ts.xs_path = "data/key";
}

void operator_pauses(struct run *r, bool paused)
{
    pthread_mutex_lock(&r->src.hv->lock);
    r->src.hv->info.paused = paused;
    pthread_mutex_unlock(&r->src.hv->lock);
    atomic_store(&r->paused, paused);
}

static void destroy(struct side *s)
{
    pthread_mutex_destroy(&s->lock);
    fake_toolstack_free(&s->ts);
    pthread_mutex_destroy(&s->ts.lock);
    free(s->ts.dm.data);
    fake_hv_free(s->hv);
}

void hosts_free(struct run *r)
{
    destroy(&r->src);
    destroy(&r->dst);
}
