/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define ERASE         "\r\033[K"
#define LINE_MAX_     2048
#define LIVE_MAX      512
#define WIDTH_UNKNOWN 80

void console_init(struct console *c, int fd, bool live, bool timestamps,
                  const char *prefix)
{
    *c = (struct console){ .prefix = prefix,
                           .fd = fd,
                           .live = live || isatty(fd),
                           .timestamps = timestamps };
    pthread_mutex_init(&c->lock, NULL);
}

/* stderr that cannot be written has nobody to tell about it. */
static void put(int fd, const char *text, size_t bytes)
{
    while (bytes) {
        ssize_t n = write(fd, text, bytes);

        if (n <= 0)
            return;
        text += n;
        bytes -= (size_t)n;
    }
}

static void format_stamp(const struct console *c, char *out, size_t bytes)
{
    char when[40];
    struct tm tm;
    time_t now = time(NULL);

    out[0] = 0;
    if (!c->timestamps || !localtime_r(&now, &tm))
        return;
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S %Z", &tm);
    snprintf(out, bytes, "%s [%d] ", when, (int)getpid());
}

void console_line(struct console *c, const char *fmt, ...)
{
    char text[LINE_MAX_], stamp[64], line[LINE_MAX_ + 256];
    va_list ap;
    int n;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    format_stamp(c, stamp, sizeof(stamp));

    pthread_mutex_lock(&c->lock);
    n = snprintf(line, sizeof(line), "%s%s%s%s\n", c->drawn ? ERASE : "", stamp,
                 c->prefix, text);
    if (n >= (int)sizeof(line)) {
        n = (int)sizeof(line) - 1;
        line[n - 1] = '\n';
    }
    put(c->fd, line, (size_t)n);
    c->drawn = false;
    pthread_mutex_unlock(&c->lock);
}

static int width(int fd)
{
    struct winsize w;

    if (ioctl(fd, TIOCGWINSZ, &w) || w.ws_col < 2)
        return WIDTH_UNKNOWN;
    return w.ws_col;
}

void console_live(struct console *c, const char *text)
{
    char line[LIVE_MAX];
    /* The last column stays free: some terminals wrap as it is written. */
    int columns = width(c->fd) - 1;

    pthread_mutex_lock(&c->lock);
    if (c->live && (*text || c->drawn)) {
        snprintf(line, sizeof(line), ERASE "%.*s", columns, text);
        put(c->fd, line, strlen(line));
        c->drawn = *text;
    }
    pthread_mutex_unlock(&c->lock);
}
