/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In front of another sink: what is put into that is hashed, page by page. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "mem/sink_impl.h"

#define XLM_MODULE "mem"

struct given_sink {
    struct xlm__sink base; /* must be first */
    struct xlm__sink *next;
    const struct xlm__pagehash *hash;
    struct xlm__hash *given;
};

struct xlm__job {
    struct given_sink *sink;
    struct xlm__job *next; /* of sink->next */
    size_t nr;             /* of the job begun */
    uint64_t pfns[XLM__JOB_MAX];
    uint32_t types[XLM__JOB_MAX];
    void *pages[XLM__JOB_MAX];
};

static void given_close(struct xlm__sink *s)
{
    struct given_sink *g = (struct given_sink *)s;

    if (!s)
        return;
    g->next->ops->close(g->next);
    free(g);
}

static void given_job_free(struct xlm__job *j)
{
    if (!j)
        return;
    j->sink->next->ops->job_free(j->next);
    free(j);
}

static int given_job_new(struct xlm__sink *s, struct xlm__job **out)
{
    struct given_sink *g = (struct given_sink *)s;
    struct xlm__job *j = calloc(1, sizeof(*j));
    int rc;

    if (!j)
        return XLM_FAIL(s->hv->err, XLM_ERR_NOMEM, "job of %u pages",
                        XLM__JOB_MAX);
    j->sink = g;
    rc = g->next->ops->job_new(g->next, &j->next);
    if (rc)
        free(j);
    else
        *out = j;
    return rc;
}

static int given_begin(struct xlm__job *j, size_t nr, const uint64_t *pfns,
                       const uint32_t *types, void **pages_out)
{
    int rc = j->sink->next->ops->begin(j->next, nr, pfns, types, pages_out);

    if (rc)
        return rc;
    j->nr = nr;
    memcpy(j->pfns, pfns, nr * sizeof(*pfns));
    memcpy(j->types, types, nr * sizeof(*types));
    memcpy(j->pages, pages_out, nr * sizeof(*pages_out));
    return 0;
}

static struct xlm__hash hash_of(const struct xlm__job *j, size_t i)
{
    if (j->types[i] == XLM__PT_XTAB)
        return (struct xlm__hash){ 0, 0 };
    return xlm__pagehash(j->sink->hash, j->types[i], j->pages[i]);
}

static int given_end(struct xlm__job *j)
{
    for (size_t i = 0; i < j->nr; i++)
        j->sink->given[j->pfns[i]] = hash_of(j, i);
    j->nr = 0;
    return j->sink->next->ops->end(j->next);
}

static void given_abort(struct xlm__job *j)
{
    j->nr = 0;
    j->sink->next->ops->abort(j->next);
}

static int given_zero(struct xlm__job *j, uint64_t first, uint64_t nr,
                      uint32_t type)
{
    const struct xlm__hash zero = xlm__pagehash_zero(j->sink->hash, type);
    int rc = xlm__sink_check_zero(&j->sink->base, first, nr, type);

    /* Noted when it is there: a note takes memory, too. */
    if (!rc)
        rc = j->sink->next->ops->zero(j->next, first, nr, type);
    for (uint64_t i = 0; i < nr && !rc; i++)
        j->sink->given[first + i] = zero;
    return rc;
}

static int given_release(struct xlm__sink *s, uint64_t first, uint64_t nr)
{
    const struct xlm__hash none = { 0, 0 };
    struct given_sink *g = (struct given_sink *)s;
    int rc = xlm__sink_check_range(s, first, nr);

    /* What was never written to is no memory yet. */
    for (uint64_t i = first; i < first + nr && !rc; i++)
        if (!xlm__hash_same(g->given[i], none))
            g->given[i] = none;
    return rc ? rc : g->next->ops->release(g->next, first, nr);
}

static int given_keep(struct xlm__sink *s, uint64_t pfn)
{
    struct given_sink *g = (struct given_sink *)s;

    return g->next->ops->keep(g->next, pfn);
}

static const void *given_dropped(const struct xlm__job *j)
{
    return j->sink->next->ops->dropped(j->next);
}

static const struct xlm__sink_ops given_ops = {
    .close = given_close,
    .job_new = given_job_new,
    .job_free = given_job_free,
    .begin = given_begin,
    .end = given_end,
    .dropped = given_dropped,
    .abort = given_abort,
    .zero = given_zero,
    .release = given_release,
    .keep = given_keep,
};

int xlm__sink_open_given(struct xlm__sink *next,
                         const struct xlm__pagehash *hash,
                         struct xlm__hash *given, struct xlm__sink **out)
{
    struct given_sink *g = calloc(1, sizeof(*g));

    if (!g)
        return XLM_FAIL(next->hv->err, XLM_ERR_NOMEM, "handle of domain %u",
                        next->domid);
    g->base = *next;
    g->base.ops = &given_ops;
    g->next = next;
    g->hash = hash;
    g->given = given;
    *out = &g->base;
    return 0;
}
