/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the simulated hypervisor of one host remembers: one file, mapped by
 * every process of that host.  All of it is under `lock` except where a field
 * says otherwise.
 *
 * Guest memory is a sparse file for each domain.  "idx" is a page's place in
 * that file; for a translated guest (PVH, HVM) it is the gfn.  A PV guest's
 * frames come from host chunks:
 *
 *   mfn   = chunk number * 4096 + page in chunk
 *   chunk 1 .. 63          the frames that Xen itself has for domain slot n
 *   chunk 64 ..            PV memory, chunk by chunk to domains
 *
 *   idx   0 ......................... XH_BASE ............. SLOT_PAGES
 *         | memory of the guest     | Xen's frames for it |
 */
#ifndef SIM_STATE_H
#define SIM_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The ABI of the toolstack, not of guests. */
#ifndef __XEN_TOOLS__
#define __XEN_TOOLS__ 1
#endif
#include <xen/xen.h>

#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>

/* Which Xen this is, told by the headers it is built with. */
#ifdef XEN_DOMCTL_set_llc_colors
#define SIM_XEN_MINOR 20
#else
#define SIM_XEN_MINOR 17
#endif

#define SIM_MAXDOM       64
#define SIM_MAXPORT      1024 /* a domain */
#define SIM_MAXVCPU      32
#define SIM_SLOT_SHIFT   24 /* 64 GiB a domain */
#define SIM_SLOT_PAGES   (1ul << SIM_SLOT_SHIFT)
#define SIM_CHUNK_SHIFT  12 /* 16 MiB */
#define SIM_CHUNK_PAGES  (1ul << SIM_CHUNK_SHIFT)
#define SIM_MAXCHUNK     (1u << (SIM_SLOT_SHIFT - SIM_CHUNK_SHIFT + 2))
#define SIM_XH_BASE      (SIM_SLOT_PAGES - SIM_CHUNK_PAGES)
#define SIM_MAXGRANT     64 /* grant table frames */
#define SIM_MAXCTX       65536
#define SIM_MAXLEAVES    128
#define SIM_MAXMSRS      16
#define SIM_MAXALIAS     80
#define SIM_MAXE820      128
#define SIM_MAXMAPPER    32
#define SIM_NO_SHUTDOWN  0xffu /* as Xen tells it */
#define SIM_NR_PARAMS    64
#define SIM_SCHED_WEIGHT 256 /* credit2's default */

/* Xen's frames for a domain, from SIM_XH_BASE on. */
enum sim_xen_frame {
    SIM_XF_SHARED_INFO = 0,
    SIM_XF_GRANT = 0x10,
    SIM_XF_IOREQ = 0x80, /* buffered, then synchronous */
};

/* One byte for each page. The upper bits are Xen's page types: an LTAB number
 * at bits 4 to 6, and "pinned" at 7, as XEN_DOMCTL_PFINFO_* shifted by 24. */
#define SIM_PAGE_PRESENT 0x01
#define SIM_PAGE_TYPE    0x70
#define SIM_PAGE_PINNED  0x80

enum sim_port_state {
    SIM_PORT_FREE,
    SIM_PORT_UNBOUND,
    SIM_PORT_INTERDOMAIN,
    SIM_PORT_VIRQ,
};

struct sim_port {
    uint8_t state;
    bool masked; /* told to its handle, and not unmasked since */
    bool again;  /* fired while masked                         */
    uint16_t virq;
    uint16_t remote_dom;
    uint32_t remote_port;
    uint32_t handle; /* of the process that listens; 0: nobody */
};

struct sim_vcpu {
    bool online;
    vcpu_guest_context_t ctx; /* HVM: the integer registers only */
};

struct sim_e820 {
    uint64_t addr, size;
    uint32_t type;
} __attribute__((packed));

struct sim_domain {
    bool used;
    uint32_t domid, slot;
    uint32_t incarnation; /* never used twice on this host */
    xen_domain_handle_t uuid;
    struct xen_domctl_createdomain create;

