/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a data channel has sent in this round and the destination has not yet
 * said that it took: what has to go again if the connection breaks.
 *
 *   sent:  oldest ── .. ── newest      a record each, in order
 *            └─ taken() ─┘  rewind()──> again: a list without order
 *
 * Of pages only their numbers are kept: they go again as they are then.  That
 * is right for the reason that it is right to send a page late: who writes to
 * it makes it dirty, and a content scan notes what was sent last.  One thread.
 */
#ifndef XLM_ENGINE_SENT_H
#define XLM_ENGINE_SENT_H

#include "stream/record.h"

enum xlm__sent_kind { XLM__SENT_PAGES, XLM__SENT_ZEROS, XLM__SENT_MARK };

struct xlm__sent {
    struct xlm__sent *next;
    enum xlm__sent_kind kind;
    struct xlm__point at; /* before it was sent */
    size_t nr;
    union {
        uint64_t pfn; /* PAGES */
        struct xlm__extent extent;
    } of[];
};

struct xlm__sentlog {
    struct xlm__sent *first, **end;
    size_t nr_records;
    uint64_t pages; /* that were ever added, zero ones not counted */
};

void xlm__sentlog_init(struct xlm__sentlog *l);
void xlm__sentlog_free(struct xlm__sentlog *l);

/* One more record, that was sent at that point.  Errors: NOMEM, recorded in
 * err. */
int xlm__sent_pages(struct xlm__sentlog *l, struct xlm__errslot *err,
                    const struct xlm__point *at, size_t nr,
                    const uint64_t *pfns);
int xlm__sent_zeros(struct xlm__sentlog *l, struct xlm__errslot *err,
                    const struct xlm__point *at, size_t nr,
                    const struct xlm__extent *extents);
int xlm__sent_mark(struct xlm__sentlog *l, struct xlm__errslot *err,
                   const struct xlm__point *at);

/* The destination has so many records of this channel. */
void xlm__sent_taken(struct xlm__sentlog *l, uint32_t count);

/* All that is left goes again, before what is in *again already; a MARK is
 * dropped: *marked_out.  *from: where the stream goes on, untouched if nothing
 * was left.  Returns the number of pages. */
uint64_t xlm__sent_rewind(struct xlm__sentlog *l, struct xlm__sent **again,
                          struct xlm__point *from, bool *marked_out);

/* Pages that never got as far as the wire.  Errors: NOMEM. */
int xlm__sent_never(struct xlm__sent **again, struct xlm__errslot *err,
                    size_t nr, const uint64_t *pfns);

#endif /* XLM_ENGINE_SENT_H */
