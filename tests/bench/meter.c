/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a command and all that it starts cost:
 *
 *   meter FILE CMD...
 *
 * appends to FILE a line "MILLISECONDS CPU-MICROSECONDS PEAK-KIB" for CMD, and
 * ends as and when CMD did.  CPU: of CMD and of those of its descendants that
 * have ended half a second later; until then there is a FILE.PID.  Memory: what
 * is private to them (RssAnon; a guest's memory, which they map, is not), the
 * highest sum seen at one of 20 looks a second.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS   50000000
#define LATER     10 /* looks */
#define DEPTH_MAX 16

static long anon_kib(pid_t pid)
{
    char path[64], line[128];
    long kib = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "RssAnon: %ld", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

static long tree_kib(pid_t pid, unsigned depth)
{
    char path[64];
    long sum = anon_kib(pid);
    pid_t child;
    FILE *f;

    if (depth == DEPTH_MAX)
        return sum;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    f = fopen(path, "re");
    while (f && fscanf(f, "%d", &child) == 1)
        sum += tree_kib(child, depth + 1);
    if (f)
        fclose(f);
    return sum;
}

static long long cpu_us(const struct rusage *u)
{
    return (u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000ll +
           u->ru_utime.tv_usec + u->ru_stime.tv_usec;
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int write_line(const char *path, double ms, long long us, long kib)
{
    char line[96];
    int n = snprintf(line, sizeof(line), "%.1f %lld %ld\n", ms, us, kib);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    int rc = fd < 0 || write(fd, line, (size_t)n) != n;

    if (rc)
        perror(path);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* Until `pid` (-1: none) or all have ended, or that many looks later. */
static void watch(pid_t pid, int looks, int *status, long *peak)
{
    const struct timespec look = { .tv_nsec = LOOK_NS };
    sigset_t child;
    pid_t r = 0;
    int one;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while (looks < 0 || looks--) {
        while ((r = waitpid(-1, &one, WNOHANG)) > 0 && r != pid) {
        }
        if (r == pid)
            *status = one;
        if (r)
            return;
        if (pid > 0) {
            long kib = tree_kib(pid, 0);

            *peak = kib > *peak ? kib : *peak;
        }
        (void)sigtimedwait(&child, NULL, &look);
    }
}

/* Says the status of CMD when it ends, and goes on alone. */
static int measure(char **argv, int tell_fd)
{
    char busy[256];
    sigset_t child;
    long peak = 0;
    double began_ms, ms;
    int status = 0, rc;
    struct rusage used;
    pid_t pid;

    snprintf(busy, sizeof(busy), "%s.%d", argv[1], getpid());
    close(open(busy, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    /* What CMD leaves behind is ours to wait for, to know what it cost. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    began_ms = now_ms();
    pid = fork();
    if (!pid) {
        sigprocmask(SIG_UNBLOCK, &child, NULL);
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    if (pid < 0) {
        perror("fork");
        return 2;
    }
    watch(pid, -1, &status, &peak);
    ms = now_ms() - began_ms;
    if (write(tell_fd, &status, sizeof(status)) != sizeof(status))
        perror("meter");
    /* Who waits for the other ends of these has waited enough. */
    for (int fd = 0; fd <= tell_fd; fd++)
        close(fd);
    watch(-1, LATER, &status, &peak);
    getrusage(RUSAGE_CHILDREN, &used);
    rc = write_line(argv[1], ms, cpu_us(&used), peak);
    unlink(busy);
    return rc;
}

int main(int argc, char **argv)
{
    int status, tell[2];
    pid_t pid;

    if (argc < 3) {
        fprintf(stderr, "usage: meter FILE CMD...\n");
        return 2;
    }
    if (pipe2(tell, O_CLOEXEC) || (pid = fork()) < 0) {
        perror("meter");
        return 2;
    }
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    if (!pid) {
        close(tell[0]);
        _exit(measure(argv, tell[1]));
    }
    close(tell[1]);
    if (read(tell[0], &status, sizeof(status)) != sizeof(status))
        return 2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
