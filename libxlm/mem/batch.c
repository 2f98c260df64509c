/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "mem/batch.h"
#include "mem/zero.h"
#include "util/bitmap.h"

#define XLM_MODULE "mem"

_Static_assert(XLM__BATCH_MAX <= XLM__MAP_MAX, "one call has to do");

void xlm__ranges_begin(struct xlm__ranges *r, const uint64_t *bitmap,
                       uint64_t nr_pfns)
{
    r->bitmap = bitmap;
    r->nr_pfns = nr_pfns;
    atomic_store(&r->next, 0);
}

size_t xlm__ranges_take(struct xlm__ranges *r, uint64_t pfns[XLM__BATCH_MAX])
{
    size_t nr = 0;

    while (nr <= XLM__BATCH_MAX - XLM__RANGE_PAGES) {
        uint64_t first = atomic_fetch_add(&r->next, XLM__RANGE_PAGES);
        uint64_t end = first + XLM__RANGE_PAGES;

        if (first >= r->nr_pfns)
            break;
        if (end > r->nr_pfns)
            end = r->nr_pfns;
        for (uint64_t pfn = xlm__bitmap_next(r->bitmap, end, first); pfn < end;
             pfn = xlm__bitmap_next(r->bitmap, end, pfn + 1))
            pfns[nr++] = pfn;
    }
    return nr;
}

struct xlm__batch {
    struct xlm__dom *dom;
    size_t nr;
    struct xlm__entry entries[XLM__BATCH_MAX];
    struct xlm__map map;
    unsigned char *copies; /* grown when first needed: PV page tables */
    size_t nr_copies;
    unsigned char *privates; /* grown when first needed: content scan */
    size_t nr_privates;
    /* Scratch of load(): of each pfn; of each page that gets mapped. */
    uint64_t gfns[XLM__BATCH_MAX], types[XLM__BATCH_MAX];
    uint64_t map_gfns[XLM__BATCH_MAX];
    int map_errs[XLM__BATCH_MAX];
};

int xlm__batch_new(struct xlm__dom *dom, struct xlm__batch **out)
{
    struct xlm__batch *b = calloc(1, sizeof(*b));

    if (!b)
        return XLM_FAIL(dom->hv->err, XLM_ERR_NOMEM, "batch of %u pages",
                        XLM__BATCH_MAX);
    b->dom = dom;
    *out = b;
    return 0;
}

void xlm__batch_free(struct xlm__batch *b)
{
    if (!b)
        return;
    xlm__batch_unload(b);
    free(b->copies);
    free(b->privates);
    free(b);
}

void xlm__batch_unload(struct xlm__batch *b)
{
    if (b->map.addr)
        b->dom->hv->ops->unmap(b->dom->hv, &b->map);
    b->nr = 0;
}

const struct xlm__entry *xlm__batch_entries(const struct xlm__batch *b,
                                            size_t *nr_out)
{
    *nr_out = b->nr;
    return b->entries;
}

static bool has_content(uint32_t type)
{
    return type < XLM__PT_BROKEN;
}

/* Where pages are and what they are; drops those that are no more. */
static int look_up(struct xlm__batch *b, size_t nr, const uint64_t *pfns,
                   uint64_t *gone)
{
    struct xlm__dom *dom = b->dom;
    int rc = dom->ops->gfns(dom, nr, pfns, b->gfns);

    if (rc)
        return rc;
    memcpy(b->types, b->gfns, nr * sizeof(*b->types));
    rc = dom->hv->ops->page_types(dom->hv, dom->domid, nr, b->types);
    if (rc)
        return rc;
    for (size_t i = 0; i < nr; i++) {
        uint32_t type = (uint32_t)b->types[i];

        if (b->gfns[i] == UINT64_MAX || type == XLM__PT_XTAB) {
            xlm__bitmap_atomic_set(gone, pfns[i]);
            continue;
        }
        b->entries[b->nr++] = (struct xlm__entry){
            .pfn = pfns[i],
            .type = type,
            .kind = has_content(type) ? XLM__ENTRY_DATA : XLM__ENTRY_TYPE,
        };
        b->gfns[b->nr - 1] = b->gfns[i];
    }
    return 0;
}

static int map_content(struct xlm__batch *b)
{
    struct xlm__hv *hv = b->dom->hv;
    size_t nr = 0;

    for (size_t i = 0; i < b->nr; i++) {
        if (b->entries[i].kind == XLM__ENTRY_DATA)
            b->map_gfns[nr++] = b->gfns[i];
    }
    if (!nr)
        return 0;
    return hv->ops->map(hv, b->dom->domid, false, nr, b->map_gfns, b->map_errs,
                        &b->map);
}

