/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CRC-32C (Castagnoli), as of RFC 3720 appendix B.4. */
#ifndef XLM_UTIL_CRC32C_H
#define XLM_UTIL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC of `bytes` bytes, going on from the CRC of what came before; start with
 * 0.  crc32c(crc32c(0, a), b) is the CRC of a followed by b.
 */
uint32_t xlm__crc32c(uint32_t crc, const void *data, size_t bytes);

/* The two ways to compute it, for tests.  The second needs SSE4.2. */
uint32_t xlm__crc32c_table(uint32_t crc, const void *data, size_t bytes);
#if defined(__x86_64__)
uint32_t xlm__crc32c_sse42(uint32_t crc, const void *data, size_t bytes);
#endif

#endif /* XLM_UTIL_CRC32C_H */
