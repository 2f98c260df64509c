/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/host.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/uuid.h"

void xlm__host_name(char *out, size_t bytes)
{
    if (gethostname(out, bytes))
        snprintf(out, bytes, "unknown");
    out[bytes - 1] = '\0';
}

void xlm__host_boot_id(unsigned char out[16])
{
    char text[XLM__UUID_TEXT] = "";
    FILE *f;

    memset(out, 0, 16);
    f = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!f)
        return;
    if (fgets(text, sizeof(text), f) && !xlm__uuid_parse(text, out))
        memset(out, 0, 16);
    fclose(f);
}

bool xlm__host_is_boot(const unsigned char boot[16])
{
    unsigned char now[XLM__UUID_BYTES];

    xlm__host_boot_id(now);
    return xlm__uuid_equal(boot, now);
}
