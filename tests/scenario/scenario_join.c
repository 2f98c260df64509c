/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What "xl lmigrate-receive" does for a data channel: reads the greeting, and
 * passes the descriptors to the session that it names.
 */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/rendezvous.h"
#include "scenario.h"

#define SESSION_AT        32 /* in a greeting */
#define GREETING_LIMIT_MS 1000

struct joiner {
    struct run *run;
    int fd;
    pthread_t thread;
};

static bool read_greeting(int fd, unsigned char *greeting)
{
    size_t got = 0;

    while (got < XLM_GREETING_BYTES) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ssize_t n = -1;

        if (poll(&p, 1, GREETING_LIMIT_MS) > 0)
            n = read(fd, greeting + got, XLM_GREETING_BYTES - got);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static void *join_session(void *arg)
{
    unsigned char greeting[XLM_GREETING_BYTES];
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    struct joiner *j = arg;
    const struct xlm__meeting at = { j->run->run_dir, greeting + SESSION_AT,
                                     1000 };

    if (read_greeting(j->fd, greeting))
        xlm__rendezvous_join(&err, &at, j->fd, j->fd, greeting);
    close(j->fd);
    return NULL;
}

void joiners_open(struct run *r)
{
    snprintf(r->run_dir, sizeof(r->run_dir), "/tmp/xlm-test-XXXXXX");
    r->joiners = calloc(r->channels + COMEBACKS_MAX, sizeof(*r->joiners));
    if (!r->joiners || !mkdtemp(r->run_dir))
        abort();
    r->dst.session->run_dir = r->run_dir;
}

int joiner_start(struct run *r)
{
    struct joiner *j = &r->joiners[r->nr_joiners++];
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
        abort();
    j->run = r;
    j->fd = fds[1];
    if (pthread_create(&j->thread, NULL, join_session, j))
        abort();
    return fds[0];
}

void joiners_start(struct run *r)
{
    joiners_open(r);
    for (unsigned i = 0; i < r->channels; i++) {
        int fd = joiner_start(r);

        if (xlm_session_add_channel(r->src.session, fd, fd))
            abort();
    }
}

int joiner_call(void *side, int *rfd_out, int *wfd_out)
{
    const struct side *s = side;

    *rfd_out = *wfd_out = joiner_start(s->run);
    return 0;
}

void joiners_end(struct run *r)
{
    if (!r->joiners)
        return;
    for (unsigned i = 0; i < r->nr_joiners; i++)
        pthread_join(r->joiners[i].thread, NULL);
    SCENARIO_CHECK(r, rmdir(r->run_dir) == 0); /* nothing is left in it */
    free(r->joiners);
}