static int grow(struct xlm__batch *b, size_t nr, unsigned char **pages,
                size_t *nr_pages)
{
    unsigned char *more;

    if (nr <= *nr_pages)
        return 0;
    more = aligned_alloc(XLM__PAGE_SIZE, nr * XLM__PAGE_SIZE);
    if (!more)
        return XLM_FAIL(b->dom->hv->err, XLM_ERR_NOMEM, "copies of %zu pages",
                        nr);
    free(*pages);
    *pages = more;
    *nr_pages = nr;
    return 0;
}

static int reserve_copies(struct xlm__batch *b)
{
    size_t nr = 0;

    for (size_t i = 0; i < b->nr; i++)
        nr += b->entries[i].kind == XLM__ENTRY_DATA &&
              b->dom->ops->needs_copy(b->entries[i].type);
    return grow(b, nr, &b->copies, &b->nr_copies);
}

struct fill {
    bool live;
    uint64_t *deferred, *gone;
    size_t at_map, at_copy; /* used so far */
};

/* Give an entry its content.  *keep_out: does it stay in the batch? */
static int fill_one(struct xlm__batch *b, struct fill *f, struct xlm__entry *e,
                    bool *keep_out)
{
    struct xlm__dom *dom = b->dom;
    const unsigned char *in = b->map.addr;
    size_t at = f->at_map++;
    unsigned char *copy;
    enum xlm__page_fate fate;
    int rc;

    *keep_out = !b->map_errs[at];
    if (!*keep_out && !f->live)
        return XLM_FAIL(dom->hv->err, XLM_ERR_HYPERVISOR,
                        "map page %#" PRIx64 " of domain %u: error %d", e->pfn,
                        dom->domid, b->map_errs[at]);
    if (!*keep_out) {
        xlm__bitmap_atomic_set(f->gone, e->pfn);
        return 0;
    }
    in += at * XLM__PAGE_SIZE;
    e->page = in;
    if (dom->ops->needs_copy(e->type)) {
        copy = b->copies + f->at_copy * XLM__PAGE_SIZE;
        rc = dom->ops->page_out(dom, e->pfn, e->type, in, copy, f->live, &fate);
        if (rc)
            return rc;
        *keep_out = fate == XLM__PAGE_SEND;
        if (!*keep_out) {
            xlm__bitmap_atomic_set(f->deferred, e->pfn);
            return 0;
        }
        e->page = copy;
        f->at_copy++;
    }
    if (xlm__page_is_zero(e->page))
        e->kind = XLM__ENTRY_ZERO;
    return 0;
}

static int fill(struct xlm__batch *b, struct fill *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < b->nr; i++) {
        bool keep = true;
        int rc;

        if (b->entries[i].kind == XLM__ENTRY_DATA) {
            rc = fill_one(b, f, &b->entries[i], &keep);
            if (rc)
                return rc;
        }
        if (keep)
            b->entries[kept++] = b->entries[i];
    }
    b->nr = kept;
    return 0;
}

int xlm__batch_load(struct xlm__batch *b, size_t nr, const uint64_t *pfns,
                    bool live, uint64_t *deferred, uint64_t *gone)
{
    struct fill f = { .live = live, .deferred = deferred, .gone = gone };
    int rc;

    assert(nr <= XLM__BATCH_MAX && !b->map.addr);
    b->nr = 0;
    rc = look_up(b, nr, pfns, gone);
    if (!rc)
        rc = map_content(b);
    if (!rc)
        rc = reserve_copies(b);
    if (!rc)
        rc = fill(b, &f);
    if (rc)
        xlm__batch_unload(b);
    return rc;
}

static bool in_guest(const struct xlm__batch *b, const struct xlm__entry *e)
{
    return e->kind == XLM__ENTRY_DATA && !b->dom->ops->needs_copy(e->type);
}

int xlm__batch_privatise(struct xlm__batch *b,
                         void (*each)(void *user, const struct xlm__entry *e),
                         void *user)
{
    size_t nr = 0;
    int rc;

    for (size_t i = 0; i < b->nr; i++)
        nr += in_guest(b, &b->entries[i]);
    rc = grow(b, nr, &b->privates, &b->nr_privates);
    if (rc)
        return rc;
    nr = 0;
    for (size_t i = 0; i < b->nr; i++) {
        struct xlm__entry *e = &b->entries[i];

        if (in_guest(b, e)) {
            e->page = memcpy(b->privates + nr++ * XLM__PAGE_SIZE, e->page,
                             XLM__PAGE_SIZE);
            if (xlm__page_is_zero(e->page))
                e->kind = XLM__ENTRY_ZERO;
        }
        each(user, e);
    }
    return 0;
}
