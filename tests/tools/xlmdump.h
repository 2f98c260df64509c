/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xlmdump: a second reader of the stream, written from
 * libxlm/doc/stream-format.md alone.  It shares nothing with the library, so
 * that a mistake in one of the two shows.  Sections are those of that document.
 */
#ifndef XLM_TOOLS_XLMDUMP_H
#define XLM_TOOLS_XLMDUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { SOURCE = 1, DESTINATION = 2, CONTROL = 1, DATA = 2 };
enum { PV = 1, PVH = 2, HVM = 3 };

enum type {
    OFFER = 0x01,
    CONFIG,
    CHECK,
    FINDING,
    CHECKED,
    BUILD,
    BUILT,
    STATE,
    ROUND_BEGIN,
    ROUND_END,
    ROUND_DONE,
    RELEASE,
    DM_STATE,
    XENSTORE,
    TAIL_END,
    READY,
    PERMIT,
    COMMIT,
    RUNNING,
    NOT_RUNNING,
    BYE,
    ABORT,
    ABORTED,
    CLOCK_PING,
    CLOCK_PONG,
    PREBUILD = 0x1b,
    PREBUILT,
    VERIFY = 0x20,
    SPARED,
    SUMS,
    ASK,
    HASHES,
    VERIFIED,
    PAGES = 0x40,
    ZEROS,
    MARK,
    CLOSE,
    PACKED,
    TAKEN,
};
#define GUEST_GAP 0x8000001au
#define RESUME    (1ull << 8) /* section 10 */
#define PAUSED    (1ull << 6)
#define RETURN    (1ull << 9)
#define DELTA     3u /* of PACKED's codecs, section 7 */

/* What the bodies say that the order depends on. */
struct body {
    uint32_t word[2]; /* the first two u32, if there are any */
    uint64_t pages, zero_pages;
    uint64_t dm_total, dm_offset, dm_bytes;
    uint64_t sum, nr_sums;
    bool dry_run, offers_prebuild, sample;
};

struct dump {
    FILE *out; /* NULL: say nothing */
    const uint8_t *p;
    size_t nr, at; /* of the whole file */
    char error[400];
    unsigned errors;
    /* of the channel */
    unsigned kind, role;
    uint32_t domain_type; /* 0: nobody has said */
    uint64_t nr_pfns, offered;
    uint32_t seq;
    bool resumed; /* on its first record: seq and round are not known */
    bool partly;  /* ... nor what the round had before */
    /* of the record */
    size_t record, end;
    uint32_t type;
    const char *name;
    /* of the order */
    unsigned state;
    bool finished, sample, dry_run, blocking, xenstore, gap;
    bool offers_prebuild, prebuild; /* or PREBUILT */
    bool verify, spared, verified;
    uint64_t sums;
    uint32_t asks; /* or HASHES */
    uint32_t round, findings;
    uint64_t pages, zero_pages;
    uint64_t dm_total, dm_got;
    uint32_t xc_times[0x20];
    bool xc_early[0x20];
};

/* Records the first error, returns false. */
bool fail(struct dump *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void say(struct dump *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

uint64_t le(const uint8_t *p, unsigned bytes);
/* The next field of the body. */
bool number(struct dump *d, unsigned bytes, uint64_t *out);
bool limits(struct dump *d, const char *what, uint64_t v, uint64_t least,
            uint64_t most);

bool reserved(struct dump *d);
bool skip(struct dump *d, size_t bytes);

/* xlmdump_body.c: sections 6 and 7, from d->at to d->end. */
bool dump_body(struct dump *d, struct body *b);
/* One of a list: *end is where the one before ended. */
bool extent(struct dump *d, uint64_t first, uint64_t nr, uint64_t *end);
/* xlmdump_pages.c: what lists pages */
bool dump_pages(struct dump *d, struct body *b);
bool dump_packed(struct dump *d, struct body *b);
bool dump_zeros(struct dump *d, struct body *b);
/* xlmdump_verify.c: those of section 6.2 */
bool dump_verify(struct dump *d, struct body *b);
/* xlmdump_order.c: section 8, as far as one direction shows it. */
bool dump_order(struct dump *d, const struct body *b);

#endif /* XLM_TOOLS_XLMDUMP_H */
