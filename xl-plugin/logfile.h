/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /var/log/xen/xlm-NAME.log: both ends append, one write(2) a line. */
#ifndef XLM_PLUGIN_LOGFILE_H
#define XLM_PLUGIN_LOGFILE_H

#include "libxlm.h"

struct logfile {
    int fd;         /* -1: no log file  */
    int open_errno; /* why not          */
    char path[512]; /* also if not open */
};

/* PREFIX-NAME.log in the log directory; a '/' in name becomes '_'. */
void logfile_open(struct logfile *l, const char *prefix, const char *name);
void logfile_close(struct logfile *l);

/* Any thread.  Nothing happens without a file. */
void logfile_write(const struct logfile *l, enum xlm_log_level level,
                   const char *module, const char *message);

/* $XLM_LOG_DIR, else /var/log/xen. */
const char *logfile_directory(void);

const char *log_level_name(enum xlm_log_level level);

#endif /* XLM_PLUGIN_LOGFILE_H */
