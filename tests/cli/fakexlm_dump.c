/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "fakexlm.h"

void fake_dump(const struct xlm_options *o, const char *variable)
{
    const char *file = getenv(variable);
    FILE *f = file ? fopen(file, "w") : NULL;

    if (!f)
        return;
    fprintf(f, "reconnect=%u delta=%u ", o->reconnect_ms, o->delta_mib);
    fprintf(f, "slow=%u,%u,%u/%u ", o->on_slow[0], o->on_slow[1], o->on_slow[2],
            o->deadline_ms);
    fprintf(f,
            "domid=%u flags=0x%x rounds=%u downtime=%u timeout=%u "
            "bandwidth=%llu compress=%u/%d dirty=%u ",
            o->domid, o->flags, o->max_rounds, o->downtime_ms, o->timeout_ms,
            (unsigned long long)o->bandwidth_bytes_s, o->compress,
            o->compress_level, o->dirty);
    fprintf(f, "data=%u channels=%u host=%s address=%s ports=%u-%u config=%s\n",
            o->data, o->data_channels, o->data_host ?: "-",
            o->data_address ?: "-", o->port_low, o->port_high,
            o->config_json ?: "-");
    fclose(f);
}
