/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fake_qmp.h"

fake_qmp_fn *fake_qmp;

int xlm__qmp_command(struct xlm__errslot *err, const char *socket_path,
                     const char *command, const char *arguments,
                     uint32_t timeout_ms)
{
    (void)arguments, (void)timeout_ms;
    return fake_qmp(err, socket_path, command, NULL);
}

int xlm__qmp_query(struct xlm__errslot *err, const char *socket_path,
                   const char *command, const struct xlm__qmp_text *want,
                   uint32_t timeout_ms)
{
    (void)timeout_ms;
    return fake_qmp(err, socket_path, command, want);
}
