/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Getting records onto the channel, and those of the data channels. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "stream/record_int.h"
#include "util/byteorder.h"
#include "util/crc32c.h"

#define XLM_MODULE "stream"

#define HEADER(field) offsetof(struct xlm__wire_header, field)

static int check_order(struct xlm__stream *s, uint32_t type,
                       const union xlm__body *b)
{
    const char *wrong;
    bool ignore;

    if (s->write_cut)
        return XLM_SOFT(s->err, XLM_ERR_CHANNEL,
                        "%s: %s not sent: the record before it was cut off",
                        s->chan->name, xlm__rec_name(type));
    if (s->away && !s->may_return)
        return XLM_ERR_CHANNEL; /* why, was told */
    if (s->flow)
        return xlm__flow_step(s->flow, true, type, b, s->write_offset, &ignore);
    if (s->write_lane.closed)
        wrong = "after CLOSE";
    else
        wrong = xlm__lane_step(&s->write_lane, s->nr_pfns, type, b);
    if (wrong)
        return XLM_FAIL(s->err, XLM_ERR_INTERNAL,
                        "%s cannot be sent in round %u: %s",
                        xlm__rec_name(type), s->write_lane.round, wrong);
    return 0;
}

/* Under the lock.  iov[0] begins with the header; `covered` bytes after it are
 * in iov[0] and iov[1] and under the CRC. */
static void put_header(const struct xlm__stream *s, uint8_t *h, uint32_t type,
                       uint32_t length, const void *covered, size_t bytes)
{
    uint32_t crc;

    xlm__put_le32(h + HEADER(type), type);
    xlm__put_le32(h + HEADER(length), length);
    xlm__put_le32(h + HEADER(seq), s->write_seq);
    crc = xlm__crc32c(0, h, HEADER(crc));
    xlm__put_le32(h + HEADER(crc), xlm__crc32c(crc, covered, bytes));
}

static int put_record(struct xlm__stream *s, struct iovec *iov, size_t nr,
                      size_t bytes)
{
    uint64_t before = s->chan->written_bytes;
    int rc = 0;

    xlm__backlog_add(&s->backlog, iov, nr);
    if (!s->away)
        rc = xlm__chan_writev(s->chan, iov, nr);
    if (rc == XLM_ERR_CHANNEL && s->may_return) {
        s->away = true;
        rc = 0;
    }
    if (rc) {
        s->write_cut = s->chan->written_bytes != before;
        return rc;
    }
    s->write_seq++;
    s->write_offset += bytes;
    s->written_lane = s->write_lane;
    return 0;
}

static int send_checked(struct xlm__stream *s, uint32_t type,
                        const uint8_t *body, size_t bytes,
                        const union xlm__body *decoded)
{
    static const uint8_t zeros[XLM__ALIGN];
    uint8_t h[XLM__HEADER_BYTES];
    struct iovec iov[3];
    size_t padded = xlm__padded(bytes);
    int rc;

    iov[0] = (struct iovec){ h, sizeof(h) };
    iov[1] = (struct iovec){ (void *)(uintptr_t)body, bytes };
    iov[2] = (struct iovec){ (void *)(uintptr_t)zeros, padded - bytes };
    pthread_mutex_lock(&s->write_lock);
    rc = check_order(s, type, decoded);
    if (!rc) {
        put_header(s, h, type, (uint32_t)bytes, body, bytes);
        rc = put_record(s, iov, 3, sizeof(h) + padded);
    }
    pthread_mutex_unlock(&s->write_lock);
    return rc;
}

/* Where the next record would be; another thread may be about to send it. */
static uint64_t next_offset(struct xlm__stream *s)
{
    uint64_t offset;

    pthread_mutex_lock(&s->write_lock);
    offset = s->write_offset;
    pthread_mutex_unlock(&s->write_lock);
    return offset;
}

