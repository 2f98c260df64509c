/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <sys/random.h>

#include "util/uuid.h"

/* A dash goes before bytes 4, 6, 8 and 10. */
static bool dash_before(int byte)
{
    return byte >= 4 && byte <= 10 && byte % 2 == 0;
}

void xlm__uuid_format(const unsigned char uuid[XLM__UUID_BYTES],
                      char text_out[XLM__UUID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    char *p = text_out;

    for (int i = 0; i < XLM__UUID_BYTES; i++) {
        if (dash_before(i))
            *p++ = '-';
        *p++ = digits[uuid[i] >> 4];
        *p++ = digits[uuid[i] & 15];
    }
    *p = '\0';
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool xlm__uuid_parse(const char *text, unsigned char uuid_out[XLM__UUID_BYTES])
{
    unsigned char uuid[XLM__UUID_BYTES];
    int high, low;

    for (int i = 0; i < XLM__UUID_BYTES; i++) {
        if (dash_before(i) && *text++ != '-')
            return false;
        high = digit(*text);
        if (high < 0)
            return false;
        low = digit(text[1]);
        if (low < 0)
            return false;
        uuid[i] = (unsigned char)(high << 4 | low);
        text += 2;
    }
    if (*text)
        return false;
    memcpy(uuid_out, uuid, sizeof(uuid));
    return true;
}

bool xlm__uuid_equal(const unsigned char a[XLM__UUID_BYTES],
                     const unsigned char b[XLM__UUID_BYTES])
{
    return memcmp(a, b, XLM__UUID_BYTES) == 0;
}

bool xlm__uuid_random(unsigned char uuid_out[XLM__UUID_BYTES])
{
    unsigned char uuid[XLM__UUID_BYTES];

    /* Up to 256 bytes are never cut short (getrandom(2)). */
    if (getrandom(uuid, sizeof(uuid), 0) != (ssize_t)sizeof(uuid))
        return false;
    uuid[6] = (unsigned char)((uuid[6] & 0x0f) | 0x40); /* version 4 */
    uuid[8] = (unsigned char)((uuid[8] & 0x3f) | 0x80); /* RFC 4122  */
    memcpy(uuid_out, uuid, sizeof(uuid));
    return true;
}
