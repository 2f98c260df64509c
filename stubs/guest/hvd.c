/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* simxen-hvd: the hypervisor's own process on a host.  It starts a process for
 * each domain that may run, and sees it end. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stubs/hv/sim.h"

static char guest_program[PATH_MAX];

static bool find_program(void)
{
    char *slash;
    ssize_t n = readlink("/proc/self/exe", guest_program,
                         sizeof(guest_program) - sizeof("simxen-guest"));

    if (n < 0)
        return false;
    guest_program[n] = '\0';
    slash = strrchr(guest_program, '/');
    memcpy(slash + 1, "simxen-guest", sizeof("simxen-guest"));
    return !access(guest_program, X_OK);
}

static void run_guest(uint32_t domid)
{
    char number[16], path[512];
    sigset_t none;
    int fd = -1;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (sim_path(path, sizeof(path), "guest.log"))
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0644);
    if (fd >= 0)
        dup2(fd, STDERR_FILENO);
    fd = open("/dev/null", O_RDWR);
    if (fd >= 0) {
        dup2(fd, STDIN_FILENO);
        dup2(fd, STDOUT_FILENO);
    }
    snprintf(number, sizeof(number), "%u", domid);
    execl(guest_program, "simxen-guest", number, (char *)NULL);
    _exit(127);
}

static void start_guests(void)
{
    for (unsigned i = 1; i < SIM_MAXDOM; i++) {
        struct sim_domain *d = &sim_hv->dom[i];
        uint32_t domid;
        pid_t pid;

        if (!d->used || !d->started || d->guest_pid || sim_is_stopped(d))
            continue;
        domid = d->domid;
        pid = fork();
        if (!pid)
            run_guest(domid);
        if (pid < 0)
            fprintf(stderr, "simxen-hvd: domain %u: fork: %s\n", domid,
                    strerror(errno));
        d->guest_pid = pid > 0 ? pid : 0;
    }
}

static void guest_ended(struct sim_domain *d, int status)
{
    d->guest_pid = 0;
    for (unsigned i = 0; i <= SIM_MAXVCPU; i++)
        d->running[i] = 0;
    if (!d->used || (d->flags & XEN_DOMINF_dying))
        return;
    fprintf(stderr, "simxen-hvd: domain %u: its process ended, status %#x\n",
            d->domid, status);
    d->started = false;
    sim_domain_shutdown(d, SHUTDOWN_crash);
}

/* Waits for them without the lock: who holds it may be waiting for the end of
 * a guest's quantum, and sees only then that the guest is gone. */
static void reap(pid_t *warming)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == *warming)
            *warming = 0;
        sim_lock();
        for (unsigned i = 1; i < SIM_MAXDOM; i++)
            if (sim_hv->dom[i].guest_pid == pid)
                guest_ended(&sim_hv->dom[i], status);
        sim_unlock();
    }
}

/* Only wakes the futex: a child's end is work, too. */
static void on_child(int sig)
{
    const int err = errno;

    (void)sig;
    sim_futex_wake(&sim_hv->work);
    errno = err;
}

int main(void)
{
    struct sigaction child = { .sa_handler = on_child,
                               .sa_flags = SA_NOCLDSTOP };
    int err = sim_attach();
    pid_t warming = 0;

    if (err || !find_program()) {
        fprintf(stderr, "simxen-hvd: %s\n",
                err ? strerror(-err) : "no simxen-guest beside it");
        return 1;
    }
    sigaction(SIGCHLD, &child, NULL);
    signal(SIGPIPE, SIG_IGN);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        const uint32_t seen = __atomic_load_n(&sim_hv->work, __ATOMIC_SEQ_CST);

        reap(&warming);
        sim_lock();
        start_guests();
        if (!warming)
            warming = sim_warm_tend();
        sim_unlock();
        sim_futex_wait(&sim_hv->work, seen, 1000);
    }
}
