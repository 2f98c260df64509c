/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One channel: a reliable ordered byte stream in each direction.
 *
 * Exact reads and writes over descriptors (pipes, sockets), made non-blocking
 * here, or over TLS above a socket.  Every wait watches the stop descriptor too
 * and ends at the deadline, so no call outlives a cancelled session.  Knows
 * nothing of records. One reading and one writing thread at a time.
 */
#ifndef XLM_CHAN_CHAN_H
#define XLM_CHAN_CHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/error.h"
#include "chan/tls.h"

struct xlm__chan;

/* How bytes get in and out.  All as the system calls on a non-blocking
 * descriptor: -1 and errno, EAGAIN included. */
struct xlm__chan_ops {
    ssize_t (*readv)(struct xlm__chan *c, const struct iovec *iov, size_t nr);
    ssize_t (*writev)(struct xlm__chan *c, const struct iovec *iov, size_t nr);
    /* Is there something to read that poll() does not know of? */
    bool (*pending)(const struct xlm__chan *c);
};

struct xlm__chan {
    /* set once */
    struct xlm__errslot *err; /* borrowed */
    int rfd, wfd;             /* owned; may be equal                       */
    int stop_fd;              /* borrowed: readable means give up; or -1   */
    int leave_fd;             /* borrowed: readable means that another     */
                              /* connection has come, so that it is of no  */
                              /* use to wait for this one; or -1           */
    char name[32];            /* "control", "data 0": for messages         */
    const struct xlm__chan_ops *ops;
    struct xlm__tls *tls; /* owned; NULL: bytes travel as they are     */
    /* owned by the reading thread */
    uint64_t read_bytes;
    uint64_t read_deadline_ns; /* CLOCK_MONOTONIC; 0 = none                */
    /* owned by the writing thread */
    uint64_t written_bytes;
    uint64_t write_deadline_ns;
};

/* Takes both descriptors on success; leave_fd is -1.  Errors: SYSTEM. */
int xlm__chan_init(struct xlm__chan *c, struct xlm__errslot *err, int rfd,
                   int wfd, int stop_fd, const char *name);
/* From here on through t, which is the channel's from now on. */
void xlm__chan_use_tls(struct xlm__chan *c, struct xlm__tls *t);
/* Closes both.  Safe on a zeroed or closed channel. */
void xlm__chan_close(struct xlm__chan *c);

/*
 * Read exactly / write all.
 * Errors: CHANNEL ("control: the other side closed after 1234 bytes"), TIMEOUT,
 * CANCELLED (stop_fd became readable: not recorded as a failure).
 */
int xlm__chan_read(struct xlm__chan *c, void *buf, size_t bytes);
int xlm__chan_readv(struct xlm__chan *c, struct iovec *iov, size_t nr);
int xlm__chan_write(struct xlm__chan *c, const void *buf, size_t bytes);
int xlm__chan_writev(struct xlm__chan *c, struct iovec *iov, size_t nr);

/*
 * What is there now, at least 1 byte, at most `bytes`: *got_out; 0 at the end
 * of the stream, which is not recorded as a failure.  Errors: as above.
 */
int xlm__chan_read_some(struct xlm__chan *c, void *buf, size_t bytes,
                        size_t *got_out);

/*
 * Wait until there is something to read: 1 = yes (or end of file), 0 = not
 * within timeout_ms (0 = just look), negative = CANCELLED.
 */
int xlm__chan_poll(struct xlm__chan *c, int timeout_ms);

#endif /* XLM_CHAN_CHAN_H */
