/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "hostconf.h"

#include <string.h>

#include "conffile.h"

/* Long names of options.  Others are about one move, or about the peer. */
static const char *const presets[] = {
    "downtime", "rounds",      "channels",          "data",
    "plain",    "bandwidth",   "exempt-last-round", "compress",
    "delta",    "timeout",     "deadline",          "on-slow",
    "dirty",    "no-prebuild", "reconnect",         "verify",
    "ktls",
};

/* As options are spelled; NULL: it is none that can be set here. */
static const char *preset_of(const char *name)
{
    for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++) {
        const char *p = presets[i], *n = name;

        while (*p && (*p == *n || (*p == '-' && *n == '_')))
            p++, n++;
        if (!*p && !*n)
            return presets[i];
    }
    return NULL;
}

static bool keep_text(const char *name, const char *value, char *out,
                      size_t bytes, char *error)
{
    if (*value && (size_t)snprintf(out, bytes, "%s", value) < bytes)
        return true;
    snprintf(error, LM_ERROR_MAX, "%s '%.200s': 1 to %zu bytes are wanted",
             name, value, bytes - 1);
    return false;
}

static bool set(void *user, const char *name, const char *value,
                char error_out[LM_ERROR_MAX])
{
    const char *option = preset_of(name);
    struct hostconf *c = user;

    if (option)
        return lm_options_set(&c->preset, option, value, error_out);
    if (!strcmp(name, "sshcommand")) {
        c->preset.ssh = c->ssh;
        return keep_text(name, value, c->ssh, sizeof(c->ssh), error_out);
    }
    if (!strcmp(name, "listen_address"))
        return keep_text(name, value, c->listen_address,
                         sizeof(c->listen_address), error_out);
    if (strcmp(name, "port_range")) {
        snprintf(error_out, LM_ERROR_MAX, "no setting is called %.100s", name);
        return false;
    }
    if (lm_ports_parse(value, &c->port_low, &c->port_high))
        return true;
    snprintf(error_out, LM_ERROR_MAX, "%s '%s': " LM_PORTS_LIMITS, name, value);
    return false;
}

bool hostconf_read(struct hostconf *c, char error_out[LM_ERROR_MAX])
{
    *c = (struct hostconf){ .preset = { .ssh = "ssh" } };
    return conffile_read(set, c, error_out);
}
