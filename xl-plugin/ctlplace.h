/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where "xl lmigrate-ctl" finds a migration: a unix socket named by the
 * domain's uuid, mode 0600, in a directory of mode 0700.  The directory is
 * there while there is something in it, and its lock is held by whoever makes
 * or removes something.  A socket to which connections are refused was left by
 * a process that was killed.
 */
#ifndef XLM_PLUGIN_CTLPLACE_H
#define XLM_PLUGIN_CTLPLACE_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

struct ctlplace {
    char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    dev_t dev; /* of the socket that we made */
    ino_t ino;
};

/* False: the path is too long. */
bool ctlplace_set(struct ctlplace *p, const char *uuid);

/*
 * Listen there, instead of what was left there.  A descriptor, or a negative
 * errno: -EADDRINUSE if somebody listens already.
 */
int ctlplace_listen(struct ctlplace *p);
/* Remove what ctlplace_listen() made. */
void ctlplace_remove(const struct ctlplace *p);
/* Remove what a process that was killed left. */
void ctlplace_clean(const char *uuid);

/* A descriptor, or a negative errno: -ENOENT if nobody listens. */
int ctlplace_connect(const struct ctlplace *p);

#endif /* XLM_PLUGIN_CTLPLACE_H */
