/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The TCP port at which data channels arrive (doc/stream-format.md 2.1).
 *
 * Whoever connects is a guest here until it has come through the TLS handshake,
 * if there is one, and has sent a whole greeting: a few at a time, for a few
 * seconds each, served by one thread that never waits for any of them.
 */
#ifndef XLM_ENGINE_PORT_H
#define XLM_ENGINE_PORT_H

#include <poll.h>

#include "base/error.h"
#include "chan/tls.h"
#include "engine/rendezvous.h"
#include "stream/body.h"

/* When one more comes, who has been here longest has to go: somebody with the
 * key needs two round trips, so a crowd of strangers has to be fast. */
#define XLM__GUESTS_MAX     16u
#define XLM__GUEST_LIMIT_MS 5000u
#define XLM__PORT_FDS       (1 + XLM__GUESTS_MAX)

struct xlm__guest {
    int fd; /* -1: nobody */
    struct xlm__tls *tls;
    bool shaken; /* hands, or needs not */
    bool spoke;
    uint64_t since_ns, until_ns;
    size_t got;
    unsigned char greeting[XLM_GREETING_BYTES];
};

struct xlm__port {
    int listen_fd; /* -1: closed */
    uint16_t number;
    bool tls;
    bool hands_over; /* records of TLS to the kernel */
    uint8_t key[XLM__KEY_BYTES];
    unsigned nr_strangers; /* that were turned away */
    struct xlm__guest guests[XLM__GUESTS_MAX];
};

/* A closed port, for xlm__port_close(). */
void xlm__port_init(struct xlm__port *p);
/* Open what BUILD asks for, at the address and among the ports that this host's
 * options name, if they do.  hands_over: xlm__session_hands_over().  Errors:
 * SYSTEM. */
int xlm__port_open(struct xlm__errslot *err, const struct xlm__build *b,
                   const struct xlm_options *opt, bool hands_over,
                   struct xlm__port *p);
/* Turns everybody away, and says how many there were. */
void xlm__port_close(struct xlm__errslot *err, struct xlm__port *p);

/* What to wait for, XLM__PORT_FDS entries, and for at most how long. */
void xlm__port_watch(const struct xlm__port *p, struct pollfd *fds_out);
int xlm__port_wait_ms(const struct xlm__port *p, int most_ms);

/* After poll(): 1 = somebody has sent a greeting, which the caller has to
 * judge.  To be called until it says 0. */
int xlm__port_serve(struct xlm__errslot *err, struct xlm__port *p,
                    struct pollfd *fds, struct xlm__arrival *out);
/* The caller did not like it: counts a stranger. */
void xlm__port_turned_away(struct xlm__errslot *err, struct xlm__port *p,
                           const char *why);

#endif /* XLM_ENGINE_PORT_H */
