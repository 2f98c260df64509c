/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "toolstack"
#include "toolstack/toolstack_libxl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/uuid.h"

static bool by_name(struct xlm__ts *ts, const char *what, uint32_t *domid_out)
{
    return !libxl_name_to_domid(ts->ctx, what, domid_out);
}

static bool by_number(struct xlm__ts *ts, const char *what, uint32_t *domid_out)
{
    char *end, *name;
    unsigned long id = strtoul(what, &end, 10);

    if (*what < '0' || *what > '9' || *end || id > 0x7fef)
        return false;
    name = libxl_domid_to_name(ts->ctx, (uint32_t)id);
    if (!name)
        return false;
    free(name);
    *domid_out = (uint32_t)id;
    return true;
}

static bool by_uuid(struct xlm__ts *ts, const char *what, uint32_t *domid_out)
{
    unsigned char uuid[XLM__UUID_BYTES];

    return xlm__uuid_parse(what, uuid) &&
           !ts->hv->ops->find_uuid(ts->hv, uuid, 0, domid_out) && *domid_out;
}

int xlm__ts_find(struct xlm__toolstack *t, const char *what,
                 uint32_t *domid_out, char name_out[XLM_NAME_MAX])
{
    struct xlm__ts *ts = xlm__ts(t);
    char *name;

    if (!by_name(ts, what, domid_out) && !by_number(ts, what, domid_out) &&
        !by_uuid(ts, what, domid_out))
        return XLM_FAIL(t->err, XLM_ERR_INVAL, "no domain %s on this host",
                        what);
    if (*domid_out == 0)
        return XLM_FAIL(t->err, XLM_ERR_INVAL,
                        "%s is this host's dom0, which cannot be moved", what);
    name = libxl_domid_to_name(ts->ctx, *domid_out);
    snprintf(name_out, XLM_NAME_MAX, "%s", name ? name : what);
    free(name);
    return 0;
}
