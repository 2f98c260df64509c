/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Order of the records of doc/stream-format.md section 6.2. */
#include "config.h"

#include "stream/flow.h"

static const char *verify(struct xlm__flow *f)
{
    struct xlm__flow_verify *v = &f->verify;

    if (v->wanted)
        return "it came before";
    if (f->dry_run || f->sample)
        return f->sample ? "OFFER said sample" : "OFFER said dry run";
    v->wanted = true;
    v->nr_sums = (f->nr_pfns + XLM__SUM_HASHES - 1) / XLM__SUM_HASHES;
    return NULL;
}

static const char *spared(struct xlm__flow_verify *v)
{
    if (v->spared)
        return "it came before";
    v->spared = true;
    return NULL;
}

static const char *sums(struct xlm__flow_verify *v, const struct xlm__sums *s)
{
    if (s->first != v->got)
        return "sums come in order";
    v->got += s->nr;
    return NULL;
}

static const char *ask(struct xlm__flow_verify *v, uint64_t sum)
{
    if (v->got != v->nr_sums || v->asked || v->done)
        return v->asked ? "HASHES have not come"
                        : "not between SUMS and "
                          "VERIFIED";
    if (v->nr_asks == XLM__ASKS_MAX)
        return "16 came before";
    v->nr_asks++;
    v->ask = sum;
    v->asked = true;
    return NULL;
}

static const char *hashes(struct xlm__flow_verify *v, const struct xlm__sums *s)
{
    if (!v->asked || s->first != v->ask)
        return "these were not asked for";
    v->asked = false;
    return NULL;
}

static const char *verified(struct xlm__flow_verify *v)
{
    if (v->got != v->nr_sums || v->asked || v->done)
        return v->asked ? "HASHES have not come" : "not after SUMS";
    v->done = true;
    return NULL;
}

const char *xlm__flow_verify(struct xlm__flow *f, uint32_t type,
                             const union xlm__body *b)
{
    struct xlm__flow_verify *v = &f->verify;

    if (type == XLM__REC_VERIFY)
        return verify(f);
    if (type < XLM__REC_VERIFY || type > XLM__REC_VERIFIED)
        return NULL;
    if (!v->wanted)
        return "VERIFY has not come";
    switch (type) {
    case XLM__REC_SPARED:
        return spared(v);
    case XLM__REC_SUMS:
        return sums(v, &b->sums);
    case XLM__REC_ASK:
        return ask(v, b->asked);
    case XLM__REC_HASHES:
        return hashes(v, &b->sums);
    default:
        return verified(v);
    }
}
