/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A PV domain at the destination that libxl completed before the source's was
 * suspended: what makes it the source's afterwards.  It is what libxc's restore
 * does at the end of its stream, with the domain's devices there already.
 *
 * Records are those that dom.h emits, as they came over the wire.
 */
#ifndef XLM_DOM_PV_COMMIT_H
#define XLM_DOM_PV_COMMIT_H

#include "dom/dom.h"
#include "dom/pv_frames.h"

#define XLM__PV_VCPU_STATES 4u /* of enum xlm__vcpu_state */

/* Bodies, and of vCPUs what follows the vCPU's number; data is owned. */
struct xlm__pv_state {
    struct xlm__blob p2m_frames, tsc, shared_info;
    struct xlm__blob (*vcpus)[XLM__PV_VCPU_STATES]; /* by number */
    uint32_t nr_vcpus;                              /* of these  */
};
/* Of a domain with so many vCPUs, online or not.  Errors: NOMEM. */
int xlm__pv_state_new(struct xlm__errslot *err, struct xlm__pv_state *s,
                      uint32_t nr_vcpus);
void xlm__pv_state_free(struct xlm__pv_state *s);
/* Does it have a place for this type of record? */
bool xlm__pv_state_has(uint32_t type);
/* Copies; the last one of a type, and vCPU, counts.  Errors: NOMEM, STREAM (no
 * such vCPU, no length of it). */
int xlm__pv_state_keep(struct xlm__errslot *err, struct xlm__pv_state *s,
                       uint32_t type, const void *body, size_t bytes);

/* Is its list of p2m pages one of nr_pfns pages?  Errors: STREAM. */
int xlm__pv_state_check(struct xlm__errslot *err, const struct xlm__pv_state *s,
                        uint64_t nr_pfns);

/* What its start_info says of this host: frames, and event channels' ports. */
struct xlm__pv_home {
    uint64_t ring_mfns[XLM__PV_RINGS];
    uint32_t ring_ports[XLM__PV_RINGS];
};

/*
 * Make the paused domain, whose memory is all there and mapped by nobody, what
 * `last` says.  Errors: CHANGED (its rings are in other pages than they were),
 * HYPERVISOR, STREAM, NOMEM.
 */
int xlm__pv_commit(struct xlm__hv *hv, uint32_t domid,
                   struct xlm__pv_frames *frames,
                   const struct xlm__pv_home *home,
                   const struct xlm__pv_state *last);

#endif /* XLM_DOM_PV_COMMIT_H */
