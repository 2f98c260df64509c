/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record layer of TLS 1.3 in the kernel (linux/tls.h, and the kernel's
 * Documentation/networking/tls.rst), for a connection whose handshake is over.
 *
 * It saves two copies of what is read and one of what is written.  The keys
 * stay as they are: kernels before 6.14 cannot change them, so that a
 * connection ends before a key has to change (xlm__tls_records()).
 */
#ifndef XLM_CHAN_KTLS_H
#define XLM_CHAN_KTLS_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* RFC 8446 5.1, ContentType. */
#define XLM__TLS_ALERT            21u
#define XLM__TLS_APPLICATION_DATA 23u

/* Does this kernel have it?  Loads its module, which takes CAP_NET_ADMIN: later
 * than this, a process may have given that up. */
bool xlm__ktls_exists(void);

/* Everything that the session reads or writes from here on.  False: the kernel
 * does not take it, and the session goes on with it.  The caller has nothing
 * left of what the socket gave. */
bool xlm__ktls_take(int fd, gnutls_session_t session, bool writes);

/* As readv(); *type_out: of the records that it was.  What is not application
 * data comes alone. */
ssize_t xlm__ktls_readv(int fd, const struct iovec *iov, size_t nr,
                        uint8_t *type_out);

#endif /* XLM_CHAN_KTLS_H */
