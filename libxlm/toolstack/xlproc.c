/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "toolstack/xlproc.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "toolstack/xlwords.h"
#include "util/clock.h"

#define XLM_MODULE "xl"

/* PV pages are relayed through this pipe; also the most that an unprivileged
 * process may ask for. */
#define PIPE_BYTES (1 << 20)
/* How long a wait may go without noticing that xl has died. */
#define TICK_MS 50
/* The same for a wait for its end, where the kernel does not tell. */
#define LOOK_MS 5
#define TERM_MS 1000
#define KILL_MS 10000

#define PROC_FAIL(p, code, ...)                                                \
    ((p)->soft ? XLM_SOFT((p)->err, code, __VA_ARGS__)                         \
               : XLM_FAIL((p)->err, code, __VA_ARGS__))

struct xlm__xlproc {
    /* set once */
    struct xlm__errslot *err;
    pid_t pid;
    int stop_fd;
    int out_fd; /* read end of its stdout */
    bool soft;  /* failures are logged, not recorded */
    struct xlm__xlwords *words;
    /* under write_lock */
    pthread_mutex_t write_lock;
    int in_fd; /* write end of its stdin; -1 = closed */
    int record_fd;
    /* under wait_lock */
    pthread_mutex_t wait_lock;
    bool ended;
    int status;
};

struct pipes {
    int in_child, in_ours;
    int out_child, out_ours;
    int err_child, err_ours;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A pipe whose child end can be read and written (Linux: opening a pipe by
 * its /proc name gives a new open file of either mode). */
static int pipe_kept_open(int *ours, int *child)
{
    char name[64];
    int fds[2];

    if (pipe2(fds, O_CLOEXEC))
        return -1;
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fds[1]);
    *child = open(name, O_RDWR | O_CLOEXEC);
    close(fds[1]);
    *ours = fds[0];
    if (*child < 0)
        return -1;
    /* It is written when nobody reads any more: room for all its words. */
    (void)fcntl(*child, F_SETPIPE_SZ, PIPE_BYTES);
    return 0;
}

static int open_pipes(struct pipes *p)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC))
        return -1;
    p->in_child = fds[0];
    p->in_ours = fds[1];
    (void)fcntl(p->in_ours, F_SETPIPE_SZ, PIPE_BYTES);
    if (fcntl(p->in_ours, F_SETFL, O_NONBLOCK) ||
        pipe_kept_open(&p->out_ours, &p->out_child) ||
        pipe_kept_open(&p->err_ours, &p->err_child))
        return -1;
    return fcntl(p->out_ours, F_SETFL, O_NONBLOCK);
}

static void close_pipes(struct pipes *p)
{
    close_fd(&p->in_child);
    close_fd(&p->in_ours);
    close_fd(&p->out_child);
    close_fd(&p->out_ours);
    close_fd(&p->err_child);
    close_fd(&p->err_ours);
}

static int set_attributes(posix_spawnattr_t *attr)
{
    sigset_t all;
    sigset_t none;

    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    sigemptyset(&none);
    return posix_spawnattr_setsigdefault(attr, &all) ||
                   posix_spawnattr_setsigmask(attr, &none) ||
                   posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF |
                                                      POSIX_SPAWN_SETSIGMASK |
                                                      POSIX_SPAWN_SETSID)
               ? ENOMEM
               : 0;
}

