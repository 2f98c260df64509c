/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest-owned xenstore entries: read below one domain's home, written below
 * another's.  Everything read was chosen by the guest.
 *
 * Copied: data, attr, drivers, feature, vm-data, and control/feature-*.
 */
#ifndef XLM_TOOLSTACK_XSNODES_H
#define XLM_TOOLSTACK_XSNODES_H

#include <xenstore.h>

#include "toolstack/toolstack.h"

#define XLM__XS_MAX_DEPTH 16
#define XLM__XS_MAX_NODES 4096
#define XLM__XS_MAX_VALUE 4096
#define XLM__XS_MAX_PATH  1024 /* of a relative path */
#define XLM__XS_MAX_TOTAL (1u << 20)

/* What is over a limit, and permissions for third domains, are dropped with
 * a warning.  Errors: NOMEM, TOOLSTACK. */
int xlm__xsnodes_collect(struct xlm__errslot *err, struct xs_handle *xs,
                         uint32_t domid, struct xlm__xsnodes *out);
/* All or nothing.  Refuses a path that collect() would not give.
 * Errors: STREAM, NOMEM, TOOLSTACK. */
int xlm__xsnodes_restore(struct xlm__errslot *err, struct xs_handle *xs,
                         uint32_t domid, const struct xlm__xsnodes *nodes);

/* Is this a path that may travel? */
bool xlm__xsnodes_path_ok(const char *path);

#endif /* XLM_TOOLSTACK_XSNODES_H */
