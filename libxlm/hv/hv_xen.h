/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of the Xen implementation of hv.h, one file a subject:
 * hv_xen.c (open, host, domain), hv_xen_mem.c, hv_xen_window.c,
 * hv_xen_logdirty.c, hv_xen_state.c (CPU policy, HVM, TSC), hv_xen_pv.c,
 * hv_xen_sched.c, hv_xen_grant.c.
 */
#ifndef XLM_HV_HV_XEN_H
#define XLM_HV_HV_XEN_H

#include <errno.h>
#include <pthread.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>
#include <xentoollog.h>

#include "hv/hv.h"

/* Arrays of uint64_t are handed to Xen's libraries as they are. */
_Static_assert(sizeof(xen_pfn_t) == sizeof(uint64_t), "x86-64 only");

/* Xen's libraries log here; see hv_xen_log.c. */
struct xlm__hv_log {
    xentoollog_logger vtable; /* must be first */
    struct xlm__errslot *err;
    pthread_mutex_t lock; /* protects last */
    char last[200];       /* newest message of level ERROR or above */
};

void xlm__hv_log_init(struct xlm__hv_log *log, struct xlm__errslot *err);
void xlm__hv_log_destroy(struct xlm__hv_log *log);
/* Copy the newest error message to text and forget it. */
void xlm__hv_log_take(struct xlm__hv_log *log, char *text, size_t size);

struct xlm__hv_xen {
    struct xlm__hv base; /* must be first */
    struct xlm__hv_log log;
    xc_interface *xch;
    xenforeignmemory_handle *fmem;
    pthread_mutex_t gnt_lock; /* protects gnt, opened on first use */
    xengnttab_handle *gnt;
};

static inline struct xlm__hv_xen *xlm__hv_xen(struct xlm__hv *hv)
{
    return (struct xlm__hv_xen *)hv;
}

/* Members of struct xlm__hv_ops. */
int xlm__xen_page_types(struct xlm__hv *hv, uint32_t domid, size_t nr,
                        uint64_t *gfns_types);
int xlm__xen_map(struct xlm__hv *hv, uint32_t domid, bool write, size_t nr,
                 const uint64_t *gfns, int *errs, struct xlm__map *out);
void xlm__xen_unmap(struct xlm__hv *hv, struct xlm__map *map);
int xlm__xen_window(struct xlm__hv *hv, uint32_t domid, struct xlm__hv **out,
                    int *fd_out);
int xlm__xen_populate(struct xlm__hv *hv, uint32_t domid, unsigned order,
                      size_t nr, const uint64_t *pfns, bool *nomem_out);
int xlm__xen_max_pages_set(struct xlm__hv *hv, uint32_t domid, uint64_t pages);
int xlm__xen_depopulate(struct xlm__hv *hv, uint32_t domid, size_t nr,
                        const uint64_t *pfns);
int xlm__xen_grants_written(struct xlm__hv *hv, uint32_t domid,
                            uint64_t **gfns_out, size_t *nr_out);
int xlm__xen_m2p_map(struct xlm__hv *hv, struct xlm__map *map_out,
                     uint64_t *nr_mfns_out);
int xlm__xen_grant_map(struct xlm__hv *hv, uint32_t domid, uint32_t ref,
                       const void **page_out);
void xlm__xen_grant_unmap(struct xlm__hv *hv, const void *page);

int xlm__xen_sched_get(struct xlm__hv *hv, uint32_t domid,
                       struct xlm__sched *out);
int xlm__xen_cap_set(struct xlm__hv *hv, uint32_t domid, uint32_t cap);

int xlm__xen_logdirty_on(struct xlm__hv *hv, uint32_t domid, bool *refused_out,
                         bool *busy_out);
int xlm__xen_logdirty_off(struct xlm__hv *hv, uint32_t domid);
int xlm__xen_logdirty_clean(struct xlm__hv *hv, uint32_t domid, bool final,
                            uint64_t nr_pfns, uint64_t *bitmap, bool *lost_out);
int xlm__xen_paging_pool_get(struct xlm__hv *hv, uint32_t domid,
                             uint64_t *bytes_out);
int xlm__xen_paging_pool_set(struct xlm__hv *hv, uint32_t domid,
                             uint64_t bytes);

int xlm__xen_cpu_policy_get(struct xlm__hv *hv, uint32_t domid,
                            struct xlm__cpu_policy *out);
int xlm__xen_cpu_policy_check(struct xlm__hv *hv,
                              const struct xlm__cpu_policy *policy,
                              bool *ok_out, char *why, size_t why_bytes);
int xlm__xen_tsc_get(struct xlm__hv *hv, uint32_t domid, struct xlm__tsc *out);
int xlm__xen_hvm_context_get(struct xlm__hv *hv, uint32_t domid,
                             struct xlm__blob *out);
int xlm__xen_hvm_param_get(struct xlm__hv *hv, uint32_t domid, unsigned index,
                           uint64_t *out);

int xlm__xen_tsc_set(struct xlm__hv *hv, uint32_t domid,
                     const struct xlm__tsc *tsc);
int xlm__xen_hvm_context_set(struct xlm__hv *hv, uint32_t domid,
                             const void *data, size_t bytes);
int xlm__xen_hvm_param_set(struct xlm__hv *hv, uint32_t domid, unsigned index,
                           uint64_t value);

/* After a failed populate.  EBUSY is libxc's own word for "Xen gave fewer than
 * wanted". */
static inline bool xlm__xen_is_nomem(void)
{
    return errno == EBUSY || errno == ENOMEM;
}

int xlm__xen_pv_width(struct xlm__hv *hv, uint32_t domid, unsigned *bytes_out);
int xlm__xen_pv_vcpu_online(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                            bool *out);
int xlm__xen_pv_vcpu_get(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                         enum xlm__vcpu_state what, struct xlm__blob *out);
/* hv_xen_build.c */
int xlm__xen_pv_populate(struct xlm__hv *hv, uint32_t domid, size_t nr,
                         const uint64_t *pfns, uint64_t *mfns_out,
                         bool *nomem_out);
int xlm__xen_pv_pin(struct xlm__hv *hv, uint32_t domid, size_t nr,
                    const struct xlm__pin *pins);
int xlm__xen_pv_vcpu_set(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                         enum xlm__vcpu_state what, const void *data,
                         size_t bytes);
int xlm__xen_pv_vcpu_reset(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu);

#endif /* XLM_HV_HV_XEN_H */
