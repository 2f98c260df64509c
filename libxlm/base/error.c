/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

void xlm__errslot_init(struct xlm__errslot *e, xlm_log_fn *log, void *user,
                       enum xlm_log_level max_level)
{
    memset(e, 0, sizeof(*e));
    pthread_mutex_init(&e->lock, NULL);
    e->log = log;
    e->user = user;
    e->max_level = max_level;
}

void xlm__errslot_destroy(struct xlm__errslot *e)
{
    pthread_mutex_destroy(&e->lock);
}

void xlm__errslot_set_state(struct xlm__errslot *e, enum xlm_state state)
{
    pthread_mutex_lock(&e->lock);
    e->state = state;
    pthread_mutex_unlock(&e->lock);
}

int xlm__errslot_code(struct xlm__errslot *e)
{
    int code;

    pthread_mutex_lock(&e->lock);
    code = e->info.code;
    pthread_mutex_unlock(&e->lock);
    return code;
}

const struct xlm_error_info *xlm__errslot_first(struct xlm__errslot *e)
{
    return xlm__errslot_code(e) ? &e->info : NULL;
}

int xlm__errslot_read(struct xlm__errslot *e, char text_out[XLM_MESSAGE_MAX])
{
    int code;

    pthread_mutex_lock(&e->lock);
    code = e->info.code;
    memcpy(text_out, e->text, sizeof(e->text));
    pthread_mutex_unlock(&e->lock);
    return code;
}

/* The system's own words go last, and stay whole when the message is cut. */
static void compose(char text[XLM_MESSAGE_MAX], int sys_errno, const char *fmt,
                    va_list ap)
{
    char tail[96] = "", words[64];
    size_t used, room;

    if (sys_errno)
        snprintf(tail, sizeof(tail), ": %s",
                 strerror_r(sys_errno, words, sizeof(words)));
    room = XLM_MESSAGE_MAX - strlen(tail);
    xlm__format_line(text, room, fmt, ap);
    used = strlen(text);
    memcpy(text + used, tail, strlen(tail) + 1);
}

static void record(struct xlm__errslot *e, int code, int sys_errno,
                   const char text[XLM_MESSAGE_MAX])
{
    pthread_mutex_lock(&e->lock);
    if (!e->info.code) {
        memcpy(e->text, text, XLM_MESSAGE_MAX);
        e->info.sys_errno = sys_errno;
        e->info.state = e->state;
        e->info.message = e->text;
        e->info.code = code;
    }
    pthread_mutex_unlock(&e->lock);
}

int xlm__fail(struct xlm__errslot *e, const char *module, int code,
              int sys_errno, const char *fmt, ...)
{
    char text[XLM_MESSAGE_MAX] = "";
    va_list ap;

    va_start(ap, fmt);
    compose(text, sys_errno, fmt, ap);
    va_end(ap);

    record(e, code, sys_errno, text);
    xlm__log(e, XLM_LOG_ERROR, module, "%s", text);
    return code;
}

int xlm__soft(struct xlm__errslot *e, const char *module, int code,
              int sys_errno, const char *fmt, ...)
{
    char text[XLM_MESSAGE_MAX];
    va_list ap;

    va_start(ap, fmt);
    compose(text, sys_errno, fmt, ap);
    va_end(ap);

    xlm__log(e, XLM_LOG_WARN, module, "%s", text);
    return code;
}
