/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bodies of the control channel; lists are in the files beside this one. */
#include "config.h"

#include <string.h>

#include "stream/body_int.h"
#include "util/byteorder.h"

#define STR_MIN 5u /* a string of one byte */

struct rec_info {
    uint32_t type;
    const char *name;
    unsigned by;          /* BY_S, BY_D */
    uint32_t least, most; /* bytes of body */
};

/* Section 5's table. */
#define BY_S (1u << XLM_SOURCE)
#define BY_D (1u << XLM_DESTINATION)

#define FIXED(name, by, bytes)                                                 \
    {                                                                          \
        XLM__REC_##name, #name, by, bytes, bytes                               \
    }
#define BETWEEN(name, by, least, most)                                         \
    {                                                                          \
        XLM__REC_##name, #name, by, least, most                                \
    }
#define OFFER_BYTES   ((uint32_t)sizeof(struct xlm__wire_offer))
#define CHECKED_BYTES ((uint32_t)sizeof(struct xlm__wire_checked))
#define BUILT_BYTES   ((uint32_t)sizeof(struct xlm__wire_built))

static const struct rec_info recs[] = {
    BETWEEN(OFFER, BY_S, OFFER_BYTES + 4 * STR_MIN,
            OFFER_BYTES + 4 * 4 + XLM__DOMNAME_MAX + XLM__HOSTNAME_MAX +
                2 * XLM__VERSTR_MAX),
    BETWEEN(CONFIG, BY_S, 2, XLM__CONFIG_MAX),
    FIXED(CHECK, BY_S, 0),
    BETWEEN(FINDING, BY_D, 4 + 2 * STR_MIN + 4,
            4 + 3 * 4 + XLM__CODE_MAX + 2 * XLM__TEXT_MAX),
    BETWEEN(CHECKED, BY_D, CHECKED_BYTES + 3 * STR_MIN,
            CHECKED_BYTES + 3 * 4 + XLM__HOSTNAME_MAX + 2 * XLM__VERSTR_MAX),
    FIXED(BUILD, BY_S, sizeof(struct xlm__wire_build)),
    BETWEEN(BUILT, BY_D, BUILT_BYTES + 4,
            BUILT_BYTES + 4 + XLM__TEXT_MAX +
                XLM__ADDRESSES_MAX * (4 + XLM__ADDRESS_TEXT_MAX)),
    BETWEEN(STATE, BY_S, sizeof(struct xlm__wire_state), XLM__BODY_MAX),
    FIXED(ROUND_BEGIN, BY_S, XLM__ROUND_BEGIN_BYTES),
    FIXED(ROUND_END, BY_S, sizeof(struct xlm__wire_round)),
    FIXED(ROUND_DONE, BY_D, sizeof(struct xlm__wire_round)),
    BETWEEN(RELEASE, BY_S, 8 + 16, 8 + 16 * XLM__RELEASE_MAX),
    BETWEEN(DM_STATE, BY_S, sizeof(struct xlm__wire_dm_state) + 1,
            XLM__BODY_MAX),
    BETWEEN(XENSTORE, BY_S, 8, XLM__XS_BODY_MAX),
    FIXED(TAIL_END, BY_S, 0),
    FIXED(READY, BY_D, 0),
    FIXED(PERMIT, BY_S, 0),
    FIXED(COMMIT, BY_D, 0),
    FIXED(RUNNING, BY_D, sizeof(struct xlm__wire_running)),
    BETWEEN(NOT_RUNNING, BY_D, 4, 4 + XLM__TEXT_MAX),
    FIXED(BYE, BY_S | BY_D, 0),
    BETWEEN(ABORT, BY_S | BY_D, 8, 8 + XLM__TEXT_MAX),
    FIXED(ABORTED, BY_D, 0),
    FIXED(CLOCK_PING, BY_S, 8),
    FIXED(CLOCK_PONG, BY_D, 24),
    FIXED(GUEST_GAP, BY_D, 8),
    BETWEEN(PREBUILD, BY_S, 0, 16),
    FIXED(PREBUILT, BY_D, 0),
    FIXED(VERIFY, BY_S, XLM__VERIFY_BYTES),
    BETWEEN(SPARED, BY_S, 8, 8 + 8 * XLM__SPARED_MAX),
    BETWEEN(SUMS, BY_S, sizeof(struct xlm__wire_sums) + XLM__HASH_BYTES,
            sizeof(struct xlm__wire_sums) + XLM__HASH_BYTES * XLM__SUMS_MAX),
    FIXED(ASK, BY_D, 8),
    FIXED(HASHES, BY_S, 8 + XLM__HASH_BYTES * XLM__SUM_HASHES),
    FIXED(VERIFIED, BY_D, sizeof(struct xlm__wire_verified)),
    BETWEEN(PAGES, BY_S, 8 + 8, XLM__PAGES_BYTES_MAX),
    BETWEEN(ZEROS, BY_S, 8 + 16, 8 + 16 * XLM__ZEROS_MAX),
    FIXED(MARK, BY_S, sizeof(struct xlm__wire_round)),
    FIXED(CLOSE, BY_S, 0),
    BETWEEN(PACKED, BY_S, sizeof(struct xlm__wire_packed) + 8 + 1,
            XLM__PACKED_BYTES_MAX),
    FIXED(TAKEN, BY_D, sizeof(struct xlm__wire_taken)),
};

