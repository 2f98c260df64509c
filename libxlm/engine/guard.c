/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "guard"
#include "engine/guard.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <xen/sched.h>

#include "base/log.h"
#include "engine/setting.h"
#include "util/uuid.h"

#define NOTE_MAGIC 0x474d4c58u /* "XLMG" */
/* A guest that was asked to suspend has this long to do it before we believe
 * that it never saw the request. */
#define LATE_SUSPEND_MS 5000
#define LATE_POLL_MS    50
/* A dying process closes its files one by one: its pipe to us may close before
 * its lock does. */
#define LOCK_MS 5000

_Static_assert(sizeof(struct xlm__guard_note) <= PIPE_BUF,
               "a note must be written atomically");

int xlm__guard_tell(struct xlm__errslot *err, int fd,
                    const struct xlm__guard_note *note,
                    enum xlm__guard_phase phase)
{
    struct xlm__guard_note n = *note;
    ssize_t r;

    if (fd <= 0)
        return 0;
    n.magic = NOTE_MAGIC;
    n.phase = (uint32_t)phase;
    do
        r = write(fd, &n, sizeof(n));
    while (r < 0 && errno == EINTR);
    if (r != (ssize_t)sizeof(n))
        return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM,
                              "guardian of %s is gone: cannot write to it",
                              note->name);
    return 0;
}

/* 1 = a whole note, 0 = end of file, negative = error. */
static int read_note(struct xlm__errslot *err, int fd,
                     struct xlm__guard_note *n)
{
    size_t got = 0;
    ssize_t r;

    while (got < sizeof(*n)) {
        r = read(fd, (char *)n + got, sizeof(*n) - got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "read guard pipe");
        if (r == 0)
            return 0;
        got += (size_t)r;
    }
    if (n->magic != NOTE_MAGIC || n->phase > XLM__GUARD_DONE ||
        n->owner > XLM_OWNER_UNKNOWN)
        return XLM_FAIL(err, XLM_ERR_INTERNAL,
                        "guard pipe: note %#x/%u/%u is not ours", n->magic,
                        n->phase, n->owner);
    n->name[sizeof(n->name) - 1] = '\0';
    return 1;
}

int xlm__guard_listen(struct xlm__errslot *err, int fd,
                      struct xlm__guard_note *last_out)
{
    struct xlm__guard_note n;
    int rc;

    memset(last_out, 0, sizeof(*last_out));
    while ((rc = read_note(err, fd, &n)) == 1)
        *last_out = n;
    return rc;
}

int xlm__guard_try_lock(struct xlm__toolstack *t, const unsigned char uuid[16])
{
    struct xlm__errslot aside = XLM__ERRSLOT_INITIALIZER;
    struct xlm__errslot *const errors = t->err;
    char text[XLM_MESSAGE_MAX];
    int rc;

    t->err = &aside;
    rc = t->ops->lock(t, uuid);
    t->err = errors;
    xlm__errslot_read(&aside, text);
    xlm__errslot_destroy(&aside);
    if (rc && rc != XLM_ERR_BUSY)
        return XLM_FAIL(errors, rc, "%s", text);
    return rc;
}

static int lock_soon(struct xlm__toolstack *t, const unsigned char uuid[16])
{
    const struct timespec nap = { .tv_nsec = LATE_POLL_MS * 1000000L };
    int rc = xlm__guard_try_lock(t, uuid);

    for (int ms = 0; rc == XLM_ERR_BUSY && ms < LOCK_MS; ms += LATE_POLL_MS) {
        nanosleep(&nap, NULL);
        rc = xlm__guard_try_lock(t, uuid);
    }
    return rc;
}

static bool leaves_a_mark(const struct xlm__guard_note *n)
{
    return n->phase >= XLM__GUARD_SUSPENDING && n->phase < XLM__GUARD_DONE;
}

int xlm__guard_enter(struct xlm__toolstack *t,
                     const struct xlm__guard_note *last, bool *ours_out,
                     char message[XLM_MESSAGE_MAX])
{
    struct xlm__mark m;
    bool marked = false;
    int rc = lock_soon(t, last->uuid);

    *ours_out = false;
    if (rc == XLM_ERR_BUSY) {
        snprintf(message, XLM_MESSAGE_MAX,
                 "%s: another process works on it: left to that one",
                 last->name);
        return 0;
    }
    if (!rc && leaves_a_mark(last))
        rc = t->ops->mark_get(t, XLM__MARK_SENT, last->uuid, &m, &marked);
    if (rc)
        return rc;
    *ours_out = !leaves_a_mark(last) ||
                (marked && xlm__uuid_equal(m.session, last->session));
    if (!*ours_out)
        snprintf(message, XLM_MESSAGE_MAX,
                 "%s: somebody else has settled it already", last->name);
    return 0;
}

static int look(struct xlm__hv *hv, const struct xlm__guard_note *n,
                struct xlm__dominfo *info, bool *exists_out)
{
    return xlm__hv_dominfo_of(hv, n->domid, n->uuid, info, exists_out);
}

static bool is_suspended(const struct xlm__dominfo *info)
{
    return info->shutdown && info->shutdown_reason == SHUTDOWN_suspend;
}

/* The worker died while its request was out: the guest may still obey it. */
static int await_late_suspend(struct xlm__hv *hv,
                              const struct xlm__guard_note *n,
                              struct xlm__dominfo *info, bool *exists_out)
{
    const struct timespec nap = { .tv_nsec = LATE_POLL_MS * 1000000L };
    int rc;

