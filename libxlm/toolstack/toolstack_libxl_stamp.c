/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Has anybody attached or detached a device, or set memory or vCPUs, since?
 * Asked while the domain is suspended, where reading its whole configuration
 * again would take too long.
 *
 * libxl replaces its file of the configuration when a device is attached; a
 * detached one vanishes from /libxl; the balloon's target, and which vCPUs are
 * to be online, are in xenstore only.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "toolstack/toolstack_libxl.h"
#include "util/uuid.h"

#define CONFIG_FILE "/var/lib/xen/userdata-d.%u.%s.libxl-json"

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
#define FNV_START 14695981039346656037u
#define FNV_PRIME 1099511628211u

static uint64_t add(uint64_t hash, const void *data, size_t bytes)
{
    const unsigned char *p = data;

    while (bytes--)
        hash = (hash ^ *p++) * FNV_PRIME;
    return hash;
}

static uint64_t add_text(uint64_t hash, const char *text)
{
    return add(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

static uint64_t add_file(uint64_t hash, uint32_t domid, const char *uuid)
{
    char path[128];
    struct stat st;

    snprintf(path, sizeof(path), CONFIG_FILE, domid, uuid);
    if (stat(path, &st))
        return hash;
    hash = add(hash, &st.st_ino, sizeof(st.st_ino));
    return add(hash, &st.st_mtim, sizeof(st.st_mtim));
}

/* Names of the nodes there, `levels` deep. */
static uint64_t add_names(struct xlm__ts *ts, uint64_t hash, const char *path,
                          unsigned levels)
{
    unsigned nr = 0;
    char **names = xs_directory(ts->xs, XBT_NULL, path, &nr);
    char below[256];

    for (unsigned i = 0; i < nr && names; i++) {
        hash = add_text(hash, names[i]);
        snprintf(below, sizeof(below), "%s/%s", path, names[i]);
        if (levels > 1)
            hash = add_names(ts, hash, below, levels - 1);
    }
    free(names);
    return hash;
}

static uint64_t add_cpus(struct xlm__ts *ts, uint64_t hash, uint32_t domid)
{
    char path[64];
    unsigned nr = 0;
    char **names;

    snprintf(path, sizeof(path), "/local/domain/%u/cpu", domid);
    names = xs_directory(ts->xs, XBT_NULL, path, &nr);
    for (unsigned i = 0; i < nr && names; i++) {
        char *cpu = xlm__ts_read(ts, "/local/domain/%u/cpu/%s/availability",
                                 domid, names[i]);

        hash = add_text(add_text(hash, names[i]), cpu);
        free(cpu);
    }
    free(names);
    return hash;
}

int xlm__ts_config_stamp(struct xlm__toolstack *t, uint32_t domid,
                         const unsigned char uuid[16], uint64_t *out)
{
    struct xlm__ts *ts = xlm__ts(t);
    char text[XLM__UUID_TEXT];
    static const char *const memory[] = { "target", "static-max" };
    char path[64];

    xlm__uuid_format(uuid, text);
    *out = add_file(FNV_START, domid, text);
    snprintf(path, sizeof(path), "/libxl/%u/device", domid);
    *out = add_names(ts, *out, path, 2);
    for (size_t i = 0; i < sizeof(memory) / sizeof(*memory); i++) {
        char *kib = xlm__ts_read(ts, "/local/domain/%u/memory/%s", domid,
                                 memory[i]);

        *out = add_text(*out, kib);
        free(kib);
    }
    *out = add_cpus(ts, *out, domid);
    return 0;
}
