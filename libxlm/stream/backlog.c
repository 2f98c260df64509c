/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "stream/backlog.h"

#include <stdlib.h>
#include <string.h>

#include "stream/record_int.h"
#include "util/byteorder.h"

int xlm__backlog_init(struct xlm__backlog *b)
{
    b->data = malloc(XLM__BACKLOG_BYTES);
    return b->data ? 0 : -1;
}

void xlm__backlog_free(struct xlm__backlog *b)
{
    if (b->data) /* keys were among it */
        explicit_bzero(b->data, XLM__BACKLOG_BYTES);
    free(b->data);
    memset(b, 0, sizeof(*b));
}

/* Of the record there, as it was added. */
static size_t record_bytes(const uint8_t *at)
{
    const uint32_t length = xlm__get_le32(
        at + offsetof(struct xlm__wire_header, length));

    return XLM__HEADER_BYTES + xlm__padded(length);
}

/* Room for that many bytes; more than that, so that it is not made for each. */
static void make_room(struct xlm__backlog *b, size_t bytes)
{
    size_t gone = 0;

    if (b->bytes + bytes <= XLM__BACKLOG_BYTES)
        return;
    while (b->bytes - gone + bytes > XLM__BACKLOG_BYTES / 2 &&
           gone < b->bytes) {
        gone += record_bytes(b->data + gone);
        b->first++;
    }
    b->bytes -= gone;
    memmove(b->data, b->data + gone, b->bytes);
}

void xlm__backlog_add(struct xlm__backlog *b, const struct iovec *iov,
                      size_t nr)
{
    size_t bytes = 0;

    if (!b->data)
        return;
    for (size_t i = 0; i < nr; i++)
        bytes += iov[i].iov_len;
    make_room(b, bytes);
    b->next++;
    if (bytes > XLM__BACKLOG_BYTES) {
        b->first = b->next;
        return;
    }
    for (size_t i = 0; i < nr; i++) {
        if (iov[i].iov_len)
            memcpy(b->data + b->bytes, iov[i].iov_base, iov[i].iov_len);
        b->bytes += iov[i].iov_len;
    }
}

const uint8_t *xlm__backlog_since(const struct xlm__backlog *b, uint32_t seq,
                                  size_t *bytes_out)
{
    size_t at = 0;

    if (!b->data || seq < b->first || seq > b->next)
        return NULL;
    for (uint32_t i = b->first; i < seq; i++)
        at += record_bytes(b->data + at);
    *bytes_out = b->bytes - at;
    return b->data + at;
}
