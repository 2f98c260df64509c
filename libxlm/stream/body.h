/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bodies of records as plain C structs (doc/stream-format.md sections 6, 7).
 *
 * decode is the one place where lengths, counts, pfns and reserved fields are
 * checked; a writer passes what it is about to send through it too.  Strings
 * are copied and NUL-terminated; pointers go into the decoded buffer.
 */
#ifndef XLM_STREAM_BODY_H
#define XLM_STREAM_BODY_H

#include <stdbool.h>

#include "base/error.h"
#include "stream/format.h"

struct xlm__offer {
    uint32_t domid;
    uint32_t domain_type; /* enum xlm__wire_type */
    uint64_t nr_pfns, memory_pages;
    uint32_t nr_data_channels;
    uint32_t flags; /* XLM__OFFER_* */
    uint32_t xen_major, xen_minor;
    uint8_t uuid[XLM__UUID_BYTES];
    uint8_t boot_id[XLM__UUID_BYTES];
    char name[XLM__DOMNAME_MAX + 1];
    char hostname[XLM__HOSTNAME_MAX + 1];
    char xen_version[XLM__VERSTR_MAX + 1];
    char xlm_version[XLM__VERSTR_MAX + 1];
};

struct xlm__checked {
    uint32_t verdict; /* enum xlm__verdict */
    uint32_t xen_major, xen_minor;
    uint32_t flags; /* XLM__CHECKED_* */
    uint64_t free_pages;
    uint8_t boot_id[XLM__UUID_BYTES];
    char hostname[XLM__HOSTNAME_MAX + 1];
    char xen_version[XLM__VERSTR_MAX + 1];
    char xlm_version[XLM__VERSTR_MAX + 1];
};

struct xlm__finding_rec {
    uint32_t severity; /* enum xlm_severity */
    char code[XLM__CODE_MAX + 1];
    char message[XLM__TEXT_MAX + 1];
    char advice[XLM__TEXT_MAX + 1];
};

struct xlm__state_rec {
    uint32_t xc_type; /* record type of the libxc stream */
    const void *data; /* 8-byte aligned                  */
    uint32_t bytes;
};

struct xlm__round {
    uint32_t round;
    uint32_t flags; /* XLM__ROUND_FINAL, XLM__ROUND_PAUSED */
    uint64_t pages; /* ROUND_BEGIN: both 0 */
    uint64_t zero_pages;
};

struct xlm__extent {
    uint64_t first, nr;
    uint32_t type; /* ZEROS only: XEN_DOMCTL_PFINFO_*, bits 28..31 */
};

struct xlm__build {
    uint32_t flags;               /* XLM__BUILD_* */
    uint32_t resume_s;            /* a lost data channel is waited for */
    uint32_t port;                /* enum xlm__port_kind */
    uint16_t port_low, port_high; /* both 0: any */
    uint8_t key[XLM__KEY_BYTES];
};

struct xlm__built {
    uint32_t domid;
    uint16_t port; /* 0: none, for the reason in why, or none was wanted */
    uint16_t nr_addresses;
    char why[XLM__TEXT_MAX + 1];
    char addresses[XLM__ADDRESSES_MAX][XLM__ADDRESS_TEXT_MAX + 1];
};

/* A list that stays encoded; take entry i with the function for it. */
struct xlm__list {
    uint32_t round; /* ZEROS only */
    uint32_t nr;
    uint32_t bytes; /* XENSTORE only */
    const uint8_t *at;
};

struct xlm__dm_part {
    uint64_t total, offset;
    const void *data;
    uint32_t bytes;
};

struct xlm__node {
    char path[XLM__XS_PATH_MAX + 1];
    char perms[XLM__XS_PERMS_MAX + 1]; /* n@self,r0 */
    const void *value;
    uint32_t value_bytes;
};

struct xlm__running {
    uint64_t unpaused_ns; /* destination's CLOCK_MONOTONIC */
    uint32_t domid;
    uint32_t flags; /* XLM__RUNNING_PAUSED */
};

struct xlm__clock {
    uint64_t t1, t2, t3; /* PING: only t1 */
};

struct xlm__abort {
    int code; /* enum xlm_error: negative */
    char text[XLM__TEXT_MAX + 1];
};

/* pfns and types have nr entries; types are XEN_DOMCTL_PFINFO_*, bits 28..31.
 * Pages of type BROKEN, XALLOC and XTAB have no contents. */
