/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A growable buffer with a hard limit to write into, and a cursor to read
 * from bytes that somebody else chose.
 *
 * Both go bad once and stay bad: a caller appends or takes all it wants, then
 * asks once.  A bad buffer ignores appends; a bad cursor gives zeroes.
 */
#ifndef XLM_UTIL_BUF_H
#define XLM_UTIL_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum xlm__buf_state {
    XLM__BUF_GOOD = 0,
    XLM__BUF_FULL,  /* something did not fit below the limit */
    XLM__BUF_NOMEM, /* no memory to grow */
};

struct xlm__buf {
    unsigned char *data; /* owned; bytes of it are in use                  */
    size_t bytes;
    size_t allocated;
    size_t limit;
    enum xlm__buf_state state;
};

/* limit in bytes, never exceeded. */
void xlm__buf_init(struct xlm__buf *b, size_t limit);
/* Frees; safe on a zeroed or freed buffer. */
void xlm__buf_free(struct xlm__buf *b);
/* Empty and good again; keeps the memory. */
void xlm__buf_reset(struct xlm__buf *b);
/* The caller gets the data (to free()), the buffer is empty.  NULL if bad, or
 * if nothing was ever appended. */
unsigned char *xlm__buf_steal(struct xlm__buf *b, size_t *bytes_out);

static inline bool xlm__buf_bad(const struct xlm__buf *b)
{
    return b->state != XLM__BUF_GOOD;
}

/* Append room for `bytes` bytes, not initialised, valid until the next append;
 * NULL if the buffer is or goes bad. */
void *xlm__buf_extend(struct xlm__buf *b, size_t bytes);

void xlm__buf_put(struct xlm__buf *b, const void *data, size_t bytes);
void xlm__buf_put_u8(struct xlm__buf *b, uint8_t v);
void xlm__buf_put_le16(struct xlm__buf *b, uint16_t v);
void xlm__buf_put_le32(struct xlm__buf *b, uint32_t v);
void xlm__buf_put_le64(struct xlm__buf *b, uint64_t v);
void xlm__buf_put_zero(struct xlm__buf *b, size_t bytes);
/* Zero bytes up to the next multiple of align (a power of two). */
void xlm__buf_put_pad(struct xlm__buf *b, size_t align);
/* The characters only: neither length nor NUL. */
void xlm__buf_put_text(struct xlm__buf *b, const char *text);
/* u32 length, then the characters, no NUL: see xlm__cur_string(). */
void xlm__buf_put_string(struct xlm__buf *b, const char *text);
/* Formatted text without NUL. */
void xlm__buf_printf(struct xlm__buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Overwrite 4 bytes that are there already (a length known late). */
void xlm__buf_patch_le32(struct xlm__buf *b, size_t offset, uint32_t v);

struct xlm__cur {
    const unsigned char *data; /* borrowed */
    size_t bytes;
    size_t at;
    bool bad; /* something was asked for that is not there */
};

void xlm__cur_init(struct xlm__cur *c, const void *data, size_t bytes);

static inline size_t xlm__cur_left(const struct xlm__cur *c)
{
    return c->bytes - c->at;
}

/* Good, and everything was read. */
bool xlm__cur_done(const struct xlm__cur *c);

/* The next `bytes` bytes in place, NULL if they are not there. */
const void *xlm__cur_take(struct xlm__cur *c, size_t bytes);
/* Copies them; zeroes if they are not there. */
void xlm__cur_get(struct xlm__cur *c, void *out, size_t bytes);
uint8_t xlm__cur_u8(struct xlm__cur *c);
uint16_t xlm__cur_le16(struct xlm__cur *c);
uint32_t xlm__cur_le32(struct xlm__cur *c);
uint64_t xlm__cur_le64(struct xlm__cur *c);

/*
 * u32 length and that many characters: a new NUL-terminated string for the
 * caller to free().  NULL and bad if it is not there, longer than max_chars,
 * has a NUL in it, or (for which there is no other sign) no memory is left.
 */
char *xlm__cur_string(struct xlm__cur *c, size_t max_chars);

#endif /* XLM_UTIL_BUF_H */
