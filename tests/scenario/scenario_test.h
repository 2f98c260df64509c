/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For tests that are one scenario each. */
#ifndef XLM_TESTS_SCENARIO_TEST_H
#define XLM_TESTS_SCENARIO_TEST_H

#include <stdlib.h>

#include "scenario.h"

#define RUN(...)                                                               \
    do {                                                                       \
        static const struct scenario sc = { __VA_ARGS__ };                     \
        scenario(&sc, __func__);                                               \
    } while (0)

/* The same, with r to look at, up to DONE(). */
#define LOOK(...)                                                              \
    static const struct scenario sc = { __VA_ARGS__ };                         \
    struct run *r = calloc(1, sizeof(*r));                                     \
    scenario_run(&sc, __func__, r)
#define DONE()                                                                 \
    scenario_free(r);                                                          \
    free(r)

#define MOVED  .rc = 0, .owner = XLM_OWNER_DESTINATION
#define STAYED .owner = XLM_OWNER_SOURCE

/* Of opt: rounds go on until it is to switch over. */
#define OFTEN                                                                  \
    .downtime_ms = 20, .fixed_pause_ms = 19, .on_slow = { XLM_SLOW_WAIT },     \
    .bandwidth_bytes_s = 64 << 20

/* Were the domain's devices there before it was suspended, as they were to be?
 */
static inline void is_prebuilt(struct run *r, bool prebuilt)
{
    SCENARIO_CHECK(r, r->src.stats.prebuilt == (uint32_t)prebuilt);
    SCENARIO_CHECK(r, fake_toolstack_before(&r->dst.ts, "restore_end",
                                            "storage_drop_cache") == prebuilt);
    /* Of either, nothing that was read before the last write is left. */
    SCENARIO_CHECK(r, fake_toolstack_before(&r->dst.ts, "storage_drop_cache",
                                            "restore_go"));
}

#endif /* XLM_TESTS_SCENARIO_TEST_H */
