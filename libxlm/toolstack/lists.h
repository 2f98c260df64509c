/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers in a configuration's lists.  libxl takes those of a bitmap for bits
 * of memory that it allocates, up to 256 MiB, and ends the process if a
 * negative one leaves none (libxl_json.c, libxl_utils.c of 4.17).
 */
#ifndef XLM_TOOLSTACK_LISTS_H
#define XLM_TOOLSTACK_LISTS_H

#include "base/error.h"

/* No list has larger ones: vCPUs, CPUs, nodes, distances, bytes, interrupts. */
#define XLM__LIST_NUMBER_MAX 1048576
#define XLM__LIST_DEPTH_MAX  64

/* Any thread.  What is no JSON is left to whoever parses it.  Errors: STREAM
 * (the number is named, and the limit), NOMEM; recorded in err. */
int xlm__lists_check(struct xlm__errslot *err, const char *json);

#endif /* XLM_TOOLSTACK_LISTS_H */
