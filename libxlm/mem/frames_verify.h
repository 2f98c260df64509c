/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is what a PV domain has in its frames what came for it?  What was noted of a
 * page is its hash as it came (sink.h's xlm__sink_open_given()); here tables
 * are turned back into that.
 */
#ifndef XLM_MEM_FRAMES_VERIFY_H
#define XLM_MEM_FRAMES_VERIFY_H

#include "dom/pv_frames.h"
#include "mem/pagehash.h"

struct xlm__frames_verify {
    struct xlm__hv *hv;
    uint32_t domid;
    const struct xlm__pv_frames *frames;
    const struct xlm__pagehash *hash;
    const struct xlm__hash *notes; /* by pfn; all zero: nothing came */
    int (*check)(void *user);      /* any thread, often: may it go on? */
    void (*differs)(void *user, uint64_t pfn); /* one thread at a time */
    void *user;
};

/* Of all pages but rings, by a thread a processor, before pv_commit.h changes
 * some.  Calls differs() for
 * each that is another.  Errors: HYPERVISOR, NOMEM, check()'s. */
int xlm__frames_verify(const struct xlm__frames_verify *v);

#endif /* XLM_MEM_FRAMES_VERIFY_H */
