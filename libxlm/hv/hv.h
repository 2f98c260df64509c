/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hypervisor, as far as a migration needs it.
 *
 * One implementation (hv_xen.c and its neighbours) sits on libxenctrl,
 * libxenguest, libxenforeignmemory and libxengnttab and is the only user of
 * them; tests bring another.  All functions may be called from any thread
 * except where a member says otherwise; all return 0 or a negative enum
 * xlm_error, after having recorded the failure in hv->err.
 *
 * "pfn" is the guest's pseudo-physical number; "gfn" what the foreign mapping
 * and getpageframeinfo3 take: the pfn of a translated guest (PVH, HVM), the
 * mfn of a PV guest.
 */
#ifndef XLM_HV_HV_H
#define XLM_HV_HV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

#define XLM__PAGE_SHIFT 12
#define XLM__PAGE_SIZE  4096u
#define XLM__MAP_MAX    1024u /* gfns a map() or page_types() call may name:  */
                              /* Xen's own limit for getpageframeinfo3        */

/* Page types as of XEN_DOMCTL_PFINFO_* (public/domctl.h), bits 31..28. */
#define XLM__PT_NOTAB    0x00000000u
#define XLM__PT_LTABMASK 0x70000000u
#define XLM__PT_LPINTAB  0x80000000u
#define XLM__PT_BROKEN   0xd0000000u
#define XLM__PT_XALLOC   0xe0000000u
#define XLM__PT_XTAB     0xf0000000u

struct xlm__dominfo {
    uint32_t domid;
    unsigned char uuid[16];
    bool hvm; /* translated: PVH or HVM                                */
    bool hap;
    bool paused; /* by the toolstack                                      */
    bool blocked, running;
    bool dying;
    bool shutdown;
    unsigned shutdown_reason; /* SHUTDOWN_* of public/sched.h               */
    uint32_t max_vcpu_id;
    uint32_t nr_online_vcpus;
    uint64_t tot_pages, max_pages, outstanding_pages;
    uint64_t shared_info_mfn;
    uint32_t cpupool;
    uint64_t cpu_ns; /* that its vCPUs have used                            */
};

/* What the scheduler of its cpupool lets a domain use. */
struct xlm__sched {
    const char *name; /* static                                             */
    bool has_cap;
    uint32_t cap; /* of all its vCPUs, in percent of one CPU; 0: none       */
};

struct xlm__hostinfo {
    uint32_t xen_major, xen_minor;
    char xen_version[64]; /* "4.17.7" */
    uint64_t free_pages, total_pages;
    uint32_t nr_cpus;
    bool hap, shadow; /* hypervisor capabilities, as XEN_SYSCTL_PHYSCAP_*   */
};

struct xlm__tsc {
    uint32_t mode, khz, incarnation;
    uint64_t nsec;
};

/* A CPU policy in libxenguest's serialised form.  Owned by the caller, who
 * frees leaves and msrs by free(). */
struct xlm__cpu_policy {
    bool hvm;     /* which of the host's maximum policies it has to fit into */
    void *leaves; /* xen_cpuid_leaf_t[]  */
    size_t leaves_bytes;
    void *msrs; /* xen_msr_entry_t[]     */
    size_t msrs_bytes;
};

/* One blob of vCPU state; data is freed by the caller with free(). */
struct xlm__blob {
    void *data;
    size_t bytes;
};

enum xlm__vcpu_state {                  /* what pv_vcpu_get() fetches */
                       XLM__VCPU_BASIC, /* vcpu_guest_context_x86_64_t, mfns not
                                           converted   */
                       XLM__VCPU_EXT,   /* xen_domctl_ext_vcpucontext   */
                       XLM__VCPU_XSAVE,
                       XLM__VCPU_MSRS, /* xen_domctl_vcpu_msr_t[] */
};

/* A page table of a PV domain that is to be pinned. */
struct xlm__pin {
    uint64_t mfn;
    unsigned level; /* 1 to 4 */
};

/* A read or write mapping of nr pages of a domain, contiguous at addr. */
struct xlm__map {
    void *addr;
    size_t nr;
};

struct xlm__hv;

