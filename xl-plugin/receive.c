/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl lmigrate-receive: started by "xl lmigrate" through ssh, once for each
 * channel.  Standard input and output are the channel; a person is spoken to
 * on stderr, which ssh carries back.  With --query it answers one question of
 * "xl lmigrate-recover" instead.
 *
 * Exit codes: 0; 1 bad options (an xl that does not know this command has it
 * too); 3 failed.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "hostconf.h"
#include "libxlm.h"
#include "logfile.h"
#include "options.h"
#include "realxl.h"
#include "receive_options.h"
#include "stdfds.h"

#define DESCRIPTION "Receive a domain - for internal use by xl lmigrate"
#define EXIT_FAILED 3

struct receiver {
    struct receive_options opt;
    int record_fd;
    char prefix[80]; /* "HOSTNAME: " */
    struct console con;
    struct logfile log;
};

static struct xlm_session *_Atomic handler_session;

static void on_signal(int sig)
{
    struct xlm_session *s = handler_session;
    int saved = errno;

    if (s)
        xlm_session_cancel(s);
    else
        _exit(128 + sig);
    errno = saved;
}

/* With its connection broken, of a terminal even: it may come back, and if it
 * does not, its end says so. */
static void on_hangup(int sig)
{
    (void)sig;
}

static void on_log(void *user, enum xlm_log_level level, const char *module,
                   const char *message)
{
    struct receiver *r = user;
    bool told = level == XLM_LOG_WARN ||
                (level == XLM_LOG_INFO && r->opt.verbose >= 1) ||
                (level != XLM_LOG_INFO && r->opt.verbose >= 2);

    logfile_write(&r->log, level, module, message);
    if (told)
        console_line(&r->con, "%s: %s: %s", log_level_name(level), module,
                     message);
}

static int fail(struct receiver *r, const char *message)
{
    console_line(&r->con, "xl lmigrate-receive: %s", message);
    logfile_write(&r->log, XLM_LOG_ERROR, "xl lmigrate-receive", message);
    return EXIT_FAILED;
}

