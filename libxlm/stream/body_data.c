/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of pages: PAGES, PACKED, ZEROS, RELEASE. */
#include "config.h"

#include <inttypes.h>
#include <stddef.h>

#include "stream/body_int.h"
#include "util/byteorder.h"
#include "util/overflow.h"

/* Bits 60..63 of an entry and XEN_DOMCTL_PFINFO_*, bits 28..31. */
static uint32_t entry_type(uint64_t entry)
{
    return (uint32_t)(entry >> XLM__ENTRY_SHIFT);
}

static bool has_contents(uint32_t type)
{
    return type < XLM__ENTRY_BROKEN;
}

static bool type_allowed(uint32_t type, bool pv)
{
    uint32_t level = type & ~XLM__ENTRY_LPINTAB;

    if (type == XLM__ENTRY_NOTAB || type >= XLM__ENTRY_BROKEN)
        return true;
    return pv && level >= 1 && level <= XLM__ENTRY_L4TAB;
}

/* more: pages behind the first that it stands for. */
static void check_entry(struct xlm__taker *t, uint64_t entry, uint64_t more,
                        uint32_t i)
{
    uint64_t pfn = entry & XLM__ENTRY_PFN_MASK;

    if (entry & XLM__ENTRY_MORE && !more)
        xlm__take_fail(t, "entry %u: reserved bits in 0x%016" PRIx64, i, entry);
    else if (!type_allowed(entry_type(entry), t->ctx->pv))
        xlm__take_fail(t, "entry %u: page type %u of pfn 0x%" PRIx64, i,
                       entry_type(entry), pfn);
    else if (pfn + more >= t->ctx->nr_pfns)
        xlm__take_fail(t, "entry %u: pfn 0x%" PRIx64 ", limit 0x%" PRIx64, i,
                       pfn + more, t->ctx->nr_pfns);
}

/* As many pages as one entry stands for, of at most `most` of the record. */
static void take_entry(struct xlm__taker *t, uint32_t i, uint32_t most,
                       uint64_t *next_pfn, struct xlm__pages *out)
{
    uint64_t entry = xlm__take_u64(t, "entry");
    uint64_t pfn = entry & XLM__ENTRY_PFN_MASK;
    uint32_t more = 0;

    if (t->ctx->features & XLM__FEATURE_RUNS)
        more = entry >> XLM__ENTRY_MORE_SHIFT & XLM__ENTRY_MORE_MAX;
    check_entry(t, entry, more, i);
    if (pfn < *next_pfn)
        xlm__take_fail(t, "entry %u: pfn 0x%" PRIx64 " does not ascend", i,
                       pfn);
    xlm__take_in(t, out->nr + 1 + more, 1, most, "pages");
    if (t->rc)
        return;
    *next_pfn = pfn + more + 1;
    for (uint64_t last = pfn + more; pfn <= last; pfn++, out->nr++) {
        t->ctx->pfns[out->nr] = pfn;
        t->ctx->types[out->nr] = entry_type(entry) << 28;
        out->nr_contents += has_contents(entry_type(entry));
    }
}

/* Of a list: its round, and how many entries it has. */
static uint32_t take_head(struct xlm__taker *t, uint32_t most,
                          struct xlm__pages *out)
{
    uint32_t count;

    *out = (struct xlm__pages){ .pfns = t->ctx->pfns, .types = t->ctx->types };
    out->round = xlm__take_u32(t, "round");
    count = xlm__take_u32(t, "count");
    xlm__take_in(t, out->round, 1, XLM__ROUND_MAX, "as round");
    xlm__take_in(t, count, 1, most, "entries");
    return count;
}

static void take_entries(struct xlm__taker *t, uint32_t count, uint32_t most,
                         struct xlm__pages *out)
{
    uint64_t next_pfn = 0;

    for (uint32_t i = 0; !t->rc && i < count; i++)
        take_entry(t, i, most, &next_pfn, out);
}

/* The bytes after the list are page contents, which are not here. */
void xlm__take_pages(struct xlm__taker *t, uint32_t length,
                     struct xlm__pages *out)
{
    uint32_t count = take_head(t, XLM__PAGES_MAX, out);
    uint64_t bytes;

    take_entries(t, count, XLM__PAGES_MAX, out);
    bytes = sizeof(struct xlm__wire_pages) + 8ull * count +
            (uint64_t)XLM__PAGE_BYTES * out->nr_contents;
    if (length != bytes)
        xlm__take_fail(t,
                       "length %u, but %u pages with %u contents are "
                       "%" PRIu64 " bytes",
                       length, out->nr, out->nr_contents, bytes);
}

