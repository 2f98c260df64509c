/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Log-dirty.  A guest marks a page before it leaves the quantum in which it
 * wrote to it; CLEAN and PEEK stop it between quanta.  Other processes write
 * through mappings, unseen: a page counts as dirty from the time it is mapped
 * for writing until the first CLEAN that finds it unmapped.  That is never too
 * little, and too much only by the few pages that dom0 shares with a guest.
 *
 * As in Xen 4.17, a translated domain's new page is not logged, nor what its
 * guest writes to it, until the next CLEAN (p2m_add_page() of xen.git p2m.c).
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "stubs/hv/sim.h"

#define PAGE_SHIFT   12
#define BITMAP_WORDS (SIM_SLOT_PAGES / 64)

void sim_mark_idx(const struct sim_domain *d, uint64_t idx)
{
    const struct sim_tables *t;
    uint64_t pfn;

    if (!__atomic_load_n(&d->log_dirty, __ATOMIC_RELAXED))
        return;
    t = sim_tables(d);
    if (t && sim_idx_to_pfn(d, idx, &pfn))
        sim_mark_pfn(d, t, pfn);
}

/* Our number where /proc comes from, which may be another namespace. Locked. */
static int32_t proc_pid(void)
{
    static pid_t asked_by; /* a child has another */
    static int32_t pid;
    char text[16] = "";

    if (asked_by != getpid() &&
        readlink("/proc/self", text, sizeof(text) - 1) > 0) {
        pid = (int32_t)strtol(text, NULL, 10);
        asked_by = getpid();
    }
    return pid;
}

void sim_note_mapper(struct sim_domain *d)
{
    const int32_t pid = proc_pid();

    for (unsigned i = 0; i < SIM_MAXMAPPER; i++) {
        char path[32];

        if (d->mapper[i] == pid)
            return;
        snprintf(path, sizeof(path), "/proc/%d", d->mapper[i]);
        if (!d->mapper[i] || access(path, F_OK)) {
            d->mapper[i] = pid;
            return;
        }
    }
    d->mappers_lost = true;
}

/* A line of /proc/PID/maps: is it a mapping of d's memory for writing? */
static bool parse_line(const char *line, const struct stat *st,
                       uint64_t *idx_out, uint64_t *nr_out)
{
    unsigned long from, to, offset, inode;
    unsigned major_nr, minor_nr;
    char perms[8];

    if (sscanf(line, "%lx-%lx %7s %lx %x:%x %lu", &from, &to, perms, &offset,
               &major_nr, &minor_nr, &inode) != 7)
        return false;
    if (perms[1] != 'w' || perms[3] != 's' || inode != st->st_ino ||
        makedev(major_nr, minor_nr) != st->st_dev)
        return false;
    *idx_out = offset >> PAGE_SHIFT;
    *nr_out = (to - from) >> PAGE_SHIFT;
    /* Our own view of all of it does not count. */
    return *nr_out < SIM_SLOT_PAGES;
}

bool sim_each_mapped(int32_t pid, const struct stat *st,
                     void (*found)(uint64_t idx, uint64_t nr, void *arg),
                     void *arg)
{
    char path[32], line[512];
    uint64_t idx, nr;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    f = fopen(path, "re");
    if (!f)
        return errno == ENOENT || errno == ESRCH; /* it is gone */
    while (fgets(line, sizeof(line), f))
        if (parse_line(line, st, &idx, &nr))
            found(idx, nr, arg);
    fclose(f);
    return true;
}

struct marking {
    const struct sim_domain *d;
    uint64_t *bitmap; /* by pfn */
};

static void mark_mapped(uint64_t idx, uint64_t nr, void *arg)
{
    const struct marking *m = arg;
    uint64_t pfn;

    for (; nr; nr--, idx++)
        if (sim_idx_to_pfn(m->d, idx, &pfn))
            m->bitmap[pfn / 64] |= UINT64_C(1) << pfn % 64;
}

/* Pages that others could write to now, by pfn; NULL: out of memory. */
static uint64_t *mapped_now(struct sim_domain *d, const struct sim_tables *t)
{
    uint64_t *bitmap = calloc(BITMAP_WORDS, sizeof(*bitmap));
    struct marking marking = { d, bitmap };
    bool sure = !d->mappers_lost;
    struct stat st;

    if (!bitmap || fstat(t->fd, &st)) {
        free(bitmap);
        return NULL;
    }
    for (unsigned i = 0; i < SIM_MAXMAPPER; i++)
        if (d->mapper[i])
            sure = sim_each_mapped(d->mapper[i], &st, mark_mapped, &marking) &&
                   sure;
    if (!sure) {
        sim_unsupported("log-dirty with processes that cannot be looked at");
        memset(bitmap, 0xff, (d->max_gfn / 64 + 1) * sizeof(*bitmap));
    }
    return bitmap;
}

void sim_note_fresh(const struct sim_domain *d, const struct sim_tables *t,
                    uint64_t gfn)
{
    if (d->log_dirty)
        __atomic_fetch_or(&t->fresh[gfn / 64], UINT64_C(1) << gfn % 64,
                          __ATOMIC_ACQ_REL);
}