static const struct rec_info *find(uint32_t type)
{
    for (size_t i = 0; i < sizeof(recs) / sizeof(recs[0]); i++)
        if (recs[i].type == type)
            return &recs[i];
    return NULL;
}

const char *xlm__rec_name(uint32_t type)
{
    const struct rec_info *info = find(type);

    return info ? info->name : "unknown record";
}

bool xlm__rec_by(uint32_t type, enum xlm_role role)
{
    const struct rec_info *info = find(type);

    return info && (info->by & (1u << role));
}

bool xlm__rec_known(uint32_t type)
{
    return find(type) != NULL;
}

void xlm__rec_limits(uint32_t type, uint32_t *min_out, uint32_t *max_out)
{
    const struct rec_info *info = find(type);

    *min_out = info ? info->least : 0;
    *max_out = info ? info->most : XLM__UNKNOWN_MAX;
}

static void take_uuid(struct xlm__taker *t, uint8_t out[XLM__UUID_BYTES])
{
    const uint8_t *at = xlm__take(t, XLM__UUID_BYTES, "uuid");

    if (at)
        memcpy(out, at, XLM__UUID_BYTES);
}

/* The name becomes part of file names. */
static void check_name(struct xlm__taker *t, const char *name)
{
    if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
        xlm__take_fail(t, "domain name \"%s\" cannot be in a file name", name);
}

static bool may_prebuild(const struct xlm__body_ctx *ctx, uint32_t type)
{
    if (type == XLM__WIRE_PV)
        return ctx->features & XLM__FEATURE_PREBUILD_PV;
    return type == XLM__WIRE_PVH || ctx->features & XLM__FEATURE_PREBUILD_DM;
}

static void take_offer(struct xlm__taker *t, struct xlm__offer *o)
{
    static const uint8_t zero[XLM__UUID_BYTES];

    o->domid = xlm__take_domid(t);
    o->domain_type = xlm__take_u32(t, "domain type");
    xlm__take_in(t, o->domain_type, XLM__WIRE_PV, XLM__WIRE_HVM,
                 "as domain type");
    o->nr_pfns = xlm__take_u64(t, "nr_pfns");
    xlm__take_in(t, o->nr_pfns, 1, XLM__NR_PFNS_MAX, "pfns");
    o->memory_pages = xlm__take_u64(t, "memory_pages");
    xlm__take_in(t, o->memory_pages, 1, o->nr_pfns, "memory pages");
    o->nr_data_channels = xlm__take_u32(t, "number of data channels");
    xlm__take_in(t, o->nr_data_channels, 1, XLM__CHANNELS_MAX, "data channels");
    o->flags = xlm__take_flags(t, XLM__OFFER_FLAGS);
    if ((o->flags & XLM__OFFER_PREBUILD) &&
        !may_prebuild(t->ctx, o->domain_type))
        xlm__take_fail(t, "a domain of type %u cannot be pre-built",
                       o->domain_type);
    o->xen_major = xlm__take_u32(t, "version");
    o->xen_minor = xlm__take_u32(t, "version");
    take_uuid(t, o->uuid);
    if (!t->rc && !memcmp(o->uuid, zero, sizeof(zero)))
        xlm__take_fail(t, "domain uuid is zero");
    take_uuid(t, o->boot_id);
    xlm__take_string(t, o->name, 1, XLM__DOMNAME_MAX, "domain name");
    check_name(t, o->name);
    xlm__take_string(t, o->hostname, 1, XLM__HOSTNAME_MAX, "host name");
    xlm__take_string(t, o->xen_version, 1, XLM__VERSTR_MAX, "Xen version");
    xlm__take_string(t, o->xlm_version, 1, XLM__VERSTR_MAX, "xlm version");
}

