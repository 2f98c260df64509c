/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What follows from the journal of this host (toolstack/mark.h) alone, without
 * a look at Xen or at the other host: who may run a domain, what is to be done,
 * may it be started here, may the file go.
 *
 *   SENT         since this boot              from an earlier one: the copy is
 *                                             gone
 *   -----------  ---------------------------  ---------------------------------
 *   TRACKING     recover                      nothing to do, may go
 *   SUSPENDING   recover, keeps               nothing to do, may go
 *   RENAMED      recover, keeps               nothing to do, may go
 *   PERMITTED    recover, keeps               recover, keeps
 *   COMMITTED    recover, keeps               recover, keeps
 *   RUNNING      recover, keeps               recover, keeps
 *   MOVED        keeps                        keeps
 *
 *   RECEIVED
 *   BUILDING     look: something may be left  nothing to do, may go when old
 *   GO           look: it may wait for us     nothing to do, may go when old
 *   RUNS, NEVER  may go when old              may go when old
 *
 * "keeps": it must not be started here.  SENT means nothing any more if the
 * domain came back after it, which a RECEIVED of a higher turn says.
 */
#ifndef XLM_ENGINE_JOURNAL_H
#define XLM_ENGINE_JOURNAL_H

#include "hv/hv.h"
#include "toolstack/toolstack.h"

/* A source that is still undecided may ask that long. */
#define XLM__JOURNAL_OLD_S (UINT64_C(90) * 24 * 3600)
/* Files of settled moves that are kept. */
#define XLM__JOURNAL_MAX 1000u

struct xlm__entry {
    enum xlm__mark_kind kind;
    struct xlm__mark m; /* only uuid and name, which is "?", if damaged */
    bool damaged;
    bool this_boot;  /* written since this host was started            */
    bool busy;       /* somebody holds the domain's lock               */
    bool superseded; /* SENT: it has come back since                   */
};

struct xlm__outlook {
    enum xlm_owner owner;
    enum xlm_journal_todo todo;
    bool keeps;
    bool may_go, when_old;
};

/* Pure. */
void xlm__journal_judge(const struct xlm__entry *e, struct xlm__outlook *out);

/* Every entry, not sorted.  Malloc'd, *nr_out of them.  Errors: SYSTEM, NOMEM.
 */
int xlm__journal_load(struct xlm__errslot *err, struct xlm__toolstack *t,
                      struct xlm__entry **list_out, size_t *nr_out);

/* The SENT entry of a domain, by its old name or its uuid; if there are more
 * of that name the latest.  Errors: SYSTEM, NOMEM. */
int xlm__journal_find(struct xlm__errslot *err, struct xlm__toolstack *t,
                      const char *domain, struct xlm__mark *out,
                      bool *found_out);

/* Remove what may go.  Errors: SYSTEM, NOMEM, HYPERVISOR. */
int xlm__journal_tidy(struct xlm__errslot *err, struct xlm__hv *hv,
                      struct xlm__toolstack *t, uint64_t now_s);

#endif /* XLM_ENGINE_JOURNAL_H */
