/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lists pages in the conversations.  The record layer does not look into
 * PACKED. */
#include "config.h"

#include <string.h>

#include "codec/delta.h"
#include "stream_script.h"

static uint8_t page_bytes[3][XLM__PAGE_BYTES];

static const void *page(unsigned i)
{
    memset(page_bytes[i], 'A' + (int)i, XLM__PAGE_BYTES);
    return page_bytes[i];
}

int script_pages_hvm(struct xlm__stream *s)
{
    const uint64_t pfns[] = { 1, 0xfff };
    const uint32_t types[] = { 0, 0 };
    const void *contents[] = { page(0), page(1) };
    const struct xlm__pages_out p = { 2, pfns, types, contents };

    return xlm__send_pages(s, &p);
}

int script_pages_hvm_2(struct xlm__stream *s)
{
    const uint64_t pfns[] = { 1 };
    const uint32_t types[] = { 0 };
    const void *contents[] = { page(2) };
    const struct xlm__pages_out p = { 1, pfns, types, contents };

    return xlm__send_pages(s, &p);
}

int script_zeros_hvm(struct xlm__stream *s)
{
    const struct xlm__extent e[] = { { 2, 1, 0 }, { 0x10, 8, 0 } };

    return xlm__send_zeros(s, 2, e);
}

int script_pages_pv(struct xlm__stream *s)
{
    const uint64_t pfns[] = { 0, 1, 2, 3, 9 };
    const uint32_t types[] = { 0, 0xc0000000u, 0xf0000000u, 0xd0000000u,
                               0x10000000u };
    const void *contents[] = { page(0), page(1), NULL, NULL, page(2) };
    const struct xlm__pages_out p = { 5, pfns, types, contents };

    return xlm__send_pages(s, &p);
}

int script_zeros_pv(struct xlm__stream *s)
{
    const struct xlm__extent e[] = { { 4, 1, 0x10000000u } };

    return xlm__send_zeros(s, 1, e);
}

/* Three entries, of 3, 2 and 1 pages. */
int script_pages_runs(struct xlm__stream *s)
{
    const uint64_t pfns[] = { 0x21, 0x22, 0x23, 0x30, 0x31, 0x40 };
    const uint32_t types[6] = { 0 };
    const void *contents[] = { page(0), page(1), page(2),
                               page(2), page(1), page(0) };
    const struct xlm__pages_out p = { 6, pfns, types, contents };

    return xlm__send_pages(s, &p);
}

static int send_packed(struct xlm__stream *s, uint32_t codec, uint64_t first,
                       uint64_t second, uint32_t second_type)
{
    static uint8_t room[XLM__PACKED_FRONT + 21 + XLM__PACKED_BEHIND];
    const uint64_t pfns[] = { first, second };
    const uint32_t types[] = { 0, second_type };
    const struct xlm__packed_out p = {
        2, pfns, types, codec, room + XLM__PACKED_FRONT, 21
    };

    memcpy(p.data, "packed contents of 2", 21);
    return xlm__send_packed(s, &p);
}

int script_packed_lz4(struct xlm__stream *s)
{
    return send_packed(s, 1, 0x100, 0x102, 0);
}

/* One entry. */
int script_packed_runs(struct xlm__stream *s)
{
    return send_packed(s, 1, 0x100, 0x101, 0);
}

int script_packed_zstd(struct xlm__stream *s)
{
    return send_packed(s, 2, 0x10, 0x12, 0xc0000000u);
}

/* What has changed in two pages that are full of A and of B: word 130 of the
 * first, nothing in the second. */
int script_packed_delta(struct xlm__stream *s)
{
    static uint8_t room[XLM__PACKED_FRONT + 152 + XLM__PACKED_BEHIND];
    const uint64_t pfns[] = { 1, 0xfff };
    const uint32_t types[] = { 0, 0 };
    struct xlm__packed_out p = {
        2, pfns, types, XLM__PACKED_DELTA, room + XLM__PACKED_FRONT, 0
    };
    uint8_t was[XLM__PAGE_BYTES], is[XLM__PAGE_BYTES];

    memset(was, 'A', sizeof(was));
    memcpy(is, was, sizeof(is));
    memcpy(is + 8 * 130, "changed!", 8);
    p.bytes = xlm__delta_make(was, is, p.data, 152);
    memset(was, 'B', sizeof(was));
    p.bytes += xlm__delta_make(was, was, p.data + p.bytes, 152 - p.bytes);
    return xlm__send_packed(s, &p);
}
