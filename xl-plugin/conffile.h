/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xlm.conf(5): what holds at this host where a command line says nothing.  Its
 * syntax is that of xl.conf: NAME = VALUE a line, with or without quotes, and
 * comments from a "#" on.
 */
#ifndef XLM_PLUGIN_CONFFILE_H
#define XLM_PLUGIN_CONFFILE_H

#include <stdbool.h>

#include "optable.h"

/* Unless the environment has XLM_CONF. */
#define CONFFILE_PATH "/etc/xen/xlm.conf"

/* A setting; false: error_out says what is wrong with it.  Its strings are gone
 * afterwards. */
typedef bool conffile_set(void *user, const char *name, const char *value,
                          char error_out[LM_ERROR_MAX]);

/* Everything in it, in its order.  No file is an empty one, unless XLM_CONF
 * names it.  false: one line that begins with the file and the line. */
bool conffile_read(conffile_set *set, void *user, char error_out[LM_ERROR_MAX]);

#endif /* XLM_PLUGIN_CONFFILE_H */
