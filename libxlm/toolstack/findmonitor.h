/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon that "xl create" leaves behind registers nowhere; it is known by
 * its log file, which it has open: xl-<name>.log, or xl-<name>--incoming.log
 * if the domain arrived by migration.  Ours (xlm-monitor-<name>.log) counts
 * as well.
 */
#ifndef XLM_TOOLSTACK_FINDMONITOR_H
#define XLM_TOOLSTACK_FINDMONITOR_H

#include <stdbool.h>

/* proc: "/proc", except in tests. */
bool xlm__find_monitor(const char *proc, const char *domain_name);
/* xl's own only. */
bool xlm__find_xl_daemon(const char *proc, const char *domain_name);

#endif /* XLM_TOOLSTACK_FINDMONITOR_H */
