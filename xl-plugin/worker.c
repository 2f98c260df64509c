/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The process that migrates.  Signals come from the supervisor as SIGTERM; a
 * Ctrl-C at the terminal reaches the supervisor only once that way.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "control.h"
#include "job.h"
#include "pausefile.h"
#include "progress.h"
#include "report.h"
#include "transport.h"

#define TRANSPORTS_MAX (1 + LM_CHANNELS_MAX) /* control, data */
#define LINGER_MS      500

struct worker {
    struct job *job;
    struct progress progress;
    struct findings findings;
    struct transport transport[TRANSPORTS_MAX];
    unsigned nr_transports;
    struct xlm_session *session;
};

/* What the signal handler may touch. */
static struct xlm_session *_Atomic handler_session;
static atomic_uint handler_count;
static atomic_bool handler_erase;

static void say(const char *text)
{
    static const char erase[] = "\r\033[K";

    if (handler_erase && write(2, erase, sizeof(erase) - 1) < 0)
        return;
    if (write(2, text, strlen(text)) < 0)
        return;
}

static void on_term(int sig)
{
    struct xlm_session *s = handler_session;
    int saved = errno;

    (void)sig;
    say(handler_count++ ? "already cancelling: please wait\n"
                        : "cancelling: the domain goes on here unless its "
                          "start over there was permitted already\n");
    if (s)
        xlm_session_cancel(s);
    errno = saved;
}

