/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef XLM_PLUGIN_STDFDS_H
#define XLM_PLUGIN_STDFDS_H

#include <stdbool.h>

/* Whoever starts us may have closed them; a pipe must not take their place. */
bool stdfds_ensure(void);

/*
 * Move stdin and stdout away to high close-on-exec descriptors, and put
 * /dev/null and a copy of stderr in their place: what is printed by accident
 * cannot get into the channel.
 */
bool stdfds_take(int *rfd_out, int *wfd_out);

#endif /* XLM_PLUGIN_STDFDS_H */
