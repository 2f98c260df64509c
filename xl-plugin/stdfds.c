/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "stdfds.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define HIGH 10

bool stdfds_ensure(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", O_RDWR) != fd)
            return false;
    return true;
}

bool stdfds_take(int *rfd_out, int *wfd_out)
{
    int r = fcntl(0, F_DUPFD_CLOEXEC, HIGH);
    int w = fcntl(1, F_DUPFD_CLOEXEC, HIGH);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (r < 0 || w < 0 || null < 0 || dup2(null, 0) < 0 || dup2(2, 1) < 0)
        return false;
    close(null);
    *rfd_out = r;
    *wfd_out = w;
    return true;
}
