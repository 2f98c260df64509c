/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A translated domain at the destination that libxl completed before the
 * source's was suspended: what it is completed from, and what makes it the
 * source's afterwards.
 *
 * Records are those that dom.h emits, as they came over the wire.
 */
#ifndef XLM_DOM_DOM_COMMIT_H
#define XLM_DOM_DOM_COMMIT_H

#include "dom/dom.h"

/* Bodies of X86_TSC_INFO, HVM_CONTEXT and HVM_PARAMS; data is owned. */
struct xlm__hvm_state {
    struct xlm__blob tsc, context, params;
};
void xlm__hvm_state_free(struct xlm__hvm_state *s);
/* Does it have a place for this type of record? */
bool xlm__hvm_state_has(uint32_t type);
/* Copies; the last one of a type counts.  Errors: NOMEM. */
int xlm__hvm_state_keep(struct xlm__errslot *err, struct xlm__hvm_state *s,
                        uint32_t type, const void *body, size_t bytes);

/* The shortest context that Xen loads: no vCPU of the domain can run. */
#define XLM__HVM_CONTEXT_MIN 40u
/* Errors: STREAM (context does not begin with a header). */
int xlm__hvm_context_shorten(struct xlm__errslot *err,
                             const struct xlm__blob *context,
                             unsigned char out[XLM__HVM_CONTEXT_MIN]);

/* The pages that a destination's xenstored, xenconsoled and device model use
 * as soon as libxl has completed it.  Errors: STREAM (a parameter is not below
 * nr_pfns, or params is no HVM_PARAMS). */
#define XLM__HVM_SHARED_MAX 4u
int xlm__hvm_shared_pages(struct xlm__errslot *err,
                          const struct xlm__blob *params, uint64_t nr_pfns,
                          uint64_t pfns_out[XLM__HVM_SHARED_MAX],
                          size_t *nr_out);

/*
 * Make the paused domain what `last` says; it was completed from `first`.
 * Errors: CHANGED (its shared pages are others), HYPERVISOR, STREAM.
 */
int xlm__hvm_commit(struct xlm__hv *hv, uint32_t domid,
                    const struct xlm__hvm_state *first,
                    const struct xlm__hvm_state *last);

#endif /* XLM_DOM_DOM_COMMIT_H */
