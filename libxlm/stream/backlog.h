/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last records that were sent on a control channel, whole, for the case
 * that it gets another connection (doc/stream-format.md 2.4).
 *
 * What the other side has taken is only told then; so the oldest are dropped
 * when there is no room, whether they have arrived or not.
 */
#ifndef XLM_STREAM_BACKLOG_H
#define XLM_STREAM_BACKLOG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Half of it is kept at least, which is much more than is ever on its way:
 * pipes and windows of ssh, 1 MiB and 2. */
#define XLM__BACKLOG_BYTES (8u << 20)

struct xlm__backlog {
    uint8_t *data; /* NULL: nothing is kept */
    size_t bytes;
    uint32_t first; /* sequence number of the first one */
    uint32_t next;  /* ... of the one that comes next   */
};

/* -1 without memory. */
int xlm__backlog_init(struct xlm__backlog *b);
/* Safe on a zeroed one. */
void xlm__backlog_free(struct xlm__backlog *b);

/* A record, header and padding included, which gets number b->next.  One that
 * is too big leaves nothing. */
void xlm__backlog_add(struct xlm__backlog *b, const struct iovec *iov,
                      size_t nr);

/* All from number `seq` on; NULL if some of them are not there, or if it is
 * greater than b->next. */
const uint8_t *xlm__backlog_since(const struct xlm__backlog *b, uint32_t seq,
                                  size_t *bytes_out);

#endif /* XLM_STREAM_BACKLOG_H */
