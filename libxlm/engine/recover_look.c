/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* At the destination: what became of a domain, and what is left to be done. */
#include "config.h"

#define XLM_MODULE "recover"
#include "engine/recover.h"

#include <stdio.h>
#include <string.h>

#include "util/uuid.h"

/* The domain that is here, if any. */
struct here {
    bool exists;
    struct xlm__dominfo info;
    char name[XLM_NAME_MAX];
};

/* arrived: what the mark says, 0 = there is none.  It may have been rebooted
 * since; and it need not be the only one of its uuid, as where both "hosts" of
 * a move are this one. */
static int find_here(struct xlm__hv *hv, const unsigned char uuid[16],
                     uint32_t arrived, struct here *h)
{
    uint32_t domid = 0;
    int rc = 0;

    if (arrived)
        rc = xlm__hv_dominfo_of(hv, arrived, uuid, &h->info, &h->exists);
    if (rc || h->exists)
        return rc;
    rc = hv->ops->find_uuid(hv, uuid, 0, &domid);
    if (rc || !domid)
        return rc;
    return hv->ops->dominfo(hv, domid, &h->info, &h->exists);
}

static int look_here(struct xlm__hv *hv, struct xlm__toolstack *t,
                     const unsigned char uuid[16], uint32_t arrived,
                     struct here *h)
{
    char number[16];
    uint32_t domid;
    int rc;

    memset(h, 0, sizeof(*h));
    rc = find_here(hv, uuid, arrived, h);
    if (rc || !h->exists || h->info.dying)
        return rc;
    /* One whose destruction has begun may have lost its name already. */
    if (h->info.paused) {
        (void)xlm__recover_name(t, h->info.domid, h->name);
        return 0;
    }
    snprintf(number, sizeof(number), "%u", h->info.domid);
    return t->ops->find(t, number, &domid, h->name);
}

static bool is_incoming(const struct xlm__mark *m, const struct here *h)
{
    char incoming[XLM_NAME_MAX + 16];

    snprintf(incoming, sizeof(incoming), "%s--incoming", m->name);
    return !strcmp(h->name, incoming);
}

/* It has its own name, and is not waiting for xl to unpause it. */
static bool is_finished(const struct xlm__mark *m, const struct here *h)
{
    return !h->info.dying && h->name[0] && !is_incoming(m, h) &&
           (!h->info.paused || (m->flags & XLM__MARK_PAUSED));
}

static enum xlm__fate judge(const struct xlm__mark *m, const struct here *h)
{
    switch ((enum xlm__received)m->phase) {
    case XLM__RECEIVED_BUILDING:
    case XLM__RECEIVED_NEVER:
        return h->exists ? XLM__FATE_LEFT : XLM__FATE_NEVER;
    case XLM__RECEIVED_GO:
        /* Or it went down with this host, before somebody could start it: the
         * memory at the source may be older than the disk all the same. */
        if (!h->exists)
            return XLM__FATE_RAN;
        return is_finished(m, h) ? XLM__FATE_RUNS : XLM__FATE_LEFT;
    case XLM__RECEIVED_RUNS:
        return h->exists ? XLM__FATE_RUNS : XLM__FATE_RAN;
    }
    return XLM__FATE_UNKNOWN;
}

/* It ran here, and left by a later migration of ours. */
static int look_for_departure(struct xlm__toolstack *t,
                              const struct xlm__mark *m, enum xlm__fate *fate)
{
    struct xlm__mark sent;
    bool marked = false;
    int rc;

    if (*fate != XLM__FATE_RAN)
        return 0;
    rc = t->ops->mark_get(t, XLM__MARK_SENT, m->uuid, &sent, &marked);
    if (!rc && marked && sent.turn > m->turn &&
        xlm__phase_owner(XLM__MARK_SENT, sent.phase) != XLM_OWNER_SOURCE)
        *fate = XLM__FATE_MOVED;
    return rc;
}

static void tell(enum xlm__fate fate, const struct here *h,
                 char told[XLM__TOLD_MAX])
{
    if (h->exists)
        snprintf(told, XLM__TOLD_MAX, "%s: %.160s (domain %u%s)",
                 xlm__fate_text(fate), h->name[0] ? h->name : "without a name",
                 h->info.domid,
                 h->info.dying    ? ", dying"
                 : h->info.paused ? ", paused"
                                  : "");
    else
        snprintf(told, XLM__TOLD_MAX, "%s", xlm__fate_text(fate));
}

