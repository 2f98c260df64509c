/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the last move of a guest to a host took of its pause without regard to
 * memory: the next one's prediction starts from it.
 */
#ifndef XLM_PLUGIN_PAUSEFILE_H
#define XLM_PLUGIN_PAUSEFILE_H

#include <stdint.h>

#include "libxlm.h"

/* Milliseconds, 0 if nothing (sensible) is known. */
uint32_t pausefile_read(const char *host, const char *name);
/* Remember, if the move measured it; nothing happens if it cannot. */
void pausefile_write(const char *host, const char *name,
                     const struct xlm_stats *stats);

/* Pure: the part of a measured blackout that was not predicted from memory. */
uint32_t pausefile_fixed_ms(const struct xlm_stats *stats);

#endif /* XLM_PLUGIN_PAUSEFILE_H */
