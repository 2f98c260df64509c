/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The process that plays one guest's kernel and its agent.  What a guest knows
 * is in its memory (struct image), so that it travels; what is in struct guest
 * is found out again by the process that goes on with it elsewhere.
 *
 *   RAM page   0        image
 *              1 ..     generation of each work page, 32 bits each
 *              ..       work pages
 *              ..       free; the balloon takes from the top
 */
#ifndef SIM_GUEST_H
#define SIM_GUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "stubs/hv/sim.h"

#define PAGE_SHIFT  12
#define PAGE_BYTES  4096u
#define GUEST_MAGIC 0x73696d6775657374ULL /* "simguest" */
#define KERNEL_SLOT SIM_MAXVCPU
#define NR_RECENT   10 /* seconds over which data/xlm/gap-ms is the maximum */

enum writer { IDLE, UNIFORM, HOTSPOT, SWEEP, BURST };
enum content { PATTERN, TEXT, RANDOM };

struct cpu_image {
    uint64_t last_ns;   /* when it last ran */
    uint64_t absent_ns; /* image.absent_ns at that time */
    uint64_t nr_filled; /* of its share: after a boot */
    uint64_t nr_dirtied, nr_verified;
    uint64_t credit_ns; /* since when nr_dirtied counts */
    uint64_t random, sweep;
    uint64_t bad;
    _Atomic uint64_t gap_ns, awake_gap_ns; /* longest since the report */
};

/* One page. */
struct image {
    uint64_t magic;
    uint64_t suspends; /* in vCPU 0's registers too: they belong together */
    uint64_t suspend_ns, absent_ns, boot_ns;
    _Atomic uint64_t seq; /* a number for each quantum */
    /* set once, at boot */
    uint64_t nr_work, nr_ram;
    uint64_t start_info_pfn, p2m_pfn, p2m_vaddr;
    int64_t balloon_offset;
    uint32_t nr_vcpus, pps, zero_percent, lap_s, page_us, report_ms;
    enum writer writer;
    enum content content;
    bool balloon, pv_drivers;
    /* the agent's */
    uint64_t reports;
    uint32_t recent_ms[NR_RECENT], max_gap_ms, clock_back;
    struct cpu_image cpu[SIM_MAXVCPU];
};

_Static_assert(sizeof(struct image) <= PAGE_BYTES, "one page");

struct ring {
    void *page;
    uint64_t pfn;
    int port;
};

struct guest {
    struct sim_domain *d;
    uint32_t domid, incarnation;
    const struct sim_tables *t;
    struct image *im;
    uint64_t first_pfn; /* of RAM page 0 */
    uint32_t *tab;      /* PV: idx by pfn, UINT32_MAX: none */
    uint64_t nr_tab;
    struct sim_handle events;
    struct ring store, console;
    uint32_t req_id;
    unsigned depth;                        /* of the kernel's quanta */
    bool shutdown_changed, target_changed; /* watches fired          */
    char cmdline[1024];
};

/* --- main.c */
uint64_t guest_now_ns(void);
void guest_say(const struct guest *g, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The kernel's own quantum, nestable. Ends the process if the domain is gone.
 */
void guest_enter(struct guest *g);
void guest_leave(struct guest *g);
/* Around a call that takes the hypervisor's lock; the guest may be stopped, and
 * even end, in step_in(). */
void guest_step_out(struct guest *g);
void guest_step_in(struct guest *g);
/* The hypervisor's lock while the guest is not stopped, and may change. */
void guest_lock(struct guest *g);
void guest_unlock(struct guest *g);
/* Sleeps outside of it, until an event or that time. */
void guest_sleep(struct guest *g, uint64_t until_ns);
void guest_mark(struct guest *g, uint64_t pfn);
/* Ends the process, and the domain with that reason. */
void guest_end(struct guest *g, unsigned reason);
/* Was it moved, or does it boot? */
bool guest_is_resume(const struct guest *g);

/* --- memory.c: pfns, RAM and the balloon */
bool guest_map_pfns(struct guest *g); /* PV: fills tab */
void *guest_page(const struct guest *g, uint64_t pfn);
uint64_t guest_ram_pfn(const struct guest *g, uint64_t ram_page);
uint64_t guest_count_ram(const struct guest *g);
/* Towards that many KiB, as far as it goes in one step; false: done. */
bool guest_balloon(struct guest *g, uint64_t target_kb);

/* --- boot.c */
bool guest_read_boot(struct guest *g);
bool guest_configure(struct guest *g); /* needs the store on HVM */

/* --- pv.c: what a PV kernel does about its page tables and start_info */
void guest_pv_announce(struct guest *g);
void guest_pv_before_suspend(struct guest *g);
void guest_pv_resume_in_place(struct guest *g);
uint64_t guest_pv_start_info(const struct guest *g);

/* --- work.c */
void guest_clear_tables(struct guest *g);
bool guest_start_cpus(struct guest *g);

/* --- store.c: the rings of xenstore and console */
bool guest_connect(struct guest *g);
bool guest_read(struct guest *g, const char *path, char *out, size_t size);
bool guest_write(struct guest *g, const char *path, const char *value);
bool guest_watch(struct guest *g, const char *path, const char *token);
/* Handles what came, at most until that time. */
void guest_wait(struct guest *g, uint64_t until_ns);
void guest_print(struct guest *g, const char *line);

/* --- agent.c */
void guest_agent(struct guest *g);

#endif
