/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The domain is completed, with all its devices, while its memory comes, and
 * becomes the source's when that has been suspended (doc/stream-format.md 6.1).
 *
 *   PREBUILD ── shared pages, short context, libxc's END ──> xl   (leader)
 *               (PV: a scaffold instead, dom/pv_scaffold.h)
 *               wait for xl's "ready" ── PREBUILT ──>             (own thread)
 *   TAIL_END ── TSC, changed parameters, context ──> Xen          (leader)
 *
 * Its pauses (dest_start.c) keep it from running until then.
 */
#include "config.h"

#define XLM_MODULE "destination"
#include "engine/dest.h"

#include <poll.h>
#include <string.h>

#include "base/log.h"
#include "util/clock.h"

#define SCAFFOLD_MS 60000
#define XL_END_MS   10000

int xlm__dest_may_prebuild(struct xlm__dest *d)
{
    char why[XLM_MESSAGE_MAX / 2] = "";
    int rc;

    if (!(d->offer.flags & XLM__OFFER_PREBUILD))
        return 0;
    rc = d->ts->ops->check_prebuild(d->ts, &d->config, why);
    if (rc)
        return rc;
    if (why[0])
        return xlm__findings_add(d->findings, XLM_FINDING_NOTE, "no-prebuild",
                                 "", "%s is built in the pause: %s",
                                 d->offer.name, why);
    d->pre.allowed = !xlm__findings_blocked(d->findings);
    return 0;
}

int xlm__dest_prebuild_begin(struct xlm__dest *d, uint32_t domid)
{
    struct xlm__dominfo info;
    bool exists;
    int rc;

    if (!d->pre.allowed || !xlm__dest_is_pv(d))
        return 0;
    rc = d->hv->ops->dominfo(d->hv, domid, &info, &exists);
    if (!rc && exists)
        rc = xlm__pv_state_new(&d->s->err, &d->pre.pv_last,
                               info.max_vcpu_id + 1);
    return rc ? rc
              : xlm__pv_frames_new(&d->s->err, d->offer.nr_pfns,
                                   &d->pre.frames);
}

/* ---- state ---- */

bool xlm__dest_keeps_state(struct xlm__dest *d, uint32_t type)
{
    if (xlm__dest_is_pv(d))
        return d->pre.frames && xlm__pv_state_has(type);
    return xlm__hvm_state_has(type) &&
           (d->pre.begun || xlm__flow_state(&d->s->flow) == XLM__FLOW_BUILT);
}

int xlm__dest_keep_tail(struct xlm__dest *d, const struct xlm__state_rec *st)
{
    if (xlm__dest_is_pv(d))
        return xlm__pv_state_keep(&d->s->err, &d->pre.pv_last, st->xc_type,
                                  st->data, st->bytes);
    return xlm__hvm_state_keep(&d->s->err,
                               d->pre.begun ? &d->pre.last : &d->pre.first,
                               st->xc_type, st->data, st->bytes);
}

/* ---- completing it ---- */

static bool has_dm(const struct xlm__dest *d)
{
    return d->offer.domain_type == XLM__WIRE_HVM;
}

/* libxc hands these pages to xenstored and the others at once. */
static int keep_shared(struct xlm__dest *d)
{
    uint64_t pfns[XLM__HVM_SHARED_MAX];
    size_t nr;
    int rc;

    _Static_assert(XLM__HVM_SHARED_MAX <= XLM__KEEP_MAX, "the sink keeps them");
    rc = xlm__hvm_shared_pages(&d->s->err, &d->pre.first.params,
                               d->offer.nr_pfns, pfns, &nr);
    for (size_t i = 0; i < nr && !rc; i++)
        rc = d->sink->ops->keep(d->sink, pfns[i]);
    return rc;
}

