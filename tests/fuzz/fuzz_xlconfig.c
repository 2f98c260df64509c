/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What xl prints for a configuration file. */
#include "config.h"

#include "fuzz.h"

#include "xlconfig.h"

int fuzz_xlconfig(const uint8_t *data, size_t size)
{
    char error[LM_ERROR_MAX] = "", *text = fuzz_text(data, size), *json, *again;

    json = xlconfig_extract(text, error);
    FUZZ_CHECK(json || error[0]);
    FUZZ_CHECK(memchr(error, '\0', sizeof(error)));
    free(text);
    if (!json)
        return 0;
    FUZZ_CHECK(json[0] == '{');
    /* It is a configuration itself, unless nothing names it as one. */
    again = xlconfig_extract(json, error);
    free(again);
    free(json);
    return 0;
}
