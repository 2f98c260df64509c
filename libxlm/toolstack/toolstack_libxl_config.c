/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain's configuration: fetch, parse, compare. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "toolstack/lists.h"
#include "toolstack/toolstack_libxl.h"
#include "toolstack/xlstream.h"

#define XLM_MODULE "config"

/* Also the longest that xenstore and xl's file names are known to take. */
#define NAME_MAX_CHARS 200

static int fill_type(struct xlm__ts *ts, libxl_domain_type type,
                     enum xlm__domain_type *out)
{
    switch (type) {
    case LIBXL_DOMAIN_TYPE_PV:
        *out = XLM__TYPE_PV;
        return 0;
    case LIBXL_DOMAIN_TYPE_PVH:
        *out = XLM__TYPE_PVH;
        return 0;
    case LIBXL_DOMAIN_TYPE_HVM:
        *out = XLM__TYPE_HVM;
        return 0;
    default:
        return XLM_FAIL(ts->base.err, XLM_ERR_INCOMPATIBLE,
                        "configuration: domain type %d is not known here",
                        (int)type);
    }
}

/* It becomes part of file names and of a command's output. */
static bool name_ok(const char *name)
{
    if (!name || !name[0] || strlen(name) > NAME_MAX_CHARS)
        return false;
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        if (*c < 0x20 || *c == 0x7f || *c == '/')
            return false;
    return true;
}

static int fill(struct xlm__ts *ts, libxl_domain_config *dc,
                struct xlm__config *out)
{
    int rc = fill_type(ts, dc->c_info.type, &out->type);

    if (rc)
        return rc;
    if (!name_ok(dc->c_info.name))
        return XLM_FAIL(ts->base.err, XLM_ERR_INCOMPATIBLE,
                        "configuration: domain name \"%.60s\": 1 to %d "
                        "printable characters without / are expected",
                        dc->c_info.name ? dc->c_info.name : "", NAME_MAX_CHARS);
    if (dc->b_info.max_vcpus <= 0)
        return XLM_FAIL(ts->base.err, XLM_ERR_INCOMPATIBLE,
                        "configuration of %s: %d vCPUs", dc->c_info.name,
                        dc->b_info.max_vcpus);
    memcpy(out->uuid, libxl_uuid_bytearray(&dc->c_info.uuid), 16);
    out->max_memkb = dc->b_info.max_memkb;
    out->target_memkb = dc->b_info.target_memkb;
    out->max_vcpus = (uint32_t)dc->b_info.max_vcpus;
    out->name = strdup(dc->c_info.name);
    out->json = libxl_domain_config_to_json(ts->ctx, dc);
    if (!out->name || !out->json)
        return XLM_FAIL(ts->base.err, XLM_ERR_NOMEM, "configuration of %s",
                        dc->c_info.name);
    return 0;
}

int xlm__ts_config_load(struct xlm__ts *ts, const char *json,
                        libxl_domain_config *out)
{
    const size_t bytes = strlen(json);
    int rc;

    libxl_domain_config_init(out);
    if (bytes > XLM__XLSTREAM_MAX_JSON)
        return XLM_FAIL(ts->base.err, XLM_ERR_STREAM,
                        "configuration of %zu bytes, limit %u", bytes,
                        XLM__XLSTREAM_MAX_JSON);
    rc = xlm__lists_check(ts->base.err, json);
    if (rc)
        return rc;
    rc = libxl_domain_config_from_json(ts->ctx, out, json);
    if (rc)
        return TS_FAIL(ts, XLM_ERR_STREAM, rc,
                       "this libxl cannot parse the configuration");
    return 0;
}

int xlm__ts_config_get(struct xlm__toolstack *t, uint32_t domid,
                       struct xlm__config *out)
{
    struct xlm__ts *ts = xlm__ts(t);
    struct xlm__config c = { 0 };
    libxl_domain_config dc;
    int rc;

    libxl_domain_config_init(&dc);
    rc = libxl_retrieve_domain_configuration(ts->ctx, domid, &dc, NULL);
    if (rc) {
        rc = TS_FAIL(ts, XLM_ERR_TOOLSTACK, rc, "configuration of domain %u",
                     domid);
        goto out;
    }
    /* The other side may be asked to keep it; xl itself would send 0. */
    dc.c_info.domid = domid;
    rc = fill(ts, &dc, &c);
    if (rc)
        goto out;
    *out = c;
    memset(&c, 0, sizeof(c));

out:
    xlm__config_free(&c);
    libxl_domain_config_dispose(&dc);
    return rc;
}

int xlm__ts_config_parse(struct xlm__toolstack *t, const char *json,
                         struct xlm__config *out)
{
    struct xlm__ts *ts = xlm__ts(t);
    struct xlm__config c = { 0 };
    libxl_domain_config dc;
    int rc;

    rc = xlm__ts_config_load(ts, json, &dc);
    if (!rc)
        rc = fill(ts, &dc, &c);
    if (rc)
        xlm__config_free(&c);
    else
        *out = c;
    libxl_domain_config_dispose(&dc);
    return rc;
}

int xlm__ts_config_diff(struct xlm__toolstack *t, const struct xlm__config *a,
                        const struct xlm__config *b, char *out, size_t bytes)
{
    struct xlm__ts *ts = xlm__ts(t);
    libxl_domain_config da;
    libxl_domain_config db;
    int rc;

    libxl_domain_config_init(&db);
    rc = xlm__ts_config_load(ts, a->json, &da);
    if (!rc)
        rc = xlm__ts_config_load(ts, b->json, &db);
    if (!rc)
        xlm__libxl_config_diff(&da, &db, out, bytes);
    libxl_domain_config_dispose(&da);
    libxl_domain_config_dispose(&db);
    return rc;
}
