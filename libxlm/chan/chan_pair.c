/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "chan/chan_pair.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define XLM_MODULE "chan"

int xlm__chan_pair(struct xlm__chan *a, struct xlm__chan *b,
                   struct xlm__errslot *err, int stop_fd, const char *name)
{
    int fds[2];
    int rc;

    memset(a, 0, sizeof(*a));
    memset(b, 0, sizeof(*b));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "%s: socket pair", name);

    rc = xlm__chan_init(a, err, fds[0], fds[0], stop_fd, name);
    if (rc) {
        close(fds[0]);
        close(fds[1]);
        return rc;
    }
    rc = xlm__chan_init(b, err, fds[1], fds[1], stop_fd, name);
    if (rc) {
        xlm__chan_close(a);
        close(fds[1]);
    }
    return rc;
}
