/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The error slot: the first failure of a session, told once.
 *
 * A function that detects a failure calls XLM_FAIL(), which records it if it
 * is the first, logs it, and returns the code.  Everyone above only passes
 * the code on.  Each source file that fails or logs names its module first:
 *
 *     #define XLM_MODULE "chan"
 *
 * Everything here may be called from any thread.  Log callbacks of one slot
 * may run at the same time on several threads, and without the lock held.
 */
#ifndef XLM_BASE_ERROR_H
#define XLM_BASE_ERROR_H

#include <errno.h>
#include <pthread.h>

#include "libxlm.h"

struct xlm__errslot {
    /* set once */
    xlm_log_fn *log; /* may be NULL */
    void *user;
    enum xlm_log_level max_level; /* less important messages are dropped   */
    /* under lock */
    pthread_mutex_t lock;
    struct xlm_error_info info; /* .code == 0: no error yet                */
    enum xlm_state state;       /* what the next failure is recorded with  */
    char text[XLM_MESSAGE_MAX]; /* what info.message points to             */
};

/* For a slot that has no callback, as in tests. */
#define XLM__ERRSLOT_INITIALIZER                                               \
    {                                                                          \
        .max_level = XLM_LOG_DEBUG, .lock = PTHREAD_MUTEX_INITIALIZER,         \
    }

void xlm__errslot_init(struct xlm__errslot *e, xlm_log_fn *log, void *user,
                       enum xlm_log_level max_level);
void xlm__errslot_destroy(struct xlm__errslot *e);

/* Later failures are recorded as having happened in this state. */
void xlm__errslot_set_state(struct xlm__errslot *e, enum xlm_state state);

/* Code of the first error, 0 if there is none. */
int xlm__errslot_code(struct xlm__errslot *e);

/*
 * The first error, or NULL.  What it points to does not change any more, and
 * lives as long as the slot.
 */
const struct xlm_error_info *xlm__errslot_first(struct xlm__errslot *e);

/* Code as above; text_out gets the message, "" if there is no error. */
int xlm__errslot_read(struct xlm__errslot *e, char text_out[XLM_MESSAGE_MAX]);

/*
 * Record a failure if it is the slot's first, log it as ERROR, return code.
 * The text of sys_errno is appended if that is not 0.  The message becomes one
 * printable line: control characters (a guest may name things) turn into '?'.
 */
int xlm__fail(struct xlm__errslot *e, const char *module, int code,
              int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* The same for a failure that we survive: logged as WARN, not recorded. */
int xlm__soft(struct xlm__errslot *e, const char *module, int code,
              int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#define XLM_FAIL(e, code, ...) xlm__fail(e, XLM_MODULE, code, 0, __VA_ARGS__)
#define XLM_FAIL_ERRNO(e, code, ...)                                           \
    xlm__fail(e, XLM_MODULE, code, errno, __VA_ARGS__)
#define XLM_SOFT(e, code, ...) xlm__soft(e, XLM_MODULE, code, 0, __VA_ARGS__)
#define XLM_SOFT_ERRNO(e, code, ...)                                           \
    xlm__soft(e, XLM_MODULE, code, errno, __VA_ARGS__)

#endif /* XLM_BASE_ERROR_H */
