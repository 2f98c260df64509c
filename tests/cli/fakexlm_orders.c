/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The imitation of libxlm: what other threads may call.  With $FAKE_XLM
 * "wait-permitted" cancelling comes too late. */
#include "config.h"

#include "fakexlm.h"

#include <stdio.h>

void fakexlm_show(struct xlm_session *s)
{
    pthread_mutex_lock(&s->lock);
    s->shown = s->stats;
    pthread_mutex_unlock(&s->lock);
}

int xlm_domain_uuid(uint32_t domid, char uuid_out[XLM_UUID_MAX],
                    char message_out[XLM_MESSAGE_MAX])
{
    if (domid != 7) {
        snprintf(message_out, XLM_MESSAGE_MAX, "no domain %u", domid);
        return XLM_ERR_INVAL;
    }
    snprintf(uuid_out, XLM_UUID_MAX, FAKE_UUID);
    return 0;
}

int xlm_session_cancel(struct xlm_session *s)
{
    s->cancelled = 1;
    return is("wait-permitted") ? XLM_ERR_STATE : 0;
}

int xlm_session_set_downtime(struct xlm_session *s, uint32_t downtime_ms)
{
    if (s->state > XLM_STATE_PRECOPY)
        return XLM_ERR_STATE;
    s->downtime_ms = downtime_ms;
    return 0;
}

int xlm_session_set_bandwidth(struct xlm_session *s, uint64_t bandwidth_bytes_s)
{
    if (s->state > XLM_STATE_SWITCHOVER || is("wait-permitted"))
        return XLM_ERR_STATE;
    s->limit_bytes_s = bandwidth_bytes_s;
    return 0;
}

int xlm_session_switch_now(struct xlm_session *s)
{
    if (s->state != XLM_STATE_PRECOPY)
        return XLM_ERR_STATE;
    s->switched = 1;
    return 0;
}

enum xlm_state xlm_session_state(const struct xlm_session *s)
{
    return s->state;
}

int xlm_session_stats(struct xlm_session *s, struct xlm_stats *stats_out)
{
    size_t size = stats_out->size;

    if (size != sizeof(*stats_out))
        return XLM_ERR_INVAL;
    pthread_mutex_lock(&s->lock);
    *stats_out = s->shown;
    pthread_mutex_unlock(&s->lock);
    stats_out->size = size;
    stats_out->limit_bytes_s = s->limit_bytes_s;
    stats_out->downtime_ms = s->downtime_ms;
    stats_out->switch_asked = s->switched;
    return 0;
}
