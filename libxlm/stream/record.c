/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reading side; the writing side is in send*.c. */
#include "config.h"

#include "stream/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "stream/record_int.h"
#include "util/byteorder.h"
#include "util/crc32c.h"

#define XLM_MODULE "stream"

#define HEADER(field) offsetof(struct xlm__wire_header, field)
#define LIST_BYTES    (XLM__HEADER_BYTES + 8u + 8u * XLM__PAGES_MAX)

static int stream_init(struct xlm__stream *s, struct xlm__chan *chan,
                       enum xlm_role role)
{
    memset(s, 0, sizeof(*s));
    if (pthread_mutex_init(&s->write_lock, NULL))
        return XLM_FAIL(chan->err, XLM_ERR_NOMEM, "%s: mutex", chan->name);
    s->err = chan->err;
    s->chan = chan;
    s->role = role;
    s->read_offset = XLM__GREETING_BYTES;
    s->write_offset = XLM__GREETING_BYTES;
    return 0;
}

int xlm__stream_init_control(struct xlm__stream *s, struct xlm__chan *chan,
                             enum xlm_role role, struct xlm__flow *flow)
{
    int rc = stream_init(s, chan, role);

    s->flow = flow;
    return rc;
}

int xlm__stream_init_data(struct xlm__stream *s, struct xlm__chan *chan,
                          enum xlm_role role)
{
    int rc = stream_init(s, chan, role);

    if (rc)
        return rc;
    s->read_lane.round = 1;
    s->write_lane.round = s->written_lane.round = 1;
    s->pfns = calloc(XLM__PAGES_MAX, sizeof(*s->pfns));
    s->types = calloc(XLM__PAGES_MAX, sizeof(*s->types));
    s->list = malloc(LIST_BYTES);
    s->iov = calloc(XLM__PAGES_MAX + 1, sizeof(*s->iov));
    if (!s->pfns || !s->types || !s->list || !s->iov) {
        rc = XLM_FAIL(s->err, XLM_ERR_NOMEM, "%s: lists of %u pages",
                      chan->name, XLM__PAGES_MAX);
        xlm__stream_fini(s);
    }
    return rc;
}

void xlm__stream_fini(struct xlm__stream *s)
{
    if (!s->chan)
        return;
    pthread_mutex_destroy(&s->write_lock);
    xlm__backlog_free(&s->backlog);
    if (s->buf) /* keys come in bodies */
        explicit_bzero(s->buf, s->buf_bytes);
    free(s->buf);
    free(s->pfns);
    free(s->types);
    free(s->list);
    free(s->iov);
    memset(s, 0, sizeof(*s));
}

void xlm__stream_limits(struct xlm__stream *s, uint64_t nr_pfns, bool pv)
{
    s->nr_pfns = nr_pfns;
    s->pv = pv;
}

void xlm__stream_features(struct xlm__stream *s, uint64_t features)
{
    s->features = features;
}

void xlm__stream_point(const struct xlm__stream *s, struct xlm__point *out)
{
    const bool source = s->role == XLM_SOURCE;

    out->seq = source ? s->write_seq : s->read_seq;
    out->lane = source ? s->written_lane : s->read_lane;
}

void xlm__stream_resume(struct xlm__stream *s, const struct xlm__point *from)
{
    const bool source = s->role == XLM_SOURCE;

    s->read_seq = source ? 0 : from->seq;
    s->write_seq = source ? from->seq : 0;
    *(source ? &s->write_lane : &s->read_lane) = from->lane;
    s->written_lane = s->write_lane;
    s->read_offset = s->write_offset = XLM__GREETING_BYTES;
    s->contents_left = 0;
    s->write_cut = false;
}

