/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef XLM_MEM_ZERO_H
#define XLM_MEM_ZERO_H

#include <stdbool.h>

/* Are the 4096 bytes at page (page aligned) all zero?  Stops at the first
 * cache line that is not. */
bool xlm__page_is_zero(const void *page);

#endif /* XLM_MEM_ZERO_H */
