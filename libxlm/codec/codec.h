/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Encodings of page contents: many bytes into fewer, and exactly back.
 *
 *      raw bytes ──> encode() ──> packed bytes ──> decode() ──> raw bytes
 *
 * Pure functions on buffers: none knows what the bytes are or where they go.
 * The raw bytes must not change while encode() runs (it reads them more than
 * once), so those of a running guest are copied first.
 *
 * A context belongs to one thread at a time and is reused: its memory does not
 * depend on what a peer sends.
 */
#ifndef XLM_CODEC_CODEC_H
#define XLM_CODEC_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers of doc/stream-format.md section 7. */
enum xlm__codec_id {
    XLM__CODEC_LZ4 = 1,  /* LZ4 block format                               */
    XLM__CODEC_ZSTD = 2, /* one Zstandard frame                            */
};
#define XLM__CODEC_MAX 2u

/* Zstandard's: negative is faster, positive is smaller.  Above 9 nothing is
 * gained that pages of memory are worth. */
#define XLM__CODEC_LEVEL_MIN (-5)
#define XLM__CODEC_LEVEL_MAX 9

struct xlm__codec_ops {
    const char *name;
    uint32_t id; /* enum xlm__codec_id */

    /* Any thread.  False without memory.  Freed by free(). */
    bool (*encoder_new)(void **ctx_out);
    void (*encoder_free)(void *ctx);
    bool (*decoder_new)(void **ctx_out);
    void (*decoder_free)(void *ctx);

    /* Bytes written to out, at most `room`; 0 if they do not fit into it.
     * level: XLM__CODEC_LEVEL_MIN..MAX, never 0; ignored by LZ4. */
    size_t (*encode)(void *ctx, int level, const void *raw, size_t raw_bytes,
                     void *out, size_t room);

    /* True if `packed` is exactly one unit of exactly raw_bytes bytes, which
     * are then at out.  Never writes beyond out + raw_bytes.  After false, out
     * holds anything. */
    bool (*decode)(void *ctx, const void *packed, size_t packed_bytes,
                   void *out, size_t raw_bytes);
};

extern const struct xlm__codec_ops xlm__codec_lz4, xlm__codec_zstd;

/* NULL if there is none with that number. */
const struct xlm__codec_ops *xlm__codec_find(uint32_t id);

#endif /* XLM_CODEC_CODEC_H */
