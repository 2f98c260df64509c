/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UUIDs as 16 bytes in the order they are printed in. */
#ifndef XLM_UTIL_UUID_H
#define XLM_UTIL_UUID_H

#include <stdbool.h>

#define XLM__UUID_BYTES 16
#define XLM__UUID_TEXT  37 /* 36 characters and NUL */

/* "01234567-89ab-cdef-0123-456789abcdef", lower case. */
void xlm__uuid_format(const unsigned char uuid[XLM__UUID_BYTES],
                      char text_out[XLM__UUID_TEXT]);
/* Exactly this form, either case, nothing after it. */
bool xlm__uuid_parse(const char *text, unsigned char uuid_out[XLM__UUID_BYTES]);
bool xlm__uuid_equal(const unsigned char a[XLM__UUID_BYTES],
                     const unsigned char b[XLM__UUID_BYTES]);
/* Random (version 4), from getrandom(2).  False if the system has none. */
bool xlm__uuid_random(unsigned char uuid_out[XLM__UUID_BYTES]);

#endif /* XLM_UTIL_UUID_H */
