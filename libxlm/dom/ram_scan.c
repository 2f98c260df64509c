/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>

#include "base/log.h"
#include "dom/ram_scan.h"
#include "util/bitmap.h"

#define XLM_MODULE "dom"

#define CHUNK         XLM__MAP_MAX /* gfns asked for in one call             */
#define SPECIAL_FIRST 0xfc000u     /* hvmloader's RESERVED_MEMBASE; PVH has  */
                                   /* its ACPI tables there                  */
#define SPECIAL_END 0x100000u      /* 4 GiB                                  */
#define GAP_CHUNKS  4u /* a gap of 16 MiB ends low memory: more than the   */
                       /* legacy holes, less than 1 ms of asking           */

struct scan {
    struct xlm__hv *hv;
    uint32_t domid;
    uint64_t nr_pfns;
    uint64_t *ram;
    uint64_t *seen; /* a bit a chunk */
    uint64_t found;
    uint64_t expected; /* tot_pages when last read */
    bool complete;
};

static int read_expected(struct scan *s)
{
    struct xlm__dominfo info;
    bool exists = false;
    int rc = s->hv->ops->dominfo(s->hv, s->domid, &info, &exists);

    if (rc)
        return rc;
    if (!exists)
        return XLM_FAIL(s->hv->err, XLM_ERR_GUEST_ENDED, "domain %u is gone",
                        s->domid);
    s->expected = info.tot_pages;
    return 0;
}

/* Ask for one chunk, unless that was done; *nr_out: pages it has. */
static int scan_chunk(struct scan *s, uint64_t chunk, uint64_t *nr_out)
{
    uint64_t first = chunk * CHUNK, types[CHUNK];
    size_t nr = s->nr_pfns - first < CHUNK ? s->nr_pfns - first : CHUNK;
    int rc;

    *nr_out = 0;
    if (xlm__bitmap_test(s->seen, chunk))
        return 0;
    xlm__bitmap_set(s->seen, chunk);
    for (size_t i = 0; i < nr; i++)
        types[i] = first + i;
    rc = s->hv->ops->page_types(s->hv, s->domid, nr, types);
    if (rc)
        return rc;
    for (size_t i = 0; i < nr; i++) {
        if ((uint32_t)types[i] == XLM__PT_XTAB)
            continue;
        xlm__bitmap_set(s->ram, first + i);
        (*nr_out)++;
    }
    s->found += *nr_out;
    if (s->found == s->expected) {
        rc = read_expected(s);
        s->complete = s->found == s->expected;
    }
    return rc;
}

/* Chunks first .. end-1, up to max_gap empty ones in a row (0: all). */
static int scan_range(struct scan *s, uint64_t first, uint64_t end,
                      unsigned max_gap)
{
    uint64_t last = (s->nr_pfns + CHUNK - 1) / CHUNK;
    unsigned gap = 0;

    for (uint64_t c = first; c < end && c < last && !s->complete; c++) {
        uint64_t nr;
        int rc = scan_chunk(s, c, &nr);

        if (rc)
            return rc;
        gap = nr ? 0 : gap + 1;
        if (max_gap && gap >= max_gap)
            break;
    }
    return 0;
}

int xlm__ram_scan(struct xlm__hv *hv, uint32_t domid, uint64_t nr_pfns,
                  uint64_t *ram, uint64_t *nr_out)
{
    struct scan s = {
        .hv = hv, .domid = domid, .nr_pfns = nr_pfns, .ram = ram
    };
    int rc;

    s.seen = xlm__bitmap_alloc((nr_pfns + CHUNK - 1) / CHUNK);
    if (!s.seen)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "memory map of domain %u",
                        domid);
    rc = read_expected(&s);
    if (!rc)
        rc = scan_range(&s, 0, SPECIAL_FIRST / CHUNK, GAP_CHUNKS);
    if (!rc)
        rc = scan_range(&s, SPECIAL_FIRST / CHUNK, SPECIAL_END / CHUNK, 0);
    if (!rc)
        rc = scan_range(&s, SPECIAL_END / CHUNK, UINT64_MAX, 0);
    if (!rc)
        rc = scan_range(&s, 0, UINT64_MAX, 0);
    if (!rc && !s.complete)
        XLM_LOG(hv->err, INFO,
                "domain %u: %llu pages found in all of its %llu, Xen counts "
                "%llu",
                domid, (unsigned long long)s.found, (unsigned long long)nr_pfns,
                (unsigned long long)s.expected);
    free(s.seen);
    *nr_out = s.found;
    return rc;
}
