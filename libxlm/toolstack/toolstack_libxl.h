/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of toolstack_libxl*.c share; nobody else includes this. */
#ifndef XLM_TOOLSTACK_TOOLSTACK_LIBXL_H
#define XLM_TOOLSTACK_TOOLSTACK_LIBXL_H

#include <libxl.h>
#include <libxl_event.h>
#include <libxl_utils.h>
#include <pthread.h>
#include <xenstore.h>
#include <xentoollog.h>

#include "toolstack/dmgate.h"
#include "toolstack/hostlock.h"
#include "toolstack/toolstack.h"
#include "toolstack/xlproc.h"

/* libxl's own words: all at DEBUG, its last error kept to be quoted. */
struct xlm__libxl_log {
    xentoollog_logger vtable; /* first: libxl gets a pointer to it */
    struct xlm__errslot *err;
    pthread_mutex_t lock;
    char last[256]; /* under lock */
};
void xlm__libxl_log_init(struct xlm__libxl_log *log, struct xlm__errslot *err);
void xlm__libxl_log_destroy(struct xlm__libxl_log *log);
/* Gives and forgets: ": libxl says: ..." or "". */
void xlm__libxl_log_take(struct xlm__libxl_log *log, char *text, size_t bytes);

struct xlm__restore {
    struct xlm__xlproc *xl; /* NULL: nothing begun, or finished */
    char *name;             /* final one */
    char *incoming;         /* "<name>--incoming" */
    unsigned char uuid[16];
    uint32_t domid;          /* 0 until known */
    struct xlm__dmgate gate; /* of a device model whose state comes later */
};

struct xlm__ts {
    struct xlm__toolstack base; /* first */
    struct xlm__hv *hv;
    libxl_ctx *ctx;
    struct xlm__libxl_log log;
    struct xs_handle *xs;
    char *xl_path;
    int record_fd;
    uint64_t dom0_gives_mib; /* for the domain that is to come, 0 nothing */
    struct xlm__hostlock lock;
    struct xlm__restore restore;
};

static inline struct xlm__ts *xlm__ts(struct xlm__toolstack *t)
{
    return (struct xlm__ts *)t;
}

/* XLM_FAIL() with libxl's return code and words behind the message. */
int xlm__ts_fail(struct xlm__ts *ts, const char *module, int code, int libxl_rc,
                 const char *fmt, ...) __attribute__((format(printf, 5, 6)));
#define TS_FAIL(ts, code, libxl_rc, ...)                                       \
    xlm__ts_fail(ts, XLM_MODULE, code, libxl_rc, __VA_ARGS__)

/* libxl_ctx with our logger that leaves the process's other children alone. */
int xlm__libxl_open(struct xlm__errslot *err, struct xlm__libxl_log *log,
                    libxl_ctx **ctx_out);

