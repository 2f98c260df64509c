/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of "xl lmigrate-recover". */
#ifndef XLM_PLUGIN_RECOVER_H
#define XLM_PLUGIN_RECOVER_H

#include "job.h"

#define RECOVER_NAME      "xl lmigrate-recover"
#define RECOVER_PEER_DEAD "--i-am-sure-peer-is-dead"
#define ANSWER_BYTES      8192 /* with what a login prints before it */

struct recovery {
    struct job job; /* console, log, domain; for the monitor too */
    bool list, json, all, boot, forget;
    bool peer_dead;
    const char *ssh;       /* -s, NULL: the journal's or ssh        */
    const char *peer;      /* <host> or --peer, NULL: the journal's */
    const char *silent;    /* why the peer is not asked, or NULL    */
    unsigned limit_ms;     /* for an answer                         */
    struct xlm_recover *r; /* of the domain that is worked on       */
    bool asked;            /* and answered                          */
    char answer[ANSWER_BYTES];
    char no_answer[LM_ERROR_MAX]; /* why not */
};

/* Say text, to the log too; returns code. */
int recover_complain(struct recovery *c, const char *text, int code);

/* The domain c->job.opt.domain: ask, decide, do it, tell.  An exit code. */
int recover_one(struct recovery *c);

/* All that is undecided here.  An exit code. */
int recover_all(struct recovery *c);

/* The journal, for people or as JSON.  An exit code. */
int recover_list(struct recovery *c);

/* "xl ARGV...", which would start a domain, or write away one that waits here:
 * LM_EXIT_REFUSED if the journal says that it must not, and why on stderr. */
int recover_may_start(int argc, char **argv);

#endif /* XLM_PLUGIN_RECOVER_H */
