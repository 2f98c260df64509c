/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "unpack"
#include "engine/unpack.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codec/delta.h"

_Static_assert(XLM__CODEC_MAX + 1 == XLM__PACKED_DELTA &&
                   XLM__PACKED_DELTA == XLM__PACKED_CODEC,
               "every number that the format allows is known");
_Static_assert(XLM__DELTA_PAGE_BYTES == XLM__PAGE_BYTES, "of one page");

static bool in_one_piece(size_t nr, void *const *pages)
{
    for (size_t i = 1; i < nr; i++)
        if ((char *)pages[i] != (char *)pages[i - 1] + XLM__PAGE_BYTES)
            return false;
    return true;
}

static int prepare(struct xlm__unpacker *u, struct xlm__errslot *err,
                   const struct xlm__codec_ops *codec, bool bounce)
{
    bool *ready = &u->ready[codec->id - 1];

    if (!*ready)
        *ready = codec->decoder_new(&u->decoders[codec->id - 1]);
    if (bounce && !u->bounce)
        u->bounce = malloc((size_t)XLM__PACKED_MAX * XLM__PAGE_BYTES);
    if (!*ready || (bounce && !u->bounce))
        return XLM_FAIL(err, XLM_ERR_NOMEM, "decoder for %s", codec->name);
    return 0;
}

/* Each of them has its words, and nothing else is there. */
static int check_changes(struct xlm__errslot *err, const struct xlm__rec *rec)
{
    const struct xlm__packed *p = &rec->u.packed;
    size_t at = 0, n;

    for (uint32_t i = 0; i < p->pages.nr; i++) {
        n = xlm__delta_bytes(p->at + at, p->bytes - at);
        if (!n)
            return XLM_FAIL(err, XLM_ERR_STREAM,
                            "PACKED at 0x%" PRIx64 ": %zu bytes are left for "
                            "the changes of pages %u to %u, too few or not "
                            "changes",
                            rec->offset, p->bytes - at, i, p->pages.nr - 1);
        at += n;
    }
    if (at == p->bytes)
        return 0;
    return XLM_FAIL(err, XLM_ERR_STREAM,
                    "PACKED at 0x%" PRIx64 ": %u bytes, but the changes of %u "
                    "pages are %zu",
                    rec->offset, p->bytes, p->pages.nr, at);
}

static int change(struct xlm__errslot *err, const struct xlm__rec *rec,
                  void *const *pages, const void *dropped)
{
    const struct xlm__packed *p = &rec->u.packed;
    const uint8_t *at = p->at;
    int rc = check_changes(err, rec);

    for (uint32_t i = 0; !rc && i < p->pages.nr; i++) {
        if (!xlm__delta_apply(at, pages[i]) && pages[i] != dropped)
            rc = XLM_FAIL(err, XLM_ERR_STREAM,
                          "PACKED at 0x%" PRIx64 ": page 0x%" PRIx64 " is not "
                          "what the source has changed",
                          rec->offset, p->pages.pfns[i]);
        at += xlm__delta_bytes(at, XLM__DELTA_BYTES_MAX);
    }
    return rc;
}

static int decode(struct xlm__unpacker *u, struct xlm__errslot *err,
                  const struct xlm__rec *rec, void *const *pages)
{
    const struct xlm__packed *p = &rec->u.packed;
    const struct xlm__codec_ops *codec = xlm__codec_find(p->codec);
    const size_t nr = p->pages.nr, bytes = nr * XLM__PAGE_BYTES;
    const bool bounce = !in_one_piece(nr, pages);
    int rc = prepare(u, err, codec, bounce);

    if (rc)
        return rc;
    if (!codec->decode(u->decoders[codec->id - 1], p->at, p->bytes,
                       bounce ? u->bounce : pages[0], bytes))
        return XLM_FAIL(err, XLM_ERR_STREAM,
                        "PACKED at 0x%" PRIx64 ": %u bytes of %s do not "
                        "unpack to the %zu of %zu pages",
                        rec->offset, p->bytes, codec->name, bytes, nr);
    for (size_t i = 0; bounce && i < nr; i++)
        memcpy(pages[i], u->bounce + i * XLM__PAGE_BYTES, XLM__PAGE_BYTES);
    return 0;
}

int xlm__unpack(struct xlm__unpacker *u, struct xlm__errslot *err,
                const struct xlm__rec *rec, void *const *pages,
                const void *dropped)
{
    return rec->u.packed.codec == XLM__PACKED_DELTA
               ? change(err, rec, pages, dropped)
               : decode(u, err, rec, pages);
}

void xlm__unpack_free(struct xlm__unpacker *u)
{
    for (uint32_t i = 0; i < XLM__CODEC_MAX; i++)
        if (u->ready[i])
            xlm__codec_find(i + 1)->decoder_free(u->decoders[i]);
    free(u->bounce);
    *u = (struct xlm__unpacker){ 0 };
}
