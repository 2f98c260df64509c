/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "journal"
#include "engine/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/guard.h"
#include "engine/host.h"
#include "util/uuid.h"

/* ---- one entry ---- */

static void judge_sent(const struct xlm__entry *e, struct xlm__outlook *o)
{
    const uint32_t phase = e->m.phase;

    if (e->superseded || (phase <= XLM__GUARD_RENAMED && !e->this_boot)) {
        o->may_go = true;
        return;
    }
    o->keeps = phase >= XLM__GUARD_SUSPENDING;
    o->when_old = phase == XLM__GUARD_MOVED;
    if (phase < XLM__GUARD_MOVED)
        o->todo = XLM_JOURNAL_RECOVER;
}

static void judge_received(const struct xlm__entry *e, struct xlm__outlook *o)
{
    o->when_old = true;
    if (e->this_boot && (e->m.phase == XLM__RECEIVED_BUILDING ||
                         e->m.phase == XLM__RECEIVED_GO)) {
        o->when_old = false;
        o->todo = XLM_JOURNAL_LOOK;
    }
}

void xlm__journal_judge(const struct xlm__entry *e, struct xlm__outlook *out)
{
    memset(out, 0, sizeof(*out));
    out->owner = XLM_OWNER_UNKNOWN;
    out->todo = XLM_JOURNAL_NOTHING;
    if (e->damaged) {
        out->keeps = e->kind == XLM__MARK_SENT;
        out->todo = XLM_JOURNAL_REPAIR;
        return;
    }
    out->owner = xlm__phase_owner(e->kind, e->m.phase);
    if (e->kind == XLM__MARK_SENT)
        judge_sent(e, out);
    else
        judge_received(e, out);
    if (e->busy) {
        out->todo = XLM_JOURNAL_WAIT;
        out->may_go = out->when_old = false;
    }
}

/* ---- all of them ---- */

struct load {
    struct xlm__toolstack *t;
    struct xlm__errslot *err;
    unsigned char boot[16];
    struct xlm__entry *list;
    size_t nr, room;
};

static int add(void *user, enum xlm__mark_kind kind,
               const unsigned char uuid[16], const struct xlm__mark *m)
{
    struct load *l = user;
    struct xlm__entry *e;

    if (l->nr == l->room) {
        const size_t room = l->room ? 2 * l->room : 16;

        e = realloc(l->list, room * sizeof(*e));
        if (!e)
            return XLM_FAIL(l->err, XLM_ERR_NOMEM, "%zu journals", room);
        l->list = e;
        l->room = room;
    }
    e = &l->list[l->nr++];
    memset(e, 0, sizeof(*e));
    e->kind = kind;
    e->damaged = !m;
    if (m)
        e->m = *m;
    else
        snprintf(e->m.name, sizeof(e->m.name), "?");
    memcpy(e->m.uuid, uuid, 16);
    e->this_boot = m && xlm__uuid_equal(m->boot, l->boot);
    e->busy = l->t->ops->lock_held(l->t, uuid);
    return 0;
}

/* Two of one domain: has it come back since it left? */
static void compare(struct xlm__entry *list, size_t nr)
{
    for (size_t i = 0; i < nr; i++)
        for (size_t k = 0; k < nr; k++)
            if (list[i].kind == XLM__MARK_SENT &&
                list[k].kind == XLM__MARK_RECEIVED && !list[k].damaged &&
                list[k].m.turn > list[i].m.turn &&
                xlm__phase_owner(list[k].kind, list[k].m.phase) ==
                    XLM_OWNER_DESTINATION &&
                xlm__uuid_equal(list[i].m.uuid, list[k].m.uuid))
                list[i].superseded = !list[i].damaged;
}

int xlm__journal_load(struct xlm__errslot *err, struct xlm__toolstack *t,
                      struct xlm__entry **list_out, size_t *nr_out)
{
    struct load l = { .t = t, .err = err };
    int rc;

    xlm__host_boot_id(l.boot);
    rc = t->ops->mark_each(t, add, &l);
    if (rc) {
        free(l.list);
        return rc;
    }
    compare(l.list, l.nr);
    *list_out = l.list;
    *nr_out = l.nr;
    return 0;
}

