/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "recover"
#include "engine/recover.h"

#include <stdio.h>
#include <string.h>

#include <xen/sched.h>

#include "engine/host.h"
#include "engine/journal.h"
#include "engine/setting.h"
#include "util/uuid.h"

#define ANSWER "xlm-answer 1 "

static const char *fate_word(enum xlm__fate fate)
{
    switch (fate) {
#define WORD(name, word, text)                                                 \
    case XLM__FATE_##name:                                                     \
        return word;
        XLM__FATE_MAP(WORD)
#undef WORD
    case XLM__FATE_NONE:
        break;
    }
    return "none";
}

const char *xlm__fate_text(enum xlm__fate fate)
{
    switch (fate) {
#define TEXT(name, word, text)                                                 \
    case XLM__FATE_##name:                                                     \
        return text;
        XLM__FATE_MAP(TEXT)
#undef TEXT
    case XLM__FATE_NONE:
        break;
    }
    return "no answer";
}

/* ---- question and answer ---- */

void xlm__recover_print(enum xlm__fate fate, const unsigned char session[16],
                        const char *told, char out[XLM_ANSWER_MAX])
{
    char text[XLM__UUID_TEXT];

    xlm__uuid_format(session, text);
    snprintf(out, XLM_ANSWER_MAX, ANSWER "%s %s %s", fate_word(fate), text,
             told);
    out[strcspn(out, "\n")] = '\0';
}

static enum xlm__fate fate_of(const char *word)
{
#define COMPARE(name, text, told)                                              \
    if (!strcmp(word, text))                                                   \
        return XLM__FATE_##name;
    XLM__FATE_MAP(COMPARE)
#undef COMPARE
    return XLM__FATE_NONE;
}

