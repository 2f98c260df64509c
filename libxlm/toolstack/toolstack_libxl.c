/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening, closing, and what the other files share. */
#include "config.h"

#include "toolstack/toolstack_libxl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "toolstack/xsnodes.h"

#define XLM_MODULE "libxl"

/* "libxl_dom_suspend.c:333:some_function: Domain 5:guest did not ..." */
static const char *without_location(const char *text)
{
    const char *end = strncmp(text, "libxl", 5) ? NULL : strstr(text, ": ");

    return end ? end + 2 : text;
}

static void vmessage(xentoollog_logger *logger, xentoollog_level level,
                     int errnoval, const char *context, const char *format,
                     va_list al)
{
    struct xlm__libxl_log *log = (struct xlm__libxl_log *)logger;
    char text[512];

    vsnprintf(text, sizeof(text), format, al);
    if (level >= XTL_ERROR) {
        pthread_mutex_lock(&log->lock);
        snprintf(log->last, sizeof(log->last), "%.200s%s%.40s",
                 without_location(text), errnoval > 0 ? ": " : "",
                 errnoval > 0 ? strerrordesc_np(errnoval) : "");
        pthread_mutex_unlock(&log->lock);
    }
    XLM_LOG(log->err, DEBUG, "%s: %s%s%s", context ? context : "libxl", text,
            errnoval > 0 ? ": " : "",
            errnoval > 0 ? strerrordesc_np(errnoval) : "");
}

/* Freed with the struct around it. */
static void destroy_logger(xentoollog_logger *logger)
{
    (void)logger;
}

void xlm__libxl_log_init(struct xlm__libxl_log *log, struct xlm__errslot *err)
{
    memset(log, 0, sizeof(*log));
    log->vtable.vmessage = vmessage;
    log->vtable.destroy = destroy_logger;
    log->err = err;
    pthread_mutex_init(&log->lock, NULL);
}

void xlm__libxl_log_destroy(struct xlm__libxl_log *log)
{
    pthread_mutex_destroy(&log->lock);
}

void xlm__libxl_log_take(struct xlm__libxl_log *log, char *text, size_t bytes)
{
    pthread_mutex_lock(&log->lock);
    snprintf(text, bytes, "%s%s", log->last[0] ? ": libxl says: " : "",
             log->last);
    log->last[0] = '\0';
    pthread_mutex_unlock(&log->lock);
}

int xlm__ts_fail(struct xlm__ts *ts, const char *module, int code, int libxl_rc,
                 const char *fmt, ...)
{
    char what[256];
    char words[288];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    xlm__libxl_log_take(&ts->log, words, sizeof(words));
    return xlm__fail(ts->base.err, module, code, 0, "%s (libxl error %d)%s",
                     what, libxl_rc, words);
}

/*
 * libxl runs programs (hotplug scripts) and must learn of their end.  In this
 * mode it reaps those and no others.  It holds a SIGCHLD handler as long as
 * the context exists, which nothing of ours minds.
 */
static const libxl_childproc_hooks childproc_hooks = {
    .chldowner = libxl_sigchld_owner_libxl_always_selective_reap,
};

int xlm__libxl_open(struct xlm__errslot *err, struct xlm__libxl_log *log,
                    libxl_ctx **ctx_out)
{
    char words[288];
    int rc = libxl_ctx_alloc(ctx_out, LIBXL_VERSION, 0, &log->vtable);

    if (rc) {
        xlm__libxl_log_take(log, words, sizeof(words));
        return XLM_FAIL(err, XLM_ERR_TOOLSTACK,
                        "cannot open libxl (error %d)%s", rc, words);
    }
    libxl_childproc_setmode(*ctx_out, &childproc_hooks, NULL);
    return 0;
}

char *xlm__ts_read(struct xlm__ts *ts, const char *fmt, ...)
{
    char path[512];
    unsigned bytes;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    /* libxenstore puts a NUL behind the value. */
    return xs_read(ts->xs, XBT_NULL, path, &bytes);
}

static int take_lock(struct xlm__toolstack *t, const unsigned char uuid[16])
{
    return xlm__hostlock_take(t->err, XLM__HOSTLOCK_DIR, uuid,
                              &xlm__ts(t)->lock);
}

static void drop_lock(struct xlm__toolstack *t)
{
    xlm__hostlock_drop(&xlm__ts(t)->lock);
}

static bool lock_held(struct xlm__toolstack *t, const unsigned char uuid[16])
{
    (void)t;
    return xlm__hostlock_held(XLM__HOSTLOCK_DIR, uuid);
}

static int mark_set(struct xlm__toolstack *t, enum xlm__mark_kind kind,
                    const struct xlm__mark *m)
{
    return xlm__mark_set(t->err, NULL, kind, m);
}

