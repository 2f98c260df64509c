/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PACKED in the conversations.  The record layer does not look into it. */
#include "config.h"

#include <string.h>

#include "codec/delta.h"
#include "stream_script.h"

static int send_packed(struct xlm__stream *s, uint32_t codec, uint64_t first,
                       uint32_t second_type)
{
    static uint8_t room[XLM__PACKED_FRONT + 21 + XLM__PACKED_BEHIND];
    const uint64_t pfns[] = { first, first + 2 };
    const uint32_t types[] = { 0, second_type };
    const struct xlm__packed_out p = {
        2, pfns, types, codec, room + XLM__PACKED_FRONT, 21
    };

    memcpy(p.data, "packed contents of 2", 21);
    return xlm__send_packed(s, &p);
}

int script_packed_lz4(struct xlm__stream *s)
{
    return send_packed(s, 1, 0x100, 0);
}

int script_packed_zstd(struct xlm__stream *s)
{
    return send_packed(s, 2, 0x10, 0xc0000000u);
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
