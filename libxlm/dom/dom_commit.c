/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "dom/dom_commit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>

#include <xen/hvm/params.h>
#include <xen/hvm/save.h>

#include "dom/dom_x86.h"
#include "util/byteorder.h"

#define XLM_MODULE "dom"

#define HEADER_BYTES                                                           \
    (sizeof(struct hvm_save_descriptor) + sizeof(HVM_SAVE_TYPE(HEADER)))
_Static_assert(HEADER_BYTES + sizeof(struct hvm_save_descriptor) ==
                   XLM__HVM_CONTEXT_MIN,
               "header and end");

#define PARAMS_HEAD  8u
#define PARAMS_ENTRY 16u

/* libxc's restore clears these pages, and gives them to their users. */
static const unsigned shared[] = { HVM_PARAM_STORE_PFN, HVM_PARAM_IOREQ_PFN,
                                   HVM_PARAM_BUFIOREQ_PFN,
                                   HVM_PARAM_CONSOLE_PFN };
#define NR_SHARED (sizeof(shared) / sizeof(shared[0]))
_Static_assert(NR_SHARED == XLM__HVM_SHARED_MAX, "all of them fit");

/* ---- keeping ---- */

static struct xlm__blob *place(struct xlm__hvm_state *s, uint32_t type)
{
    switch (type) {
    case XLM__XC_X86_TSC_INFO:
        return &s->tsc;
    case XLM__XC_HVM_CONTEXT:
        return &s->context;
    case XLM__XC_HVM_PARAMS:
        return &s->params;
    default:
        return NULL;
    }
}

void xlm__hvm_state_free(struct xlm__hvm_state *s)
{
    free(s->tsc.data);
    free(s->context.data);
    free(s->params.data);
    memset(s, 0, sizeof(*s));
}

bool xlm__hvm_state_has(uint32_t type)
{
    struct xlm__hvm_state s;

    return place(&s, type);
}

int xlm__hvm_state_keep(struct xlm__errslot *err, struct xlm__hvm_state *s,
                        uint32_t type, const void *body, size_t bytes)
{
    struct xlm__blob *b = place(s, type);
    void *copy = malloc(bytes ? bytes : 1);

    if (!copy)
        return XLM_FAIL(err, XLM_ERR_NOMEM, "state of %zu bytes", bytes);
    memcpy(copy, body, bytes);
    free(b->data);
    b->data = copy;
    b->bytes = bytes;
    return 0;
}

/* ---- reading ---- */

int xlm__hvm_context_shorten(struct xlm__errslot *err,
                             const struct xlm__blob *context,
                             unsigned char out[XLM__HVM_CONTEXT_MIN])
{
    struct hvm_save_descriptor d = { 0 };

    if (context->bytes >= HEADER_BYTES)
        memcpy(&d, context->data, sizeof(d));
    if (d.typecode != HVM_SAVE_CODE(HEADER) ||
        d.length != sizeof(HVM_SAVE_TYPE(HEADER)))
        return XLM_FAIL(err, XLM_ERR_STREAM,
                        "HVM context of %zu bytes begins with record %u of %u "
                        "bytes, not with a header",
                        context->bytes, d.typecode, d.length);
    memset(out, 0, XLM__HVM_CONTEXT_MIN); /* type 0, length 0: the end */
    memcpy(out, context->data, HEADER_BYTES);
    return 0;
}

static size_t nr_params(const struct xlm__blob *p)
{
    return (p->bytes - PARAMS_HEAD) / PARAMS_ENTRY;
}

static uint64_t param_at(const struct xlm__blob *p, size_t i,
                         uint64_t *index_out)
{
    const unsigned char *at = (const unsigned char *)p->data + PARAMS_HEAD +
                              i * PARAMS_ENTRY;

    *index_out = xlm__get_le64(at);
    return xlm__get_le64(at + 8);
}

/* The event channels are this host's own. */
static bool may_travel(uint64_t index)
{
    return index < HVM_NR_PARAMS && index != HVM_PARAM_STORE_EVTCHN &&
           index != HVM_PARAM_CONSOLE_EVTCHN;
}

