/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What Xen's libraries have to say goes to our own log, at DEBUG: they call
 * errors what we may expect, and our callers report what matters.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "hv/hv_xen.h"

#define XLM_MODULE "hv"

static void vmessage(xentoollog_logger *logger, xentoollog_level level,
                     int errnoval, const char *context, const char *format,
                     va_list al)
{
    struct xlm__hv_log *log = (struct xlm__hv_log *)logger;
    char text[sizeof(log->last)];

    vsnprintf(text, sizeof(text), format, al);
    if (level >= XTL_ERROR) {
        pthread_mutex_lock(&log->lock);
        memcpy(log->last, text, sizeof(text));
        pthread_mutex_unlock(&log->lock);
    }
    if (errnoval > 0)
        XLM_LOG(log->err, DEBUG, "%s: %s (errno %d)", context ? context : "xen",
                text, errnoval);
    else
        XLM_LOG(log->err, DEBUG, "%s: %s", context ? context : "xen", text);
}

/* Freed with the handle that holds it. */
static void destroy(xentoollog_logger *logger)
{
    (void)logger;
}

void xlm__hv_log_init(struct xlm__hv_log *log, struct xlm__errslot *err)
{
    memset(log, 0, sizeof(*log));
    log->vtable.vmessage = vmessage;
    log->vtable.destroy = destroy;
    log->err = err;
    pthread_mutex_init(&log->lock, NULL);
}

void xlm__hv_log_destroy(struct xlm__hv_log *log)
{
    pthread_mutex_destroy(&log->lock);
}

void xlm__hv_log_take(struct xlm__hv_log *log, char *text, size_t size)
{
    pthread_mutex_lock(&log->lock);
    snprintf(text, size, "%s", log->last);
    log->last[0] = '\0';
    pthread_mutex_unlock(&log->lock);
}
