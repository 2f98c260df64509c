/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One "xl migrate-receive" as a child process: its three pipes and its end.
 *
 * xl must be able to write its report and its complaints even if we die in
 * the middle (it leaves a paused domain behind otherwise), so the child holds
 * its stdout and stderr open for reading too.  It runs in a session of its
 * own: Ctrl-C at a terminal reaches us, not it.
 *
 * Functions record failures in err and return 0 or a negative enum xlm_error;
 * CANCELLED (stop_fd became readable) is returned without being recorded.
 */
#ifndef XLM_TOOLSTACK_XLPROC_H
#define XLM_TOOLSTACK_XLPROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/error.h"

struct xlm__xlproc_params {
    struct xlm__errslot *err;
    const char *xl_path;
    bool no_monitor; /* -e */
    bool debug;      /* -vvv, and -d: prints the configuration */
    int stop_fd;     /* borrowed, -1 = none */
    int record_fd;   /* borrowed, -1 = none: copy of all that is written */
};

struct xlm__xlproc;

/* Errors: TOOLSTACK (xl cannot be run), SYSTEM, NOMEM. */
int xlm__xlproc_start(const struct xlm__xlproc_params *params,
                      struct xlm__xlproc **out);
/* Closes the pipes, and kills what still runs.  NULL is allowed. */
void xlm__xlproc_free(struct xlm__xlproc *p);

/* From now on stop_fd is not looked at (after the permission; while undoing) */
void xlm__xlproc_ignore_stop(struct xlm__xlproc *p);
/* From now on failures are logged as warnings and not recorded: the caller
 * judges what they mean. */
void xlm__xlproc_fail_softly(struct xlm__xlproc *p);

/*
 * Write all; any thread, one at a time inside.  Errors: TOOLSTACK (xl is gone;
 * quotes its last words), CANCELLED.
 */
int xlm__xlproc_write(struct xlm__xlproc *p, const struct iovec *iov,
                      size_t nr);
/* Wait until everything written has been read.  Errors: also TIMEOUT. */
int xlm__xlproc_sync(struct xlm__xlproc *p, uint32_t timeout_ms,
                     const char *waiting_for);
/* Read exactly `bytes` bytes of xl's stdout. */
int xlm__xlproc_read(struct xlm__xlproc *p, void *buf, size_t bytes,
                     uint32_t timeout_ms, const char *waiting_for);
/* Read a message and compare it. */
int xlm__xlproc_expect(struct xlm__xlproc *p, const char *message, size_t bytes,
                       uint32_t timeout_ms, const char *waiting_for);

/* Does it still run?  Errors: TOOLSTACK. */
int xlm__xlproc_check(struct xlm__xlproc *p, const char *waiting_for);

void xlm__xlproc_close_stdin(struct xlm__xlproc *p);
/* True if it has ended, after waiting at most timeout_ms. */
bool xlm__xlproc_ended(struct xlm__xlproc *p, uint32_t timeout_ms);
/* SIGTERM, a second later SIGKILL, to its process group; waits for its end. */
void xlm__xlproc_kill(struct xlm__xlproc *p);

/* "exited with status 1: <what it said last on stderr>", "runs". */
void xlm__xlproc_describe(struct xlm__xlproc *p, char *text, size_t bytes);

#endif /* XLM_TOOLSTACK_XLPROC_H */
