/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "session"
#include "engine/session.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "chan/ktls.h"
#include "chan/tcp.h"
#include "util/clock.h"

void xlm__session_use(struct xlm_session *s, struct xlm__hv *hv,
                      struct xlm__toolstack *t)
{
    s->hv = hv;
    s->toolstack = t;
    s->own_backends = false;
}

int xlm__session_backends(struct xlm_session *s)
{
    struct xlm__toolstack_params p = {
        .err = &s->err,
        .stop_fd = s->stop_fd,
        .xl_path = s->opt.xl_path,
        .record_fd = s->opt.record_fd > 0 ? s->opt.record_fd : -1,
    };
    int rc;

    if (s->hv)
        return 0;
    s->own_backends = true;
    rc = xlm__hv_open_xen(&s->err, &s->hv);
    if (rc)
        return rc;
    p.hv = s->hv;
    return xlm__toolstack_open_libxl(&p, &s->toolstack);
}

void xlm__session_stop(struct xlm_session *s)
{
    const uint64_t one = 1;
    ssize_t r;

    /* Fails only if the counter is about to overflow: readable all the same. */
    r = write(s->stop_fd, &one, sizeof(one));
    (void)r;
}

bool xlm__session_stopped(const struct xlm_session *s)
{
    return atomic_load(&s->way_out) == XLM__WAY_CANCELLED;
}

bool xlm__session_seal(struct xlm_session *s)
{
    int way_out = XLM__WAY_OPEN;

    return atomic_compare_exchange_strong(&s->way_out, &way_out,
                                          XLM__WAY_SEALED);
}

bool xlm__session_sealed(const struct xlm_session *s)
{
    return atomic_load(&s->way_out) == XLM__WAY_SEALED;
}

void xlm__session_event(struct xlm_session *s, enum xlm__event ev)
{
    enum xlm_state state;

    pthread_mutex_lock(&s->lock);
    if (xlm__fsm_allows(s->state, ev))
        s->state = xlm__fsm_next(s->state, ev);
    state = s->state;
    pthread_mutex_unlock(&s->lock);
    xlm__errslot_set_state(&s->err, state);
    XLM_LOG(&s->err, INFO, "state: %s", xlm_state_name(state));
    xlm__session_progress(s);
}

void xlm__session_set_owner(struct xlm_session *s, enum xlm_owner owner)
{
    pthread_mutex_lock(&s->lock);
    s->owner = owner;
    pthread_mutex_unlock(&s->lock);
}

void xlm__session_progress(struct xlm_session *s)
{
    struct xlm_stats st = { .size = sizeof(st) };

    if (!s->opt.progress)
        return;
    xlm_session_stats(s, &st);
    s->opt.progress(s->opt.user, xlm_session_state(s), &st);
}

void xlm__session_finding(struct xlm_session *s, const struct xlm_finding *f)
{
    XLM_LOG(&s->err, INFO, "finding %s: %s", f->code, f->message);
    if (s->opt.finding)
        s->opt.finding(s->opt.user, f);
}

int xlm__session_check(struct xlm_session *s)
{
    if (xlm__session_sealed(s))
        return 0;
    if (xlm__session_stopped(s))
        return XLM_FAIL(&s->err, XLM_ERR_CANCELLED, "cancelled");
    if (xlm__deadline_over(s->deadline_ns, xlm__clock_ns()))
        return XLM_FAIL(&s->err, XLM_ERR_TIMEOUT,
                        "not finished within the time limit of %u s",
                        s->opt.timeout_ms / 1000);
    return 0;
}

int xlm__session_look_at(struct xlm_session *s, unsigned number, int fd,
                         const char *peer)
{
    const int fault = xlm__tcp_fault(fd);

    if (!xlm__tcp_is_lost(fault))
        return 0;
    return XLM_FAIL(&s->err, XLM_ERR_CHANNEL,
                    "data %u: nothing comes back from %s: %s", number - 1, peer,
                    strerror(fault));
}

int xlm__session_look_at_wire(struct xlm_session *s, const char *peer)
{
    int rc = 0;

    for (unsigned i = 1; i < s->nr_links && !rc; i++)
        rc = xlm__session_look_at(s, i, s->links[i].chan.wfd, peer);
    return rc;
}

