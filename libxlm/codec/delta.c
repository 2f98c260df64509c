/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "codec/delta.h"

#include <string.h>

#include "util/byteorder.h"
#include "util/crc32c.h"

#define MASKS      (XLM__DELTA_PAGE_BYTES / 512)
#define AT_CRC     (8 * MASKS)
#define AT_NOTHING (AT_CRC + 4)

_Static_assert(AT_NOTHING + 4 == XLM__DELTA_HEAD_BYTES, "as the format has it");

/* Words of the host's order are compared and copied as they are: which of them
 * differ does not depend on that. */
static uint64_t differ(const uint8_t *was, const uint8_t *is)
{
    uint64_t mask = 0, a, b;

    for (unsigned i = 0; i < 64; i++) {
        memcpy(&a, was + 8 * i, 8);
        memcpy(&b, is + 8 * i, 8);
        mask |= (uint64_t)(a != b) << i;
    }
    return mask;
}

size_t xlm__delta_make(const void *was, const void *is, void *out, size_t room)
{
    const uint8_t *from = is;
    uint64_t masks[MASKS];
    size_t bytes = XLM__DELTA_HEAD_BYTES;
    uint8_t *to = out;

    for (size_t i = 0; i < MASKS; i++) {
        masks[i] = differ((const uint8_t *)was + 512 * i, from + 512 * i);
        bytes += 8 * (size_t)__builtin_popcountll(masks[i]);
    }
    if (bytes > room)
        return 0;
    for (size_t i = 0; i < MASKS; i++)
        xlm__put_le64(to + 8 * i, masks[i]);
    xlm__put_le32(to + AT_CRC, xlm__crc32c(0, is, XLM__DELTA_PAGE_BYTES));
    xlm__put_le32(to + AT_NOTHING, 0);
    to += XLM__DELTA_HEAD_BYTES;
    for (size_t i = 0; i < MASKS; i++)
        for (uint64_t m = masks[i]; m; m &= m - 1, to += 8)
            memcpy(to, from + 512 * i + 8 * (size_t)__builtin_ctzll(m), 8);
    return bytes;
}

size_t xlm__delta_bytes(const uint8_t *at, size_t bytes)
{
    size_t all = XLM__DELTA_HEAD_BYTES;

    if (bytes < all || xlm__get_le32(at + AT_NOTHING))
        return 0;
    for (size_t i = 0; i < MASKS; i++)
        all += 8 * (size_t)__builtin_popcountll(xlm__get_le64(at + 8 * i));
    return all <= bytes ? all : 0;
}

bool xlm__delta_apply(const uint8_t *at, void *page)
{
    const uint8_t *from = at + XLM__DELTA_HEAD_BYTES;
    uint8_t *to = page;

    for (size_t i = 0; i < MASKS; i++)
        for (uint64_t m = xlm__get_le64(at + 8 * i); m; m &= m - 1, from += 8)
            memcpy(to + 512 * i + 8 * (size_t)__builtin_ctzll(m), from, 8);
    return xlm__crc32c(0, page, XLM__DELTA_PAGE_BYTES) ==
           xlm__get_le32(at + AT_CRC);
}
