/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Further connections for the control channel, as the command that runs ssh
 * makes them, each with a wire that may break; and what ssh starts for them.
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
};

void comebacks_open(struct run *r)
{
    r->comebacks = calloc(1, sizeof(*r->comebacks));
    if (!r->comebacks)
        abort();
}

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
    struct comeback *c;
    int fds[2];

    if (r->sc->control_refuse && r->nr_comebacks + 1 >= r->sc->control_refuse)
        return ECONNREFUSED;
    if (r->nr_comebacks == COMEBACKS_MAX)
        return EMFILE;
    c = &r->comebacks->list[r->nr_comebacks++];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
        abort();
    c->proxy = proxy_start(fds[1], joiner_start(r), &cut, c->units);
    *rfd_out = *wfd_out = fds[0];
    return 0;
}

void comebacks_end(struct run *r)
{
    for (unsigned i = 0; i < r->nr_comebacks; i++)
        proxy_end(r->comebacks->list[i].proxy);
    free(r->comebacks);
    r->comebacks = NULL;
}
