/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libsimxen: a hypervisor in shared memory.
 *
 * Functions return 0 or a negative errno, as Xen does, unless they say
 * otherwise.  "Locked": the caller holds sim_lock().
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <sys/stat.h>

#include "stubs/hv/state.h"

/* --- attach.c: the state of this host ------------------------------------ */

/* Maps the state in $SIMXEN_STATE, making it if it is not there.  -ENODEV
 * without SIMXEN_STATE. Any thread, any number of times. */
int sim_attach(void);
/* Name of a file of the state; false: too long. */
bool sim_path(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void sim_lock(void);
void sim_unlock(void);
/* Locked. NULL: there is no such domain. DOMID_SELF is dom0. */
struct sim_domain *sim_domain(uint32_t domid);
void sim_futex_wake(uint32_t *word);
/* Returns when *word is no longer `seen`, or after that time, or earlier. */
void sim_futex_wait(uint32_t *word, uint32_t seen, int timeout_ms);

/* --- log.c ---------------------------------------------------------------- */

extern bool sim_log_on;
void sim_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line for that file of the state, with SIMXEN_LOG or without. */
void sim_note(const char *file, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Says once a process and name that a call is not simulated. */
void sim_unsupported(const char *name);
const char *sim_process(void); /* its name */

/* --- fault.c -------------------------------------------------------------- */

enum sim_fault_kind {
    SIM_FAULT_NONE,
    SIM_FAULT_ERRNO,
    SIM_FAULT_SHORT,  /* half of it is done, if it may do a part */
    SIM_FAULT_NOTHING /* none of it is done, and that is no error */
};

struct sim_fault {
    enum sim_fault_kind kind;
    int err;         /* SIM_FAULT_ERRNO: positive */
    bool kill_after; /* to be done by sim_fault_end() */
};

/* Applies SIMXEN_FAULT to a call. May sleep, or end the process. */
struct sim_fault sim_fault_begin(const char *call);
void sim_fault_end(const struct sim_fault *f);

/* --- cost.c --------------------------------------------------------------- */

enum sim_cost { SIM_COST_MAP, SIM_COST_CLEAN, SIM_COST_PEEK, SIM_NR_COSTS };
/* Takes as long as SIMXEN_COST says, so many times. */
void sim_charge(enum sim_cost what, uint64_t times);

/* --- profile.c -------------------------------------------------------------
 */

/* Around what is done for a caller; nestable. */
void sim_profile_begin(void);
void sim_profile_end(bool maps_to_write);
/* More flags for mmap() on behalf of a caller. */
int sim_profile_map_flags(void);

/* --- frames.c: tables of a domain's pages --------------------------------- */

struct sim_tables {
    int fd;          /* the memory file          */
    uint8_t *page;   /* SIM_PAGE_* by idx        */
    uint64_t *dirty; /* bitmap by gfn or PV pfn  */
    uint64_t *fresh; /* likewise: not logged yet */
    uint8_t *mem;    /* all of its memory, by idx, to read and write */
};

/* Of this process; valid until the domain is gone. NULL: out of memory or
 * files. */
const struct sim_tables *sim_tables(const struct sim_domain *d);
/* Where the guest's frame (gfn or mfn) is. -EINVAL: nowhere. Locked. */
int sim_frame_to_idx(const struct sim_domain *d, uint64_t frame,
                     uint64_t *idx_out);
uint64_t sim_idx_to_mfn(const struct sim_domain *d, uint64_t idx);
uint64_t sim_xen_frame(const struct sim_domain *d, unsigned which);
/* gfn or PV pfn of a page, by which dirty bits are kept; false: none. */
bool sim_idx_to_pfn(const struct sim_domain *d, uint64_t idx,
                    uint64_t *pfn_out);
void sim_drop_page(const struct sim_domain *d, uint64_t idx);
void sim_remove_tables(const struct sim_domain *d);

/* --- warm.c: memory that was touched before ------------------------------- */

/* The domain's memory is to be that, if there is some.  Before its tables. */
void sim_warm_take(const struct sim_domain *d);
/* Its memory is kept for another; false: it is not. */
bool sim_warm_give(const struct sim_domain *d);
/* For simxen-hvd, locked: a process that makes some, or 0. */
pid_t sim_warm_tend(void);

/* m2p: by mfn. */
int sim_m2p_fd(void);
void sim_m2p_set(uint64_t mfn, uint64_t pfn);
uint64_t sim_m2p_get(uint64_t mfn);

/* --- map.c: other processes' views of memory ------------------------------ */

/* Addresses "raw" pages by idx, as a resource or a grant does. */
#define SIM_MAP_RAW 0x80000000u
/* Negative errno values in errs. NULL with errno: nothing was mapped. */
void *sim_map(uint32_t domid, void *addr, int prot, int flags, size_t nr,
              const uint64_t *frames, int *errs);

/* --- dirty.c ---------------------------------------------------------------
 */

static inline void sim_mark_pfn(const struct sim_domain *d,
                                const struct sim_tables *t, uint64_t pfn)
{
    const uint64_t bit = UINT64_C(1) << pfn % 64, at = pfn / 64;

    if (__atomic_load_n(&d->log_dirty, __ATOMIC_RELAXED) &&
        !(__atomic_load_n(&t->dirty[at], __ATOMIC_RELAXED) & bit) &&
        !(__atomic_load_n(&t->fresh[at], __ATOMIC_RELAXED) & bit))
        __atomic_fetch_or(&t->dirty[at], bit, __ATOMIC_ACQ_REL);
}

void sim_mark_idx(const struct sim_domain *d, uint64_t idx);
/* Calls found() for each range that the process maps of the file, to write;
 * false: cannot tell. */
bool sim_each_mapped(int32_t pid, const struct stat *st,
                     void (*found)(uint64_t idx, uint64_t nr, void *arg),
                     void *arg);
/* Locked. A translated domain has got this page. */
void sim_note_fresh(const struct sim_domain *d, const struct sim_tables *t,
                    uint64_t gfn);
/* Locked. This process can write to pages of d from now on. */
void sim_note_mapper(struct sim_domain *d);
long sim_shadow_op(struct sim_domain *d, struct xen_domctl_shadow_op *op);

/* --- domain.c --------------------------------------------------------------
 */

long sim_domain_create(struct xen_domctl *op);
/* All locked, and synchronous: no vCPU runs when they return. */
void sim_domain_pause(struct sim_domain *d);
long sim_domain_unpause(struct sim_domain *d);
void sim_domain_shutdown(struct sim_domain *d, unsigned reason);
void sim_domain_destroy(struct sim_domain *d);
void sim_domain_resume(struct sim_domain *d);
void sim_domain_info(struct sim_domain *d,
                     struct xen_domctl_getdomaininfo *out);
/* Stops its vCPUs for a moment, with locks held; nestable. */
void sim_domain_hold(struct sim_domain *d);
void sim_domain_release(struct sim_domain *d);

/* --- quantum.c: a guest's threads run only between these -------------------
 */

/* Waits until the domain may run. false: it is gone. Slot: vCPU number, or
 * SIM_MAXVCPU for the kernel's own thread. */
bool sim_enter(struct sim_domain *d, uint32_t incarnation, unsigned slot);
bool sim_try_enter(struct sim_domain *d, uint32_t incarnation, unsigned slot);
void sim_leave(struct sim_domain *d, unsigned slot);
/* Waits until none is between them. Locked. */
void sim_quiesce(struct sim_domain *d);

/* --- sched.c
 * ----------------------------------------------------------------- */

/* "credit2", "credit", "null"; XEN_SCHEDULER_*. */
uint32_t sim_sched_by_name(const char *name);
struct xen_sysctl_scheduler_op;
long sim_sched_domain(struct sim_domain *d, struct xen_domctl_scheduler_op *op);
long sim_sched_pool(struct xen_sysctl_scheduler_op *op);
/* A vCPU has used so much CPU time. */
void sim_sched_charge(struct sim_domain *d, uint64_t ns);
/* Outside of a quantum: until the domain's cap lets a vCPU run. */
void sim_sched_wait(const struct sim_domain *d, uint32_t incarnation);

/* --- clock.c: journal of run intervals -------------------------------------
 */

/* Locked. Writes START or STOP if that is news. */
void sim_clock_update(struct sim_domain *d, bool runs);
/* A line of the guest's own: "BOOT" or "SEQ". */
void sim_clock_note(const struct sim_domain *d, const char *what, uint64_t seq);

/* --- the other hypercalls, by their numbers --------------------------------
 */

long sim_hypercall(unsigned op, const uint64_t *args);
long sim_xen_version(unsigned cmd, void *arg);
struct xen_sysctl;
long sim_sysctl(struct xen_sysctl *op);
long sim_domctl(struct xen_domctl *op);
long sim_memory_op(unsigned cmd, void *arg, bool cut_short);
long sim_event_channel_op(unsigned cmd, void *arg);
long sim_mmuext_op(struct mmuext_op *ops, unsigned nr, uint32_t domid);
long sim_mmu_update(mmu_update_t *updates, unsigned nr, uint32_t domid);
struct xen_dm_op_buf;
long sim_dm_op(uint32_t domid, unsigned nr, const struct xen_dm_op_buf *bufs);

/* domctl parts */
long sim_vcpu_op(struct sim_domain *d, struct xen_domctl *op, bool *known);
long sim_get_hvm_context(struct sim_domain *d, struct xen_domctl *op);
long sim_set_hvm_context(struct sim_domain *d, struct xen_domctl *op);
long sim_get_hvm_context_partial(struct sim_domain *d, struct xen_domctl *op);
void sim_hvm_context_init(struct sim_domain *d);

/* cpuid.c */
unsigned sim_cpuid_leaves(xen_cpuid_leaf_t *leaves, unsigned max);
unsigned sim_cpuid_featureset(uint32_t *words, unsigned max);
long sim_cpu_policy_copy(struct xen_domctl_cpu_policy *out,
                         const xen_cpuid_leaf_t *leaves, unsigned nr_leaves,
                         const xen_msr_entry_t *msrs, unsigned nr_msrs);

/* names.c: "domctl.gethvmcontext", by which faults and logs are told */
void sim_call_name(unsigned op, const uint64_t *args, char *out, size_t size);
bool sim_errno_by_name(const char *name, int *err_out);

/* --- evtchn.c ---------------------------------------------------------------
 * A handle is a FIFO that tells numbers of ports. */

struct sim_handle {
    int fd;
    uint32_t id;
    uint32_t domid;
};

int sim_handle_open(struct sim_handle *h, uint32_t domid, bool cloexec);
void sim_handle_close(struct sim_handle *h);
/* These return a port, or a negative errno. */
int sim_bind_unbound(struct sim_handle *h, uint32_t remote);
int sim_bind_interdomain(struct sim_handle *h, uint32_t remote, uint32_t port);
int sim_bind_virq(struct sim_handle *h, unsigned virq);
/* The guest's own end of a port that the toolstack allocated for it. */
int sim_bind_own(struct sim_handle *h, uint32_t port);
int sim_unbind(struct sim_handle *h, uint32_t port);
int sim_notify(struct sim_handle *h, uint32_t port);
int sim_unmask(struct sim_handle *h, uint32_t port);
/* Locked. */
int sim_alloc_unbound(struct sim_domain *d, uint32_t remote);
void sim_fire(struct sim_domain *d, uint32_t port);
void sim_send_virq(unsigned virq);
void sim_close_ports(struct sim_domain *d);
void sim_notify_remote(struct sim_domain *d, uint32_t port);

#endif