void xlm__stream_ctx(struct xlm__stream *s, int code, uint64_t offset,
                     struct xlm__body_ctx *out)
{
    *out = (struct xlm__body_ctx){
        .err = s->err,
        .code = code,
        .offset = offset,
        .nr_pfns = s->nr_pfns,
        .pv = s->pv,
        .features = s->features,
        .pfns = s->pfns,
        .types = s->types,
    };
    if (s->flow)
        xlm__flow_domain(s->flow, &out->nr_pfns, &out->pv);
}

static uint64_t round_of(const struct xlm__lane *l, uint32_t type,
                         const union xlm__body *b)
{
    switch (type) {
    case XLM__REC_PAGES:
        return b->pages.round;
    case XLM__REC_PACKED:
        return b->packed.pages.round;
    case XLM__REC_ZEROS:
        return b->zeros.round;
    case XLM__REC_MARK:
        return b->round.round;
    default:
        return l->round;
    }
}

/* What is wrong with this record at this place of a round, or NULL. */
const char *xlm__lane_step(struct xlm__lane *l, uint64_t nr_pfns, uint32_t type,
                           const union xlm__body *b)
{
    if (l->final && type != XLM__REC_CLOSE)
        return "after the final MARK only CLOSE may come";
    if (round_of(l, type, b) != l->round)
        return "it is of another round";
    if (type == XLM__REC_PAGES)
        l->pages += b->pages.nr;
    if (type == XLM__REC_PACKED)
        l->pages += b->packed.pages.nr;
    for (uint32_t i = 0; type == XLM__REC_ZEROS && i < b->zeros.nr; i++)
        l->zero_pages += xlm__zeros_at(&b->zeros, i).nr;
    if (l->pages + l->zero_pages > nr_pfns)
        return "the round has more pages than the domain";
    if (type == XLM__REC_CLOSE) {
        l->closed = true;
        return l->pages || l->zero_pages ? "the round has no MARK" : NULL;
    }
    if (type != XLM__REC_MARK)
        return NULL;
    if (b->round.pages != l->pages || b->round.zero_pages != l->zero_pages)
        return "it does not count what came";
    *l = (struct xlm__lane){
        .round = l->round + 1,
        .final = b->round.flags & XLM__ROUND_FINAL,
    };
    return NULL;
}

static int fail_header(struct xlm__stream *s, const struct xlm__rec *r,
                       const char *what, uint32_t is, uint32_t should)
{
    return XLM_FAIL(s->err, XLM_ERR_STREAM,
                    "%s at 0x%" PRIx64 ": %s 0x%x, expected 0x%x",
                    xlm__rec_name(r->type), r->offset, what, is, should);
}

static int check_length(struct xlm__stream *s, const struct xlm__rec *r)
{
    uint32_t least, most;

    xlm__rec_limits(r->type, &least, &most);
    if (r->length < least || r->length > most)
        return XLM_FAIL(s->err, XLM_ERR_STREAM,
                        "%s at 0x%" PRIx64 ": %u bytes, %u to %u allowed",
                        xlm__rec_name(r->type), r->offset, r->length, least,
                        most);
    return 0;
}

static int check_place(struct xlm__stream *s, const struct xlm__rec *r)
{
    bool data = r->type >= XLM__REC_DATA_FIRST && r->type <= XLM__REC_DATA_LAST;
    enum xlm_role peer = s->role == XLM_SOURCE ? XLM_DESTINATION : XLM_SOURCE;

    if (!xlm__rec_known(r->type)) {
        if (r->type & XLM__REC_OPTIONAL)
            return 0;
        return XLM_FAIL(s->err, XLM_ERR_STREAM,
                        "unknown record of type 0x%x at 0x%" PRIx64, r->type,
                        r->offset);
    }
    if (data == !s->flow && xlm__rec_by(r->type, peer))
        return 0;
    return XLM_FAIL(s->err, XLM_ERR_STREAM,
                    "%s at 0x%" PRIx64 ": not on this channel from the %s",
                    xlm__rec_name(r->type), r->offset,
                    peer == XLM_SOURCE ? "source" : "destination");
}

