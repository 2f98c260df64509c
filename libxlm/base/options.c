/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"

/* What a caller of the first release knew: .size and .domid make a struct. */
#define MIN_SIZE offsetof(struct xlm_options, flags)

/* From <xen/xen.h>: ids from here on are special (DOMID_FIRST_RESERVED). */
#define FIRST_RESERVED_DOMID 0x7ff0u

/* The wire's limit for a configuration (libxlm/doc/stream-format.md). */
#define CONFIG_MAX_BYTES (1u << 20)

static int invalid(char *message_out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int invalid(char *message_out, const char *fmt, ...)
{
    va_list ap;

    if (message_out) {
        va_start(ap, fmt);
        vsnprintf(message_out, XLM_MESSAGE_MAX, fmt, ap);
        va_end(ap);
    }
    return XLM_ERR_INVAL;
}

static bool all_zero(const unsigned char *p, size_t n)
{
    while (n--)
        if (*p++)
            return false;
    return true;
}

/* The rule of openat2(2): what the caller did not know is zero, what we do not
 * know must be. */
static int copy_known(struct xlm_options *dst, const struct xlm_options *src,
                      char *message_out)
{
    const size_t ours = sizeof(*dst);
    const size_t theirs = src->size;

    if (theirs < MIN_SIZE)
        return invalid(message_out, "options: size is %zu, at least %zu needed",
                       theirs, MIN_SIZE);
    if (theirs > ours &&
        !all_zero((const unsigned char *)src + ours, theirs - ours))
        return invalid(message_out,
                       "options: a field after byte %zu is set, and not known "
                       "to this library",
                       ours);
    memcpy(dst, src, theirs < ours ? theirs : ours);
    return 0;
}

static int check_data(const struct xlm_options *opt, char *message_out)
{
    if (opt->data > XLM_DATA_PLAIN)
        return invalid(message_out, "options: data is %u, limit %u", opt->data,
                       XLM_DATA_PLAIN);
    if (opt->data_channels > XLM__DATA_CHANNELS_MAX)
        return invalid(message_out, "options: data_channels is %u, limit %u",
                       opt->data_channels, XLM__DATA_CHANNELS_MAX);
    return 0;
}

static int check_compress(const struct xlm_options *opt, char *message_out)
{
    if (opt->compress > XLM_COMPRESS_ZSTD)
        return invalid(message_out, "options: compress is %u, limit %d",
                       opt->compress, XLM_COMPRESS_ZSTD);
    if (opt->compress_level && opt->compress != XLM_COMPRESS_ZSTD)
        return invalid(message_out,
                       "options: compress_level is %d, but only zstd has one",
                       opt->compress_level);
    if (opt->compress_level < XLM__COMPRESS_LEVEL_MIN ||
        opt->compress_level > XLM__COMPRESS_LEVEL_MAX)
        return invalid(message_out,
                       "options: compress_level is %d, limits %d and %d",
                       opt->compress_level, XLM__COMPRESS_LEVEL_MIN,
                       XLM__COMPRESS_LEVEL_MAX);
    if (opt->delta_mib > XLM__DELTA_MIB_MAX && opt->delta_mib != XLM_DELTA_OFF)
        return invalid(message_out, "options: delta_mib is %u, limit %u",
                       opt->delta_mib, XLM__DELTA_MIB_MAX);
    return 0;
}

/* In the order of their enum, so none twice, and the ends at the end. */
static int check_on_slow(const struct xlm_options *opt, char *message_out)
{
    const size_t nr = sizeof(opt->on_slow) / sizeof(opt->on_slow[0]);
    unsigned last = 0;

    for (size_t i = 0; i < nr; i++) {
        const unsigned way = opt->on_slow[i];

        if (!way && all_zero(opt->on_slow + i, nr - i))
            return 0;
        if (way > XLM_SLOW_ABORT || way <= last || last >= XLM_SLOW_SWITCH)
            return invalid(message_out, "options: on_slow[%zu] is %u after %u",
                           i, way, last);
        last = way;
    }
    return 0;
}

static int check_source(const struct xlm_options *opt, char *message_out)
{
    int rc;

    if (!opt->domid)
        return invalid(message_out, "options: domid is 0, a source needs one");
    if (opt->domid >= FIRST_RESERVED_DOMID)
        return invalid(message_out, "options: domid is %u, limit %u",
                       opt->domid, FIRST_RESERVED_DOMID - 1);
    if ((opt->flags & XLM_F_ESTIMATE) && (opt->flags & XLM_F_DRY_RUN))
        return invalid(message_out, "options: an estimate is no dry run");
    if (opt->config_json &&
        strnlen(opt->config_json, CONFIG_MAX_BYTES + 1) > CONFIG_MAX_BYTES)
        return invalid(message_out, "options: config_json is over %u bytes",
                       CONFIG_MAX_BYTES);
    rc = check_data(opt, message_out);
    if (!rc)
        rc = check_on_slow(opt, message_out);
    return rc ? rc : check_compress(opt, message_out);
}

static int check(const struct xlm_options *opt, enum xlm_role role,
                 char *message_out)
{
    const uint32_t unknown = opt->flags & ~XLM__FLAGS_ALL;

    if (role != XLM_SOURCE && role != XLM_DESTINATION)
        return invalid(message_out,
                       "role is %d, neither source nor destination", (int)role);
    if (unknown)
        return invalid(message_out, "options: flags 0x%x are not known",
                       unknown);
    if (opt->max_rounds > XLM__MAX_ROUNDS_MAX)
        return invalid(message_out, "options: max_rounds is %u, limit %u",
                       opt->max_rounds, XLM__MAX_ROUNDS_MAX);
    if (opt->dirty > XLM_DIRTY_NONE)
        return invalid(message_out, "options: dirty is %u, limit %u",
                       opt->dirty, (unsigned)XLM_DIRTY_NONE);
    if (opt->reconnect_ms > XLM__RECONNECT_MS_MAX &&
        opt->reconnect_ms != XLM_RECONNECT_OFF)
        return invalid(message_out, "options: reconnect_ms is %u, limit %u",
                       opt->reconnect_ms, XLM__RECONNECT_MS_MAX);
    if (opt->guard_fd < 0 || opt->record_fd < 0)
        return invalid(message_out, "options: descriptor %d",
                       opt->guard_fd < 0 ? opt->guard_fd : opt->record_fd);
    if (opt->xl_path && opt->xl_path[0] != '/')
        return invalid(message_out, "options: xl_path %s is not absolute",
                       opt->xl_path);
    if ((opt->port_low || opt->port_high) &&
        (!opt->port_low || opt->port_low > opt->port_high))
        return invalid(message_out, "options: ports %u to %u", opt->port_low,
                       opt->port_high);
    return role == XLM_SOURCE ? check_source(opt, message_out) : 0;
}

static void defaults(struct xlm_options *opt)
{
    if (!opt->max_rounds) /* who is to go on has no limit but that */
        opt->max_rounds = opt->on_slow[0] && opt->on_slow[0] < XLM_SLOW_SWITCH
                              ? XLM__MAX_ROUNDS_MAX
                              : XLM__MAX_ROUNDS_DEFAULT;
    if (!opt->suspend_timeout_ms)
        opt->suspend_timeout_ms = XLM__SUSPEND_TIMEOUT_MS_DEFAULT;
    if (!opt->data_channels)
        opt->data_channels = 1;
    if (!opt->reconnect_ms)
        opt->reconnect_ms = XLM__RECONNECT_MS_DEFAULT;
    else if (opt->reconnect_ms == XLM_RECONNECT_OFF)
        opt->reconnect_ms = 0;
    if (opt->compress == XLM_COMPRESS_ZSTD && !opt->compress_level)
        opt->compress_level = XLM__COMPRESS_LEVEL_DEFAULT;
    if (!opt->delta_mib)
        opt->delta_mib = XLM__DELTA_MIB_DEFAULT;
    else if (opt->delta_mib == XLM_DELTA_OFF)
        opt->delta_mib = 0;
    if (!opt->xl_path)
        opt->xl_path = XLM_REAL_XL;
}

/* False without memory; *text is ours or NULL then. */
static bool own(const char **text)
{
    const bool had = *text;

    *text = had ? strdup(*text) : NULL;
    return *text || !had;
}

/* From here on the strings are ours, also when only some could be had. */
static bool own_strings(struct xlm_options *opt)
{
    bool ok = own(&opt->xl_path);

    ok = own(&opt->config_json) && ok;
    ok = own(&opt->data_host) && ok;
    ok = own(&opt->journal_host) && ok;
    ok = own(&opt->journal_ssh) && ok;
    return own(&opt->data_address) && ok;
}

int xlm__options_copy(struct xlm_options *dst, const struct xlm_options *src,
                      enum xlm_role role, char *message_out)
{
    struct xlm_options opt = { 0 };
    int rc;

    memset(dst, 0, sizeof(*dst));
    if (src) {
        rc = copy_known(&opt, src, message_out);
        if (rc)
            return rc;
    }
    opt.size = sizeof(opt);

    rc = check(&opt, role, message_out);
    if (rc)
        return rc;
    defaults(&opt);
    if (!own_strings(&opt)) {
        xlm__options_free(&opt);
        invalid(message_out, "options: no memory for the strings");
        return XLM_ERR_NOMEM;
    }
    *dst = opt;
    return 0;
}

void xlm__options_free(struct xlm_options *opt)
{
    free((char *)opt->xl_path);
    free((char *)opt->config_json);
    free((char *)opt->data_host);
    free((char *)opt->data_address);
    free((char *)opt->journal_host);
    free((char *)opt->journal_ssh);
    opt->xl_path = NULL;
    opt->config_json = NULL;
    opt->data_host = NULL;
    opt->data_address = NULL;
    opt->journal_host = NULL;
    opt->journal_ssh = NULL;
}
