/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Suspending a domain, and judging what became of it.
 *
 * libxl waits 60 s for the guest to acknowledge and 60 s more for it to stop,
 * and does not notice meanwhile if the guest ends in another way.  So the
 * operation runs asynchronously while we watch the domain, our own limit and
 * the stop descriptor, and abort it (libxl_ao_abort).
 */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <xenctrl.h>

#include <xen/hvm/params.h>

#include "base/log.h"
#include "toolstack/lateness.h"
#include "toolstack/toolstack_libxl.h"
#include "util/clock.h"

#define XLM_MODULE "suspend"

#define TICK_MS      100
#define MAX_POLL_FDS 64
/* Longer than Xen needs to stop a domain that can be stopped. */
#define DEFERRED_MS 300
/* libxl's own limits add up to 120 s; qemu gets some time to stop. */
#define HARD_LIMIT_MS 180000

enum end { /* why the wait ended */
           END_DONE,
           END_TIMEOUT,
           END_STOPPED,
           END_GUEST,
           END_HUNG,
};

struct wait {
    struct xlm__ts *ts;
    uint32_t domid;
    libxl_asyncop_how how;
    uint64_t deferred_ns; /* when to look for that; 0: not any more */
    uint64_t deadline_ns;
    uint64_t hard_ns;
    bool unpaused;
    enum end end;
    int libxl_rc;
};

static bool ended_otherwise(const libxl_dominfo *info)
{
    return info->dying || (info->shutdown && info->shutdown_reason !=
                                                 LIBXL_SHUTDOWN_REASON_SUSPEND);
}

static const char *reason_name(const libxl_dominfo *info)
{
    if (info->dying)
        return "was destroyed";
    switch (info->shutdown_reason) {
    case LIBXL_SHUTDOWN_REASON_POWEROFF:
        return "powered off";
    case LIBXL_SHUTDOWN_REASON_REBOOT:
        return "rebooted";
    case LIBXL_SHUTDOWN_REASON_CRASH:
        return "crashed";
    case LIBXL_SHUTDOWN_REASON_WATCHDOG:
        return "was ended by its watchdog";
    case LIBXL_SHUTDOWN_REASON_SOFT_RESET:
        return "asked for a soft reset";
    default:
        return "shut down";
    }
}

/* As libxl decides whether to ask the guest, or to have Xen stop it. */
static bool stopped_by_xen(struct wait *w, const libxl_dominfo *info)
{
    struct xlm__hv *hv = w->ts->hv;
    uint64_t callback = 0;

    return hv && info->domain_type == LIBXL_DOMAIN_TYPE_HVM &&
           !hv->ops->hvm_param_get(hv, w->domid, HVM_PARAM_CALLBACK_IRQ,
                                   &callback) &&
           !callback;
}

/*
 * Xen lets a vCPU that waits for an emulated access have its answer before it
 * stops, which takes for ever if the domain is paused.  Unpausing it lets it
 * come no further than that: it is to stop already (Xen's common/domain.c,
 * vcpu_end_shutdown_deferral).
 */
static void release_deferred(struct wait *w, const libxl_dominfo *info,
                             uint64_t now)
{
    if (!w->deferred_ns || now < w->deferred_ns)
        return;
    w->deferred_ns = 0;
    if (!info->paused || info->shutdown || !stopped_by_xen(w, info))
        return;
    XLM_LOG(w->ts->base.err, DEBUG,
            "domain %u was paused within an emulated access: let it end",
            w->domid);
    w->unpaused = !w->ts->hv->ops->unpause(w->ts->hv, w->domid);
}

static bool guest_ended(struct wait *w, uint64_t now)
{
    libxl_dominfo info;
    bool ended;
    int rc;

    libxl_dominfo_init(&info);
    rc = libxl_domain_info(w->ts->ctx, &info, w->domid);
    ended = rc == ERROR_DOMAIN_NOTFOUND || (!rc && ended_otherwise(&info));
    if (!rc)
        release_deferred(w, &info, now);
    libxl_dominfo_dispose(&info);
    return ended;
}

