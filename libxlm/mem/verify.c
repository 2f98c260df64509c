/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "mem/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/bitmap.h"

#define XLM_MODULE "mem"

_Static_assert(XLM__SUM_PAGES * sizeof(struct xlm__hash) == XLM__PAGE_SIZE,
               "hashes of a sum are hashed as a page");
_Static_assert(XLM__RANGE_PAGES % XLM__SUM_PAGES == 0,
               "no two threads work at one sum");

struct xlm__verify {
    struct xlm__errslot *err;
    uint64_t nr_pfns, nr_sums;
    bool pv;
    struct xlm__pagehash *pages, *of_hashes;
    uint64_t *spared;
    size_t nr_spared;
    struct xlm__hash *notes; /* by pfn: of what was read, or given away      */
    uint64_t *changed;       /* ... was noted before, and was another then   */
    struct xlm__hash *sums;
    uint64_t nr_pages;
};

/* What is compared at last. */
struct hashes {
    _Alignas(64) struct xlm__hash of[XLM__SUM_PAGES];
};

int xlm__verify_check(struct xlm__errslot *err, uint64_t nr_pfns,
                      uint64_t memory_pages)
{
    const uint64_t most = memory_pages * XLM__VERIFY_RATIO + XLM__VERIFY_HOLES;

    if (nr_pfns <= most)
        return 0;
    return XLM_FAIL(err, XLM_ERR_INVAL,
                    "verify: page numbers up to %#" PRIx64 " for %" PRIu64
                    " pages of memory, limit %#" PRIx64,
                    nr_pfns, memory_pages, most);
}

/* ---- pages that are left out ---- */

