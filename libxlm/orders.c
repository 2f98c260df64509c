/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What another thread may ask of a session that runs. */
#include "config.h"

#define XLM_MODULE "orders"
#include "engine/session.h"

/* 0 up to the state `last`. */
static int may_order(const struct xlm_session *s, enum xlm_state last)
{
    if (!s || s->role != XLM_SOURCE)
        return XLM_ERR_INVAL;
    return xlm_session_state(s) <= last ? 0 : XLM_ERR_STATE;
}

int xlm_session_set_downtime(struct xlm_session *s, uint32_t downtime_ms)
{
    int rc = may_order(s, XLM_STATE_PRECOPY);

    if (!rc)
        atomic_store(&s->downtime_ms, downtime_ms);
    return rc;
}

int xlm_session_set_bandwidth(struct xlm_session *s, uint64_t bandwidth_bytes_s)
{
    int rc = may_order(s, XLM_STATE_SWITCHOVER);

    if (!rc && xlm__session_sealed(s))
        rc = XLM_ERR_STATE;
    if (!rc)
        atomic_store(&s->bandwidth_bytes_s, bandwidth_bytes_s);
    return rc;
}

int xlm_session_switch_now(struct xlm_session *s)
{
    int rc = may_order(s, XLM_STATE_PRECOPY);

    if (!rc && xlm_session_state(s) != XLM_STATE_PRECOPY)
        rc = XLM_ERR_STATE;
    if (!rc)
        atomic_store(&s->switch_now, true);
    return rc;
}
