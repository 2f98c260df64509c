/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TLS 1.3 over a connected non-blocking socket, by a key that both sides have
 * already: no certificates, and nobody without the key gets past the handshake
 * (doc/stream-format.md section 2.2).
 *
 * Nothing here blocks or records failures: after a negative result
 * xlm__tls_why() has the text.  One reading and one writing thread at a time,
 * once the handshake is over.
 */
#ifndef XLM_CHAN_TLS_H
#define XLM_CHAN_TLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "libxlm.h"

#define XLM__TLS_KEY_BYTES 32u

struct xlm__tls;

/* fd is borrowed; the key is copied.  The source is the client.  may_hand_over:
 * records are the kernel's after the handshake, if it takes them; keys do not
 * change then (xlm__tls_records()).  NULL: out of memory. */
struct xlm__tls *xlm__tls_new(int fd, enum xlm_role role,
                              const uint8_t key[XLM__TLS_KEY_BYTES],
                              bool may_hand_over);
/* Wipes the key; NULL is allowed. */
void xlm__tls_free(struct xlm__tls *t);

/* 1 = done, 0 = again when fd has xlm__tls_events(), -1 = failed. */
int xlm__tls_handshake(struct xlm__tls *t);
short xlm__tls_events(const struct xlm__tls *t);
/* After the handshake: does the kernel encrypt and decrypt? */
bool xlm__tls_is_in_kernel(const struct xlm__tls *t);

/* As readv() and writev() on a non-blocking descriptor: EAGAIN, EINTR, what the
 * kernel says, or EPROTO with xlm__tls_why().  After EAGAIN writev() has to be
 * called again with the same bytes: they may be under way already. */
ssize_t xlm__tls_readv(struct xlm__tls *t, const struct iovec *iov, size_t nr);
ssize_t xlm__tls_writev(struct xlm__tls *t, const struct iovec *iov, size_t nr);
/* There is something to read that poll() does not know of. */
bool xlm__tls_pending(const struct xlm__tls *t);
/* The other way round: the kernel gives whole records only, and before Linux
 * 6.5 poll() says that there is something for a part of one. */
bool xlm__tls_waits_for_whole(const struct xlm__tls *t);

/* How many were written, at most: a key of AES-GCM is good for 2^24.5 (RFC 8446
 * 5.5).  By the writing thread. */
uint64_t xlm__tls_records(const struct xlm__tls *t);

const char *xlm__tls_why(const struct xlm__tls *t);

#endif /* XLM_CHAN_TLS_H */
