/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Let the Nth allocation fail.  Link with
 * -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc
 */
#ifndef XLM_TESTS_FAULT_ALLOC_H
#define XLM_TESTS_FAULT_ALLOC_H

#include <stdbool.h>

/* From now on, call number n (1 = the next) returns NULL; 0: none does. */
void fault_alloc_at(unsigned n);
/* Stop; did it come to that call? */
bool fault_alloc_hit(void);
/* Stop; calls since fault_alloc_at(n), none of which has failed. */
unsigned fault_alloc_since(unsigned n);

#endif /* XLM_TESTS_FAULT_ALLOC_H */
