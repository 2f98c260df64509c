/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The destination's side of PACKED: contents into the guest's frames.
 *
 *      packed bytes ──> decoder ──> frames that follow each other
 *                          └──> bounce buffer ──> frames anywhere
 *      changed words ──> frames, as they were
 */
#ifndef XLM_ENGINE_UNPACK_H
#define XLM_ENGINE_UNPACK_H

#include "codec/codec.h"
#include "stream/record.h"

/* Of one channel's thread; all zero at first. */
struct xlm__unpacker {
    bool ready[XLM__CODEC_MAX]; /* by number of the codec, less 1 */
    void *decoders[XLM__CODEC_MAX];
    unsigned char *bounce; /* XLM__PACKED_MAX pages, from when it is needed */
};

/*
 * Fill pages[], one for each entry of the PACKED record rec; with codec 3, they
 * are changed.  Of those that are `dropped` (NULL: none) no result is expected.
 * Errors: STREAM (not what the record says: named), NOMEM; recorded in err.
 */
int xlm__unpack(struct xlm__unpacker *u, struct xlm__errslot *err,
                const struct xlm__rec *rec, void *const *pages,
                const void *dropped);
void xlm__unpack_free(struct xlm__unpacker *u);

#endif /* XLM_ENGINE_UNPACK_H */
