/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory of a PV domain that is being built: which frame each of its pages
 * has, and what it is a page of.
 *
 * Senders' threads fill it, each with pages of its own; what makes the domain
 * the source's (pv_commit.h) reads it when they are done.
 */
#ifndef XLM_DOM_PV_FRAMES_H
#define XLM_DOM_PV_FRAMES_H

#include <pthread.h>

#include "hv/hv.h"

/* A page that somebody here uses already: its frame is set beforehand, what
 * comes for it goes into a copy (pv_commit.h puts it into the page). */
struct xlm__pv_ring {
    uint64_t pfn;
    unsigned char *copy; /* a page, aligned as one */
};
enum { XLM__PV_RING_STORE, XLM__PV_RING_CONSOLE, XLM__PV_RINGS };

struct xlm__pv_frames {
    struct xlm__errslot *err; /* borrowed */
    uint64_t nr_pfns;
    struct xlm__pv_ring rings[XLM__PV_RINGS]; /* before the first page comes */
    uint8_t *types; /* XLM__PT_* >> 28, XLM__PV_CAME; each written by who has */
                    /* the page now                                         */
    /* entries become a frame under lock, and stay it unless released */
    pthread_mutex_t lock;
    _Atomic uint64_t *mfns; /* or XLM__PV_FRAME_* */
};
/* The page itself came, not only one that leads to it. */
#define XLM__PV_CAME 0x10u

#define XLM__PV_FRAME_NONE 0ull       /* Xen's own, never a domain's     */
#define XLM__PV_FRAME_SOON UINT64_MAX /* a thread is about to populate it */

/* 9 bytes for each page number that is used.  Errors: NOMEM. */
int xlm__pv_frames_new(struct xlm__errslot *err, uint64_t nr_pfns,
                       struct xlm__pv_frames **out);
void xlm__pv_frames_free(struct xlm__pv_frames *f);

/* Its frame now, if it has one. */
static inline bool xlm__pv_frames_mfn(const struct xlm__pv_frames *f,
                                      uint64_t pfn, uint64_t *mfn_out)
{
    *mfn_out = f->mfns[pfn];
    return *mfn_out != XLM__PV_FRAME_NONE && *mfn_out != XLM__PV_FRAME_SOON;
}

static inline bool xlm__pv_frames_has(const struct xlm__pv_frames *f,
                                      uint64_t pfn)
{
    uint64_t mfn;

    return xlm__pv_frames_mfn(f, pfn, &mfn);
}

/* NULL: it is none. */
const struct xlm__pv_ring *xlm__pv_frames_ring(const struct xlm__pv_frames *f,
                                               uint64_t pfn);

/*
 * Give memory to those of nr (<= XLM__MAP_MAX) pages that have none; a page may
 * be named twice.  *nomem_out as hv_ops.populate().  Errors: HYPERVISOR.
 */
int xlm__pv_frames_populate(struct xlm__pv_frames *f, struct xlm__hv *hv,
                            uint32_t domid, size_t nr, const uint64_t *pfns,
                            bool *nomem_out);
/* XLM__PT_* of a page. */
static inline uint32_t xlm__pv_frames_type(const struct xlm__pv_frames *f,
                                           uint64_t pfn)
{
    return (uint32_t)(f->types[pfn] & 0xf) << 28;
}

/* Give back what of these pages there is, but for rings; zeroed. */
int xlm__pv_frames_release(struct xlm__pv_frames *f, struct xlm__hv *hv,
                           uint32_t domid, uint64_t first, uint64_t nr);

/* Give back what only was led to, and is nowhere now. */
int xlm__pv_frames_trim(struct xlm__pv_frames *f, struct xlm__hv *hv,
                        uint32_t domid);

/*
 * Turn the pfns of a page table, page `pfn` of the domain, into frames, in
 * place; pages that have none get some.  Errors: STREAM (names the entry),
 * HYPERVISOR.
 */
int xlm__pv_frames_localise(struct xlm__pv_frames *f, struct xlm__hv *hv,
                            uint32_t domid, uint64_t pfn, uint64_t *table,
                            bool *nomem_out);

#endif /* XLM_DOM_PV_FRAMES_H */
