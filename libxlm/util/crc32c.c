/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "util/byteorder.h"
#include "util/crc32c.h"

/* 0x1EDC6F41 with its bits reversed. */
#define POLYNOMIAL 0x82f63b78u

/*
 * What a byte leaves in the register.  Written as constant expressions, so
 * that there is no table to set up at run time, by whichever thread is first.
 */
#define BIT(c)    ((c) >> 1 ^ (POLYNOMIAL & (0u - ((c)&1u))))
#define NIBBLE(c) BIT(BIT(BIT(BIT(c))))

/*
 * Two steps of four bits in place of one of eight: 64 bytes of table instead
 * of 1 KiB, and this is the path for processors without SSE4.2 only.
 */
static const uint32_t table[16] = {
    NIBBLE(0u),  NIBBLE(1u),  NIBBLE(2u),  NIBBLE(3u),
    NIBBLE(4u),  NIBBLE(5u),  NIBBLE(6u),  NIBBLE(7u),
    NIBBLE(8u),  NIBBLE(9u),  NIBBLE(10u), NIBBLE(11u),
    NIBBLE(12u), NIBBLE(13u), NIBBLE(14u), NIBBLE(15u),
};

uint32_t xlm__crc32c_table(uint32_t crc, const void *data, size_t bytes)
{
    const unsigned char *p = data;

    crc = ~crc;
    while (bytes--) {
        crc ^= *p++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t xlm__crc32c_sse42(uint32_t crc,
                                                             const void *data,
                                                             size_t bytes)
{
    const unsigned char *p = data;
    uint64_t reg = ~crc;

    for (; bytes >= 8; bytes -= 8, p += 8)
        reg = __builtin_ia32_crc32di(reg, xlm__get_le64(p));
    while (bytes--)
        reg = __builtin_ia32_crc32qi((uint32_t)reg, *p++);
    return ~(uint32_t)reg;
}

uint32_t xlm__crc32c(uint32_t crc, const void *data, size_t bytes)
{
    if (__builtin_cpu_supports("sse4.2"))
        return xlm__crc32c_sse42(crc, data, bytes);
    return xlm__crc32c_table(crc, data, bytes);
}
#else
uint32_t xlm__crc32c(uint32_t crc, const void *data, size_t bytes)
{
    return xlm__crc32c_table(crc, data, bytes);
}
#endif
