/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Receives a domain from send.c.  Started once for each channel, which is its
 * stdin and stdout; what it has to say goes to stderr.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libxlm.h"

enum { EXIT_RECEIVED, EXIT_USAGE, EXIT_FAILED };

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

/* Errors are told at the end; debug messages are many. */
static void on_log(void *user, enum xlm_log_level level, const char *module,
                   const char *message)
{
    (void)user;
    if (level == XLM_LOG_WARN || level == XLM_LOG_INFO)
        fprintf(stderr, "receive: %s: %s\n", module, message);
}

/*
 * The channel moves away from 0 and 1, so that nothing that is printed can get
 * into it, and is close-on-exec: the xl that the library starts stays, to watch
 * the domain, and must not hold it open.
 */
static int take_channel(int *rfd_out, int *wfd_out)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    *rfd_out = fcntl(0, F_DUPFD_CLOEXEC, 3);
    *wfd_out = fcntl(1, F_DUPFD_CLOEXEC, 3);
    if (null < 0 || *rfd_out < 0 || *wfd_out < 0 || dup2(null, 0) < 0 ||
        dup2(2, 1) < 0)
        return -1;
    close(null);
    return 0;
}

static int run(int rfd, int wfd, const unsigned char *greeting)
{
    struct xlm_options opt = { .size = sizeof(opt), .log = on_log };
    const struct xlm_error_info *e;
    int rc;

    rc = xlm_session_open(XLM_DESTINATION, &opt, &session);
    if (rc) {
        fprintf(stderr, "receive: %s\n", xlm_strerror(rc));
        return EXIT_FAILED;
    }
    rc = xlm_session_add_greeted_channel(session, rfd, wfd, greeting);
    handle_signals(on_signal);
    if (!rc)
        rc = xlm_session_run(session);
    handle_signals(SIG_IGN); /* before the session is freed */
    e = xlm_session_error(session);
    if (rc)
        fprintf(stderr, "receive: %s: %s\n", xlm_strerror(rc),
                e ? e->message : "?");
    else
        fprintf(stderr, "receive: done, domain %" PRIu32 "\n",
                xlm_session_domid(session));
    xlm_session_close(session);
    return rc ? EXIT_FAILED : EXIT_RECEIVED;
}

int main(int argc, char **argv)
{
    unsigned char greeting[XLM_GREETING_BYTES];
    char message[XLM_MESSAGE_MAX];
    int rfd, wfd, rc;

    if (argc != 1 || isatty(0)) {
        int help = argc == 2 && !strcmp(argv[1], "--help");

        fputs("Usage: receive\n"
              "Receive a domain on stdin and stdout, from send.\n",
              help ? stdout : stderr);
        return help ? 0 : EXIT_USAGE;
    }
    if (take_channel(&rfd, &wfd)) {
        perror("receive: stdin and stdout");
        return EXIT_FAILED;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* libxl aborts a program that has a handler */
    rc = xlm_channel_join(rfd, wfd, greeting, message);
    if (rc == 0)
        return run(rfd, wfd, greeting);
    if (rc < 0)
        fprintf(stderr, "receive: %s: %s\n", xlm_strerror(rc), message);
    close(rfd);
    if (wfd != rfd)
        close(wfd);
    return rc < 0 ? EXIT_FAILED : EXIT_RECEIVED;
}