enum xlm__fate xlm__recover_parse(const char *answer,
                                  const unsigned char session[16],
                                  char told[XLM__TOLD_MAX])
{
    char word[16], text[XLM__UUID_TEXT];
    unsigned char theirs[16];
    int n = 0;

    told[0] = '\0';
    while (strncmp(answer, ANSWER, strlen(ANSWER))) {
        answer = strchr(answer, '\n');
        if (!answer)
            return XLM__FATE_NONE;
        answer++;
    }
    answer += strlen(ANSWER);
    if (sscanf(answer, "%15[a-z] %36[0-9a-f-]%n", word, text, &n) != 2 ||
        (answer[n] && !strchr(" \r\n", answer[n])) ||
        !xlm__uuid_parse(text, theirs) || !xlm__uuid_equal(theirs, session))
        return XLM__FATE_NONE;
    answer += n + (answer[n] == ' ');
    snprintf(told, XLM__TOLD_MAX, "%.*s", (int)strcspn(answer, "\r\n"), answer);
    /* It comes from another host, and goes to a terminal. */
    for (char *c = told; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return fate_of(word);
}

/* ---- at the source ---- */

static bool find_quietly(struct xlm__toolstack *t, const char *what,
                         uint32_t *domid_out, char name_out[XLM_NAME_MAX])
{
    struct xlm__errslot aside = XLM__ERRSLOT_INITIALIZER;
    struct xlm__errslot *const errors = t->err;
    int rc;

    t->err = &aside;
    rc = t->ops->find(t, what, domid_out, name_out);
    t->err = errors;
    xlm__errslot_destroy(&aside);
    return !rc;
}

bool xlm__recover_name(struct xlm__toolstack *t, uint32_t domid,
                       char name_out[XLM_NAME_MAX])
{
    char number[16];
    uint32_t same;

    snprintf(number, sizeof(number), "%u", domid);
    return find_quietly(t, number, &same, name_out);
}

static bool find_copy(struct xlm__toolstack *t, const char *domain,
                      uint32_t *domid_out)
{
    char away[XLM_NAME_MAX + 16], name[XLM_NAME_MAX];

    if (find_quietly(t, domain, domid_out, name))
        return true;
    snprintf(away, sizeof(away), "%.*s--migratedaway", XLM_NAME_MAX - 1,
             domain);
    return find_quietly(t, away, domid_out, name);
}

static bool is_suspended(const struct xlm__dominfo *info)
{
    return info->shutdown && info->shutdown_reason == SHUTDOWN_suspend &&
           !info->dying;
}

/* Its migration died, with its guardian, while it was copied. */
static bool was_left_running(const struct xlm__dominfo *info, bool marked,
                             const struct xlm__mark *sent)
{
    return !info->shutdown && !info->dying && marked &&
           xlm__host_is_boot(sent->boot) && sent->phase == XLM__GUARD_TRACKING;
}

/* Does the domain of the mark run?  false, too: it has been rebooted since. */
static int still_runs(struct xlm__hv *hv, const struct xlm__mark *sent,
                      bool *runs_out)
{
    struct xlm__dominfo info;
    bool exists;
    int rc = xlm__hv_dominfo_of(hv, sent->domid, sent->uuid, &info, &exists);

    *runs_out = false;
    if (rc || !exists)
        return rc;
    *runs_out = true;
    if (info.shutdown || info.dying)
        return XLM_FAIL(hv->err, XLM_ERR_STATE,
                        "%s (domain %u) does not run any more: left to whoever "
                        "stopped it",
                        sent->name, sent->domid);
    return 0;
}

/* It was never asked to suspend: what was changed while it was copied. */
static int let_go(struct xlm__hv *hv, struct xlm__toolstack *t,
                  const struct xlm__mark *sent)
{
    bool runs, has_dm = sent->flags & XLM__MARK_DEVICE_MODEL;
    int rc = still_runs(hv, sent, &runs), r = 0;

    if (rc)
        return rc;
    rc = xlm__settings_restore(hv, t, sent->domid, sent->uuid);
    if (runs && !(sent->flags & XLM__MARK_NOT_LOGGED))
        r = hv->ops->logdirty_off(hv, sent->domid);
    rc = rc ? rc : r;
    if (runs && has_dm)
        r = t->ops->dm_logdirty(t, sent->domid, false);
    rc = rc ? rc : r;
    if (!rc)
        t->ops->mark_clear(t, XLM__MARK_SENT, sent->uuid);
    return rc;
}

static int check_suspended(struct xlm__errslot *err, const char *domain,
                           const struct xlm__dominfo *info, bool marked,
                           const struct xlm__mark *sent)
{
    if (!info->shutdown && !info->dying)
        return XLM_FAIL(err, XLM_ERR_STATE,
                        "%s (domain %u) is not suspended: there is nothing to "
                        "recover",
                        domain, info->domid);
    if (!is_suspended(info))
        return XLM_FAIL(err, XLM_ERR_STATE,
                        "%s (domain %u) has ended, but not by a suspend: there "
                        "is nothing to recover",
                        domain, info->domid);
    if (!marked || sent->domid != info->domid ||
        !xlm__host_is_boot(sent->boot) || sent->phase < XLM__GUARD_SUSPENDING ||
        sent->phase > XLM__GUARD_RUNNING)
        return XLM_FAIL(err, XLM_ERR_STATE,
                        "%s (domain %u) is suspended, but not by xl lmigrate: "
                        "left to whoever suspended it",
                        domain, info->domid);
    return 0;
}

static int find_here(struct xlm__errslot *err, struct xlm__hv *hv,
                     struct xlm__toolstack *t, const char *domain,
                     uint32_t domid, struct xlm__mark *sent_out,
                     enum xlm__copy *copy_out)
{
    struct xlm__dominfo info;
    bool exists = false, marked = false;
    int rc;

    rc = hv->ops->dominfo(hv, domid, &info, &exists);
    if (rc)
        return rc;
    if (!exists)
        return XLM_FAIL(err, XLM_ERR_INVAL, "no domain %s on this host",
                        domain);
    rc = t->ops->lock(t, info.uuid);
    if (rc)
        return rc;
    /* Whoever had the lock may have ended just now. */
    rc = hv->ops->dominfo(hv, domid, &info, &exists);
    if (!rc && !exists)
        rc = XLM_FAIL(err, XLM_ERR_INVAL, "%s is gone", domain);
    if (!rc)
        rc = t->ops->mark_get(t, XLM__MARK_SENT, info.uuid, sent_out, &marked);
    if (rc)
        return rc;
    *copy_out = was_left_running(&info, marked, sent_out) ? XLM__COPY_RUNS
                                                          : XLM__COPY_SUSPENDED;
    return *copy_out == XLM__COPY_RUNS
               ? 0
               : check_suspended(err, domain, &info, marked, sent_out);
}

/* Under the lock: nobody has settled it, and nobody started it again. */
static int check_gone(struct xlm__errslot *err, struct xlm__hv *hv,
                      struct xlm__toolstack *t, struct xlm__mark *sent)
{
    bool marked = false;
    uint32_t domid = 0;
    int rc;

    rc = t->ops->mark_get(t, XLM__MARK_SENT, sent->uuid, sent, &marked);
    if (!rc)
        rc = hv->ops->find_uuid(hv, sent->uuid, 0, &domid);
    if (rc)
        return rc;
    if (!marked)
        return XLM_FAIL(err, XLM_ERR_STATE,
                        "%s is settled: there is nothing to recover",
                        sent->name);
    if (domid)
        return XLM_FAIL(err, XLM_ERR_STATE,
                        "%s is domain %u here: there is nothing to recover",
                        sent->name, domid);
    if (sent->phase < XLM__GUARD_TRACKING || sent->phase > XLM__GUARD_RUNNING)
        return XLM_FAIL(err, XLM_ERR_STATE,
                        "%s has moved to %.64s: there is nothing to recover",
                        sent->name, sent->peer);
    return 0;
}

int xlm__recover_find(struct xlm__errslot *err, struct xlm__hv *hv,
                      struct xlm__toolstack *t, const char *domain,
                      struct xlm__mark *sent_out, enum xlm__copy *copy_out)
{
    struct xlm__dominfo info;
    char name[XLM_NAME_MAX];
    bool found, exists;
    uint32_t domid;
    int rc;

    if (find_copy(t, domain, &domid))
        return find_here(err, hv, t, domain, domid, sent_out, copy_out);
    *copy_out = XLM__COPY_GONE;
    rc = xlm__journal_find(err, t, domain, sent_out, &found);
    if (!rc && !found)
        return t->ops->find(t, domain, &domid, name); /* for its message */
    if (!rc)
        rc = xlm__hv_dominfo_of(hv, sent_out->domid, sent_out->uuid, &info,
                                &exists);
    if (rc)
        return rc;
    /* Its name goes before it does, if it is destroyed. */
    if (exists)
        return find_here(err, hv, t, domain, sent_out->domid, sent_out,
                         copy_out);
    rc = t->ops->lock(t, sent_out->uuid);
    return rc ? rc : check_gone(err, hv, t, sent_out);
}

bool xlm__recover_must_ask(const struct xlm__mark *sent)
{
    return sent->phase == XLM__GUARD_PERMITTED ||
           sent->phase == XLM__GUARD_COMMITTED;
}

static enum xlm_verdict decide_dead(const struct xlm__mark *sent,
                                    enum xlm__copy copy,
                                    char why[XLM_MESSAGE_MAX])
{
    if (sent->phase == XLM__GUARD_COMMITTED && copy != XLM__COPY_GONE) {
        snprintf(why, XLM_MESSAGE_MAX,
                 "%.64s took it over before it died, so the memory here is "
                 "older than the disk and must never run: 'xl destroy %u', "
                 "then 'xl create' it",
                 sent->peer, sent->domid);
        return XLM_VERDICT_UNDECIDED;
    }
    snprintf(why, XLM_MESSAGE_MAX, "%.64s is dead, as you say", sent->peer);
    return XLM_VERDICT_RESUMED;
}

static enum xlm_verdict decide_fate(const struct xlm__mark *sent,
                                    enum xlm__fate fate,
                                    char why[XLM_MESSAGE_MAX])
{
    snprintf(why, XLM_MESSAGE_MAX, "%s", xlm__fate_text(fate));
    switch (fate) {
    case XLM__FATE_NEVER:
        return XLM_VERDICT_RESUMED;
    case XLM__FATE_RUNS:
    case XLM__FATE_MOVED:
        return XLM_VERDICT_DESTROYED;
    case XLM__FATE_RAN:
        return XLM_VERDICT_ENDED;
    case XLM__FATE_BUSY:
        snprintf(why, XLM_MESSAGE_MAX,
                 "somebody still works on it there: try again; a receiver "
                 "without contact gives up within some minutes");
        break;
    case XLM__FATE_LEFT:
        snprintf(why, XLM_MESSAGE_MAX,
                 "it is there, but unfinished: if another try does not end "
                 "that, 'xl destroy' it there if it is called "
                 "%.128s--incoming, else 'xl unpause' it there until it runs",
                 sent->name);
        break;
    case XLM__FATE_UNKNOWN:
        snprintf(why, XLM_MESSAGE_MAX,
                 "that host knows nothing of this move, which was to %.64s: "
                 "is it the right one?",
                 sent->peer);
        break;
    case XLM__FATE_NONE:
        snprintf(why, XLM_MESSAGE_MAX, "there is no answer");
        break;
    }
    return XLM_VERDICT_UNDECIDED;
}

enum xlm_verdict xlm__recover_decide(const struct xlm__mark *sent,
                                     enum xlm__copy copy, enum xlm__fate fate,
                                     bool peer_dead, char why[XLM_MESSAGE_MAX])
{
    switch ((enum xlm__guard_phase)sent->phase) {
    case XLM__GUARD_TRACKING:
    case XLM__GUARD_SUSPENDING:
    case XLM__GUARD_RENAMED:
        snprintf(why, XLM_MESSAGE_MAX, "%.64s never got the permission",
                 sent->peer);
        return copy == XLM__COPY_RUNS ? XLM_VERDICT_RAN_ON
                                      : XLM_VERDICT_RESUMED;
    case XLM__GUARD_RUNNING:
        snprintf(why, XLM_MESSAGE_MAX, "%.64s said that it runs there",
                 sent->peer);
        return XLM_VERDICT_DESTROYED;
    case XLM__GUARD_PERMITTED:
    case XLM__GUARD_COMMITTED:
        return peer_dead ? decide_dead(sent, copy, why)
                         : decide_fate(sent, fate, why);
    default:
        snprintf(why, XLM_MESSAGE_MAX, "it was never suspended for a move");
        return XLM_VERDICT_UNDECIDED;
    }
}

/* There is no copy: only the journal is left to be settled. */
static int write_down(struct xlm__toolstack *t, const struct xlm__mark *sent,
                      enum xlm_verdict verdict)
{
    struct xlm__mark m = *sent;

    if (verdict == XLM_VERDICT_RESUMED) {
        t->ops->mark_clear(t, XLM__MARK_SENT, m.uuid);
        return 0;
    }
    m.phase = XLM__GUARD_MOVED;
    return t->ops->mark_set(t, XLM__MARK_SENT, &m);
}

int xlm__recover_act(struct xlm__errslot *err, struct xlm__hv *hv,
                     struct xlm__toolstack *t, const struct xlm__mark *sent,
                     enum xlm__copy copy, enum xlm_verdict verdict)
{
    struct xlm__guard_note note = {
        .domid = sent->domid,
        .device_model = !!(sent->flags & XLM__MARK_DEVICE_MODEL),
        .not_logged = !!(sent->flags & XLM__MARK_NOT_LOGGED),
        .was_paused = !!(sent->flags & XLM__MARK_WAS_PAUSED),
        /* As if it were the worker's last: see guard.h. */
        .phase = verdict == XLM_VERDICT_RESUMED ? XLM__GUARD_RENAMED
                                                : XLM__GUARD_RUNNING,
    };
    char message[XLM_MESSAGE_MAX], name[XLM_NAME_MAX];
    enum xlm_owner owner;

    if (verdict == XLM_VERDICT_UNDECIDED)
        return 0;
    if (copy == XLM__COPY_RUNS)
        return let_go(hv, t, sent);
    if (copy == XLM__COPY_GONE) {
        /* With no domain to give it to, it is forgotten. */
        int rc = xlm__settings_restore(hv, t, sent->domid, sent->uuid);

        return rc ? rc : write_down(t, sent, verdict);
    }
    if (verdict == XLM_VERDICT_RESUMED &&
        !xlm__recover_name(t, sent->domid, name))
        return XLM_FAIL(err, XLM_ERR_STATE,
                        "%s (domain %u) has no name any more: somebody has "
                        "begun to destroy it; 'xl destroy %u', then 'xl "
                        "create' it",
                        sent->name, sent->domid, sent->domid);
    memcpy(note.uuid, sent->uuid, sizeof(note.uuid));
    memcpy(note.session, sent->session, sizeof(note.session));
    snprintf(note.name, sizeof(note.name), "%s", sent->name);
    return xlm__guard_undo(err, hv, t, &note, &owner, message);
}
