/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl lmigrate-recover: see xl-lmigrate-recover(1). */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "job.h"
#include "stdfds.h"
#include "transport.h"

#define DESCRIPTION  "Finish or undo a migration of which contact was lost"
#define ANSWER_MS    120000 /* ssh, and a busy host behind it */
#define ANSWER_BYTES 8192   /* with what a login prints before it */
#define LINGER_MS    2000
#define PEER_DEAD    "--i-am-sure-peer-is-dead"

enum { ID_DRY_RUN = OPTABLE_LONG, ID_PEER_DEAD };

/* clang-format off */
static const struct lm_option rows[] = {
    { 'h', "help", NULL, "Print this help.", NULL },
    { 's', NULL, "sshcommand",
      "Use <sshcommand> instead of ssh, as with xl lmigrate.", NULL },
    { ID_DRY_RUN, "dry-run", NULL, "Only say what would be done.", NULL },
    { ID_PEER_DEAD, &PEER_DEAD[2], NULL,
      "<host> is switched off or fenced: do not ask it, and",
      "resume the domain here." },
    { 'v', NULL, NULL, "Print notes; twice: debug messages.", NULL },
    { 'f', NULL, NULL, "Accepted, as xl's global option.", NULL },
    { 'N', NULL, NULL, "As --dry-run, as xl's global option.", NULL },
    { 't', NULL, NULL, "Accepted, as xl's global option.", NULL },
    { 'T', NULL, NULL, "Put time and process id before each line.", NULL },
};
/* clang-format on */
static const struct optable table = { rows, sizeof(rows) / sizeof(rows[0]) };

struct recovery {
    struct job job; /* console, log, domain; for the monitor too */
    bool peer_dead;
    struct xlm_recover *r;
    bool asked; /* and answered */
    char answer[ANSWER_BYTES];
    char no_answer[LM_ERROR_MAX]; /* why not */
};

static int complain(struct recovery *c, const char *text, int code)
{
    console_line(&c->job.con, "xl lmigrate-recover: %s", text);
    logfile_write(&c->job.log, XLM_LOG_ERROR, "xl lmigrate-recover", text);
    return code;
}

/* ---- asking ---- */

static unsigned left_ms(const struct timespec *begin)
{
    struct timespec now;
    long long ms;

    clock_gettime(CLOCK_MONOTONIC, &now);
    ms = (now.tv_sec - begin->tv_sec) * 1000LL +
         (now.tv_nsec - begin->tv_nsec) / 1000000;
    return ms < ANSWER_MS ? (unsigned)(ANSWER_MS - ms) : 0;
}