static bool is_called(const struct xlm__entry *e, const char *domain)
{
    unsigned char uuid[16];

    if (xlm__uuid_parse(domain, uuid))
        return xlm__uuid_equal(e->m.uuid, uuid);
    return !strcmp(e->m.name, domain);
}

int xlm__journal_find(struct xlm__errslot *err, struct xlm__toolstack *t,
                      const char *domain, struct xlm__mark *out,
                      bool *found_out)
{
    struct xlm__entry *list = NULL;
    size_t nr = 0;
    int rc = xlm__journal_load(err, t, &list, &nr);

    *found_out = false;
    for (size_t i = 0; !rc && i < nr; i++) {
        if (list[i].kind != XLM__MARK_SENT || list[i].damaged ||
            list[i].superseded || !is_called(&list[i], domain) ||
            (*found_out && list[i].m.since_s < out->since_s))
            continue;
        *out = list[i].m;
        *found_out = true;
    }
    free(list);
    return rc;
}

/* ---- pruning ---- */

static int by_age(const void *a, const void *b)
{
    const struct xlm__entry *x = a, *y = b;

    return (x->m.since_s < y->m.since_s) - (x->m.since_s > y->m.since_s);
}

/* It says that it is elsewhere, but it runs here: others brought it back. */
static int is_here(struct xlm__hv *hv, const struct xlm__entry *e,
                   bool *here_out)
{
    struct xlm__dominfo info = { .domid = 0 };
    uint32_t domid = 0;
    int rc;

    *here_out = false;
    if (e->kind != XLM__MARK_SENT || e->m.phase != XLM__GUARD_MOVED)
        return 0;
    rc = hv->ops->find_uuid(hv, e->m.uuid, 0, &domid);
    if (!rc && domid)
        rc = hv->ops->dominfo(hv, domid, &info, here_out);
    *here_out = *here_out && !info.dying && !info.shutdown;
    return rc;
}

/* Under the lock: it may have changed since it was read. */
static int remove_entry(struct xlm__toolstack *t, const struct xlm__entry *e)
{
    struct xlm__mark now;
    bool there = false;
    int rc = xlm__guard_try_lock(t, e->m.uuid);

    if (rc)
        return rc == XLM_ERR_BUSY ? 0 : rc;
    rc = t->ops->mark_get(t, e->kind, e->m.uuid, &now, &there);
    if (!rc && there && now.phase == e->m.phase &&
        xlm__uuid_equal(now.session, e->m.session)) {
        XLM_LOG(t->err, INFO, "journal of %s (%s) removed", e->m.name,
                xlm__phase_word(e->kind, e->m.phase));
        t->ops->mark_clear(t, e->kind, e->m.uuid);
    }
    t->ops->unlock(t);
    return rc;
}

static bool is_old(const struct xlm__entry *e, uint64_t now_s)
{
    /* Nobody will ask for one that has left; but it must not come back. */
    return e->kind == XLM__MARK_RECEIVED &&
           e->m.since_s + XLM__JOURNAL_OLD_S < now_s;
}

int xlm__journal_tidy(struct xlm__errslot *err, struct xlm__hv *hv,
                      struct xlm__toolstack *t, uint64_t now_s)
{
    struct xlm__entry *list = NULL;
    size_t nr = 0, settled = 0;
    int rc = xlm__journal_load(err, t, &list, &nr);

    if (!rc && nr)
        qsort(list, nr, sizeof(*list), by_age);
    for (size_t i = 0; !rc && i < nr; i++) {
        struct xlm__outlook o;
        bool here;

        xlm__journal_judge(&list[i], &o);
        rc = is_here(hv, &list[i], &here);
        settled += o.when_old;
        if (!rc && (o.may_go || (here && !list[i].busy) ||
                    (o.when_old &&
                     (is_old(&list[i], now_s) || settled > XLM__JOURNAL_MAX))))
            rc = remove_entry(t, &list[i]);
    }
    free(list);
    return rc;
}
