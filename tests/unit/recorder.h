/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Collects the records that a dom emits or a sink relays. */
#ifndef XLM_TESTS_RECORDER_H
#define XLM_TESTS_RECORDER_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "libxlm.h"

#define RECORDER_MAX 64

struct recorder {
    unsigned nr;
    struct {
        uint32_t type;
        size_t bytes;
        unsigned char *body;
    } rec[RECORDER_MAX];
    unsigned fail_at; /* this record (1 = the next) is refused; 0: none */
};

static inline int recorder_take(struct recorder *r, uint32_t type,
                                size_t nr_parts, const struct iovec *parts)
{
    size_t bytes = 0, at = 0;
    unsigned char *body;

    if (r->fail_at && --r->fail_at == 0)
        return XLM_ERR_CHANNEL;
    assert(r->nr < RECORDER_MAX);
    for (size_t i = 0; i < nr_parts; i++)
        bytes += parts[i].iov_len;
    /* posix_memalign: not among the allocations that tests let fail */
    if (posix_memalign((void **)&body, 16, bytes + 1))
        abort();
    for (size_t i = 0; i < nr_parts; i++) {
        if (parts[i].iov_len)
            memcpy(body + at, parts[i].iov_base, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    r->rec[r->nr].type = type;
    r->rec[r->nr].bytes = bytes;
    r->rec[r->nr++].body = body;
    return 0;
}

/* As xlm__relay_fn. */
static inline int recorder_relay(void *user, uint32_t type, size_t nr_parts,
                                 const struct iovec *parts)
{
    return recorder_take(user, type, nr_parts, parts);
}

/* As xlm__emit_fn. */
static inline int recorder_emit(void *user, uint32_t type, const void *body,
                                size_t bytes)
{
    const struct iovec part = { (void *)(uintptr_t)body, bytes };

    return recorder_take(user, type, 1, &part);
}

static inline void recorder_clear(struct recorder *r)
{
    for (unsigned i = 0; i < r->nr; i++)
        free(r->rec[i].body);
    r->nr = 0;
}

#endif /* XLM_TESTS_RECORDER_H */
