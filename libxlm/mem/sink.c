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

/* If it is going, that is why: fails if so. */
static int check_exists(const struct xlm__sink *s, struct xlm__dominfo *dom)
{
    bool exists = true;

    /* Only for the message: what cannot be had stays 0. */
    if (s->hv->ops->dominfo(s->hv, s->domid, dom, &exists) ||
        (exists && !dom->dying))
        return 0;
    return XLM_FAIL(s->hv->err, XLM_ERR_TOOLSTACK,
                    "domain %u was destroyed while its memory came: xl "
                    "here gave it up, and says why in the log",
                    s->domid);
}

int xlm__sink_no_memory(const struct xlm__sink *s, size_t nr)
{
    struct xlm__hostinfo host = { 0 };
    struct xlm__dominfo dom = { 0 };
    int rc = check_exists(s, &dom);

    if (rc)
        return rc;
    s->hv->ops->hostinfo(s->hv, &host);
    return XLM_FAIL(
        s->hv->err, XLM_ERR_HYPERVISOR,
        "no memory for domain %u: %zu pages wanted, this host has "
        "%" PRIu64 " free, the domain has %" PRIu64 " of at most %" PRIu64,
        s->domid, nr, host.free_pages, dom.tot_pages, dom.max_pages);
}

static int not_mapped(const struct xlm__sink *s, uint64_t gfn, int error)
{
    struct xlm__dominfo dom = { 0 };
    int rc = check_exists(s, &dom);

    return rc ? rc
              : XLM_FAIL(s->hv->err, XLM_ERR_HYPERVISOR,
                         "map page %#" PRIx64 " of domain %u: error %d", gfn,
                         s->domid, error);
}

int xlm__sink_map(const struct xlm__sink *s, size_t nr, const uint64_t *gfns,
                  int *errs, struct xlm__map *out)
{
    int rc = s->hv->ops->map(s->hv, s->domid, true, nr, gfns, errs, out);

    for (size_t i = 0; i < nr && !rc; i++)
        if (errs[i])
            rc = not_mapped(s, gfns[i], errs[i]);
    if (rc && out->addr)
        s->hv->ops->unmap(s->hv, out);
    return rc;
}
