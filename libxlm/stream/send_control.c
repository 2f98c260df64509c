/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of the control channel. */
#include "config.h"

#include <string.h>

#include "stream/body_int.h"
#include "stream/record_int.h"

/* Small enough that memory for it is there, and one record in nearly all
 * cases: qemu's state was 6.6 KB in every run of the lab. */
#define DM_PART (1u << 20)

void xlm__put_text(struct xlm__buf *b, const char *text, size_t most,
                   const char *if_empty)
{
    const uint8_t *at;
    size_t length_at = b->bytes, left, done = 0;

    if (!text || !*text)
        text = if_empty;
    at = (const uint8_t *)text;
    left = strlen(text);
    xlm__buf_put_le32(b, 0);
    while (left) {
        size_t n = xlm__utf8_char(at, left);
        size_t step = n ? n : 1;

        if (done + step > most)
            break;
        xlm__buf_put(b, n ? at : (const uint8_t *)"?", step);
        done += step;
        at += step;
        left -= step;
    }
    if (!xlm__buf_bad(b))
        xlm__buf_patch_le32(b, length_at, (uint32_t)done);
}

static void put_round(struct xlm__buf *b, const struct xlm__round *r)
{
    xlm__buf_put_le32(b, r->round);
    xlm__buf_put_le32(b, r->flags);
}

int xlm__send_offer(struct xlm__stream *s, const struct xlm__offer *o)
{
    struct xlm__buf b;

    xlm__buf_init(&b, XLM__BODY_MAX);
    xlm__buf_put_le32(&b, o->domid);
    xlm__buf_put_le32(&b, o->domain_type);
    xlm__buf_put_le64(&b, o->nr_pfns);
    xlm__buf_put_le64(&b, o->memory_pages);
    xlm__buf_put_le32(&b, o->nr_data_channels);
    xlm__buf_put_le32(&b, o->flags);
    xlm__buf_put_le32(&b, o->xen_major);
    xlm__buf_put_le32(&b, o->xen_minor);
    xlm__buf_put(&b, o->uuid, sizeof(o->uuid));
    xlm__buf_put(&b, o->boot_id, sizeof(o->boot_id));
    xlm__buf_put_string(&b, o->name);
    xlm__buf_put_string(&b, o->hostname);
    xlm__buf_put_string(&b, o->xen_version);
    xlm__buf_put_string(&b, o->xlm_version);
    return xlm__send_body(s, XLM__REC_OFFER, &b);
}

int xlm__send_config(struct xlm__stream *s, const char *json)
{
    struct xlm__buf b;

    xlm__buf_init(&b, XLM__CONFIG_MAX + 1);
    xlm__buf_put_text(&b, json);
    return xlm__send_body(s, XLM__REC_CONFIG, &b);
}

/* The code's characters are few; others become '-'. */
static void put_code(struct xlm__buf *b, const char *code)
{
    char text[XLM__CODE_MAX + 1];
    size_t n = 0;

    for (; code && code[n] && n < XLM__CODE_MAX; n++) {
        char c = code[n];
        bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        text[n] = fits ? c : '-';
    }
    text[n] = '\0';
    xlm__put_text(b, text, XLM__CODE_MAX, "unnamed");
}

int xlm__send_finding(struct xlm__stream *s, const struct xlm_finding *f)
{
    struct xlm__buf b;

    xlm__buf_init(&b, XLM__BODY_MAX);
    xlm__buf_put_le32(&b, (uint32_t)f->severity);
    put_code(&b, f->code);
    xlm__put_text(&b, f->message, XLM__TEXT_MAX, "(no message)");
    xlm__put_text(&b, f->advice, XLM__TEXT_MAX, "");
    return xlm__send_body(s, XLM__REC_FINDING, &b);
}