static void set_signals(void)
{
    struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

    sigemptyset(&act.sa_mask);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    act.sa_handler = on_hangup; /* not ignored: children would inherit that */
    sigaction(SIGHUP, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/*
 * The source has been told already what failed here, and tells it: say it
 * once more only if it cannot know.
 */
static int tell_failure(struct receiver *r, struct xlm_session *s, int rc)
{
    const struct xlm_error_info *e = xlm_session_error(s);
    char line[XLM_MESSAGE_MAX + sizeof(r->log.path) + 16];

    if (rc == XLM_ERR_CANCELLED || rc == XLM_ERR_PEER)
        return EXIT_FAILED;
    snprintf(line, sizeof(line), "%s%s%s", e ? e->message : xlm_strerror(rc),
             r->log.fd >= 0 ? "; log: " : "",
             r->log.fd >= 0 ? r->log.path : "");
    return fail(r, line);
}

/* The address of this host that ssh came to: "CLIENT PORT SERVER PORT". */
static const char *own_address(char out[64])
{
    const char *ssh = getenv("SSH_CONNECTION");

    if (!ssh || sscanf(ssh, "%*s %*s %63s", out) != 1)
        return NULL;
    return out;
}

static int run_session(struct receiver *r, int rfd, int wfd,
                       const unsigned char *greeting)
{
    char xl[PATH_MAX], address[64], error[LM_ERROR_MAX];
    struct hostconf conf;
    struct xlm_options opt = { .size = sizeof(opt),
                               .flags = r->opt.flags,
                               .record_fd = r->record_fd,
                               .data_host = own_address(address),
                               .log = on_log,
                               .user = r };
    struct xlm_session *s = NULL;
    int rc;

    /* Not earlier: a data channel's process was given the same file. */
    if (r->opt.record) {
        opt.record_fd = open(r->opt.record,
                             O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (opt.record_fd < 0)
            return fail(r, strerror(errno));
    }
    if (realxl_find(xl))
        opt.xl_path = xl;
    if (!hostconf_read(&conf, error))
        return fail(r, error);
    opt.data_address = *conf.listen_address ? conf.listen_address : NULL;
    opt.port_low = conf.port_low;
    opt.port_high = conf.port_high;
    if (conf.preset.ktls)
        opt.flags |= XLM_F_KTLS;
    rc = xlm_session_open(XLM_DESTINATION, &opt, &s);
    if (rc)
        return fail(r, xlm_strerror(rc));
    handler_session = s;
    rc = xlm_session_add_greeted_channel(s, rfd, wfd, greeting);
    if (!rc)
        rc = xlm_session_run(s);
    rc = rc ? tell_failure(r, s, rc) : 0;
    handler_session = NULL;
    xlm_session_close(s);
    return rc;
}

static int receive(struct receiver *r)
{
    unsigned char greeting[XLM_GREETING_BYTES];
    char message[XLM_MESSAGE_MAX] = "";
    int rfd, wfd, rc;

    if (!stdfds_take(&rfd, &wfd))
        return fail(r, "cannot set up the channel on stdin and stdout");
    set_signals();
    rc = xlm_channel_join(rfd, wfd, greeting, message);
    if (rc == 1)
        return 0;
    /* A source that gives up in preflight leaves its data channels unused; it
     * says itself why. */
    if (rc == XLM_ERR_CHANNEL && !r->opt.verbose) {
        logfile_write(&r->log, XLM_LOG_INFO, "xl lmigrate-receive", message);
        return EXIT_FAILED;
    }
    return rc ? fail(r, message) : run_session(r, rfd, wfd, greeting);
}

/* For "xl lmigrate-recover": one line on stdout. */
static int answer(struct receiver *r)
{
    const struct xlm_options opt = { .size = sizeof(opt),
                                     .log = on_log,
                                     .user = r };
    char line[XLM_ANSWER_MAX], message[XLM_MESSAGE_MAX];

    if (xlm_recover_answer(r->opt.query, &opt, line, message))
        return fail(r, message);
    logfile_write(&r->log, XLM_LOG_INFO, "xl lmigrate-receive", line);
    if (printf("%s\n", line) < 0 || fflush(stdout))
        return fail(r, "the answer could not be written");
    return 0;
}

static void help(void)
{
    puts(
        "Usage: xl [-vT] lmigrate-receive [options]\n\n" DESCRIPTION ".\n\n"
        "Options:\n\n"
        "-h, --help            Print this help.\n"
        "-e                    Do not wait in the background for the death of "
        "the domain.\n"
        "-p                    Do not unpause the domain.\n"
        "-d, --debug           Tell xl to print debug messages.\n"
        "-v                    Print notes; twice: debug messages.\n"
        "-T                    Put the time and the process id before each "
        "line.\n"
        "--name <name>         The domain's, for the name of the log file.\n"
        "--query <question>    Say in one line what became of a domain, for xl "
        "lmigrate-recover.\n"
        "--record <file>       Write what xl is fed to <file>, for tests.\n\n"
        "See xl-lmigrate(1).");
}

/* 0: go on; else the exit code plus 1. */
static int parse(struct receiver *r, int argc, char **argv)
{
    switch (receive_options_parse(&r->opt, argc, argv)) {
    case LM_RUN:
        break;
    case LM_HELP:
        help();
        return 1;
    case LM_DESCRIBE:
        puts(DESCRIPTION);
        return 1;
    default: /* getopt has said which */
        if (optind < argc)
            fprintf(stderr, "xl lmigrate-receive: takes no arguments: '%s'\n",
                    argv[optind]);
        return 2;
    }
    if (!r->opt.query && (isatty(0) || isatty(1))) {
        fputs("xl lmigrate-receive: xl lmigrate starts this at the other host, "
              "to talk to it over stdin and stdout; it is of no use at a "
              "terminal.  See xl-lmigrate(1).\n",
              stderr);
        return 2;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct receiver r = { .log = { .fd = -1 } };
    char here[64] = "";
    int rc;

    if (!stdfds_ensure())
        return EXIT_FAILED;
    rc = parse(&r, argc, argv);
    if (rc)
        return rc - 1;
    gethostname(here, sizeof(here) - 1);
    snprintf(r.prefix, sizeof(r.prefix), "%s: ", here);
    console_init(&r.con, 2, false, r.opt.timestamps, r.prefix);
    r.con.live = false; /* a terminal may be there for ssh's sake */
    logfile_open(&r.log, "xlm",
                 r.opt.name && *r.opt.name ? r.opt.name : "receive");
    if (r.log.fd < 0 && r.opt.verbose)
        console_line(&r.con, "no log file %s: %s", r.log.path,
                     strerror(r.log.open_errno));
    rc = r.opt.query ? answer(&r) : receive(&r);
    logfile_close(&r.log);
    return rc;
}
