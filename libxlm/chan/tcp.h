/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TCP connections: a port to listen on, and reaching one of several addresses.
 * IPv4 and IPv6.  All sockets are non-blocking and close-on-exec.
 */
#ifndef XLM_CHAN_TCP_H
#define XLM_CHAN_TCP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/error.h"

#define XLM__ADDRESS_BYTES 46u /* numeric IPv6 address, with its NUL */

struct xlm__endpoint {
    struct sockaddr_storage sa;
    socklen_t len;
    char text[XLM__ADDRESS_BYTES];
};

/*
 * Listen on the first free port of the range (both 0: any), at one address of
 * this host, as a number or a name, or at all of them (NULL).  Returns the
 * descriptor.  Errors: SYSTEM.
 */
int xlm__tcp_listen(struct xlm__errslot *err, const char *address, uint16_t low,
                    uint16_t high, uint16_t *port_out);

/* The address that a listening socket has; "::" or "0.0.0.0" for all. */
void xlm__tcp_local_address(int fd, char out[XLM__ADDRESS_BYTES]);

/* Addresses by which others may reach this host: not loopback, not link-local.
 * Returns how many. */
size_t xlm__tcp_own_addresses(char out[][XLM__ADDRESS_BYTES], size_t most);

/* Is it one, in its text form without a zone? */
bool xlm__tcp_is_address(const char *text);

/*
 * The addresses of a name, or of a number; asks the resolver, which may take
 * its time.  Appends to list, without doubles, and updates *nr.  Returns NULL,
 * or why there is none.
 */
const char *xlm__tcp_resolve(const char *host, uint16_t port,
                             struct xlm__endpoint *list, size_t most,
                             size_t *nr);

/* Small writes go out at once, and a peer that is gone is noticed. */
void xlm__tcp_tune(int fd);
/* ... after that long, instead of the usual time; 0: that again.  Soon: for
 * connections that are made again. */
#define XLM__TCP_SOON_MS 10000u
void xlm__tcp_dead_after(int fd, unsigned ms);

/* Is that what a connection fails with that nothing gets through, other than
 * one that the peer's host has ended? */
bool xlm__tcp_is_lost(int sys_errno);
/* The errno with which a connection has failed that nobody reads from or writes
 * to, or 0; also for what is no connection.  Takes it away. */
int xlm__tcp_fault(int fd);

#endif /* XLM_CHAN_TCP_H */