static int read_header(struct xlm__stream *s, uint8_t h[XLM__HEADER_BYTES],
                       struct xlm__rec *r)
{
    int rc = xlm__chan_read(s->chan, h, XLM__HEADER_BYTES);

    if (rc)
        return rc;
    memset(r, 0, offsetof(struct xlm__rec, u));
    r->type = xlm__get_le32(h + HEADER(type));
    r->length = xlm__get_le32(h + HEADER(length));
    r->offset = s->read_offset;
    if (r->type == XLM__REC_INVALID)
        return XLM_FAIL(s->err, XLM_ERR_STREAM,
                        "record of type 0 at 0x%" PRIx64, r->offset);
    if (xlm__get_le32(h + HEADER(seq)) != s->read_seq)
        return fail_header(s, r, "sequence number",
                           xlm__get_le32(h + HEADER(seq)), s->read_seq);
    rc = check_place(s, r);
    return rc ? rc : check_length(s, r);
}

/* Room for that many bytes and a NUL. */
static int reserve(struct xlm__stream *s, size_t bytes)
{
    uint8_t *grown;

    if (s->buf_bytes > bytes)
        return 0;
    grown = realloc(s->buf, bytes + 1);
    if (!grown)
        return XLM_FAIL(s->err, XLM_ERR_NOMEM, "body of %zu bytes", bytes);
    s->buf = grown;
    s->buf_bytes = bytes + 1;
    return 0;
}

static int check_crc(struct xlm__stream *s, const uint8_t *h,
                     const struct xlm__rec *r, size_t bytes)
{
    uint32_t crc = xlm__crc32c(0, h, HEADER(crc));

    crc = xlm__crc32c(crc, s->buf, bytes);
    if (crc != xlm__get_le32(h + HEADER(crc)))
        return fail_header(s, r, "CRC", xlm__get_le32(h + HEADER(crc)), crc);
    return 0;
}

static int read_body(struct xlm__stream *s, const uint8_t *h,
                     const struct xlm__rec *r)
{
    size_t padded = xlm__padded(r->length);
    int rc = reserve(s, padded);

    if (!rc)
        rc = xlm__chan_read(s->chan, s->buf, padded);
    if (!rc)
        rc = check_crc(s, h, r, r->length);
    if (rc)
        return rc;
    for (size_t i = r->length; i < padded; i++)
        if (s->buf[i])
            return fail_header(s, r, "padding", s->buf[i], 0);
    s->buf[r->length] = '\0';
    s->read_offset += XLM__HEADER_BYTES + padded;
    return 0;
}

/* Of PAGES only the list: the contents go elsewhere. */
static int read_list(struct xlm__stream *s, const uint8_t *h,
                     const struct xlm__rec *r)
{
    uint32_t count;
    size_t bytes;
    int rc = reserve(s, LIST_BYTES);

    if (!rc)
        rc = xlm__chan_read(s->chan, s->buf, sizeof(struct xlm__wire_pages));
    if (rc)
        return rc;
    count = xlm__get_le32(s->buf + offsetof(struct xlm__wire_pages, count));
    if (count < 1 || count > XLM__PAGES_MAX)
        return XLM_FAIL(s->err, XLM_ERR_STREAM,
                        "PAGES at 0x%" PRIx64 ": %u entries, limit %u",
                        r->offset, count, XLM__PAGES_MAX);
    bytes = sizeof(struct xlm__wire_pages) + 8 * (size_t)count;
    if (r->length < bytes)
        return XLM_FAIL(s->err, XLM_ERR_STREAM,
                        "PAGES at 0x%" PRIx64 ": %u bytes for %u entries",
                        r->offset, r->length, count);
    rc = xlm__chan_read(s->chan, s->buf + sizeof(struct xlm__wire_pages),
                        8 * (size_t)count);
    if (!rc)
        rc = check_crc(s, h, r, bytes);
    s->read_offset += XLM__HEADER_BYTES + r->length;
    return rc;
}

