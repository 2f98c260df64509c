/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <limits.h>
#include <lz4.h>
#include <stdlib.h>

#include "codec/codec.h"

#define ACCELERATION 1 /* the library's default */

static bool lz4_encoder_new(void **ctx_out)
{
    *ctx_out = malloc((size_t)LZ4_sizeofState());
    return *ctx_out != NULL;
}

/* Nothing is kept between two units. */
static bool lz4_decoder_new(void **ctx_out)
{
    *ctx_out = NULL;
    return true;
}

static size_t lz4_encode(void *ctx, int level, const void *raw,
                         size_t raw_bytes, void *out, size_t room)
{
    int n;

    (void)level;
    if (raw_bytes > LZ4_MAX_INPUT_SIZE || room > INT_MAX)
        return 0;
    n = LZ4_compress_fast_extState(ctx, raw, out, (int)raw_bytes, (int)room,
                                   ACCELERATION);
    return n > 0 ? (size_t)n : 0;
}

static bool lz4_decode(void *ctx, const void *packed, size_t packed_bytes,
                       void *out, size_t raw_bytes)
{
    (void)ctx;
    if (packed_bytes > INT_MAX || raw_bytes > INT_MAX)
        return false;
    return LZ4_decompress_safe(packed, out, (int)packed_bytes,
                               (int)raw_bytes) == (int)raw_bytes;
}

const struct xlm__codec_ops xlm__codec_lz4 = {
    .name = "lz4",
    .id = XLM__CODEC_LZ4,
    .encoder_new = lz4_encoder_new,
    .encoder_free = free,
    .decoder_new = lz4_decoder_new,
    .decoder_free = free,
    .encode = lz4_encode,
    .decode = lz4_decode,
};
