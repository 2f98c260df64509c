/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a thread that handles a peer's bytes gives up, for good: capabilities,
 * and every system call that it does not need (doc/THREATS.md says what that
 * is worth).  A call that is refused fails with EPERM, one that is newer than
 * the list with ENOSYS, so that a C library which tries it goes on without it;
 * nothing is killed.
 *
 * It is the thread's alone: others, and what they start, are as before.
 */
#ifndef XLM_ENGINE_CONFINE_H
#define XLM_ENGINE_CONFINE_H

#include <stdbool.h>

#include "base/error.h"

#define XLM__CONFINE_NO_MAPPING  (-2) /* it maps no foreign memory     */
#define XLM__CONFINE_ANY_MAPPING (-1) /* by no descriptor that we know */

struct xlm__confine {
    int map_fd;   /* privcmd's, or one of the above       */
    bool accepts; /* connections, on a socket that listens */
    const char *who;
};

/* True: done.  If the kernel cannot, or this build does not (XLM_CONFINE), the
 * thread goes on as it is and the log says so. */
bool xlm__confine_thread(struct xlm__errslot *err,
                         const struct xlm__confine *c);

#endif /* XLM_ENGINE_CONFINE_H */