static int check_params(struct xlm__errslot *err, const struct xlm__blob *p)
{
    uint64_t nr = 0, index;

    if (p->bytes >= PARAMS_HEAD)
        nr = xlm__get_le32(p->data);
    if (!nr || p->bytes != PARAMS_HEAD + nr * PARAMS_ENTRY)
        return XLM_FAIL(err, XLM_ERR_STREAM,
                        "HVM_PARAMS of %zu bytes for %" PRIu64 " parameters",
                        p->bytes, nr);
    for (size_t i = 0; i < nr; i++) {
        (void)param_at(p, i, &index);
        if (!may_travel(index))
            return XLM_FAIL(err, XLM_ERR_STREAM,
                            "HVM parameter %" PRIu64 " is not one that travels",
                            index);
    }
    return 0;
}

/* What is not sent is 0. */
static uint64_t param(const struct xlm__blob *p, uint64_t wanted)
{
    uint64_t index;

    for (size_t i = 0; i < nr_params(p); i++) {
        uint64_t value = param_at(p, i, &index);

        if (index == wanted)
            return value;
    }
    return 0;
}

int xlm__hvm_shared_pages(struct xlm__errslot *err,
                          const struct xlm__blob *params, uint64_t nr_pfns,
                          uint64_t pfns_out[XLM__HVM_SHARED_MAX],
                          size_t *nr_out)
{
    int rc = check_params(err, params);

    *nr_out = 0;
    for (size_t i = 0; i < NR_SHARED && !rc; i++) {
        uint64_t pfn = param(params, shared[i]);

        if (pfn >= nr_pfns)
            rc = XLM_FAIL(err, XLM_ERR_STREAM,
                          "HVM parameter %u: page %#" PRIx64
                          ", limit %#" PRIx64,
                          shared[i], pfn, nr_pfns);
        else if (pfn)
            pfns_out[(*nr_out)++] = pfn;
    }
    return rc;
}

/* ---- committing ---- */

static int commit_tsc(struct xlm__hv *hv, uint32_t domid,
                      const struct xlm__blob *body)
{
    struct xlm__tsc tsc;
    int rc = xlm__tsc_decode(hv->err, body->data, body->bytes, &tsc);

    return rc ? rc : hv->ops->tsc_set(hv, domid, &tsc);
}

static int check_shared(struct xlm__hv *hv, const struct xlm__blob *first,
                        const struct xlm__blob *last)
{
    for (size_t i = 0; i < NR_SHARED; i++) {
        uint64_t was = param(first, shared[i]), is = param(last, shared[i]);

        if (was != is)
            return XLM_FAIL(hv->err, XLM_ERR_CHANGED,
                            "HVM parameter %u became %#" PRIx64
                            " while the domain moved, it was %#" PRIx64,
                            shared[i], is, was);
    }
    return 0;
}

/* Xen refuses a second value of some: only what is another is set. */
static int commit_params(struct xlm__hv *hv, uint32_t domid,
                         const struct xlm__blob *first,
                         const struct xlm__blob *last)
{
    uint64_t index;
    int rc = check_params(hv->err, last);

    if (!rc)
        rc = check_shared(hv, first, last);
    for (size_t i = 0; !rc && i < nr_params(last); i++) {
        uint64_t value = param_at(last, i, &index);

        if (value != param(first, index))
            rc = hv->ops->hvm_param_set(hv, domid, (unsigned)index, value);
    }
    for (size_t i = 0; !rc && i < nr_params(first); i++) {
        (void)param_at(first, i, &index);
        if (!param(last, index))
            rc = hv->ops->hvm_param_set(hv, domid, (unsigned)index, 0);
    }
    return rc;
}

int xlm__hvm_commit(struct xlm__hv *hv, uint32_t domid,
                    const struct xlm__hvm_state *first,
                    const struct xlm__hvm_state *last)
{
    int rc = commit_tsc(hv, domid, &last->tsc);

    if (!rc)
        rc = commit_params(hv, domid, &first->params, &last->params);
    if (!rc)
        rc = hv->ops->hvm_context_set(hv, domid, last->context.data,
                                      last->context.bytes);
    return rc;
}
