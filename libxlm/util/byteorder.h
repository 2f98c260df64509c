/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Integers in little-endian and big-endian bytes, at any alignment. */
#ifndef XLM_UTIL_BYTEORDER_H
#define XLM_UTIL_BYTEORDER_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t xlm__get_le16(const void *from)
{
    uint16_t v;

    memcpy(&v, from, sizeof(v));
    return le16toh(v);
}

static inline void xlm__put_le16(void *to, uint16_t v)
{
    v = htole16(v);
    memcpy(to, &v, sizeof(v));
}

static inline uint32_t xlm__get_le32(const void *from)
{
    uint32_t v;

    memcpy(&v, from, sizeof(v));
    return le32toh(v);
}

static inline void xlm__put_le32(void *to, uint32_t v)
{
    v = htole32(v);
    memcpy(to, &v, sizeof(v));
}

static inline uint64_t xlm__get_le64(const void *from)
{
    uint64_t v;

    memcpy(&v, from, sizeof(v));
    return le64toh(v);
}

static inline void xlm__put_le64(void *to, uint64_t v)
{
    v = htole64(v);
    memcpy(to, &v, sizeof(v));
}

static inline uint16_t xlm__get_be16(const void *from)
{
    uint16_t v;

    memcpy(&v, from, sizeof(v));
    return be16toh(v);
}

static inline void xlm__put_be16(void *to, uint16_t v)
{
    v = htobe16(v);
    memcpy(to, &v, sizeof(v));
}

static inline uint32_t xlm__get_be32(const void *from)
{
    uint32_t v;

    memcpy(&v, from, sizeof(v));
    return be32toh(v);
}

static inline void xlm__put_be32(void *to, uint32_t v)
{
    v = htobe32(v);
    memcpy(to, &v, sizeof(v));
}

static inline uint64_t xlm__get_be64(const void *from)
{
    uint64_t v;

    memcpy(&v, from, sizeof(v));
    return be64toh(v);
}

static inline void xlm__put_be64(void *to, uint64_t v)
{
    v = htobe64(v);
    memcpy(to, &v, sizeof(v));
}

#endif /* XLM_UTIL_BYTEORDER_H */
