/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fake toolstack at the destination. */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_hv.h"
#include "fake_toolstack_impl.h"

#define XLM_MODULE "fake"

int fake_restore_begin(struct xlm__toolstack *base, const struct xlm__config *c,
                       uint32_t flags, uint32_t source_xen_version,
                       uint32_t *domid_out)
{
    struct fake_toolstack *t = fake(base);
    int rc = fake_ts_enter(base, "restore_begin");

    fake_ts_expect(base, t->dst == FAKE_DST_NONE && c->name,
                   "restore_begin: not the first");
    if (rc)
        return rc;
    t->dst = FAKE_DST_BUILT;
    t->flags = flags;
    t->source_xen_version = source_xen_version;
    *domid_out = t->new_domid ? t->new_domid : 7;
    t->domid = *domid_out;
    t->exists = true;
    snprintf(t->name, sizeof(t->name), "%.40s--incoming", c->name);
    fake_ts_hv_set(t, true, true, false);
    if (t->hv && !t->hv->info.hvm && t->hv->shared_frame == FAKE_NONE)
        fake_pv_create(t->hv);
    return 0;
}

static int keep_record(struct fake_toolstack *t, uint32_t type, size_t nr_parts,
                       const struct iovec *parts)
{
    struct fake_record *records;
    struct fake_record r = { .type = type };

    for (size_t i = 0; i < nr_parts; i++)
        r.bytes += parts[i].iov_len;
    records = reallocarray(t->records, t->nr_records + 1, sizeof(*records));
    if (records)
        t->records = records;
    r.body = malloc(r.bytes ? r.bytes : 1);
    if (!records || !r.body) {
        free(r.body);
        return XLM_FAIL(t->base.err, XLM_ERR_NOMEM, "record");
    }
    r.bytes = 0;
    for (size_t i = 0; i < nr_parts; i++) {
        memcpy((char *)r.body + r.bytes, parts[i].iov_base, parts[i].iov_len);
        r.bytes += parts[i].iov_len;
    }
    t->records[t->nr_records++] = r;
    return 0;
}

int fake_restore_record(struct xlm__toolstack *base, uint32_t type,
                        size_t nr_parts, const struct iovec *parts)
{
    struct fake_toolstack *t = fake(base);
    int rc = fake_ts_enter(base, "restore_record");

    if (rc)
        return rc;
    pthread_mutex_lock(&t->lock);
    fake_ts_expect(base, t->dst == FAKE_DST_BUILT,
                   "restore_record: at a wrong time");
    rc = keep_record(t, type, nr_parts, parts);
    pthread_mutex_unlock(&t->lock);
    return rc;
}

int fake_restore_sync(struct xlm__toolstack *base)
{
    fake_ts_expect(base, fake(base)->dst == FAKE_DST_BUILT,
                   "restore_sync: at a wrong time");
    return fake_ts_enter(base, "restore_sync");
}

/* What xl's helper is shown of a PV domain that is completed early. */
static void complete_pv(struct fake_toolstack *t)
{
    const void *vcpu0 = NULL, *p2m = NULL;

    if (!t->hv || t->hv->info.hvm)
        return;
    for (size_t i = 0; i < t->nr_records; i++) {
        const struct fake_record *r = &t->records[i];

        if (r->type == 0x03 && ((uint32_t *)r->body)[1] >= t->hv->nr_pfns)
            p2m = r->body;
        else if (r->type == 0x04)
            vcpu0 = r->body;
    }
    if (!p2m)
        return;
    pthread_mutex_lock(&t->hv->lock);
    for (size_t i = 0; i < t->nr_records; i++)
        if (t->records[i].type == 0x01)
            fake_pv_page_data(t->hv, t->records[i].body);
    fake_pv_complete(t->hv, vcpu0, p2m);
    pthread_mutex_unlock(&t->hv->lock);
}

int fake_restore_end(struct xlm__toolstack *base, const struct xlm__blob *dm)
{
    struct fake_toolstack *t = fake(base);
    int rc;

    complete_pv(t); /* devices take their time, this does not */
    rc = fake_ts_enter(base, "restore_end");

    fake_ts_expect(base, t->dst == FAKE_DST_BUILT,
                   "restore_end: at a wrong time");
    fake_ts_expect(base, !t->dm_held || !dm,
                   "restore_end: a device model that waits has a state");
    if (rc)
        return rc;
    t->dm_bytes = dm && dm->data ? dm->bytes : 0;
    atomic_store(&t->has_images, t->dm_bytes != 0);
    t->dst = FAKE_DST_READY;
    return 0;
}

