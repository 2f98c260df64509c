/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Public functions of the journal. */
#include "config.h"

#define XLM_MODULE "journal"
#include "engine/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends.h"
#include "base/options.h"
#include "engine/rendezvous.h"
#include "toolstack/hostlock.h"
#include "util/uuid.h"

/* ---- reading, which needs no more of a toolstack than its files ---- */

static int files_each(struct xlm__toolstack *t, xlm__mark_fn *fn, void *user)
{
    return xlm__mark_each(t->err, NULL, fn, user);
}

static bool files_lock_held(struct xlm__toolstack *t,
                            const unsigned char uuid[16])
{
    (void)t;
    return xlm__hostlock_held(XLM__HOSTLOCK_DIR, uuid);
}

static const struct xlm__toolstack_ops files = { .mark_each = files_each,
                                                 .lock_held = files_lock_held };

struct texts {
    char uuid[XLM__UUID_TEXT], session[XLM__UUID_TEXT];
    char question[XLM_QUESTION_MAX];
    char path[128];
};

static void tell(const struct xlm__entry *e, xlm_journal_fn *fn, void *user)
{
    const bool sent = e->kind == XLM__MARK_SENT;
    struct xlm__outlook o;
    struct texts t = { .question = "" };
    struct xlm_journal_entry out = { .size = sizeof(out),
                                     .role = sent ? XLM_SOURCE
                                                  : XLM_DESTINATION };

    xlm__journal_judge(e, &o);
    xlm__uuid_format(e->m.uuid, t.uuid);
    xlm__uuid_format(e->m.session, t.session);
    snprintf(t.path, sizeof(t.path), "%s/%s.%s", XLM__MARK_DIR, t.uuid,
             sent ? "sent" : "received");
    if (o.todo == XLM_JOURNAL_LOOK)
        snprintf(t.question, sizeof(t.question), "%s/%s/act", t.uuid,
                 t.session);
    out.todo = o.todo;
    out.owner = o.owner;
    out.keeps = o.keeps;
    out.copy_gone = !e->this_boot;
    out.domid = e->m.domid;
    out.since_s = e->m.since_s;
    out.phase = e->damaged ? "?" : xlm__phase_word(e->kind, e->m.phase);
    out.uuid = t.uuid;
    out.session = t.session;
    out.name = e->m.name;
    out.peer = e->m.peer;
    out.host = e->m.host;
    out.ssh = e->m.ssh;
    out.question = t.question;
    out.path = t.path;
    fn(user, &out);
}

int xlm_journal_read(xlm_journal_fn *fn, void *user,
                     char message_out[XLM_MESSAGE_MAX])
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    struct xlm__toolstack t = { .ops = &files, .err = &err, .stop_fd = -1 };
    struct xlm__entry *list = NULL;
    size_t nr = 0;
    int rc;

    message_out[0] = '\0';
    rc = xlm__journal_load(&err, &t, &list, &nr);
    if (rc)
        xlm__errslot_read(&err, message_out);
    for (size_t i = 0; !rc && i < nr; i++)
        tell(&list[i], fn, user);
    free(list);
    xlm__errslot_destroy(&err);
    return rc;
}

/* ---- changing ---- */

int xlm_journal_tidy(const struct xlm_options *opt,
                     char message_out[XLM_MESSAGE_MAX])
{
    struct xlm_options known;
    struct xlm__backends b;
    int rc;

    message_out[0] = '\0';
    rc = xlm__options_copy(&known, opt, XLM_DESTINATION, message_out);
    if (rc)
        return rc;
    rc = xlm__backends_open(&b, &known);
    if (!rc)
        rc = xlm__journal_tidy(&b.err, b.hv, b.ts, (uint64_t)time(NULL));
    if (!rc) {
        xlm__hostlock_sweep(XLM__HOSTLOCK_DIR);
        xlm__rendezvous_sweep(NULL, NULL);
    }
    return xlm__backends_close(&b, &known, rc, message_out);
}

/* The lock ends with the toolstack. */
static int forget(struct xlm__backends *b, const char *domain)
{
    struct xlm__mark m;
    bool found;
    int rc = xlm__journal_find(&b->err, b->ts, domain, &m, &found);

    if (!rc && found)
        rc = b->ts->ops->lock(b->ts, m.uuid);
    if (!rc && found)
        rc = b->ts->ops->mark_get(b->ts, XLM__MARK_SENT, m.uuid, &m, &found);
    if (rc)
        return rc;
    if (!found)
        return XLM_FAIL(&b->err, XLM_ERR_INVAL,
                        "the journal here has no domain %s", domain);
    if (m.phase != XLM__GUARD_MOVED)
        return XLM_FAIL(&b->err, XLM_ERR_STATE,
                        "%s has not moved away for certain (%s): 'xl "
                        "lmigrate-recover' finds out",
                        m.name, xlm__phase_word(XLM__MARK_SENT, m.phase));
    b->ts->ops->mark_clear(b->ts, XLM__MARK_SENT, m.uuid);
    return 0;
}

int xlm_journal_forget(const char *domain, char message_out[XLM_MESSAGE_MAX])
{
    struct xlm__backends b;
    int rc;

    message_out[0] = '\0';
    rc = xlm__backends_open(&b, NULL);
    if (!rc)
        rc = forget(&b, domain);
    return xlm__backends_close(&b, NULL, rc, message_out);
}
