/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An xl configuration file as libxl's JSON, by the real xl's own parser. */
#ifndef XLM_PLUGIN_XLCONFIG_H
#define XLM_PLUGIN_XLCONFIG_H

#include <stddef.h>

#include "options.h"

/*
 * Runs "xl create -q -n FILE" and takes the configuration out of what it
 * prints.  Malloc'd; NULL: error_out is one line.
 */
char *xlconfig_read(const char *file, char error_out[LM_ERROR_MAX]);

/* The same of any command line of xl that prints one. */
char *xlconfig_of(char **argv, char error_out[LM_ERROR_MAX]);

/*
 * The "config" object of xl's output, or the whole object if it is a
 * configuration already; lines before the first '{' are skipped.  Pure.
 */
char *xlconfig_extract(const char *output, char error_out[LM_ERROR_MAX]);

#endif /* XLM_PLUGIN_XLCONFIG_H */
