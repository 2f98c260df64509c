/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who creates, suspends, resumes, renames and destroys domains, and knows their
 * devices.
 *
 * The implementation in toolstack_libxl*.c uses libxl in process at the source
 * and drives the host's own "xl migrate-receive" at the destination
 * (facts: xl, libxl and libxc streams are synthesised into its stdin, without
 * page data for translated guests).  Tests bring another implementation.
 *
 * Functions return 0 or a negative enum xlm_error after recording the failure;
 * they may block for seconds.  One thread at a time, except where noted.
 */
#ifndef XLM_TOOLSTACK_TOOLSTACK_H
#define XLM_TOOLSTACK_TOOLSTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "hv/hv.h"
#include "toolstack/mark.h"

enum xlm__domain_type { XLM__TYPE_PV = 1, XLM__TYPE_PVH, XLM__TYPE_HVM };

/* What the toolstack knows of a domain; strings are owned by the struct. */
struct xlm__config {
    char *json; /* libxl's own JSON of libxl_domain_config, NUL-terminated  */
    char *name;
    unsigned char uuid[16];
    enum xlm__domain_type type;
    uint64_t max_memkb, target_memkb;
    uint32_t max_vcpus;
};
void xlm__config_free(struct xlm__config *c); /* safe on a zeroed one */

/* A list of findings being collected; add() copies. */
struct xlm__findings;
struct xlm__findings *xlm__findings_new(void); /* NULL: out of memory */
void xlm__findings_free(struct xlm__findings *f);
int xlm__findings_add(struct xlm__findings *f, enum xlm_severity severity,
                      const char *code, const char *advice,
                      const char *message_fmt, ...)
    __attribute__((format(printf, 5, 6)));
size_t xlm__findings_count(const struct xlm__findings *f);
const struct xlm_finding *xlm__findings_get(const struct xlm__findings *f,
                                            size_t i);
bool xlm__findings_blocked(const struct xlm__findings *f);

/* Guest-owned xenstore entries, in stream-format.md's XENSTORE body form. */
struct xlm__xsnode {
    char *path; /* relative to the domain's home, e.g. "data/foo"          */
    void *value;
    size_t value_bytes;
    char *perms; /* xenstore's own permission strings joined by ','; the
                    moved domain's id is written as "@self"                */
};
struct xlm__xsnodes {
    struct xlm__xsnode *nodes;
    size_t nr;
};
void xlm__xsnodes_free(struct xlm__xsnodes *x);

struct xlm__toolstack;

struct xlm__toolstack_ops {
    void (*close)(struct xlm__toolstack *t);
    /* A domain but dom0, by name, decimal id or uuid.  Errors: INVAL. */
    int (*find)(struct xlm__toolstack *t, const char *what, uint32_t *domid_out,
                char name_out[XLM_NAME_MAX]);

