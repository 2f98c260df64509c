/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a person sees on stderr: lines that stay, and one live line below them
 * that is drawn over.  Any thread.
 */
#ifndef XLM_PLUGIN_CONSOLE_H
#define XLM_PLUGIN_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct console {
    const char *prefix; /* before each line, "" for none      */
    int fd;
    bool live;       /* show a live line                   */
    bool timestamps; /* time and process id before a line  */
    pthread_mutex_t lock;
    bool drawn; /* under lock: a live line is visible */
};

/* live: draw the live line even if fd is not a terminal. */
void console_init(struct console *c, int fd, bool live, bool timestamps,
                  const char *prefix);

/* A line that stays; fmt has no newline. */
void console_line(struct console *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Draw the live line anew, cut to the terminal's width; "" takes it away. */
void console_live(struct console *c, const char *text);

#endif /* XLM_PLUGIN_CONSOLE_H */
