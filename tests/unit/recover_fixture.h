/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host with a domain and a mark, for the tests of recovery. */
#ifndef XLM_TESTS_RECOVER_FIXTURE_H
#define XLM_TESTS_RECOVER_FIXTURE_H

#include "engine/host.h"
#include "engine/recover.h"
#include "fake_toolstack.h"
#include "unit.h"

static const unsigned char session[16] = { 0xab, 0xcd };

/* One host, at either end. */
struct host {
    struct xlm__errslot err;
    struct fake_hv *hv;
    struct fake_toolstack ts;
    struct xlm__mark sent;
    enum xlm__copy copy;
    char told[XLM__TOLD_MAX];
};

static inline void open_any(struct host *h)
{
    const struct fake_hv_config config = { .nr_pfns = 64 };

    memset(h, 0, sizeof(*h));
    xlm__errslot_init(&h->err, NULL, NULL, XLM_LOG_DEBUG);
    h->hv = fake_hv_new(&h->err, &config);
    fake_toolstack_init(&h->ts, &h->err, XLM__TYPE_HVM);
    h->ts.hv = h->hv;
    memcpy(h->hv->info.uuid, h->ts.uuid, 16);
}

static inline void host_close(struct host *h)
{
    CU_ASSERT_EQUAL(h->ts.wrong, 0);
    fake_toolstack_free(&h->ts);
    pthread_mutex_destroy(&h->ts.lock);
    fake_hv_free(h->hv);
    xlm__errslot_destroy(&h->err);
}

static inline void mark(struct host *h, enum xlm__mark_kind kind,
                        uint32_t phase)
{
    struct xlm__mark *m = &h->ts.mark[kind];

    h->ts.marked[kind] = true;
    memcpy(m->uuid, h->ts.uuid, 16);
    memcpy(m->session, session, 16);
    xlm__host_boot_id(m->boot);
    m->domid = 1;
    m->phase = phase;
    m->flags = kind == XLM__MARK_SENT ? XLM__MARK_DEVICE_MODEL : 0;
    snprintf(m->peer, sizeof(m->peer), "hostb");
    snprintf(m->name, sizeof(m->name), "guest");
}

#endif /* XLM_TESTS_RECOVER_FIXTURE_H */