int xlm__send_body(struct xlm__stream *s, uint32_t type, struct xlm__buf *body)
{
    const size_t bytes = body->bytes;
    struct xlm__body_ctx ctx;
    union xlm__body decoded;
    uint32_t least, most;
    int rc;

    xlm__rec_limits(type, &least, &most);
    xlm__buf_put_u8(body, 0); /* decode wants a NUL behind it */
    if (body->state == XLM__BUF_NOMEM) {
        rc = XLM_FAIL(s->err, XLM_ERR_NOMEM, "%s to send", xlm__rec_name(type));
        goto out;
    }
    if (xlm__buf_bad(body) || bytes < least || bytes > most) {
        rc = XLM_FAIL(s->err, XLM_ERR_INVAL,
                      "%s to send: %zu bytes, %u to %u allowed",
                      xlm__rec_name(type), bytes, least, most);
        goto out;
    }
    xlm__stream_ctx(s, XLM_ERR_INVAL, next_offset(s), &ctx);
    rc = xlm__body_decode(&ctx, type, body->data, (uint32_t)bytes, &decoded);
    if (!rc)
        rc = send_checked(s, type, body->data, bytes, &decoded);
out:
    xlm__buf_free(body);
    return rc;
}

int xlm__send_empty(struct xlm__stream *s, enum xlm__rec_type type)
{
    struct xlm__buf b;

    xlm__buf_init(&b, 1);
    return xlm__send_body(s, type, &b);
}

/* ---- data channels ---- */

static uint64_t entry(uint64_t pfn, uint32_t type)
{
    return pfn | (uint64_t)(type >> 28) << XLM__ENTRY_SHIFT;
}

/* A list of pages at `at`, where 8 bytes for each have room; how many bytes it
 * is. */
static size_t put_entries(const struct xlm__stream *s, uint8_t *at, size_t nr,
                          const uint64_t *pfns, const uint32_t *types)
{
    const bool runs = s->features & XLM__FEATURE_RUNS;
    uint8_t *const begin = at;

    for (size_t i = 0, more; i < nr; i += 1 + more, at += 8) {
        for (more = 0; runs && more < XLM__ENTRY_MORE_MAX && i + more + 1 < nr;
             more++) {
            if (pfns[i + more + 1] != pfns[i] + more + 1 ||
                types[i + more + 1] != types[i])
                break;
        }
        xlm__put_le64(at, entry(pfns[i], types[i]) |
                              (uint64_t)more << XLM__ENTRY_MORE_SHIFT);
    }
    return (size_t)(at - begin);
}

int xlm__send_zeros(struct xlm__stream *s, size_t nr,
                    const struct xlm__extent *extents)
{
    struct xlm__buf b;

    xlm__buf_init(&b, 8 + 16 * XLM__ZEROS_MAX + 1);
    xlm__buf_put_le32(&b, s->write_lane.round);
    xlm__buf_put_le32(&b, (uint32_t)nr);
    for (size_t i = 0; i < nr; i++) {
        xlm__buf_put_le64(&b, entry(extents[i].first, extents[i].type));
        xlm__buf_put_le64(&b, extents[i].nr);
    }
    return xlm__send_body(s, XLM__REC_ZEROS, &b);
}

int xlm__send_mark(struct xlm__stream *s, bool final, struct xlm__round *total)
{
    struct xlm__lane lane = s->write_lane;
    struct xlm__buf b;
    int rc;

    xlm__buf_init(&b, sizeof(struct xlm__wire_round) + 1);
    xlm__buf_put_le32(&b, lane.round);
    xlm__buf_put_le32(&b, final ? XLM__ROUND_FINAL : 0);
    xlm__buf_put_le64(&b, lane.pages);
    xlm__buf_put_le64(&b, lane.zero_pages);
    rc = xlm__send_body(s, XLM__REC_MARK, &b);
    if (!rc && total) {
        total->pages += lane.pages;
        total->zero_pages += lane.zero_pages;
    }
    return rc;
}

int xlm__send_taken(struct xlm__stream *s, uint32_t count)
{
    struct xlm__buf b;

    xlm__buf_init(&b, sizeof(struct xlm__wire_taken) + 1);
    xlm__buf_put_le32(&b, count);
    xlm__buf_put_le32(&b, 0);
    return xlm__send_body(s, XLM__REC_TAKEN, &b);
}

/* The list behind the header, and where the contents are behind iov[0]. */
static size_t put_list(struct xlm__stream *s, const struct xlm__pages_out *p)
{
    uint8_t *at = s->list + XLM__HEADER_BYTES;
    size_t bytes = put_entries(s, at + 8, p->nr, p->pfns, p->types);

    xlm__put_le32(at, s->write_lane.round);
    xlm__put_le32(at + 4, (uint32_t)(bytes / 8));
    s->iov[0] = (struct iovec){ s->list, XLM__HEADER_BYTES + 8 + bytes };
    return 1 + xlm__pages_iov(s->iov + 1, p->nr, p->pages);
}

