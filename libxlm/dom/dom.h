/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is particular to a type of guest: where its pages are, what has to be
 * done to a page before it can travel, and which state records it has.
 *
 * Source side only; the destination's part is mem/sink.h (memory) and a relay
 * of the records.  One thread at a time, except gfns() and page_out(), which
 * several sender threads may call at once, also while another member runs.
 *
 * State records are those of libxc's migration stream, v3 (xen.git
 * docs/specs/libxc-migration-stream.pandoc), type and body unchanged.
 */
#ifndef XLM_DOM_DOM_H
#define XLM_DOM_DOM_H

#include "hv/hv.h"

/* libxc record types that a source may emit. */
enum xlm__xc_record {
    XLM__XC_X86_PV_INFO = 0x02,
    XLM__XC_X86_PV_P2M_FRAMES = 0x03,
    XLM__XC_X86_PV_VCPU_BASIC = 0x04,
    XLM__XC_X86_PV_VCPU_EXTENDED = 0x05,
    XLM__XC_X86_PV_VCPU_XSAVE = 0x06,
    XLM__XC_SHARED_INFO = 0x07,
    XLM__XC_X86_TSC_INFO = 0x08,
    XLM__XC_HVM_CONTEXT = 0x09,
    XLM__XC_HVM_PARAMS = 0x0a,
    XLM__XC_X86_PV_VCPU_MSRS = 0x0c,
    XLM__XC_STATIC_DATA_END = 0x10,
    XLM__XC_X86_CPUID_POLICY = 0x11,
    XLM__XC_X86_MSR_POLICY = 0x12,
};

/* Takes one state record; returns 0 or an error that ends the emission. */
typedef int xlm__emit_fn(void *user, uint32_t type, const void *body,
                         size_t bytes);

enum xlm__page_fate {
    XLM__PAGE_SEND,  /* copy or map is as it has to travel                   */
    XLM__PAGE_DEFER, /* cannot travel while the guest runs: again later      */
};

struct xlm__dom;

struct xlm__dom_ops {
    void (*close)(struct xlm__dom *dom);

    /* Set in ram (nr_pfns bits, cleared by the caller) every pfn that has
     * memory now.  *nr_out is their number.  While the guest runs, pages may
     * come and go under the scan: ask again when it is suspended. */
    int (*ram)(struct xlm__dom *dom, uint64_t *ram, uint64_t *nr_out);

    /* gfn of each pfn, ~0 for none (nr <= XLM__MAP_MAX).  PV reads its p2m
     * again each time, and walks to it again if the guest moved it.
     * Errors: INCOMPATIBLE (the guest's p2m is not usable), HYPERVISOR. */
    int (*gfns)(struct xlm__dom *dom, size_t nr, const uint64_t *pfns,
                uint64_t *gfns_out);

    /* PV only: the pfn of a frame; false if it is not the domain's own. */
    bool (*pfn_of)(struct xlm__dom *dom, uint64_t gfn, uint64_t *pfn_out);

    /* Does a page of this type need page_out()?  Others go as they are. */
    bool (*needs_copy)(uint32_t type);

    /* Make in out what has to travel of page in, both of one page; the
     * guest may be writing to in.  live: the guest runs.
     * Errors: INCOMPATIBLE (names the pfn and what is wrong with it). */
    int (*page_out)(struct xlm__dom *dom, uint64_t pfn, uint32_t type,
                    const void *in, void *out, bool live,
                    enum xlm__page_fate *fate_out);

    /* Records before the first page: policies, PV info and p2m, end mark. */
    int (*emit_static)(struct xlm__dom *dom, xlm__emit_fn *emit, void *user);

    /* Records after the last page; the domain is suspended.  A PV guest that
     * moved its p2m since emit_static() gets a second X86_PV_P2M_FRAMES,
     * which comes first and which libxc's restore accepts. */
    int (*emit_tail)(struct xlm__dom *dom, xlm__emit_fn *emit, void *user);
};

struct xlm__dom {
    const struct xlm__dom_ops *ops;
    struct xlm__hv *hv; /* borrowed */
    uint32_t domid;
    uint64_t nr_pfns; /* size of the pfn space; bitmaps have this many bits  */
};

/*
 * Choose by the domain's own type.  Does not change the domain.
 * Errors: INCOMPATIBLE (32-bit PV, PV without a linear p2m), HYPERVISOR, NOMEM.
 */
int xlm__dom_open(struct xlm__hv *hv, const struct xlm__dominfo *info,
                  struct xlm__dom **dom_out);

#endif /* XLM_DOM_DOM_H */
