/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* State of the fake domain that is no memory. */
#include "config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_impl.h"

#define XLM_MODULE "fake"

static int copy_blob(struct xlm__hv *hv, const void *data, size_t bytes,
                     struct xlm__blob *out)
{
    out->data = NULL;
    out->bytes = 0;
    if (!bytes)
        return 0;
    out->data = malloc(bytes);
    if (!out->data)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "state");
    memcpy(out->data, data, bytes);
    out->bytes = bytes;
    return 0;
}

int fake_op_policy_get(struct xlm__hv *hv, uint32_t domid,
                       struct xlm__cpu_policy *out)
{
    const struct xlm__cpu_policy *p = &fake(hv)->policy;
    struct xlm__blob leaves = { 0 }, msrs = { 0 };
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    rc = copy_blob(hv, p->leaves, p->leaves_bytes, &leaves);
    if (!rc)
        rc = copy_blob(hv, p->msrs, p->msrs_bytes, &msrs);
    fake_leave(hv);
    if (rc) {
        free(leaves.data);
        return rc;
    }
    out->leaves = leaves.data;
    out->leaves_bytes = leaves.bytes;
    out->msrs = msrs.data;
    out->msrs_bytes = msrs.bytes;
    return 0;
}

int fake_op_policy_check(struct xlm__hv *hv,
                         const struct xlm__cpu_policy *policy, bool *ok_out,
                         char *why, size_t why_bytes)
{
    const char *refused = fake(hv)->policy_refused;
    int rc = fake_enter(hv, 0);

    (void)policy;
    if (rc)
        return rc;
    *ok_out = !refused;
    snprintf(why, why_bytes, "%s", refused ? refused : "");
    return fake_leave(hv);
}

int fake_op_sched_get(struct xlm__hv *hv, uint32_t domid,
                      struct xlm__sched *out)
{
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    *out = fake(hv)->sched;
    return fake_leave(hv);
}

int fake_op_cap_set(struct xlm__hv *hv, uint32_t domid, uint32_t cap)
{
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    if (!fake(hv)->sched.has_cap || cap > 100 * FAKE_NR_VCPUS)
        return fake_leave_fail(hv, "a cap that Xen would refuse");
    fake(hv)->sched.cap = cap;
    fake(hv)->nr_caps++;
    return fake_leave(hv);
}

int fake_op_tsc_get(struct xlm__hv *hv, uint32_t domid, struct xlm__tsc *out)
{
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    *out = fake(hv)->tsc;
    return fake_leave(hv);
}

int fake_op_hvm_context_get(struct xlm__hv *hv, uint32_t domid,
                            struct xlm__blob *out)
{
    const struct xlm__blob *b = &fake(hv)->hvm_context;
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    rc = copy_blob(hv, b->data, b->bytes, out);
    fake_leave(hv);
    return rc;
}

int fake_op_hvm_param_get(struct xlm__hv *hv, uint32_t domid, unsigned index,
                          uint64_t *out)
{
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    assert(index < FAKE_NR_PARAMS);
    *out = fake(hv)->hvm_params[index];
    return fake_leave(hv);
}

int fake_op_tsc_set(struct xlm__hv *hv, uint32_t domid,
                    const struct xlm__tsc *tsc)
{
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    if (!fake(hv)->info.paused)
        return fake_leave_fail(hv, "its TSC is set while it runs");
    fake(hv)->tsc = *tsc;
    return fake_leave(hv);
}

int fake_op_hvm_context_set(struct xlm__hv *hv, uint32_t domid,
                            const void *data, size_t bytes)
{
    struct fake_hv *f = fake(hv);
    void *copy;
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    if (!f->info.paused)
        return fake_leave_fail(hv, "its context is set while it runs");
    copy = malloc(bytes);
    if (!copy) {
        fake_leave(hv);
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "context");
    }
    memcpy(copy, data, bytes);
    free(f->hvm_context.data);
    f->hvm_context = (struct xlm__blob){ copy, bytes };
    return fake_leave(hv);
}

int fake_op_hvm_param_set(struct xlm__hv *hv, uint32_t domid, unsigned index,
                          uint64_t value)
{
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    assert(index < FAKE_NR_PARAMS);
    fake(hv)->hvm_params[index] = value;
    return fake_leave(hv);
}

int fake_op_pv_width(struct xlm__hv *hv, uint32_t domid, unsigned *out)
{
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    *out = fake(hv)->width;
    return fake_leave(hv);
}

int fake_op_pv_vcpu_online(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                           bool *out)
{
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    assert(vcpu < FAKE_NR_VCPUS);
    *out = fake(hv)->vcpu_online[vcpu];
    return fake_leave(hv);
}

int fake_op_pv_vcpu_get(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                        enum xlm__vcpu_state what, struct xlm__blob *out)
{
    const struct xlm__blob *b = &fake(hv)->vcpu[vcpu][what];
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    rc = copy_blob(hv, b->data, b->bytes, out);
    fake_leave(hv);
    return rc;
}

int fake_op_grants_written(struct xlm__hv *hv, uint32_t domid,
                           uint64_t **gfns_out, size_t *nr_out)
{
    int rc = fake_enter(hv, domid);

    *gfns_out = NULL;
    *nr_out = 0;
    if (rc)
        return rc;
    if (fake(hv)->nr_written) {
        *gfns_out = malloc(sizeof(fake(hv)->written));
        if (!*gfns_out)
            return fake_leave_fail(hv, "no memory");
        memcpy(*gfns_out, fake(hv)->written, sizeof(fake(hv)->written));
        *nr_out = fake(hv)->nr_written;
    }
    return fake_leave(hv);
}

int fake_op_grant_map(struct xlm__hv *hv, uint32_t domid, uint32_t ref,
                      const void **page_out)
{
    int rc = fake_enter(hv, domid);

    (void)ref;
    if (rc)
        return rc;
    if (!fake(hv)->grant)
        return fake_leave_fail(hv, "no such grant");
    *page_out = fake(hv)->grant;
    fake(hv)->nr_mapped++;
    return fake_leave(hv);
}

void fake_op_grant_unmap(struct xlm__hv *hv, const void *page)
{
    if (!page)
        return;
    pthread_mutex_lock(&fake(hv)->lock);
    fake(hv)->nr_mapped--;
    pthread_mutex_unlock(&fake(hv)->lock);
}
