/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fake_xl.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "toolstack/xlstream.h"

static void put(int fd, const void *data, size_t bytes)
{
    if (write(fd, data, bytes) != (ssize_t)bytes)
        _exit(90);
}

static size_t fake_read(void *buf, size_t bytes)
{
    size_t at = 0;

    while (at < bytes) {
        ssize_t r = read(0, (char *)buf + at, bytes - at);

        if (r <= 0)
            break;
        at += (size_t)r;
    }
    return at;
}

static void fake_drain(unsigned long bytes)
{
    char buf[65536];

    while (bytes) {
        size_t n = bytes < sizeof(buf) ? bytes : sizeof(buf);

        if (fake_read(buf, n) != n)
            return;
        bytes -= n;
    }
}

static void fake_verify(void)
{
    unsigned char r[FAKE_XL_RECORD];
    size_t n;

    while ((n = fake_read(r, sizeof(r))) == sizeof(r))
        for (size_t i = 1; i < sizeof(r); i++)
            if (r[i] != r[0])
                _exit(1);
    _exit(n ? 1 : 0);
}

static void fake_inherited(void)
{
    DIR *dir = opendir("/proc/self/fd");
    sigset_t mask;
    int nr = -1; /* the directory's own */

    sigprocmask(SIG_SETMASK, NULL, &mask);
    for (struct dirent *e; (e = readdir(dir));)
        nr += e->d_name[0] != '.';
    closedir(dir);
    dprintf(2, "fds=%d leader=%d blocked=%d\n", nr, getsid(0) == getpid(),
            sigismember(&mask, SIGTERM));
}

static void fake_step(const char *step, char **argv)
{
    const unsigned long n = strtoul(step + 1, NULL, 10);

    switch (step[0]) {
    case 'b':
        put(1, XLM__XL_BANNER, sizeof(XLM__XL_BANNER) - 1);
        break;
    case 'y':
        put(1, XLM__XL_READY, sizeof(XLM__XL_READY));
        break;
    case 'g':
        put(1, XLM__XL_REPORT "\0", sizeof(XLM__XL_REPORT) + 1);
        break;
    case 'f':
        put(1, XLM__XL_REPORT "\0\3" XLM__XL_GO,
            sizeof(XLM__XL_REPORT) + 1 + sizeof(XLM__XL_GO));
        break;
    case 'r':
        fake_drain(n);
        break;
    case 'z':
        fake_drain(~0ul);
        break;
    case 'e':
        dprintf(2, "%s\n", step + 1);
        break;
    case 'a':
        for (argv++; *argv; argv++)
            dprintf(2, "[%s]", *argv);
        dprintf(2, "\n");
        break;
    case 's':
        (void)poll(NULL, 0, (int)n);
        break;
    case 'x':
        _exit((int)n);
    case 't':
        signal(SIGTERM, SIG_IGN);
        break;
    case 'i':
        fake_inherited();
        break;
    case 'm':
        close(open(step + 1, O_CREAT | O_WRONLY, 0600));
        break;
    case 'v':
        fake_verify();
        break;
    default:
        _exit(91);
    }
}

int fake_xl(char **argv)
{
    char *script = strdup(getenv(FAKE_XL_SCRIPT));

    signal(SIGPIPE, SIG_DFL);
    for (char *step = strtok(script, ";"); step; step = strtok(NULL, ";"))
        fake_step(step, argv);
    free(script);
    return 0;
}
