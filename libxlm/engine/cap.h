/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cap that a domain had before we slowed it down: written to a mark before
 * the first step, so that whoever is left can give it back.  Both under the
 * domain's lock.
 */
#ifndef XLM_ENGINE_CAP_H
#define XLM_ENGINE_CAP_H

#include "hv/hv.h"
#include "toolstack/toolstack.h"

int xlm__cap_record(struct xlm__toolstack *t, uint32_t domid,
                    const unsigned char uuid[16], uint32_t cap);

/* Give back what is recorded, if anything is; *cap_out, which may be NULL, is
 * it then, else untouched. */
int xlm__cap_restore(struct xlm__hv *hv, struct xlm__toolstack *t,
                     uint32_t domid, const unsigned char uuid[16],
                     uint32_t *cap_out);

#endif /* XLM_ENGINE_CAP_H */
