/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "dom/spared.h"

#include <stdlib.h>
#include <xen/xen.h>

#include <xen/hvm/params.h>

#include "util/bitmap.h"

#define XLM_MODULE "dom"

const char *xlm__spared_name(unsigned kind)
{
    static const char *const names[] = {
        [XLM__SPARED_XENSTORE] = "xenstore",
        [XLM__SPARED_CONSOLE] = "console",
        [XLM__SPARED_IOREQ] = "ioreq",
        [XLM__SPARED_BUFIOREQ] = "buffered ioreq",
        [XLM__SPARED_IOREQ_SERVER] = "ioreq server",
        [XLM__SPARED_VM86_TSS] = "vm86 tss",
        [XLM__SPARED_GRANTED] = "mapped by back ends",
        [XLM__SPARED_LATE] = "written after the suspend",
    };

    return kind < sizeof(names) / sizeof(*names) && names[kind] ? names[kind]
                                                                : "other";
}

struct list {
    struct xlm__dom *dom;
    const uint64_t *ram;
    struct xlm__spared *pages;
    size_t nr, most;
};

static void add(struct list *l, uint64_t pfn, enum xlm__spared_kind kind)
{
    if (pfn && pfn < l->dom->nr_pfns && l->nr < l->most)
        l->pages[l->nr++] = (struct xlm__spared){ pfn, kind };
}

/* ---- pages that Xen and the toolstack have for a translated guest ---- */

static int param(struct list *l, unsigned index, uint64_t *out)
{
    struct xlm__hv *hv = l->dom->hv;

    return hv->ops->hvm_param_get(hv, l->dom->domid, index, out);
}

static int add_single(struct list *l)
{
    static const struct {
        unsigned index;
        enum xlm__spared_kind kind;
    } single[] = {
        { HVM_PARAM_STORE_PFN, XLM__SPARED_XENSTORE },
        { HVM_PARAM_CONSOLE_PFN, XLM__SPARED_CONSOLE },
        { HVM_PARAM_IOREQ_PFN, XLM__SPARED_IOREQ },
        { HVM_PARAM_BUFIOREQ_PFN, XLM__SPARED_BUFIOREQ },
    };
    uint64_t value;
    int rc = 0;

    for (size_t i = 0; i < sizeof(single) / sizeof(*single) && !rc; i++) {
        rc = param(l, single[i].index, &value);
        if (!rc)
            add(l, value, single[i].kind);
    }
    return rc;
}

static int add_ioreq_servers(struct list *l)
{
    uint64_t first, nr = 0;
    int rc = param(l, HVM_PARAM_IOREQ_SERVER_PFN, &first);

    if (!rc)
        rc = param(l, HVM_PARAM_NR_IOREQ_SERVER_PAGES, &nr);
    for (uint64_t i = 0; !rc && first && i < nr && i < XLM__MAP_MAX; i++)
        add(l, first + i, XLM__SPARED_IOREQ_SERVER);
    return rc;
}

/* Address in the lower half, bytes in the upper. */
static int add_tss(struct list *l)
{
    uint64_t value, first, last;
    int rc = param(l, HVM_PARAM_VM86_TSS_SIZED, &value);

    if (rc || !value)
        return rc;
    first = (uint32_t)value >> XLM__PAGE_SHIFT;
    last = ((uint32_t)value + (value >> 32 & 0xffff)) >> XLM__PAGE_SHIFT;
    for (uint64_t pfn = first; pfn <= last; pfn++)
        add(l, pfn, XLM__SPARED_VM86_TSS);
    return 0;
}

/* ---- pages that back ends write to ---- */

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* PV: which pfns are in these frames? */
static int add_frames(struct list *l, size_t nr, uint64_t *frames)
{
    uint64_t pfns[XLM__MAP_MAX], gfns[XLM__MAP_MAX];
    const uint64_t nr_pfns = l->dom->nr_pfns;
    uint64_t next = 0;
    int rc = 0;

    qsort(frames, nr, sizeof(*frames), by_value);
    while (!rc && next < nr_pfns) {
        size_t n = 0;

        for (; n < XLM__MAP_MAX; n++) {
            next = xlm__bitmap_next(l->ram, nr_pfns, next);
            if (next >= nr_pfns)
                break;
            pfns[n] = next++;
        }
        rc = n ? l->dom->ops->gfns(l->dom, n, pfns, gfns) : 0;
        for (size_t i = 0; i < n && !rc; i++)
            if (bsearch(&gfns[i], frames, nr, sizeof(*frames), by_value))
                add(l, pfns[i], XLM__SPARED_GRANTED);
    }
    return rc;
}

static int add_granted(struct list *l, bool hvm)
{
    struct xlm__hv *hv = l->dom->hv;
    uint64_t *gfns = NULL;
    size_t nr = 0;
    int rc = hv->ops->grants_written(hv, l->dom->domid, &gfns, &nr);

    if (!rc && nr && !hvm)
        rc = add_frames(l, nr, gfns);
    for (size_t i = 0; i < nr && hvm && !rc; i++)
        add(l, gfns[i], XLM__SPARED_GRANTED);
    free(gfns);
    return rc;
}

/* ---- */

static int by_pfn(const void *a, const void *b)
{
    const struct xlm__spared *x = a, *y = b;

    if (x->pfn != y->pfn)
        return x->pfn < y->pfn ? -1 : 1;
    return (int)x->kind - (int)y->kind;
}

static size_t sort_out(struct xlm__spared *pages, size_t nr)
{
    size_t kept = 0;

    qsort(pages, nr, sizeof(*pages), by_pfn);
    for (size_t i = 0; i < nr; i++)
        if (!kept || pages[kept - 1].pfn != pages[i].pfn)
            pages[kept++] = pages[i];
    return kept;
}

int xlm__spared_find(struct xlm__dom *dom, const struct xlm__dominfo *info,
                     const uint64_t *ram, size_t most, struct xlm__spared **out,
                     size_t *nr_out)
{
    struct list l = { .dom = dom, .ram = ram, .most = most };
    int rc;

    l.pages = malloc(most * sizeof(*l.pages));
    if (!l.pages)
        return XLM_FAIL(dom->hv->err, XLM_ERR_NOMEM, "list of %zu pages", most);
    rc = info->hvm ? add_single(&l) : 0;
    if (!rc && info->hvm)
        rc = add_ioreq_servers(&l);
    if (!rc && info->hvm)
        rc = add_tss(&l);
    if (!rc)
        rc = add_granted(&l, info->hvm);
    if (rc) {
        free(l.pages);
        return rc;
    }
    *nr_out = sort_out(l.pages, l.nr);
    *out = l.pages;
    return 0;
}
