/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The implementations behind dirty.h. */
#ifndef XLM_MEM_DIRTY_IMPL_H
#define XLM_MEM_DIRTY_IMPL_H

#include "mem/dirty.h"

/* Log-dirty; *dirty_out is NULL if Xen refuses it for this domain. */
int xlm__dirty_open_log(struct xlm__dom *dom, const uint64_t *ram,
                        struct xlm__dirty **dirty_out);
/* Content scan. */
int xlm__dirty_open_scan(struct xlm__dom *dom,
                         const struct xlm__dirty_params *p,
                         struct xlm__dirty **dirty_out);
/* Nothing is known: everything is dirty. */
int xlm__dirty_open_none(struct xlm__dom *dom, const uint64_t *ram,
                         struct xlm__dirty **dirty_out);

/* sending() of those that need not know. */
int xlm__dirty_sending_nothing(struct xlm__dirty *d, struct xlm__batch *b);

#endif /* XLM_MEM_DIRTY_IMPL_H */