static int relay_first(struct xlm__dest *d)
{
    const struct xlm__hvm_state *s = &d->pre.first;
    unsigned char context[XLM__HVM_CONTEXT_MIN];
    int rc;

    rc = xlm__hvm_context_shorten(&d->s->err, &s->context, context);
    if (!rc)
        rc = xlm__dest_relay(d, XLM__XC_X86_TSC_INFO, s->tsc.data,
                             s->tsc.bytes);
    if (!rc)
        rc = xlm__dest_relay(d, XLM__XC_HVM_CONTEXT, context, sizeof(context));
    if (!rc)
        rc = xlm__dest_relay(d, XLM__XC_HVM_PARAMS, s->params.data,
                             s->params.bytes);
    return rc;
}

static void *complete(void *arg)
{
    struct xlm__dest *d = arg;
    int rc;

    rc = d->ts->ops->restore_end(d->ts, NULL);
    atomic_store(&d->pre.urgent, false);
    if (!rc) {
        XLM_LOG(&d->s->err, INFO, "domain %u is complete but for its memory",
                xlm_session_domid(d->s));
        rc = xlm__send_empty(&xlm__session_control(d->s)->stream,
                             XLM__REC_PREBUILT);
    }
    if (rc) /* the leader may be reading the control channel */
        xlm__session_stop(d->s);
    return NULL;
}

static int begin_translated(struct xlm__dest *d)
{
    int rc = keep_shared(d);

    if (!rc && has_dm(d))
        rc = d->ts->ops->dm_hold(d->ts);
    return rc ? rc : relay_first(d);
}

static int emit(void *user, uint32_t type, const void *body, size_t bytes)
{
    return xlm__dest_relay(user, type, body, bytes);
}

static int begin_pv(struct xlm__dest *d, const struct xlm__prebuild_rec *p)
{
    struct xlm__pv_frames *f = d->pre.frames;
    int rc = xlm__pv_state_check(&d->s->err, &d->pre.pv_last, f->nr_pfns);

    if (rc)
        return rc;
    f->rings[XLM__PV_RING_STORE].pfn = p->store_pfn;
    f->rings[XLM__PV_RING_CONSOLE].pfn = p->console_pfn;
    return xlm__pv_scaffold_emit(f, emit, d);
}

/* A moment, unless the session is stopped: xl failed, which is on record, or
 * somebody gave up. */
static int pause_for_it(struct xlm__dest *d)
{
    struct pollfd stop = { .fd = d->s->stop_fd, .events = POLLIN };

    (void)poll(&stop, 1, 1);
    return stop.revents ? XLM_ERR_CANCELLED : 0;
}

/* xl destroys what its helper could not complete, and ends: then it is on
 * record why. */
static int check_there(struct xlm__dest *d)
{
    const uint64_t deadline = xlm__deadline_ns(XL_END_MS);
    const uint32_t domid = xlm_session_domid(d->s);
    struct xlm__dominfo info;
    bool exists;
    int rc = d->hv->ops->dominfo(d->hv, domid, &info, &exists);

    if (rc || (exists && !info.dying))
        return rc;
    while (!rc && xlm__deadline_left_ms(deadline))
        rc = pause_for_it(d);
    return rc ? rc
              : XLM_FAIL(&d->s->err, XLM_ERR_TOOLSTACK,
                         "domain %u was destroyed before it was complete",
                         domid);
}

/* It may be destroyed while we look at it, which is then what matters.  Nobody
 * else makes hypercalls yet: no page can have come. */
static int remove_scaffold(struct xlm__dest *d, bool *done_out)
{
    struct xlm__errslot aside = XLM__ERRSLOT_INITIALIZER;
    char text[XLM_MESSAGE_MAX];
    int rc, r = 0;

    d->hv->err = &aside;
    rc = xlm__pv_scaffold_remove(d->hv, xlm_session_domid(d->s), d->pre.frames,
                                 &d->pre.home, done_out);
    d->hv->err = &d->s->err;
    if (rc)
        r = check_there(d);
    if (rc && !r) {
        xlm__errslot_read(&aside, text);
        r = XLM_FAIL(&d->s->err, rc, "%s", text);
    }
    xlm__errslot_destroy(&aside);
    return r;
}

