/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the xl of the Xen installation is, as opposed to our dispatcher. */
#ifndef XLM_PLUGIN_REALXL_H
#define XLM_PLUGIN_REALXL_H

#include <limits.h>
#include <stdbool.h>

/*
 * $XLM_REAL_XL, else the one configured, else the first xl on PATH that is
 * not a dispatcher of ours.
 */
bool realxl_find(char path_out[PATH_MAX]);

/* Directory of our commands: $XLM_EXEC_PATH, else the one configured. */
const char *exec_directory(void);

#endif /* XLM_PLUGIN_REALXL_H */
