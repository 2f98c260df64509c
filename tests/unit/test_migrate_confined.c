/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migrations whose destination's readers may open and start nothing: one
 * situation each; see tests/scenario/scenario.h. */
#include "config.h"

#include <fcntl.h>
#include <unistd.h>

#include "../scenario/scenario_test.h"
#include "unit.h"

#define XLM_MODULE "test"

/* What the destination's hypervisor saw of who called it. */
static struct xlm__hv_ops hooked;
static const struct xlm__hv_ops *plain;
static atomic_uint maps_confined, maps_free, others_confined;

static bool can_open(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int hook_map(struct xlm__hv *hv, uint32_t domid, bool write, size_t nr,
                    const uint64_t *gfns, int *errs, struct xlm__map *out)
{
    atomic_fetch_add(can_open() ? &maps_free : &maps_confined, 1);
    return plain->map(hv, domid, write, nr, gfns, errs, out);
}

/* Somebody forgot a system call when the list was written. */
static int hook_map_by_file(struct xlm__hv *hv, uint32_t domid, bool write,
                            size_t nr, const uint64_t *gfns, int *errs,
                            struct xlm__map *out)
{
    if (can_open())
        return plain->map(hv, domid, write, nr, gfns, errs, out);
    return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR, "map %zu pages", nr);
}

static int hook_populate(struct xlm__hv *hv, uint32_t domid, unsigned order,
                         size_t nr, const uint64_t *pfns, bool *nomem_out)
{
    if (!can_open())
        atomic_fetch_add(&others_confined, 1);
    return plain->populate(hv, domid, order, nr, pfns, nomem_out);
}

static int hook_pv_populate(struct xlm__hv *hv, uint32_t domid, size_t nr,
                            const uint64_t *pfns, uint64_t *mfns_out,
                            bool *nomem_out)
{
    if (!can_open())
        atomic_fetch_add(&others_confined, 1);
    return plain->pv_populate(hv, domid, nr, pfns, mfns_out, nomem_out);
}

static void hook(struct run *r)
{
    plain = r->dst.hv->base.ops;
    hooked = *plain;
    hooked.map = hook_map;
    hooked.populate = hook_populate;
    hooked.pv_populate = hook_pv_populate;
    maps_confined = maps_free = others_confined = 0;
    r->dst.hv->base.ops = &hooked;
}

static void hook_by_file(struct run *r)
{
    hook(r);
    hooked.map = hook_map_by_file;
}

static unsigned times(const struct run *r, const char *text)
{
    unsigned n = 0;

    for (const char *at = r->log; (at = strstr(at, text)); at++)
        n++;
    return n;
}

static void test_confined_readers_map_and_others_make_hypercalls(void)
{
    LOOK(MOVED, .channels = 4, .prepare = hook, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, !XLM_CONFINE || maps_confined > 0);
    SCENARIO_CHECK(r, XLM_CONFINE || maps_free > 0);
    SCENARIO_CHECK(r, others_confined == 0);
    SCENARIO_CHECK(r, times(r, XLM_CONFINE ? " is confined: "
                                           : " is not confined: ") == 4);
    DONE();
}

static void test_confined_readers_of_pv_map_what_they_fill(void)
{
    LOOK(MOVED, .type = XLM__TYPE_PV, .prepare = hook);

    SCENARIO_CHECK(r, !XLM_CONFINE || maps_confined > 0);
    SCENARIO_CHECK(r, others_confined == 0);
    DONE();
}

static void test_confined_readers_that_relay_pv_map_nothing(void)
{
    LOOK(MOVED, .type = XLM__TYPE_PV, .prepare = hook,
         .opt = { .flags = XLM_F_NO_PREBUILD });

    SCENARIO_CHECK(r, maps_confined == 0);
    SCENARIO_CHECK(r, !XLM_CONFINE || times(r, "by descriptor -2") == 1);
    DONE();
}

static void test_confined_channels_return_past_a_confined_doorman(void)
{
    LOOK(MOVED, .opt = { .data = XLM_DATA_TLS }, .breaks = { 4000, 100000 },
         .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->src.stats.reconnects >= 1);
    SCENARIO_CHECK(r, !XLM_CONFINE || times(r, "the doorman is confined") == 1);
    DONE();
}

static void test_confined_call_that_is_not_allowed_leaves_it_at_the_source(void)
{
    if (!XLM_CONFINE)
        return;
    RUN(.rc = XLM_ERR_PEER, STAYED, .prepare = hook_by_file);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_confined_readers_map_and_others_make_hypercalls),
    UNIT_TEST(test_confined_readers_of_pv_map_what_they_fill),
    UNIT_TEST(test_confined_readers_that_relay_pv_map_nothing),
    UNIT_TEST(test_confined_channels_return_past_a_confined_doorman),
    UNIT_TEST(test_confined_call_that_is_not_allowed_leaves_it_at_the_source),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("migrate_confined", tests)
