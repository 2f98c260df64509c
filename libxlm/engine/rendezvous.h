/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a data channel finds its session at the destination.
 *
 * Each ssh connection starts a process of its own.  The one whose greeting says
 * "data" passes its two descriptors, and the greeting, over a unix socket
 * named after the session to the process that holds the control channel, and
 * stays alive until that has closed them (sshd takes its exit for the end).
 *
 *   ssh 1 ── process 1 (control, session) <── unix socket ── process 2 ── ssh 2
 */
#ifndef XLM_ENGINE_RENDEZVOUS_H
#define XLM_ENGINE_RENDEZVOUS_H

#include <sys/types.h>
#include <sys/un.h>

#include "base/error.h"

struct xlm__rendezvous {
    int listen_fd; /* -1: closed */
    uid_t uid;     /* ours; beside root's, who may connect */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* One channel as it was handed over; the caller owns all of it.  conn_fd must
 * stay open as long as the channel is in use; over TCP it is -1. */
struct xlm__arrival {
    int rfd, wfd, conn_fd;
    struct xlm__tls *tls; /* or NULL */
    unsigned char greeting[XLM_GREETING_BYTES];
};

/* /run/xen belongs to root and is there wherever Xen's tools run. */
#define XLM__RUN_DIR "/run/xen"
/* The control channel may still be in its own ssh's key exchange. */
#define XLM__JOIN_LIMIT_MS 60000u

struct xlm__meeting {
    const char *dir; /* NULL: XLM__RUN_DIR */
    const unsigned char *session;
    uint32_t limit_ms; /* join: for the session to appear; 0: as above */
};

/* Listen for the session's channels.  Only root and our own user can connect.
 * Errors: SYSTEM. */
int xlm__rendezvous_open(struct xlm__errslot *err,
                         const struct xlm__meeting *at,
                         struct xlm__rendezvous *out);
void xlm__rendezvous_close(struct xlm__rendezvous *r);
/* Nobody finds it any more; another thread may still serve it. */
void xlm__rendezvous_hide(const struct xlm__rendezvous *r);

/* Remove the sockets of receivers that were killed.  bound: the kernel's list
 * of bound sockets; both NULL: as a host has them. */
void xlm__rendezvous_sweep(const char *dir, const char *bound);

/* 1 = a channel arrived, 0 = nobody within timeout_ms or a stranger that was
 * turned away, negative = SYSTEM. */
int xlm__rendezvous_accept(struct xlm__errslot *err, struct xlm__rendezvous *r,
                           int timeout_ms, struct xlm__arrival *out);

/* The other side: hand over and wait until the session is done with them.
 * Errors: CHANNEL (no such session here within the limit), SYSTEM. */
int xlm__rendezvous_join(struct xlm__errslot *err,
                         const struct xlm__meeting *at, int rfd, int wfd,
                         const unsigned char greeting[XLM_GREETING_BYTES]);

#endif /* XLM_ENGINE_RENDEZVOUS_H */
