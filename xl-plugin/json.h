/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What yajl's generator is given most. */
#ifndef XLM_PLUGIN_JSON_H
#define XLM_PLUGIN_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <yajl/yajl_gen.h>

static inline void put_text(yajl_gen g, const char *text)
{
    yajl_gen_string(g, (const unsigned char *)text, strlen(text));
}

static inline void put_key_text(yajl_gen g, const char *key, const char *text)
{
    put_text(g, key);
    if (text)
        put_text(g, text);
    else
        yajl_gen_null(g);
}

static inline void put_key_number(yajl_gen g, const char *key, uint64_t v)
{
    put_text(g, key);
    yajl_gen_integer(g, (long long)v);
}

static inline void put_key_bool(yajl_gen g, const char *key, bool v)
{
    put_text(g, key);
    yajl_gen_bool(g, v);
}

#endif /* XLM_PLUGIN_JSON_H */
