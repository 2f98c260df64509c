/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <inttypes.h>

#include "mem/sink_impl.h"

#define XLM_MODULE "mem"

bool xlm__sink_type_known(uint32_t type)
{
    if (type & 0x0fffffffu)
        return false;
    if (type == XLM__PT_BROKEN || type == XLM__PT_XALLOC ||
        type == XLM__PT_XTAB)
        return true;
    return (type & XLM__PT_LTABMASK) >> 28 <= 4;
}

bool xlm__sink_type_has_content(uint32_t type)
{
    return type < XLM__PT_BROKEN;
}

int xlm__sink_check(const struct xlm__sink *s, size_t nr, const uint64_t *pfns,
                    const uint32_t *types)
{
    if (nr > XLM__JOB_MAX)
        return XLM_FAIL(s->hv->err, XLM_ERR_STREAM,
                        "%zu pages at once, limit %u", nr, XLM__JOB_MAX);
    for (size_t i = 0; i < nr; i++) {
        if (pfns[i] >= s->nr_pfns)
            return XLM_FAIL(s->hv->err, XLM_ERR_STREAM,
                            "page %#" PRIx64 ", limit %#" PRIx64, pfns[i],
                            s->nr_pfns);
        if (!xlm__sink_type_known(types[i]))
            return XLM_FAIL(s->hv->err, XLM_ERR_STREAM,
                            "page %#" PRIx64 ": no type %#" PRIx32, pfns[i],
                            types[i]);
    }
    return 0;
}

int xlm__sink_check_range(const struct xlm__sink *s, uint64_t first,
                          uint64_t nr)
{
    if (first < s->nr_pfns && nr <= s->nr_pfns - first)
        return 0;
    return XLM_FAIL(s->hv->err, XLM_ERR_STREAM,
                    "%" PRIu64 " pages from %#" PRIx64 ", limit %#" PRIx64, nr,
                    first, s->nr_pfns);
}

int xlm__sink_check_zero(const struct xlm__sink *s, uint64_t first, uint64_t nr,
                         uint32_t type)
{
    if (!xlm__sink_type_known(type) || !xlm__sink_type_has_content(type))
        return XLM_FAIL(s->hv->err, XLM_ERR_STREAM,
                        "zero pages from %#" PRIx64 " of type %#" PRIx32, first,
                        type);
    return xlm__sink_check_range(s, first, nr);
}
