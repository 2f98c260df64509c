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
 * what it gives away (sink.h's xlm__sink_open_given()): 16 bytes a page.
 */
#ifndef XLM_MEM_VERIFY_H
#define XLM_MEM_VERIFY_H

#include "mem/reader.h"

#define XLM__SUM_PAGES     256u /* whose hashes are as long as a page */
#define XLM__VERIFY_SPARED 65536u
/* Page numbers for a page of memory, beside those below 4 GiB.  Notes, 16
 * bytes each, take memory only for pages that were there; sums and a bitmap, a
 * fifth of a byte for each page number, always. */
#define XLM__VERIFY_RATIO 1024u
#define XLM__VERIFY_HOLES (1u << 20)

struct xlm__verify_key {
    struct xlm__pagehash_key pages, sums;
};

struct xlm__verify;

/* Can a domain be compared?  Errors: INVAL (says the limit). */
int xlm__verify_check(struct xlm__errslot *err, uint64_t nr_pfns,
                      uint64_t memory_pages);

/* pv: what travels without contents is memory, too.  Errors: NOMEM. */
int xlm__verify_new(struct xlm__errslot *err, const struct xlm__verify_key *key,
                    uint64_t nr_pfns, bool pv, struct xlm__verify **out);
void xlm__verify_free(struct xlm__verify *v);

/* These pages are left out: ascending, at most XLM__VERIFY_SPARED; copied.
 * Errors: NOMEM. */
int xlm__verify_spare(struct xlm__verify *v, size_t nr, const uint64_t *pfns);
bool xlm__verify_spares(const struct xlm__verify *v, uint64_t pfn);

/*
 * Note the hashes of pages, all of them or some, of a domain that does not run:
 * .pages, .nr_pages and .check with its .user are the caller's.  A page whose
 * hash was noted before, and is another one now, has changed meanwhile, by the
 * hands of others.  Errors: of xlm__reader_run().
 */
int xlm__verify_note(struct xlm__verify *v, struct xlm__reader *r,
                     struct xlm__reading what);
/* ... those of sum number i. */
int xlm__verify_note_sum(struct xlm__verify *v, struct xlm__reader *r,
                         const uint64_t *pages, uint64_t i);
bool xlm__verify_changed(const struct xlm__verify *v, uint64_t pfn);

/* The notes, by pfn, all zero at first: for who gives pages away instead. */
struct xlm__hash *xlm__verify_notes(struct xlm__verify *v);
const struct xlm__pagehash *xlm__verify_hash(const struct xlm__verify *v);

/* Sums of what was noted, but for what is left out; then: */
void xlm__verify_add_up(struct xlm__verify *v);
uint64_t xlm__verify_nr_sums(const struct xlm__verify *v);
const struct xlm__hash *xlm__verify_sums(const struct xlm__verify *v);
uint64_t xlm__verify_nr_pages(
    const struct xlm__verify *v); /* that they are of */
/* What sum number i is of. */
void xlm__verify_pages_of(const struct xlm__verify *v, uint64_t i,
                          struct xlm__hash out[XLM__SUM_PAGES]);

#endif /* XLM_MEM_VERIFY_H */
