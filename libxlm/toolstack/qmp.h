/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A QMP client for one command: connect, negotiate, ask, close.  qemu serves
 * one client at a time on libxl's socket, and libxl wants it too.
 */
#ifndef XLM_TOOLSTACK_QMP_H
#define XLM_TOOLSTACK_QMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define XLM__QMP_TIMEOUT_MS 10000

/*
 * arguments: a JSON object, or NULL.  timeout_ms bounds the whole exchange.
 * Errors: DEVICE (no qemu there, qemu refused: its class and words are quoted,
 * or talks nonsense), TIMEOUT.
 */
int xlm__qmp_command(struct xlm__errslot *err, const char *socket_path,
                     const char *command, const char *arguments,
                     uint32_t timeout_ms);

/* A member of an answer that is a string; "" if it has no such member. */
struct xlm__qmp_text {
    const char *name;
    char *out;
    size_t bytes;
};
/* As above, with that of the answer. */
int xlm__qmp_query(struct xlm__errslot *err, const char *socket_path,
                   const char *command, const struct xlm__qmp_text *want,
                   uint32_t timeout_ms);

#endif /* XLM_TOOLSTACK_QMP_H */
