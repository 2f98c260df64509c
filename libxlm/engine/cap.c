/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/cap.h"

#include <string.h>

#include "base/log.h"

#define XLM_MODULE "cap"

int xlm__cap_record(struct xlm__toolstack *t, uint32_t domid,
                    const unsigned char uuid[16], uint32_t cap)
{
    struct xlm__mark m = { .domid = domid, .flags = cap };

    memcpy(m.uuid, uuid, sizeof(m.uuid));
    return t->ops->mark_set(t, XLM__MARK_SLOWED, &m);
}

/* Another scheduler by now, one without caps, has forgotten it by itself. */
static int give_back(struct xlm__hv *hv, uint32_t domid, uint32_t cap)
{
    struct xlm__sched now;
    int rc = hv->ops->sched_get(hv, domid, &now);

    if (rc || !now.has_cap || now.cap == cap)
        return rc;
    return hv->ops->cap_set(hv, domid, cap);
}

int xlm__cap_restore(struct xlm__hv *hv, struct xlm__toolstack *t,
                     uint32_t domid, const unsigned char uuid[16],
                     uint32_t *cap_out)
{
    struct xlm__dominfo info;
    struct xlm__mark m;
    bool marked, exists;
    int rc = t->ops->mark_get(t, XLM__MARK_SLOWED, uuid, &m, &marked);

    if (rc || !marked)
        return rc;
    rc = hv->ops->dominfo(hv, domid, &info, &exists);
    /* A domain of that uuid that was made since then never had our cap. */
    if (!rc && exists && m.domid == domid) {
        rc = give_back(hv, domid, m.flags);
        if (!rc)
            XLM_LOG(hv->err, INFO, "domain %u has its cap of %u %% again",
                    domid, m.flags);
        if (!rc && cap_out)
            *cap_out = m.flags;
    }
    if (!rc)
        t->ops->mark_clear(t, XLM__MARK_SLOWED, uuid);
    return rc;
}
