/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fake_toolstack_impl.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/uuid.h"

#define XLM_MODULE "fake"

#define SHUTDOWN_SUSPEND 2

/* Under the lock. */
static void trace(struct fake_toolstack *t, const char *op)
{
    const size_t at = strlen(t->trace);

    snprintf(t->trace + at, sizeof(t->trace) - at, "%s%s", at ? " " : "", op);
}

/* Begin of every op: counted, written down, delayed, and failed if so told. */
int fake_ts_enter(struct xlm__toolstack *base, const char *op)
{
    struct fake_toolstack *t = fake(base);
    unsigned delay = 0;
    bool fail;

    pthread_mutex_lock(&t->lock);
    trace(t, op);
    t->calls++;
    fail = (t->fail_call && !--t->fail_call) ||
           (t->fail_op && !strcmp(t->fail_op, op));
    if (t->slow_op && (!strcmp(t->slow_op, "*") || !strcmp(t->slow_op, op)))
        delay = t->slow_ms;
    pthread_mutex_unlock(&t->lock);
    if (delay)
        (void)poll(NULL, 0, (int)delay);
    if (t->on_op)
        t->on_op(t->on_op_user, op);
    if (!fail)
        return 0;
    return XLM_FAIL(base->err, t->fail_code ? t->fail_code : XLM_ERR_TOOLSTACK,
                    "%s: made to fail", op);
}

void fake_ts_expect(struct xlm__toolstack *base, bool right, const char *text)
{
    struct fake_toolstack *t = fake(base);

    if (right)
        return;
    if (!t->wrong++)
        snprintf(t->wrong_text, sizeof(t->wrong_text), "%s", text);
}

void fake_ts_hv_set(struct fake_toolstack *t, bool exists, bool paused,
                    bool suspended)
{
    if (!t->hv)
        return;
    pthread_mutex_lock(&t->hv->lock);
    t->hv->exists = exists;
    t->hv->info.paused = paused;
    t->hv->info.shutdown = suspended;
    t->hv->info.shutdown_reason = suspended ? SHUTDOWN_SUSPEND : 0;
    pthread_mutex_unlock(&t->hv->lock);
}

/* Its pauses are nothing to it. */
static void set_suspended(struct fake_toolstack *t, bool suspended)
{
    t->suspended = suspended;
    if (t->hv)
        fake_ts_hv_set(t, true, t->hv->info.paused, suspended);
}

static void fake_close(struct xlm__toolstack *base)
{
    fake_toolstack_free(fake(base));
}

static int fake_find(struct xlm__toolstack *base, const char *what,
                     uint32_t *domid_out, char name_out[XLM_NAME_MAX])
{
    struct fake_toolstack *t = fake(base);
    char id[16], uuid[XLM__UUID_TEXT];
    int rc = fake_ts_enter(base, "find");

    if (rc)
        return rc;
    snprintf(id, sizeof(id), "%u", t->domid);
    xlm__uuid_format(t->uuid, uuid);
    if (!t->exists ||
        (strcmp(what, t->name) && strcmp(what, id) && strcmp(what, uuid)))
        return XLM_FAIL(base->err, XLM_ERR_INVAL, "no domain %s", what);
    *domid_out = t->domid;
    snprintf(name_out, XLM_NAME_MAX, "%s", t->name);
    return 0;
}

static int make_config(struct fake_toolstack *t, const char *json,
                       struct xlm__config *out)
{
    *out = (struct xlm__config){
        .json = strdup(json),
        .name = strdup(t->name),
        .type = t->type,
        .max_memkb = 4096,
        .target_memkb = 4096,
        .max_vcpus = 1,
    };
    memcpy(out->uuid, t->uuid, sizeof(out->uuid));
    if (out->json && out->name)
        return 0;
    xlm__config_free(out);
    return XLM_FAIL(t->base.err, XLM_ERR_NOMEM, "configuration");
}

static int fake_config_get(struct xlm__toolstack *base, uint32_t domid,
                           struct xlm__config *out)
{
    int rc = fake_ts_enter(base, "config_get");

    fake_ts_expect(base, domid == fake(base)->domid,
                   "config_get: wrong domain");
    return rc ? rc : make_config(fake(base), "{\"fake\":1}", out);
}

static int fake_config_parse(struct xlm__toolstack *base, const char *json,
                             struct xlm__config *out)
{
    int rc = fake_ts_enter(base, "config_parse");

    return rc ? rc : make_config(fake(base), json, out);
}