static int read_mark(struct xlm__toolstack *t, const unsigned char uuid[16],
                     const unsigned char session[16], struct xlm__mark *m,
                     bool *ours_out)
{
    int rc = t->ops->mark_get(t, XLM__MARK_RECEIVED, uuid, m, ours_out);

    if (!rc && *ours_out)
        *ours_out = xlm__uuid_equal(m->session, session);
    return rc;
}

/* Whoever holds the lock can change everything but this. */
static bool is_certain(const struct xlm__mark *m, const struct here *h)
{
    return m->phase == XLM__RECEIVED_RUNS ||
           (m->phase == XLM__RECEIVED_GO && h->exists && !h->info.paused &&
            is_finished(m, h));
}

/* ---- what a receiver that died would have done ---- */

/* Its receiver had the permission, and xl did its part: what is left are the
 * pauses. */
static bool is_to_run(const struct xlm__mark *m, const struct here *h)
{
    return m->phase == XLM__RECEIVED_GO && !(m->flags & XLM__MARK_PAUSED) &&
           h->name[0] && !is_incoming(m, h);
}

/* It never ran, and nobody is left who may start it. */
static bool is_to_go(const struct xlm__mark *m)
{
    return m->phase == XLM__RECEIVED_BUILDING ||
           m->phase == XLM__RECEIVED_NEVER;
}

static int set_phase(struct xlm__toolstack *t, struct xlm__mark *m,
                     enum xlm__received phase)
{
    m->phase = (uint32_t)phase;
    return t->ops->mark_set(t, XLM__MARK_RECEIVED, m);
}

static int let_run(struct xlm__hv *hv, struct xlm__toolstack *t,
                   struct xlm__mark *m)
{
    struct xlm__dominfo info = { .paused = true };
    bool exists = true;
    int rc = t->ops->dm_continue(t, m->domid);

    for (unsigned i = 0; i < XLM__HELD_PAUSES && !rc && exists && info.paused;
         i++) {
        rc = hv->ops->unpause(hv, m->domid);
        if (!rc)
            rc = hv->ops->dominfo(hv, m->domid, &info, &exists);
    }
    return rc ? rc : set_phase(t, m, XLM__RECEIVED_RUNS);
}

/* Under the domain's lock: its receiver is dead. */
static int finish(struct xlm__hv *hv, struct xlm__toolstack *t,
                  struct xlm__mark *m, const struct here *h)
{
    int rc;

    if (!h->exists && m->phase == XLM__RECEIVED_BUILDING) {
        (void)set_phase(t, m, XLM__RECEIVED_NEVER); /* it says the same */
        return 0;
    }
    if (!h->exists || h->info.dying || !h->info.paused ||
        h->info.domid != m->domid)
        return 0;
    if (is_to_run(m, h))
        return let_run(hv, t, m);
    if (!is_to_go(m))
        return 0;
    rc = set_phase(t, m, XLM__RECEIVED_NEVER);
    return rc ? rc : t->ops->destroy(t, m->domid);
}

int xlm__recover_look(struct xlm__hv *hv, struct xlm__toolstack *t,
                      const unsigned char uuid[16],
                      const unsigned char session[16], bool act,
                      enum xlm__fate *fate_out, char told[XLM__TOLD_MAX])
{
    struct here h = { .exists = false };
    struct xlm__mark m;
    bool ours, locked = false, busy = false;
    int rc;

    *fate_out = XLM__FATE_UNKNOWN;
    rc = read_mark(t, uuid, session, &m, &ours);
    if (!rc && ours) {
        rc = xlm__guard_try_lock(t, uuid);
        locked = !rc;
        busy = rc == XLM_ERR_BUSY;
        /* The holder may have written its last word since. */
        if (!rc || busy)
            rc = read_mark(t, uuid, session, &m, &ours);
    }
    if (!rc)
        rc = look_here(hv, t, uuid, ours ? m.domid : 0, &h);
    if (!rc && locked && act)
        rc = finish(hv, t, &m, &h);
    if (!rc && locked && act)
        rc = look_here(hv, t, uuid, ours ? m.domid : 0, &h);
    if (locked)
        t->ops->unlock(t);
    if (rc)
        return rc;
    if (ours)
        *fate_out = busy && !is_certain(&m, &h) ? XLM__FATE_BUSY
                                                : judge(&m, &h);
    rc = look_for_departure(t, &m, fate_out);
    if (rc)
        return rc;
    tell(*fate_out, &h, told);
    return 0;
}
