/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Fewer wake-ups of ssh; the system may grant less. */
#define PIPE_BYTES (1 << 20)
#define POLL_MS    5
#define CLOSE_MS   2000 /* as xl migrate waits for its transport */
#define TERM_MS    1000

/* The remote shell sees it, so only what no shell acts on. */
static bool plain_word(const char *name)
{
    static const char ok[] = "abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+:-";

    return *name && name[strspn(name, ok)] == 0;
}

/* A host out of reach must be noticed while the domain stands still; whoever
 * names a command of his own has his reasons. */
static const char *ssh_words(const struct lm_options *o)
{
    return strcmp(o->ssh, "ssh") ? o->ssh
                                 : "ssh -o ServerAliveInterval=10 "
                                   "-o ServerAliveCountMax=3";
}

char *transport_command(const struct lm_options *o, const char *name)
{
    bool named = plain_word(name);
    char verbose[16] = " -";
    char *out;
    unsigned n = o->verbose < 8 ? o->verbose : 8;

    if (!*o->ssh)
        return strdup(o->host);
    memset(verbose + 2, 'v', n);
    verbose[n ? n + 2 : 0] = 0;
    if (asprintf(&out, "exec %s %s xl%s%s lmigrate-receive%s%s%s%s%s",
                 ssh_words(o), o->host, o->timestamps ? " -T" : "", verbose,
                 o->no_monitor ? " -e" : "", o->debug ? " -d" : "",
                 o->leave_paused ? " -p" : "", named ? " --name=" : "",
                 named ? name : "") < 0)
        return NULL;
    return out;
}

char *transport_query(const struct lm_options *o, const char *question)
{
    char *out;
    int r;

    if (*o->ssh)
        r = asprintf(&out, "exec %s %s xl lmigrate-receive --query=%s", o->ssh,
                     o->host, question);
    else /* it runs the receiver there, so it may pass an option on */
        r = asprintf(&out, "%s --query=%s", o->host, question);
    return r < 0 ? NULL : out;
}

/* In the child, after fork(): only async-signal-safe calls. */
static void become(const char *command, int in, int out)
{
    sigset_t none;

    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(in, 0) >= 0 && dup2(out, 1) >= 0)
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(126);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int transport_start(struct transport *t, const char *command)
{
    int to[2] = { -1, -1 }, from[2] = { -1, -1 };
    int r = 0;

    *t = (struct transport){ .rfd = -1, .wfd = -1 };
    /* Numbers above 2, so that dup2() in the child never meets itself. */
    if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC)) {
        r = errno;
        goto out;
    }
    fcntl(to[1], F_SETPIPE_SZ, PIPE_BYTES);
    fcntl(from[1], F_SETPIPE_SZ, PIPE_BYTES);
    t->pid = fork();
    if (!t->pid)
        become(command, to[0], from[1]);
    if (t->pid < 0) {
        r = errno;
        t->pid = 0;
        goto out;
    }
    t->rfd = from[0];
    t->wfd = to[1];
    from[0] = to[1] = -1;
out:
    close_fd(&to[0]);
    close_fd(&to[1]);
    close_fd(&from[0]);
    close_fd(&from[1]);
    return r;
}

bool transport_wait(struct transport *t, unsigned limit_ms)
{
    const struct timespec pause = { .tv_nsec = POLL_MS * 1000000 };

    for (unsigned waited = 0; t->pid && !t->ended; waited += POLL_MS) {
        pid_t r = waitpid(t->pid, &t->status, WNOHANG);

        /* An error: somebody reaped it, and its status is lost. */
        t->ended = r != 0;
        if (r < 0)
            t->status = 0;
        if (t->ended || waited >= limit_ms)
            break;
        nanosleep(&pause, NULL);
    }
    return !t->pid || t->ended;
}

void transport_stop(struct transport *t)
{
    close_fd(&t->rfd);
    close_fd(&t->wfd);
    if (transport_wait(t, CLOSE_MS))
        return;
    t->stopped_by_us = true;
    kill(t->pid, SIGTERM);
    if (transport_wait(t, TERM_MS))
        return;
    kill(t->pid, SIGKILL);
    transport_wait(t, TERM_MS);
}

void transport_kill(struct transport *t)
{
    close_fd(&t->rfd);
    close_fd(&t->wfd);
    if (!t->pid || t->ended)
        return;
    t->stopped_by_us = true;
    kill(t->pid, SIGKILL);
    transport_wait(t, TERM_MS);
}

static void explain_missing(const struct lm_options *o, int code, char *out,
                            size_t bytes)
{
    snprintf(out, bytes,
             "%s has no 'xl lmigrate-receive' (the command ended with %d): "
             "install the same xlm there ('make install', or its package) so "
             "that its xl comes first on the PATH of a login by %s",
             o->host, code, o->ssh);
}

static void explain_code(const struct lm_options *o, int code, bool greeted,
                         char *out, size_t bytes)
{
    const char *gap = *o->ssh ? " " : "";

    if (code == 255 && *o->ssh)
        snprintf(out, bytes,
                 "%s%s'%s %s' itself failed (it ended with 255): "
                 "try '%s %s true'",
                 greeted ? "" : o->host,
                 greeted ? "" : " cannot be reached: ", o->ssh, o->host, o->ssh,
                 o->host);
    else
        snprintf(out, bytes, "'%s%s%s' ended with %d%s", o->ssh, gap, o->host,
                 code, greeted ? "" : " before a receiver answered");
}

enum transport_fault transport_explain(const struct transport *t,
                                       const struct lm_options *o, bool greeted,
                                       char *out, size_t bytes)
{
    int code;

    if (!t->ended || t->stopped_by_us || !t->status)
        return TRANSPORT_OK;
    if (WIFSIGNALED(t->status)) {
        snprintf(out, bytes, "'%s%s%s' was killed by signal %d (%s)", o->ssh,
                 *o->ssh ? " " : "", o->host, WTERMSIG(t->status),
                 strsignal(WTERMSIG(t->status)));
        return TRANSPORT_FAILED;
    }
    code = WEXITSTATUS(t->status);
    /* 127: no such command.  1: an xl without it says "not implemented";
     * our receiver uses 1 for bad options only. */
    if (!greeted && *o->ssh && (code == 127 || code == 1)) {
        explain_missing(o, code, out, bytes);
        return TRANSPORT_NO_RECEIVER;
    }
    explain_code(o, code, greeted, out, bytes);
    return TRANSPORT_FAILED;
}
