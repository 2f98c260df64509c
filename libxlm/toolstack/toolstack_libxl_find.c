/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what a person calls a domain to its id. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "toolstack/toolstack_libxl.h"
#include "util/uuid.h"

#define XLM_MODULE "find"

static bool by_id(const char *what, uint32_t *domid_out)
{
    unsigned long id;
    char *end;

    if (what[0] < '0' || what[0] > '9')
        return false;
    errno = 0;
    id = strtoul(what, &end, 10);
    if (errno || *end || id >= DOMID_FIRST_RESERVED)
        return false;
    *domid_out = (uint32_t)id;
    return true;
}

static bool by_uuid(struct xlm__ts *ts, const char *what, uint32_t *domid_out)
{
    unsigned char uuid[XLM__UUID_BYTES];
    bool found = false;
    libxl_dominfo *list;
    int nr = 0;

    if (!xlm__uuid_parse(what, uuid))
        return false;
    list = libxl_list_domain(ts->ctx, &nr);
    for (int i = 0; list && i < nr && !found; i++) {
        if (memcmp(libxl_uuid_bytearray(&list[i].uuid), uuid, sizeof(uuid)))
            continue;
        *domid_out = list[i].domid;
        found = true;
    }
    if (list)
        libxl_dominfo_list_free(list, nr);
    return found;
}

static bool exists(struct xlm__ts *ts, uint32_t domid)
{
    libxl_dominfo info;
    bool is_there;

    libxl_dominfo_init(&info);
    is_there = !libxl_domain_info(ts->ctx, &info, domid);
    libxl_dominfo_dispose(&info);
    return is_there;
}

int xlm__ts_find(struct xlm__toolstack *t, const char *what,
                 uint32_t *domid_out, char name_out[XLM_NAME_MAX])
{
    struct xlm__ts *ts = xlm__ts(t);
    uint32_t domid;
    char *name;

    if (libxl_name_to_domid(ts->ctx, what, &domid) && !by_id(what, &domid) &&
        !by_uuid(ts, what, &domid))
        return XLM_FAIL(t->err, XLM_ERR_INVAL,
                        "\"%s\": no domain of this name, id or uuid", what);
    if (domid == 0)
        return XLM_FAIL(t->err, XLM_ERR_INVAL, "dom0 cannot be moved");
    if (!exists(ts, domid))
        return XLM_FAIL(t->err, XLM_ERR_INVAL, "there is no domain %u", domid);
    name = libxl_domid_to_name(ts->ctx, domid);
    snprintf(name_out, XLM_NAME_MAX, "%s", name ? name : "");
    free(name);
    *domid_out = domid;
    return 0;
}
