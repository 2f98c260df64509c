/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/setting.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"

#define XLM_MODULE "setting"

static int gone(struct xlm__hv *hv, uint32_t domid)
{
    return XLM_FAIL(hv->err, XLM_ERR_GUEST_ENDED, "domain %u is gone", domid);
}

/* ---- CPU ---- */

static int cap_get(struct xlm__hv *hv, uint32_t domid, uint32_t *value_out)
{
    struct xlm__sched now;
    int rc = hv->ops->sched_get(hv, domid, &now);

    if (!rc)
        *value_out = now.cap;
    return rc;
}

/* Another scheduler by now, one without caps, has forgotten it by itself. */
static int cap_give_back(struct xlm__hv *hv, uint32_t domid, uint32_t cap)
{
    struct xlm__sched now;
    int rc = hv->ops->sched_get(hv, domid, &now);

    if (rc || !now.has_cap || now.cap == cap)
        return rc;
    return hv->ops->cap_set(hv, domid, cap);
}

/* ---- memory ---- */

static int limit_get(struct xlm__hv *hv, uint32_t domid, uint32_t *value_out)
{
    struct xlm__dominfo info;
    bool exists;
    int rc = hv->ops->dominfo(hv, domid, &info, &exists);

    if (rc || !exists)
        return rc ? rc : gone(hv, domid);
    *value_out = (uint32_t)info.max_pages; /* Xen has no more bits for it */
    return 0;
}

/* Another limit than ours is somebody's who came later. */
static int limit_give_back(struct xlm__hv *hv, uint32_t domid, uint32_t pages)
{
    uint32_t now;
    int rc = limit_get(hv, domid, &now);

    if (rc || now != XLM__NO_GROWTH)
        return rc;
    return hv->ops->max_pages_set(hv, domid, pages);
}

/* ---- either ---- */

static const struct {
    enum xlm__mark_kind mark;
    const char *what;
    int (*get)(struct xlm__hv *hv, uint32_t domid, uint32_t *value_out);
    int (*give_back)(struct xlm__hv *hv, uint32_t domid, uint32_t value);
} settings[] = {
    [XLM__SETTING_CAP] = { XLM__MARK_SLOWED, "cap in percent", cap_get,
                           cap_give_back },
    [XLM__SETTING_LIMIT] = { XLM__MARK_LIMITED, "limit in pages", limit_get,
                             limit_give_back },
};

int xlm__setting_record(struct xlm__hv *hv, struct xlm__toolstack *t,
                        enum xlm__setting setting, uint32_t domid,
                        const unsigned char uuid[16])
{
    struct xlm__mark m = { .domid = domid };
    int rc = settings[setting].get(hv, domid, &m.flags);

    if (rc)
        return rc;
    memcpy(m.uuid, uuid, sizeof(m.uuid));
    return t->ops->mark_set(t, settings[setting].mark, &m);
}

int xlm__setting_restore(struct xlm__hv *hv, struct xlm__toolstack *t,
                         enum xlm__setting setting, uint32_t domid,
                         const unsigned char uuid[16])
{
    const enum xlm__mark_kind kind = settings[setting].mark;
    struct xlm__dominfo info;
    struct xlm__mark m;
    bool marked, exists;
    int rc = t->ops->mark_get(t, kind, uuid, &m, &marked);

    if (rc || !marked)
        return rc;
    rc = xlm__hv_dominfo_of(hv, domid, uuid, &info, &exists);
    /* A domain that was made since then was never changed. */
    if (!rc && exists && m.domid == domid) {
        rc = settings[setting].give_back(hv, domid, m.flags);
        if (!rc)
            XLM_LOG(hv->err, INFO, "domain %u has its %s again: %" PRIu32,
                    domid, settings[setting].what, m.flags);
    }
    if (!rc)
        t->ops->mark_clear(t, kind, uuid);
    return rc;
}

int xlm__settings_restore(struct xlm__hv *hv, struct xlm__toolstack *t,
                          uint32_t domid, const unsigned char uuid[16])
{
    int first = 0, rc;

    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
        rc = xlm__setting_restore(hv, t, (enum xlm__setting)i, domid, uuid);
        first = first ? first : rc;
    }
    return first;
}
