/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <zstd.h>

#include "codec/codec.h"

static bool zstd_encoder_new(void **ctx_out)
{
    *ctx_out = ZSTD_createCCtx();
    return *ctx_out != NULL;
}

static void zstd_encoder_free(void *ctx)
{
    ZSTD_freeCCtx(ctx);
}

static bool zstd_decoder_new(void **ctx_out)
{
    *ctx_out = ZSTD_createDCtx();
    return *ctx_out != NULL;
}

static void zstd_decoder_free(void *ctx)
{
    ZSTD_freeDCtx(ctx);
}

/* Without a checksum, which is the default: the record has one. */
static size_t zstd_encode(void *ctx, int level, const void *raw,
                          size_t raw_bytes, void *out, size_t room)
{
    size_t n = ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, level);

    if (!ZSTD_isError(n))
        n = ZSTD_compress2(ctx, out, room, raw, raw_bytes);
    return ZSTD_isError(n) ? 0 : n;
}

/*
 * In one call, straight into out: unlike the streaming decoder this one needs
 * no memory for the window that a frame asks for.  It would accept several
 * frames, and skip some, which the first two checks refuse.
 */
static bool zstd_decode(void *ctx, const void *packed, size_t packed_bytes,
                        void *out, size_t raw_bytes)
{
    return ZSTD_getFrameContentSize(packed, packed_bytes) == raw_bytes &&
           ZSTD_findFrameCompressedSize(packed, packed_bytes) == packed_bytes &&
           ZSTD_decompressDCtx(ctx, out, raw_bytes, packed, packed_bytes) ==
               raw_bytes;
}

const struct xlm__codec_ops xlm__codec_zstd = {
    .name = "zstd",
    .id = XLM__CODEC_ZSTD,
    .encoder_new = zstd_encoder_new,
    .encoder_free = zstd_encoder_free,
    .decoder_new = zstd_decoder_new,
    .decoder_free = zstd_decoder_free,
    .encode = zstd_encode,
    .decode = zstd_decode,
};
