/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "number.h"

#include <ctype.h>
#include <string.h>

bool number_parse(const char *text, uint64_t min, uint64_t max,
                  uint64_t *value_out)
{
    uint64_t v = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text))
            return false;
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
            return false;
    }
    if (v < min || v > max)
        return false;
    *value_out = v;
    return true;
}

/* "12.5" becomes 12500; *end_out is the first character behind it. */
static bool parse_thousandths(const char *text, uint64_t *out,
                              const char **end_out)
{
    const char *p = text;
    uint64_t v = 0;
    int fraction = 0;
    bool point = false;

    if (!isdigit((unsigned char)*p))
        return false;
    for (; isdigit((unsigned char)*p) || (*p == '.' && !point); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        if (v > UINT64_C(1000000000000000) || (point && ++fraction > 3))
            return false;
        v = v * 10 + (uint64_t)(*p - '0');
    }
    if (point && !fraction)
        return false;
    for (; fraction < 3; fraction++)
        v *= 10;
    *out = v;
    *end_out = p;
    return true;
}

static uint64_t parse_prefix(const char **p)
{
    static const char letters[] = "kMGT";
    /* SI writes k, IEC writes Ki. */
    char letter = **p == 'K' ? 'k' : **p;
    const char *at = letter ? strchr(letters, letter) : NULL;
    uint64_t factor = 1, base = 1000;

    if (!at)
        return 1;
    (*p)++;
    if (**p == 'i') {
        base = 1024;
        (*p)++;
    }
    for (const char *l = letters; l <= at; l++)
        factor *= base;
    return factor;
}

/* Bits in the unit, 0 if the rest of the text is no unit. */
static unsigned parse_unit(const char *p)
{
    static const struct {
        const char *text;
        unsigned bits;
    } units[] = {
        { "", 8 },    { "B", 8 },   { "/s", 8 },
        { "B/s", 8 }, { "bit", 1 }, { "bit/s", 1 },
    };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (!strcmp(p, units[i].text))
            return units[i].bits;
    return 0;
}

bool rate_parse(const char *text, uint64_t *bytes_s_out)
{
    uint64_t v, factor;
    const char *p;
    unsigned bits;

    if (!parse_thousandths(text, &v, &p))
        return false;
    factor = parse_prefix(&p);
    bits = parse_unit(p);
    if (!bits || __builtin_mul_overflow(v, factor, &v))
        return false;
    v = v / 1000 / (8 / bits);
    if (v < RATE_MIN_BYTES_S || v > RATE_MAX_BYTES_S)
        return false;
    *bytes_s_out = v;
    return true;
}
