/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The public functions of a session: argument checks, lifetime, no more. */
#include "config.h"

#define XLM_MODULE "session"
#include "engine/session.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "base/options.h"
#include "util/clock.h"
#include "util/uuid.h"

static int init_identity(struct xlm_session *s)
{
    xlm__greeting_init(&s->greeting, XLM__KIND_CONTROL, s->role, 0);
    if (s->role == XLM_DESTINATION || s->opt.reconnect_ms)
        s->greeting.offered |= XLM__FEATURE_RESUME;
    if (s->role == XLM_DESTINATION ||
        (s->opt.reconnect_ms && s->opt.reopen_control))
        s->greeting.offered |= XLM__FEATURE_RETURN;
    if (s->role == XLM_DESTINATION)
        return 0; /* learnt from the source */
    if (!xlm__uuid_random(s->greeting.session) ||
        getrandom(s->greeting.token, sizeof(s->greeting.token), 0) !=
            (ssize_t)sizeof(s->greeting.token))
        return XLM_ERR_SYSTEM;
    return 0;
}

static int init(struct xlm_session *s, enum xlm_role role,
                const struct xlm_options *opt)
{
    int rc;

    s->stop_fd = -1;
    s->role = role;
    s->owner = XLM_OWNER_SOURCE;
    s->still_ms = XLM__STILL_MS;
    s->key_records = XLM__KEY_RECORDS;
    rc = xlm__options_copy(&s->opt, opt, role, NULL);
    if (rc)
        return rc;
    if (role == XLM_SOURCE && !s->opt.domid)
        return XLM_ERR_INVAL;
    atomic_init(&s->downtime_ms, s->opt.downtime_ms);
    atomic_init(&s->bandwidth_bytes_s, s->opt.bandwidth_bytes_s);
    s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->stop_fd < 0)
        return XLM_ERR_SYSTEM;
    xlm__errslot_init(&s->err, s->opt.log, s->opt.user, XLM_LOG_DEBUG);
    rc = xlm__flow_init(&s->flow, &s->err, role);
    return rc ? rc : init_identity(s);
}

int xlm_session_open(enum xlm_role role, const struct xlm_options *opt,
                     struct xlm_session **session_out)
{
    struct xlm_session *s;
    int rc;

    if ((role != XLM_SOURCE && role != XLM_DESTINATION) || !session_out)
        return XLM_ERR_INVAL;
    s = calloc(1, sizeof(*s));
    if (!s)
        return XLM_ERR_NOMEM;
    pthread_mutex_init(&s->lock, NULL);
    rc = init(s, role, opt);
    if (rc) {
        xlm_session_close(s);
        return rc;
    }
    *session_out = s;
    return 0;
}

void xlm_session_close(struct xlm_session *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->nr_links; i++)
        xlm__link_close(&s->links[i]);
    if (s->own_backends && s->toolstack)
        s->toolstack->ops->close(s->toolstack);
    if (s->own_backends && s->hv)
        s->hv->ops->close(s->hv);
    if (s->stop_fd >= 0) {
        xlm__flow_destroy(&s->flow);
        xlm__errslot_destroy(&s->err);
        close(s->stop_fd);
    }
    xlm__options_free(&s->opt);
    pthread_mutex_destroy(&s->lock);
    explicit_bzero(s, sizeof(*s)); /* its token, in greetings too */
    free(s);
}

static int add_channel(struct xlm_session *s, int rfd, int wfd,
                       const unsigned char *greeting)
{
    struct xlm__link *l;

    if (!s || fcntl(rfd, F_GETFD) < 0 || fcntl(wfd, F_GETFD) < 0)
        return XLM_ERR_INVAL;
    if (xlm_session_state(s) != XLM_STATE_NEW)
        return XLM_ERR_STATE;
    if (s->nr_links == XLM__LINKS_MAX)
        return XLM_ERR_INVAL;
    l = &s->links[s->nr_links++];
    xlm__link_init(l, s, rfd, wfd, -1);
    if (greeting) {
        l->greeted = true;
        memcpy(l->greeting, greeting, XLM_GREETING_BYTES);
    }
    return 0;
}

int xlm_session_add_channel(struct xlm_session *s, int rfd, int wfd)
{
    return add_channel(s, rfd, wfd, NULL);
}