/* Let libxl work for a tick; true if the stop descriptor is readable. */
static bool poll_tick(struct wait *w)
{
    struct pollfd fds[MAX_POLL_FDS + 1];
    int nr = MAX_POLL_FDS;
    int timeout = TICK_MS;
    struct timeval now;

    gettimeofday(&now, NULL);
    if (libxl_osevent_beforepoll(w->ts->ctx, &nr, fds, &timeout, now)) {
        /* More descriptors than any context of ours has: slow, not wrong. */
        nr = 0;
    }
    fds[nr] = (struct pollfd){ w->ts->base.stop_fd, POLLIN, 0 };
    (void)poll(fds, (nfds_t)nr + 1, timeout);
    gettimeofday(&now, NULL);
    libxl_osevent_afterpoll(w->ts->ctx, nr, fds, now);
    return fds[nr].revents != 0;
}

static int is_ours(const libxl_event *ev, void *user)
{
    const struct wait *w = user;

    return ev->for_user == w->how.u.for_event;
}

static bool completed(struct wait *w)
{
    libxl_event *ev;

    if (libxl_event_check(w->ts->ctx, &ev,
                          UINT64_C(1) << LIBXL_EVENT_TYPE_OPERATION_COMPLETE,
                          is_ours, w))
        return false;
    w->libxl_rc = ev->u.operation_complete.rc;
    libxl_event_free(w->ts->ctx, ev);
    return true;
}

static void give_up(struct wait *w, enum end why)
{
    if (w->end != END_DONE)
        return; /* aborted already */
    w->end = why;
    (void)libxl_ao_abort(w->ts->ctx, &w->how);
}

static void wait_operation(struct wait *w)
{
    uint64_t look_ns = 0;

    while (!completed(w)) {
        const uint64_t now = xlm__clock_ns();

        if (now >= look_ns) {
            look_ns = now + TICK_MS * XLM__NS_PER_MS;
            if (guest_ended(w, now))
                give_up(w, END_GUEST);
        }
        if (now >= w->deadline_ns)
            give_up(w, END_TIMEOUT);
        if (now >= w->hard_ns) {
            w->end = END_HUNG;
            return;
        }
        if (poll_tick(w))
            give_up(w, END_STOPPED);
    }
}

/*
 * Take the request back if the guest has not read it yet, in a transaction
 * because it may do so right now.  True if it may still act on it.
 */
static bool may_suspend_later(struct xlm__ts *ts, uint32_t domid)
{
    char path[64];

    /* Requests by event channel cannot be taken back. */
    if (xs_suspend_evtchn_port((int)domid) >= 0)
        return true;
    snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", domid);
    for (int i = 0; i < 8; i++) {
        xs_transaction_t t = xs_transaction_start(ts->xs);
        unsigned bytes;
        char *state = xs_read(ts->xs, t, path, &bytes);
        const bool pending = state && !strcmp(state, "suspend");
        bool done;

        free(state);
        if (!pending) {
            /* Taken back by libxl, or read by the guest: the two look the
             * same from here, so the careful answer is given. */
            xs_transaction_end(ts->xs, t, true);
            return true;
        }
        done = xs_write(ts->xs, t, path, "", 0);
        if (xs_transaction_end(ts->xs, t, !done) && done)
            return false;
    }
    return true;
}

static int judge_not_suspended(struct wait *w, uint32_t waited_ms,
                               bool *later_out)
{
    struct xlm__ts *ts = w->ts;
    char *name = libxl_domid_to_name(ts->ctx, w->domid);
    int rc;

    /* libxl 4.17 says success when it took back a request that was not
     * acknowledged within its 60 s (domain_suspend_common_pvcontrol_...). */
    *later_out = w->libxl_rc != 0 && may_suspend_later(ts, w->domid);
    if (w->end == END_STOPPED)
        rc = XLM_ERR_CANCELLED;
    else if (w->end == END_TIMEOUT || w->libxl_rc == ERROR_GUEST_TIMEDOUT ||
             w->libxl_rc == ERROR_TIMEDOUT || !w->libxl_rc)
        rc = TS_FAIL(ts, XLM_ERR_GUEST_SILENT, w->libxl_rc,
                     "%s (domain %u) did not suspend within %u.%u s%s",
                     name ? name : "the guest", w->domid, waited_ms / 1000,
                     waited_ms % 1000 / 100,
                     *later_out ? "; it may do so later" : "");
    else
        rc = TS_FAIL(ts, XLM_ERR_TOOLSTACK, w->libxl_rc, "suspend domain %u",
                     w->domid);
    free(name);
    return rc;
}