    /* ---------------- source ---------------- */
    /* Configuration as it is now (libxl_retrieve_domain_configuration). */
    int (*config_get)(struct xlm__toolstack *t, uint32_t domid,
                      struct xlm__config *out);
    /* Devices, memory and vCPUs of two configurations of one domain: what
     * differs, one line naming the device, "" if nothing does. */
    int (*config_diff)(struct xlm__toolstack *t, const struct xlm__config *a,
                       const struct xlm__config *b, char *out, size_t bytes);
    /* A number that is another one after a device was attached or detached, or
     * the balloon's target or the vCPUs set; far cheaper than the two above. */
    int (*config_stamp)(struct xlm__toolstack *t, uint32_t domid,
                        const unsigned char uuid[16], uint64_t *out);
    /* Everything at the source that speaks against moving this domain. */
    int (*check_source)(struct xlm__toolstack *t, uint32_t domid,
                        const struct xlm__config *c, struct xlm__findings *f);
    /* One migration per domain: a lock file, held until close or unlock.
     * Errors: BUSY (names the holder's pid). */
    int (*lock)(struct xlm__toolstack *t, const unsigned char uuid[16]);
    void (*unlock)(struct xlm__toolstack *t);
    bool (*lock_held)(struct xlm__toolstack *t, const unsigned char uuid[16]);
    /* How far a hand-off has come, at either end: see mark.h. */
    int (*mark_set)(struct xlm__toolstack *t, enum xlm__mark_kind kind,
                    const struct xlm__mark *m);
    int (*mark_get)(struct xlm__toolstack *t, enum xlm__mark_kind kind,
                    const unsigned char uuid[16], struct xlm__mark *out,
                    bool *exists_out);
    void (*mark_clear)(struct xlm__toolstack *t, enum xlm__mark_kind kind,
                       const unsigned char uuid[16]);
    int (*mark_each)(struct xlm__toolstack *t, xlm__mark_fn *fn, void *user);
    /* qemu's own dirty logging (HVM only; no-op otherwise). */
    int (*dm_logdirty)(struct xlm__toolstack *t, uint32_t domid, bool on);
    /* Ask the guest to suspend and wait; stops the device model too.
     * Errors: GUEST_SILENT, TOOLSTACK.  A guest that suspends later all the
     * same is left to the monitor: see *may_suspend_later_out. */
    int (*suspend)(struct xlm__toolstack *t, uint32_t domid,
                   uint32_t timeout_ms, bool *may_suspend_later_out);
    /* Waits for disk images that another device model still has, a minute at
     * most.  Errors: TOOLSTACK. */
    int (*resume)(struct xlm__toolstack *t, uint32_t domid);
    /* Before a domain is unpaused without libxl: let its device model go on,
     * which may wait for that (dm_restrict).  HVM only; no-op otherwise. */
    int (*dm_continue)(struct xlm__toolstack *t, uint32_t domid);
    int (*destroy)(struct xlm__toolstack *t, uint32_t domid);
    /* Does nothing if the domain is not called `from` (any more). */
    int (*rename)(struct xlm__toolstack *t, uint32_t domid, const char *from,
                  const char *to);
    /* Device model state of a suspended HVM domain; .data NULL otherwise. */
    int (*dm_state)(struct xlm__toolstack *t, uint32_t domid,
                    struct xlm__blob *out);
    /* Suspended domain: every vbd ring has all requests answered (waits at
     * most timeout_ms), then every backing file, loop device, qemu image is
     * flushed.  Errors: DEVICE (names the disk), TIMEOUT. */
    int (*storage_settle)(struct xlm__toolstack *t, struct xlm__hv *hv,
                          uint32_t domid, const struct xlm__config *c,
                          uint32_t timeout_ms);
    int (*xenstore_collect)(struct xlm__toolstack *t, uint32_t domid,
                            struct xlm__xsnodes *out);
    /* A PV domain's frames that xenstored and xenconsoled use; 0: unknown. */
    int (*ring_frames)(struct xlm__toolstack *t, uint32_t domid,
                       uint64_t *store_out, uint64_t *console_out);
    /* Is there an xl daemon that looks after this domain? */
    int (*has_monitor)(struct xlm__toolstack *t, uint32_t domid, bool *out);

