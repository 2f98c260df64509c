/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where received pages go at the destination.
 *
 * For a translated guest (PVH, HVM) the sink populates the pages that are
 * missing (2 MiB extents where a whole one is wanted), maps them, and lends the
 * guest's own frames to the reader.  For PV there are two: one does the same,
 * and turns page tables into the host's, once libxl's helper is done with the
 * domain; with the other it is not, and has to see page tables: that lends a
 * buffer and passes the pages on to it as PAGE_DATA records.
 *
 *      begin(pfns) ──> read bytes into pages[] ──> end()
 *
 * Several threads may use one sink at once, each with its own job.  No pfn is
 * in two jobs at once: the engine's rounds see to that.
 */
#ifndef XLM_MEM_SINK_H
#define XLM_MEM_SINK_H

#include <sys/uio.h>

#include "dom/pv_frames.h"
#include "hv/hv.h"
#include "mem/pagehash.h"

#define XLM__JOB_MAX  1024u
#define XLM__KEEP_MAX 4u

struct xlm__sink;
struct xlm__job; /* one per thread */

/* Writes one libxc record into the stream that rebuilds the domain; must
 * serialise calls of several threads.  Returns 0 or an error. */
typedef int xlm__relay_fn(void *user, uint32_t type, size_t nr_parts,
                          const struct iovec *parts);

struct xlm__sink_ops {
    void (*close)(struct xlm__sink *s);
    int (*job_new)(struct xlm__sink *s, struct xlm__job **out);
    void (*job_free)(struct xlm__job *j);

    /* Prepare nr (<= XLM__JOB_MAX) pages.  types[i] are XLM__PT_*; pages of
     * type XTAB, BROKEN or XALLOC carry no bytes and get pages_out[i] NULL.
     * The caller fills each other page with 4096 bytes, then calls end().
     * Errors: HYPERVISOR (no memory at this host names how much is missing),
     * STREAM (a pfn out of range). */
    int (*begin)(struct xlm__job *j, size_t nr, const uint64_t *pfns,
                 const uint32_t *types, void **pages_out);
    int (*end)(struct xlm__job *j);
    /* Where this job's pages_out point for pages that are kept; NULL: nowhere.
     */
    const void *(*dropped)(const struct xlm__job *j);
    /* After a failure between begin() and end(). */
    void (*abort)(struct xlm__job *j);

    /* Pages first .. first+nr-1 are zero.  Not between begin() and end() of
     * the same job. */
    int (*zero)(struct xlm__job *j, uint64_t first, uint64_t nr, uint32_t type);
    /* The source has these pages no longer: they are cleared and given back,
     * before others get their memory.  Passed on, libxl's helper learns
     * it, but the memory stays allocated. */
    int (*release)(struct xlm__sink *s, uint64_t first, uint64_t nr);
    /* This page is somebody's here from now on: it gets memory, zeroed, and
     * whatever comes for it later is dropped.  Before the first page comes, at
     * most XLM__KEEP_MAX times.  PV: not supported. */
    int (*keep)(struct xlm__sink *s, uint64_t pfn);
};

struct xlm__sink {
    const struct xlm__sink_ops *ops;
    struct xlm__hv *hv; /* borrowed */
    uint32_t domid;
    uint64_t nr_pfns;
};

int xlm__sink_open_hvm(struct xlm__hv *hv, uint32_t domid, uint64_t nr_pfns,
                       struct xlm__sink **out);
/* Drops everything. */
int xlm__sink_open_null(struct xlm__hv *hv, uint64_t nr_pfns,
                        struct xlm__sink **out);
int xlm__sink_open_pv(struct xlm__hv *hv, uint32_t domid, uint64_t nr_pfns,
                      xlm__relay_fn *relay, void *relay_user,
                      struct xlm__sink **out);
/* frames is borrowed; its rings are set before the first page comes. */
int xlm__sink_open_frames(struct xlm__hv *hv, uint32_t domid,
                          struct xlm__pv_frames *frames,
                          struct xlm__sink **out);
/* Notes in given[pfn] what was last put into `next`, which is closed with it:
 * all zero for no page.  The two others are borrowed.  Errors: NOMEM, and then
 * next is not closed. */
int xlm__sink_open_given(struct xlm__sink *next,
                         const struct xlm__pagehash *hash,
                         struct xlm__hash *given, struct xlm__sink **out);

#endif /* XLM_MEM_SINK_H */
