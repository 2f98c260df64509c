/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source's last step before the wire: pages as PAGES or as PACKED.
 *
 *      frames ──────────────────────────────────────> PAGES   no copy
 *      frames ──> private copy ──> encoder ─────────> PACKED
 *                          │          └ no gain: ───> PAGES
 *                          └ copy of what was sent ─> PACKED, what has changed
 *
 * The guest may write to its frames all the time, so only a copy is encoded.
 * What does not shrink goes as if nothing had been tried.
 */
#ifndef XLM_ENGINE_PACK_H
#define XLM_ENGINE_PACK_H

#include "engine/copies.h"
#include "engine/sent.h"
#include "engine/session.h"
#include "engine/throttle.h"

struct xlm__packer; /* of one channel's thread */

/* The channel is open.  Logs (WARN) if the peer cannot unpack what the
 * options ask for.  Errors: NOMEM. */
int xlm__packer_new(struct xlm_session *s, struct xlm__link *l,
                    struct xlm__throttle *t, struct xlm__packer **out);
void xlm__packer_free(struct xlm__packer *p);

/* What is sent is noted there from now on, too. */
void xlm__packer_note(struct xlm__packer *p, struct xlm__sentlog *log);

/* While contents are encoded, or the way is slow and it is for us to choose,
 * pages of which there is a copy go by what has changed.  Borrowed; all
 * channels have them, or none. */
void xlm__packer_copies(struct xlm__packer *p, struct xlm__copies *copies);

/* Waits as the bandwidth limit demands, for the bytes that really go out.
 * Errors: NOMEM, and those of xlm__send_pages(). */
int xlm__packer_send(struct xlm__packer *p, const struct xlm__pages_out *pages);

/* What was sent so far. */
struct xlm__packer_sums {
    uint64_t raw_bytes, packed_bytes; /* contents, and what became of them */
    uint64_t delta_pages;             /* of which only the changed words went */
};
/* Added.  Not while a send is in progress. */
void xlm__packer_count(const struct xlm__packer *p,
                       struct xlm__packer_sums *sums);

#endif /* XLM_ENGINE_PACK_H */
