/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of the fake hypervisor. */
#ifndef XLM_TESTS_FAKE_IMPL_H
#define XLM_TESTS_FAKE_IMPL_H

#include "fake_hv.h"

static inline struct fake_hv *fake(struct xlm__hv *hv)
{
    return (struct fake_hv *)hv;
}

/* Each op begins so, with the lock held on return 0, and ends by one of the
 * others.  domid 0: no domain is meant. */
int fake_enter(struct xlm__hv *hv, uint32_t domid);
int fake_leave(struct xlm__hv *hv);
int fake_leave_fail(struct xlm__hv *hv, const char *what);

/* fake_state.c */
int fake_op_sched_get(struct xlm__hv *hv, uint32_t domid,
                      struct xlm__sched *out);
int fake_op_cap_set(struct xlm__hv *hv, uint32_t domid, uint32_t cap);
int fake_op_policy_get(struct xlm__hv *hv, uint32_t domid,
                       struct xlm__cpu_policy *out);
int fake_op_policy_check(struct xlm__hv *hv,
                         const struct xlm__cpu_policy *policy, bool *ok_out,
                         char *why, size_t why_bytes);
int fake_op_tsc_get(struct xlm__hv *hv, uint32_t domid, struct xlm__tsc *out);
int fake_op_hvm_context_get(struct xlm__hv *hv, uint32_t domid,
                            struct xlm__blob *out);
int fake_op_hvm_param_get(struct xlm__hv *hv, uint32_t domid, unsigned index,
                          uint64_t *out);
int fake_op_tsc_set(struct xlm__hv *hv, uint32_t domid,
                    const struct xlm__tsc *tsc);
int fake_op_hvm_context_set(struct xlm__hv *hv, uint32_t domid,
                            const void *data, size_t bytes);
int fake_op_hvm_param_set(struct xlm__hv *hv, uint32_t domid, unsigned index,
                          uint64_t value);
int fake_op_pv_width(struct xlm__hv *hv, uint32_t domid, unsigned *out);
int fake_op_pv_vcpu_online(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                           bool *out);
int fake_op_pv_vcpu_get(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                        enum xlm__vcpu_state what, struct xlm__blob *out);
int fake_op_grants_written(struct xlm__hv *hv, uint32_t domid,
                           uint64_t **gfns_out, size_t *nr_out);
int fake_op_grant_map(struct xlm__hv *hv, uint32_t domid, uint32_t ref,
                      const void **page_out);
void fake_op_grant_unmap(struct xlm__hv *hv, const void *page);

/* fake_pv.c */
int fake_op_pv_populate(struct xlm__hv *hv, uint32_t domid, size_t nr,
                        const uint64_t *pfns, uint64_t *mfns_out,
                        bool *nomem_out);
int fake_op_pv_pin(struct xlm__hv *hv, uint32_t domid, size_t nr,
                   const struct xlm__pin *pins);
int fake_op_pv_vcpu_set(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                        enum xlm__vcpu_state what, const void *data,
                        size_t bytes);
int fake_op_pv_vcpu_reset(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu);

/* Under lock.  A frame for pfn, which has none. */
void fake_give_frame(struct fake_hv *f, uint64_t pfn);
/* Under lock.  A booted PV guest keeps its own list, and Xen logs that it
 * writes to it. */
void fake_update_p2m(struct fake_hv *f, uint64_t pfn);

#endif /* XLM_TESTS_FAKE_IMPL_H */