/* It suspended, but not as it should have: let it run on. */
static int judge_suspended_badly(struct wait *w)
{
    struct xlm__ts *ts = w->ts;
    int rc;

    if (w->end == END_STOPPED)
        rc = XLM_ERR_CANCELLED;
    else
        rc = TS_FAIL(
            ts, w->end == END_TIMEOUT ? XLM_ERR_GUEST_SILENT : XLM_ERR_DEVICE,
            w->libxl_rc,
            "domain %u suspended, but its device model did not stop%s",
            w->domid, w->end == END_TIMEOUT ? " in time" : "");
    if (libxl_domain_resume(ts->ctx, w->domid, 1, NULL))
        XLM_SOFT(ts->base.err, XLM_ERR_TOOLSTACK,
                 "domain %u could not be resumed", w->domid);
    return rc;
}

static int judge(struct wait *w, uint32_t waited_ms, bool *later_out)
{
    struct xlm__ts *ts = w->ts;
    libxl_dominfo info;
    int rc;

    libxl_dominfo_init(&info);
    rc = libxl_domain_info(ts->ctx, &info, w->domid);
    if (rc == ERROR_DOMAIN_NOTFOUND)
        rc = XLM_FAIL(ts->base.err, XLM_ERR_GUEST_ENDED,
                      "domain %u was destroyed while it was to suspend",
                      w->domid);
    else if (rc)
        rc = TS_FAIL(ts, XLM_ERR_TOOLSTACK, rc, "ask about domain %u",
                     w->domid);
    else if (ended_otherwise(&info))
        rc = XLM_FAIL(ts->base.err, XLM_ERR_GUEST_ENDED,
                      "domain %u %s while it was to suspend", w->domid,
                      reason_name(&info));
    else if (!info.shutdown)
        rc = judge_not_suspended(w, waited_ms, later_out);
    else if (w->libxl_rc || w->end == END_HUNG)
        rc = judge_suspended_badly(w);
    libxl_dominfo_dispose(&info);
    return rc;
}

/* For the monitor, in case it answers when we are gone. */
static void mark_lateness(struct xlm__ts *ts, uint32_t domid, bool later)
{
    libxl_dominfo info;

    libxl_dominfo_init(&info);
    if (!libxl_domain_info(ts->ctx, &info, domid)) {
        const unsigned char *uuid = libxl_uuid_bytearray_const(&info.uuid);

        if (later)
            xlm__late_mark(XLM__HOSTLOCK_DIR, uuid);
        else
            xlm__late_clear(XLM__HOSTLOCK_DIR, uuid);
    }
    libxl_dominfo_dispose(&info);
}

int xlm__ts_suspend(struct xlm__toolstack *t, uint32_t domid,
                    uint32_t timeout_ms, bool *may_suspend_later_out)
{
    struct xlm__ts *ts = xlm__ts(t);
    const uint64_t begin_ns = xlm__clock_ns();
    struct wait w = { .ts = ts, .domid = domid };
    int rc;

    *may_suspend_later_out = false;
    /* Events of other operations on this context are not ours to take. */
    w.how.u.for_event = begin_ns;
    w.deferred_ns = begin_ns + DEFERRED_MS * XLM__NS_PER_MS;
    w.deadline_ns = begin_ns + timeout_ms * XLM__NS_PER_MS;
    w.hard_ns = w.deadline_ns + HARD_LIMIT_MS * XLM__NS_PER_MS;

    rc = libxl_domain_suspend_only(ts->ctx, domid, &w.how);
    if (rc)
        return TS_FAIL(ts, XLM_ERR_TOOLSTACK, rc, "suspend domain %u", domid);
    wait_operation(&w);
    if (w.unpaused && libxl_domain_pause(ts->ctx, domid, NULL))
        XLM_SOFT(ts->base.err, XLM_ERR_TOOLSTACK,
                 "domain %u could not be paused again", domid);
    rc = judge(&w, (uint32_t)((xlm__clock_ns() - begin_ns) / XLM__NS_PER_MS),
               may_suspend_later_out);
    /* An old mark is void once the guest has answered. */
    if (*may_suspend_later_out || !rc)
        mark_lateness(ts, domid, *may_suspend_later_out);
    return rc;
}
