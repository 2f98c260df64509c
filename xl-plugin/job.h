/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One run of "xl lmigrate", as the supervisor and the worker both know it. */
#ifndef XLM_PLUGIN_JOB_H
#define XLM_PLUGIN_JOB_H

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>

#include "console.h"
#include "logfile.h"
#include "options.h"
#include "outcome.h"

/*
 * Memory that both processes share: how the session ended, left there by the
 * worker before it reports, in case it does not get that far.  Who has the
 * domain is what the guardian says.
 */
struct job_end {
    atomic_bool known; /* the rest is valid */
    int code;
    enum xlm_state error_state;
};

struct job {
    struct lm_options opt;
    uint32_t domid;
    char name[XLM_NAME_MAX];
    char uuid[XLM_UUID_MAX];
    char here[72];          /* this host's name         */
    char data_host[256];    /* HOST without its user    */
    char xl_path[PATH_MAX]; /* the real xl, "" if there is none */
    char *config_json;      /* -C, else NULL            */
    struct job_end *end;
    FILE *json; /* --json, else NULL        */
    struct console con;
    struct logfile log;
};

/* Library options that both processes need. */
void job_library_options(struct job *j, struct xlm_options *opt);

/* An outcome that names this job, for whoever fills in the rest. */
void job_outcome(const struct job *j, struct outcome *o);

/* To the person and the JSON file; returns the exit code. */
int job_report(const struct job *j, const struct outcome *o);

/* Log through the file, and to stderr as far as -v asks for it. */
void job_log(void *user, enum xlm_log_level level, const char *module,
             const char *message);

/* Start xl-lmigrate-monitor for the domain that goes on here. */
void job_start_monitor(struct job *j);

/*
 * The worker: connect, migrate, report.  Returns the exit code of the whole
 * command.  guard_fd: see struct xlm_options.
 */
int worker_run(struct job *j, int guard_fd);

/*
 * Run worker_run() in a child and see to it that its death is dealt with.
 * Returns the exit code.
 */
int supervise(struct job *j);

#endif /* XLM_PLUGIN_JOB_H */
