/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What "xl lmigrate-ctl" can ask for: the words behind the domain, which are
 * also what travels to the process that migrates, as
 *
 *   xlm-ctl/1 WORD... NEWLINE
 *
 * The answer is one line of JSON; xl-lmigrate-ctl(1) describes both.
 */
#ifndef XLM_PLUGIN_CTLWORDS_H
#define XLM_PLUGIN_CTLWORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "optable.h"

#define CTL_MAGIC      "xlm-ctl/1"
#define CTL_LINE_MAX   256  /* of a request, with the newline */
#define CTL_ANSWER_MAX 8192 /* with the newline */
#define CTL_WORDS_MAX  4

/* Answers' "error"; to a person they say little, to a script all. */
#define CTL_BAD_REQUEST "bad-request"
#define CTL_TOO_LATE    "too-late"
#define CTL_NOT_NOW     "not-now"

enum ctl_verb { CTL_STATUS, CTL_CANCEL, CTL_SET, CTL_SWITCH };

struct ctl_request {
    enum ctl_verb verb;
    bool has_downtime, has_bandwidth;
    uint32_t downtime_ms;       /* 0: none */
    uint64_t bandwidth_bytes_s; /* 0: none */
};

/* False: error_out is one line that names the word and what is wanted. */
bool ctl_parse(size_t nr, char *const *words, struct ctl_request *r,
               char error_out[LM_ERROR_MAX]);

/* A request as it travels, of `bytes` bytes and a NUL behind them, without its
 * newline; it is cut into its words.  Every other line is refused. */
bool ctl_parse_line(char *line, size_t bytes, struct ctl_request *r,
                    char error_out[LM_ERROR_MAX]);

/* The line for words that ctl_parse() accepted; false: too long. */
bool ctl_line(size_t nr, char *const *words, char line_out[CTL_LINE_MAX]);

#endif /* XLM_PLUGIN_CTLWORDS_H */
