/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "codec/codec.h"

const struct xlm__codec_ops *xlm__codec_find(uint32_t id)
{
    switch (id) {
    case XLM__CODEC_LZ4:
        return &xlm__codec_lz4;
    case XLM__CODEC_ZSTD:
        return &xlm__codec_zstd;
    default:
        return NULL;
    }
}