static void take_checked(struct xlm__taker *t, struct xlm__checked *c)
{
    c->verdict = xlm__take_u32(t, "verdict");
    xlm__take_in(t, c->verdict, XLM__VERDICT_OK, XLM__VERDICT_BLOCKED,
                 "as verdict");
    c->xen_major = xlm__take_u32(t, "version");
    c->xen_minor = xlm__take_u32(t, "version");
    c->flags = xlm__take_flags(t, XLM__CHECKED_FLAGS);
    c->free_pages = xlm__take_u64(t, "free pages");
    take_uuid(t, c->boot_id);
    xlm__take_string(t, c->hostname, 1, XLM__HOSTNAME_MAX, "host name");
    xlm__take_string(t, c->xen_version, 1, XLM__VERSTR_MAX, "Xen version");
    xlm__take_string(t, c->xlm_version, 1, XLM__VERSTR_MAX, "xlm version");
}

static void take_finding(struct xlm__taker *t, struct xlm__finding_rec *f)
{
    f->severity = xlm__take_u32(t, "severity");
    xlm__take_in(t, f->severity, 1, XLM__SEVERITY_MAX, "as severity");
    xlm__take_string(t, f->code, 1, XLM__CODE_MAX, "code");
    for (const char *c = f->code; !t->rc && *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') ||
              *c == '-'))
            xlm__take_fail(t, "code \"%s\" is not of a-z, 0-9 and -", f->code);
    xlm__take_string(t, f->message, 1, XLM__TEXT_MAX, "message");
    xlm__take_string(t, f->advice, 0, XLM__TEXT_MAX, "advice");
}

static void take_config(struct xlm__taker *t, union xlm__body *out)
{
    const uint8_t *nul = memchr(t->at, 0, (size_t)(t->end - t->at));

    if (nul) {
        xlm__take_fail(t, "byte %zu is zero", (size_t)(nul - t->at));
        return;
    }
    out->config.json = (const char *)t->at;
    out->config.bytes = (uint32_t)(t->end - t->at);
    t->at = t->end;
}

static void take_state(struct xlm__taker *t, struct xlm__state_rec *s)
{
    s->xc_type = xlm__take_u32(t, "type");
    xlm__take_reserved(t);
    s->data = t->at;
    s->bytes = (uint32_t)(t->end - t->at);
    t->at = t->end;
}

static uint32_t take_round_flags(struct xlm__taker *t, uint32_t type)
{
    const bool may_pause = type == XLM__REC_ROUND_BEGIN &&
                           (t->ctx->features & XLM__FEATURE_PAUSED);
    uint32_t flags;

    flags = xlm__take_flags(t, XLM__ROUND_FINAL |
                                   (may_pause ? XLM__ROUND_PAUSED : 0));
    if (flags == XLM__ROUND_PAUSED)
        xlm__take_fail(t, "flags %#x: not the last round", flags);
    return flags;
}

static void take_round(struct xlm__taker *t, uint32_t type,
                       struct xlm__round *r)
{
    r->round = xlm__take_u32(t, "round");
    xlm__take_in(t, r->round, 1, XLM__ROUND_MAX, "as round");
    r->flags = take_round_flags(t, type);
    r->pages = 0;
    r->zero_pages = 0;
    if (type == XLM__REC_ROUND_BEGIN)
        return;
    r->pages = xlm__take_u64(t, "pages");
    r->zero_pages = xlm__take_u64(t, "zero_pages");
}

static void take_dm(struct xlm__taker *t, struct xlm__dm_part *d)
{
    d->total = xlm__take_u64(t, "total");
    xlm__take_in(t, d->total, 1, XLM__DM_STATE_MAX, "bytes in total");
    d->offset = xlm__take_u64(t, "offset");
    d->data = t->at;
    d->bytes = (uint32_t)(t->end - t->at);
    t->at = t->end;
    if (!t->rc && (d->offset > d->total || d->bytes > d->total - d->offset))
        xlm__take_fail(t, "%u bytes at %llu, limit %llu", d->bytes,
                       (unsigned long long)d->offset,
                       (unsigned long long)d->total);
}

static void take_abort(struct xlm__taker *t, struct xlm__abort *a)
{
    uint32_t code = xlm__take_u32(t, "error");

    xlm__take_in(t, code, 1, XLM__ERRCODE_MAX, "as error");
    a->code = -(int)(code & XLM__ERRCODE_MAX);
    xlm__take_string(t, a->text, 0, XLM__TEXT_MAX, "text");
}

static void take_clock(struct xlm__taker *t, uint32_t type,
                       struct xlm__clock *c)
{
    *c = (struct xlm__clock){ .t1 = xlm__take_u64(t, "t1") };
    if (type == XLM__REC_CLOCK_PING)
        return;
    c->t2 = xlm__take_u64(t, "t2");
    c->t3 = xlm__take_u64(t, "t3");
    if (c->t3 < c->t2)
        xlm__take_fail(t, "t3 %llu before t2 %llu", (unsigned long long)c->t3,
                       (unsigned long long)c->t2);
}