/* Until it closes; false when the time is over. */
static bool read_all(int fd, char text[ANSWER_BYTES])
{
    struct timespec begin;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    size_t got = 0;
    ssize_t n;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    while (got < ANSWER_BYTES - 1) {
        const unsigned left = left_ms(&begin);

        if (!left)
            return false;
        if (poll(&p, 1, (int)left) <= 0)
            continue; /* the clock decides */
        n = read(fd, text + got, ANSWER_BYTES - 1 - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    text[got] = '\0';
    return true;
}

static void explain_silence(struct recovery *c, const struct transport *t,
                            bool in_time)
{
    if (!in_time)
        snprintf(c->no_answer, sizeof(c->no_answer), "no answer within %d s",
                 ANSWER_MS / 1000);
    else if (transport_explain(t, &c->job.opt, false, c->no_answer,
                               sizeof(c->no_answer)) == TRANSPORT_OK)
        snprintf(c->no_answer, sizeof(c->no_answer),
                 "it said something else than an answer: is its xlm as new "
                 "as this one?");
}

static void ask(struct recovery *c, const char *question)
{
    char *command = transport_query(&c->job.opt, question);
    struct transport t = { .rfd = -1, .wfd = -1 };
    bool in_time;
    int error = command ? transport_start(&t, command) : ENOMEM;

    free(command);
    if (error) {
        snprintf(c->no_answer, sizeof(c->no_answer), "start of '%s': %s",
                 c->job.opt.ssh, strerror(error));
        return;
    }
    close(t.wfd); /* the question is in the command: nothing follows */
    t.wfd = -1;
    in_time = read_all(t.rfd, c->answer);
    if (in_time)
        transport_wait(&t, LINGER_MS);
    transport_stop(&t);
    c->asked = strstr(c->answer, "xlm-answer ") != NULL;
    if (!c->asked)
        explain_silence(c, &t, in_time);
}

/* ---- telling ---- */

static const char *what_was_done(enum xlm_verdict verdict, bool dry)
{
    switch (verdict) {
    case XLM_VERDICT_RESUMED:
        return dry ? "it would be resumed here"
                   : "it was resumed, and runs on here";
    case XLM_VERDICT_DESTROYED:
        return dry ? "the copy here would be destroyed"
                   : "the copy here is destroyed";
    case XLM_VERDICT_ENDED:
        return dry ? "the copy here, older than its disk, would be destroyed"
                   : "the copy here, older than its disk, is destroyed; 'xl "
                     "create' starts it afresh";
    case XLM_VERDICT_UNDECIDED:
        break;
    }
    return "it stays suspended here, nothing was changed";
}

static int exit_code(enum xlm_verdict verdict)
{
    switch (verdict) {
    case XLM_VERDICT_RESUMED:
    case XLM_VERDICT_DESTROYED:
        return LM_EXIT_MOVED; /* 0: decided */
    case XLM_VERDICT_ENDED:
        return LM_EXIT_ENDED;
    case XLM_VERDICT_UNDECIDED:
        break;
    }
    return LM_EXIT_UNDECIDED;
}

static void tell(struct recovery *c, enum xlm_verdict verdict, const char *why)
{
    struct job *j = &c->job;
    char line[2 * LM_ERROR_MAX + XLM_NAME_MAX + 256];

    if (*c->no_answer)
        snprintf(line, sizeof(line),
                 "%s: %s could not be asked (%s): %s (id %u); if %s is "
                 "switched off or fenced, add " PEER_DEAD,
                 j->name, j->opt.host, c->no_answer,
                 what_was_done(verdict, j->opt.dry_run), j->domid, j->opt.host);
    else
        snprintf(line, sizeof(line), "%s: %s%s%s; %s (id %u)", j->name,
                 c->asked ? j->opt.host : "", c->asked ? " says: " : "", why,
                 what_was_done(verdict, j->opt.dry_run), j->domid);
    console_line(&j->con, "%s", line);
    logfile_write(&j->log, XLM_LOG_INFO, "xl lmigrate-recover", line);
}

/* ---- doing ---- */

static int finish(struct recovery *c)
{
    struct job *j = &c->job;
    uint32_t flags = (j->opt.dry_run ? XLM_F_DRY_RUN : 0) |
                     (c->peer_dead ? XLM_F_PEER_DEAD : 0);
    enum xlm_verdict verdict = XLM_VERDICT_UNDECIDED;
    char message[XLM_MESSAGE_MAX] = "", line[XLM_MESSAGE_MAX + 320];
    int rc;

    /* Half of it would be worse than either end. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    rc = xlm_recover_finish(c->r, c->asked ? c->answer : NULL, flags, &verdict,
                            message);
    if (rc) {
        snprintf(line, sizeof(line), "%s: %s; run this again", j->name,
                 message);
        return complain(c, line, LM_EXIT_FAILED);
    }
    tell(c, verdict, message);
    if (verdict == XLM_VERDICT_RESUMED && !j->opt.dry_run)
        job_start_monitor(j);
    return exit_code(verdict);
}

static int open_failed(struct recovery *c, int rc, const char *message)
{
    if (rc == XLM_ERR_INVAL)
        return complain(c, message, LM_EXIT_USAGE);
    if (rc == XLM_ERR_STATE || rc == XLM_ERR_BUSY)
        return complain(c, message, LM_EXIT_REFUSED);
    return complain(c, message, LM_EXIT_FAILED);
}

static int recover(struct recovery *c)
{
    const struct xlm_options opt = { .size = sizeof(opt),
                                     .flags = c->job.opt.dry_run ? XLM_F_DRY_RUN
                                                                 : 0,
                                     .log = job_log,
                                     .user = &c->job };
    char message[XLM_MESSAGE_MAX] = "";
    const char *question;
    int rc;

    signal(SIGPIPE, SIG_IGN);
    rc = xlm_recover_open(c->job.opt.domain, &opt, &c->r, message);
    if (rc)
        return open_failed(c, rc, message);
    c->job.domid = xlm_recover_domid(c->r);
    snprintf(c->job.name, sizeof(c->job.name), "%s", xlm_recover_name(c->r));
    logfile_open(&c->job.log, "xlm", c->job.name);
    question = xlm_recover_question(c->r);
    if (question && !c->peer_dead)
        ask(c, question);
    rc = finish(c);
    logfile_close(&c->job.log);
    xlm_recover_close(c->r);
    return rc;
}

/* ---- command line ---- */

static void help(void)
{
    puts("Usage: xl [-vfNtT] lmigrate-recover [options] <Domain> "
         "<host>\n\n" DESCRIPTION ".\n\nOptions:\n");
    optable_help(&table, stdout);
    puts("\n<Domain> is the suspended copy here: a name, an id or a uuid; "
         "<host> "
         "is where\nit was moving to.  See xl-lmigrate-recover(1).");
}

static void set(struct recovery *c, int id)
{
    struct lm_options *o = &c->job.opt;

    switch (id) {
    case 's':
        o->ssh = optarg;
        break;
    case 'v':
        o->verbose++;
        break;
    case 'T':
        o->timestamps = true;
        break;
    case 'N':
    case ID_DRY_RUN:
        o->dry_run = true;
        break;
    case ID_PEER_DEAD:
        c->peer_dead = true;
        break;
    default: /* accepted for xl's sake */
        break;
    }
}

static enum lm_action parse(struct recovery *c, int argc, char **argv,
                            char error[LM_ERROR_MAX])
{
    bool fresh = true;
    int id;

    c->job.opt.ssh = "ssh";
    while ((id = optable_next(&table, argc, argv, &fresh, error)) != -1) {
        switch (id) {
        case 0:
            return LM_BAD;
        case 'h':
            return LM_HELP;
        case OPTABLE_DESCRIBE:
            return LM_DESCRIBE;
        case OPTABLE_LIST:
            return LM_LIST;
        }
        /* getopt takes any part of it; a person has to mean all of it. */
        if (id == ID_PEER_DEAD && strcmp(argv[optind - 1], PEER_DEAD)) {
            snprintf(error, LM_ERROR_MAX, "%s: write %s, if you are",
                     argv[optind - 1], PEER_DEAD);
            return LM_BAD;
        }
        set(c, id);
    }
    return lm_options_arguments(argc, argv, &c->job.opt, error) ? LM_RUN
                                                                : LM_BAD;
}

int main(int argc, char **argv)
{
    static struct recovery c = { .job.log.fd = -1 };
    char error[LM_ERROR_MAX];

    if (!stdfds_ensure())
        return LM_EXIT_FAILED;
    switch (parse(&c, argc, argv, error)) {
    case LM_RUN:
        console_init(&c.job.con, 2, false, c.job.opt.timestamps, "");
        return recover(&c);
    case LM_HELP:
        help();
        return 0;
    case LM_DESCRIBE:
        puts(DESCRIPTION);
        return 0;
    case LM_LIST:
        optable_list(&table, stdout);
        return 0;
    default:
        fprintf(stderr,
                "xl lmigrate-recover: %s (see 'xl lmigrate-recover --help')\n",
                error);
        return LM_EXIT_USAGE;
    }
}
