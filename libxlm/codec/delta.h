/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A page given by what has changed in it: section 7, codec 3.
 *
 *      was, is ──> delta_make() ──> mask, crc, words ──> delta_apply() on was
 *
 * Pure functions on buffers, for any thread.  Neither page may change while
 * they run.
 */
#ifndef XLM_CODEC_DELTA_H
#define XLM_CODEC_DELTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XLM__DELTA_PAGE_BYTES 4096u
#define XLM__DELTA_HEAD_BYTES 72u /* without words */
#define XLM__DELTA_BYTES_MAX  (XLM__DELTA_HEAD_BYTES + XLM__DELTA_PAGE_BYTES)

/* What turns the page `was` into `is`, at out, where there is `room`; its
 * bytes, or 0 if they are more than that. */
size_t xlm__delta_make(const void *was, const void *is, void *out, size_t room);

/* Bytes of the delta at `at`, of at most `bytes`; 0: it is none. */
size_t xlm__delta_bytes(const uint8_t *at, size_t bytes);

/* Apply a delta that xlm__delta_bytes() has found to be whole.  False: it was
 * made of another page than this was. */
bool xlm__delta_apply(const uint8_t *at, void *page);

#endif /* XLM_CODEC_DELTA_H */
