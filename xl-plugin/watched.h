/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Does a daemon of xl, or one of ours, look after a domain? */
#ifndef XLM_PLUGIN_WATCHED_H
#define XLM_PLUGIN_WATCHED_H

#include <stdbool.h>

/* Exit code of xl-lmigrate-monitor if there is one already. */
#define MONITOR_EXIT_WATCHED 4

/* By who has the daemon's log of this domain open. */
bool domain_is_watched(const char *name);

#endif /* XLM_PLUGIN_WATCHED_H */