struct xlm__hv_ops {
    void (*close)(struct xlm__hv *hv);

    /* --- about host and domain --- */
    int (*hostinfo)(struct xlm__hv *hv, struct xlm__hostinfo *out);
    /* Succeeds with *exists_out false if there is no such domain. */
    int (*dominfo)(struct xlm__hv *hv, uint32_t domid, struct xlm__dominfo *out,
                   bool *exists_out);
    /* First domain with this uuid other than `except`; 0 domid_out if none. */
    int (*find_uuid)(struct xlm__hv *hv, const unsigned char uuid[16],
                     uint32_t except, uint32_t *domid_out);
    int (*nr_pfns)(struct xlm__hv *hv, uint32_t domid, uint64_t *out);
    /* Pauses count: it runs when each was taken back.  A new domain has one,
     * which its toolstack takes back. */
    int (*pause)(struct xlm__hv *hv, uint32_t domid);
    int (*unpause)(struct xlm__hv *hv, uint32_t domid);

    int (*sched_get)(struct xlm__hv *hv, uint32_t domid,
                     struct xlm__sched *out);
    /* In percent of one CPU, 0 for none; nothing else is changed.  Fails if the
     * scheduler has no caps. */
    int (*cap_set)(struct xlm__hv *hv, uint32_t domid, uint32_t cap);

    /* --- memory --- */
    /* types: in gfns, out XLM__PT_* in the low 32 bits. nr <= XLM__MAP_MAX. */
    int (*page_types)(struct xlm__hv *hv, uint32_t domid, size_t nr,
                      uint64_t *gfns_types);
    /* errs[nr]: 0 or an errno value a page; the call succeeds all the same. */
    int (*map)(struct xlm__hv *hv, uint32_t domid, bool write, size_t nr,
               const uint64_t *gfns, int *errs, struct xlm__map *out);
    void (*unmap)(struct xlm__hv *hv, struct xlm__map *map);
    /* A handle of which there are close(), map() and unmap() only, and which
     * the kernel lets map this one domain's memory; the caller closes it.
     * *fd_out: the descriptor of which this is true, -1 if unknown.  NULL and
     * -1: there is none, which is no error. */
    int (*window)(struct xlm__hv *hv, uint32_t domid, struct xlm__hv **out,
                  int *fd_out);
    /* nr extents of 2^order pages, each at pfns[i].  *nomem_out: this host,
     * or the domain's limit, has no room for all of them, which is no error
     * (some of them may be there now); the caller may try smaller ones. */
    int (*populate)(struct xlm__hv *hv, uint32_t domid, unsigned order,
                    size_t nr, const uint64_t *pfns, bool *nomem_out);
    /* Give back single pages. */
    int (*depopulate)(struct xlm__hv *hv, uint32_t domid, size_t nr,
                      const uint64_t *gfns);
    /* Limit of the domain's memory; it may have more already. */
    int (*max_pages_set)(struct xlm__hv *hv, uint32_t domid, uint64_t pages);

    /* --- dirty logging --- */
    /* *refused_out: Xen has no log-dirty for this kind of domain
     * (EOPNOTSUPP); *busy_out: already on (EINVAL).  Neither is an error. */
    int (*logdirty_on)(struct xlm__hv *hv, uint32_t domid, bool *refused_out,
                       bool *busy_out);
    int (*logdirty_off)(struct xlm__hv *hv, uint32_t domid);
    /* Fetch and clear.  bitmap has room for nr_pfns bits, rounded up to 64.
     * *lost_out: Xen ran out of memory for its log (ENOMEM), the bitmap is
     * worthless, and logging must be restarted. */
    int (*logdirty_clean)(struct xlm__hv *hv, uint32_t domid, bool final,
                          uint64_t nr_pfns, uint64_t *bitmap, bool *lost_out);
    /* Paging (HAP or shadow) pool of the domain. */
    int (*paging_pool_get)(struct xlm__hv *hv, uint32_t domid,
                           uint64_t *bytes_out);
    int (*paging_pool_set)(struct xlm__hv *hv, uint32_t domid, uint64_t bytes);