    /* ---------------- destination ---------------- */
    /* As check_source, for a domain that would arrive here.  memory_pages
     * counts what it would need. */
    int (*check_destination)(struct xlm__toolstack *t, struct xlm__hv *hv,
                             const struct xlm__config *c, uint64_t memory_pages,
                             struct xlm__findings *f);
    /* May the domain have all its devices here while it still runs at the
     * source?  why: "" if so, else the device that speaks against it. */
    int (*check_prebuild)(struct xlm__toolstack *t, const struct xlm__config *c,
                          char why[XLM_MESSAGE_MAX / 2]);
    /* Parse and check what the peer sent into *out (name, uuid, type...). */
    int (*config_parse)(struct xlm__toolstack *t, const char *json,
                        struct xlm__config *out);
    /* Start "xl migrate-receive" and feed it up to the libxc headers; the
     * domain exists, paused and without memory, when this returns.
     * flags: XLM_F_NO_MONITOR, _KEEP_DOMID, _DEBUG.  stop_fd readable ends
     * the wait (CANCELLED).  Errors: TOOLSTACK (with xl's own last words). */
    int (*restore_begin)(struct xlm__toolstack *t, const struct xlm__config *c,
                         uint32_t flags, uint32_t source_xen_version,
                         uint32_t *domid_out);
    /* One libxc record; any thread, serialised inside. */
    int (*restore_record)(struct xlm__toolstack *t, uint32_t type,
                          size_t nr_parts, const struct iovec *parts);
    /* Wait until xl has read everything written so far. */
    int (*restore_sync)(struct xlm__toolstack *t);
    /* libxc END, device model state (may be NULL), libxl END; wait until xl
     * says that the domain is ready to unpause.  Any thread, for minutes: with
     * a pre-built domain others use the hypervisor and restore_check() then. */
    int (*restore_end)(struct xlm__toolstack *t, const struct xlm__blob *dm);
    /* Is xl still there, and a device model that waits?  Errors: DEVICE,
     * TOOLSTACK (with its last words). */
    int (*restore_check)(struct xlm__toolstack *t);
    /* The device model that restore_end(), without a state, will start is to
     * wait for its state: call before that. */
    int (*dm_hold)(struct xlm__toolstack *t);
    /* Its state, once the domain's memory and context are here; returns when
     * it works with it.  Errors: DEVICE (it does not), TIMEOUT. */
    int (*dm_load)(struct xlm__toolstack *t, const struct xlm__blob *dm);
    /* After the source's last write, before the domain starts: what this host
     * may have cached of its disks is dropped, whoever has them open. */
    int (*storage_drop_cache)(struct xlm__toolstack *t,
                              const struct xlm__config *c);
    int (*xenstore_restore)(struct xlm__toolstack *t, uint32_t domid,
                            const struct xlm__xsnodes *nodes);
    /* The permission: xl gives the domain its name, leaves it paused, and ends.
     * *named_out: it did; else what is left of it is for restore_abort(). */
    int (*restore_go)(struct xlm__toolstack *t, bool *named_out);
    /* Undo at any point before the domain is unpaused: end xl, and destroy what
     * it left.  Returns when nothing of the domain is left here.  Only while no
     * other thread uses the hypervisor. */
    int (*restore_abort)(struct xlm__toolstack *t);
    /* The guest's own report of its longest gap, written to its xenstore node
     * data/xlm/gap-ms after it ran here; waits at most timeout_ms, and until
     * there is something to read from unless_fd (-1: none); *gap_us_out 0 if it
     * reports none, or that was not waited for. */
    int (*guest_gap)(struct xlm__toolstack *t, uint32_t domid,
                     uint32_t timeout_ms, int unless_fd, uint64_t *gap_us_out);
};

struct xlm__toolstack {
    const struct xlm__toolstack_ops *ops;
    struct xlm__errslot *err; /* borrowed */
    int stop_fd;              /* borrowed, -1 = none: readable = give up   */
};

struct xlm__toolstack_params {
    struct xlm__errslot *err;
    int stop_fd;
    const char *xl_path; /* the real xl */
    int record_fd;       /* copy of everything xl is fed, -1 = none       */
    struct xlm__hv *hv;  /* borrowed; for restore_abort() and waits       */
};
int xlm__toolstack_open_libxl(const struct xlm__toolstack_params *p,
                              struct xlm__toolstack **out);

/* The body of xlm_monitor(). */
int xlm__toolstack_monitor(struct xlm__errslot *err, uint32_t *domid);

#endif /* XLM_TOOLSTACK_TOOLSTACK_H */
