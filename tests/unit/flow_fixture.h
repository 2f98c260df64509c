/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One side's order of records, for the tests of it. */
#ifndef XLM_TESTS_FLOW_FIXTURE_H
#define XLM_TESTS_FLOW_FIXTURE_H

#include "stream/flow.h"
#include "unit.h"

static struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
static struct xlm__flow f;
static bool ignored; /* what the last step said */

static inline void begin(enum xlm_role role)
{
    xlm__flow_destroy(&f);
    xlm__errslot_destroy(&err);
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    CU_ASSERT_EQUAL_FATAL(xlm__flow_init(&f, &err, role), 0);
}

static inline int step(enum xlm_role by, uint32_t type,
                       const union xlm__body *b)
{
    return xlm__flow_step(&f, by == f.role, type, b, 0, &ignored);
}

/* A record whose body says nothing of interest. */
static inline int s(uint32_t type)
{
    static const union xlm__body none;

    return step(XLM_SOURCE, type, &none);
}

static inline int d(uint32_t type)
{
    static const union xlm__body none;

    return step(XLM_DESTINATION, type, &none);
}

static inline void state(uint32_t xc_type, uint32_t bytes)
{
    union xlm__body b = { .state = { .xc_type = xc_type, .bytes = bytes } };

    CU_ASSERT_EQUAL(step(XLM_SOURCE, XLM__REC_STATE, &b), 0);
}

static inline void a_round(uint32_t type, enum xlm_role by, uint32_t nr,
                           bool final)
{
    union xlm__body b = { .round = { nr, final ? XLM__ROUND_FINAL : 0, 0, 0 } };

    CU_ASSERT_EQUAL(step(by, type, &b), 0);
}

static inline int early_again(uint32_t xc_type)
{
    union xlm__body b = { .state = { .xc_type = xc_type, .bytes = 1 } };

    return step(XLM_SOURCE, XLM__REC_STATE, &b);
}

static inline int final_round(void)
{
    union xlm__body b = { .round = { 1, XLM__ROUND_FINAL, 0, 0 } };

    return step(XLM_SOURCE, XLM__REC_ROUND_BEGIN, &b);
}

#endif /* XLM_TESTS_FLOW_FIXTURE_H */
