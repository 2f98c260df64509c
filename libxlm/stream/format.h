/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The wire format of doc/stream-format.md in C: numbers, limits and layouts,
 * nothing else.  Section numbers are those of that document.
 *
 * The structs show layouts; nothing is ever cast to them.  Fields are read and
 * written at offsetof() with util/byteorder.h, little-endian.
 */
#ifndef XLM_STREAM_FORMAT_H
#define XLM_STREAM_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "util/uuid.h"

/* ---- section 3: greeting ---- */

#define XLM__MAGIC          "XLMLIVE\n"
#define XLM__MAGIC_BYTES    8u
#define XLM__GREETING_BYTES 96u
#define XLM__TOKEN_BYTES    32u

#define XLM__STREAM_VERSION_MIN 1u
#define XLM__STREAM_VERSION_MAX 1u

/* Section 10. */
#define XLM__FEATURE_LZ4         (1ull << 0)
#define XLM__FEATURE_ZSTD        (1ull << 1)
#define XLM__FEATURE_PREBUILD_DM (1ull << 2) /* of the control channel */
#define XLM__FEATURE_DELTA       (1ull << 3)
#define XLM__FEATURE_VERIFY      (1ull << 4) /* of the control channel */
#define XLM__FEATURE_PREBUILD_PV (1ull << 5) /* of the control channel */
#define XLM__FEATURE_PAUSED      (1ull << 6) /* of the control channel */
#define XLM__FEATURE_RUNS        (1ull << 7)
#define XLM__STREAM_FEATURES                                                   \
    (XLM__FEATURE_LZ4 | XLM__FEATURE_ZSTD | XLM__FEATURE_DELTA |               \
     XLM__FEATURE_PREBUILD_DM | XLM__FEATURE_PREBUILD_PV |                     \
     XLM__FEATURE_VERIFY | XLM__FEATURE_PAUSED | XLM__FEATURE_RUNS)
/* Of PACKED's codec, 1..XLM__PACKED_CODEC. */
#define XLM__FEATURE_OF_CODEC(codec)                                           \
    ((codec) == XLM__PACKED_DELTA ? XLM__FEATURE_DELTA : 1ull << ((codec)-1))
/* Section 2.3; offered by who wants it. */
#define XLM__FEATURE_RESUME (1ull << 8)
/* Section 2.4; the same. */
#define XLM__FEATURE_RETURN (1ull << 9)

enum xlm__kind { XLM__KIND_CONTROL = 1, XLM__KIND_DATA = 2 };

#define XLM__CHANNELS_MAX 64u /* data channels of a session */

struct xlm__wire_greeting {
    uint8_t magic[8];
    uint16_t version_min;
    uint16_t version_max;
    uint8_t kind;
    uint8_t role;
    uint16_t index;
    uint64_t offered;
    uint64_t required;
    uint8_t session[16];
    uint8_t token[32];
    uint32_t attempt;
    uint32_t taken;
    uint8_t reserved[4];
    uint32_t crc;
};
_Static_assert(sizeof(struct xlm__wire_greeting) == XLM__GREETING_BYTES,
               "greeting has no holes");
_Static_assert(offsetof(struct xlm__wire_greeting, crc) == 92,
               "the CRC covers bytes 0..91");

/* ---- section 4: records ---- */

struct xlm__wire_header {
    uint32_t type;
    uint32_t length; /* of the body, padding not counted */
    uint32_t seq;
    uint32_t crc;
};
#define XLM__HEADER_BYTES 16u
_Static_assert(sizeof(struct xlm__wire_header) == XLM__HEADER_BYTES,
               "header has no holes");
_Static_assert(offsetof(struct xlm__wire_header, crc) == 12,
               "the CRC covers header bytes 0..11");

#define XLM__ALIGN        8u
#define XLM__REC_OPTIONAL 0x80000000u
#define XLM__BODY_MAX     (16u << 20)
#define XLM__UNKNOWN_MAX  (1u << 20) /* body of an unknown optional record */