    /* --- state of x86 domains --- */
    /* Leaves out->hvm alone. */
    int (*cpu_policy_get)(struct xlm__hv *hv, uint32_t domid,
                          struct xlm__cpu_policy *out);
    /* Would this host run a domain with that policy?  *ok_out; if not, why
     * names the leaf or MSR. */
    int (*cpu_policy_check)(struct xlm__hv *hv,
                            const struct xlm__cpu_policy *policy, bool *ok_out,
                            char *why, size_t why_bytes);
    int (*tsc_get)(struct xlm__hv *hv, uint32_t domid, struct xlm__tsc *out);
    int (*hvm_context_get)(struct xlm__hv *hv, uint32_t domid,
                           struct xlm__blob *out);
    int (*hvm_param_get)(struct xlm__hv *hv, uint32_t domid, unsigned index,
                         uint64_t *out);
    /* Of a domain that is paused. */
    int (*tsc_set)(struct xlm__hv *hv, uint32_t domid,
                   const struct xlm__tsc *tsc);
    int (*hvm_context_set)(struct xlm__hv *hv, uint32_t domid, const void *data,
                           size_t bytes);
    int (*hvm_param_set)(struct xlm__hv *hv, uint32_t domid, unsigned index,
                         uint64_t value);
    int (*pv_width)(struct xlm__hv *hv, uint32_t domid, unsigned *bytes_out);
    int (*pv_vcpu_online)(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                          bool *out);
    int (*pv_vcpu_get)(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                       enum xlm__vcpu_state what, struct xlm__blob *out);

    /* --- what a PV domain, paused, is built from --- */
    /* As populate(), single pages; their frames, worthless after *nomem_out. */
    int (*pv_populate)(struct xlm__hv *hv, uint32_t domid, size_t nr,
                       const uint64_t *pfns, uint64_t *mfns_out,
                       bool *nomem_out);
    /* Xen checks them and all that they lead to, which nobody may have mapped
     * for writing but the domain by what is not a page table. */
    int (*pv_pin)(struct xlm__hv *hv, uint32_t domid, size_t nr,
                  const struct xlm__pin *pins);
    /* As pv_vcpu_get() gave it, with frames of this domain; BASIC comes first,
     * once, and makes the vCPU online.  Errors: STREAM (no such length). */
    int (*pv_vcpu_set)(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                       enum xlm__vcpu_state what, const void *data,
                       size_t bytes);
    /* It has no context, nor the frames that this used, and is not online. */
    int (*pv_vcpu_reset)(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu);

    /* The whole machine-to-phys table, read only, one entry an mfn; entries
     * of memory that no domain has are anything.  Undone by unmap(). */
    int (*m2p_map)(struct xlm__hv *hv, struct xlm__map *map_out,
                   uint64_t *nr_mfns_out);

    /* gfns of pages that the domain has granted to another one, which has
     * mapped them for writing now, in any order; some may be there twice.
     * The caller frees *gfns_out. */
    int (*grants_written)(struct xlm__hv *hv, uint32_t domid,
                          uint64_t **gfns_out, size_t *nr_out);

    /* --- block rings: the first page of a granted shared ring --- */
    int (*grant_map)(struct xlm__hv *hv, uint32_t domid, uint32_t ref,
                     const void **page_out);
    void (*grant_unmap)(struct xlm__hv *hv, const void *page);
};

struct xlm__hv {
    const struct xlm__hv_ops *ops;
    struct xlm__errslot *err; /* borrowed */
};

/* As dominfo; a domain of another uuid, which was given that id since then, is
 * none. */
static inline int xlm__hv_dominfo_of(struct xlm__hv *hv, uint32_t domid,
                                     const unsigned char uuid[16],
                                     struct xlm__dominfo *out, bool *exists_out)
{
    int rc = hv->ops->dominfo(hv, domid, out, exists_out);

    if (!rc && *exists_out && memcmp(out->uuid, uuid, 16))
        *exists_out = false;
    return rc;
}

/* The real one.  Errors: HYPERVISOR (not a dom0, or no permission), NOMEM. */
int xlm__hv_open_xen(struct xlm__errslot *err, struct xlm__hv **hv_out);

#endif /* XLM_HV_HV_H */
