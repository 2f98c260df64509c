/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connecting to a host that has several addresses, of which any will do.
 *
 * The first has a head start; each next one begins when those before have
 * failed or are slow, so that an address behind which nobody answers costs
 * little (RFC 8305).
 */
#ifndef XLM_CHAN_DIALER_H
#define XLM_CHAN_DIALER_H

#include "chan/tcp.h"

#define XLM__DIALER_WHY_MAX 256u

struct xlm__dialer;

/* list is copied.  NULL: out of memory. */
struct xlm__dialer *xlm__dialer_new(const struct xlm__endpoint *list, size_t nr,
                                    uint32_t limit_ms);
void xlm__dialer_free(struct xlm__dialer *d);

/*
 * The next connection that stands: its descriptor, the caller's from now on,
 * and *which_out = its number in the list.  May be called again, if that was
 * the wrong one.  Errors, none of them recorded: CHANNEL (none is left within
 * the limit), CANCELLED (stop_fd became readable), SYSTEM.
 */
int xlm__dialer_next(struct xlm__dialer *d, int stop_fd, size_t *which_out);

/* What was wrong with that connection, for the text below. */
void xlm__dialer_wrong(struct xlm__dialer *d, size_t which, const char *why);

/* "10.0.0.2: Connection refused; 10.0.0.3: no answer within 3000 ms". */
const char *xlm__dialer_why(struct xlm__dialer *d);

#endif /* XLM_CHAN_DIALER_H */
