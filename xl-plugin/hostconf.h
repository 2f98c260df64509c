/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What xlm.conf(5) says about this host and the moves from it. */
#ifndef XLM_PLUGIN_HOSTCONF_H
#define XLM_PLUGIN_HOSTCONF_H

#include "options.h"

struct hostconf {
    struct lm_options preset; /* of xl lmigrate */
    char ssh[512];            /* preset.ssh may be this */
    /* of a receiver */
    char listen_address[256];     /* "": all */
    uint16_t port_low, port_high; /* 0: as the source says */
};

/* Read it, from defaults that hold without it.  false: error_out is one line.
 * c must stay where it is. */
bool hostconf_read(struct hostconf *c, char error_out[LM_ERROR_MAX]);

#endif /* XLM_PLUGIN_HOSTCONF_H */
