/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What sinks have in common: checks of what a peer sent, what they say. */
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

/* Say why memory cannot be had: the domain may have been destroyed.  Errors:
 * HYPERVISOR, TOOLSTACK. */
int xlm__sink_no_memory(const struct xlm__sink *s, size_t nr);
/* Map nr pages for writing, all of them or none; errs has room for nr.  Errors:
 * the same (names the page). */
int xlm__sink_map(const struct xlm__sink *s, size_t nr, const uint64_t *gfns,
                  int *errs, struct xlm__map *out);

#endif /* XLM_MEM_SINK_IMPL_H */
