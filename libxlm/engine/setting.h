/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a domain had before a migration changed it for a while: written to a
 * mark before the first change, so that whoever is left can give it back.  All
 * under the domain's lock.
 *
 *   CAP     what it may use of the CPUs; less slows it down (engine/slow.h)
 *   LIMIT   the memory it may have; while it is copied, it gets no more
 */
#ifndef XLM_ENGINE_SETTING_H
#define XLM_ENGINE_SETTING_H

#include "hv/hv.h"
#include "toolstack/toolstack.h"

enum xlm__setting { XLM__SETTING_CAP, XLM__SETTING_LIMIT };

/* Pages; while this is its LIMIT, a domain gets none, whatever it gave up. */
#define XLM__NO_GROWTH 0u

/* Write down what it has now. */
int xlm__setting_record(struct xlm__hv *hv, struct xlm__toolstack *t,
                        enum xlm__setting setting, uint32_t domid,
                        const unsigned char uuid[16]);

/* Give back what is recorded, if anything is. */
int xlm__setting_restore(struct xlm__hv *hv, struct xlm__toolstack *t,
                         enum xlm__setting setting, uint32_t domid,
                         const unsigned char uuid[16]);

/* All of them; the first error, after all were tried. */
int xlm__settings_restore(struct xlm__hv *hv, struct xlm__toolstack *t,
                          uint32_t domid, const unsigned char uuid[16]);

#endif /* XLM_ENGINE_SETTING_H */
