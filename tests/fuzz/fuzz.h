/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every parser that is given bytes by somebody else, each behind one function
 * of a buffer: libFuzzer calls it (tests/fuzz/run), and "make check" replays
 * tests/fuzz/corpus/NAME through it.  A finding is a crash, a sanitizer's
 * report, or a failed FUZZ_CHECK.
 */
#ifndef XLM_TESTS_FUZZ_H
#define XLM_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NAME, most bytes of an input that still do something new */
#define FUZZ_MAP(X)                                                            \
    X(answer, 512)                                                             \
    X(body, 8192)                                                              \
    X(config, 16384)                                                           \
    X(control, 8192)                                                           \
    X(data, 8192)                                                              \
    X(delta, 8192)                                                             \
    X(greeting, 256)                                                           \
    X(hostconf, 2048)                                                          \
    X(mark, 1500)                                                              \
    X(options, 512)                                                            \
    X(packed, 8192)                                                            \
    X(qmp, 4096)                                                               \
    X(xlconfig, 8192)

#define FUZZ_DECLARE(name, most)                                               \
    int fuzz_##name(const uint8_t *data, size_t size);
FUZZ_MAP(FUZZ_DECLARE)
#undef FUZZ_DECLARE

/* As assert(), but never compiled out. */
#define FUZZ_CHECK(what)                                                       \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                           \
        }                                                                      \
    } while (0)

/* A copy with a NUL behind it, of exactly that size: reading further is seen.
 * To be freed. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    FUZZ_CHECK(text);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* Takes bytes off the front; zeroes when there are none left. */
struct fuzz_in {
    const uint8_t *at;
    size_t left;
};

static inline uint8_t fuzz_u8(struct fuzz_in *in)
{
    if (!in->left)
        return 0;
    in->left--;
    return *in->at++;
}

static inline uint32_t fuzz_le(struct fuzz_in *in, unsigned bytes)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < bytes; i++)
        v |= (uint32_t)fuzz_u8(in) << (8 * i);
    return v;
}

#endif /* XLM_TESTS_FUZZ_H */