static int mark_get(struct xlm__toolstack *t, enum xlm__mark_kind kind,
                    const unsigned char uuid[16], struct xlm__mark *out,
                    bool *exists_out)
{
    return xlm__mark_get(t->err, NULL, kind, uuid, out, exists_out);
}

static void mark_clear(struct xlm__toolstack *t, enum xlm__mark_kind kind,
                       const unsigned char uuid[16])
{
    (void)t;
    xlm__mark_clear(NULL, kind, uuid);
}

static int mark_each(struct xlm__toolstack *t, xlm__mark_fn *fn, void *user)
{
    return xlm__mark_each(t->err, NULL, fn, user);
}

static int xenstore_collect(struct xlm__toolstack *t, uint32_t domid,
                            struct xlm__xsnodes *out)
{
    return xlm__xsnodes_collect(t->err, xlm__ts(t)->xs, domid, out);
}

static int xenstore_restore(struct xlm__toolstack *t, uint32_t domid,
                            const struct xlm__xsnodes *nodes)
{
    return xlm__xsnodes_restore(t->err, xlm__ts(t)->xs, domid, nodes);
}

static void ts_close(struct xlm__toolstack *t)
{
    struct xlm__ts *ts = xlm__ts(t);

    if (!ts)
        return;
    xlm__ts_restore_close(ts);
    xlm__hostlock_drop(&ts->lock);
    if (ts->ctx)
        libxl_ctx_free(ts->ctx);
    xs_close(ts->xs);
    xlm__libxl_log_destroy(&ts->log);
    free(ts->xl_path);
    free(ts);
}

static const struct xlm__toolstack_ops libxl_ops = {
    .close = ts_close,
    .find = xlm__ts_find,
    .config_get = xlm__ts_config_get,
    .config_diff = xlm__ts_config_diff,
    .config_stamp = xlm__ts_config_stamp,
    .check_source = xlm__ts_check_source,
    .lock = take_lock,
    .unlock = drop_lock,
    .lock_held = lock_held,
    .mark_set = mark_set,
    .mark_get = mark_get,
    .mark_clear = mark_clear,
    .mark_each = mark_each,
    .dm_logdirty = xlm__ts_dm_logdirty,
    .suspend = xlm__ts_suspend,
    .resume = xlm__ts_resume,
    .dm_continue = xlm__ts_dm_continue,
    .destroy = xlm__ts_destroy,
    .rename = xlm__ts_rename,
    .dm_state = xlm__ts_dm_state,
    .storage_settle = xlm__ts_storage_settle,
    .xenstore_collect = xenstore_collect,
    .ring_frames = xlm__ts_ring_frames,
    .has_monitor = xlm__ts_has_monitor,
    .check_destination = xlm__ts_check_destination,
    .check_prebuild = xlm__ts_check_prebuild,
    .config_parse = xlm__ts_config_parse,
    .restore_begin = xlm__ts_restore_begin,
    .restore_record = xlm__ts_restore_record,
    .restore_sync = xlm__ts_restore_sync,
    .restore_end = xlm__ts_restore_end,
    .restore_check = xlm__ts_restore_check,
    .dm_hold = xlm__ts_dm_hold,
    .dm_load = xlm__ts_dm_load,
    .storage_drop_cache = xlm__ts_storage_drop_cache,
    .xenstore_restore = xenstore_restore,
    .restore_go = xlm__ts_restore_go,
    .restore_abort = xlm__ts_restore_abort,
    .guest_gap = xlm__ts_guest_gap,
};

int xlm__toolstack_open_libxl(const struct xlm__toolstack_params *p,
                              struct xlm__toolstack **out)
{
    struct xlm__ts *ts = calloc(1, sizeof(*ts));
    int rc;

    if (!ts)
        return XLM_FAIL(p->err, XLM_ERR_NOMEM, "toolstack");
    ts->base.ops = &libxl_ops;
    ts->base.err = p->err;
    ts->base.stop_fd = p->stop_fd;
    ts->hv = p->hv;
    ts->record_fd = p->record_fd;
    ts->lock.fd = -1;
    xlm__libxl_log_init(&ts->log, p->err);

    ts->xl_path = strdup(p->xl_path ? p->xl_path : XLM_REAL_XL);
    if (!ts->xl_path) {
        rc = XLM_FAIL(p->err, XLM_ERR_NOMEM, "toolstack");
        goto out;
    }
    ts->xs = xs_open(0);
    if (!ts->xs) {
        rc = XLM_FAIL_ERRNO(p->err, XLM_ERR_TOOLSTACK, "cannot open xenstore");
        goto out;
    }
    rc = xlm__libxl_open(p->err, &ts->log, &ts->ctx);
    if (rc)
        goto out;
    *out = &ts->base;
    ts = NULL;

out:
    if (ts)
        ts_close(&ts->base);
    return rc;
}
