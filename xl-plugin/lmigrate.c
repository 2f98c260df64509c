/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl lmigrate: see xl-lmigrate(1). */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostconf.h"
#include "job.h"
#include "options.h"
#include "realxl.h"
#include "stdfds.h"
#include "xlconfig.h"

static int print_version(void)
{
    unsigned v = xlm_version();

    printf("xl lmigrate %d.%d.%d (libxlm %u.%u.%u)\n", XLM_VERSION_MAJOR,
           XLM_VERSION_MINOR, XLM_VERSION_PATCH, v / 10000, v / 100 % 100,
           v % 100);
    return 0;
}

static bool open_json(struct job *j, char error[LM_ERROR_MAX])
{
    const char *name = j->opt.json;

    if (!name)
        return true;
    j->json = strcmp(name, "-") ? fopen(name, "we") : stdout;
    if (j->json)
        return true;
    snprintf(error, LM_ERROR_MAX, "--json '%s': %s", name, strerror(errno));
    return false;
}

/* Everything a command line can get wrong, before anything is done. */
static int prepare(struct job *j, char error[LM_ERROR_MAX])
{
    int rc;

    if (gethostname(j->here, sizeof(j->here)))
        snprintf(j->here, sizeof(j->here), "this host");
    j->here[sizeof(j->here) - 1] = 0;
    if (!realxl_find(j->xl_path))
        j->xl_path[0] = 0;
    if (!open_json(j, error))
        return LM_EXIT_USAGE;
    if (j->opt.config_file) {
        j->config_json = xlconfig_read(j->opt.config_file, error);
        if (!j->config_json)
            return LM_EXIT_USAGE;
    }
    rc = xlm_domain_find(j->opt.domain, &j->domid, j->name, error);
    if (!rc)
        rc = xlm_domain_uuid(j->domid, j->uuid, error);
    if (!rc)
        return 0;
    return rc == XLM_ERR_INVAL ? LM_EXIT_USAGE : LM_EXIT_FAILED;
}

static int migrate(struct job *j)
{
    char error[LM_ERROR_MAX];
    int rc = prepare(j, error);

    if (rc) {
        console_line(&j->con, "xl lmigrate: %s", error);
        return rc;
    }
    logfile_open(&j->log, "xlm", j->name);
    if (j->log.fd < 0 && j->opt.verbose)
        console_line(&j->con, "no log file %s: %s", j->log.path,
                     strerror(j->log.open_errno));
    rc = supervise(j);
    logfile_close(&j->log);
    return rc;
}

_Static_assert(LM_ERROR_MAX >= XLM_MESSAGE_MAX,
               "the library's message fits an error line");

/* A mistake in xlm.conf shall not be in the way of --help. */
static enum lm_action parse(int argc, char **argv, struct job *j,
                            struct hostconf *conf, char *error)
{
    enum lm_action a = lm_options_parse(argc, argv, NULL, &j->opt, error);

    if (a != LM_RUN)
        return a;
    if (!hostconf_read(conf, error))
        return LM_BAD;
    return lm_options_parse(argc, argv, &conf->preset, &j->opt, error);
}

int main(int argc, char **argv)
{
    struct job j = { .log = { .fd = -1 } };
    struct hostconf conf;
    char error[LM_ERROR_MAX];
    int rc = 0;

    if (!stdfds_ensure())
        return LM_EXIT_FAILED;
    switch (parse(argc, argv, &j, &conf, error)) {
    case LM_RUN:
        console_init(&j.con, 2, j.opt.live_line, j.opt.timestamps, "");
        rc = migrate(&j);
        break;
    case LM_HELP:
        lm_options_help(stdout);
        break;
    case LM_VERSION:
        rc = print_version();
        break;
    case LM_DESCRIBE:
        puts(LM_DESCRIPTION);
        break;
    case LM_LIST:
        lm_options_list(stdout);
        break;
    case LM_BAD:
        fprintf(stderr, "xl lmigrate: %s (see 'xl lmigrate --help')\n", error);
        rc = LM_EXIT_USAGE;
        break;
    }
    free(j.config_json);
    if (j.json && j.json != stdout)
        fclose(j.json);
    return rc;
}