static void forget_fresh(const struct sim_domain *d, const struct sim_tables *t)
{
    memset(t->fresh, 0, (d->max_gfn / 64 + 1) * sizeof(*t->fresh));
}

static long log_dirty_enable(struct sim_domain *d)
{
    const struct sim_tables *t = sim_tables(d);
    uint64_t *mapped;

    if (!t)
        return -ENOMEM;
    if (d->log_dirty)
        return -EINVAL;
    if (!sim_is_hvm(d) && !sim_hv->pv_log_dirty)
        return -EOPNOTSUPP;
    mapped = mapped_now(d, t);
    if (!mapped)
        return -ENOMEM;
    sim_domain_hold(d);
    memcpy(t->dirty, mapped, SIM_SLOT_PAGES / 8);
    forget_fresh(d, t);
    d->log_dirty = 1;
    sim_domain_release(d);
    free(mapped);
    return 0;
}

static uint64_t popcount(const struct sim_domain *d, const uint64_t *words)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i <= d->max_gfn / 64; i++)
        n += __builtin_popcountll(words[i]);
    return n;
}

static long log_dirty_disable(struct sim_domain *d)
{
    const struct sim_tables *t = sim_tables(d);

    if (!d->log_dirty || !t)
        return 0;
    sim_domain_hold(d);
    d->log_dirty = 0;
    sim_domain_release(d);
    /* Xen keeps counting from here when it is switched on again. */
    d->dirty_carry += popcount(d, t->dirty);
    memset(t->dirty, 0, (d->max_gfn / 64 + 1) * sizeof(*t->dirty));
    return 0;
}

/* The caller's bitmap is in whole bytes, zero where nothing was logged. */
static void copy_out(const uint64_t *words, uint64_t pages, uint8_t *out)
{
    const uint64_t bytes = (pages + 7) / 8;
    const uint64_t have = bytes < SIM_SLOT_PAGES / 8 ? bytes
                                                     : SIM_SLOT_PAGES / 8;

    memcpy(out, words, have);
    memset(out + have, 0, bytes - have);
}

static long log_dirty_op(struct sim_domain *d, struct xen_domctl_shadow_op *op)
{
    const bool clean = op->op == XEN_DOMCTL_SHADOW_OP_CLEAN;
    const struct sim_tables *t = sim_tables(d);
    uint64_t *mapped;

    if (op->mode & ~XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL)
        return -EINVAL;
    mapped = t && d->log_dirty ? mapped_now(d, t) : NULL;
    if (!t || (d->log_dirty && !mapped))
        return -ENOMEM;
    sim_domain_hold(d);
    sim_charge(clean ? SIM_COST_CLEAN : SIM_COST_PEEK, 1);
    for (uint64_t i = 0; mapped && i < BITMAP_WORDS; i++)
        if (mapped[i])
            t->dirty[i] |= mapped[i];
    op->stats.fault_count = 0;
    op->stats.dirty_count = popcount(d, t->dirty) + d->dirty_carry;
    if (op->dirty_bitmap.p)
        copy_out(t->dirty, op->pages, op->dirty_bitmap.p);
    if (clean && d->log_dirty) {
        /* As many words as a guest can have marked; the rest stays a hole. */
        memcpy(t->dirty, mapped, (d->max_gfn / 64 + 1) * sizeof(*t->dirty));
        forget_fresh(d, t);
        d->dirty_carry = 0;
    }
    sim_domain_release(d);
    free(mapped);
    return 0;
}

static long allocation(struct sim_domain *d, struct xen_domctl_shadow_op *op)
{
    if (!sim_is_hvm(d))
        return -EOPNOTSUPP;
    if (op->op == XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION)
        d->paging_bytes = (uint64_t)op->mb << 20;
    op->mb = (d->paging_bytes + (1u << 20) - 1) >> 20;
    return 0;
}

/* As paging_domctl() of Xen 4.17, HAP only. */
long sim_shadow_op(struct sim_domain *d, struct xen_domctl_shadow_op *op)
{
    if (!d->slot)
        return -EINVAL; /* a domain's paging is not its own business */
    switch (op->op) {
    case XEN_DOMCTL_SHADOW_OP_ENABLE:
        if (!(op->mode & XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY))
            return sim_is_hvm(d) ? -EINVAL : -EOPNOTSUPP;
        return log_dirty_enable(d);
    case XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY:
        return log_dirty_enable(d);
    case XEN_DOMCTL_SHADOW_OP_OFF:
        log_dirty_disable(d);
        return sim_is_hvm(d) || sim_hv->pv_log_dirty ? 0 : -EOPNOTSUPP;
    case XEN_DOMCTL_SHADOW_OP_CLEAN:
    case XEN_DOMCTL_SHADOW_OP_PEEK:
        return log_dirty_op(d, op);
    case XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION:
    case XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION:
        return allocation(d, op);
    }
    return -EINVAL;
}