static void take_running(struct xlm__taker *t, struct xlm__running *r)
{
    r->unpaused_ns = xlm__take_u64(t, "time");
    r->domid = xlm__take_domid(t);
    r->flags = xlm__take_flags(t, XLM__RUNNING_FLAGS);
}

static void take_prebuild(struct xlm__taker *t, uint32_t length,
                          struct xlm__prebuild_rec *p)
{
    *p = (struct xlm__prebuild_rec){ .has_rings = length };
    if (!length)
        return;
    p->store_pfn = xlm__take_u64(t, "store ring's pfn");
    p->console_pfn = xlm__take_u64(t, "console ring's pfn");
    if (!t->rc &&
        (p->store_pfn >= t->ctx->nr_pfns || p->console_pfn >= t->ctx->nr_pfns ||
         p->store_pfn == p->console_pfn))
        xlm__take_fail(t, "rings at pfns 0x%llx and 0x%llx, limit 0x%llx",
                       (unsigned long long)p->store_pfn,
                       (unsigned long long)p->console_pfn,
                       (unsigned long long)t->ctx->nr_pfns);
}

/* The short ones, and those that are lists. */
static void take_other(struct xlm__taker *t, uint32_t type, uint32_t length,
                       union xlm__body *out)
{
    switch (type) {
    case XLM__REC_BUILD:
        xlm__take_build(t, &out->build);
        break;
    case XLM__REC_BUILT:
        xlm__take_built(t, &out->built);
        break;
    case XLM__REC_NOT_RUNNING:
        xlm__take_string(t, out->text, 0, XLM__TEXT_MAX, "text");
        break;
    case XLM__REC_GUEST_GAP:
        out->gap_us = xlm__take_u64(t, "time");
        break;
    case XLM__REC_PREBUILD:
        take_prebuild(t, length, &out->prebuild);
        break;
    case XLM__REC_TAKEN:
        out->taken = xlm__take_u32(t, "count");
        xlm__take_reserved(t);
        break;
    case XLM__REC_RELEASE:
        xlm__take_release(t, &out->release);
        break;
    case XLM__REC_XENSTORE:
        xlm__take_xenstore(t, &out->xenstore);
        break;
    case XLM__REC_PAGES:
        xlm__take_pages(t, length, &out->pages);
        break;
    case XLM__REC_PACKED:
        xlm__take_packed(t, &out->packed);
        break;
    case XLM__REC_ZEROS:
        xlm__take_zeros(t, &out->zeros);
        break;
    default:
        xlm__take_verify(t, type, out);
        break;
    }
}

static void take_body(struct xlm__taker *t, uint32_t type, uint32_t length,
                      union xlm__body *out)
{
    switch (type) {
    case XLM__REC_OFFER:
        take_offer(t, &out->offer);
        break;
    case XLM__REC_CONFIG:
        take_config(t, out);
        break;
    case XLM__REC_FINDING:
        take_finding(t, &out->finding);
        break;
    case XLM__REC_CHECKED:
        take_checked(t, &out->checked);
        break;
    case XLM__REC_STATE:
        take_state(t, &out->state);
        break;
    case XLM__REC_ROUND_BEGIN:
    case XLM__REC_ROUND_END:
    case XLM__REC_ROUND_DONE:
    case XLM__REC_MARK:
        take_round(t, type, &out->round);
        break;
    case XLM__REC_DM_STATE:
        take_dm(t, &out->dm);
        break;
    case XLM__REC_RUNNING:
        take_running(t, &out->running);
        break;
    case XLM__REC_ABORT:
        take_abort(t, &out->abort);
        break;
    case XLM__REC_CLOCK_PING:
    case XLM__REC_CLOCK_PONG:
        take_clock(t, type, &out->clock);
        break;
    default:
        take_other(t, type, length, out);
        break;
    }
}

int xlm__body_decode(const struct xlm__body_ctx *ctx, uint32_t type,
                     const uint8_t *body, uint32_t length, union xlm__body *out)
{
    struct xlm__taker t = { .ctx = ctx, .name = xlm__rec_name(type) };

    t.at = body;
    t.end = body + length;
    if (type == XLM__REC_PAGES) { /* the contents are not here */
        uint32_t nr = xlm__get_le32(body +
                                    offsetof(struct xlm__wire_pages, count));

        if (nr > XLM__PAGES_MAX ||
            sizeof(struct xlm__wire_pages) + 8ull * nr > length)
            nr = 0; /* refused below, before the list is looked at */
        t.end = body + sizeof(struct xlm__wire_pages) + 8ull * nr;
    }
    take_body(&t, type, length, out);
    return xlm__take_end(&t);
}
