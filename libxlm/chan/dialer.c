/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "chan/dialer.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"

/* RFC 8305 section 5: "Connection Attempt Delay". */
#define HEAD_START_MS 250u
#define REASON_BYTES  64u

struct attempt {
    struct xlm__endpoint to;
    int fd; /* -1: not yet, failed, or given to the caller */
    char reason[REASON_BYTES];
};

struct xlm__dialer {
    size_t nr, begun;
    uint32_t limit_ms;
    uint64_t deadline_ns, next_start_ns;
    char why[XLM__DIALER_WHY_MAX];
    struct attempt attempts[];
};

struct xlm__dialer *xlm__dialer_new(const struct xlm__endpoint *list, size_t nr,
                                    uint32_t limit_ms)
{
    struct xlm__dialer *d = calloc(1, sizeof(*d) + nr * sizeof(d->attempts[0]));

    if (!d)
        return NULL;
    d->nr = nr;
    d->limit_ms = limit_ms;
    d->deadline_ns = xlm__deadline_ns(limit_ms);
    for (size_t i = 0; i < nr; i++) {
        d->attempts[i].to = list[i];
        d->attempts[i].fd = -1;
    }
    return d;
}

static void hang_up(struct attempt *a)
{
    if (a->fd >= 0)
        close(a->fd);
    a->fd = -1;
}

void xlm__dialer_free(struct xlm__dialer *d)
{
    for (size_t i = 0; d && i < d->nr; i++)
        hang_up(&d->attempts[i]);
    free(d);
}

static void give_up(struct attempt *a, const char *why)
{
    snprintf(a->reason, sizeof(a->reason), "%s", why);
    hang_up(a);
}

void xlm__dialer_wrong(struct xlm__dialer *d, size_t which, const char *why)
{
    give_up(&d->attempts[which], why);
}

static void begin(struct attempt *a)
{
    a->fd = socket(a->to.sa.ss_family,
                   SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (a->fd < 0 || (connect(a->fd, (struct sockaddr *)&a->to.sa, a->to.len) &&
                      errno != EINPROGRESS))
        give_up(a, strerror(errno));
}

static bool any_pending(const struct xlm__dialer *d)
{
    for (size_t i = 0; i < d->begun; i++)
        if (d->attempts[i].fd >= 0)
            return true;
    return false;
}

static void begin_those_due(struct xlm__dialer *d)
{
    while (d->begun < d->nr &&
           (!any_pending(d) ||
            xlm__deadline_over(d->next_start_ns, xlm__clock_ns()))) {
        begin(&d->attempts[d->begun++]);
        d->next_start_ns = xlm__deadline_ns(HEAD_START_MS);
    }
}

static int wait_ms(const struct xlm__dialer *d)
{
    int left = xlm__deadline_left_ms(d->deadline_ns);
    int start = xlm__deadline_left_ms(d->next_start_ns);

    return d->begun < d->nr && start < left ? start : left;
}

/* What became of attempt a: its descriptor if it stands. */
static int outcome(struct attempt *a)
{
    int error = 0, fd = a->fd;
    socklen_t len = sizeof(error);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
        error = errno;
    if (error) {
        give_up(a, strerror(error));
        return -1;
    }
    a->fd = -1;
    return fd;
}

/* Descriptor of one that stands; -1: none does yet.  Poll ignores the negative
 * descriptors. */
static int look(struct xlm__dialer *d, int stop_fd, size_t *which_out)
{
    struct pollfd *p = calloc(1 + d->begun, sizeof(*p));
    int r, fd = -1;

    if (!p)
        return XLM_ERR_SYSTEM;
    p[0] = (struct pollfd){ .fd = stop_fd, .events = POLLIN };
    for (size_t i = 0; i < d->begun; i++)
        p[1 + i] = (struct pollfd){ .fd = d->attempts[i].fd,
                                    .events = POLLOUT };
    r = poll(p, 1 + d->begun, wait_ms(d));
    if (r < 0)
        fd = errno == EINTR ? -1 : XLM_ERR_SYSTEM;
    else if (p[0].revents)
        fd = XLM_ERR_CANCELLED;
    for (size_t i = 0; r > 0 && fd == -1 && i < d->begun; i++) {
        if (!p[1 + i].revents)
            continue;
        *which_out = i;
        fd = outcome(&d->attempts[i]);
    }
    free(p);
    return fd;
}

int xlm__dialer_next(struct xlm__dialer *d, int stop_fd, size_t *which_out)
{
    char late[REASON_BYTES];
    int fd;

    for (;;) {
        begin_those_due(d);
        if (!any_pending(d))
            return XLM_ERR_CHANNEL;
        fd = look(d, stop_fd, which_out);
        if (fd != -1)
            return fd;
        if (!xlm__deadline_left_ms(d->deadline_ns))
            break;
    }
    snprintf(late, sizeof(late), "no answer within %u ms", d->limit_ms);
    for (size_t i = 0; i < d->begun; i++)
        if (d->attempts[i].fd >= 0)
            give_up(&d->attempts[i], late);
    return XLM_ERR_CHANNEL;
}

const char *xlm__dialer_why(struct xlm__dialer *d)
{
    size_t n = 0;

    d->why[0] = '\0';
    for (size_t i = 0; i < d->begun && n < sizeof(d->why); i++)
        if (*d->attempts[i].reason)
            n += (size_t)snprintf(d->why + n, sizeof(d->why) - n, "%s%s: %s",
                                  n ? "; " : "", d->attempts[i].to.text,
                                  d->attempts[i].reason);
    return d->why;
}
