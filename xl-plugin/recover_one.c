/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One domain: ask the other host what became of it, and do what follows. */
#include "config.h"

#include "recover.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "transport.h"

#define LINGER_MS 2000

int recover_complain(struct recovery *c, const char *text, int code)
{
    console_line(&c->job.con, RECOVER_NAME ": %s", text);
    logfile_write(&c->job.log, XLM_LOG_ERROR, RECOVER_NAME, text);
    return code;
}

/* ---- asking ---- */

static unsigned left_ms(const struct timespec *begin, unsigned limit_ms)
{
    struct timespec now;
    long long ms;

    clock_gettime(CLOCK_MONOTONIC, &now);
    ms = (now.tv_sec - begin->tv_sec) * 1000LL +
         (now.tv_nsec - begin->tv_nsec) / 1000000;
    return ms < limit_ms ? (unsigned)(limit_ms - ms) : 0;
}

/* Until it closes; false when the time is over. */
static bool read_all(int fd, unsigned limit_ms, char text[ANSWER_BYTES])
{
    struct timespec begin;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    size_t got = 0;
    ssize_t n;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    while (got < ANSWER_BYTES - 1) {
        const unsigned left = left_ms(&begin, limit_ms);

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
        snprintf(c->no_answer, sizeof(c->no_answer), "no answer within %u s",
                 c->limit_ms / 1000);
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
    in_time = read_all(t.rfd, c->limit_ms, c->answer);
    if (in_time)
        transport_wait(&t, LINGER_MS);
    transport_stop(&t);
    c->asked = strstr(c->answer, "xlm-answer ") != NULL;
    if (!c->asked)
        explain_silence(c, &t, in_time);
}

/* ---- telling ---- */

static const char *done_without_copy(enum xlm_verdict verdict, bool dry)
{
    switch (verdict) {
    case XLM_VERDICT_RESUMED:
        return "nothing of it is left here either: 'xl create' starts it "
               "afresh";
    case XLM_VERDICT_DESTROYED:
        return "there is no copy here any more";
    case XLM_VERDICT_ENDED:
        return "there is no copy here any more; if it runs nowhere, "
               "'" RECOVER_NAME " --forget' and 'xl create' start it afresh";
    case XLM_VERDICT_RAN_ON:
    case XLM_VERDICT_UNDECIDED:
        break;
    }
    return dry ? "it would be kept from being started here"
               : "nothing was changed, and it is kept from being started here";
}

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
                   : "the copy here, older than its disk, is destroyed; if it "
                     "runs nowhere, '" RECOVER_NAME " --forget' and 'xl "
                     "create' start it afresh";
    case XLM_VERDICT_RAN_ON:
        return dry ? "what the migration has changed of it would be undone"
                   : "what the migration had changed of it is undone, and it "
                     "runs on here";
    case XLM_VERDICT_UNDECIDED:
        break;
    }
    return "it stays suspended here, nothing was changed";
}

static int exit_code(const struct recovery *c, enum xlm_verdict verdict)
{
    switch (verdict) {
    case XLM_VERDICT_RESUMED:
        return c->job.domid ? LM_EXIT_MOVED /* 0: decided */ : LM_EXIT_ENDED;
    case XLM_VERDICT_DESTROYED:
    case XLM_VERDICT_RAN_ON:
        return LM_EXIT_MOVED;
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
    const char *done = j->domid ? what_was_done(verdict, j->opt.dry_run)
                                : done_without_copy(verdict, j->opt.dry_run);
    char line[2 * LM_ERROR_MAX + XLM_NAME_MAX + 320], id[24] = "";

    if (j->domid)
        snprintf(id, sizeof(id), " (id %u)", j->domid);
    if (*c->no_answer)
        snprintf(line, sizeof(line),
                 "%s: %s could not be asked (%s): %s%s; if %s is switched off "
                 "or fenced, add " RECOVER_PEER_DEAD,
                 j->name, j->opt.host, c->no_answer, done, id, j->opt.host);
    else
        snprintf(line, sizeof(line), "%s: %s%s%s; %s%s", j->name,
                 c->asked ? j->opt.host : "", c->asked ? " says: " : "", why,
                 done, id);
    console_line(&j->con, "%s", line);
    logfile_write(&j->log, XLM_LOG_INFO, RECOVER_NAME, line);
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
        return recover_complain(c, line, LM_EXIT_FAILED);
    }
    tell(c, verdict, message);
    if (verdict == XLM_VERDICT_RESUMED && j->domid && !j->opt.dry_run)
        job_start_monitor(j);
    return exit_code(c, verdict);
}

static int open_failed(struct recovery *c, int rc, const char *message)
{
    if (rc == XLM_ERR_INVAL)
        return recover_complain(c, message, LM_EXIT_USAGE);
    if (rc == XLM_ERR_STATE || rc == XLM_ERR_BUSY)
        return recover_complain(c, message, LM_EXIT_REFUSED);
    return recover_complain(c, message, LM_EXIT_FAILED);
}

/* How the other host is reached; false if nobody said so. */
static bool find_peer(struct recovery *c)
{
    struct lm_options *o = &c->job.opt;

    o->host = c->peer ? c->peer : xlm_recover_host(c->r);
    o->ssh = c->ssh ? c->ssh : c->peer ? "ssh" : xlm_recover_ssh(c->r);
    /* With -s '' the journal has a command, which is no name for another -s. */
    if (!c->peer && *o->ssh && !*xlm_recover_ssh(c->r))
        o->host = "";
    return *o->host;
}

static int settle(struct recovery *c)
{
    const char *question = xlm_recover_question(c->r);

    if (!find_peer(c) && question && !c->peer_dead)
        return recover_complain(c,
                                "the journal does not say how the other host "
                                "is reached: name it, with --peer",
                                LM_EXIT_USAGE);
    if (question && !c->peer_dead && c->silent)
        snprintf(c->no_answer, sizeof(c->no_answer), "%s", c->silent);
    else if (question && !c->peer_dead)
        ask(c, question);
    return finish(c);
}

int recover_one(struct recovery *c)
{
    const struct xlm_options opt = { .size = sizeof(opt),
                                     .flags = c->job.opt.dry_run ? XLM_F_DRY_RUN
                                                                 : 0,
                                     .log = job_log,
                                     .user = &c->job };
    char message[XLM_MESSAGE_MAX] = "";
    int rc;

    c->asked = false;
    c->no_answer[0] = '\0';
    rc = xlm_recover_open(c->job.opt.domain, &opt, &c->r, message);
    if (rc)
        return open_failed(c, rc, message);
    c->job.domid = xlm_recover_domid(c->r);
    snprintf(c->job.name, sizeof(c->job.name), "%s", xlm_recover_name(c->r));
    logfile_open(&c->job.log, "xlm", c->job.name);
    rc = settle(c);
    logfile_close(&c->job.log);
    xlm_recover_close(c->r);
    return rc;
}