/* NAME, number.  Order and direction are those of section 5's tables. */
/* clang-format off */
#define XLM__REC_MAP(X)                                                        \
    X(OFFER,       0x01u)                                                      \
    X(CONFIG,      0x02u)                                                      \
    X(CHECK,       0x03u)                                                      \
    X(FINDING,     0x04u)                                                      \
    X(CHECKED,     0x05u)                                                      \
    X(BUILD,       0x06u)                                                      \
    X(BUILT,       0x07u)                                                      \
    X(STATE,       0x08u)                                                      \
    X(ROUND_BEGIN, 0x09u)                                                      \
    X(ROUND_END,   0x0au)                                                      \
    X(ROUND_DONE,  0x0bu)                                                      \
    X(RELEASE,     0x0cu)                                                      \
    X(DM_STATE,    0x0du)                                                      \
    X(XENSTORE,    0x0eu)                                                      \
    X(TAIL_END,    0x0fu)                                                      \
    X(READY,       0x10u)                                                      \
    X(PERMIT,      0x11u)                                                      \
    X(COMMIT,      0x12u)                                                      \
    X(RUNNING,     0x13u)                                                      \
    X(NOT_RUNNING, 0x14u)                                                      \
    X(BYE,         0x15u)                                                      \
    X(ABORT,       0x16u)                                                      \
    X(ABORTED,     0x17u)                                                      \
    X(CLOCK_PING,  0x18u)                                                      \
    X(CLOCK_PONG,  0x19u)                                                      \
    X(GUEST_GAP,   0x8000001au)                                                \
    X(PREBUILD,    0x1bu)                                                      \
    X(PREBUILT,    0x1cu)                                                      \
    X(PAGES,       0x40u)                                                      \
    X(ZEROS,       0x41u)                                                      \
    X(MARK,        0x42u)                                                      \
    X(CLOSE,       0x43u)                                                      \
    X(PACKED,      0x44u)                                                      \
    X(TAKEN,       0x45u)                                                      \
    X(VERIFY,      0x20u)                                                      \
    X(SPARED,      0x21u)                                                      \
    X(SUMS,        0x22u)                                                      \
    X(ASK,         0x23u)                                                      \
    X(HASHES,      0x24u)                                                      \
    X(VERIFIED,    0x25u)
/* clang-format on */

enum xlm__rec_type {
    XLM__REC_INVALID = 0,
#define XLM__REC_ENUM(name, value) XLM__REC_##name = value,
    XLM__REC_MAP(XLM__REC_ENUM)
#undef XLM__REC_ENUM
};

#define XLM__REC_DATA_FIRST XLM__REC_PAGES
#define XLM__REC_DATA_LAST  XLM__REC_TAKEN

/* ---- section 6: bodies of the control channel ---- */

struct xlm__wire_offer {
    uint32_t domid;
    uint32_t domain_type;
    uint64_t nr_pfns;
    uint64_t memory_pages;
    uint32_t nr_data_channels;
    uint32_t flags;
    uint32_t xen_major;
    uint32_t xen_minor;
    uint8_t uuid[16];
    uint8_t boot_id[16];
    /* strings: name, hostname, xen_version, xlm_version */
};
_Static_assert(sizeof(struct xlm__wire_offer) == 72, "no holes");

#define XLM__OFFER_DRY_RUN  (1u << 0)
#define XLM__OFFER_PREBUILD (1u << 1)
#define XLM__OFFER_SAMPLE   (1u << 2)
#define XLM__OFFER_FLAGS                                                       \
    (XLM__OFFER_DRY_RUN | XLM__OFFER_PREBUILD | XLM__OFFER_SAMPLE)

enum xlm__wire_type {
    XLM__WIRE_PV = 1,
    XLM__WIRE_PVH = 2,
    XLM__WIRE_HVM = 3,
};

#define XLM__DOMID_MAX    0x7fefu /* below Xen's DOMID_FIRST_RESERVED      */
#define XLM__NR_PFNS_MAX  (1ull << 34) /* 64 TiB; Xen's own limit is 16 TiB */
#define XLM__DOMNAME_MAX  200u /* xl-NAME--incoming.log in a name of 255    */
#define XLM__HOSTNAME_MAX 255u
#define XLM__VERSTR_MAX   63u
#define XLM__CONFIG_MAX   (1u << 20)

struct xlm__wire_checked {
    uint32_t verdict;
    uint32_t xen_major;
    uint32_t xen_minor;
    uint32_t flags;
    uint64_t free_pages;
    uint8_t boot_id[16];
    /* strings: hostname, xen_version, xlm_version */
};
_Static_assert(sizeof(struct xlm__wire_checked) == 40, "no holes");

