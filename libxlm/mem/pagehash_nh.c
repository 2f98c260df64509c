/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NH of a page; see pagehash.h. */
#include "config.h"

#include <string.h>

#include "hv/hv.h"
#include "mem/pagehash.h"

#define WORDS (XLM__PAGE_SIZE / sizeof(uint32_t))

static bool always(void)
{
    return true;
}

static uint64_t pair(const uint32_t *key, uint32_t a, uint32_t b)
{
    return (uint64_t)(uint32_t)(a + key[0]) * (uint32_t)(b + key[1]);
}

static void nh_plain(const uint32_t *key, const void *page,
                     uint64_t sums_out[XLM__NH_RUNS])
{
    const uint32_t *words = page;
    uint64_t sums[XLM__NH_RUNS] = { 0 };

    for (size_t i = 0; i < WORDS; i += 2) {
        const uint32_t a = words[i], b = words[i + 1];

        for (size_t t = 0; t < XLM__NH_RUNS; t++)
            sums[t] += pair(key + i + t * XLM__NH_SHIFT_WORDS, a, b);
    }
    memcpy(sums_out, sums, sizeof(sums));
}

#if defined(__x86_64__)
#include <immintrin.h>

/* Each 64-bit lane holds a pair: the product of its halves is added up. */
static inline __m128i add128(__m128i sum, __m128i words, const uint32_t *key)
{
    __m128i v = _mm_add_epi32(words, _mm_load_si128((const __m128i *)key));

    return _mm_add_epi64(sum, _mm_mul_epu32(v, _mm_srli_epi64(v, 32)));
}

static inline uint64_t fold128(__m128i sum)
{
    uint64_t lanes[2];

    _mm_storeu_si128((__m128i *)lanes, sum);
    return lanes[0] + lanes[1];
}

/* Part of every x86-64. */
static void nh_sse2(const uint32_t *key, const void *page,
                    uint64_t sums_out[XLM__NH_RUNS])
{
    const __m128i *in = page;
    __m128i a = _mm_setzero_si128(), b = a, c = a, d = a;

    for (size_t i = 0; i < XLM__PAGE_SIZE / sizeof(*in); i++, key += 4) {
        const __m128i words = _mm_load_si128(in + i);

        a = add128(a, words, key);
        b = add128(b, words, key + XLM__NH_SHIFT_WORDS);
        c = add128(c, words, key + 2 * XLM__NH_SHIFT_WORDS);
        d = add128(d, words, key + 3 * XLM__NH_SHIFT_WORDS);
    }
    sums_out[0] = fold128(a);
    sums_out[1] = fold128(b);
    sums_out[2] = fold128(c);
    sums_out[3] = fold128(d);
}

#define AVX2 __attribute__((target("avx2")))

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

AVX2 static inline __m256i add256(__m256i sum, __m256i words,
                                  const uint32_t *key)
{
    __m256i v = _mm256_add_epi32(words,
                                 _mm256_load_si256((const __m256i *)key));

    return _mm256_add_epi64(sum, _mm256_mul_epu32(v, _mm256_srli_epi64(v, 32)));
}

AVX2 static inline uint64_t fold256(__m256i sum)
{
    return fold128(_mm_add_epi64(_mm256_castsi256_si128(sum),
                                 _mm256_extracti128_si256(sum, 1)));
}

AVX2 static void nh_avx2(const uint32_t *key, const void *page,
                         uint64_t sums_out[XLM__NH_RUNS])
{
    const __m256i *in = page;
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;

    for (size_t i = 0; i < XLM__PAGE_SIZE / sizeof(*in); i++, key += 8) {
        const __m256i words = _mm256_load_si256(in + i);

        a = add256(a, words, key);
        b = add256(b, words, key + XLM__NH_SHIFT_WORDS);
        c = add256(c, words, key + 2 * XLM__NH_SHIFT_WORDS);
        d = add256(d, words, key + 3 * XLM__NH_SHIFT_WORDS);
    }
    sums_out[0] = fold256(a);
    sums_out[1] = fold256(b);
    sums_out[2] = fold256(c);
    sums_out[3] = fold256(d);
}
#endif

/* The fastest first. */
const struct xlm__nh xlm__nh_table[] = {
#if defined(__x86_64__)
    { "avx2", has_avx2, nh_avx2 },
    { "sse2", always, nh_sse2 },
#endif
    { "plain", always, nh_plain },
};
const size_t xlm__nh_count = sizeof(xlm__nh_table) / sizeof(xlm__nh_table[0]);
