/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "toolstack/xlwords.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

#define XLM_MODULE "xl"

#define LINE_MAX_BYTES 256
#define END_WAIT_MS    200

struct xlm__xlwords {
    /* set once */
    struct xlm__errslot *err;
    int fd;
    int quit_fd;
    pthread_t thread;
    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t ended_cond;
    bool ended;
    char first_error[LINE_MAX_BYTES];
    char last[LINE_MAX_BYTES];
    /* owned by the thread */
    char line[LINE_MAX_BYTES];
    size_t line_bytes;
};

static void line_end(struct xlm__xlwords *w)
{
    if (!w->line_bytes)
        return;
    w->line[w->line_bytes] = '\0';
    w->line_bytes = 0;
    XLM_LOG(w->err, DEBUG, "%s", w->line);

    pthread_mutex_lock(&w->lock);
    if (!w->first_error[0] && strcasestr(w->line, "error"))
        memcpy(w->first_error, w->line, sizeof(w->line));
    memcpy(w->last, w->line, sizeof(w->line));
    pthread_mutex_unlock(&w->lock);
}

static void take_bytes(struct xlm__xlwords *w, const char *bytes, size_t nr)
{
    for (size_t i = 0; i < nr; i++) {
        if (bytes[i] == '\n' || bytes[i] == '\r')
            line_end(w);
        else if (w->line_bytes < sizeof(w->line) - 1)
            w->line[w->line_bytes++] = bytes[i];
    }
}

static void *words_thread(void *arg)
{
    struct xlm__xlwords *w = arg;
    char bytes[4096];

    for (;;) {
        struct pollfd fds[2] = { { w->fd, POLLIN, 0 },
                                 { w->quit_fd, POLLIN, 0 } };
        ssize_t r;

        if (poll(fds, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            break;
        }
        /* What is there already is still told before we go. */
        if (!fds[0].revents && fds[1].revents)
            break;
        r = read(w->fd, bytes, sizeof(bytes));
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            break;
        take_bytes(w, bytes, (size_t)r);
    }
    line_end(w);

    pthread_mutex_lock(&w->lock);
    w->ended = true;
    pthread_cond_broadcast(&w->ended_cond);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int xlm__xlwords_start(struct xlm__errslot *err, int fd,
                       struct xlm__xlwords **out)
{
    struct xlm__xlwords *w = calloc(1, sizeof(*w));
    pthread_condattr_t attr;
    int rc;
    int r;

    if (!w)
        return XLM_FAIL(err, XLM_ERR_NOMEM, "reader of xl's stderr");
    w->err = err;
    w->fd = fd;
    w->quit_fd = eventfd(0, EFD_CLOEXEC);
    if (w->quit_fd < 0) {
        rc = XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "eventfd");
        free(w);
        return rc;
    }
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->ended_cond, &attr);
    pthread_condattr_destroy(&attr);
    r = pthread_create(&w->thread, NULL, words_thread, w);
    if (r) {
        errno = r;
        rc = XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "thread for xl's stderr");
        close(w->quit_fd);
        pthread_cond_destroy(&w->ended_cond);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return rc;
    }
    *out = w;
    return 0;
}

void xlm__xlwords_free(struct xlm__xlwords *w)
{
    const uint64_t one = 1;

    if (!w)
        return;
    if (write(w->quit_fd, &one, sizeof(one)) != sizeof(one))
        XLM_LOG(w->err, WARN, "eventfd of xl's stderr: %s", strerror(errno));
    pthread_join(w->thread, NULL);
    close(w->quit_fd);
    close(w->fd);
    pthread_cond_destroy(&w->ended_cond);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void xlm__xlwords_get(struct xlm__xlwords *w, char *text, size_t bytes)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += END_WAIT_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&w->lock);
    while (!w->ended &&
           pthread_cond_timedwait(&w->ended_cond, &w->lock, &until) == 0)
        ;
    snprintf(text, bytes, "%s", w->first_error[0] ? w->first_error : w->last);
    pthread_mutex_unlock(&w->lock);
}