int xlm__send_pages(struct xlm__stream *s, const struct xlm__pages_out *p)
{
    struct xlm__body_ctx ctx;
    union xlm__body decoded;
    size_t nr_iov, length = 0;
    int rc;

    if (p->nr < 1 || p->nr > XLM__PAGES_MAX)
        return XLM_FAIL(s->err, XLM_ERR_INVAL, "%zu pages to send, limit %u",
                        p->nr, XLM__PAGES_MAX);
    nr_iov = put_list(s, p);
    for (size_t i = 0; i < nr_iov; i++)
        length += s->iov[i].iov_len;
    length -= XLM__HEADER_BYTES;
    xlm__stream_ctx(s, XLM_ERR_INVAL, s->write_offset, &ctx);
    /* Also finds a type with contents and no page, or the other way round:
     * the length would not fit. */
    rc = xlm__body_decode(&ctx, XLM__REC_PAGES, s->list + XLM__HEADER_BYTES,
                          (uint32_t)length, &decoded);
    if (rc)
        return rc;
    pthread_mutex_lock(&s->write_lock);
    rc = check_order(s, XLM__REC_PAGES, &decoded);
    if (!rc) {
        put_header(s, s->list, XLM__REC_PAGES, (uint32_t)length,
                   s->list + XLM__HEADER_BYTES,
                   s->iov[0].iov_len - XLM__HEADER_BYTES);
        rc = put_record(s, s->iov, nr_iov, XLM__HEADER_BYTES + length);
    }
    pthread_mutex_unlock(&s->write_lock);
    return rc;
}

/* Everything in front of the packed bytes; where the body begins. */
static uint8_t *put_packed(const struct xlm__stream *s,
                           const struct xlm__packed_out *p)
{
    uint8_t list[8 * XLM__PACKED_MAX];
    const size_t bytes = put_entries(s, list, p->nr, p->pfns, p->types);
    uint8_t *body = p->data - bytes - sizeof(struct xlm__wire_packed);

    xlm__put_le32(body, s->write_lane.round);
    xlm__put_le32(body + 4, (uint32_t)(bytes / 8));
    xlm__put_le32(body + 8, p->codec);
    xlm__put_le32(body + 12, (uint32_t)p->bytes);
    memcpy(body + sizeof(struct xlm__wire_packed), list, bytes);
    memset(p->data + p->bytes, 0, XLM__PACKED_BEHIND);
    return body;
}

int xlm__send_packed(struct xlm__stream *s, const struct xlm__packed_out *p)
{
    struct xlm__body_ctx ctx;
    union xlm__body decoded;
    struct iovec iov;
    uint8_t *body;
    size_t bytes;
    int rc;

    if (p->nr < 1 || p->nr > XLM__PACKED_MAX ||
        p->bytes >= p->nr * XLM__PAGE_BYTES)
        return XLM_FAIL(s->err, XLM_ERR_INVAL,
                        "%zu packed pages to send in %zu bytes, limit %u",
                        p->nr, p->bytes, XLM__PACKED_MAX);
    body = put_packed(s, p);
    bytes = (size_t)(p->data - body) + p->bytes;
    xlm__stream_ctx(s, XLM_ERR_INVAL, s->write_offset, &ctx);
    rc = xlm__body_decode(&ctx, XLM__REC_PACKED, body, (uint32_t)bytes,
                          &decoded);
    if (rc)
        return rc;
    iov.iov_base = body - XLM__HEADER_BYTES;
    iov.iov_len = XLM__HEADER_BYTES + xlm__padded(bytes);
    pthread_mutex_lock(&s->write_lock);
    rc = check_order(s, XLM__REC_PACKED, &decoded);
    if (!rc) {
        put_header(s, iov.iov_base, XLM__REC_PACKED, (uint32_t)bytes, body,
                   bytes);
        rc = put_record(s, &iov, 1, iov.iov_len);
    }
    pthread_mutex_unlock(&s->write_lock);
    return rc;
}