enum xlm__verdict { XLM__VERDICT_OK = 0, XLM__VERDICT_BLOCKED = 1 };
#define XLM__CHECKED_PREBUILD (1u << 0)
#define XLM__CHECKED_FLAGS    XLM__CHECKED_PREBUILD

#define XLM__SEVERITY_MAX 3u /* 1 note, 2 warning, 3 blocks */
#define XLM__FINDINGS_MAX 256u
#define XLM__CODE_MAX     64u
#define XLM__TEXT_MAX     512u

/* flags of BUILD */
#define XLM__BUILD_LEAVE_PAUSED (1u << 0)
#define XLM__BUILD_NO_MONITOR   (1u << 1)
#define XLM__BUILD_KEEP_DOMID   (1u << 2)
#define XLM__BUILD_DEBUG        (1u << 3)
#define XLM__BUILD_FLAGS        0x0fu

struct xlm__wire_build {
    uint32_t flags;
    uint32_t resume_s;
    uint32_t port; /* enum xlm__port_kind */
    uint16_t port_low;
    uint16_t port_high;
    uint8_t key[32];
};
_Static_assert(sizeof(struct xlm__wire_build) == 48, "no holes");
#define XLM__RESUME_S_MAX 3600u

enum xlm__port_kind {
    XLM__PORT_NONE = 0,
    XLM__PORT_PLAIN = 1,
    XLM__PORT_TLS = 2,
};
#define XLM__KEY_BYTES 32u

struct xlm__wire_built {
    uint32_t domid;
    uint16_t port;
    uint16_t nr_addresses;
    /* strings: why there is no port, addresses */
};
_Static_assert(sizeof(struct xlm__wire_built) == 8, "no holes");
#define XLM__ADDRESSES_MAX    16u
#define XLM__ADDRESS_TEXT_MAX 45u /* INET6_ADDRSTRLEN without its NUL */

struct xlm__wire_state {
    uint32_t xc_type;
    uint32_t reserved;
    /* body of the libxc record, not padded */
};
_Static_assert(sizeof(struct xlm__wire_state) == 8, "no holes");

/* ROUND_END, ROUND_DONE and MARK; ROUND_BEGIN is the first half. */
struct xlm__wire_round {
    uint32_t round;
    uint32_t flags;
    uint64_t pages;
    uint64_t zero_pages;
};
_Static_assert(sizeof(struct xlm__wire_round) == 24, "no holes");
#define XLM__ROUND_BEGIN_BYTES 8u
#define XLM__ROUND_FINAL       (1u << 0)
#define XLM__ROUND_PAUSED      (1u << 1) /* of ROUND_BEGIN, with FINAL */
#define XLM__ROUND_MAX         65535u

struct xlm__wire_list { /* RELEASE and XENSTORE begin with it */
    uint32_t count;
    uint32_t reserved;
};
struct xlm__wire_extent { /* RELEASE; in ZEROS bits 60..63 of first = type */
    uint64_t first;
    uint64_t nr;
};
_Static_assert(sizeof(struct xlm__wire_list) == 8, "no holes");
_Static_assert(sizeof(struct xlm__wire_extent) == 16, "no holes");
#define XLM__RELEASE_MAX 32768u

struct xlm__wire_dm_state {
    uint64_t total;
    uint64_t offset;
    /* at least one byte of the device model's state */
};
_Static_assert(sizeof(struct xlm__wire_dm_state) == 16, "no holes");
#define XLM__DM_STATE_MAX (64ull << 20)

#define XLM__XS_NODES_MAX 4096u
#define XLM__XS_PATH_MAX  1024u
#define XLM__XS_DEPTH_MAX 16u
#define XLM__XS_VALUE_MAX 4096u
#define XLM__XS_PERMS_MAX 1023u      /* bytes */
#define XLM__XS_BODY_MAX  (2u << 20) /* 1 MiB of text and values, lengths */

struct xlm__wire_running {
    uint64_t unpaused_ns;
    uint32_t domid;
    uint32_t flags;
};
_Static_assert(sizeof(struct xlm__wire_running) == 16, "no holes");
#define XLM__RUNNING_PAUSED (1u << 0)
#define XLM__RUNNING_FLAGS  XLM__RUNNING_PAUSED

