/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <emmintrin.h>
#include <stddef.h>

#include "hv/hv.h"
#include "mem/zero.h"

#define LINE 64 /* bytes of a cache line; SSE2 is part of x86-64 */

/* Processors fetch ahead within a page only, and most often the page behind
 * this one is next: without a hint each page begins with a wait for memory,
 * which is most of the time that zeros take.  (A hint to where nothing is has
 * no effect.) */
bool xlm__page_is_zero(const void *page)
{
    const __m128i *p = page;
    const __m128i zero = _mm_setzero_si128();

    for (size_t i = 0; i < XLM__PAGE_SIZE / LINE; i++, p += 4) {
        __m128i a, b;

        _mm_prefetch((const char *)p + XLM__PAGE_SIZE, _MM_HINT_T0);
        a = _mm_or_si128(_mm_load_si128(p), _mm_load_si128(p + 1));
        b = _mm_or_si128(_mm_load_si128(p + 2), _mm_load_si128(p + 3));
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_or_si128(a, b), zero)) !=
            0xffff)
            return false;
    }
    return true;
}