/* Returns an errno value. */
static int spawn_xl(const struct xlm__xlproc_params *params,
                    const struct pipes *pipes, pid_t *pid_out)
{
    const char *argv[8];
    size_t n = 0;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    int r;

    argv[n++] = params->xl_path;
    if (params->debug)
        argv[n++] = "-vvv";
    argv[n++] = "migrate-receive";
    if (params->no_monitor)
        argv[n++] = "-e";
    argv[n++] = "-p"; /* the receiver unpauses it */
    if (params->debug)
        argv[n++] = "-d";
    argv[n] = NULL;

    r = posix_spawn_file_actions_init(&files);
    if (r)
        return r;
    r = posix_spawnattr_init(&attr);
    if (r) {
        posix_spawn_file_actions_destroy(&files);
        return r;
    }
    r = set_attributes(&attr);
    if (!r)
        r = posix_spawn_file_actions_adddup2(&files, pipes->in_child, 0);
    if (!r)
        r = posix_spawn_file_actions_adddup2(&files, pipes->out_child, 1);
    if (!r)
        r = posix_spawn_file_actions_adddup2(&files, pipes->err_child, 2);
    if (!r)
        r = posix_spawn(pid_out, params->xl_path, &files, &attr,
                        (char *const *)argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return r;
}

/* adddup2() leaves a descriptor that is its own target close-on-exec. */
static int move_up(int *fd)
{
    int high;

    if (*fd > 2)
        return 0;
    high = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
    if (high < 0)
        return -1;
    close(*fd);
    *fd = high;
    return 0;
}

static struct xlm__xlproc *proc_new(const struct xlm__xlproc_params *params)
{
    struct xlm__xlproc *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->err = params->err;
    p->stop_fd = params->stop_fd;
    p->record_fd = params->record_fd;
    p->in_fd = -1;
    p->out_fd = -1;
    pthread_mutex_init(&p->write_lock, NULL);
    pthread_mutex_init(&p->wait_lock, NULL);
    return p;
}

int xlm__xlproc_start(const struct xlm__xlproc_params *params,
                      struct xlm__xlproc **out)
{
    struct pipes pipes = { -1, -1, -1, -1, -1, -1 };
    struct xlm__xlproc *p = NULL;
    int rc;
    int r;

    p = proc_new(params);
    if (!p)
        return XLM_FAIL(params->err, XLM_ERR_NOMEM, "xl process");
    if (open_pipes(&pipes) || move_up(&pipes.in_child) ||
        move_up(&pipes.out_child) || move_up(&pipes.err_child)) {
        rc = XLM_FAIL_ERRNO(params->err, XLM_ERR_SYSTEM, "pipes to xl");
        goto out;
    }
    rc = xlm__xlwords_start(params->err, pipes.err_ours, &p->words);
    if (rc)
        goto out;
    pipes.err_ours = -1;
    r = spawn_xl(params, &pipes, &p->pid);
    if (r) {
        errno = r;
        rc = XLM_FAIL_ERRNO(params->err, XLM_ERR_TOOLSTACK, "cannot run %s",
                            params->xl_path);
        goto out;
    }
    p->in_fd = pipes.in_ours;
    pipes.in_ours = -1;
    p->out_fd = pipes.out_ours;
    pipes.out_ours = -1;
    XLM_LOG(p->err, DEBUG, "%s migrate-receive is process %d", params->xl_path,
            (int)p->pid);
    *out = p;
    p = NULL;
    rc = 0;

out:
    close_pipes(&pipes);
    xlm__xlproc_free(p);
    return rc;
}

void xlm__xlproc_free(struct xlm__xlproc *p)
{
    if (!p)
        return;
    xlm__xlproc_close_stdin(p);
    /* Without input it cleans up after itself, given the time. */
    if (p->pid > 0 && !xlm__xlproc_ended(p, KILL_MS))
        xlm__xlproc_kill(p);
    xlm__xlwords_free(p->words);
    close_fd(&p->out_fd);
    pthread_mutex_destroy(&p->write_lock);
    pthread_mutex_destroy(&p->wait_lock);
    free(p);
}

void xlm__xlproc_ignore_stop(struct xlm__xlproc *p)
{
    p->stop_fd = -1;
}

void xlm__xlproc_fail_softly(struct xlm__xlproc *p)
{
    p->soft = true;
}

void xlm__xlproc_close_stdin(struct xlm__xlproc *p)
{
    pthread_mutex_lock(&p->write_lock);
    close_fd(&p->in_fd);
    pthread_mutex_unlock(&p->write_lock);
}

static bool look_ended(struct xlm__xlproc *p)
{
    bool ended;

    pthread_mutex_lock(&p->wait_lock);
    /* ECHILD: somebody else reaped it; it is gone all the same. */
    if (!p->ended) {
        pid_t r = waitpid(p->pid, &p->status, WNOHANG);

        if (r == p->pid || (r < 0 && errno == ECHILD))
            p->ended = true;
    }
    ended = p->ended;
    pthread_mutex_unlock(&p->wait_lock);
    return ended;
}

static bool stopped(const struct xlm__xlproc *p)
{
    struct pollfd fd = { p->stop_fd, POLLIN, 0 };

    return p->stop_fd >= 0 && poll(&fd, 1, 0) > 0;
}

/* Wait for events on fd (-1: just wait), stop_fd, or a tick. */
static void wait_for(const struct xlm__xlproc *p, int fd, short events,
                     int tick_ms)
{
    struct pollfd fds[2] = { { fd, events, 0 }, { p->stop_fd, POLLIN, 0 } };

    (void)poll(fds, 2, tick_ms);
}

static int fail_ended(struct xlm__xlproc *p, const char *waiting_for)
{
    char text[384];

    xlm__xlproc_describe(p, text, sizeof(text));
    return PROC_FAIL(p, XLM_ERR_TOOLSTACK,
                     "xl migrate-receive (process %d) %s; we were waiting for "
                     "%s",
                     (int)p->pid, text, waiting_for);
}

static int fail_timeout(struct xlm__xlproc *p, uint32_t timeout_ms,
                        const char *waiting_for)
{
    char text[384];

    xlm__xlproc_describe(p, text, sizeof(text));
    return PROC_FAIL(p, XLM_ERR_TIMEOUT,
                     "xl migrate-receive (process %d, %s): no %s within %u ms",
                     (int)p->pid, text, waiting_for, timeout_ms);
}

/* What xl got is what the file shows: bytes are recorded after writing. */
static void record_bytes(struct xlm__xlproc *p, const void *data, size_t bytes)
{
    const char *at = data;

    while (p->record_fd >= 0 && bytes) {
        ssize_t r = write(p->record_fd, at, bytes);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            XLM_SOFT_ERRNO(p->err, XLM_ERR_SYSTEM,
                           "recording of what xl is fed ends");
            p->record_fd = -1;
            return;
        }
        at += r;
        bytes -= (size_t)r;
    }
}

