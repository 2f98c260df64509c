/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Further connections, as the command that runs ssh makes them, each with a
 * wire that may break; and what ssh starts for them.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scenario.h"

struct comeback {
    struct proxy *proxy;
    unsigned units[3];
};

struct comebacks {
    struct comeback list[COMEBACKS_MAX];
    unsigned nr;
    /* channels may come back at the same time */
    pthread_mutex_t lock;
};

void comebacks_open(struct run *r)
{
    r->comebacks = calloc(1, sizeof(*r->comebacks));
    if (!r->comebacks)
        abort();
    pthread_mutex_init(&r->comebacks->lock, NULL);
}

/* 0 or an errno; the source's end of it. */
static int connect_by(struct run *r, const struct proxy_cut *cut, int *fd_out)
{
    struct comebacks *all = r->comebacks;
    struct comeback *c;
    int fds[2];

    if (all->nr == COMEBACKS_MAX)
        return EMFILE;
    c = &all->list[all->nr++];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
        abort();
    c->proxy = proxy_start(fds[1], joiner_start(r), cut, c->units);
    *fd_out = fds[0];
    return 0;
}

/* ---- the control channel ---- */

/* What the next connection's wire does. */
static struct proxy_cut next_cut(struct run *r)
{
    const struct scenario *sc = r->sc;
    struct proxy_cut cut = {
        .records = true,
        .torn = sc->cut_torn,
        .unseen = sc->cut_unseen,
        .phase = &r->phase,
        .before = scenario_unit,
        .user = r,
    };

    if (r->nr_comebacks < BREAKS_MAX && sc->control_breaks[r->nr_comebacks]) {
        cut.direction = sc->cut;
        cut.after = sc->control_breaks[r->nr_comebacks];
    }
    return cut;
}

int comeback_call(void *side, int *rfd_out, int *wfd_out)
{
    struct run *r = ((struct side *)side)->run;
    const struct proxy_cut cut = next_cut(r);
    int error;

    if (r->sc->control_refuse && r->nr_comebacks + 1 >= r->sc->control_refuse)
        return ECONNREFUSED;
    pthread_mutex_lock(&r->comebacks->lock);
    error = connect_by(r, &cut, rfd_out);
    r->nr_comebacks += !error;
    pthread_mutex_unlock(&r->comebacks->lock);
    *wfd_out = *rfd_out;
    return error;
}

/* ---- data channels ---- */

/* What the next one's wire does. */
static struct proxy_cut next_data_cut(const struct run *r)
{
    const struct scenario *sc = r->sc;
    struct proxy_cut cut = { .unseen = sc->break_how == BREAK_UNSEEN,
                             .half = sc->break_how == BREAK_HALF,
                             .phase = &((struct run *)(uintptr_t)r)->phase };

    if (r->nr_connections < BREAKS_MAX && sc->breaks[r->nr_connections]) {
        cut.direction = TO_DESTINATION;
        cut.after = sc->breaks[r->nr_connections];
    }
    return cut;
}

int data_comeback_call(void *side, unsigned which, int *rfd_out, int *wfd_out)
{
    struct run *r = ((struct side *)side)->run;
    struct proxy_cut cut;
    int error = ECONNREFUSED;

    SCENARIO_CHECK(r, which < r->channels);
    pthread_mutex_lock(&r->comebacks->lock);
    cut = next_data_cut(r);
    if (!r->sc->break_refuse || r->nr_connections < r->sc->break_refuse)
        error = connect_by(r, &cut, rfd_out);
    r->nr_connections += !error;
    pthread_mutex_unlock(&r->comebacks->lock);
    *wfd_out = *rfd_out;
    return error;
}

void comebacks_end(struct run *r)
{
    if (!r->comebacks)
        return;
    for (unsigned i = 0; i < r->comebacks->nr; i++)
        proxy_end(r->comebacks->list[i].proxy);
    pthread_mutex_destroy(&r->comebacks->lock);
    free(r->comebacks);
    r->comebacks = NULL;
}
