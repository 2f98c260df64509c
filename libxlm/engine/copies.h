/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was last sent of pages that the guest writes to again and again, so that
 * the next time only what has changed has to travel.
 *
 *   round 1: nothing is kept ── round 2: what is sent is kept, while there is
 *   room ── round 3, ..: what has changed, if it was kept
 *
 * A page has one place.  Who has it keeps it as long as it is sent in every
 * round: with more such pages than places some are served always, rather than
 * all never.
 */
#ifndef XLM_ENGINE_COPIES_H
#define XLM_ENGINE_COPIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xlm__copies;

/* Room for nr pages, which takes memory when it is used.  NULL: there is
 * none. */
struct xlm__copies *xlm__copies_new(size_t nr);
void xlm__copies_free(struct xlm__copies *c); /* NULL is allowed */

/* A round begins, and nobody sends now.  In the last one nothing is kept. */
void xlm__copies_round(struct xlm__copies *c, bool last);

/* ---- any thread ---- */

/* Is anything kept or used in this round? */
bool xlm__copies_wanted(const struct xlm__copies *c);

/* `page` is what is sent of pfn now; it must not change meanwhile.  What has
 * changed since it was sent last, as xlm__delta_make() has it, at out; its
 * bytes, or 0 if that is not known or is more than `room`. */
size_t xlm__copies_delta(struct xlm__copies *c, uint64_t pfn, const void *page,
                         void *out, size_t room);
/* It is not as it was sent any more, or who knows. */
void xlm__copies_forget(struct xlm__copies *c, uint64_t pfn);
/* The same of all pages, however many are meant: it costs one more time that
 * they travel whole. */
void xlm__copies_clear(struct xlm__copies *c);

#endif /* XLM_ENGINE_COPIES_H */
