/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers as a person writes them on a command line. */
#ifndef XLM_PLUGIN_NUMBER_H
#define XLM_PLUGIN_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Goals for the pause. */
#define DOWNTIME_MAX_MS   600000
#define DOWNTIME_MAX_TEXT "600000"

/* Decimal digits only: no sign, no blank, no other base. */
bool number_parse(const char *text, uint64_t min, uint64_t max,
                  uint64_t *value_out);

/*
 * NUMBER[.DIGITS][k|M|G|T|Ki|Mi|Gi|Ti][B|bit][/s], up to three digits after
 * the point.  k, M, G, T are powers of 1000, with an "i" powers of 1024.
 * Bytes per second unless "bit" is said; 1 byte is 8 bits.
 */
#define RATE_MIN_BYTES_S UINT64_C(65536)
#define RATE_MAX_BYTES_S UINT64_C(1000000000000)
#define RATE_LIMITS      "64Ki to 1T bytes/s"
bool rate_parse(const char *text, uint64_t *bytes_s_out);

#endif /* XLM_PLUGIN_NUMBER_H */