static int fake_config_diff(struct xlm__toolstack *base,
                            const struct xlm__config *a,
                            const struct xlm__config *b, char *out,
                            size_t bytes)
{
    const char *changed = fake(base)->changed;
    int rc = fake_ts_enter(base, "config_diff");

    (void)a, (void)b;
    if (!rc)
        snprintf(out, bytes, "%s", changed ? changed : "");
    return rc;
}

static int fake_config_stamp(struct xlm__toolstack *base, uint32_t domid,
                             const unsigned char uuid[16], uint64_t *out)
{
    (void)domid, (void)uuid;
    *out = fake(base)->stamp;
    return fake_ts_enter(base, "config_stamp");
}

static int check(struct xlm__toolstack *base, const char *op,
                 struct xlm__findings *f)
{
    const char *blocker = fake(base)->blocker;
    int rc = fake_ts_enter(base, op);

    if (!rc && blocker)
        rc = xlm__findings_add(f, XLM_FINDING_BLOCK, blocker, "",
                               "%s: made to block", op);
    return rc;
}

static int fake_check_source(struct xlm__toolstack *base, uint32_t domid,
                             const struct xlm__config *c,
                             struct xlm__findings *f)
{
    (void)domid, (void)c;
    return check(base, "check_source", f);
}

static int fake_check_destination(struct xlm__toolstack *base,
                                  struct xlm__hv *hv,
                                  const struct xlm__config *c,
                                  uint64_t memory_pages,
                                  struct xlm__findings *f)
{
    (void)hv, (void)c, (void)memory_pages;
    return check(base, "check_destination", f);
}

static int fake_check_prebuild(struct xlm__toolstack *base,
                               const struct xlm__config *c,
                               char why[XLM_MESSAGE_MAX / 2])
{
    const char *no = fake(base)->no_prebuild;

    (void)c;
    snprintf(why, XLM_MESSAGE_MAX / 2, "%s", no ? no : "");
    return fake_ts_enter(base, "check_prebuild");
}

static int fake_lock(struct xlm__toolstack *base, const unsigned char uuid[16])
{
    int rc = fake_ts_enter(base, "lock");

    (void)uuid;
    if (!rc && fake(base)->held_by_others)
        return XLM_FAIL(base->err, XLM_ERR_BUSY, "lock: others have it");
    fake_ts_expect(base, !fake(base)->locked, "lock: held already");
    if (!rc)
        fake(base)->locked = true;
    return rc;
}

static void fake_unlock(struct xlm__toolstack *base)
{
    struct fake_toolstack *t = fake(base);

    pthread_mutex_lock(&t->lock);
    trace(t, "unlock");
    t->locked = false;
    pthread_mutex_unlock(&t->lock);
}

static int fake_mark_set(struct xlm__toolstack *base, enum xlm__mark_kind kind,
                         const struct xlm__mark *m)
{
    struct fake_toolstack *t = fake(base);
    static const char *const names[] = { "mark_sent", "mark_received",
                                         "mark_slowed", "mark_limited" };
    int rc = fake_ts_enter(base, names[kind]);

    fake_ts_expect(base, t->locked, "mark_set: without the lock");
    if (rc)
        return rc;
    t->mark[kind] = *m;
    t->marked[kind] = true;
    return 0;
}

static int fake_mark_get(struct xlm__toolstack *base, enum xlm__mark_kind kind,
                         const unsigned char uuid[16], struct xlm__mark *out,
                         bool *exists_out)
{
    struct fake_toolstack *t = fake(base);
    int rc = fake_ts_enter(base, "mark_get");

    *exists_out = t->marked[kind] && !memcmp(uuid, t->mark[kind].uuid, 16);
    if (!rc && *exists_out)
        *out = t->mark[kind];
    return rc;
}

static void fake_mark_clear(struct xlm__toolstack *base,
                            enum xlm__mark_kind kind,
                            const unsigned char uuid[16])
{
    struct fake_toolstack *t = fake(base);

    if (!memcmp(uuid, t->mark[kind].uuid, 16))
        t->marked[kind] = false;
}

static int fake_mark_each(struct xlm__toolstack *base, xlm__mark_fn *fn,
                          void *user)
{
    struct fake_toolstack *t = fake(base);
    int rc = fake_ts_enter(base, "mark_each");

    for (int k = XLM__MARK_SENT; k <= XLM__MARK_RECEIVED && !rc; k++) {
        const struct xlm__mark m = t->mark[k];

        if (t->marked[k])
            rc = fn(user, (enum xlm__mark_kind)k, m.uuid, &m);
    }
    return rc;
}

