/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The error slot: the first failure of a session, told once.
 *
 * Whoever detects a failure calls XLM_FAIL(), which records it if it is the
 * first, logs it, and returns the code.  Everyone above only passes the code
 * on.  A file that uses the macros defines XLM_MODULE before its includes.
 *
 * All functions may be called from any thread.
 */
#ifndef XLM_BASE_ERROR_H
#define XLM_BASE_ERROR_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "libxlm.h"

struct xlm__errslot {
    /* set once */
    xlm_log_fn *log; /* NULL: nobody listens                               */
    void *user;
    enum xlm_log_level level; /* messages above it are not even formatted   */

    atomic_int state; /* enum xlm_state, stamped on the first error        */

    /* under lock */
    pthread_mutex_t lock;
    struct xlm_error_info info; /* .code == 0: no error yet                */
    char text[XLM_MESSAGE_MAX]; /* what info.message points to             */
};

/* No error, state NEW.  log may be NULL. */
void xlm__errslot_init(struct xlm__errslot *e, xlm_log_fn *log, void *user,
                       enum xlm_log_level level);
void xlm__errslot_destroy(struct xlm__errslot *e);

/* The state that a later first error is stamped with. */
void xlm__errslot_set_state(struct xlm__errslot *e, enum xlm_state state);

/* The first error, or NULL; it never changes once it is there. */
const struct xlm_error_info *xlm__errslot_get(struct xlm__errslot *e);

/* Record, log and return code.  sys_errno 0: the message has no errno text. */
int xlm__fail(struct xlm__errslot *e, const char *module, int code,
              int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/*
 * Record an error that the peer reported, message unchanged but for control
 * characters, which a hostile peer could use on the reader's terminal.  A code
 * that we do not know becomes PEER.
 */
int xlm__fail_copy(struct xlm__errslot *e, const char *module, int code,
                   int sys_errno, const char *message);

#define XLM_FAIL(e, code, ...) xlm__fail(e, XLM_MODULE, code, 0, __VA_ARGS__)
#define XLM_FAIL_ERRNO(e, code, ...)                                           \
    xlm__fail(e, XLM_MODULE, code, errno, __VA_ARGS__)

#endif /* XLM_BASE_ERROR_H */