static int check_order(struct xlm__stream *s, struct xlm__rec *r)
{
    const char *wrong;

    if (s->flow)
        return xlm__flow_step(s->flow, false, r->type, &r->u, r->offset,
                              &r->ignore);
    wrong = xlm__lane_step(&s->read_lane, s->nr_pfns, r->type, &r->u);
    if (wrong)
        return XLM_FAIL(
            s->err, XLM_ERR_STREAM, "%s at 0x%" PRIx64 " in round %u: %s",
            xlm__rec_name(r->type), r->offset, s->read_lane.round, wrong);
    return 0;
}

/* *known_out: false for an optional record to skip. */
static int read_one(struct xlm__stream *s, struct xlm__rec *r, bool *known_out)
{
    uint8_t h[XLM__HEADER_BYTES];
    struct xlm__body_ctx ctx;
    int rc = read_header(s, h, r);

    if (!rc)
        rc = r->type == XLM__REC_PAGES ? read_list(s, h, r)
                                       : read_body(s, h, r);
    if (rc)
        return rc;
    s->read_seq++;
    *known_out = xlm__rec_known(r->type);
    if (!*known_out)
        return 0;
    xlm__stream_ctx(s, XLM_ERR_STREAM, r->offset, &ctx);
    rc = xlm__body_decode(&ctx, r->type, s->buf, r->length, &r->u);
    if (!rc)
        rc = check_order(s, r);
    if (!rc && r->type == XLM__REC_PAGES)
        s->contents_left = (uint64_t)r->u.pages.nr_contents * XLM__PAGE_BYTES;
    return rc;
}

int xlm__stream_read(struct xlm__stream *s, struct xlm__rec *out)
{
    bool known = false;
    int rc;

    if (s->contents_left || s->read_lane.closed)
        return XLM_FAIL(s->err, XLM_ERR_INTERNAL, "%s: %s", s->chan->name,
                        s->contents_left ? "contents of pages not read yet"
                                         : "read after CLOSE");
    if (xlm__stream_is_away(s))
        return XLM_ERR_CHANNEL; /* why, was told */
    do {
        rc = read_one(s, out, &known);
    } while (!rc && !known);
    return rc && s->flow ? xlm__stream_broken(s, rc) : rc;
}

size_t xlm__pages_iov(struct iovec *iov, size_t nr, const void *const *pages)
{
    size_t n = 0;

    for (size_t i = 0; i < nr; i++) {
        char *page = (char *)(uintptr_t)pages[i];

        if (!page)
            continue;
        /* Neighbours in one mapping go as one piece. */
        if (n && (char *)iov[n - 1].iov_base + iov[n - 1].iov_len == page)
            iov[n - 1].iov_len += XLM__PAGE_BYTES;
        else
            iov[n++] = (struct iovec){ page, XLM__PAGE_BYTES };
    }
    return n;
}

int xlm__stream_read_contents(struct xlm__stream *s, const struct xlm__rec *rec,
                              void *const *pages)
{
    size_t n, bytes = 0;

    n = xlm__pages_iov(s->iov, rec->u.pages.nr, (const void *const *)pages);
    for (size_t i = 0; i < n; i++)
        bytes += s->iov[i].iov_len;
    if (bytes != s->contents_left)
        return XLM_FAIL(s->err, XLM_ERR_INTERNAL,
                        "room for %zu bytes of contents, %" PRIu64 " come",
                        bytes, s->contents_left);
    s->contents_left = 0;
    return xlm__chan_readv(s->chan, s->iov, n);
}

int xlm__stream_skip_contents(struct xlm__stream *s, const struct xlm__rec *rec)
{
    uint8_t page[XLM__PAGE_BYTES];
    int rc = 0;

    (void)rec;
    while (!rc && s->contents_left) {
        rc = xlm__chan_read(s->chan, page, sizeof(page));
        s->contents_left -= sizeof(page);
    }
    return rc;
}
