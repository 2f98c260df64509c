/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stream/body_int.h"
#include "util/byteorder.h"

#define XLM_MODULE "stream"

int xlm__take_fail(struct xlm__taker *t, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    if (t->rc) /* what comes after the first failure means nothing */
        return t->rc;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    t->rc = XLM_FAIL(t->ctx->err, t->ctx->code, "%s at 0x%" PRIx64 ": %s",
                     t->name, t->ctx->offset, text);
    return t->rc;
}

const uint8_t *xlm__take(struct xlm__taker *t, size_t bytes, const char *what)
{
    const uint8_t *at = t->at;

    if (t->rc)
        return NULL;
    if (bytes > (size_t)(t->end - at)) {
        xlm__take_fail(t, "%s needs %zu bytes, %zu are left", what, bytes,
                       (size_t)(t->end - at));
        return NULL;
    }
    t->at += bytes;
    return at;
}

uint16_t xlm__take_u16(struct xlm__taker *t, const char *what)
{
    const uint8_t *at = xlm__take(t, 2, what);

    return at ? xlm__get_le16(at) : 0;
}

uint32_t xlm__take_u32(struct xlm__taker *t, const char *what)
{
    const uint8_t *at = xlm__take(t, 4, what);

    return at ? xlm__get_le32(at) : 0;
}

uint64_t xlm__take_u64(struct xlm__taker *t, const char *what)
{
    const uint8_t *at = xlm__take(t, 8, what);

    return at ? xlm__get_le64(at) : 0;
}

uint64_t xlm__take_in(struct xlm__taker *t, uint64_t value, uint64_t least,
                      uint64_t most, const char *what)
{
    if (!t->rc && value > most)
        xlm__take_fail(t, "%" PRIu64 " %s, limit %" PRIu64, value, what, most);
    else if (!t->rc && value < least)
        xlm__take_fail(t, "%" PRIu64 " %s, at least %" PRIu64, value, what,
                       least);
    return value;
}

uint32_t xlm__take_flags(struct xlm__taker *t, uint32_t allowed)
{
    uint32_t flags = xlm__take_u32(t, "flags");

    if (flags & ~allowed)
        xlm__take_fail(t, "flags 0x%x, known are 0x%x", flags, allowed);
    return flags;
}

void xlm__take_reserved(struct xlm__taker *t)
{
    uint32_t v = xlm__take_u32(t, "reserved field");

    if (v)
        xlm__take_fail(t, "reserved field is 0x%x, not 0", v);
}

/* Length of the UTF-8 character at p (Unicode 15 table 3-7), 0 if there is
 * none. */
size_t xlm__utf8_char(const uint8_t *p, size_t left)
{
    uint8_t low = 0x80, high = 0xbf;
    size_t n;

    if (p[0] < 0x80)
        return p[0] >= 0x20 && p[0] != 0x7f;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] == 0xe0)
        low = 0xa0; /* shortest form   */
    if (p[0] == 0xed)
        high = 0x9f; /* no surrogates   */
    if (p[0] == 0xf0)
        low = 0x90; /* shortest form   */
    if (p[0] == 0xf4)
        high = 0x8f; /* up to U+10FFFF */
    if (left < n || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

void xlm__take_string(struct xlm__taker *t, char *out, size_t least,
                      size_t most, const char *what)
{
    uint32_t bytes = xlm__take_u32(t, what);
    const uint8_t *at;

    out[0] = '\0';
    if (t->rc)
        return;
    if (bytes > most || bytes < least) {
        xlm__take_fail(t, "%s of %u bytes, %zu to %zu allowed", what, bytes,
                       least, most);
        return;
    }
    at = xlm__take(t, bytes, what);
    if (!at)
        return;
    for (size_t i = 0; i < bytes;) {
        size_t n = xlm__utf8_char(at + i, bytes - i);

        if (!n) {
            xlm__take_fail(t, "%s: byte 0x%02x at %zu is no printable UTF-8",
                           what, at[i], i);
            return;
        }
        i += n;
    }
    memcpy(out, at, bytes);
    out[bytes] = '\0';
}

uint32_t xlm__take_domid(struct xlm__taker *t)
{
    return (uint32_t)xlm__take_in(t, xlm__take_u32(t, "domid"), 1,
                                  XLM__DOMID_MAX, "as domid");
}

int xlm__take_end(struct xlm__taker *t)
{
    if (!t->rc && t->at != t->end)
        xlm__take_fail(t, "%zu bytes after the last field",
                       (size_t)(t->end - t->at));
    return t->rc;
}