int xlm__verify_spare(struct xlm__verify *v, size_t nr, const uint64_t *pfns)
{
    uint64_t *copy = malloc((nr ? nr : 1) * sizeof(*copy));

    if (!copy)
        return XLM_FAIL(v->err, XLM_ERR_NOMEM, "list of %zu pages", nr);
    memcpy(copy, pfns, nr * sizeof(*copy));
    free(v->spared);
    v->spared = copy;
    v->nr_spared = nr;
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

bool xlm__verify_spares(const struct xlm__verify *v, uint64_t pfn)
{
    return v->nr_spared && bsearch(&pfn, v->spared, v->nr_spared,
                                   sizeof(*v->spared), by_number);
}

/* ---- adding up ---- */

static struct xlm__hash sum_of(const struct xlm__verify *v,
                               const struct hashes *h)
{
    return xlm__pagehash(v->of_hashes, 0, h->of);
}

/* ---- what is there ---- */

/* BROKEN pages of a translated domain are none at the destination. */
static bool is_memory(const struct xlm__verify *v, const struct xlm__entry *e)
{
    return v->pv || e->kind != XLM__ENTRY_TYPE;
}

/* Several threads at once; none has a word of the bitmap in common with
 * another one, as they have whole ranges. */
static void note_batch(void *user, const struct xlm__batch *b)
{
    struct xlm__verify *v = user;
    const struct xlm__hash none = { 0, 0 };
    size_t nr;
    const struct xlm__entry *e = xlm__batch_entries(b, &nr);

    for (; nr; nr--, e++) {
        struct xlm__hash *was = &v->notes[e->pfn], now;

        if (!is_memory(v, e))
            continue;
        now = xlm__entry_hash(v->pages, e);
        if (!xlm__hash_same(*was, none) && !xlm__hash_same(*was, now))
            xlm__bitmap_set(v->changed, e->pfn);
        *was = now;
    }
}

struct reading { /* one run of the reader */
    struct xlm__verify *v;
    const struct xlm__reading *what;
};

static void each(void *user, const struct xlm__batch *b)
{
    const struct reading *r = user;

    note_batch(r->v, b);
}

static int check(void *user)
{
    const struct reading *r = user;

    return r->what->check(r->what->user);
}

/* What went meanwhile, or cannot be read: nothing of the kind happens to a
 * domain that does not run, and who is asked for such a page says so. */
int xlm__verify_note(struct xlm__verify *v, struct xlm__reader *r,
                     struct xlm__reading what)
{
    struct reading state = { .v = v, .what = &what };
    struct xlm__reading all = what;
    uint64_t *gone = xlm__bitmap_alloc(v->nr_pfns);
    int rc;

    if (!gone)
        return XLM_FAIL(v->err, XLM_ERR_NOMEM, "map of %" PRIu64 " pages",
                        v->nr_pfns);
    all.live = false;
    all.deferred = all.gone = gone;
    all.check = what.check ? check : NULL;
    all.each = each;
    all.user = &state;
    rc = xlm__reader_run(r, &all);
    free(gone);
    return rc;
}

int xlm__verify_note_sum(struct xlm__verify *v, struct xlm__reader *r,
                         const uint64_t *pages, uint64_t i)
{
    const uint64_t first = i * XLM__SUM_PAGES;
    uint64_t *some = xlm__bitmap_alloc(v->nr_pfns);
    struct xlm__reading what = { .pages = some };
    int rc;

    if (!some)
        return XLM_FAIL(v->err, XLM_ERR_NOMEM, "map of %" PRIu64 " pages",
                        v->nr_pfns);
    for (uint64_t pfn = first; pfn < first + XLM__SUM_PAGES && pfn < v->nr_pfns;
         pfn++)
        if (xlm__bitmap_test(pages, pfn)) {
            xlm__bitmap_set(some, pfn);
            what.nr_pages++;
        }
    rc = xlm__verify_note(v, r, what);
    free(some);
    return rc;
}

bool xlm__verify_changed(const struct xlm__verify *v, uint64_t pfn)
{
    return pfn < v->nr_pfns && xlm__bitmap_test(v->changed, pfn);
}

/* ---- results ---- */

struct xlm__hash *xlm__verify_notes(struct xlm__verify *v)
{
    return v->notes;
}

const struct xlm__pagehash *xlm__verify_hash(const struct xlm__verify *v)
{
    return v->pages;
}

static uint64_t copy_notes(const struct xlm__verify *v, uint64_t i,
                           struct hashes *h)
{
    const struct xlm__hash none = { 0, 0 };
    uint64_t pages = 0;

    memset(h, 0, sizeof(*h));
    for (uint64_t at = 0; at < XLM__SUM_PAGES; at++) {
        const uint64_t pfn = i * XLM__SUM_PAGES + at;

        if (pfn >= v->nr_pfns || xlm__hash_same(v->notes[pfn], none) ||
            xlm__verify_spares(v, pfn))
            continue;
        h->of[at] = v->notes[pfn];
        pages++;
    }
    return pages;
}

void xlm__verify_add_up(struct xlm__verify *v)
{
    const struct hashes none = { { { 0 } } };
    const struct xlm__hash empty = sum_of(v, &none);
    struct hashes h;

    v->nr_pages = 0;
    for (uint64_t i = 0; i < v->nr_sums; i++) {
        const uint64_t pages = copy_notes(v, i, &h);

        v->sums[i] = pages ? sum_of(v, &h) : empty;
        v->nr_pages += pages;
    }
}

uint64_t xlm__verify_nr_sums(const struct xlm__verify *v)
{
    return v->nr_sums;
}

const struct xlm__hash *xlm__verify_sums(const struct xlm__verify *v)
{
    return v->sums;
}

uint64_t xlm__verify_nr_pages(const struct xlm__verify *v)
{
    return v->nr_pages;
}

void xlm__verify_pages_of(const struct xlm__verify *v, uint64_t i,
                          struct xlm__hash out[XLM__SUM_PAGES])
{
    struct hashes h;

    copy_notes(v, i, &h);
    memcpy(out, h.of, sizeof(h.of));
}

/* ---- */

void xlm__verify_free(struct xlm__verify *v)
{
    if (!v)
        return;
    xlm__pagehash_free(v->pages);
    xlm__pagehash_free(v->of_hashes);
    free(v->spared);
    free(v->notes);
    free(v->changed);
    free(v->sums);
    free(v);
}

int xlm__verify_new(struct xlm__errslot *err, const struct xlm__verify_key *key,
                    uint64_t nr_pfns, bool pv, struct xlm__verify **out)
{
    struct xlm__verify *v = calloc(1, sizeof(*v));
    int rc;

    if (!v)
        return XLM_FAIL(err, XLM_ERR_NOMEM, "check of all memory");
    v->err = err;
    v->nr_pfns = nr_pfns;
    v->nr_sums = (nr_pfns + XLM__SUM_PAGES - 1) / XLM__SUM_PAGES;
    v->pv = pv;
    v->sums = calloc(v->nr_sums, sizeof(*v->sums));
    v->notes = calloc(nr_pfns, sizeof(*v->notes));
    v->changed = xlm__bitmap_alloc(nr_pfns);
    rc = v->sums && v->notes && v->changed
             ? xlm__pagehash_new_keyed(err, &key->pages, &v->pages)
             : XLM_FAIL(err, XLM_ERR_NOMEM, "hashes of %" PRIu64 " pages",
                        nr_pfns);
    if (!rc)
        rc = xlm__pagehash_new_keyed(err, &key->sums, &v->of_hashes);
    if (rc)
        xlm__verify_free(v);
    else
        *out = v;
    return rc;
}
