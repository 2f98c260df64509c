/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain's virtual block devices as xenstore shows them.  The list and the
 * backend's side come from libxl's and the backend's nodes; the frontend's
 * side was written by the guest.
 */
#ifndef XLM_TOOLSTACK_VBD_H
#define XLM_TOOLSTACK_VBD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xenstore.h>

#include "base/error.h"

#define XLM__VBD_MAX        256
#define XLM__VBD_MAX_QUEUES 64

struct xlm__vbd {
    char name[32]; /* "xvda", as the configuration says      */
    char kind[16]; /* "vbd" (blkback), "qdisk" (qemu), ...    */
    uint32_t backend_domid;
    bool connected; /* the frontend said so                    */
    bool readonly;
    size_t nr_rings;
    uint32_t ring_refs[XLM__VBD_MAX_QUEUES];
    /* Paths to flush: what the configuration names, the device behind it,
     * the loop device in front of it; "" if there is none. */
    char params[256];
    char device[256];
    char node[256];
};

/* *list_out is to be freed by free().  Errors: DEVICE (more than XLM__VBD_MAX,
 * or a connected frontend without rings), TOOLSTACK, NOMEM. */
int xlm__vbd_list(struct xlm__errslot *err, struct xs_handle *xs,
                  uint32_t domid, struct xlm__vbd **list_out, size_t *nr_out);

/* "aio:/a/b", "qcow2:/a/b" or "/a/b": the path; NULL if it is none. */
const char *xlm__vbd_params_path(const char *params);

#endif /* XLM_TOOLSTACK_VBD_H */