    uint32_t flags;         /* XEN_DOMINF_dying, _shutdown */
    uint32_t shutdown_code; /* SIM_NO_SHUTDOWN, or why */
    int32_t pause_count;
    uint32_t held; /* by a call that is going on, with the lock held */
    uint32_t max_vcpus;
    struct sim_vcpu vcpu[SIM_MAXVCPU];

    uint64_t tot_pages, max_pages, claimed_pages;
    uint64_t max_gfn;
    uint32_t nr_chunks; /* PV */
    uint32_t chunk[SIM_MAXCHUNK];
    uint64_t pv_next;             /* idx that was never given out */
    uint64_t pv_holes, pv_cursor; /* given back below that; where to look */
    uint64_t pod_target;          /* 0: no populate-on-demand */
    uint32_t address_bits;

    uint32_t tsc_mode, tsc_khz, tsc_incarnation;
    uint64_t tsc_ns;
    uint16_t sched_weight;
    uint64_t hvm_param[SIM_NR_PARAMS];
    uint64_t paging_bytes;
    uint32_t nr_leaves, nr_msrs;
    xen_cpuid_leaf_t leaves[SIM_MAXLEAVES];
    xen_msr_entry_t msrs[SIM_MAXMSRS];
    uint32_t hvm_ctx_bytes;
    uint8_t hvm_ctx[SIM_MAXCTX];
    uint32_t nr_e820;
    struct sim_e820 e820[SIM_MAXE820];
    uint32_t nr_alias;
    struct {
        uint64_t gfn, idx;
    } alias[SIM_MAXALIAS]; /* gfns at which Xen's frames appear */

    struct sim_port port[SIM_MAXPORT];
    uint32_t suspend_port;
    uint32_t nr_grant_frames;

    /* Any process may read these without the lock. */
    uint32_t log_dirty;
    uint32_t
        gate; /* futex: changes whenever the guest may start or must stop */
    uint32_t running[SIM_MAXVCPU + 1]; /* 1 in a quantum; last: the kernel's */
    uint64_t guest_seq;                /* written by the guest */
    uint16_t sched_cap;                /* percent of one CPU; 0: none */
    uint64_t cpu_ns;                   /* that its vCPUs have used */
    uint64_t cap_free_ns; /* until when the cap has paid for what they used */

    uint64_t dirty_carry;          /* in Xen's count, and not in its bitmap */
    int32_t mapper[SIM_MAXMAPPER]; /* processes that mapped it to write     */
    bool mappers_lost;             /* there were more than that             */
    int32_t guest_pid;             /* 0: no process plays this guest        */
    bool clock_runs;               /* the journal has a START               */
    bool started;                  /* it ran before: no guest, it crashed   */
};

struct sim_hv {
    uint32_t ready; /* 0, then SIM_XEN_MINOR: what follows depends on it */
    pthread_mutex_t lock; /* robust, between processes */
    uint32_t work;        /* futex: something to do for simxen-hvd */
    uint64_t total_pages, free_pages;
    uint32_t nr_cpus, nr_chunks;
    uint32_t warm_mb; /* 0: memory comes into being when it is touched */
    bool warm_made;
    bool pv_log_dirty;
    uint32_t sched_id;
    char host[32];
    char clock_dir[256]; /* empty: no journal */
    uint32_t next_domid, next_incarnation, next_handle;
    uint8_t chunk_owner[SIM_MAXCHUNK];  /* slot; 0: free */
    uint32_t chunk_index[SIM_MAXCHUNK]; /* place among its domain's */
    struct sim_domain dom[SIM_MAXDOM];
};

extern struct sim_hv *sim_hv;

static inline bool sim_is_hvm(const struct sim_domain *d)
{
    return d->create.flags & XEN_DOMCTL_CDF_hvm;
}

static inline bool sim_is_stopped(const struct sim_domain *d)
{
    return d->pause_count || d->held ||
           (d->flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying));
}

#endif