static bool fake_lock_held(struct xlm__toolstack *base,
                           const unsigned char uuid[16])
{
    (void)uuid;
    return fake(base)->locked || fake(base)->held_by_others;
}

static int fake_dm_logdirty(struct xlm__toolstack *base, uint32_t domid,
                            bool on)
{
    int rc = fake_ts_enter(base, on ? "dm_logdirty_on" : "dm_logdirty_off");

    (void)domid;
    if (!rc)
        fake(base)->dm_logdirty = on;
    return rc;
}

static int fake_suspend(struct xlm__toolstack *base, uint32_t domid,
                        uint32_t timeout_ms, bool *may_suspend_later_out)
{
    struct fake_toolstack *t = fake(base);
    int rc = fake_ts_enter(base, "suspend");

    (void)timeout_ms;
    fake_ts_expect(base, t->exists && !t->suspended && domid == t->domid,
                   "suspend: it does not run");
    *may_suspend_later_out = rc && t->may_suspend_later;
    if (rc)
        return rc;
    t->monitored = false;
    set_suspended(t, true);
    return 0;
}

static int fake_resume(struct xlm__toolstack *base, uint32_t domid)
{
    struct fake_toolstack *t = fake(base);
    int rc = fake_ts_enter(base, "resume");

    fake_ts_expect(base, t->exists && t->suspended && domid == t->domid,
                   "resume: it is not suspended");
    if (rc)
        return rc;
    t->waited_for_images = t->peer && atomic_load(&t->peer->has_images);
    t->resumed_ns = xlm__clock_ns();
    set_suspended(t, false);
    return 0;
}

static int fake_dm_continue(struct xlm__toolstack *base, uint32_t domid)
{
    (void)domid;
    return fake_ts_enter(base, "dm_continue");
}

static int fake_destroy(struct xlm__toolstack *base, uint32_t domid)
{
    struct fake_toolstack *t = fake(base);
    int rc = fake_ts_enter(base, "destroy");

    fake_ts_expect(base,
                   t->exists && domid == t->domid &&
                       (t->suspended || (t->hv && t->hv->info.paused)),
                   "destroy: it runs");
    if (rc)
        return rc;
    t->exists = false;
    if (t->dst != FAKE_DST_NONE)
        t->dst = FAKE_DST_ABORTED;
    atomic_store(&t->has_images, false);
    fake_ts_hv_set(t, false, false, false);
    return 0;
}

static int fake_rename(struct xlm__toolstack *base, uint32_t domid,
                       const char *from, const char *to)
{
    struct fake_toolstack *t = fake(base);
    int rc = fake_ts_enter(base, "rename");

    (void)domid;
    if (!rc && !strcmp(t->name, from))
        snprintf(t->name, sizeof(t->name), "%s", to);
    return rc;
}

static int fake_dm_state(struct xlm__toolstack *base, uint32_t domid,
                         struct xlm__blob *out)
{
    struct fake_toolstack *t = fake(base);
    int rc = fake_ts_enter(base, "dm_state");

    (void)domid;
    *out = (struct xlm__blob){ 0 };
    if (rc || t->type != XLM__TYPE_HVM || !t->dm.data)
        return rc;
    out->data = malloc(t->dm.bytes);
    if (!out->data)
        return XLM_FAIL(base->err, XLM_ERR_NOMEM, "device model state");
    memcpy(out->data, t->dm.data, t->dm.bytes);
    out->bytes = t->dm.bytes;
    return 0;
}

static int fake_storage_settle(struct xlm__toolstack *base, struct xlm__hv *hv,
                               uint32_t domid, const struct xlm__config *c,
                               uint32_t timeout_ms)
{
    (void)hv, (void)domid, (void)c, (void)timeout_ms;
    fake_ts_expect(base, fake(base)->suspended, "storage_settle: it runs");
    return fake_ts_enter(base, "storage_settle");
}

static int fake_xenstore_collect(struct xlm__toolstack *base, uint32_t domid,
                                 struct xlm__xsnodes *out)
{
    struct fake_toolstack *t = fake(base);
    int rc = fake_ts_enter(base, "xenstore_collect");

    (void)domid;
    *out = (struct xlm__xsnodes){ 0 };
    if (rc || !t->xs_path)
        return rc;
    out->nodes = calloc(1, sizeof(*out->nodes));
    if (!out->nodes)
        return XLM_FAIL(base->err, XLM_ERR_NOMEM, "xenstore entries");
    out->nr = 1;
    out->nodes[0].path = strdup(t->xs_path);
    out->nodes[0].value = strdup("value");
    out->nodes[0].value_bytes = 5;
    out->nodes[0].perms = strdup("n@self");
    if (out->nodes[0].path && out->nodes[0].value && out->nodes[0].perms)
        return 0;
    xlm__xsnodes_free(out);
    return XLM_FAIL(base->err, XLM_ERR_NOMEM, "xenstore entries");
}

