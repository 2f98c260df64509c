/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which page of a domain's memory a frame number means. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stubs/hv/sim.h"

#define PAGE_SHIFT 12

static struct cached {
    uint32_t incarnation;
    struct sim_tables t;
} cache[SIM_MAXDOM];
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;

static int open_sized(const char *what, uint32_t incarnation, uint64_t bytes)
{
    char path[512];
    int fd;

    if (!sim_path(path, sizeof(path), "dom.%u.%s", incarnation, what)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && ftruncate(fd, bytes)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void *map_shared(int fd, uint64_t at, uint64_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_NORESERVE, fd, at);

    return p == MAP_FAILED ? NULL : p;
}

static void unmap(void *p, uint64_t bytes)
{
    if (p)
        munmap(p, bytes);
}

static void forget(struct cached *c)
{
    if (!c->incarnation)
        return;
    close(c->t.fd);
    unmap(c->t.page, SIM_SLOT_PAGES);
    unmap(c->t.dirty, 2 * SIM_SLOT_PAGES / 8);
    unmap(c->t.mem, SIM_SLOT_PAGES << PAGE_SHIFT);
    c->incarnation = 0;
}

static bool remember(struct cached *c, uint32_t incarnation)
{
    const uint64_t bytes = SIM_SLOT_PAGES + 2 * SIM_SLOT_PAGES / 8;
    int fd = open_sized("map", incarnation, bytes);

    if (fd < 0)
        return false;
    memset(c, 0, sizeof(*c));
    c->t.fd = open_sized("mem", incarnation, SIM_SLOT_PAGES << PAGE_SHIFT);
    if (c->t.fd >= 0) {
        c->incarnation = incarnation;
        c->t.page = map_shared(fd, 0, SIM_SLOT_PAGES);
        c->t.dirty = map_shared(fd, SIM_SLOT_PAGES, 2 * SIM_SLOT_PAGES / 8);
        c->t.fresh = c->t.dirty + SIM_SLOT_PAGES / 64;
        c->t.mem = map_shared(c->t.fd, 0, SIM_SLOT_PAGES << PAGE_SHIFT);
        if (!c->t.page || !c->t.dirty || !c->t.mem)
            forget(c);
    }
    close(fd);
    if (!c->incarnation)
        return false;
    /* Halves the cost of a fault where the kernel's shmem_enabled allows. */
    madvise(c->t.mem, SIM_SLOT_PAGES << PAGE_SHIFT, MADV_HUGEPAGE);
    return true;
}

const struct sim_tables *sim_tables(const struct sim_domain *d)
{
    struct cached *c = &cache[d->slot];

    if (__atomic_load_n(&c->incarnation, __ATOMIC_ACQUIRE) == d->incarnation)
        return &c->t;
    pthread_mutex_lock(&cache_lock);
    if (c->incarnation != d->incarnation) {
        struct cached fresh;

        if (!remember(&fresh, d->incarnation)) {
            pthread_mutex_unlock(&cache_lock);
            return NULL;
        }
        forget(c);
        c->t = fresh.t;
        __atomic_store_n(&c->incarnation, fresh.incarnation, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&cache_lock);
    return &c->t;
}

/* Holes, not truncation: xenstored, xenconsoled and qemu may map pages of it
 * a little longer, and would die of SIGBUS. */
void sim_remove_tables(const struct sim_domain *d)
{
    const struct sim_tables *t = sim_tables(d);
    char path[512];

    if (!sim_warm_give(d) && t)
        fallocate(t->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  SIM_SLOT_PAGES << PAGE_SHIFT);
    if (sim_path(path, sizeof(path), "dom.%u.mem", d->incarnation))
        unlink(path);
    if (sim_path(path, sizeof(path), "dom.%u.map", d->incarnation))
        unlink(path);
}

void sim_drop_page(const struct sim_domain *d, uint64_t idx)
{
    const struct sim_tables *t = sim_tables(d);

    if (t)
        fallocate(t->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  idx << PAGE_SHIFT, 1u << PAGE_SHIFT);
}

static int pv_frame_to_idx(const struct sim_domain *d, uint64_t mfn,
                           uint64_t *idx_out)
{
    const uint64_t chunk = mfn >> SIM_CHUNK_SHIFT;
    const uint64_t page = mfn & (SIM_CHUNK_PAGES - 1);

    if (chunk >= sim_hv->nr_chunks || sim_hv->chunk_owner[chunk] != d->slot ||
        !d->slot)
        return -EINVAL;
    *idx_out = chunk < SIM_MAXDOM
                   ? SIM_XH_BASE + page
                   : ((uint64_t)sim_hv->chunk_index[chunk] << SIM_CHUNK_SHIFT) +
                         page;
    return 0;
}

static int hvm_frame_to_idx(const struct sim_domain *d, uint64_t gfn,
                            uint64_t *idx_out)
{
    *idx_out = gfn;
    for (uint32_t i = 0; i < d->nr_alias; i++)
        if (d->alias[i].gfn == gfn)
            *idx_out = d->alias[i].idx;
    return *idx_out == gfn && gfn >= SIM_XH_BASE ? -EINVAL : 0;
}

int sim_frame_to_idx(const struct sim_domain *d, uint64_t frame,
                     uint64_t *idx_out)
{
    const struct sim_tables *t = sim_tables(d);
    int err = sim_is_hvm(d) ? hvm_frame_to_idx(d, frame, idx_out)
                            : pv_frame_to_idx(d, frame, idx_out);

    if (err || *idx_out >= SIM_XH_BASE)
        return err;
    if (!t)
        return -ENOMEM;
    return t->page[*idx_out] & SIM_PAGE_PRESENT ? 0 : -EINVAL;
}

uint64_t sim_idx_to_mfn(const struct sim_domain *d, uint64_t idx)
{
    if (idx >= SIM_XH_BASE)
        return ((uint64_t)d->slot << SIM_CHUNK_SHIFT) + idx - SIM_XH_BASE;
    return ((uint64_t)d->chunk[idx >> SIM_CHUNK_SHIFT] << SIM_CHUNK_SHIFT) +
           (idx & (SIM_CHUNK_PAGES - 1));
}

uint64_t sim_xen_frame(const struct sim_domain *d, unsigned which)
{
    return sim_idx_to_mfn(d, SIM_XH_BASE + which);
}

bool sim_idx_to_pfn(const struct sim_domain *d, uint64_t idx, uint64_t *pfn_out)
{
    if (idx >= SIM_XH_BASE)
        return false;
    *pfn_out = sim_is_hvm(d) ? idx : sim_m2p_get(sim_idx_to_mfn(d, idx));
    return *pfn_out < SIM_SLOT_PAGES;
}

int sim_m2p_fd(void)
{
    static int fd = -1;
    char path[512];

    pthread_mutex_lock(&cache_lock);
    if (fd < 0 && sim_path(path, sizeof(path), "m2p")) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd >= 0 && ftruncate(fd, sim_hv->total_pages * 8)) {
            close(fd);
            fd = -1;
        }
    }
    pthread_mutex_unlock(&cache_lock);
    return fd;
}

static uint64_t *m2p(void)
{
    static uint64_t *table;

    if (!table) {
        int fd = sim_m2p_fd();

        if (fd >= 0)
            table = map_shared(fd, 0, sim_hv->total_pages * 8);
    }
    return table;
}

void sim_m2p_set(uint64_t mfn, uint64_t pfn)
{
    uint64_t *table = m2p();

    if (table && mfn < sim_hv->total_pages)
        table[mfn] = pfn;
}

uint64_t sim_m2p_get(uint64_t mfn)
{
    uint64_t *table = m2p();

    return table && mfn < sim_hv->total_pages ? table[mfn] : UINT64_MAX;
}
