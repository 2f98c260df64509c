/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host and the hypervisor's functions: memory and log.
 * The domain's other state is in fake_state.c, the guest in fake_guest.c. */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_impl.h"
#include "util/bitmap.h"

#define XLM_MODULE "fake"

int fake_enter(struct xlm__hv *hv, uint32_t domid)
{
    struct fake_hv *f = fake(hv);
    int rc = 0;

    pthread_mutex_lock(&f->lock);
    f->calls++;
    if (f->fail_call && --f->fail_call == 0)
        rc = XLM_FAIL(hv->err, XLM_ERR_HYPERVISOR, "injected failure");
    else if (domid && (domid != f->info.domid || !f->exists))
        rc = XLM_FAIL(hv->err, XLM_ERR_HYPERVISOR, "no domain %u", domid);
    if (rc)
        pthread_mutex_unlock(&f->lock);
    return rc;
}

int fake_leave(struct xlm__hv *hv)
{
    pthread_mutex_unlock(&fake(hv)->lock);
    return 0;
}

int fake_leave_fail(struct xlm__hv *hv, const char *what)
{
    fake_leave(hv);
    return XLM_FAIL(hv->err, XLM_ERR_HYPERVISOR, "%s", what);
}

static void op_close(struct xlm__hv *hv)
{
    (void)hv; /* fake_hv_free() is the test's */
}

static int op_hostinfo(struct xlm__hv *hv, struct xlm__hostinfo *out)
{
    int rc = fake_enter(hv, 0);

    if (rc)
        return rc;
    memset(out, 0, sizeof(*out));
    out->xen_major = fake(hv)->xen_major;
    out->xen_minor = fake(hv)->xen_minor;
    snprintf(out->xen_version, sizeof(out->xen_version), "%u.%u.fake",
             out->xen_major, out->xen_minor);
    out->free_pages = fake(hv)->free_frames;
    out->total_pages = fake(hv)->nr_frames;
    out->nr_cpus = 2;
    out->hap = true;
    out->shadow = !fake(hv)->refuse_logdirty;
    return fake_leave(hv);
}

static int op_dominfo(struct xlm__hv *hv, uint32_t domid,
                      struct xlm__dominfo *out, bool *exists_out)
{
    int rc = fake_enter(hv, 0);

    if (rc)
        return rc;
    *exists_out = fake(hv)->exists && fake(hv)->info.domid == domid;
    if (*exists_out)
        *out = fake(hv)->info;
    if (fake(hv)->copy && fake(hv)->copy == domid) {
        *exists_out = true;
        *out = fake(hv)->info;
        out->domid = domid;
        out->paused = false;
        out->shutdown = true;
        out->shutdown_reason = 2; /* SHUTDOWN_suspend */
    }
    return fake_leave(hv);
}

static int op_find_uuid(struct xlm__hv *hv, const unsigned char uuid[16],
                        uint32_t except, uint32_t *domid_out)
{
    struct fake_hv *f = fake(hv);
    int rc = fake_enter(hv, 0);

    if (rc)
        return rc;
    *domid_out = 0;
    if (f->copy && f->copy != except && !memcmp(f->info.uuid, uuid, 16))
        *domid_out = f->copy;
    else if (f->exists && f->info.domid != except &&
             !memcmp(f->info.uuid, uuid, 16))
        *domid_out = f->info.domid;
    return fake_leave(hv);
}

static int op_nr_pfns(struct xlm__hv *hv, uint32_t domid, uint64_t *out)
{
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    *out = fake(hv)->nr_pfns;
    return fake_leave(hv);
}

static int op_pause(struct xlm__hv *hv, uint32_t domid)
{
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    /* The toolstack's own pause is not counted here. */
    if (fake(hv)->info.paused)
        fake(hv)->nr_pauses++;
    fake(hv)->info.paused = true;
    return fake_leave(hv);
}

static int op_unpause(struct xlm__hv *hv, uint32_t domid)
{
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    if (fake(hv)->fail_unpause && !--fake(hv)->fail_unpause)
        return fake_leave_fail(hv, "unpause: made to fail");
    if (!fake(hv)->info.paused)
        return fake_leave_fail(hv, "it is not paused");
    if (fake(hv)->nr_pauses)
        fake(hv)->nr_pauses--;
    else
        fake(hv)->info.paused = false;
    return fake_leave(hv);
}

