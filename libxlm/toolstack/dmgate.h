/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A device model's saved state that comes after the device model.
 *
 * libxl writes the state into a file of a known name, starts qemu with that
 * file open as its incoming migration, and removes the name when qemu works.
 * Here the name stands for the reading end of a pipe of this process: qemu
 * starts, sets up its machine, and waits in run state "inmigrate" until we
 * write the state.
 *
 *     <name> ──symlink──> /proc/<our pid>/fd/<reading end>
 *
 * Not a FIFO, whose opening would block for ever if we died before: when we are
 * gone there is nothing to open, and qemu, or libxl, fails at once.  So does a
 * qemu that waits already, at the end of its input.
 */
#ifndef XLM_TOOLSTACK_DMGATE_H
#define XLM_TOOLSTACK_DMGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct xlm__dmgate {
    char *path;      /* NULL: there is none */
    char target[64]; /* of the link         */
    int read_fd, write_fd;
};

/* What has that name is replaced.  Errors: DEVICE, NOMEM, SYSTEM. */
int xlm__dmgate_open(struct xlm__errslot *err, const char *path,
                     struct xlm__dmgate *g);
/* The device model has it open: from now on its end can be noticed.  The name
 * stays, because libxl complains if it is gone. */
void xlm__dmgate_taken(struct xlm__dmgate *g);
/* Has it ended, without its state?  Any thread, until it is written. */
bool xlm__dmgate_abandoned(const struct xlm__dmgate *g);
/*
 * Write all of the state and close the pipe.  stop_fd readable ends it (-1:
 * none).  Errors: DEVICE (nobody reads it any more), TIMEOUT, CANCELLED (not
 * recorded).  The caller ignores SIGPIPE (libxlm.h).
 */
int xlm__dmgate_write(struct xlm__errslot *err, struct xlm__dmgate *g,
                      const void *data, size_t bytes, uint32_t timeout_ms,
                      int stop_fd);
/* Whoever waits for the state learns that none comes; removes the name, if it
 * is still ours.  Safe on a zeroed one. */
void xlm__dmgate_close(struct xlm__dmgate *g);

#endif /* XLM_TOOLSTACK_DMGATE_H */
