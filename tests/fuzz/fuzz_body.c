/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A record's body alone.  Byte 0: the type, of those known; byte 1: bit 0 the
 * domain is PV, bit 1 all features are in use; bytes 2..3: its pfns; then the
 * body (of PAGES the list). */
#include "config.h"

#include "fuzz.h"
#include "stream/body.h"
#include "util/byteorder.h"

static const uint32_t types[] = {
#define TYPE(name, value) value,
    XLM__REC_MAP(TYPE)
#undef TYPE
};
#define NR_TYPES (sizeof(types) / sizeof(types[0]))

static void walk_extents(const struct xlm__body_ctx *ctx,
                         const struct xlm__list *l, bool zeros)
{
    uint64_t end = 0;

    for (uint32_t i = 0; i < l->nr; i++) {
        struct xlm__extent e = zeros ? xlm__zeros_at(l, i)
                                     : xlm__release_at(l, i);

        FUZZ_CHECK(e.nr && e.first >= end && e.first < ctx->nr_pfns &&
                   e.nr <= ctx->nr_pfns - e.first);
        end = e.first + e.nr;
    }
}

/* ".." as a whole component leads elsewhere. */
static bool leads_up(const char *path)
{
    for (const char *at = path; (at = strstr(at, "..")); at += 2)
        if ((at == path || at[-1] == '/') && (!at[2] || at[2] == '/'))
            return true;
    return false;
}

static void walk_nodes(const struct xlm__list *l)
{
    struct xlm__node n;
    uint32_t pos = 0, nr = 0;

    while (xlm__xenstore_next(l, &pos, &n)) {
        char *copy = fuzz_text(n.value, n.value_bytes);

        FUZZ_CHECK(n.path[0] && n.path[0] != '/' && !leads_up(n.path));
        free(copy);
        nr++;
    }
    FUZZ_CHECK(nr == l->nr);
}

static void walk_spared(const struct xlm__body_ctx *ctx,
                        const struct xlm__list *l)
{
    uint64_t next = 0;

    for (uint32_t i = 0; i < l->nr; i++) {
        struct xlm__extent e = xlm__spared_at(l, i);

        FUZZ_CHECK(e.first >= next && e.first < ctx->nr_pfns && e.type &&
                   e.type <= XLM__SPARED_KINDS);
        next = e.first + 1;
    }
}

static void walk_sums(const struct xlm__body_ctx *ctx,
                      const struct xlm__sums *s, uint32_t pages)
{
    static volatile uint64_t read; /* a sanitizer sees whether it may be */

    FUZZ_CHECK(s->first * XLM__SUM_HASHES < ctx->nr_pfns);
    FUZZ_CHECK((s->first + s->nr - 1) * pages < ctx->nr_pfns);
    for (uint32_t i = 0; i < s->nr; i++)
        read = xlm__sum_at(s, i).hi;
    (void)read;
}

static void walk(const struct xlm__body_ctx *ctx, uint32_t type,
                 const union xlm__body *b)
{
    switch (type) {
    case XLM__REC_PAGES:
        FUZZ_CHECK(b->pages.nr >= 1 && b->pages.nr <= XLM__PAGES_MAX);
        for (uint32_t i = 0; i < b->pages.nr; i++)
            FUZZ_CHECK(b->pages.pfns[i] < ctx->nr_pfns &&
                       (!i || b->pages.pfns[i] > b->pages.pfns[i - 1]));
        break;
    case XLM__REC_PACKED:
        FUZZ_CHECK(b->packed.pages.nr <= XLM__PACKED_MAX &&
                   b->packed.bytes < b->packed.pages.nr * XLM__PAGE_BYTES);
        break;
    case XLM__REC_ZEROS:
        walk_extents(ctx, &b->zeros, true);
        break;
    case XLM__REC_RELEASE:
        walk_extents(ctx, &b->release, false);
        break;
    case XLM__REC_SPARED:
        walk_spared(ctx, &b->spared);
        break;
    case XLM__REC_SUMS:
        walk_sums(ctx, &b->sums, XLM__SUM_HASHES);
        break;
    case XLM__REC_HASHES:
        walk_sums(ctx, &b->sums, 0);
        break;
    case XLM__REC_XENSTORE:
        walk_nodes(&b->xenstore);
        break;
    case XLM__REC_CONFIG:
        FUZZ_CHECK(strlen(b->config.json) == b->config.bytes);
        break;
    case XLM__REC_DM_STATE:
        FUZZ_CHECK(b->dm.bytes && b->dm.offset <= b->dm.total &&
                   b->dm.bytes <= b->dm.total - b->dm.offset);
        break;
    }
}

/* What the reader has made sure of before it decodes; false: it refuses. */
static bool length_fits(uint32_t type, const uint8_t *body, size_t bytes,
                        uint32_t *length)
{
    uint32_t least, most, count;

    *length = (uint32_t)bytes;
    xlm__rec_limits(type, &least, &most);
    if (type == XLM__REC_PAGES) {
        if (bytes < 8)
            return false;
        count = xlm__get_le32(body + 4);
        if (count < 1 || count > XLM__PAGES_MAX || bytes / 8 < 1 + count)
            return false;
        *length = 8 + 8 * count;
        /* The rest says how many pages seem to follow. */
        *length += (uint32_t)(bytes - *length) * XLM__PAGE_BYTES;
    }
    return *length >= least && *length <= most;
}

int fuzz_body(const uint8_t *data, size_t size)
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    struct fuzz_in in = { data, size };
    const uint32_t type = types[fuzz_u8(&in) % NR_TYPES];
    static uint64_t pfns[XLM__PAGES_MAX];
    static uint32_t page_types[XLM__PAGES_MAX];
    struct xlm__body_ctx ctx = {
        .err = &err,
        .code = XLM_ERR_STREAM,
        .pfns = pfns,
        .types = page_types,
        .features = XLM__STREAM_FEATURES,
    };
    static union xlm__body b;
    uint32_t length;
    uint8_t how;
    char *body;

    how = fuzz_u8(&in);
    ctx.pv = how & 1;
    ctx.features = how & 2 ? XLM__STREAM_FEATURES | XLM__FEATURE_RESUME : 0;
    ctx.nr_pfns = fuzz_le(&in, 2) + 1;
    body = fuzz_text(in.at, in.left);
    if (length_fits(type, (uint8_t *)body, in.left, &length)) {
        if (!xlm__body_decode(&ctx, type, (uint8_t *)body, length, &b))
            walk(&ctx, type, &b);
        else
            FUZZ_CHECK(xlm__errslot_code(&err) == XLM_ERR_STREAM);
    }
    free(body);
    xlm__errslot_destroy(&err);
    return 0;
}
