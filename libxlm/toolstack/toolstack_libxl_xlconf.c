/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two settings of /etc/xen/xl.conf that change what a restore does. */
#include "config.h"

#include <libxlutil.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "toolstack/toolstack_libxl.h"

#define XL_LOCK_FILE "/var/lock/xl" /* XEN_LOCK_DIR "/xl" */
#define CONF_MAX     (1 << 20)

/* "auto": on, unless Xen was told how much memory dom0 has. */
static bool auto_autoballoon(const char *xen_commandline)
{
    return !xen_commandline || !strstr(xen_commandline, "dom0_mem=");
}

static char *slurp(const char *path, size_t *bytes_out)
{
    FILE *f = fopen(path, "re");
    char *data = NULL;

    if (!f)
        return NULL;
    data = malloc(CONF_MAX);
    if (data) {
        *bytes_out = fread(data, 1, CONF_MAX, f);
        /* xlu_cfg wants a newline at the end; so has every sane file. */
    }
    fclose(f);
    return data;
}

static void parse(XLU_Config *conf, const char *xen_commandline,
                  struct xlm__xlconf *out)
{
    const char *value;

    if (!xlu_cfg_get_string(conf, "autoballoon", &value, 1)) {
        if (!strcmp(value, "on") || !strcmp(value, "1"))
            out->autoballoon = true;
        else if (!strcmp(value, "off") || !strcmp(value, "0"))
            out->autoballoon = false;
        else
            out->autoballoon = auto_autoballoon(xen_commandline);
    }
    if (!xlu_cfg_get_string(conf, "lockfile", &value, 1))
        snprintf(out->lockfile, sizeof(out->lockfile), "%s", value);
}

void xlm__xlconf_read(const char *path, const char *xen_commandline,
                      struct xlm__xlconf *out)
{
    FILE *null = NULL;
    XLU_Config *conf = NULL;
    size_t bytes = 0;
    char *data = slurp(path, &bytes);

    out->autoballoon = auto_autoballoon(xen_commandline);
    snprintf(out->lockfile, sizeof(out->lockfile), "%s", XL_LOCK_FILE);
    /* xl itself complains about a broken file; we need not as well. */
    null = data ? fopen("/dev/null", "we") : NULL;
    conf = null ? xlu_cfg_init(null, path) : NULL;
    if (conf && !xlu_cfg_readdata(conf, data, (int)bytes))
        parse(conf, xen_commandline, out);
    if (conf)
        xlu_cfg_destroy(conf);
    if (null)
        fclose(null);
    free(data);
}
