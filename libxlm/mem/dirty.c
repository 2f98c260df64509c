/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>

#include "mem/dirty_impl.h"
#include "util/bitmap.h"

#define XLM_MODULE "mem"

struct none {
    struct xlm__dirty base; /* must be first */
    const uint64_t *ram;
};

int xlm__dirty_sending_nothing(struct xlm__dirty *d, struct xlm__batch *b)
{
    (void)d;
    (void)b;
    return 0;
}

static void none_close(struct xlm__dirty *d)
{
    free(d);
}

static int none_fetch(struct xlm__dirty *d, bool final, uint64_t *bitmap,
                      uint64_t *nr_out)
{
    (void) final;
    xlm__bitmap_copy(bitmap, ((struct none *)d)->ram, d->dom->nr_pfns);
    *nr_out = xlm__bitmap_count(bitmap, d->dom->nr_pfns);
    return 0;
}

static const struct xlm__dirty_ops none_ops = {
    .close = none_close,
    .fetch = none_fetch,
    .sending = xlm__dirty_sending_nothing,
};

int xlm__dirty_open_none(struct xlm__dom *dom, const uint64_t *ram,
                         struct xlm__dirty **dirty_out)
{
    struct none *n = calloc(1, sizeof(*n));

    if (!n)
        return XLM_FAIL(dom->hv->err, XLM_ERR_NOMEM, "dirty pages of domain %u",
                        dom->domid);
    n->base.ops = &none_ops;
    n->base.dom = dom;
    n->base.way = XLM__DIRTY_NONE;
    n->ram = ram;
    *dirty_out = &n->base;
    return 0;
}

static int refused(struct xlm__dom *dom)
{
    return XLM_FAIL(dom->hv->err, XLM_ERR_INCOMPATIBLE,
                    "domain %u: Xen has no log-dirty mode for it", dom->domid);
}

int xlm__dirty_open(struct xlm__dom *dom, const struct xlm__dirty_params *p,
                    struct xlm__dirty **dirty_out)
{
    struct xlm__dirty *d = NULL;
    int rc = 0;

    if (p->want == XLM__DIRTY_AUTO || p->want == XLM__DIRTY_LOG)
        rc = xlm__dirty_open_log(dom, p->ram, &d);
    if (!rc && !d && p->want == XLM__DIRTY_LOG)
        rc = refused(dom);
    else if (!rc && !d && p->want == XLM__DIRTY_NONE)
        rc = xlm__dirty_open_none(dom, p->ram, &d);
    else if (!rc && !d)
        rc = xlm__dirty_open_scan(dom, p, &d);
    if (!rc)
        *dirty_out = d;
    return rc;
}