static int fake_has_monitor(struct xlm__toolstack *base, uint32_t domid,
                            bool *out)
{
    int rc = fake_ts_enter(base, "has_monitor");

    (void)domid;
    *out = fake(base)->monitored;
    return rc;
}

/* Where a fake PV guest has them. */
static int fake_ring_frames(struct xlm__toolstack *base, uint32_t domid,
                            uint64_t *store_out, uint64_t *console_out)
{
    struct fake_hv *hv = fake(base)->hv;
    int rc = fake_ts_enter(base, "ring_frames");

    (void)domid;
    *store_out = *console_out = 0;
    if (rc || !hv || fake(base)->no_rings)
        return rc;
    pthread_mutex_lock(&hv->lock);
    *store_out = fake_frame(hv, FAKE_PV_STORE);
    *console_out = fake_frame(hv, FAKE_PV_CONSOLE);
    pthread_mutex_unlock(&hv->lock);
    return 0;
}

static const struct xlm__toolstack_ops fake_ops = {
    .close = fake_close,
    .find = fake_find,
    .config_get = fake_config_get,
    .config_diff = fake_config_diff,
    .config_stamp = fake_config_stamp,
    .check_source = fake_check_source,
    .lock = fake_lock,
    .unlock = fake_unlock,
    .mark_set = fake_mark_set,
    .mark_get = fake_mark_get,
    .mark_clear = fake_mark_clear,
    .mark_each = fake_mark_each,
    .lock_held = fake_lock_held,
    .dm_logdirty = fake_dm_logdirty,
    .suspend = fake_suspend,
    .resume = fake_resume,
    .dm_continue = fake_dm_continue,
    .destroy = fake_destroy,
    .rename = fake_rename,
    .dm_state = fake_dm_state,
    .storage_settle = fake_storage_settle,
    .xenstore_collect = fake_xenstore_collect,
    .ring_frames = fake_ring_frames,
    .has_monitor = fake_has_monitor,
    .check_destination = fake_check_destination,
    .check_prebuild = fake_check_prebuild,
    .config_parse = fake_config_parse,
    .restore_begin = fake_restore_begin,
    .restore_record = fake_restore_record,
    .restore_sync = fake_restore_sync,
    .restore_end = fake_restore_end,
    .restore_check = fake_restore_check,
    .dm_hold = fake_dm_hold,
    .dm_load = fake_dm_load,
    .storage_drop_cache = fake_storage_drop_cache,
    .xenstore_restore = fake_xenstore_restore,
    .restore_go = fake_restore_go,
    .restore_abort = fake_restore_abort,
    .guest_gap = fake_guest_gap,
};

void fake_toolstack_init(struct fake_toolstack *t, struct xlm__errslot *err,
                         enum xlm__domain_type type)
{
    memset(t, 0, sizeof(*t));
    t->base.ops = &fake_ops;
    t->base.err = err;
    t->base.stop_fd = -1;
    pthread_mutex_init(&t->lock, NULL);
    t->type = type;
    t->domid = 1;
    t->exists = true;
    t->monitored = true;
    snprintf(t->name, sizeof(t->name), "guest");
    memset(t->uuid, 0x5a, sizeof(t->uuid));
}

void fake_toolstack_free(struct fake_toolstack *t)
{
    for (size_t i = 0; i < t->nr_records; i++)
        free(t->records[i].body);
    free(t->records);
    t->records = NULL;
    t->nr_records = 0;
}

/* Where in the trace, or NULL: whole words only. */
static const char *find_op(const char *at, const char *op)
{
    const size_t bytes = strlen(op);

    while ((at = strstr(at, op))) {
        if (at[bytes] == ' ' || at[bytes] == '\0')
            return at;
        at += bytes;
    }
    return NULL;
}

unsigned fake_toolstack_count(struct fake_toolstack *t, const char *op)
{
    unsigned n = 0;

    for (const char *at = t->trace; (at = find_op(at, op)); at++)
        n++;
    return n;
}

bool fake_toolstack_before(struct fake_toolstack *t, const char *a,
                           const char *b)
{
    const char *first = find_op(t->trace, a);
    const char *second = find_op(t->trace, b);

    return first && second && first < second;
}
