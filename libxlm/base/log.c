/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>

#include "base/log.h"

void xlm__format_line(char *text, size_t size, const char *fmt, va_list ap)
{
    if (vsnprintf(text, size, fmt, ap) < 0)
        snprintf(text, size, "(message cannot be formatted)");
    for (unsigned char *p = (unsigned char *)text; *p; p++)
        if (*p < ' ' || *p == 0x7f)
            *p = '?';
}

void xlm__log(struct xlm__errslot *e, enum xlm_log_level level,
              const char *module, const char *fmt, ...)
{
    const int saved = errno;
    char text[XLM_MESSAGE_MAX];
    va_list ap;

    if (!xlm__log_wanted(e, level))
        return;
    va_start(ap, fmt);
    xlm__format_line(text, sizeof(text), fmt, ap);
    va_end(ap);
    e->log(e->user, level, module, text);
    errno = saved;
}
