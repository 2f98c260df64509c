/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "job.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "realxl.h"
#include "report.h"
#include "watched.h"

static uint32_t flags(const struct lm_options *o)
{
    uint32_t f = 0;

    if (o->dry_run)
        f |= XLM_F_DRY_RUN;
    if (o->estimate)
        f |= XLM_F_ESTIMATE;
    if (o->leave_paused)
        f |= XLM_F_LEAVE_PAUSED;
    if (o->allow_pause)
        f |= XLM_F_ALLOW_PAUSE;
    if (o->unpause_to_suspend)
        f |= XLM_F_UNPAUSE_TO_SUSPEND;
    if (o->no_monitor)
        f |= XLM_F_NO_MONITOR;
    if (o->keep_domid)
        f |= XLM_F_KEEP_DOMID;
    if (o->debug)
        f |= XLM_F_DEBUG;
    if (o->ktls)
        f |= XLM_F_KTLS;
    if (o->no_prebuild)
        f |= XLM_F_NO_PREBUILD;
    if (o->verify)
        f |= XLM_F_VERIFY;
    if (o->timing)
        f |= XLM_F_GUEST_GAP;
    if (o->exempt_last_round)
        f |= XLM_F_EXEMPT_LAST_ROUND;
    return f;
}

/* HOST as ssh reads it, [USER@]NAME; "" if it is a command. */
static void host_name(const struct lm_options *o, char *out, size_t bytes)
{
    const char *at = strrchr(o->host, '@');

    snprintf(out, bytes, "%s", !*o->ssh ? "" : at ? at + 1 : o->host);
}

/* TLS keeps a processor busy; a plain channel waits for memory and the wire
 * half of its time. */
static uint32_t default_channels(bool plain)
{
    long nr = sysconf(_SC_NPROCESSORS_ONLN) * (plain ? 2 : 1);

    return nr < 1                     ? 1
           : nr > LM_CHANNELS_DEFAULT ? LM_CHANNELS_DEFAULT
                                      : (uint32_t)nr;
}

static void data_options(struct job *j, struct xlm_options *opt)
{
    const struct lm_options *o = &j->opt;

    if (o->data_by_ssh)
        return;
    host_name(o, j->data_host, sizeof(j->data_host));
    opt->data = o->plain ? XLM_DATA_PLAIN : XLM_DATA_TLS;
    opt->data_channels = o->channels ? o->channels : default_channels(o->plain);
    opt->data_host = *j->data_host ? j->data_host : NULL;
    opt->data_address = o->migration_address;
    opt->port_low = o->port_low ? o->port_low : LM_PORT_LOW;
    opt->port_high = o->port_high ? o->port_high : LM_PORT_HIGH;
}

void job_library_options(struct job *j, struct xlm_options *opt)
{
    *opt = (struct xlm_options){
        .size = sizeof(*opt),
        .domid = j->domid,
        .flags = flags(&j->opt),
        .max_rounds = j->opt.rounds,
        .downtime_ms = j->opt.downtime_ms,
        .timeout_ms = j->opt.timeout_ms,
        .reconnect_ms = j->opt.reconnect_ms,
        .deadline_ms = j->opt.deadline_ms,
        .dirty = j->opt.dirty,
        .bandwidth_bytes_s = j->opt.bandwidth_bytes_s,
        .compress = j->opt.compress,
        .compress_level = j->opt.compress_level,
        .delta_mib = j->opt.delta_mib,
        .xl_path = *j->xl_path ? j->xl_path : NULL,
        .config_json = j->config_json,
        .journal_host = j->opt.host,
        .journal_ssh = j->opt.ssh,
        .log = job_log,
        .user = j,
    };
    memcpy(opt->on_slow, j->opt.on_slow, sizeof(opt->on_slow));
    data_options(j, opt);
}

void job_outcome(const struct job *j, struct outcome *o)
{
    *o = (struct outcome){
        .name = j->name,
        .domid = j->domid,
        .here = j->here,
        .there = j->opt.host,
        .ssh = j->opt.ssh,
        .log_path = j->log.fd >= 0 ? j->log.path : NULL,
        .dry_run = j->opt.dry_run,
        .estimate = j->opt.estimate,
    };
}

int job_report(const struct job *j, const struct outcome *o)
{
    struct console *con = (struct console *)&j->con;

    report_person(con, o);
    if (o->code)
        logfile_write(&j->log, XLM_LOG_ERROR, "xl lmigrate", o->message);
    logfile_write(&j->log, XLM_LOG_INFO, "xl lmigrate", outcome_word(o));
    if (j->json && !report_json(j->json, o))
        console_line(con, "--json '%s': the report could not be written",
                     j->opt.json);
    return outcome_exit(o);
}

void job_log(void *user, enum xlm_log_level level, const char *module,
             const char *message)
{
    struct job *j = user;
    bool told = (level == XLM_LOG_WARN) ||
                (level == XLM_LOG_INFO && j->opt.verbose >= 1) ||
                (level != XLM_LOG_INFO && j->opt.verbose >= 2);

    logfile_write(&j->log, level, module, message);
    /* Errors are told once, at the end, with what is left where. */
    if (told)
        console_line(&j->con, "%s: %s: %s", log_level_name(level), module,
                     message);
}

static void become_monitor(const char *path, uint32_t domid)
{
    char id[16];
    int null = open("/dev/null", O_RDWR);

    snprintf(id, sizeof(id), "%u", domid);
    /* It outlives us: it must not hold somebody's terminal or pipe. */
    if (null >= 0)
        dup2(null, 0), dup2(null, 1);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    execl(path, "xl-lmigrate-monitor", "-q", id, (char *)NULL);
    _exit(127);
}

void job_start_monitor(struct job *j)
{
    char path[PATH_MAX];
    int status = -1;
    pid_t pid;

    if (snprintf(path, sizeof(path), "%s/xl-lmigrate-monitor",
                 exec_directory()) < (int)sizeof(path)) {
        pid = fork();
        if (!pid)
            become_monitor(path, j->domid);
        /* It returns as soon as its daemon stands. */
        if (pid > 0)
            waitpid(pid, &status, 0);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == MONITOR_EXIT_WATCHED)
        return;
    if (status)
        console_line(&j->con,
                     "warning: nobody handles a reboot or shutdown of %s: "
                     "run 'xl lmigrate-monitor %u' (%s failed)",
                     j->name, j->domid, path);
    else
        console_line(&j->con,
                     "%s: xl lmigrate-monitor now handles its reboot and "
                     "shutdown, as its xl daemon has left",
                     j->name);
}
