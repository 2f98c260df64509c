/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libxc's restore is shown of a PV domain so that it completes it, and xl
 * its devices, before the domain's memory is there.
 *
 *   its own two ring pages, empty: xenstored and xenconsoled get them
 *   three pages behind its last one, which are given back at once:
 *     a page table of level 4, empty, that vcpu 0 begins with
 *     a page that is shown as all but one pages of the p2m
 *     start_info, which is also the p2m's last page: the helper writes ports
 *     and frames into it, and the three pages' own frames over its first words
 */
#ifndef XLM_DOM_PV_SCAFFOLD_H
#define XLM_DOM_PV_SCAFFOLD_H

#include "dom/pv_commit.h"

/* The records, for the rings that frames->rings names.  Errors: NOMEM, and
 * emit's. */
int xlm__pv_scaffold_emit(const struct xlm__pv_frames *frames,
                          xlm__emit_fn *emit, void *user);

/*
 * Has the helper completed it?  Then the scaffold is taken away, vcpu 0 is as
 * it was created, *home_out and the rings' frames are known, and *done_out.
 * Otherwise, for a moment, nothing is changed.  Errors: HYPERVISOR.
 */
int xlm__pv_scaffold_remove(struct xlm__hv *hv, uint32_t domid,
                            struct xlm__pv_frames *frames,
                            struct xlm__pv_home *home_out, bool *done_out);

#endif /* XLM_DOM_PV_SCAFFOLD_H */
