/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <emmintrin.h>
#include <stddef.h>

#include "hv/hv.h"
#include "mem/zero.h"

#define LINE 64 /* bytes of a cache line; SSE2 is part of x86-64 */

bool xlm__page_is_zero(const void *page)
{
    const __m128i *p = page;
    const __m128i zero = _mm_setzero_si128();

    for (size_t i = 0; i < XLM__PAGE_SIZE / LINE; i++, p += 4) {
        __m128i a = _mm_or_si128(_mm_load_si128(p), _mm_load_si128(p + 1));
        __m128i b = _mm_or_si128(_mm_load_si128(p + 2), _mm_load_si128(p + 3));

        if (_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_or_si128(a, b), zero)) !=
            0xffff)
            return false;
    }
    return true;
}
