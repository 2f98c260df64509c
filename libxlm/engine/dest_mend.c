/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A few pages that are not as at the source: put right, before all that was
 * compared with them is compared once more (source_again.c says why that
 * happens).  Only once, and only pages that both have.
 */
#include "config.h"

#define XLM_MODULE "destination"
#include "engine/dest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

bool xlm__dest_may_mend(const struct xlm__dest *d)
{
    const struct xlm__compare *c = &d->compare;

    return d->offer.domain_type != XLM__WIRE_PV && !c->nr_again &&
           c->nr_asked == c->nr_other && c->nr_pages && !c->nr_bare &&
           c->nr_pages <= XLM__AGAIN_MAX;
}

/* For a person who wants to know what it was. */
static void tell(struct xlm__dest *d, uint64_t pfn, const uint8_t *ours,
                 const uint8_t *theirs)
{
    unsigned nr = 0, first = 0, last = 0;

    for (unsigned i = 0; i < XLM__PAGE_SIZE; i++) {
        if (ours[i] == theirs[i])
            continue;
        first = nr++ ? first : i;
        last = i;
    }
    XLM_LOG(&d->s->err, INFO,
            "pfn 0x%" PRIx64 ": %u bytes differ, 0x%03x to 0x%03x", pfn, nr,
            first, last);
}

int xlm__dest_mend(struct xlm__dest *d, const struct xlm__mend *a)
{
    const struct xlm__sink_ops *ops = d->sink->ops;
    struct xlm__compare *c = &d->compare;
    uint32_t types[XLM__AGAIN_MAX] = { 0 };
    void *pages[XLM__AGAIN_MAX];
    struct xlm__job *job = NULL;
    int rc;

    c->nr_again = a->nr;
    rc = ops->job_new(d->sink, &job);
    if (!rc)
        rc = ops->begin(job, a->nr, c->pfns, types, pages);
    if (rc)
        goto out;
    for (uint32_t i = 0; i < a->nr; i++) {
        const uint8_t *theirs = a->at + i * (size_t)XLM__PAGE_SIZE;

        tell(d, c->pfns[i], pages[i], theirs);
        memcpy(pages[i], theirs, XLM__PAGE_SIZE);
    }
    rc = ops->end(job);

out:
    if (job)
        ops->job_free(job);
    return rc;
}
