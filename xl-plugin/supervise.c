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
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctlplace.h"
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
    const struct job_end *end = j->end;
    struct outcome o;

    ctlplace_clean(j->uuid);
    job_outcome(j, &o);
    o.worker_killed = !end->known;
    o.code = end->known ? end->code : guard_rc;
    o.owner = owner;
    o.error_state = end->error_state;
    snprintf(o.message, sizeof(o.message),
             "the worker was killed by signal %d (%s)%s%s%s", sig,
             strsignal(sig), end->known ? " before it could report" : "",
             *done ? ": " : "", done);
    if (end->known && !end->code)
        console_line(&j->con, "%s: moved to %s, but %s", j->name, j->opt.host,
                     o.message);
    return job_report(j, &o);
}

/* The guardian's line begins with the domain's name, as ours does. */
static const char *without_name(const char *line, const char *name)
{
    size_t n = strlen(name);

    return !strncmp(line, name, n) && !strncmp(line + n, ": ", 2) ? line + n + 2
                                                                  : line;
}

static int finish(struct job *j, int status, int guard_rc, enum xlm_owner owner,
                  const char *done)
{
    int code;

    if (WIFSIGNALED(status)) {
        code = report_death(j, WTERMSIG(status), guard_rc, owner, done);
    } else {
        code = WEXITSTATUS(status);
        /* What stays suspended was in its report already. */
        if (*done && (guard_rc || owner == XLM_OWNER_SOURCE))
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
    char line[XLM_MESSAGE_MAX] = "";
    struct xlm_options opt;
    int guard[2], status, rc;

    j->end = mmap(NULL, sizeof(*j->end), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (j->end == MAP_FAILED || start_worker(j, guard)) {
        console_line(&j->con, "xl lmigrate: %s: no worker process: %s", j->name,
                     strerror(errno));
        return LM_EXIT_FAILED;
    }
    job_library_options(j, &opt);
    rc = xlm_guard(guard[0], &opt, &owner, line);
    close(guard[0]);
    status = reap_worker();
    return finish(j, status, rc, owner, without_name(line, j->name));
}
