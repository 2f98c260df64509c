/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* While it runs: a live line on a terminal, else one line a round. */
#ifndef XLM_PLUGIN_PROGRESS_H
#define XLM_PLUGIN_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#include "console.h"
#include "libxlm.h"

struct progress {
    struct console *con;
    const char *name;        /* the domain  */
    const char *there;       /* the host    */
    enum xlm_state state;    /* as last told                       */
    uint32_t round;          /* as last told                       */
    uint64_t round_start_us; /* elapsed_us as that round was seen  */
    uint64_t drawn_us;       /* elapsed_us of the last live line   */
};

/* xlm_progress_fn's work. */
void progress_update(struct progress *p, enum xlm_state state,
                     const struct xlm_stats *s);

/* Pure; one line each, without a newline. */
void progress_format_live(const struct progress *p, enum xlm_state state,
                          const struct xlm_stats *s, char *out, size_t bytes);
void progress_format_round(const struct progress *p, const struct xlm_stats *s,
                           char *out, size_t bytes);

/* "512 B", "1.5 MiB"; "0.352 s", "83 s". */
#define UNIT_MAX 24
const char *format_bytes(uint64_t n, char out[UNIT_MAX]);
const char *format_seconds(uint64_t us, char out[UNIT_MAX]);

#endif /* XLM_PLUGIN_PROGRESS_H */