    for (int ms = 0; ms < LATE_SUSPEND_MS; ms += LATE_POLL_MS) {
        rc = look(hv, n, info, exists_out);
        if (rc || !*exists_out || info->shutdown || info->dying)
            return rc;
        nanosleep(&nap, NULL);
    }
    return 0;
}

static int restore_name(struct xlm__toolstack *t,
                        const struct xlm__guard_note *n)
{
    char away[XLM_NAME_MAX + 16];

    snprintf(away, sizeof(away), "%s--migratedaway", n->name);
    return t->ops->rename(t, n->domid, away, n->name);
}

static void note_first(int *first, int rc)
{
    if (!*first)
        *first = rc;
}

/* Only of this migration: that of a later one must stay. */
static void forget(struct xlm__toolstack *t, const struct xlm__guard_note *n)
{
    struct xlm__mark m;
    bool marked = false;

    if (!t->ops->mark_get(t, XLM__MARK_SENT, n->uuid, &m, &marked) && marked &&
        xlm__uuid_equal(m.session, n->session))
        t->ops->mark_clear(t, XLM__MARK_SENT, n->uuid);
}

/* The domain is there, and nothing is left here. */
static int note_moved(struct xlm__toolstack *t, const struct xlm__guard_note *n)
{
    struct xlm__mark m;
    bool marked = false;
    int rc = t->ops->mark_get(t, XLM__MARK_SENT, n->uuid, &m, &marked);

    if (rc || !marked || !xlm__uuid_equal(m.session, n->session))
        return rc;
    m.phase = XLM__GUARD_MOVED;
    return t->ops->mark_set(t, XLM__MARK_SENT, &m);
}

static int undo_source(struct xlm__hv *hv, struct xlm__toolstack *t,
                       const struct xlm__guard_note *n, const char **did_out)
{
    struct xlm__dominfo info;
    bool exists, asked;
    int rc = 0, r;

    r = n->phase == XLM__GUARD_SUSPENDING
            ? await_late_suspend(hv, n, &info, &exists)
            : look(hv, n, &info, &exists);
    if (r)
        return r;
    note_first(&rc, xlm__settings_restore(hv, t, n->domid, n->uuid));
    if (!exists) {
        *did_out = "it is not there any more";
        forget(t, n);
        return rc;
    }

    /* A Xen that has none fails to switch it off. */
    if (!n->not_logged)
        note_first(&rc, hv->ops->logdirty_off(hv, n->domid));
    if (n->device_model && !info.dying)
        note_first(&rc, t->ops->dm_logdirty(t, n->domid, false));
    *did_out = n->not_logged ? "it runs on here"
                             : "it runs on here, dirty logging is off again";
    if (n->phase == XLM__GUARD_RENAMED)
        note_first(&rc, restore_name(t, n));
    /* Before, nobody of ours asked it to suspend, or unpaused it for that. */
    asked = n->phase > XLM__GUARD_TRACKING;
    if (asked && n->was_paused && !info.paused && !info.dying)
        note_first(&rc, hv->ops->pause(hv, n->domid));
    if (asked && is_suspended(&info)) {
        note_first(&rc, t->ops->resume(t, n->domid));
        *did_out = "it was suspended and has been resumed here";
    }
    if (!rc)
        forget(t, n);
    return rc;
}

static int finish_move(struct xlm__hv *hv, struct xlm__toolstack *t,
                       const struct xlm__guard_note *n, const char **did_out)
{
    struct xlm__dominfo info;
    bool exists;
    int rc;

    rc = look(hv, n, &info, &exists);
    if (rc)
        return rc;
    *did_out = "it runs at the destination";
    if (exists) {
        *did_out = "it runs at the destination, the stale copy here is "
                   "destroyed";
        rc = t->ops->destroy(t, n->domid);
    }
    return rc ? rc : note_moved(t, n);
}

int xlm__guard_undo(struct xlm__errslot *err, struct xlm__hv *hv,
                    struct xlm__toolstack *t,
                    const struct xlm__guard_note *last,
                    enum xlm_owner *owner_out, char message[XLM_MESSAGE_MAX])
{
    const char *did = "";
    int rc = 0;

    message[0] = '\0';
    *owner_out = xlm__phase_owner(XLM__MARK_SENT, last->phase);
    switch ((enum xlm__guard_phase)last->phase) {
    case XLM__GUARD_NONE:
        *owner_out = XLM_OWNER_SOURCE;
        return 0;
    case XLM__GUARD_MOVED:
        return 0;
    case XLM__GUARD_DONE:
        *owner_out = (enum xlm_owner)last->owner;
        return 0;
    case XLM__GUARD_TRACKING:
    case XLM__GUARD_SUSPENDING:
    case XLM__GUARD_RENAMED:
        rc = undo_source(hv, t, last, &did);
        break;
    case XLM__GUARD_PERMITTED:
        did = "the permission to start was given, and no answer came: it "
              "stays suspended here";
        break;
    case XLM__GUARD_COMMITTED:
        did = "the destination took it over: the copy here stays suspended";
        break;
    case XLM__GUARD_RUNNING:
        rc = finish_move(hv, t, last, &did);
        break;
    }
    if (!rc)
        snprintf(message, XLM_MESSAGE_MAX, "%s: %s", last->name, did);
    else
        xlm__errslot_read(err, message);
    return rc;
}
