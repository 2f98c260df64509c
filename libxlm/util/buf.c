/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/byteorder.h"

#define FIRST_BYTES 256u /* most bodies that are no pages fit into this */

void xlm__buf_init(struct xlm__buf *b, size_t limit)
{
    memset(b, 0, sizeof(*b));
    b->limit = limit;
}

void xlm__buf_free(struct xlm__buf *b)
{
    free(b->data);
    b->data = NULL;
    b->bytes = 0;
    b->allocated = 0;
    b->state = XLM__BUF_GOOD;
}

void xlm__buf_reset(struct xlm__buf *b)
{
    b->bytes = 0;
    b->state = XLM__BUF_GOOD;
}

unsigned char *xlm__buf_steal(struct xlm__buf *b, size_t *bytes_out)
{
    unsigned char *data = b->data;

    if (xlm__buf_bad(b) || !data)
        return NULL;
    *bytes_out = b->bytes;
    b->data = NULL;
    xlm__buf_free(b);
    return data;
}

/* By doubling, so that n appends cost O(n). */
static bool grow(struct xlm__buf *b, size_t needed)
{
    size_t size = b->allocated ? b->allocated : FIRST_BYTES;
    unsigned char *data;

    while (size < needed && size <= b->limit / 2)
        size *= 2;
    if (size < needed || size > b->limit)
        size = b->limit;
    data = realloc(b->data, size);
    if (!data) {
        b->state = XLM__BUF_NOMEM;
        return false;
    }
    b->data = data;
    b->allocated = size;
    return true;
}

void *xlm__buf_extend(struct xlm__buf *b, size_t bytes)
{
    void *at;

    if (xlm__buf_bad(b))
        return NULL;
    if (bytes > b->limit - b->bytes || !b->limit) {
        b->state = XLM__BUF_FULL;
        return NULL;
    }
    if ((!b->data || bytes > b->allocated - b->bytes) &&
        !grow(b, b->bytes + bytes))
        return NULL;
    at = b->data + b->bytes;
    b->bytes += bytes;
    return at;
}

void xlm__buf_put(struct xlm__buf *b, const void *data, size_t bytes)
{
    void *at = xlm__buf_extend(b, bytes);

    if (at && bytes)
        memcpy(at, data, bytes);
}

void xlm__buf_put_zero(struct xlm__buf *b, size_t bytes)
{
    void *at = xlm__buf_extend(b, bytes);

    if (at)
        memset(at, 0, bytes);
}

void xlm__buf_put_pad(struct xlm__buf *b, size_t align)
{
    xlm__buf_put_zero(b, -b->bytes & (align - 1));
}

void xlm__buf_put_u8(struct xlm__buf *b, uint8_t v)
{
    xlm__buf_put(b, &v, sizeof(v));
}

void xlm__buf_put_le16(struct xlm__buf *b, uint16_t v)
{
    unsigned char le[sizeof(v)];

    xlm__put_le16(le, v);
    xlm__buf_put(b, le, sizeof(le));
}

void xlm__buf_put_le32(struct xlm__buf *b, uint32_t v)
{
    unsigned char le[sizeof(v)];

    xlm__put_le32(le, v);
    xlm__buf_put(b, le, sizeof(le));
}

void xlm__buf_put_le64(struct xlm__buf *b, uint64_t v)
{
    unsigned char le[sizeof(v)];

    xlm__put_le64(le, v);
    xlm__buf_put(b, le, sizeof(le));
}

void xlm__buf_put_text(struct xlm__buf *b, const char *text)
{
    xlm__buf_put(b, text, strlen(text));
}

void xlm__buf_put_string(struct xlm__buf *b, const char *text)
{
    const size_t bytes = strlen(text);

    if (bytes > UINT32_MAX) {
        b->state = XLM__BUF_FULL;
        return;
    }
    xlm__buf_put_le32(b, (uint32_t)bytes);
    xlm__buf_put(b, text, bytes);
}

void xlm__buf_printf(struct xlm__buf *b, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    int chars;

    va_start(ap, fmt);
    chars = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (chars < 0) {
        b->state = XLM__BUF_NOMEM;
        return;
    }
    xlm__buf_put(b, text, (size_t)chars);
    free(text);
}

void xlm__buf_patch_le32(struct xlm__buf *b, size_t offset, uint32_t v)
{
    if (xlm__buf_bad(b))
        return;
    assert(b->bytes >= sizeof(v) && offset <= b->bytes - sizeof(v));
    xlm__put_le32(b->data + offset, v);
}

void xlm__cur_init(struct xlm__cur *c, const void *data, size_t bytes)
{
    c->data = bytes ? data : (const void *)""; /* NULL + 0 is not defined */
    c->bytes = bytes;
    c->at = 0;
    c->bad = false;
}

bool xlm__cur_done(const struct xlm__cur *c)
{
    return !c->bad && c->at == c->bytes;
}

const void *xlm__cur_take(struct xlm__cur *c, size_t bytes)
{
    const unsigned char *at = c->data + c->at;

    if (c->bad || bytes > xlm__cur_left(c)) {
        c->bad = true;
        return NULL;
    }
    c->at += bytes;
    return at;
}

void xlm__cur_get(struct xlm__cur *c, void *out, size_t bytes)
{
    const void *at = xlm__cur_take(c, bytes);

    if (at)
        memcpy(out, at, bytes);
    else
        memset(out, 0, bytes);
}

uint8_t xlm__cur_u8(struct xlm__cur *c)
{
    uint8_t v;

    xlm__cur_get(c, &v, sizeof(v));
    return v;
}

uint16_t xlm__cur_le16(struct xlm__cur *c)
{
    unsigned char le[2];

    xlm__cur_get(c, le, sizeof(le));
    return xlm__get_le16(le);
}

uint32_t xlm__cur_le32(struct xlm__cur *c)
{
    unsigned char le[4];

    xlm__cur_get(c, le, sizeof(le));
    return xlm__get_le32(le);
}

uint64_t xlm__cur_le64(struct xlm__cur *c)
{
    unsigned char le[8];

    xlm__cur_get(c, le, sizeof(le));
    return xlm__get_le64(le);
}

char *xlm__cur_string(struct xlm__cur *c, size_t max_chars)
{
    const uint32_t chars = xlm__cur_le32(c);
    const char *at;
    char *copy = NULL;

    if (c->bad)
        return NULL;
    at = chars <= max_chars ? xlm__cur_take(c, chars) : NULL;
    if (at && !memchr(at, 0, chars))
        copy = strndup(at, chars);
    if (!copy)
        c->bad = true;
    return copy;
}