int xlm__session_first_error(struct xlm_session *s, int rc)
{
    int code = xlm__errslot_code(&s->err);

    if (rc && !code) /* cancelled inside of a wait, which records nothing */
        return XLM_FAIL(&s->err, rc, "%s", xlm_strerror(rc));
    return rc && code ? code : rc;
}

bool xlm__session_hands_over(const struct xlm_session *s, uint64_t nr_pages,
                             unsigned nr_channels, bool may_return)
{
    return (s->opt.flags & XLM_F_KTLS) && may_return &&
           nr_pages <= nr_channels * XLM__KEY_PAGES && xlm__ktls_exists();
}

void xlm__link_init(struct xlm__link *l, struct xlm_session *s, int rfd,
                    int wfd, int conn_fd)
{
    memset(l, 0, sizeof(*l));
    xlm__errslot_init(&l->err, s->opt.log, s->opt.user, s->err.max_level);
    l->rfd = rfd;
    l->wfd = wfd;
    l->conn_fd = conn_fd;
    l->leave_fd = -1;
}

int xlm__link_try(struct xlm__link *l, struct xlm_session *s, unsigned number)
{
    char name[32] = "control";
    int rc;

    if (number)
        snprintf(name, sizeof(name), "data %u", number - 1);
    rc = xlm__chan_init(&l->chan, number ? &l->err : &s->err, l->rfd, l->wfd,
                        s->stop_fd, name);
    if (rc)
        return rc;
    l->rfd = l->wfd = -1;
    if (l->tls)
        xlm__chan_use_tls(&l->chan, l->tls);
    l->tls = NULL;
    return 0;
}

int xlm__link_open(struct xlm__link *l, struct xlm_session *s, unsigned number)
{
    const int rc = xlm__link_try(l, s, number);

    return rc && number ? xlm__link_promote(l, s, rc) : rc;
}

void xlm__link_forget(struct xlm__link *l)
{
    xlm__errslot_destroy(&l->err);
    xlm__errslot_init(&l->err, NULL, NULL, XLM_LOG_ERROR);
}

int xlm__link_may_leave(struct xlm__link *l, struct xlm_session *s)
{
    l->leave_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->leave_fd < 0)
        return XLM_FAIL_ERRNO(&s->err, XLM_ERR_SYSTEM, "%s: event",
                              l->chan.name);
    l->chan.leave_fd = l->leave_fd;
    return 0;
}

void xlm__link_leave(struct xlm__link *l)
{
    eventfd_write(l->leave_fd, 1);
}

void xlm__link_has_left(struct xlm__link *l)
{
    eventfd_t times;

    if (l->leave_fd >= 0)
        eventfd_read(l->leave_fd, &times);
    l->chan.leave_fd = l->leave_fd;
}

static void close_pair(int rfd, int wfd)
{
    if (rfd >= 0)
        close(rfd);
    if (wfd >= 0 && wfd != rfd)
        close(wfd);
}

void xlm__link_hang_up(struct xlm__link *l)
{
    /* A channel that was never opened holds descriptors 0: not ours. */
    if (l->rfd >= 0)
        close_pair(l->rfd, l->wfd);
    else
        xlm__chan_close(&l->chan);
    if (l->conn_fd >= 0)
        close(l->conn_fd);
    xlm__tls_free(l->tls);
    l->tls = NULL;
    l->rfd = l->wfd = l->conn_fd = -1;
}

void xlm__link_close(struct xlm__link *l)
{
    xlm__stream_fini(&l->stream);
    xlm__link_hang_up(l);
    if (l->leave_fd >= 0)
        close(l->leave_fd);
    l->leave_fd = -1;
    xlm__errslot_destroy(&l->err);
}

int xlm__link_promote(struct xlm__link *l, struct xlm_session *s, int rc)
{
    char text[XLM_MESSAGE_MAX];
    int code = xlm__errslot_read(&l->err, text);

    if (!code)
        return rc; /* CANCELLED, or already recorded with the session */
    return XLM_FAIL(&s->err, code, "%s", text);
}
