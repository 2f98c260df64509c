/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of section 6.2: comparing all memory. */
#include "config.h"

#include "stream/record_int.h"

int xlm__send_verify(struct xlm__stream *s,
                     const uint8_t keys[XLM__VERIFY_BYTES])
{
    struct xlm__buf b;

    xlm__buf_init(&b, XLM__VERIFY_BYTES + 1);
    xlm__buf_put(&b, keys, XLM__VERIFY_BYTES);
    return xlm__send_body(s, XLM__REC_VERIFY, &b);
}

int xlm__send_spared(struct xlm__stream *s, size_t nr,
                     const struct xlm__extent *pages)
{
    struct xlm__buf b;

    xlm__buf_init(&b, 8 + 8 * XLM__SPARED_MAX + 1);
    xlm__buf_put_le32(&b, (uint32_t)nr);
    xlm__buf_put_le32(&b, 0);
    for (size_t i = 0; i < nr; i++)
        xlm__buf_put_le64(&b, pages[i].first | (uint64_t)pages[i].type
                                                   << XLM__ENTRY_SHIFT);
    return xlm__send_body(s, XLM__REC_SPARED, &b);
}

static void put_hashes(struct xlm__buf *b, size_t nr,
                       const struct xlm__wire_hash *hashes)
{
    for (size_t i = 0; i < nr; i++) {
        xlm__buf_put_le64(b, hashes[i].lo);
        xlm__buf_put_le64(b, hashes[i].hi);
    }
}

int xlm__send_sums(struct xlm__stream *s, size_t nr,
                   const struct xlm__wire_hash *sums)
{
    int rc = 0;

    for (size_t first = 0; first < nr && !rc; first += XLM__SUMS_MAX) {
        size_t part = nr - first < XLM__SUMS_MAX ? nr - first : XLM__SUMS_MAX;
        struct xlm__buf b;

        xlm__buf_init(&b, sizeof(struct xlm__wire_sums) +
                              XLM__HASH_BYTES * XLM__SUMS_MAX + 1);
        xlm__buf_put_le64(&b, first);
        xlm__buf_put_le32(&b, (uint32_t)part);
        xlm__buf_put_le32(&b, 0);
        put_hashes(&b, part, sums + first);
        rc = xlm__send_body(s, XLM__REC_SUMS, &b);
    }
    return rc;
}

int xlm__send_ask(struct xlm__stream *s, uint64_t sum)
{
    struct xlm__buf b;

    xlm__buf_init(&b, 8 + 1);
    xlm__buf_put_le64(&b, sum);
    return xlm__send_body(s, XLM__REC_ASK, &b);
}

int xlm__send_hashes(struct xlm__stream *s, uint64_t sum,
                     const struct xlm__wire_hash hashes[XLM__SUM_HASHES])
{
    struct xlm__buf b;

    xlm__buf_init(&b, 8 + XLM__HASH_BYTES * XLM__SUM_HASHES + 1);
    xlm__buf_put_le64(&b, sum);
    put_hashes(&b, XLM__SUM_HASHES, hashes);
    return xlm__send_body(s, XLM__REC_HASHES, &b);
}

int xlm__send_verified(struct xlm__stream *s, const struct xlm__verified *v)
{
    struct xlm__buf b;

    xlm__buf_init(&b, sizeof(struct xlm__wire_verified) + 1);
    xlm__buf_put_le64(&b, v->pages);
    xlm__buf_put_le64(&b, v->spared);
    xlm__buf_put_le64(&b, v->us);
    return xlm__send_body(s, XLM__REC_VERIFIED, &b);
}