/* libxc's part of it, milliseconds: no page can come before its rings' frames
 * are known, to which page tables lead. */
static int await_pv(struct xlm__dest *d)
{
    const uint64_t deadline = xlm__deadline_ns(SCAFFOLD_MS);
    bool done = false;
    int rc = 0;

    while (!rc && !done) {
        rc = xlm__session_check(d->s);
        if (!rc)
            rc = check_there(d);
        if (!rc)
            rc = remove_scaffold(d, &done);
        if (!rc && !done && !xlm__deadline_left_ms(deadline))
            rc = XLM_FAIL(&d->s->err, XLM_ERR_TIMEOUT,
                          "libxl's helper did not complete the domain within "
                          "%d s",
                          SCAFFOLD_MS / 1000);
        if (!rc && !done)
            rc = pause_for_it(d);
    }
    return rc;
}

int xlm__dest_prebuild(struct xlm__dest *d, const struct xlm__prebuild_rec *p)
{
    int rc;

    d->pre.begun = true;
    rc = xlm__dest_is_pv(d) ? begin_pv(d, p) : begin_translated(d);
    if (rc)
        return rc;
    atomic_store(&d->pre.urgent, true);
    if (pthread_create(&d->pre.thread, NULL, complete, d))
        return XLM_FAIL(&d->s->err, XLM_ERR_SYSTEM,
                        "thread that waits for the domain's devices");
    d->pre.waiting = true;
    return xlm__dest_is_pv(d) ? await_pv(d) : 0;
}

void xlm__dest_prebuild_end(struct xlm__dest *d)
{
    if (d->pre.waiting)
        pthread_join(d->pre.thread, NULL);
    d->pre.waiting = false;
}

/* ---- making it the source's ---- */

static int check_paused(struct xlm__dest *d, uint32_t domid)
{
    struct xlm__dominfo info;
    int rc = xlm__dest_domain(d, &info);

    if (rc)
        return rc;
    if (!info.paused)
        return XLM_FAIL(&d->s->err, XLM_ERR_TOOLSTACK,
                        "domain %u was unpaused here by somebody else before "
                        "it was complete",
                        domid);
    return 0;
}

static int commit_pv(struct xlm__dest *d, uint32_t domid)
{
    int rc = xlm__dest_verify_frames(d);

    return rc ? rc
              : xlm__pv_commit(d->hv, domid, d->pre.frames, &d->pre.home,
                               &d->pre.pv_last);
}

int xlm__dest_prebuild_commit(struct xlm__dest *d)
{
    uint32_t domid = xlm_session_domid(d->s);
    int rc;

    xlm__dest_prebuild_end(d);
    rc = d->ts->ops->restore_check(d->ts);
    if (!rc)
        rc = check_paused(d, domid);
    if (!rc)
        rc = xlm__dest_is_pv(d)
                 ? commit_pv(d, domid)
                 : xlm__hvm_commit(d->hv, domid, &d->pre.first, &d->pre.last);
    /* It finds memory and interrupt controllers as its predecessor left them.
     */
    if (!rc)
        rc = xlm__dest_verify_before_dm(d);
    if (!rc)
        rc = xlm__dest_still_wanted(d);
    if (!rc && has_dm(d))
        rc = d->ts->ops->dm_load(d->ts, &d->dm);
    return rc;
}

void xlm__dest_prebuild_free(struct xlm__dest *d)
{
    xlm__dest_prebuild_end(d);
    xlm__hvm_state_free(&d->pre.first);
    xlm__hvm_state_free(&d->pre.last);
    xlm__pv_state_free(&d->pre.pv_last);
    xlm__pv_frames_free(d->pre.frames);
}
