/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the body_*.c files only. */
#ifndef XLM_STREAM_BODY_INT_H
#define XLM_STREAM_BODY_INT_H

#include "stream/body.h"

/* A body being taken apart.  The first thing wrong with it is recorded. */
struct xlm__taker {
    const struct xlm__body_ctx *ctx;
    const char *name; /* of the record */
    const uint8_t *at, *end;
    int rc;
};

/* "NAME at 0x1f40: message"; returns t->rc, which is set. */
int xlm__take_fail(struct xlm__taker *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* `bytes` bytes in place; NULL after recording that `what` is not there. */
const uint8_t *xlm__take(struct xlm__taker *t, size_t bytes, const char *what);
uint16_t xlm__take_u16(struct xlm__taker *t, const char *what);
uint32_t xlm__take_u32(struct xlm__taker *t, const char *what);
uint64_t xlm__take_u64(struct xlm__taker *t, const char *what);

/* What has to be in a range. */
uint64_t xlm__take_in(struct xlm__taker *t, uint64_t value, uint64_t least,
                      uint64_t most, const char *what);
/* u32 whose bits outside `allowed` are zero. */
uint32_t xlm__take_flags(struct xlm__taker *t, uint32_t allowed);
uint32_t xlm__take_domid(struct xlm__taker *t);
void xlm__take_reserved(struct xlm__taker *t);
/* A string of least..most bytes (section 1); out has most + 1. */
void xlm__take_string(struct xlm__taker *t, char *out, size_t least,
                      size_t most, const char *what);
/* Bytes of the character of a string at p, 0 if it is none. left >= 1. */
size_t xlm__utf8_char(const uint8_t *p, size_t left);
/* Nothing may be left. */
int xlm__take_end(struct xlm__taker *t);

/* body_build.c, body_data.c, body_xenstore.c */
void xlm__take_build(struct xlm__taker *t, struct xlm__build *out);
void xlm__take_built(struct xlm__taker *t, struct xlm__built *out);
void xlm__take_release(struct xlm__taker *t, struct xlm__list *out);
void xlm__take_zeros(struct xlm__taker *t, struct xlm__list *out);
void xlm__take_pages(struct xlm__taker *t, uint32_t length,
                     struct xlm__pages *out);
void xlm__take_packed(struct xlm__taker *t, struct xlm__packed *out);
void xlm__take_xenstore(struct xlm__taker *t, struct xlm__list *out);
/* body_verify.c: those of section 6.2; others have no body. */
void xlm__take_verify(struct xlm__taker *t, uint32_t type,
                      union xlm__body *out);

#endif /* XLM_STREAM_BODY_INT_H */
