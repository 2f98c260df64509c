/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bodies of section 6.2: comparing all memory. */
#include "config.h"

#include <inttypes.h>

#include "stream/body_int.h"
#include "util/byteorder.h"

static uint64_t nr_sums(const struct xlm__taker *t)
{
    return (t->ctx->nr_pfns + XLM__SUM_HASHES - 1) / XLM__SUM_HASHES;
}

static void take_keys(struct xlm__taker *t, const uint8_t **out)
{
    if (!(t->ctx->features & XLM__FEATURE_VERIFY))
        xlm__take_fail(t, "its feature is not in use");
    *out = xlm__take(t, XLM__VERIFY_BYTES, "keys");
}

static void take_spared(struct xlm__taker *t, struct xlm__list *out)
{
    uint64_t next = 0;

    out->round = 0;
    out->nr = xlm__take_u32(t, "count");
    xlm__take_reserved(t);
    out->at = t->at;
    xlm__take_in(t, out->nr, 0, XLM__SPARED_MAX, "pages");
    for (uint32_t i = 0; !t->rc && i < out->nr; i++) {
        uint64_t entry = xlm__take_u64(t, "page");
        uint64_t pfn = entry & XLM__ENTRY_PFN_MASK;
        uint32_t kind = (uint32_t)(entry >> XLM__ENTRY_SHIFT);

        if (entry & XLM__ENTRY_MORE || !kind || kind > XLM__SPARED_KINDS)
            xlm__take_fail(t, "page %u: 0x%016" PRIx64, i, entry);
        else if (pfn >= t->ctx->nr_pfns || pfn < next)
            xlm__take_fail(t,
                           "page %u: pfn 0x%" PRIx64 ", 0x%" PRIx64
                           " to 0x%" PRIx64 " allowed",
                           i, pfn, next, t->ctx->nr_pfns - 1);
        next = pfn + 1;
    }
}

static void take_sums(struct xlm__taker *t, struct xlm__sums *out)
{
    out->first = xlm__take_u64(t, "first");
    out->nr = xlm__take_u32(t, "count");
    xlm__take_reserved(t);
    xlm__take_in(t, out->nr, 1, XLM__SUMS_MAX, "sums");
    if (!t->rc &&
        (out->first >= nr_sums(t) || out->nr > nr_sums(t) - out->first))
        xlm__take_fail(t, "%u sums from %" PRIu64 ", limit %" PRIu64, out->nr,
                       out->first, nr_sums(t));
    out->at = xlm__take(t, (size_t)out->nr * XLM__HASH_BYTES, "sums");
}

static uint64_t take_number(struct xlm__taker *t)
{
    uint64_t sum = xlm__take_u64(t, "number of a sum");

    if (!t->rc && sum >= nr_sums(t))
        xlm__take_fail(t, "sum %" PRIu64 ", limit %" PRIu64, sum, nr_sums(t));
    return sum;
}

static void take_hashes(struct xlm__taker *t, struct xlm__sums *out)
{
    out->first = take_number(t);
    out->nr = XLM__SUM_HASHES;
    out->at = xlm__take(t, (size_t)out->nr * XLM__HASH_BYTES, "hashes");
}

static void take_verified(struct xlm__taker *t, struct xlm__verified *v)
{
    v->pages = xlm__take_u64(t, "pages");
    v->spared = xlm__take_u64(t, "spared pages");
    v->us = xlm__take_u64(t, "time");
    xlm__take_in(t, v->pages, 0, t->ctx->nr_pfns, "pages");
    xlm__take_in(t, v->spared, 0, t->ctx->nr_pfns, "spared pages");
}

void xlm__take_verify(struct xlm__taker *t, uint32_t type, union xlm__body *out)
{
    switch (type) {
    case XLM__REC_VERIFY:
        take_keys(t, &out->keys);
        break;
    case XLM__REC_SPARED:
        take_spared(t, &out->spared);
        break;
    case XLM__REC_SUMS:
        take_sums(t, &out->sums);
        break;
    case XLM__REC_ASK:
        out->asked = take_number(t);
        break;
    case XLM__REC_HASHES:
        take_hashes(t, &out->sums);
        break;
    case XLM__REC_VERIFIED:
        take_verified(t, &out->verified);
        break;
    default:
        break; /* the empty ones */
    }
}

struct xlm__extent xlm__spared_at(const struct xlm__list *l, uint32_t i)
{
    uint64_t entry = xlm__get_le64(l->at + 8 * (size_t)i);

    return (struct xlm__extent){
        .first = entry & XLM__ENTRY_PFN_MASK,
        .nr = 1,
        .type = (uint32_t)(entry >> XLM__ENTRY_SHIFT),
    };
}

struct xlm__wire_hash xlm__sum_at(const struct xlm__sums *s, uint32_t i)
{
    const uint8_t *at = s->at + XLM__HASH_BYTES * (size_t)i;

    return (struct xlm__wire_hash){ xlm__get_le64(at), xlm__get_le64(at + 8) };
}
