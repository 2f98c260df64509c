/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of the fake toolstack. */
#ifndef XLM_TESTS_FAKE_TOOLSTACK_IMPL_H
#define XLM_TESTS_FAKE_TOOLSTACK_IMPL_H

#include "fake_toolstack.h"

static inline struct fake_toolstack *fake(struct xlm__toolstack *t)
{
    return (struct fake_toolstack *)t;
}

/* Begin of every op: counted, written down, delayed, and failed if so told. */
int fake_ts_enter(struct xlm__toolstack *base, const char *op);
/* What a right engine keeps to. */
void fake_ts_expect(struct xlm__toolstack *base, bool right, const char *text);
void fake_ts_hv_set(struct fake_toolstack *t, bool exists, bool paused,
                    bool suspended);

/* fake_toolstack_dst.c */
int fake_restore_begin(struct xlm__toolstack *base, const struct xlm__config *c,
                       uint32_t flags, uint32_t source_xen_version,
                       uint32_t *domid_out);
int fake_restore_record(struct xlm__toolstack *base, uint32_t type,
                        size_t nr_parts, const struct iovec *parts);
int fake_restore_sync(struct xlm__toolstack *base);
int fake_restore_end(struct xlm__toolstack *base, const struct xlm__blob *dm);
int fake_restore_check(struct xlm__toolstack *base);
int fake_dm_hold(struct xlm__toolstack *base);
int fake_dm_load(struct xlm__toolstack *base, const struct xlm__blob *dm);
int fake_storage_drop_cache(struct xlm__toolstack *base,
                            const struct xlm__config *c);
int fake_xenstore_restore(struct xlm__toolstack *base, uint32_t domid,
                          const struct xlm__xsnodes *nodes);
int fake_restore_go(struct xlm__toolstack *base, bool *named_out);
int fake_restore_abort(struct xlm__toolstack *base);
int fake_guest_gap(struct xlm__toolstack *base, uint32_t domid,
                   uint32_t timeout_ms, int unless_fd, uint64_t *gap_us_out);

#endif /* XLM_TESTS_FAKE_TOOLSTACK_IMPL_H */