#define XLM__ERRCODE_MAX 255u /* ABORT: -enum xlm_error */
#define XLM__PINGS_MAX   16u  /* unanswered CLOCK_PINGs */

/* ---- section 6.2: comparing all memory ---- */

#define XLM__HASH_BYTES    16u
#define XLM__SUM_HASHES    256u /* pages whose hashes make a sum */
#define XLM__SUMS_MAX      65536u
#define XLM__SPARED_MAX    65536u
#define XLM__SPARED_KINDS  7u
#define XLM__ASKS_MAX      16u
#define XLM__KEY_NH_WORDS  1048u
#define XLM__KEY_WEIGHTS   5u
#define XLM__HASHKEY_BYTES (4u * XLM__KEY_NH_WORDS + 16u * XLM__KEY_WEIGHTS)
#define XLM__VERIFY_BYTES  (2u * XLM__HASHKEY_BYTES)

struct xlm__wire_sums {
    uint64_t first;
    uint32_t count;
    uint32_t reserved;
    /* count sums */
};
_Static_assert(sizeof(struct xlm__wire_sums) == 16, "no holes");

struct xlm__wire_verified {
    uint64_t pages;
    uint64_t spared;
    uint64_t us;
};
_Static_assert(sizeof(struct xlm__wire_verified) == 24, "no holes");

/* ---- section 7: bodies of the data channels ---- */

struct xlm__wire_pages { /* PAGES and ZEROS begin with it */
    uint32_t round;
    uint32_t count;
    /* PAGES: count entries, then the contents; ZEROS: count extents */
};
_Static_assert(sizeof(struct xlm__wire_pages) == 8, "no holes");
#define XLM__PAGES_MAX        1024u
#define XLM__ZEROS_MAX        1024u
#define XLM__PAGE_BYTES       4096u
#define XLM__ENTRY_PFN_MASK   0x000fffffffffffffull
#define XLM__ENTRY_MORE       0x0ff0000000000000ull /* reserved in SPARED */
#define XLM__ENTRY_MORE_SHIFT 52
#define XLM__ENTRY_MORE_MAX   0xffu
#define XLM__ENTRY_SHIFT      60

/* Types of a page in bits 60..63 of an entry: XEN_DOMCTL_PFINFO_* >> 28. */
#define XLM__ENTRY_NOTAB   0x0u
#define XLM__ENTRY_L4TAB   0x4u
#define XLM__ENTRY_LPINTAB 0x8u
#define XLM__ENTRY_BROKEN  0xdu
#define XLM__ENTRY_XALLOC  0xeu
#define XLM__ENTRY_XTAB    0xfu

struct xlm__wire_packed {
    uint32_t round;
    uint32_t count;
    uint32_t codec;
    uint32_t bytes; /* of packed contents, behind the entries */
    /* count entries, then the packed contents of all of them */
};
_Static_assert(sizeof(struct xlm__wire_packed) == 16, "no holes");
_Static_assert(offsetof(struct xlm__wire_packed, count) ==
                   offsetof(struct xlm__wire_pages, count),
               "begins as PAGES does");
struct xlm__wire_taken {
    uint32_t count;
    uint32_t reserved;
};
_Static_assert(sizeof(struct xlm__wire_taken) == 8, "no holes");
/* The destination says TAKEN at least every so many records. */
#define XLM__TAKEN_EVERY 16u

#define XLM__PACKED_MAX   256u
#define XLM__PACKED_DELTA 3u /* the codec that needs what was there   */
#define XLM__PACKED_CODEC 3u /* the highest number of a codec         */
#define XLM__PACKED_BYTES_MAX                                                  \
    (16u + XLM__PACKED_MAX * (8u + XLM__PAGE_BYTES) - 1u)

#define XLM__PAGES_BYTES_MAX (8u + XLM__PAGES_MAX * (8u + XLM__PAGE_BYTES))
_Static_assert(XLM__PAGES_BYTES_MAX <= XLM__BODY_MAX, "PAGES fits a body");
_Static_assert(8u + XLM__RELEASE_MAX * 16u <= XLM__BODY_MAX,
               "RELEASE fits a body");

#endif /* XLM_STREAM_FORMAT_H */
