/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Storage across the hand-off: the source shows that nothing is under way and
 * that all is on the medium, the destination forgets what it knew before.
 */
#ifndef XLM_TOOLSTACK_STORAGE_H
#define XLM_TOOLSTACK_STORAGE_H

#include <stdbool.h>
#include <sys/types.h>
#include <xenstore.h>

#include "toolstack/toolstack.h"

/*
 * Suspended domain: wait until each ring has as many responses as requests,
 * then flush files and devices (not qemu's images, see *has_qdisk_out).
 * Errors: DEVICE (names the disk and the counts), TIMEOUT, CANCELLED.
 */
struct xlm__storage_params {
    struct xlm__errslot *err;
    struct xs_handle *xs;
    struct xlm__hv *hv;
    uint32_t domid;
    uint32_t timeout_ms;
    int stop_fd;
};
int xlm__storage_drain(const struct xlm__storage_params *p,
                       bool *has_qdisk_out);
int xlm__storage_flush(const struct xlm__storage_params *p);

/* What this host's page cache holds of a file or block device, and of all that
 * is behind it (xlm__storage_behind()), is written out and dropped.  A path
 * that does not exist is not an error.  Errors: DEVICE, NOMEM. */
int xlm__storage_drop_path(struct xlm__errslot *err, const char *disk,
                           const char *path);

/* For each file or block device directly behind block device dev: the file of
 * a loop device, the devices that a device-mapper or MD device is made of.
 * sysfs is "/sys", but for tests.  Stops at the first error of each(). */
int xlm__storage_behind(const char *sysfs, dev_t dev,
                        int (*each)(void *user, const char *path), void *user);

/* After a failed open(): is there nothing that could be flushed or dropped? An
 * empty CD drive, or an export that is not a local file. */
bool xlm__storage_is_absent(int error);

#endif /* XLM_TOOLSTACK_STORAGE_H */
