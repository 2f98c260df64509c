/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages to the caller's log callback, filtered by the slot's level.
 *
 * WARN: we go on.  INFO: state changes and one line a round.  DEBUG: a line a
 * record.  Never one a page: count those in the stats.  ERROR comes from
 * XLM_FAIL() and is only used directly for failures that fail nothing, such
 * as one during clean-up after the first error.
 */
#ifndef XLM_BASE_LOG_H
#define XLM_BASE_LOG_H

#include "base/error.h"

void xlm__log(struct xlm__errslot *e, enum xlm_log_level level,
              const char *module, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The arguments are not evaluated when nobody would see the message. */
#define XLM__LOG(e, lvl, module, ...)                                          \
    do {                                                                       \
        if ((e)->log && (e)->level >= (lvl))                                   \
            xlm__log(e, lvl, module, __VA_ARGS__);                             \
    } while (0)

/* Only followed by "(" are these macros; alone they are the header's enum. */
#define XLM_LOG_ERROR(e, ...)                                                  \
    XLM__LOG(e, XLM_LOG_ERROR, XLM_MODULE, __VA_ARGS__)
#define XLM_LOG_WARN(e, ...) XLM__LOG(e, XLM_LOG_WARN, XLM_MODULE, __VA_ARGS__)
#define XLM_LOG_INFO(e, ...) XLM__LOG(e, XLM_LOG_INFO, XLM_MODULE, __VA_ARGS__)
#define XLM_LOG_DEBUG(e, ...)                                                  \
    XLM__LOG(e, XLM_LOG_DEBUG, XLM_MODULE, __VA_ARGS__)

#endif /* XLM_BASE_LOG_H */
