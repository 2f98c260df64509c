/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "config"
#include "toolstack/lists.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

struct walk {
    struct xlm__errslot *err;
    unsigned depth;
    bool in_list[XLM__LIST_DEPTH_MAX];
    int rc;
};

static int down(struct walk *w, bool list)
{
    if (w->depth == XLM__LIST_DEPTH_MAX) {
        w->rc = XLM_FAIL(w->err, XLM_ERR_STREAM,
                         "configuration: more than %u lists and objects within "
                         "each other",
                         XLM__LIST_DEPTH_MAX);
        return 0;
    }
    w->in_list[w->depth++] = list;
    return 1;
}

static int on_list(void *user)
{
    return down(user, true);
}

static int on_object(void *user)
{
    return down(user, false);
}

static int on_end(void *user)
{
    struct walk *w = user;

    w->depth--;
    return 1;
}

static int on_number(void *user, const char *text, size_t length)
{
    struct walk *w = user;
    char number[32];
    long long n;

    if (!w->depth || !w->in_list[w->depth - 1])
        return 1;
    length = length < sizeof(number) ? length : sizeof(number) - 1;
    memcpy(number, text, length);
    number[length] = '\0';
    n = strtoll(number, NULL, 10);
    if (n >= 0 && n <= XLM__LIST_NUMBER_MAX)
        return 1;
    w->rc = XLM_FAIL(w->err, XLM_ERR_STREAM,
                     "configuration: %s in a list, 0 to %u are possible",
                     number, XLM__LIST_NUMBER_MAX);
    return 0;
}

int xlm__lists_check(struct xlm__errslot *err, const char *json)
{
    static const yajl_callbacks callbacks = {
        .yajl_number = on_number,
        .yajl_start_map = on_object,
        .yajl_end_map = on_end,
        .yajl_start_array = on_list,
        .yajl_end_array = on_end,
    };
    struct walk w = { .err = err };
    yajl_handle h = yajl_alloc(&callbacks, NULL, &w);

    if (!h)
        return XLM_FAIL(err, XLM_ERR_NOMEM, "configuration");
    (void)yajl_parse(h, (const unsigned char *)json, strlen(json));
    yajl_free(h);
    return w.rc;
}
