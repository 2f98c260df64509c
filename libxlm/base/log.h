/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Logging through the slot's callback.
 *
 *     XLM_LOG(e, WARN, "pool of domain %u is small: %u MiB", domid, mb);
 *
 * ERROR comes from XLM_FAIL() only.  WARN: we go on.  INFO: changes of state
 * and one line a round.  DEBUG: one per record.  Nothing per page.
 */
#ifndef XLM_BASE_LOG_H
#define XLM_BASE_LOG_H

#include <stdarg.h>

#include "base/error.h"

void xlm__log(struct xlm__errslot *e, enum xlm_log_level level,
              const char *module, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Arguments are evaluated only if the message will be told to somebody. */
#define XLM_LOG(e, LEVEL, ...)                                                 \
    do {                                                                       \
        if (xlm__log_wanted(e, XLM_LOG_##LEVEL))                               \
            xlm__log(e, XLM_LOG_##LEVEL, XLM_MODULE, __VA_ARGS__);             \
    } while (0)

static inline int xlm__log_wanted(const struct xlm__errslot *e,
                                  enum xlm_log_level level)
{
    return e->log && level <= e->max_level;
}

/*
 * Format a message into text of `size` bytes: one printable line, cut if it
 * does not fit.
 */
void xlm__format_line(char *text, size_t size, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

#endif /* XLM_BASE_LOG_H */
