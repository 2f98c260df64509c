/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* State records that all x86 guests have. */
#ifndef XLM_DOM_DOM_X86_H
#define XLM_DOM_DOM_X86_H

#include "dom/dom.h"

/* One of each type of domain: dom_hvm.c, dom_pv.c. */
int xlm__dom_open_hvm(struct xlm__hv *hv, const struct xlm__dominfo *info,
                      struct xlm__dom **dom_out);
int xlm__dom_open_pv(struct xlm__hv *hv, const struct xlm__dominfo *info,
                     struct xlm__dom **dom_out);

/* X86_CPUID_POLICY and X86_MSR_POLICY, each only if there is any. */
int xlm__emit_policies(struct xlm__dom *dom, xlm__emit_fn *emit, void *user);
int xlm__emit_tsc(struct xlm__dom *dom, xlm__emit_fn *emit, void *user);
/* Errors: STREAM. */
int xlm__tsc_decode(struct xlm__errslot *err, const void *body, size_t bytes,
                    struct xlm__tsc *out);

#endif /* XLM_DOM_DOM_X86_H */