static int write_some(struct xlm__xlproc *p, const char *at, size_t bytes,
                      size_t *done_out)
{
    ssize_t r = write(p->in_fd, at, bytes);

    *done_out = 0;
    if (r >= 0) {
        *done_out = (size_t)r;
        return 0;
    }
    if (errno == EINTR)
        return 0;
    if (errno == EPIPE) {
        (void)xlm__xlproc_ended(p, TERM_MS);
        return fail_ended(p, "it to read its stream");
    }
    if (errno != EAGAIN)
        return XLM_FAIL_ERRNO(p->err, XLM_ERR_SYSTEM, "write to xl");
    if (stopped(p))
        return XLM_ERR_CANCELLED;
    wait_for(p, p->in_fd, POLLOUT, TICK_MS);
    return 0;
}

static int write_part(struct xlm__xlproc *p, const struct iovec *part)
{
    const char *at = part->iov_base;
    size_t left = part->iov_len;

    while (left) {
        size_t done;
        int rc = write_some(p, at, left, &done);

        if (rc)
            return rc;
        record_bytes(p, at, done);
        at += done;
        left -= done;
    }
    return 0;
}

int xlm__xlproc_write(struct xlm__xlproc *p, const struct iovec *iov, size_t nr)
{
    int rc = 0;

    pthread_mutex_lock(&p->write_lock);
    if (p->in_fd < 0)
        rc = PROC_FAIL(p, XLM_ERR_TOOLSTACK, "xl's stdin is closed already");
    for (size_t i = 0; !rc && i < nr; i++)
        rc = write_part(p, &iov[i]);
    pthread_mutex_unlock(&p->write_lock);
    return rc;
}

static int unread_bytes(struct xlm__xlproc *p)
{
    int bytes = -1;

    pthread_mutex_lock(&p->write_lock);
    if (p->in_fd >= 0 && ioctl(p->in_fd, FIONREAD, &bytes))
        bytes = -1;
    pthread_mutex_unlock(&p->write_lock);
    return bytes;
}

int xlm__xlproc_sync(struct xlm__xlproc *p, uint32_t timeout_ms,
                     const char *waiting_for)
{
    const uint64_t deadline = xlm__deadline_ns(timeout_ms);

    for (unsigned i = 0;; i++) {
        int bytes = unread_bytes(p);

        if (bytes == 0)
            return 0;
        if (bytes < 0)
            return PROC_FAIL(p, XLM_ERR_SYSTEM,
                             "cannot tell what xl has not read yet");
        if (i % TICK_MS == 0 && look_ended(p))
            return fail_ended(p, waiting_for);
        if (stopped(p))
            return XLM_ERR_CANCELLED;
        if (xlm__deadline_over(deadline, xlm__clock_ns()))
            return fail_timeout(p, timeout_ms, waiting_for);
        wait_for(p, -1, 0, 1);
    }
}

