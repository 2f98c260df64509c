/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hypervisor for tests: one host with one domain, all of it in memory.
 *
 * The host is an array of frames; the domain has a p2m.  A translated domain's
 * gfn is its pfn, a PV domain's is its frame.  A frame that Xen hands out is
 * full of FAKE_SCRUB, as in a debug build of Xen.  Any number of hosts may
 * exist; source and destination of a test are two.  What a real Xen would
 * let pass but no right program does (populate a page twice, give back one
 * that is not there) is an error here.
 *
 * All functions may be called from any thread.
 */
#ifndef XLM_TESTS_FAKE_HV_H
#define XLM_TESTS_FAKE_HV_H

#include <pthread.h>

#include "hv/hv.h"

#define FAKE_SCRUB 0xc2
#define FAKE_NONE  UINT64_MAX
/* Where fake_pv_boot() puts what has a fixed place: pfns, and the p2m's
 * address in the guest. */
#define FAKE_PV_L1      90u
#define FAKE_PV_L2      91u
#define FAKE_PV_L3      92u
#define FAKE_PV_L4      93u
#define FAKE_PV_START   94u
#define FAKE_PV_GDT     95u
#define FAKE_PV_STORE   96u
#define FAKE_PV_CONSOLE 97u
#define FAKE_PV_LEAVES  100u
#define FAKE_PV_VADDR   0xffffc90000000000ull

#define FAKE_NR_PARAMS 64
#define FAKE_NR_VCPUS  4

struct fake_hv_config {
    uint32_t domid; /* 0: 1          */
    bool pv;
    uint64_t nr_pfns;
    uint64_t nr_frames; /* 0: nr_pfns + 64 */
};

struct fake_hv {
    struct xlm__hv base; /* must be first */
    pthread_mutex_t lock;

    /* --- the host --- */
    int memfd;
    unsigned char *frames; /* all of them, then the M2P */
    uint64_t *m2p;
    uint64_t nr_frames, free_frames;
    uint64_t *used; /* bitmap of frames */
    unsigned xen_major, xen_minor;

    /* --- the domain --- */
    struct xlm__dominfo info;
    unsigned nr_pauses; /* besides the one that info.paused tells */
    bool exists;
    uint32_t copy; /* a suspended domain of its uuid that is found first; 0: */
                   /* there is none                                         */
    struct xlm__sched sched; /* credit2, unless a test says otherwise */
    unsigned nr_caps;        /* times that its cap was set */
    uint64_t nr_pfns;
    uint64_t nr_slots;  /* of p2m and types: some that a PV domain's builder */
                        /* may put behind its pages                          */
    uint64_t *p2m;      /* FAKE_NONE: no memory */
    uint32_t *types;    /* by pfn */
    uint64_t *dirty;    /* bitmap of pfns */
    uint64_t *unlogged; /* new since the last CLEAN: writes are not seen */
    bool logging;
    uint64_t pool_bytes;
    unsigned width;
    struct xlm__cpu_policy policy;
    struct xlm__tsc tsc;
    struct xlm__blob hvm_context;
    uint64_t hvm_params[FAKE_NR_PARAMS];
    struct xlm__blob vcpu[FAKE_NR_VCPUS][4]; /* [.][enum xlm__vcpu_state] */
    bool vcpu_online[FAKE_NR_VCPUS];
    const void *grant;   /* what grant_map() gives for any ref */
    uint64_t written[4]; /* gfns that a back end has mapped for writing */
    size_t nr_written;
    uint64_t shared_frame;
    bool booted; /* PV: its p2m is its own */

    /* --- faults a test may set --- */
    unsigned fail_call;    /* op number that fails (1 = the next), 0: none */
    unsigned fail_unpause; /* the same of unpause                        */
    unsigned fail_limit;   /* the same of max_pages_set                  */
    bool refuse_logdirty;  /* as a Xen without shadow paging for PV        */
    unsigned lose_logs;    /* so many CLEANs from now on fail with ENOMEM  */
    bool no_superpages;
    uint64_t bad_gfn; /* maps with bad_errno; FAKE_NONE: none             */
    int bad_errno;
    const char *policy_refused; /* why cpu_policy_check() says no         */

    /* --- what happened --- */
    unsigned calls;
    unsigned nr_mapped; /* live mappings: 0 at the end, or something leaks */
    unsigned nr_type_calls, nr_map_calls, nr_on, nr_off;
    unsigned nr_populate_4k, nr_populate_2m; /* extents */
};

struct fake_hv *fake_hv_new(struct xlm__errslot *err,
                            const struct fake_hv_config *config);
void fake_hv_free(struct fake_hv *f);

/* The domain's page, NULL if there is none. */
unsigned char *fake_page(struct fake_hv *f, uint64_t pfn);
/* Memory appears (zeroed; logged as Xen does) or goes, as by ballooning. */
void fake_add(struct fake_hv *f, uint64_t pfn, uint64_t nr);
void fake_remove(struct fake_hv *f, uint64_t pfn, uint64_t nr);
/* One page, if the domain's limit allows it. */
bool fake_grow(struct fake_hv *f, uint64_t pfn);
/* The guest writes. */
void fake_write(struct fake_hv *f, uint64_t pfn, size_t offset,
                const void *data, size_t bytes);
/* Fill a page with a pattern made of seed, and mark it dirty. */
void fake_fill(struct fake_hv *f, uint64_t pfn, uint64_t seed);

/* Make state blobs: own copies. */
void fake_set_blob(struct xlm__blob *blob, const void *data, size_t bytes);
void fake_set_policy(struct fake_hv *f, const void *leaves, size_t leaves_bytes,
                     const void *msrs, size_t msrs_bytes);

/* Give a PV domain its shared info page, as Xen does. */
void fake_pv_create(struct fake_hv *f);
/*
 * Give a PV domain, whose pages from 0 up to some number are there, a p2m,
 * page tables that lead to it, a shared info page and one vcpu.
 */
void fake_pv_boot(struct fake_hv *f);
/* Event channels at the destination. */
#define FAKE_PV_STORE_PORT   11u
#define FAKE_PV_CONSOLE_PORT 12u
/* What libxl's helper does with PAGE_DATA that is all contents, and at the end
 * with vcpu 0's X86_PV_VCPU_BASIC and with X86_PV_P2M_FRAMES. */
void fake_pv_page_data(struct fake_hv *f, const void *body);
void fake_pv_complete(struct fake_hv *f, const void *vcpu0, const void *p2m);
/* The guest puts leaf page number `leaf` of its p2m at page pfn instead. */
void fake_pv_move_leaf(struct fake_hv *f, size_t leaf, uint64_t pfn);
/* The guest writes its p2m again, as Xen has it; no leaf was moved. */
void fake_pv_rewrite(struct fake_hv *f);
/* struct arch_shared_info of public/arch-x86/xen.h, for the test to spoil. */
struct arch_shared_info;
struct arch_shared_info *fake_pv_shared(struct fake_hv *f);
/* The frame a pfn is in now. */
uint64_t fake_frame(struct fake_hv *f, uint64_t pfn);

#endif /* XLM_TESTS_FAKE_HV_H */
