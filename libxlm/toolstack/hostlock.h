/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One migration per domain and host: a lock file named by the uuid. */
#ifndef XLM_TOOLSTACK_HOSTLOCK_H
#define XLM_TOOLSTACK_HOSTLOCK_H

#include <stdbool.h>

#include "base/error.h"

/* /run/xen is where libxl keeps what must not outlive a boot. */
#define XLM__HOSTLOCK_DIR "/run/xen"

struct xlm__hostlock {
    int fd; /* -1 = not held */
    char path[128];
};
#define XLM__HOSTLOCK_INITIALIZER                                              \
    {                                                                          \
        .fd = -1                                                               \
    }

/* dir exists.  The lock ends with the process.  Errors: BUSY (names the
 * holder's pid), SYSTEM. */
int xlm__hostlock_take(struct xlm__errslot *err, const char *dir,
                       const unsigned char uuid[16], struct xlm__hostlock *l);
/* The other kind: one monitor of ours per domain.  False: there is one (or the
 * file cannot be made). */
bool xlm__hostlock_take_monitor(const char *dir, const unsigned char uuid[16],
                                struct xlm__hostlock *l);
void xlm__hostlock_drop(struct xlm__hostlock *l);
/* Remove the files of locks that nobody holds: of processes that were killed.
 */
void xlm__hostlock_sweep(const char *dir);
/* Does anybody hold it?  False too if it cannot be told. */
bool xlm__hostlock_held(const char *dir, const unsigned char uuid[16]);

#endif /* XLM_TOOLSTACK_HOSTLOCK_H */