static void set_signals(const struct job *j)
{
    struct sigaction term = { .sa_handler = on_term, .sa_flags = SA_RESTART };
    sigset_t none;

    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    handler_erase = j->con.live;
    sigemptyset(&term.sa_mask);
    sigaction(SIGTERM, &term, NULL);
    /* Nobody would watch over us: give up as long as that is possible. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    /* The supervisor blocked them around its fork(). */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void on_log(void *user, enum xlm_log_level level, const char *module,
                   const char *message)
{
    struct worker *w = user;

    job_log(w->job, level, module, message);
}

static void on_progress(void *user, enum xlm_state state,
                        const struct xlm_stats *stats)
{
    struct worker *w = user;

    progress_update(&w->progress, state, stats);
}

static void on_finding(void *user, const struct xlm_finding *finding)
{
    struct worker *w = user;
    const struct lm_options *o = &w->job->opt;

    findings_add(&w->findings, finding);
    if (finding->severity != XLM_FINDING_NOTE || o->dry_run || o->estimate ||
        o->verbose)
        report_finding(&w->job->con, finding);
}

/* A connection by the same command as ever; 0 or an errno. */
static int connect_by(struct worker *w, struct transport *t)
{
    char *command = transport_command(&w->job->opt, w->job->name);
    int err = command ? transport_start(t, command) : ENOMEM;

    free(command);
    return err;
}

static int start_transport(struct worker *w, struct transport **t_out)
{
    int err = connect_by(w, *t_out = &w->transport[w->nr_transports]);

    if (!err)
        w->nr_transports++;
    return err;
}

/* The library asks for a data channel: it cannot have its own. */
static int on_open_channel(void *user, int *rfd_out, int *wfd_out)
{
    struct transport *t;
    int err = start_transport(user, &t);

    if (err)
        return err;
    *rfd_out = t->rfd;
    *wfd_out = t->wfd;
    t->rfd = t->wfd = -1; /* now the session's */
    return 0;
}

static int reopen(struct worker *w, unsigned number, int *rfd_out, int *wfd_out)
{
    struct transport *t = &w->transport[number];
    int err;

    transport_kill(t);
    err = connect_by(w, t);
    if (err)
        return err;
    *rfd_out = t->rfd;
    *wfd_out = t->wfd;
    t->rfd = t->wfd = -1; /* now the session's */
    return 0;
}

/* The control channel, which is the first, broke. */
static int on_reopen_control(void *user, int *rfd_out, int *wfd_out)
{
    return reopen(user, 0, rfd_out, wfd_out);
}

static int on_reopen_data(void *user, unsigned which, int *rfd_out,
                          int *wfd_out)
{
    return reopen(user, 1 + which, rfd_out, wfd_out);
}

/* Failures before there is a session are told through the same outcome. */
static int failed(struct outcome *o, int code, int sys_errno, const char *what)
{
    o->code = code;
    o->sys_errno = sys_errno;
    snprintf(o->message, sizeof(o->message), "%s%s%s", what,
             sys_errno ? ": " : "", sys_errno ? strerror(sys_errno) : "");
    return code;
}

static int open_session(struct worker *w, int guard_fd, struct outcome *o)
{
    struct xlm_options opt;
    int rc;

    job_library_options(w->job, &opt);
    opt.guard_fd = guard_fd;
    if (!w->job->opt.no_prebuild)
        opt.fixed_pause_ms = pausefile_read(w->job->opt.host, w->job->name);
    opt.log = on_log;
    opt.progress = on_progress;
    opt.finding = on_finding;
    opt.open_channel = on_open_channel;
    opt.reopen_control = on_reopen_control;
    opt.reopen_data = on_reopen_data;
    opt.user = w;
    rc = xlm_session_open(XLM_SOURCE, &opt, &w->session);
    if (rc)
        return failed(o, rc, 0, xlm_strerror(rc));
    handler_session = w->session;
    if (handler_count) /* it came before there was anything to cancel */
        xlm_session_cancel(w->session);
    return 0;
}

/* The control channel, and the data channels unless the library opens them.
 * They come up side by side; which is which they learn from their greetings. */
static int connect_channels(struct worker *w, struct outcome *o)
{
    const struct lm_options *opt = &w->job->opt;
    unsigned nr = 1;
    int rc = 0;

    if (opt->data_by_ssh)
        nr += opt->channels ? opt->channels : 1;
    while (!rc && w->nr_transports < nr) {
        struct transport *t;
        int err = start_transport(w, &t);

        if (err)
            return failed(o, XLM_ERR_SYSTEM, err, "start of the transport");
        rc = xlm_session_add_channel(w->session, t->rfd, t->wfd);
        if (rc)
            failed(o, rc, 0, "channel to the transport");
        else
            t->rfd = t->wfd = -1; /* now the session's */
    }
    return rc;
}

static void take_error(struct worker *w, int rc, struct outcome *o)
{
    const struct xlm_error_info *e = xlm_session_error(w->session);

    /* rc may say more than the first error: lost contact became undecided. */
    o->code = rc;
    if (e) {
        o->first_code = e->code;
        o->sys_errno = e->sys_errno;
        o->error_state = e->state;
        snprintf(o->message, sizeof(o->message), "%s", e->message);
    }
}

/*
 * The library saw a channel close; why it did is known here.  Its own message
 * stays in front where it says what was being done: before the other side
 * greeted, nothing was, and how the write failed is of no help.
 */
static void explain_transport(struct worker *w, struct outcome *o)
{
    char why[512];

    const int code = o->first_code ? o->first_code : o->code;

    if (code != XLM_ERR_CHANNEL && code != XLM_ERR_STREAM)
        return;
    for (unsigned i = 0; i < w->nr_transports; i++) {
        struct transport *t = &w->transport[i];
        const bool greeted = i || o->stats.answered;
        enum transport_fault f;
        size_t n = strlen(o->message);

        transport_wait(t, LINGER_MS);
        f = transport_explain(t, &w->job->opt, greeted, why, sizeof(why));
        if (f == TRANSPORT_OK)
            continue;
        if (code == XLM_ERR_CHANNEL && !greeted)
            n = 0;
        snprintf(o->message + n, sizeof(o->message) - n, "%s%s", n ? ": " : "",
                 why);
        o->receiver_missing = f == TRANSPORT_NO_RECEIVER;
        return;
    }
}

static void take_results(struct worker *w, struct outcome *o)
{
    struct job_end *end = w->job->end;

    o->owner = xlm_session_owner(w->session);
    end->code = o->code;
    end->error_state = o->error_state;
    end->known = true;
    o->stats.size = sizeof(o->stats);
    if (xlm_session_stats(w->session, &o->stats))
        o->stats.size = 0;
    else if (o->owner == XLM_OWNER_DESTINATION && !w->job->opt.no_prebuild &&
             !w->job->opt.verify) /* which makes the pause longer */
        pausefile_write(w->job->opt.host, w->job->name, &o->stats);
}

int worker_run(struct job *j, int guard_fd)
{
    struct worker w = {
        .job = j,
        .progress = { .con = &j->con, .name = j->name, .there = j->opt.host }
    };
    struct control *control = NULL;
    bool needs_monitor = false;
    struct outcome o;
    int rc;

    job_outcome(j, &o);
    o.findings = &w.findings;
    set_signals(j);
    rc = open_session(&w, guard_fd, &o);
    if (!rc && !j->opt.dry_run)
        control = control_start(j, w.session);
    if (!rc)
        rc = connect_channels(&w, &o);
    if (!rc) {
        rc = xlm_session_run(w.session);
        if (rc)
            take_error(&w, rc, &o);
        take_results(&w, &o);
        needs_monitor = xlm_session_needs_monitor(w.session) == 1;
    }
    control_stop(control);
    explain_transport(&w, &o);
    handler_session = NULL;
    xlm_session_close(w.session);
    for (unsigned i = 0; i < w.nr_transports; i++)
        transport_stop(&w.transport[i]);
    rc = job_report(j, &o);
    if (needs_monitor)
        job_start_monitor(j);
    findings_free(&w.findings);
    return rc;
}
