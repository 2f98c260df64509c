/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves a domain to another host: all that a toolstack has to do for it.
 * receive.c is the other end.
 *
 *     send DOMID COMMAND [ARGUMENT...]
 *     send 5 ssh hostb /usr/local/bin/receive
 *
 * COMMAND is started twice, for the control channel and for one data channel.
 * It has to connect its stdin and stdout with those of a receive.
 *
 *     this process ── socket ── COMMAND ═══ receive    control
 *          │      └── socket ── COMMAND ═══ receive    data
 *          └── pipe ── guardian: undoes what we did if we are killed
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libxlm.h"

#define NR_CHANNELS   2 /* the first is for control */
#define LEAVE_SECONDS 5 /* for COMMAND, when its channel is closed */

/* EXIT_RECOVER: a suspended copy is left here. */
enum { EXIT_MOVED, EXIT_USAGE, EXIT_STAYED, EXIT_RECOVER };

static struct xlm_session *session;

static void on_signal(int sig)
{
    (void)sig;
    xlm_session_cancel(session);
}

static void handle_signals(void (*handler)(int))
{
    signal(SIGINT, handler);
    signal(SIGTERM, handler);
    signal(SIGHUP, handler);
}

/* ---- what the library tells us ---- */

/* Errors are told at the end; debug messages are many. */
static void on_log(void *user, enum xlm_log_level level, const char *module,
                   const char *message)
{
    (void)user;
    if (level == XLM_LOG_WARN || level == XLM_LOG_INFO)
        fprintf(stderr, "%s: %s\n", module, message);
}

static void on_finding(void *user, const struct xlm_finding *f)
{
    static const char *const severity[] = { [XLM_FINDING_NOTE] = "note",
                                            [XLM_FINDING_WARN] = "warning",
                                            [XLM_FINDING_BLOCK] = "blocker" };

    (void)user;
    fprintf(stderr, "%s: %s%s%s\n", severity[f->severity], f->message,
            *f->advice ? " -> " : "", f->advice);
}

/* Called many times a second: one line a round is enough. */
static void on_progress(void *user, enum xlm_state state,
                        const struct xlm_stats *s)
{
    uint32_t *last_round = user;

    if (s->round == *last_round)
        return;
    *last_round = s->round;
    fprintf(stderr,
            "%s: round %" PRIu32 ", %" PRIu64 " pages to send, "
            "expected pause %" PRIu64 " ms\n",
            xlm_state_name(state), s->round, s->round_pages,
            s->expected_blackout_us / 1000);
}

static int report_success(uint32_t domid)
{
    struct xlm_stats s = { .size = sizeof(s) };

    printf("domain %" PRIu32 " was moved", domid);
    if (!xlm_session_stats(session, &s) && s.blackout_us)
        printf(", it was paused for %" PRIu64 " ms", s.blackout_us / 1000);
    puts("");
    return EXIT_MOVED;
}

/* What happened, and what counts more: who has the domain now. */
static int report_failure(uint32_t domid, int rc)
{
    const struct xlm_error_info *e = xlm_session_error(session);

    fprintf(stderr, "send: %s%s%s\n", xlm_strerror(rc), e ? ": " : "",
            e ? e->message : "");
    switch (xlm_session_owner(session)) {
    case XLM_OWNER_SOURCE:
        fprintf(stderr, "domain %" PRIu32 " stays here\n", domid);
        if (xlm_session_needs_monitor(session))
            fprintf(stderr,
                    "nobody acts on its shutdown and reboot any more: run "
                    "'xl lmigrate-monitor %" PRIu32 "'\n",
                    domid);
        return EXIT_STAYED;
    case XLM_OWNER_DESTINATION:
        fprintf(stderr, "it is at the destination; ");
        break;
    case XLM_OWNER_UNKNOWN:
        fprintf(stderr, "it may run at the destination; ");
        break;
    }
    /* Or by the program itself: xlm_recover_open() and what follows it. */
    fprintf(stderr,
            "domain %" PRIu32 " here is suspended, and must not be resumed by "
            "hand: 'xl lmigrate-recover %" PRIu32 " HOST' decides\n",
            domid, domid);
    return EXIT_RECOVER;
}

/* ---- the guardian ---- */

/*
 * A process of its own, so that it is there when this one is killed.  A program
 * with threads has to fork and exec it.
 */
