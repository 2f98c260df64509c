/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All memory of a domain in few bytes, to be compared with another host's
 * (doc/stream-format.md section 6.2).
 *
 *   page ──key 1──> 16 bytes          none for a page that is not there, or
 *                                     that is left out
 *   256 of these are 4096 bytes ──key 2──> 16 bytes, a sum
 *
 * Sums of different pages are the same with a probability below 2^-124
 * (pagehash.h; once for each level).  A source, and the destination of a
 * translated domain, read the domain; the destination of a PV domain notes
 * what it gives away (sink.h's xlm__sink_open_given()).
 */
#ifndef XLM_MEM_VERIFY_H
#define XLM_MEM_VERIFY_H

#include "mem/reader.h"

#define XLM__SUM_PAGES     256u /* whose hashes are as long as a page */
#define XLM__VERIFY_SPARED 65536u

struct xlm__verify_key {
    struct xlm__pagehash_key pages, sums;
};

struct xlm__verify;

/* pv: what travels without contents is memory, too.  Errors: NOMEM. */
int xlm__verify_new(struct xlm__errslot *err, const struct xlm__verify_key *key,
                    uint64_t nr_pfns, bool pv, struct xlm__verify **out);
void xlm__verify_free(struct xlm__verify *v);

/* These pages are left out: ascending, at most XLM__VERIFY_SPARED; copied.
 * Errors: NOMEM. */
int xlm__verify_spare(struct xlm__verify *v, size_t nr, const uint64_t *pfns);
bool xlm__verify_spares(const struct xlm__verify *v, uint64_t pfn);

/* Read what has memory of a domain that does not run: .pages, .nr_pages and
 * .check with its .user are the caller's.  Errors: of xlm__reader_run(). */
int xlm__verify_read(struct xlm__verify *v, struct xlm__reader *r,
                     struct xlm__reading what);

/* What was given away: an entry a pfn, all zero at first.  Errors: NOMEM. */
int xlm__verify_given(struct xlm__verify *v, struct xlm__hash **given_out);
const struct xlm__pagehash *xlm__verify_hash(const struct xlm__verify *v);
void xlm__verify_add_up(struct xlm__verify *v);

/* After xlm__verify_read() or xlm__verify_add_up(). */
uint64_t xlm__verify_nr_sums(const struct xlm__verify *v);
const struct xlm__hash *xlm__verify_sums(const struct xlm__verify *v);
uint64_t xlm__verify_nr_pages(
    const struct xlm__verify *v); /* that they are of */

/* Of each page of sum number i.  With a reader: as xlm__verify_read() did, of
 * the same pages; without: as given. */
int xlm__verify_pages_of(struct xlm__verify *v, struct xlm__reader *r,
                         const uint64_t *pages, uint64_t i,
                         struct xlm__hash out[XLM__SUM_PAGES]);

#endif /* XLM_MEM_VERIFY_H */
