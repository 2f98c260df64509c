/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by record.c and send*.c only. */
#ifndef XLM_STREAM_RECORD_INT_H
#define XLM_STREAM_RECORD_INT_H

#include "stream/record.h"
#include "util/buf.h"

static inline size_t xlm__padded(size_t bytes)
{
    return (bytes + XLM__ALIGN - 1) & ~(size_t)(XLM__ALIGN - 1);
}

void xlm__stream_ctx(struct xlm__stream *s, int code, uint64_t offset,
                     struct xlm__body_ctx *out);

/* Reading a control channel has failed: may it come back?  Returns rc. */
int xlm__stream_broken(struct xlm__stream *s, int rc);

/* Count the record in its round; what is wrong with it there, or NULL. */
const char *xlm__lane_step(struct xlm__lane *l, uint64_t nr_pfns, uint32_t type,
                           const union xlm__body *b);

/* One piece for each run of neighbours among the nr pages that are not NULL;
 * returns the number of pieces. */
size_t xlm__pages_iov(struct iovec *iov, size_t nr, const void *const *pages);

/* Check, send and free what was encoded. */
int xlm__send_body(struct xlm__stream *s, uint32_t type, struct xlm__buf *body);

/* A text as a string (section 1) of at most `most` bytes. */
void xlm__put_text(struct xlm__buf *b, const char *text, size_t most,
                   const char *if_empty);

#endif /* XLM_STREAM_RECORD_INT_H */
