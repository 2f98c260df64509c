/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ctlplace.h"
#include "ctlwords.h"

struct client {
    int fd; /* -1: the place is free */
    long pid;
    uint64_t until_ms;
    char in[CTL_LINE_MAX + 1];
    size_t nr_in;
    char *out; /* from when the request is complete */
    size_t nr_out, out_at;
};

struct control {
    /* set once */
    struct job *job;
    struct xlm_session *session;
    struct ctlplace place;
    int listen_fd, stop_fd;
    pthread_t thread;
    /* owned by the thread */
    struct client clients[CONTROL_CLIENTS];
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- clients ---- */

static void hang_up(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->out);
    c->fd = -1;
    c->out = NULL;
}

/* Nobody else gets into the directory; but who gets a descriptor some other way
 * shall not get further. */
static bool is_root(int fd, long *pid_out)
{
    struct ucred cred;
    socklen_t bytes = sizeof(cred);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &bytes))
        return false;
    *pid_out = cred.pid;
    return cred.uid == 0 || cred.uid == geteuid();
}

static struct client *free_place(struct control *c)
{
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        if (c->clients[i].fd < 0)
            return &c->clients[i];
    return NULL;
}

static void let_in(struct control *c)
{
    struct client *who = free_place(c);
    int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    long pid;

    if (fd < 0)
        return;
    if (!is_root(fd, &pid)) {
        close(fd);
        return;
    }
    *who = (struct client){ .fd = fd,
                            .pid = pid,
                            .until_ms = now_ms() + CONTROL_CLIENT_MS };
}

static void give(struct client *who)
{
    ssize_t n = send(who->fd, who->out + who->out_at, who->nr_out - who->out_at,
                     MSG_NOSIGNAL);

    if (n > 0)
        who->out_at += (size_t)n;
    if ((n < 0 && errno != EAGAIN && errno != EINTR) ||
        who->out_at == who->nr_out)
        hang_up(who);
}

static void take(struct control *c, struct client *who)
{
    ssize_t n = recv(who->fd, who->in + who->nr_in, CTL_LINE_MAX - who->nr_in,
                     0);
    char *end;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        hang_up(who);
        return;
    }
    end = memchr(who->in + who->nr_in, '\n', (size_t)n);
    who->nr_in += (size_t)n;
    if (!end && who->nr_in < CTL_LINE_MAX)
        return;
    if (!end) /* too long, which the answer says as of any rubbish */
        end = who->in;
    *end = '\0';
    who->out = control_answer(c->job, c->session, who->in,
                              (size_t)(end - who->in), who->pid);
    if (!who->out) {
        hang_up(who);
        return;
    }
    /* At once: what was obeyed may be what ends us. */
    who->nr_out = strlen(who->out);
    give(who);
}

/* ---- the thread ---- */

/* How long until the first client's time is over; -1: there is none. */
static int drop_late(struct control *c)
{
    uint64_t now = now_ms(), first = UINT64_MAX;

    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        struct client *who = &c->clients[i];

        if (who->fd >= 0 && who->until_ms <= now)
            hang_up(who);
        if (who->fd >= 0 && who->until_ms < first)
            first = who->until_ms;
    }
    return first == UINT64_MAX ? -1 : (int)(first - now);
}

static void serve(struct control *c, const struct pollfd *p)
{
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        if (!p[i].revents)
            continue;
        if (c->clients[i].out)
            give(&c->clients[i]);
        else
            take(c, &c->clients[i]);
    }
}

static void *run(void *arg)
{
    enum { STOP = CONTROL_CLIENTS, LISTEN, NR };
    struct control *c = arg;
    struct pollfd p[NR];
    int left;

    for (;;) {
        left = drop_late(c);
        for (size_t i = 0; i < CONTROL_CLIENTS; i++)
            p[i] = (struct pollfd){ .fd = c->clients[i].fd,
                                    .events = c->clients[i].out ? POLLOUT
                                                                : POLLIN };
        p[STOP] = (struct pollfd){ .fd = c->stop_fd, .events = POLLIN };
        p[LISTEN] = (struct pollfd){ .fd = free_place(c) ? c->listen_fd : -1,
                                     .events = POLLIN };
        if (poll(p, NR, left) < 0 && errno != EINTR)
            return NULL;
        if (p[STOP].revents)
            return NULL;
        serve(c, p);
        if (p[LISTEN].revents)
            let_in(c);
    }
}

/* Signals are for the thread that migrates. */
static int start_thread(struct control *c)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&c->thread, NULL, run, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static void dispose(struct control *c)
{
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        hang_up(&c->clients[i]);
    if (c->listen_fd >= 0) {
        close(c->listen_fd);
        ctlplace_remove(&c->place);
    }
    if (c->stop_fd >= 0)
        close(c->stop_fd);
    free(c);
}

static int start(struct control *c)
{
    if (!ctlplace_set(&c->place, c->job->uuid))
        return ENAMETOOLONG;
    c->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->stop_fd < 0)
        return errno;
    c->listen_fd = ctlplace_listen(&c->place);
    return c->listen_fd < 0 ? -c->listen_fd : start_thread(c);
}

struct control *control_start(struct job *j, struct xlm_session *s)
{
    struct control *c = calloc(1, sizeof(*c));
    char text[256];
    int error;

    if (!c)
        return NULL;
    c->job = j;
    c->session = s;
    c->listen_fd = c->stop_fd = -1;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        c->clients[i].fd = -1;
    error = start(c);
    if (!error)
        return c;
    /* Then another migration of it runs, and the session will say so. */
    if (error != EADDRINUSE) {
        snprintf(text, sizeof(text), "no 'xl lmigrate-ctl': %s: %s",
                 c->place.path, strerror(error));
        job_log(j, XLM_LOG_WARN, "control", text);
    }
    dispose(c);
    return NULL;
}

void control_stop(struct control *c)
{
    if (!c)
        return;
    eventfd_write(c->stop_fd, 1); /* its counter has room for a one */
    pthread_join(c->thread, NULL);
    dispose(c);
}
