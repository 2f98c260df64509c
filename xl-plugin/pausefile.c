/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "pausefile.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef XLM_STATE_DIR
#define XLM_STATE_DIR "/var/lib/xen"
#endif
/* More than an hour is not a pause that the next move should expect. */
#define FIXED_MS_MAX 3600000u

static bool file_name(const char *host, const char *name, char path[PATH_MAX])
{
    const char *dir = getenv("XLM_STATE_DIR");
    int n = snprintf(path, PATH_MAX, "%s/", dir && *dir ? dir : XLM_STATE_DIR);
    char *p;

    if (n < 0 || n >= PATH_MAX)
        return false;
    p = path + n;
    n = snprintf(p, (size_t)(PATH_MAX - n), "xlm-pause-%s-%s", host, name);
    if (n < 0 || n > NAME_MAX) /* HOST may be a whole command, with -s '' */
        return false;
    for (; *p; p++)
        if (*p == '/' || *p == ' ')
            *p = '_';
    return true;
}

uint32_t pausefile_read(const char *host, const char *name)
{
    char path[PATH_MAX];
    unsigned ms = 0;
    FILE *f;

    if (!file_name(host, name, path))
        return 0;
    f = fopen(path, "re");
    if (!f)
        return 0;
    if (fscanf(f, "%8u", &ms) != 1 || ms > FIXED_MS_MAX)
        ms = 0;
    fclose(f);
    return ms;
}

uint32_t pausefile_fixed_ms(const struct xlm_stats *stats)
{
    uint64_t fixed_us = stats->fixed_pause_ms * UINT64_C(1000);
    uint64_t variable_us = stats->predicted_blackout_us > fixed_us
                               ? stats->predicted_blackout_us - fixed_us
                               : 0;
    uint64_t ms;

    if (stats->blackout_us <= variable_us)
        return 0;
    ms = (stats->blackout_us - variable_us) / 1000;
    return ms > FIXED_MS_MAX ? 0 : (uint32_t)ms;
}

void pausefile_write(const char *host, const char *name,
                     const struct xlm_stats *stats)
{
    uint32_t ms = pausefile_fixed_ms(stats);
    char path[PATH_MAX];
    FILE *f;

    if (!ms || !file_name(host, name, path))
        return;
    f = fopen(path, "we");
    if (!f)
        return;
    fprintf(f, "%u\n", ms);
    fclose(f);
}
