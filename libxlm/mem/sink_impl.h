/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What both sinks check of what a peer sent. */
#ifndef XLM_MEM_SINK_IMPL_H
#define XLM_MEM_SINK_IMPL_H

#include <stdbool.h>

#include "mem/sink.h"

/* Page table types 5 to 7 and unknown codes are no types. */
bool xlm__sink_type_known(uint32_t type);
bool xlm__sink_type_has_content(uint32_t type);

/* Errors: STREAM. */
int xlm__sink_check(const struct xlm__sink *s, size_t nr, const uint64_t *pfns,
                    const uint32_t *types);
int xlm__sink_check_range(const struct xlm__sink *s, uint64_t first,
                          uint64_t nr);
int xlm__sink_check_zero(const struct xlm__sink *s, uint64_t first, uint64_t nr,
                         uint32_t type);

#endif /* XLM_MEM_SINK_IMPL_H */