struct xlm__pages {
    uint32_t round;
    uint32_t nr;
    uint32_t nr_contents;
    const uint64_t *pfns;
    const uint32_t *types;
};

/* SUMS, and HASHES: those of the pages of one sum. */
struct xlm__sums {
    uint64_t first; /* HASHES: number of the sum */
    uint32_t nr;
    const uint8_t *at;
};

struct xlm__verified {
    uint64_t pages, spared;
    uint64_t us; /* that it took after all else was done */
};

struct xlm__packed {
    struct xlm__pages pages; /* all have contents */
    uint32_t codec;          /* one that is in use */
    uint32_t bytes;
    const uint8_t *at;
};

struct xlm__prebuild_rec { /* PREBUILD; PV: with its rings */
    bool has_rings;
    uint64_t store_pfn, console_pfn;
};

union xlm__body {
    struct xlm__offer offer;
    struct {
        const char *json; /* NUL-terminated */
        uint32_t bytes;   /* without the NUL */
    } config;
    struct xlm__finding_rec finding;
    struct xlm__checked checked;
    struct xlm__build build;
    struct xlm__built built;
    struct xlm__state_rec state;
    struct xlm__prebuild_rec prebuild;
    struct xlm__round round; /* ROUND_BEGIN, _END, _DONE, MARK */
    struct xlm__list release, xenstore, zeros;
    struct xlm__dm_part dm;
    struct xlm__running running;
    struct xlm__abort abort;      /* ABORT */
    char text[XLM__TEXT_MAX + 1]; /* NOT_RUNNING */
    struct xlm__clock clock;      /* CLOCK_PING, CLOCK_PONG */
    uint64_t gap_us;              /* GUEST_GAP */
    uint32_t taken;               /* TAKEN */
    const uint8_t *keys;          /* VERIFY: XLM__VERIFY_BYTES */
    struct xlm__list spared;      /* SPARED */
    struct xlm__sums sums;        /* SUMS, HASHES */
    uint64_t asked;               /* ASK: number of a sum */
    struct xlm__verified verified;
    struct xlm__pages pages;   /* PAGES */
    struct xlm__packed packed; /* PACKED */
};

/* What decode needs to know besides the bytes. */
struct xlm__body_ctx {
    struct xlm__errslot *err;
    int code; /* recorded with a failure: STREAM, or INVAL when sending */
    uint64_t offset; /* of the record, for messages                           */
    uint64_t nr_pfns;
    bool pv; /* page-table types are allowed                          */
    uint64_t features; /* in use on this channel                      */
    /* PAGES, PACKED: room for XLM__PAGES_MAX each */
    uint64_t *pfns;
    uint32_t *types;
};

/* "PAGES"; "unknown record" for others. */
const char *xlm__rec_name(uint32_t type);
bool xlm__rec_known(uint32_t type);
/* May that role send it? */
bool xlm__rec_by(uint32_t type, enum xlm_role role);

/* Least and largest body of a known type. */
void xlm__rec_limits(uint32_t type, uint32_t *min_out, uint32_t *max_out);

/*
 * body has `length` bytes, within xlm__rec_limits(), and one NUL after them;
 * of PAGES only the list is there, while `length` is that of the whole body.
 * Errors: ctx->code.
 */
int xlm__body_decode(const struct xlm__body_ctx *ctx, uint32_t type,
                     const uint8_t *body, uint32_t length,
                     union xlm__body *out);

/* Entry i < nr of a decoded list. */
struct xlm__extent xlm__release_at(const struct xlm__list *l, uint32_t i);
struct xlm__extent xlm__zeros_at(const struct xlm__list *l, uint32_t i);

/* As .first, and who writes to it as .type: 1..XLM__SPARED_KINDS. */
struct xlm__extent xlm__spared_at(const struct xlm__list *l, uint32_t i);
struct xlm__wire_hash {
    uint64_t lo, hi;
};
struct xlm__wire_hash xlm__sum_at(const struct xlm__sums *s, uint32_t i);

/* Walk a decoded XENSTORE list: pos begins at 0; false at its end. */
bool xlm__xenstore_next(const struct xlm__list *l, uint32_t *pos,
                        struct xlm__node *out);

#endif /* XLM_STREAM_BODY_H */