int fake_dm_hold(struct xlm__toolstack *base)
{
    struct fake_toolstack *t = fake(base);

    fake_ts_expect(base, t->dst == FAKE_DST_BUILT && !t->dm_held,
                   "dm_hold: at a wrong time");
    t->dm_held = true;
    return fake_ts_enter(base, "dm_hold");
}

int fake_dm_load(struct xlm__toolstack *base, const struct xlm__blob *dm)
{
    struct fake_toolstack *t = fake(base);
    int rc = fake_ts_enter(base, "dm_load");

    fake_ts_expect(base, t->dst == FAKE_DST_READY && t->dm_held && dm->data,
                   "dm_load: at a wrong time");
    if (rc)
        return rc;
    t->dm_bytes = dm->bytes;
    atomic_store(&t->has_images, true);
    return 0;
}

int fake_restore_check(struct xlm__toolstack *base)
{
    int rc = fake_ts_enter(base, "restore_check");

    if (!rc && fake(base)->xl_died)
        rc = XLM_FAIL(base->err, XLM_ERR_TOOLSTACK, "xl was killed");
    return rc;
}

int fake_storage_drop_cache(struct xlm__toolstack *base,
                            const struct xlm__config *c)
{
    (void)c;
    fake_ts_expect(base,
                   fake(base)->dst == FAKE_DST_BUILT ||
                       fake(base)->dst == FAKE_DST_READY,
                   "storage_drop_cache: the guest may run already");
    return fake_ts_enter(base, "storage_drop_cache");
}

int fake_xenstore_restore(struct xlm__toolstack *base, uint32_t domid,
                          const struct xlm__xsnodes *nodes)
{
    (void)domid;
    fake_ts_expect(base,
                   fake(base)->dst == FAKE_DST_BUILT ||
                       fake(base)->dst == FAKE_DST_READY,
                   "xenstore_restore: the guest may run already");
    fake(base)->nr_xsnodes = nodes->nr;
    return fake_ts_enter(base, "xenstore_restore");
}

int fake_restore_go(struct xlm__toolstack *base, bool *named_out)
{
    struct fake_toolstack *t = fake(base);
    int rc = fake_ts_enter(base, "restore_go");

    fake_ts_expect(base, t->dst == FAKE_DST_READY, "restore_go: not ready");
    if (rc)
        return rc;
    *named_out = !t->go_fails_cleanly;
    t->dst = *named_out ? FAKE_DST_NAMED : FAKE_DST_ABORTED;
    t->name[strcspn(t->name, "-")] = '\0';
    if (!*named_out)
        fake_ts_hv_set(t, false, false, false);
    return 0;
}

int fake_restore_abort(struct xlm__toolstack *base)
{
    struct fake_toolstack *t = fake(base);
    int rc = fake_ts_enter(base, "restore_abort");

    fake_ts_expect(base,
                   t->dst != FAKE_DST_NAMED || !t->hv || t->hv->info.paused,
                   "restore_abort: it runs");
    if (rc)
        return rc;
    if (t->dst != FAKE_DST_NONE) {
        t->dst = FAKE_DST_ABORTED;
        t->exists = false;
        atomic_store(&t->has_images, false);
        fake_ts_hv_set(t, false, false, false);
    }
    return 0;
}

int fake_guest_gap(struct xlm__toolstack *base, uint32_t domid,
                   uint32_t timeout_ms, int unless_fd, uint64_t *gap_us_out)
{
    struct pollfd unless = { .fd = unless_fd, .events = POLLIN };
    int rc = fake_ts_enter(base, "guest_gap");

    (void)domid, (void)timeout_ms;
    fake(base)->gap_waited = poll(&unless, 1, (int)fake(base)->gap_wait_ms) ==
                             0;
    *gap_us_out = fake(base)->gap_waited ? fake(base)->gap_us : 0;
    return rc;
}
