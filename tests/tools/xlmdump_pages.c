/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bodies of section 7 that list pages. */
#include "config.h"

#include "xlmdump.h"

#define RUNS 7 /* of section 10 */

static bool entry_has_contents(uint64_t entry)
{
    return entry >> 60 < 13;
}

/* more: pages that it stands for behind the first. */
static bool entry(struct dump *d, uint64_t e, unsigned more)
{
    unsigned type = (unsigned)(e >> 60);
    uint64_t last = (e & 0xfffffffffffffull) + more;

    if (!more && e >> 52 & 0xff)
        return fail(d, "reserved bits of entry 0x%llx", (unsigned long long)e);
    if (!(type == 0 || type >= 13 ||
          (d->domain_type <= PV &&
           ((type >= 1 && type <= 4) || (type >= 9 && type <= 12)))))
        return fail(d, "page type %u", type);
    if (last >= d->nr_pfns)
        return fail(d, "pfn 0x%llx, limit 0x%llx", (unsigned long long)last,
                    (unsigned long long)d->nr_pfns);
    return true;
}

/* *pages: of all entries; *contents: of those that have any. */
static bool page_list(struct dump *d, uint64_t count, uint64_t most,
                      uint64_t *pages, uint64_t *contents)
{
    uint64_t e, next = 0;

    *pages = *contents = 0;
    for (uint64_t i = 0; i < count; i++) {
        unsigned more;

        if (!number(d, 8, &e))
            return false;
        more = d->offered >> RUNS & 1 ? e >> 52 & 0xff : 0;
        if (!entry(d, e, more))
            return false;
        if ((e & 0xfffffffffffffull) < next)
            return fail(d, "pfns do not ascend");
        next = (e & 0xfffffffffffffull) + more + 1;
        *pages += more + 1;
        if (entry_has_contents(e))
            *contents += more + 1;
    }
    return limits(d, "pages", *pages, 1, most);
}

bool dump_pages(struct dump *d, struct body *b)
{
    uint64_t round, count, nr, contents;
    size_t length = d->end - d->at;

    if (!number(d, 4, &round) || !limits(d, "round", round, 1, 65535) ||
        !number(d, 4, &count) || !page_list(d, count, 1024, &nr, &contents))
        return false;
    b->pages = nr;
    if (length != 8 + 8 * count + 4096 * contents)
        return fail(d, "length %zu for %llu pages, %llu with contents", length,
                    (unsigned long long)nr, (unsigned long long)contents);
    d->at = d->end;
    say(d, " round %u pages %llu contents %llu", (unsigned)round,
        (unsigned long long)nr, (unsigned long long)contents);
    return true;
}

static const struct {
    const char *name;
    unsigned feature;
} codecs[] = { { "lz4", 0 }, { "zstd", 1 }, { "delta", 3 } };

static bool codec_in_use(struct dump *d, uint64_t codec)
{
    if (!(d->offered >> codecs[codec - 1].feature & 1))
        return fail(d, "codec %u was not offered", (unsigned)codec);
    if (codec == DELTA && d->domain_type == PV)
        return fail(d, "codec %u for a PV domain", (unsigned)codec);
    if (codec == DELTA && !d->domain_type)
        d->domain_type = HVM; /* or PVH, which has the same pages */
    return true;
}

/* The pages that these are changes of are in other files: a CRC can be any. */
static bool deltas(struct dump *d, uint64_t count, uint64_t *words)
{
    uint64_t mask, crc;

    *words = 0;
    while (count--) {
        uint64_t nr = 0;

        for (int i = 0; i < 8; i++) {
            if (!number(d, 8, &mask))
                return false;
            for (; mask; mask &= mask - 1)
                nr++;
        }
        if (!number(d, 4, &crc) || !reserved(d) || !skip(d, 8 * nr))
            return false;
        *words += nr;
    }
    return true;
}

/* What LZ4 and Zstandard have packed is not unpacked here. */
static bool packed_bytes(struct dump *d, uint64_t codec, uint64_t count)
{
    uint64_t words;

    if (codec != DELTA)
        return skip(d, d->end - d->at);
    if (!deltas(d, count, &words))
        return false;
    say(d, ", %llu words changed", (unsigned long long)words);
    return true;
}

bool dump_packed(struct dump *d, struct body *b)
{
    uint64_t round, count, nr, codec, bytes, contents;

    if (!number(d, 4, &round) || !limits(d, "round", round, 1, 65535) ||
        !number(d, 4, &count) || !limits(d, "count", count, 1, 256) ||
        !number(d, 4, &codec) || !limits(d, "codec", codec, 1, 3) ||
        !codec_in_use(d, codec) || !number(d, 4, &bytes))
        return false;
    if (d->end - d->at != 8 * count + bytes)
        return fail(d, "%zu bytes for %llu entries and %llu packed bytes",
                    d->end - d->at, (unsigned long long)count,
                    (unsigned long long)bytes);
    if (!page_list(d, count, 256, &nr, &contents) ||
        !limits(d, "packed bytes", bytes, 1, 4096 * nr - 1))
        return false;
    if (contents != nr)
        return fail(d, "pages of types without contents");
    b->pages = nr;
    say(d, " round %u pages %llu %s %llu bytes, %.2f : 1", (unsigned)round,
        (unsigned long long)nr, codecs[codec - 1].name,
        (unsigned long long)bytes, 4096.0 * (double)nr / (double)bytes);
    return packed_bytes(d, codec, nr);
}

bool dump_zeros(struct dump *d, struct body *b)
{
    uint64_t round, count, e, nr, end = 0;

    if (!number(d, 4, &round) || !limits(d, "round", round, 1, 65535) ||
        !number(d, 4, &count) || !limits(d, "count", count, 1, 1024))
        return false;
    while (count--) {
        if (!number(d, 8, &e) || !number(d, 8, &nr) || !entry(d, e, 0))
            return false;
        if (!entry_has_contents(e))
            return fail(d, "zero pages of a type without contents");
        if (!extent(d, e & 0xfffffffffffffull, nr, &end))
            return false;
        b->zero_pages += nr;
    }
    say(d, " round %u zero pages %llu", (unsigned)round,
        (unsigned long long)b->zero_pages);
    return true;
}
