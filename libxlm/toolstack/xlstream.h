/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What "xl migrate-receive" wants to read: xl's save header with the domain's
 * configuration, then libxl's stream, which wraps libxc's:
 *
 *   | xl header, JSON | libxl header | LIBXC_CONTEXT |
 *   | libxc image and domain header | libxc records ... END |
 *   | EMULATOR_CONTEXT (HVM) | libxl END |
 *
 * Formats: xl.h (struct save_file_header), docs/specs/libxl-migration-stream
 * and docs/specs/libxc-migration-stream of Xen 4.14 to 4.20.  Pure functions.
 */
#ifndef XLM_TOOLSTACK_XLSTREAM_H
#define XLM_TOOLSTACK_XLSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "util/buf.h"

/* Messages of xl's dialogue; the banner is sent without its NUL, the others
 * with it. */
#define XLM__XL_BANNER "xl migration receiver ready, send binary domain data.\n"
#define XLM__XL_READY  "domain received, ready to unpause"
#define XLM__XL_GO     "domain is yours, you are cleared to unpause"
#define XLM__XL_REPORT "my copy unpause results are as follows"

#define XLM__LIBXC_REC_END     0u
#define XLM__LIBXC_REC_MAX     (128u << 20) /* REC_LENGTH_MAX of libxenguest */
#define XLM__LIBXL_DM_MAX      (64u << 20)
#define XLM__XLSTREAM_MAX_JSON (1u << 20)

/* xl header with the configuration, and libxl header. */
void xlm__xlstream_begin(struct xlm__buf *b, const char *json);
/* LIBXC_CONTEXT and both headers of libxc.  xen_version as of XENVER_version:
 * major << 16 | minor. */
void xlm__xlstream_libxc_begin(struct xlm__buf *b, bool pv,
                               uint32_t xen_version);
/* libxc END, the device model's state if there is one, libxl END. */
void xlm__xlstream_end(struct xlm__buf *b, const void *dm, size_t dm_bytes);

/* Header and padding of one libxc record around parts that stay where they
 * are.  frame must live as long as iov. */
struct xlm__xlrec_frame {
    unsigned char header[8];
    unsigned char pad[8];
};
/* iov has room for nr_parts + 2; returns how many are used, 0 if the record
 * would be longer than XLM__LIBXC_REC_MAX. */
size_t xlm__xlstream_record(struct xlm__xlrec_frame *frame, uint32_t type,
                            size_t nr_parts, const struct iovec *parts,
                            struct iovec *iov);

#endif /* XLM_TOOLSTACK_XLSTREAM_H */