int xlm__xlproc_read(struct xlm__xlproc *p, void *buf, size_t bytes,
                     uint32_t timeout_ms, const char *waiting_for)
{
    const uint64_t deadline = xlm__deadline_ns(timeout_ms);
    size_t at = 0;

    for (;;) {
        /* Asked before reading: what it wrote before it ended still counts. */
        const bool ended = look_ended(p);
        ssize_t r = read(p->out_fd, (char *)buf + at, bytes - at);

        if (r > 0)
            at += (size_t)r;
        if (at == bytes)
            return 0;
        if (r > 0 || (r < 0 && errno == EINTR))
            continue;
        if (r < 0 && errno != EAGAIN)
            return XLM_FAIL_ERRNO(p->err, XLM_ERR_SYSTEM, "read from xl");
        if (ended)
            return fail_ended(p, waiting_for);
        if (stopped(p))
            return XLM_ERR_CANCELLED;
        if (xlm__deadline_over(deadline, xlm__clock_ns()))
            return fail_timeout(p, timeout_ms, waiting_for);
        /* At end of file poll() would not wait, and xl will end at once. */
        wait_for(p, r == 0 ? -1 : p->out_fd, POLLIN, r == 0 ? 1 : TICK_MS);
    }
}

int xlm__xlproc_expect(struct xlm__xlproc *p, const char *message, size_t bytes,
                       uint32_t timeout_ms, const char *waiting_for)
{
    char got[128];
    int rc;

    if (bytes > sizeof(got))
        return PROC_FAIL(p, XLM_ERR_INTERNAL, "message of %zu bytes", bytes);
    rc = xlm__xlproc_read(p, got, bytes, timeout_ms, waiting_for);
    if (rc)
        return rc;
    if (memcmp(got, message, bytes))
        return PROC_FAIL(p, XLM_ERR_TOOLSTACK, "xl said \"%.*s\" instead of %s",
                         (int)bytes, got, waiting_for);
    return 0;
}

int xlm__xlproc_check(struct xlm__xlproc *p, const char *waiting_for)
{
    return look_ended(p) ? fail_ended(p, waiting_for) : 0;
}

/* Readable when it has ended; -1: this kernel (before 5.3) has none. */
static int open_pidfd(pid_t pid)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    return -1;
#endif
}

/* A guest that moves stands still meanwhile: no time goes by between looks. */
bool xlm__xlproc_ended(struct xlm__xlproc *p, uint32_t timeout_ms)
{
    const uint64_t deadline = xlm__clock_ns() + timeout_ms * XLM__NS_PER_MS;
    struct pollfd end = { -1, POLLIN, 0 };
    bool ended;

    if (look_ended(p))
        return true;
    end.fd = open_pidfd(p->pid);
    while (!(ended = look_ended(p)) && xlm__clock_ns() < deadline)
        (void)poll(&end, 1,
                   end.fd >= 0 ? xlm__deadline_left_ms(deadline) : LOOK_MS);
    if (end.fd >= 0)
        close(end.fd);
    return ended;
}

void xlm__xlproc_kill(struct xlm__xlproc *p)
{
    if (look_ended(p))
        return;
    /* setsid() made it the leader of its group; the helper that restores
     * memory is in it, the daemon that watches the domain is not. */
    kill(-p->pid, SIGTERM);
    if (xlm__xlproc_ended(p, TERM_MS))
        return;
    XLM_LOG(p->err, WARN, "xl migrate-receive (process %d) is killed",
            (int)p->pid);
    kill(-p->pid, SIGKILL);
    if (!xlm__xlproc_ended(p, KILL_MS))
        XLM_SOFT(p->err, XLM_ERR_TOOLSTACK,
                 "process %d does not end %d ms after SIGKILL", (int)p->pid,
                 KILL_MS);
}

void xlm__xlproc_describe(struct xlm__xlproc *p, char *text, size_t bytes)
{
    char words[256] = "";
    char how[64] = "runs";

    if (look_ended(p)) {
        if (WIFSIGNALED(p->status))
            snprintf(how, sizeof(how), "was killed by signal %d",
                     WTERMSIG(p->status));
        else
            snprintf(how, sizeof(how), "exited with status %d",
                     WEXITSTATUS(p->status));
    }
    xlm__xlwords_get(p->words, words, sizeof(words));
    snprintf(text, bytes, "%s%s%s", how, words[0] ? ": " : "", words);
}