static pid_t start_guardian(int *guard_fd_out)
{
    struct xlm_options opt = { .size = sizeof(opt), .log = on_log };
    char message[XLM_MESSAGE_MAX];
    enum xlm_owner owner;
    int fds[2], rc;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC))
        return -1;
    pid = fork();
    if (pid) {
        close(fds[0]);
        *guard_fd_out = fds[1];
        return pid;
    }
    close(fds[1]);
    handle_signals(SIG_IGN);
    rc = xlm_guard(fds[0], &opt, &owner, message);
    if (*message)
        fprintf(stderr, "guardian: %s\n", message);
    _exit(rc ? 1 : 0);
}

/* ---- the channels ---- */

static void become(char **command, int fd)
{
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    if (dup2(fd, 0) == 0 && dup2(fd, 1) == 1)
        execvp(command[0], command);
    fprintf(stderr, "send: %s: %s\n", command[0], strerror(errno));
    _exit(127);
}

/* One end of the socket for the library, the other one for COMMAND. */
static int start_channel(char **command, pid_t *pid_out)
{
    int fds[2], rc;

    /* Close-on-exec: programs that libxl starts must not hold it open. */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
        return XLM_ERR_SYSTEM;
    *pid_out = fork();
    if (*pid_out == 0)
        become(command, fds[1]);
    close(fds[1]);
    rc = *pid_out < 0 ? XLM_ERR_SYSTEM
                      : xlm_session_add_channel(session, fds[0], fds[0]);
    if (rc)
        close(fds[0]);
    return rc;
}

/* COMMAND ends because its channel was closed; if it does not, we end it. */
static void end_channel(pid_t pid)
{
    for (int tenths = 0; pid > 0; tenths++) {
        if (waitpid(pid, NULL, WNOHANG))
            return;
        if (tenths == LEAVE_SECONDS * 10)
            kill(pid, SIGTERM);
        if (tenths == LEAVE_SECONDS * 20)
            kill(pid, SIGKILL);
        usleep(100000);
    }
}

/* ---- the migration ---- */

static int move(uint32_t domid, char **command, int guard_fd)
{
    uint32_t last_round = 0;
    struct xlm_options opt = { .size = sizeof(opt),
                               .domid = domid,
                               .guard_fd = guard_fd,
                               .log = on_log,
                               .finding = on_finding,
                               .progress = on_progress,
                               .user = &last_round };
    pid_t pids[NR_CHANNELS] = { 0 };
    int rc, code;

    rc = xlm_session_open(XLM_SOURCE, &opt, &session);
    if (rc) {
        fprintf(stderr, "send: domain %" PRIu32 ": %s\n", domid,
                xlm_strerror(rc));
        return EXIT_USAGE;
    }
    for (int i = 0; i < NR_CHANNELS && !rc; i++)
        rc = start_channel(command, &pids[i]);
    handle_signals(on_signal);
    if (!rc)
        rc = xlm_session_run(session);
    handle_signals(SIG_IGN); /* before the session is freed */
    code = rc ? report_failure(domid, rc) : report_success(domid);
    xlm_session_close(session);
    for (int i = 0; i < NR_CHANNELS; i++)
        end_channel(pids[i]);
    return code;
}

static int usage(FILE *f, int code)
{
    fputs("Usage: send DOMID COMMAND [ARGUMENT...]\n"
          "Move domain DOMID to where COMMAND leads, e.g. send 5 ssh hostb "
          "/usr/local/bin/receive\n",
          f);
    return code;
}

int main(int argc, char **argv)
{
    unsigned long domid;
    int guard_fd, code;
    pid_t guardian;
    char *end;

    if (argc == 2 && !strcmp(argv[1], "--help"))
        return usage(stdout, 0);
    if (argc < 3)
        return usage(stderr, EXIT_USAGE);
    errno = 0;
    domid = strtoul(argv[1], &end, 10);
    if (*end || end == argv[1] || errno || domid > UINT32_MAX) {
        fprintf(stderr, "send: '%s' is not the id of a domain\n", argv[1]);
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* libxl aborts a program that has a handler */
    /* Ctrl-C goes to COMMAND too, which has to live until we cancelled. */
    signal(SIGINT, SIG_IGN);
    guardian = start_guardian(&guard_fd);
    if (guardian < 0) {
        perror("send: guardian");
        return EXIT_STAYED;
    }
    code = move((uint32_t)domid, &argv[2], guard_fd);
    close(guard_fd); /* its end of file: nothing is left to watch */
    waitpid(guardian, NULL, 0);
    return code;
}
