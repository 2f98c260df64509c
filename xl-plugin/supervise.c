/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 *   terminal, ssh       supervisor                     worker
 *   SIGINT TERM HUP --> forwards as SIGTERM       -->  cancels its session
 *                       xlm_guard() on a pipe     <--  what it has done so far
 *                       worker's exit code        <--  exit, or death
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job.h"

static volatile pid_t worker_pid;

static void forward(int sig)
{
    int saved = errno;

    (void)sig;
    if (worker_pid > 0)
        kill(worker_pid, SIGTERM);
    errno = saved;
}

static const int forwarded[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
#define NR_FORWARDED (sizeof(forwarded) / sizeof(forwarded[0]))

/* Blocked until worker_pid is known, so that none is lost. */
static void block_signals(int how)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < NR_FORWARDED; i++)
        sigaddset(&set, forwarded[i]);
    sigprocmask(how, &set, NULL);
}

static void catch_signals(void)
{
    struct sigaction act = { .sa_handler = forward, .sa_flags = SA_RESTART };

    sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < NR_FORWARDED; i++)
        sigaction(forwarded[i], &act, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int start_worker(struct job *j, int guard[2])
{
    if (pipe2(guard, O_CLOEXEC))
        return -1;
    fflush(NULL);
    block_signals(SIG_BLOCK);
    worker_pid = fork();
    if (!worker_pid) {
        int rc;

        close(guard[0]);
        rc = worker_run(j, guard[1]);
        fflush(NULL);
        _exit(rc);
    }
    if (worker_pid > 0)
        catch_signals();
    block_signals(SIG_UNBLOCK);
    close(guard[1]);
    return worker_pid > 0 ? 0 : -1;
}

static int reap_worker(void)
{
    int status = 0;

    while (waitpid(worker_pid, &status, 0) < 0 && errno == EINTR)
        ;
    worker_pid = 0;
    return status;
}

/* The worker is dead and has told nobody anything: speak for it. */
static int report_death(struct job *j, int sig, int guard_rc,
                        enum xlm_owner owner, const char *done)
{
    struct outcome o;

    job_outcome(j, &o);
    o.worker_killed = true;
    o.code = guard_rc;
    o.owner = owner;
    snprintf(o.message, sizeof(o.message),
             "the worker was killed by signal %d (%s)%s%s", sig, strsignal(sig),
             *done ? ": " : "", done);
    return job_report(j, &o);
}

static int finish(struct job *j, int status, int guard_rc, enum xlm_owner owner,
                  const char *done)
{
    int code;

    if (WIFSIGNALED(status)) {
        code = report_death(j, WTERMSIG(status), guard_rc, owner, done);
    } else {
        code = WEXITSTATUS(status);
        if (*done)
            console_line(&j->con, "%s: %s", j->name, done);
    }
    /* It was undone here; the xl daemon may have left with the suspend. */
    if (*done && owner == XLM_OWNER_SOURCE)
        job_start_monitor(j);
    return code;
}

int supervise(struct job *j)
{
    enum xlm_owner owner = XLM_OWNER_UNKNOWN;
    char done[XLM_MESSAGE_MAX] = "";
    struct xlm_options opt;
    int guard[2], status, rc;

    if (start_worker(j, guard)) {
        console_line(&j->con, "xl lmigrate: %s: no worker process: %s", j->name,
                     strerror(errno));
        return LM_EXIT_FAILED;
    }
    job_library_options(j, &opt);
    rc = xlm_guard(guard[0], &opt, &owner, done);
    close(guard[0]);
    status = reap_worker();
    return finish(j, status, rc, owner, done);
}