int xlm_session_add_greeted_channel(
    struct xlm_session *s, int rfd, int wfd,
    const unsigned char greeting[XLM_GREETING_BYTES])
{
    return greeting ? add_channel(s, rfd, wfd, greeting) : XLM_ERR_INVAL;
}

static enum xlm__event outcome(int rc)
{
    if (!rc || rc == XLM_ERR_CLEANUP)
        return XLM__EV_FINISHED;
    return rc == XLM_ERR_CANCELLED ? XLM__EV_CANCEL : XLM__EV_FAIL;
}

int xlm_session_run(struct xlm_session *s)
{
    int rc;

    if (!s || xlm_session_state(s) != XLM_STATE_NEW || !s->nr_links)
        return XLM_ERR_STATE;
    pthread_mutex_lock(&s->lock);
    s->begin_ns = xlm__clock_ns();
    pthread_mutex_unlock(&s->lock);
    s->deadline_ns = xlm__deadline_ns(s->opt.timeout_ms);
    xlm__session_event(s, XLM__EV_RUN);
    rc = xlm__session_backends(s);
    if (!rc)
        rc = s->role == XLM_SOURCE ? xlm__source_run(s) : xlm__dest_run(s);
    if (rc != XLM_ERR_CLEANUP && rc != XLM_ERR_UNDECIDED)
        rc = xlm__session_first_error(s, rc);
    xlm__session_event(s, outcome(rc));
    return rc;
}

int xlm_session_cancel(struct xlm_session *s)
{
    int way_out = XLM__WAY_OPEN;

    if (!atomic_compare_exchange_strong(&s->way_out, &way_out,
                                        XLM__WAY_CANCELLED) &&
        way_out == XLM__WAY_SEALED)
        return XLM_ERR_STATE;
    xlm__session_stop(s);
    return 0;
}

enum xlm_state xlm_session_state(const struct xlm_session *s)
{
    struct xlm_session *w = (struct xlm_session *)(uintptr_t)s;
    enum xlm_state state;

    pthread_mutex_lock(&w->lock);
    state = w->state;
    pthread_mutex_unlock(&w->lock);
    return state;
}

enum xlm_owner xlm_session_owner(const struct xlm_session *s)
{
    struct xlm_session *w = (struct xlm_session *)(uintptr_t)s;
    enum xlm_owner owner;

    pthread_mutex_lock(&w->lock);
    owner = w->owner;
    pthread_mutex_unlock(&w->lock);
    return owner;
}

uint32_t xlm_session_domid(const struct xlm_session *s)
{
    struct xlm_session *w = (struct xlm_session *)(uintptr_t)s;
    uint32_t domid;

    pthread_mutex_lock(&w->lock);
    domid = w->domid;
    pthread_mutex_unlock(&w->lock);
    return domid;
}

int xlm_session_needs_monitor(const struct xlm_session *s)
{
    struct xlm_session *w = (struct xlm_session *)(uintptr_t)s;
    bool needs;

    pthread_mutex_lock(&w->lock);
    needs = w->needs_monitor;
    pthread_mutex_unlock(&w->lock);
    return needs;
}

int xlm_session_stats(struct xlm_session *s, struct xlm_stats *stats_out)
{
    struct xlm_stats now;
    uint64_t begin_ns;

    if (!s || !stats_out)
        return XLM_ERR_INVAL;
    pthread_mutex_lock(&s->lock);
    now = s->stats;
    begin_ns = s->begin_ns;
    pthread_mutex_unlock(&s->lock);
    if (begin_ns)
        now.elapsed_us = (xlm__clock_ns() - begin_ns) / XLM__NS_PER_US;
    now.limit_bytes_s = atomic_load(&s->bandwidth_bytes_s);
    now.downtime_ms = atomic_load(&s->downtime_ms);
    now.switch_asked = atomic_load(&s->switch_now);
    if (stats_out->size < sizeof(stats_out->size))
        return XLM_ERR_INVAL;
    now.size = stats_out->size;
    memset(stats_out, 0, stats_out->size);
    memcpy(stats_out, &now, now.size < sizeof(now) ? now.size : sizeof(now));
    return 0;
}

const struct xlm_error_info *xlm_session_error(struct xlm_session *s)
{
    return xlm__errslot_first(&s->err);
}
