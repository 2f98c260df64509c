/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "toolstack/xlstream.h"

#include <string.h>

#include "util/byteorder.h"

/* xl.h: struct save_file_header */
#define XL_MAGIC          "Xen saved domain, xl format\n \0 \r"
#define XL_MAGIC_BYTES    32
#define XL_BYTEORDER      0x01020304u
#define XL_FLAG_JSON      (1u << 0)
#define XL_FLAG_STREAM_V2 (1u << 1)

/* libxl_sr_stream_format.h */
#define LIBXL_IDENT                0x4c6962786c466d74u
#define LIBXL_VERSION_2            2u
#define LIBXL_REC_END              0u
#define LIBXL_REC_LIBXC_CONTEXT    1u
#define LIBXL_REC_EMULATOR_CONTEXT 3u
#define LIBXL_EMULATOR_QEMU_XEN    2u

/* xg_sr_stream_format.h */
#define LIBXC_MARKER     UINT64_MAX
#define LIBXC_IDENT      0x58454e46u
#define LIBXC_VERSION_3  3u
#define LIBXC_TYPE_PV    1u
#define LIBXC_TYPE_HVM   2u
#define LIBXC_PAGE_SHIFT 12

static void put_be32(struct xlm__buf *b, uint32_t v)
{
    unsigned char bytes[4];

    xlm__put_be32(bytes, v);
    xlm__buf_put(b, bytes, sizeof(bytes));
}

static void put_be64(struct xlm__buf *b, uint64_t v)
{
    unsigned char bytes[8];

    xlm__put_be64(bytes, v);
    xlm__buf_put(b, bytes, sizeof(bytes));
}

static void put_rec_header(struct xlm__buf *b, uint32_t type, uint32_t length)
{
    xlm__buf_put_le32(b, type);
    xlm__buf_put_le32(b, length);
}

void xlm__xlstream_begin(struct xlm__buf *b, const char *json)
{
    static const char magic[XL_MAGIC_BYTES] = XL_MAGIC;
    const size_t json_bytes = strlen(json) + 1;

    xlm__buf_put(b, magic, sizeof(magic));
    xlm__buf_put_le32(b, XL_BYTEORDER);
    xlm__buf_put_le32(b, XL_FLAG_JSON | XL_FLAG_STREAM_V2);
    xlm__buf_put_le32(b, 0);
    xlm__buf_put_le32(b, (uint32_t)(4 + json_bytes));
    xlm__buf_put_le32(b, (uint32_t)json_bytes);
    xlm__buf_put(b, json, json_bytes);

    put_be64(b, LIBXL_IDENT);
    put_be32(b, LIBXL_VERSION_2);
    put_be32(b, 0);
}

void xlm__xlstream_libxc_begin(struct xlm__buf *b, bool pv,
                               uint32_t xen_version)
{
    put_rec_header(b, LIBXL_REC_LIBXC_CONTEXT, 0);

    xlm__buf_put_le64(b, LIBXC_MARKER);
    put_be32(b, LIBXC_IDENT);
    put_be32(b, LIBXC_VERSION_3);
    xlm__buf_put_zero(b, 8); /* options: little-endian; reserved */

    xlm__buf_put_le32(b, pv ? LIBXC_TYPE_PV : LIBXC_TYPE_HVM);
    xlm__buf_put_le16(b, LIBXC_PAGE_SHIFT);
    xlm__buf_put_le16(b, 0);
    xlm__buf_put_le32(b, xen_version >> 16);
    xlm__buf_put_le32(b, xen_version & 0xffff);
}

void xlm__xlstream_end(struct xlm__buf *b, const void *dm, size_t dm_bytes)
{
    put_rec_header(b, XLM__LIBXC_REC_END, 0);
    if (dm) {
        put_rec_header(b, LIBXL_REC_EMULATOR_CONTEXT, (uint32_t)(8 + dm_bytes));
        xlm__buf_put_le32(b, LIBXL_EMULATOR_QEMU_XEN);
        xlm__buf_put_le32(b, 0);
        xlm__buf_put(b, dm, dm_bytes);
        xlm__buf_put_zero(b, -dm_bytes & 7);
    }
    put_rec_header(b, LIBXL_REC_END, 0);
}

size_t xlm__xlstream_record(struct xlm__xlrec_frame *frame, uint32_t type,
                            size_t nr_parts, const struct iovec *parts,
                            struct iovec *iov)
{
    size_t bytes = 0;
    size_t n = 0;

    iov[n++] = (struct iovec){ frame->header, sizeof(frame->header) };
    for (size_t i = 0; i < nr_parts; i++) {
        if (parts[i].iov_len > XLM__LIBXC_REC_MAX - bytes)
            return 0;
        bytes += parts[i].iov_len;
        if (parts[i].iov_len)
            iov[n++] = parts[i];
    }
    if (bytes & 7) {
        memset(frame->pad, 0, sizeof(frame->pad));
        iov[n++] = (struct iovec){ frame->pad, -bytes & 7 };
    }
    xlm__put_le32(frame->header, type);
    xlm__put_le32(frame->header + 4, (uint32_t)bytes);
    return n;
}