int xlm__send_checked(struct xlm__stream *s, const struct xlm__checked *c)
{
    struct xlm__buf b;

    xlm__buf_init(&b, XLM__BODY_MAX);
    xlm__buf_put_le32(&b, c->verdict);
    xlm__buf_put_le32(&b, c->xen_major);
    xlm__buf_put_le32(&b, c->xen_minor);
    xlm__buf_put_le32(&b, c->flags);
    xlm__buf_put_le64(&b, c->free_pages);
    xlm__buf_put(&b, c->boot_id, sizeof(c->boot_id));
    xlm__buf_put_string(&b, c->hostname);
    xlm__buf_put_string(&b, c->xen_version);
    xlm__buf_put_string(&b, c->xlm_version);
    return xlm__send_body(s, XLM__REC_CHECKED, &b);
}

int xlm__send_build(struct xlm__stream *s, const struct xlm__build *d)
{
    struct xlm__buf b;

    xlm__buf_init(&b, sizeof(struct xlm__wire_build) + 1);
    xlm__buf_put_le32(&b, d->flags);
    xlm__buf_put_le32(&b, d->resume_s);
    xlm__buf_put_le32(&b, d->port);
    xlm__buf_put_le16(&b, d->port_low);
    xlm__buf_put_le16(&b, d->port_high);
    xlm__buf_put(&b, d->key, sizeof(d->key));
    return xlm__send_body(s, XLM__REC_BUILD, &b);
}

int xlm__send_built(struct xlm__stream *s, const struct xlm__built *d)
{
    struct xlm__buf b;

    xlm__buf_init(&b, XLM__BODY_MAX);
    xlm__buf_put_le32(&b, d->domid);
    xlm__buf_put_le16(&b, d->port);
    xlm__buf_put_le16(&b, d->nr_addresses);
    xlm__put_text(&b, d->why, XLM__TEXT_MAX, "");
    for (unsigned i = 0; i < d->nr_addresses && i < XLM__ADDRESSES_MAX; i++)
        xlm__buf_put_string(&b, d->addresses[i]);
    return xlm__send_body(s, XLM__REC_BUILT, &b);
}

int xlm__send_state(struct xlm__stream *s, uint32_t xc_type, const void *data,
                    size_t bytes)
{
    struct xlm__buf b;

    xlm__buf_init(&b, XLM__BODY_MAX + 1);
    xlm__buf_put_le32(&b, xc_type);
    xlm__buf_put_le32(&b, 0);
    xlm__buf_put(&b, data, bytes);
    return xlm__send_body(s, XLM__REC_STATE, &b);
}

int xlm__send_round(struct xlm__stream *s, enum xlm__rec_type type,
                    const struct xlm__round *r)
{
    struct xlm__buf b;

    xlm__buf_init(&b, sizeof(struct xlm__wire_round) + 1);
    put_round(&b, r);
    if (type != XLM__REC_ROUND_BEGIN) {
        xlm__buf_put_le64(&b, r->pages);
        xlm__buf_put_le64(&b, r->zero_pages);
    }
    return xlm__send_body(s, type, &b);
}

static int send_extents(struct xlm__stream *s, size_t nr,
                        const struct xlm__extent *extents)
{
    struct xlm__buf b;

    xlm__buf_init(&b, 8 + 16 * XLM__RELEASE_MAX + 1);
    xlm__buf_put_le32(&b, (uint32_t)nr);
    xlm__buf_put_le32(&b, 0);
    for (size_t i = 0; i < nr; i++) {
        xlm__buf_put_le64(&b, extents[i].first);
        xlm__buf_put_le64(&b, extents[i].nr);
    }
    return xlm__send_body(s, XLM__REC_RELEASE, &b);
}

int xlm__send_release(struct xlm__stream *s, size_t nr,
                      const struct xlm__extent *extents)
{
    int rc = 0;

    while (!rc && nr) {
        size_t part = nr < XLM__RELEASE_MAX ? nr : XLM__RELEASE_MAX;

        rc = send_extents(s, part, extents);
        extents += part;
        nr -= part;
    }
    return rc;
}

