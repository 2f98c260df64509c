/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a failure was called. */
#ifndef XLM_TESTS_ERROR_SAYS_H
#define XLM_TESTS_ERROR_SAYS_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* Does the message have this in it?  If not, it is printed. */
static inline bool error_says(struct xlm__errslot *err, const char *text)
{
    char message[XLM_MESSAGE_MAX];

    xlm__errslot_read(err, message);
    if (strstr(message, text))
        return true;
    printf("\n    said: %s\n", message);
    return false;
}

#endif /* XLM_TESTS_ERROR_SAYS_H */