/* The frame behind a gfn; FAKE_NONE if the domain has none there. */
static uint64_t frame_of_gfn(struct fake_hv *f, uint64_t gfn, uint64_t *pfn)
{
    if (f->info.hvm) {
        *pfn = gfn;
        return gfn < f->nr_pfns ? f->p2m[gfn] : FAKE_NONE;
    }
    if (gfn >= f->nr_frames)
        return FAKE_NONE;
    *pfn = f->m2p[gfn];
    if (*pfn < f->nr_slots && f->p2m[*pfn] == gfn)
        return gfn;
    return FAKE_NONE;
}

static int op_page_types(struct xlm__hv *hv, uint32_t domid, size_t nr,
                         uint64_t *gfns)
{
    struct fake_hv *f = fake(hv);
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    assert(nr <= XLM__MAP_MAX);
    f->nr_type_calls++;
    for (size_t i = 0; i < nr; i++) {
        uint64_t pfn;

        if (frame_of_gfn(f, gfns[i], &pfn) == FAKE_NONE)
            gfns[i] = XLM__PT_XTAB;
        else
            gfns[i] = f->types[pfn];
    }
    return fake_leave(hv);
}

static int op_map(struct xlm__hv *hv, uint32_t domid, bool write, size_t nr,
                  const uint64_t *gfns, int *errs, struct xlm__map *out)
{
    struct fake_hv *f = fake(hv);
    int prot = PROT_READ | (write ? PROT_WRITE : 0);
    int rc = fake_enter(hv, domid);
    unsigned char *addr;

    if (rc)
        return rc;
    assert(nr > 0 && nr <= XLM__MAP_MAX);
    /* What is not mapped stays without access: to read it is a bug. */
    addr = mmap(NULL, nr * XLM__PAGE_SIZE, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (addr == MAP_FAILED)
        return fake_leave_fail(hv, "mmap");
    for (size_t i = 0; i < nr; i++) {
        uint64_t pfn, frame = frame_of_gfn(f, gfns[i], &pfn);

        if (!f->info.hvm && gfns[i] == f->shared_frame)
            frame = gfns[i];
        errs[i] = gfns[i] == f->bad_gfn ? f->bad_errno : 0;
        if (!errs[i] && frame == FAKE_NONE)
            errs[i] = EINVAL;
        if (!errs[i] && mmap(addr + i * XLM__PAGE_SIZE, XLM__PAGE_SIZE, prot,
                             MAP_SHARED | MAP_FIXED, f->memfd,
                             (off_t)(frame * XLM__PAGE_SIZE)) == MAP_FAILED)
            errs[i] = errno;
    }
    out->addr = addr;
    out->nr = nr;
    f->nr_mapped++;
    f->nr_map_calls++;
    return fake_leave(hv);
}

static void op_unmap(struct xlm__hv *hv, struct xlm__map *map)
{
    if (!map->addr)
        return;
    munmap(map->addr, map->nr * XLM__PAGE_SIZE);
    map->addr = NULL;
    map->nr = 0;
    pthread_mutex_lock(&fake(hv)->lock);
    fake(hv)->nr_mapped--;
    pthread_mutex_unlock(&fake(hv)->lock);
}

/* There is no kernel here to hold anybody to anything. */
static int op_window(struct xlm__hv *hv, uint32_t domid, struct xlm__hv **out,
                     int *fd_out)
{
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    *out = NULL;
    *fd_out = -1;
    return fake_leave(hv);
}

/* From the top down, so that no pfn is like its frame. */
void fake_give_frame(struct fake_hv *f, uint64_t pfn)
{
    uint64_t frame = f->nr_frames;

    while (frame-- && xlm__bitmap_test(f->used, frame))
        ;
    assert(frame < f->nr_frames);
    xlm__bitmap_set(f->used, frame);
    memset(f->frames + frame * XLM__PAGE_SIZE, FAKE_SCRUB, XLM__PAGE_SIZE);
    f->p2m[pfn] = frame;
    f->m2p[frame] = pfn;
    f->types[pfn] = XLM__PT_NOTAB;
    f->free_frames--;
    f->info.tot_pages++;
    fake_update_p2m(f, pfn);
    /* Xen logs neither that a translated domain gets a page nor what is written
     * to it before the next CLEAN; a PV guest's own update of m2p it does. */
    if (f->logging && f->info.hvm)
        xlm__bitmap_set(f->unlogged, pfn);
    else if (f->logging)
        xlm__bitmap_set(f->dirty, pfn);
}

static void take_frame(struct fake_hv *f, uint64_t pfn)
{
    uint64_t frame = f->p2m[pfn];

    xlm__bitmap_clear(f->used, frame);
    f->m2p[frame] = FAKE_NONE;
    f->p2m[pfn] = FAKE_NONE;
    f->free_frames++;
    f->info.tot_pages--;
    xlm__bitmap_clear(f->dirty, pfn);
    fake_update_p2m(f, pfn);
}

static int op_populate(struct xlm__hv *hv, uint32_t domid, unsigned order,
                       size_t nr, const uint64_t *pfns, bool *nomem_out)
{
    struct fake_hv *f = fake(hv);
    uint64_t each = 1ull << order, want = nr * each;
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    *nomem_out = (order && f->no_superpages) || f->free_frames < want ||
                 f->info.tot_pages + want > f->info.max_pages;
    if (*nomem_out)
        return fake_leave(hv);
    for (size_t i = 0; i < nr; i++) {
        if (pfns[i] % each || pfns[i] + each > f->nr_pfns)
            return fake_leave_fail(hv, "populate: unaligned or out of range");
        for (uint64_t k = 0; k < each; k++) {
            if (f->p2m[pfns[i] + k] != FAKE_NONE)
                return fake_leave_fail(hv, "populate: page is there already");
            fake_give_frame(f, pfns[i] + k);
        }
        if (order)
            f->nr_populate_2m++;
        else
            f->nr_populate_4k++;
    }
    return fake_leave(hv);
}

static int op_depopulate(struct xlm__hv *hv, uint32_t domid, size_t nr,
                         const uint64_t *gfns)
{
    struct fake_hv *f = fake(hv);
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    for (size_t i = 0; i < nr; i++) {
        uint64_t pfn;

        if (frame_of_gfn(f, gfns[i], &pfn) == FAKE_NONE)
            return fake_leave_fail(hv, "depopulate: no page there");
        take_frame(f, pfn);
    }
    return fake_leave(hv);
}

static int op_max_pages_set(struct xlm__hv *hv, uint32_t domid, uint64_t pages)
{
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    if (fake(hv)->fail_limit && !--fake(hv)->fail_limit)
        return fake_leave_fail(hv, "limit: made to fail");
    fake(hv)->info.max_pages = pages;
    return fake_leave(hv);
}

static int op_logdirty_on(struct xlm__hv *hv, uint32_t domid, bool *refused_out,
                          bool *busy_out)
{
    struct fake_hv *f = fake(hv);
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    *refused_out = f->refuse_logdirty;
    *busy_out = !*refused_out && f->logging;
    if (!*refused_out && !*busy_out) {
        f->logging = true;
        f->nr_on++;
        xlm__bitmap_zero(f->dirty, f->nr_pfns);
    }
    return fake_leave(hv);
}

static int op_logdirty_off(struct xlm__hv *hv, uint32_t domid)
{
    struct fake_hv *f = fake(hv);
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    if (f->refuse_logdirty && !f->logging)
        rc = XLM_FAIL(hv->err, XLM_ERR_HYPERVISOR,
                      "switch off log-dirty: there is none");
    f->logging = false;
    f->nr_off++;
    return fake_leave(hv) || rc ? XLM_ERR_HYPERVISOR : 0;
}

static int op_logdirty_clean(struct xlm__hv *hv, uint32_t domid, bool final,
                             uint64_t nr_pfns, uint64_t *bitmap, bool *lost_out)
{
    struct fake_hv *f = fake(hv);
    int rc = fake_enter(hv, domid);

    (void) final;
    if (rc)
        return rc;
    if (!f->logging)
        return fake_leave_fail(hv, "clean: log-dirty is off");
    if (nr_pfns > f->nr_pfns)
        return fake_leave_fail(hv, "clean: more pages than there are");
    *lost_out = f->lose_logs > 0;
    if (*lost_out) {
        f->lose_logs--;
        memset(bitmap, 0xa5, XLM__BITMAP_BYTES(nr_pfns)); /* worthless */
    } else {
        xlm__bitmap_copy(bitmap, f->dirty, nr_pfns);
        xlm__bitmap_zero(f->dirty, f->nr_pfns);
    }
    xlm__bitmap_zero(f->unlogged, f->nr_pfns);
    return fake_leave(hv);
}

static int op_pool_get(struct xlm__hv *hv, uint32_t domid, uint64_t *out)
{
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    *out = fake(hv)->pool_bytes;
    return fake_leave(hv);
}

static int op_pool_set(struct xlm__hv *hv, uint32_t domid, uint64_t bytes)
{
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    fake(hv)->pool_bytes = bytes;
    return fake_leave(hv);
}

static size_t m2p_pages(const struct fake_hv *f)
{
    return (f->nr_frames * 8 + XLM__PAGE_SIZE - 1) / XLM__PAGE_SIZE;
}

static int op_m2p_map(struct xlm__hv *hv, struct xlm__map *map_out,
                      uint64_t *nr_mfns_out)
{
    struct fake_hv *f = fake(hv);
    int rc = fake_enter(hv, 0);
    void *addr;

    if (rc)
        return rc;
    addr = mmap(NULL, m2p_pages(f) * XLM__PAGE_SIZE, PROT_READ, MAP_SHARED,
                f->memfd, (off_t)(f->nr_frames * XLM__PAGE_SIZE));
    if (addr == MAP_FAILED)
        return fake_leave_fail(hv, "mmap");
    map_out->addr = addr;
    map_out->nr = m2p_pages(f);
    *nr_mfns_out = f->nr_frames;
    f->nr_mapped++;
    return fake_leave(hv);
}

static const struct xlm__hv_ops ops = {
    .close = op_close,
    .hostinfo = op_hostinfo,
    .dominfo = op_dominfo,
    .find_uuid = op_find_uuid,
    .nr_pfns = op_nr_pfns,
    .pause = op_pause,
    .unpause = op_unpause,
    .sched_get = fake_op_sched_get,
    .cap_set = fake_op_cap_set,
    .page_types = op_page_types,
    .map = op_map,
    .unmap = op_unmap,
    .window = op_window,
    .populate = op_populate,
    .depopulate = op_depopulate,
    .max_pages_set = op_max_pages_set,
    .logdirty_on = op_logdirty_on,
    .logdirty_off = op_logdirty_off,
    .logdirty_clean = op_logdirty_clean,
    .paging_pool_get = op_pool_get,
    .paging_pool_set = op_pool_set,
    .cpu_policy_get = fake_op_policy_get,
    .cpu_policy_check = fake_op_policy_check,
    .tsc_get = fake_op_tsc_get,
    .hvm_context_get = fake_op_hvm_context_get,
    .hvm_param_get = fake_op_hvm_param_get,
    .tsc_set = fake_op_tsc_set,
    .hvm_context_set = fake_op_hvm_context_set,
    .hvm_param_set = fake_op_hvm_param_set,
    .pv_width = fake_op_pv_width,
    .pv_vcpu_online = fake_op_pv_vcpu_online,
    .pv_vcpu_get = fake_op_pv_vcpu_get,
    .pv_populate = fake_op_pv_populate,
    .pv_pin = fake_op_pv_pin,
    .pv_vcpu_set = fake_op_pv_vcpu_set,
    .pv_vcpu_reset = fake_op_pv_vcpu_reset,
    .m2p_map = op_m2p_map,
    .grants_written = fake_op_grants_written,
    .grant_map = fake_op_grant_map,
    .grant_unmap = fake_op_grant_unmap,
};

static void host_init(struct fake_hv *f)
{
    size_t pages = f->nr_frames + m2p_pages(f);

    f->memfd = memfd_create("fake_hv", MFD_CLOEXEC);
    assert(f->memfd >= 0);
    if (ftruncate(f->memfd, (off_t)(pages * XLM__PAGE_SIZE)))
        abort();
    f->frames = mmap(NULL, pages * XLM__PAGE_SIZE, PROT_READ | PROT_WRITE,
                     MAP_SHARED, f->memfd, 0);
    assert(f->frames != MAP_FAILED);
    f->m2p = (uint64_t *)(void *)(f->frames + f->nr_frames * XLM__PAGE_SIZE);
    memset(f->m2p, 0xff, f->nr_frames * sizeof(*f->m2p));
    f->used = xlm__bitmap_alloc(f->nr_frames);
    f->free_frames = f->nr_frames;
}

struct fake_hv *fake_hv_new(struct xlm__errslot *err,
                            const struct fake_hv_config *config)
{
    struct fake_hv *f = calloc(1, sizeof(*f));

    assert(f);
    f->base.ops = &ops;
    f->base.err = err;
    pthread_mutex_init(&f->lock, NULL);
    f->nr_pfns = config->nr_pfns;
    f->nr_frames = config->nr_frames ? config->nr_frames : config->nr_pfns + 64;
    host_init(f);
    f->xen_major = 4;
    f->xen_minor = 17;

    f->exists = true;
    f->sched = (struct xlm__sched){ .name = "credit2", .has_cap = true };
    f->info.domid = config->domid ? config->domid : 1;
    f->info.hvm = f->info.hap = !config->pv;
    f->info.max_pages = f->nr_frames;
    f->info.nr_online_vcpus = 1;
    f->width = 8;
    f->pool_bytes = 1 << 20;
    f->nr_slots = (f->nr_pfns + 511) / 512 * 512 + 3;
    f->p2m = malloc(f->nr_slots * sizeof(*f->p2m));
    f->types = calloc(f->nr_slots, sizeof(*f->types));
    f->dirty = xlm__bitmap_alloc(f->nr_slots);
    f->unlogged = xlm__bitmap_alloc(f->nr_slots);
    assert(f->p2m && f->types && f->dirty && f->unlogged);
    memset(f->p2m, 0xff, f->nr_slots * sizeof(*f->p2m));
    f->shared_frame = FAKE_NONE;
    f->bad_gfn = FAKE_NONE;
    f->bad_errno = EINVAL;
    return f;
}

void fake_hv_free(struct fake_hv *f)
{
    for (size_t v = 0; v < FAKE_NR_VCPUS; v++) {
        for (size_t i = 0; i < 4; i++)
            free(f->vcpu[v][i].data);
    }
    free(f->policy.leaves);
    free(f->policy.msrs);
    free(f->hvm_context.data);
    free(f->p2m);
    free(f->types);
    free(f->dirty);
    free(f->unlogged);
    free(f->used);
    munmap(f->frames, (f->nr_frames + m2p_pages(f)) * XLM__PAGE_SIZE);
    close(f->memfd);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static void give_page(struct fake_hv *f, uint64_t pfn)
{
    assert(pfn < f->nr_pfns && f->p2m[pfn] == FAKE_NONE);
    fake_give_frame(f, pfn);
    memset(f->frames + f->p2m[pfn] * XLM__PAGE_SIZE, 0, XLM__PAGE_SIZE);
}

void fake_add(struct fake_hv *f, uint64_t pfn, uint64_t nr)
{
    pthread_mutex_lock(&f->lock);
    for (uint64_t i = pfn; i < pfn + nr; i++)
        give_page(f, i);
    pthread_mutex_unlock(&f->lock);
}

bool fake_grow(struct fake_hv *f, uint64_t pfn)
{
    bool may;

    pthread_mutex_lock(&f->lock);
    may = f->info.tot_pages < f->info.max_pages;
    if (may)
        give_page(f, pfn);
    pthread_mutex_unlock(&f->lock);
    return may;
}

void fake_remove(struct fake_hv *f, uint64_t pfn, uint64_t nr)
{
    pthread_mutex_lock(&f->lock);
    for (uint64_t i = pfn; i < pfn + nr; i++)
        take_frame(f, i);
    pthread_mutex_unlock(&f->lock);
}