/* NULL if there is no such node (errno says why); else for free(). */
char *xlm__ts_read(struct xlm__ts *ts, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

int xlm__ts_find(struct xlm__toolstack *t, const char *what,
                 uint32_t *domid_out, char name_out[XLM_NAME_MAX]);

/* ---- configuration ---- */
int xlm__ts_config_get(struct xlm__toolstack *t, uint32_t domid,
                       struct xlm__config *out);
int xlm__ts_config_parse(struct xlm__toolstack *t, const char *json,
                         struct xlm__config *out);
int xlm__ts_config_diff(struct xlm__toolstack *t, const struct xlm__config *a,
                        const struct xlm__config *b, char *out, size_t bytes);
/* libxl's form of c->json; dispose of it in any case. */
int xlm__ts_config_load(struct xlm__ts *ts, const char *json,
                        libxl_domain_config *out);
/* Changes when the configuration does; for a suspended domain. */
int xlm__ts_config_stamp(struct xlm__toolstack *t, uint32_t domid,
                         const unsigned char uuid[16], uint64_t *out);
/* Pure: the first difference in words, "" if there is none. */
void xlm__libxl_config_diff(const libxl_domain_config *a,
                            const libxl_domain_config *b, char *out,
                            size_t bytes);

/* ---- preflight ---- */
struct xlm__source_facts { /* what is not in the configuration */
    bool paused, shutdown, dying;
    unsigned shutdown_reason;
    bool pv_drivers;     /* the guest acknowledges a suspend request */
    int feature_suspend; /* 1 yes, 0 no, -1 it does not say          */
    bool physmap_nodes;  /* qemu keeps memory regions in xenstore    */
    uint64_t outstanding_pages;
    uint64_t pod_entries; /* pages still populated on demand only     */
};
void xlm__libxl_check_source(const libxl_domain_config *c,
                             const struct xlm__source_facts *facts,
                             struct xlm__findings *f);
int xlm__ts_check_source(struct xlm__toolstack *t, uint32_t domid,
                         const struct xlm__config *c, struct xlm__findings *f);

struct xlm__destination_facts {
    const char *sys_class_net; /* "/sys/class/net" */
    const char *scripts_dir;   /* "/etc/xen/scripts" */
    const char *name_taken;    /* the one of the two names, or NULL */
    uint32_t uuid_domid;       /* domain with the same uuid, or 0 */
    uint64_t need_kb, free_kb;
    uint64_t dom0_spare_kb; /* what xl would take from dom0 */
    bool autoballoon;
    long xl_lock_pid; /* who holds xl's lock, 0 nobody */
    const char *xl_path;
    const char *xl_problem; /* why it cannot be used, or NULL */
    const char *qemu_path;  /* for HVM; NULL: not asked */
    bool qemu_found;
    bool flask; /* XSM is on here */
};
void xlm__libxl_check_destination(const libxl_domain_config *c,
                                  const struct xlm__destination_facts *facts,
                                  struct xlm__findings *f);
int xlm__ts_check_destination(struct xlm__toolstack *t, struct xlm__hv *hv,
                              const struct xlm__config *c,
                              uint64_t memory_pages, struct xlm__findings *f);

/* Pure, but for looking at device nodes.  why: "" = it may be. */
void xlm__libxl_check_prebuild(const libxl_domain_config *c,
                               char why[XLM_MESSAGE_MAX / 2]);
int xlm__ts_check_prebuild(struct xlm__toolstack *t,
                           const struct xlm__config *c,
                           char why[XLM_MESSAGE_MAX / 2]);

/* xl.conf, as far as it matters here. */
struct xlm__xlconf {
    bool autoballoon;
    char lockfile[256];
};
void xlm__xlconf_read(const char *path, const char *xen_commandline,
                      struct xlm__xlconf *out);

/* ---- source ---- */
int xlm__ts_dm_logdirty(struct xlm__toolstack *t, uint32_t domid, bool on);
int xlm__ts_suspend(struct xlm__toolstack *t, uint32_t domid,
                    uint32_t timeout_ms, bool *may_suspend_later_out);
int xlm__ts_resume(struct xlm__toolstack *t, uint32_t domid);
int xlm__ts_dm_continue(struct xlm__toolstack *t, uint32_t domid);
int xlm__ts_destroy(struct xlm__toolstack *t, uint32_t domid);
int xlm__ts_rename(struct xlm__toolstack *t, uint32_t domid, const char *from,
                   const char *to);
int xlm__ts_dm_state(struct xlm__toolstack *t, uint32_t domid,
                     struct xlm__blob *out);
int xlm__ts_storage_settle(struct xlm__toolstack *t, struct xlm__hv *hv,
                           uint32_t domid, const struct xlm__config *c,
                           uint32_t timeout_ms);
int xlm__ts_ring_frames(struct xlm__toolstack *t, uint32_t domid,
                        uint64_t *store_out, uint64_t *console_out);
int xlm__ts_has_monitor(struct xlm__toolstack *t, uint32_t domid, bool *out);

/* ---- destination ---- */
int xlm__ts_restore_begin(struct xlm__toolstack *t, const struct xlm__config *c,
                          uint32_t flags, uint32_t source_xen_version,
                          uint32_t *domid_out);
int xlm__ts_restore_record(struct xlm__toolstack *t, uint32_t type,
                           size_t nr_parts, const struct iovec *parts);
int xlm__ts_restore_sync(struct xlm__toolstack *t);
int xlm__ts_restore_end(struct xlm__toolstack *t, const struct xlm__blob *dm);
int xlm__ts_restore_check(struct xlm__toolstack *t);
int xlm__ts_dm_hold(struct xlm__toolstack *t);
int xlm__ts_dm_load(struct xlm__toolstack *t, const struct xlm__blob *dm);
/* The same, with another limit.  Errors: DEVICE, TIMEOUT (which names it). */
int xlm__ts_dm_load_within(struct xlm__ts *ts, const struct xlm__blob *dm,
                           uint32_t limit_ms);
/* For restore_end(): libxl is starting a device model that is held. */
int xlm__ts_dm_await(struct xlm__ts *ts);
int xlm__ts_restore_go(struct xlm__toolstack *t, bool *named_out);
int xlm__ts_restore_abort(struct xlm__toolstack *t);
void xlm__ts_restore_close(struct xlm__ts *ts);
int xlm__ts_storage_drop_cache(struct xlm__toolstack *t,
                               const struct xlm__config *c);
int xlm__ts_guest_gap(struct xlm__toolstack *t, uint32_t domid,
                      uint32_t timeout_ms, int unless_fd, uint64_t *gap_us_out);

#endif /* XLM_TOOLSTACK_TOOLSTACK_LIBXL_H */