int xlm__send_dm_state(struct xlm__stream *s, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    size_t offset = 0;
    int rc = 0;

    while (!rc && offset < bytes) {
        size_t part = bytes - offset < DM_PART ? bytes - offset : DM_PART;
        struct xlm__buf b;

        xlm__buf_init(&b, sizeof(struct xlm__wire_dm_state) + DM_PART + 1);
        xlm__buf_put_le64(&b, bytes);
        xlm__buf_put_le64(&b, offset);
        xlm__buf_put(&b, at + offset, part);
        rc = xlm__send_body(s, XLM__REC_DM_STATE, &b);
        offset += part;
    }
    return rc;
}

int xlm__send_xenstore(struct xlm__stream *s, size_t nr,
                       const struct xlm__node_ref *nodes)
{
    struct xlm__buf b;

    xlm__buf_init(&b, XLM__XS_BODY_MAX + 1);
    xlm__buf_put_le32(&b, (uint32_t)nr);
    xlm__buf_put_le32(&b, 0);
    for (size_t i = 0; i < nr; i++) {
        xlm__buf_put_string(&b, nodes[i].path);
        xlm__buf_put_string(&b, nodes[i].perms);
        xlm__buf_put_le32(&b, (uint32_t)nodes[i].value_bytes);
        xlm__buf_put(&b, nodes[i].value, nodes[i].value_bytes);
    }
    return xlm__send_body(s, XLM__REC_XENSTORE, &b);
}

int xlm__send_running(struct xlm__stream *s, const struct xlm__running *r)
{
    struct xlm__buf b;

    xlm__buf_init(&b, sizeof(struct xlm__wire_running) + 1);
    xlm__buf_put_le64(&b, r->unpaused_ns);
    xlm__buf_put_le32(&b, r->domid);
    xlm__buf_put_le32(&b, r->flags);
    return xlm__send_body(s, XLM__REC_RUNNING, &b);
}

int xlm__send_not_running(struct xlm__stream *s, const char *text)
{
    struct xlm__buf b;

    xlm__buf_init(&b, XLM__BODY_MAX);
    xlm__put_text(&b, text, XLM__TEXT_MAX, "");
    return xlm__send_body(s, XLM__REC_NOT_RUNNING, &b);
}

int xlm__send_abort(struct xlm__stream *s, int code, const char *text)
{
    struct xlm__buf b;

    if (code >= 0 || code < -(int)XLM__ERRCODE_MAX)
        code = XLM_ERR_INTERNAL;
    xlm__buf_init(&b, XLM__BODY_MAX);
    xlm__buf_put_le32(&b, (uint32_t)-code);
    xlm__put_text(&b, text, XLM__TEXT_MAX, "");
    return xlm__send_body(s, XLM__REC_ABORT, &b);
}

static int send_u64s(struct xlm__stream *s, uint32_t type, size_t nr,
                     const uint64_t *v)
{
    struct xlm__buf b;

    xlm__buf_init(&b, 8 * nr + 1);
    for (size_t i = 0; i < nr; i++)
        xlm__buf_put_le64(&b, v[i]);
    return xlm__send_body(s, type, &b);
}

int xlm__send_ping(struct xlm__stream *s, uint64_t t1)
{
    return send_u64s(s, XLM__REC_CLOCK_PING, 1, &t1);
}

int xlm__send_pong(struct xlm__stream *s, const struct xlm__clock *c)
{
    const uint64_t v[] = { c->t1, c->t2, c->t3 };

    return send_u64s(s, XLM__REC_CLOCK_PONG, 3, v);
}

int xlm__send_prebuild(struct xlm__stream *s, const struct xlm__prebuild_rec *p)
{
    const uint64_t v[] = { p->store_pfn, p->console_pfn };

    return send_u64s(s, XLM__REC_PREBUILD, p->has_rings ? 2 : 0, v);
}

int xlm__send_guest_gap(struct xlm__stream *s, uint64_t gap_us)
{
    return send_u64s(s, XLM__REC_GUEST_GAP, 1, &gap_us);
}