static void take_codec(struct xlm__taker *t, struct xlm__packed *out)
{
    out->codec = xlm__take_u32(t, "codec");
    xlm__take_in(t, out->codec, 1, XLM__PACKED_CODEC, "as codec");
    if (!t->rc && !(t->ctx->features & XLM__FEATURE_OF_CODEC(out->codec)))
        xlm__take_fail(t, "codec %u is not in use on this channel", out->codec);
    if (!t->rc && out->codec == XLM__PACKED_DELTA && t->ctx->pv)
        xlm__take_fail(t, "codec %u for a PV domain", out->codec);
    out->bytes = xlm__take_u32(t, "packed bytes");
    xlm__take_in(t, out->bytes, 1,
                 (uint64_t)XLM__PAGE_BYTES * XLM__PACKED_MAX - 1,
                 "packed bytes");
}

void xlm__take_packed(struct xlm__taker *t, struct xlm__packed *out)
{
    uint32_t count = take_head(t, XLM__PACKED_MAX, &out->pages);
    size_t left;

    if (!t->rc)
        take_codec(t, out);
    left = (size_t)(t->end - t->at);
    if (left != 8 * (size_t)count + out->bytes)
        xlm__take_fail(t,
                       "%zu bytes behind its head, but %u entries with %u "
                       "packed bytes are %zu",
                       left, count, out->bytes, 8 * (size_t)count + out->bytes);
    take_entries(t, count, XLM__PACKED_MAX, &out->pages);
    xlm__take_in(t, out->bytes, 1,
                 (uint64_t)XLM__PAGE_BYTES * out->pages.nr - 1, "packed bytes");
    if (out->pages.nr_contents != out->pages.nr)
        xlm__take_fail(t, "%u of %u pages are of types without contents",
                       out->pages.nr - out->pages.nr_contents, out->pages.nr);
    out->at = xlm__take(t, out->bytes, "packed contents");
}

static void check_extent(struct xlm__taker *t, uint64_t first, uint64_t nr,
                         uint32_t i, uint64_t *end)
{
    if (!nr)
        xlm__take_fail(t, "extent %u is empty", i);
    else if (!xlm__range_within(first, nr, t->ctx->nr_pfns))
        xlm__take_fail(t,
                       "extent %u: %" PRIu64 " pages at pfn 0x%" PRIx64
                       ", limit 0x%" PRIx64,
                       i, nr, first, t->ctx->nr_pfns);
    else if (first < *end)
        xlm__take_fail(t, "extent %u: pfn 0x%" PRIx64 " does not ascend", i,
                       first);
    else
        *end = first + nr;
}

void xlm__take_zeros(struct xlm__taker *t, struct xlm__list *out)
{
    uint64_t end = 0;

    out->round = xlm__take_u32(t, "round");
    out->nr = xlm__take_u32(t, "count");
    out->at = t->at;
    xlm__take_in(t, out->round, 1, XLM__ROUND_MAX, "as round");
    xlm__take_in(t, out->nr, 1, XLM__ZEROS_MAX, "runs");
    for (uint32_t i = 0; !t->rc && i < out->nr; i++) {
        uint64_t entry = xlm__take_u64(t, "run");
        uint64_t nr = xlm__take_u64(t, "run");

        check_entry(t, entry, 0, i);
        if (!has_contents(entry_type(entry)))
            xlm__take_fail(t, "entry %u: page type %u has no contents", i,
                           entry_type(entry));
        check_extent(t, entry & XLM__ENTRY_PFN_MASK, nr, i, &end);
    }
}

void xlm__take_release(struct xlm__taker *t, struct xlm__list *out)
{
    uint64_t end = 0;

    out->round = 0;
    out->nr = xlm__take_u32(t, "count");
    xlm__take_reserved(t);
    out->at = t->at;
    xlm__take_in(t, out->nr, 1, XLM__RELEASE_MAX, "extents");
    for (uint32_t i = 0; !t->rc && i < out->nr; i++) {
        uint64_t first = xlm__take_u64(t, "extent");
        uint64_t nr = xlm__take_u64(t, "extent");

        check_extent(t, first, nr, i, &end);
    }
}

struct xlm__extent xlm__release_at(const struct xlm__list *l, uint32_t i)
{
    const uint8_t *at = l->at + (size_t)i * sizeof(struct xlm__wire_extent);

    return (struct xlm__extent){ .first = xlm__get_le64(at),
                                 .nr = xlm__get_le64(at + 8) };
}

struct xlm__extent xlm__zeros_at(const struct xlm__list *l, uint32_t i)
{
    struct xlm__extent e = xlm__release_at(l, i);

    e.type = entry_type(e.first) << 28;
    e.first &= XLM__ENTRY_PFN_MASK;
    return e;
}
