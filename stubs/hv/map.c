/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Foreign and grant mappings of a domain's memory. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "stubs/hv/sim.h"

#define PAGE_SHIFT 12
/* Less is not worth a copy. */
#define COPY_MIN_PAGES 16

struct job {
    const struct sim_domain *d; /* NULL: the machine-to-phys table */
    const struct sim_tables *t;
    bool raw;
    int fd, prot, flags;
    size_t nr;
    const uint64_t *frames;
    uint64_t *idx;
    int *errs;
};

static int frame_to_idx(const struct job *j, uint64_t frame, uint64_t *idx)
{
    *idx = frame;
    if (!j->d || j->raw)
        return 0;
    return sim_frame_to_idx(j->d, frame, idx);
}

/* Length of the run of neighbours, or of pages that are not there, at i. */
static size_t run_at(const struct job *j, size_t i)
{
    size_t n = 1;

    while (i + n < j->nr && !j->errs[i + n] == !j->errs[i] &&
           (j->errs[i] || j->idx[i + n] == j->idx[i] + n))
        n++;
    return n;
}

static size_t nr_runs(const struct job *j)
{
    size_t n = 0;

    for (size_t i = 0; i < j->nr; i += run_at(j, i))
        n++;
    return n;
}

/* One VMA for each scattered page costs more than copying it, and what is
 * only read cannot tell the difference: live memory changes after a look at
 * it anyway, and the next round says so. */
static void *snapshot(const struct job *j)
{
    char *p = mmap(NULL, j->nr << PAGE_SHIFT, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    for (size_t i = 0; i < j->nr; i++)
        if (!j->errs[i])
            memcpy(p + (i << PAGE_SHIFT), j->t->mem + (j->idx[i] << PAGE_SHIFT),
                   1u << PAGE_SHIFT);
    return p;
}

static void *map_whole(const struct job *j, void *addr)
{
    void *p = mmap(addr, j->nr << PAGE_SHIFT, j->prot,
                   MAP_SHARED | (j->flags & MAP_FIXED) |
                       sim_profile_map_flags(),
                   j->fd, j->idx[0] << PAGE_SHIFT);

    return p == MAP_FAILED ? NULL : p;
}

static void *map_runs(const struct job *j, void *addr)
{
    char *p = mmap(addr, j->nr << PAGE_SHIFT, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
                       (j->flags & MAP_FIXED),
                   -1, 0);
    size_t n;

    if (p == MAP_FAILED)
        return NULL;
    for (size_t i = 0; i < j->nr; i += n) {
        n = run_at(j, i);
        if (!j->errs[i] &&
            mmap(p + (i << PAGE_SHIFT), n << PAGE_SHIFT, j->prot,
                 MAP_SHARED | MAP_FIXED | sim_profile_map_flags(), j->fd,
                 j->idx[i] << PAGE_SHIFT) == MAP_FAILED) {
            munmap(p, j->nr << PAGE_SHIFT);
            return NULL;
        }
    }
    return p;
}

static void *map_job(const struct job *j, void *addr)
{
    if (!j->errs[0] && run_at(j, 0) == j->nr)
        return map_whole(j, addr);
    if (j->d && !j->raw && !addr && j->prot == PROT_READ &&
        j->nr >= COPY_MIN_PAGES && nr_runs(j) > j->nr / 4)
        return snapshot(j);
    return map_runs(j, addr);
}

static int prepare(struct job *j, uint32_t domid)
{
    struct sim_domain *d;

    if (domid == DOMID_XEN) {
        j->fd = sim_m2p_fd();
        return j->fd < 0 ? -ENOMEM : 0;
    }
    d = sim_domain(domid & ~SIM_MAP_RAW);
    if (!d || !d->slot || (d->flags & XEN_DOMINF_dying))
        return -ESRCH;
    j->d = d;
    j->raw = domid & SIM_MAP_RAW;
    j->t = sim_tables(d);
    if (!j->t)
        return -ENOMEM;
    j->fd = j->t->fd;
    if (j->prot & PROT_WRITE)
        sim_note_mapper(d);
    return 0;
}

static void *map_frames(uint32_t domid, void *addr, int prot, int flags,
                        size_t nr, const uint64_t *frames, int *errs)
{
    struct job j = {
        .fd = -1,
        .prot = prot,
        .flags = flags,
        .nr = nr,
        .frames = frames,
        .errs = errs,
    };
    void *p = NULL;
    int err;

    if (!nr) {
        errno = EINVAL;
        return NULL;
    }
    j.idx = calloc(nr, sizeof(*j.idx));
    if (!j.idx)
        return NULL;
    sim_lock();
    err = prepare(&j, domid);
    if (err == -ESRCH) {
        /* As privcmd does: the call succeeds, no page of it. */
        for (size_t i = 0; i < nr; i++)
            errs[i] = err;
        err = 0;
    }
    for (size_t i = 0; !err && j.fd >= 0 && i < nr; i++) {
        errs[i] = frame_to_idx(&j, frames[i], &j.idx[i]);
        if (!errs[i] && j.d && (prot & PROT_WRITE))
            sim_mark_idx(j.d, j.idx[i]);
    }
    /* To write: between the marks above and the mapping nobody may ask which
     * pages are dirty. */
    if (!(prot & PROT_WRITE))
        sim_unlock();
    if (!err) {
        p = map_job(&j, addr);
        err = p ? 0 : -errno;
    }
    if (prot & PROT_WRITE)
        sim_unlock();
    free(j.idx);
    if (p && domid != DOMID_XEN)
        sim_charge(SIM_COST_MAP, nr);
    errno = -err;
    return p;
}

void *sim_map(uint32_t domid, void *addr, int prot, int flags, size_t nr,
              const uint64_t *frames, int *errs)
{
    void *p;
    int err;

    sim_profile_begin();
    p = map_frames(domid, addr, prot, flags, nr, frames, errs);
    err = errno;
    sim_profile_end(prot & PROT_WRITE);
    errno = err;
    return p;
}
