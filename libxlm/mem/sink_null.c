/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For a sample: pages are checked as ever, and then nobody has them. */
#include "config.h"

#include <stdlib.h>

#include "mem/sink_impl.h"

#define XLM_MODULE "mem"

struct xlm__job {
    struct xlm__sink *sink;
    unsigned char pages[XLM__JOB_MAX][XLM__PAGE_SIZE];
};

static void null_close(struct xlm__sink *s)
{
    free(s);
}

static int null_job_new(struct xlm__sink *s, struct xlm__job **out)
{
    struct xlm__job *j = malloc(sizeof(*j));

    if (!j)
        return XLM_FAIL(s->hv->err, XLM_ERR_NOMEM, "%zu bytes for a sample",
                        sizeof(*j));
    j->sink = s;
    *out = j;
    return 0;
}

static void null_job_free(struct xlm__job *j)
{
    free(j);
}

static int null_begin(struct xlm__job *j, size_t nr, const uint64_t *pfns,
                      const uint32_t *types, void **pages_out)
{
    int rc = xlm__sink_check(j->sink, nr, pfns, types);

    for (size_t i = 0; i < nr && !rc; i++)
        pages_out[i] = xlm__sink_type_has_content(types[i]) ? j->pages[i]
                                                            : NULL;
    return rc;
}

static int null_end(struct xlm__job *j)
{
    (void)j;
    return 0;
}

static void null_abort(struct xlm__job *j)
{
    (void)j;
}

static int null_zero(struct xlm__job *j, uint64_t first, uint64_t nr,
                     uint32_t type)
{
    return xlm__sink_check_zero(j->sink, first, nr, type);
}

static int null_release(struct xlm__sink *s, uint64_t first, uint64_t nr)
{
    return xlm__sink_check_range(s, first, nr);
}

static int null_keep(struct xlm__sink *s, uint64_t pfn)
{
    return xlm__sink_check_range(s, pfn, 1);
}

static const void *null_dropped(const struct xlm__job *j)
{
    (void)j;
    return NULL;
}

static const struct xlm__sink_ops null_ops = {
    .close = null_close,
    .job_new = null_job_new,
    .job_free = null_job_free,
    .begin = null_begin,
    .end = null_end,
    .dropped = null_dropped,
    .abort = null_abort,
    .zero = null_zero,
    .release = null_release,
    .keep = null_keep,
};

int xlm__sink_open_null(struct xlm__hv *hv, uint64_t nr_pfns,
                        struct xlm__sink **out)
{
    struct xlm__sink *s = calloc(1, sizeof(*s));

    if (!s)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "sink of a sample");
    s->ops = &null_ops;
    s->hv = hv;
    s->nr_pfns = nr_pfns;
    *out = s;
    return 0;
}
