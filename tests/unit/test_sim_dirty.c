/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "sim_fixture.h"

#include <xen/hvm/dm_op.h>

#define PAGES 100u

static uint64_t bits[SIM_SLOT_PAGES / 64];

static long shadow(uint32_t domid, unsigned what, struct xen_domctl *op)
{
    memset(op, 0, sizeof(*op));
    op->cmd = XEN_DOMCTL_shadow_op;
    op->domain = domid;
    op->u.shadow_op.op = what;
    op->u.shadow_op.pages = PAGES;
    if (what == XEN_DOMCTL_SHADOW_OP_CLEAN || what == XEN_DOMCTL_SHADOW_OP_PEEK)
        op->u.shadow_op.dirty_bitmap.p = (uint8_t *)bits;
    return sim_domctl_call(op);
}

static long ask(uint32_t domid, unsigned what)
{
    struct xen_domctl op;

    memset(bits, 0xa5, 16);
    return shadow(domid, what, &op);
}

static long enable(uint32_t domid)
{
    return ask(domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
}

static bool is_dirty(uint64_t pfn)
{
    return bits[pfn / 64] >> pfn % 64 & 1;
}

static unsigned nr_dirty(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < PAGES; i++)
        n += is_dirty(i);
    return n;
}

static unsigned clean(uint32_t domid)
{
    CU_ASSERT_EQUAL(ask(domid, XEN_DOMCTL_SHADOW_OP_CLEAN), 0);
    return nr_dirty();
}

/* What a guest's thread does. */
static void guest_writes(uint32_t domid, uint64_t pfn)
{
    struct sim_domain *d = sim_find(domid);

    sim_mark_pfn(d, sim_tables(d), pfn);
}

static void test_dirty_enable_when_on_is_einval(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);

    CU_ASSERT_EQUAL(enable(d), 0);
    CU_ASSERT_EQUAL(enable(d), -EINVAL);
    CU_ASSERT_EQUAL(ask(d, XEN_DOMCTL_SHADOW_OP_OFF), 0);
    CU_ASSERT_EQUAL(enable(d), 0);
    sim_kill_domain(d);
}

static void test_dirty_of_pv_is_refused_as_debian_does(void)
{
    uint32_t d = sim_new_domain(false, PAGES, NULL);

    CU_ASSERT_EQUAL(enable(d), -EOPNOTSUPP);
    CU_ASSERT_EQUAL(ask(d, XEN_DOMCTL_SHADOW_OP_OFF), -EOPNOTSUPP);
    sim_kill_domain(d);
}

static void test_dirty_written_page_is_told_once(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);

    CU_ASSERT_EQUAL(enable(d), 0);
    CU_ASSERT_EQUAL(clean(d), 0);
    guest_writes(d, 7);
    guest_writes(d, 99);
    CU_ASSERT_EQUAL(clean(d), 2);
    CU_ASSERT(is_dirty(7) && is_dirty(99));
    CU_ASSERT_EQUAL(clean(d), 0);
    sim_kill_domain(d);
}

static void test_dirty_peek_changes_nothing(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);

    CU_ASSERT_EQUAL(enable(d), 0);
    guest_writes(d, 3);
    CU_ASSERT_EQUAL(ask(d, XEN_DOMCTL_SHADOW_OP_PEEK), 0);
    CU_ASSERT_EQUAL(nr_dirty(), 1);
    CU_ASSERT_EQUAL(clean(d), 1);
    sim_kill_domain(d);
}

static void test_dirty_bitmap_is_whole_bytes_and_no_more(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);

    CU_ASSERT_EQUAL(enable(d), 0);
    CU_ASSERT_EQUAL(clean(d), 0);
    /* 100 pages are 13 bytes; the caller's others stay. */
    CU_ASSERT_EQUAL(((uint8_t *)bits)[12], 0);
    CU_ASSERT_EQUAL(((uint8_t *)bits)[13], 0xa5);
    sim_kill_domain(d);
}

static void test_dirty_mapped_for_writing_is_dirty_until_found_unmapped(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);
    void *p;

    CU_ASSERT_EQUAL(enable(d), 0);
    p = sim_map_one(d, 40, PROT_READ | PROT_WRITE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    CU_ASSERT_EQUAL(clean(d), 1);
    CU_ASSERT(is_dirty(40));
    /* Written after that look, and unmapped before the next. */
    memset(p, 1, 4096);
    munmap(p, 4096);
    CU_ASSERT_EQUAL(clean(d), 1);
    CU_ASSERT(is_dirty(40));
    CU_ASSERT_EQUAL(clean(d), 0);
    sim_kill_domain(d);
}

static void test_dirty_mapped_and_unmapped_between_looks_is_told(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);

    CU_ASSERT_EQUAL(enable(d), 0);
    CU_ASSERT_EQUAL(clean(d), 0);
    munmap(sim_map_one(d, 41, PROT_READ | PROT_WRITE), 4096);
    CU_ASSERT_EQUAL(clean(d), 1);
    CU_ASSERT(is_dirty(41));
    sim_kill_domain(d);
}

static void test_dirty_mapped_for_reading_is_clean(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);
    void *p;

    CU_ASSERT_EQUAL(enable(d), 0);
    p = sim_map_one(d, 40, PROT_READ);
    CU_ASSERT_PTR_NOT_NULL(p);
    CU_ASSERT_EQUAL(clean(d), 0);
    munmap(p, 4096);
    sim_kill_domain(d);
}

static void test_dirty_mapped_before_enable_is_dirty(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);
    void *p = sim_map_one(d, 12, PROT_READ | PROT_WRITE);

    CU_ASSERT_EQUAL(enable(d), 0);
    CU_ASSERT_EQUAL(clean(d), 1);
    CU_ASSERT(is_dirty(12));
    munmap(p, 4096);
    sim_kill_domain(d);
}

/* Like xenstored, which is killed with a ring mapped. */
static void test_dirty_of_a_process_that_was_killed_ends(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);
    int told[2], status;
    char byte = 0;
    pid_t pid;

    CU_ASSERT_EQUAL(enable(d), 0);
    CU_ASSERT_EQUAL_FATAL(pipe(told), 0);
    pid = fork();
    if (!pid) {
        void *p = sim_map_one(d, 50, PROT_READ | PROT_WRITE);

        _exit(!p || write(told[1], "m", 1) != 1 || pause());
    }
    CU_ASSERT_EQUAL(read(told[0], &byte, 1), 1);
    CU_ASSERT_EQUAL(clean(d), 1);
    CU_ASSERT_EQUAL(clean(d), 1);
    kill(pid, SIGKILL);
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_EQUAL(clean(d), 1); /* it could write since the last look */
    CU_ASSERT_EQUAL(clean(d), 0);
    close(told[0]);
    close(told[1]);
    sim_kill_domain(d);
}

static void test_dirty_device_model_says_what_it_wrote(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);
    struct xen_dm_op op = { .op = XEN_DMOP_modified_memory };
    struct xen_dm_op_modified_memory_extent e = { .nr = 3, .first_pfn = 20 };
    struct xen_dm_op_buf bufs[2] = { { .size = sizeof(op) },
                                     { .size = sizeof(e) } };
    uint64_t args[6] = { d, 2, (uintptr_t)bufs };

    op.u.modified_memory.nr_extents = 1;
    set_xen_guest_handle(bufs[0].h, (void *)&op);
    set_xen_guest_handle(bufs[1].h, (void *)&e);
    CU_ASSERT_EQUAL(enable(d), 0);
    CU_ASSERT_EQUAL(sim_hypercall(__HYPERVISOR_dm_op, args), 0);
    CU_ASSERT_EQUAL(clean(d), 3);
    CU_ASSERT(is_dirty(20) && is_dirty(22));
    sim_kill_domain(d);
}

static void test_dirty_page_that_is_gone_is_not_dirty(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);
    xen_pfn_t pfn = 30;

    CU_ASSERT_EQUAL(enable(d), 0);
    guest_writes(d, 30);
    CU_ASSERT_EQUAL(sim_reservation(XENMEM_decrease_reservation, d, &pfn, 1),
                    1);
    CU_ASSERT_EQUAL(clean(d), 0);
    sim_kill_domain(d);
}

/* Seen on real Xen 4.17: tests/behaviour. */
static void test_dirty_page_that_appears_is_logged_after_the_next_clean(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);
    xen_pfn_t pfn = 30;

    CU_ASSERT_EQUAL(enable(d), 0);
    CU_ASSERT_EQUAL(sim_reservation(XENMEM_decrease_reservation, d, &pfn, 1),
                    1);
    CU_ASSERT_EQUAL(sim_reservation(XENMEM_populate_physmap, d, &pfn, 1), 1);
    guest_writes(d, 30);
    CU_ASSERT_EQUAL(ask(d, XEN_DOMCTL_SHADOW_OP_PEEK), 0);
    CU_ASSERT_EQUAL(nr_dirty(), 0);
    guest_writes(d, 30);
    CU_ASSERT_EQUAL(clean(d), 0);
    guest_writes(d, 30);
    CU_ASSERT_EQUAL(clean(d), 1);
    CU_ASSERT(is_dirty(30));
    sim_kill_domain(d);
}

static void test_dirty_count_survives_off(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);
    struct xen_domctl op;

    CU_ASSERT_EQUAL(enable(d), 0);
    guest_writes(d, 1);
    guest_writes(d, 2);
    CU_ASSERT_EQUAL(ask(d, XEN_DOMCTL_SHADOW_OP_OFF), 0);
    CU_ASSERT_EQUAL(enable(d), 0);
    guest_writes(d, 2);
    CU_ASSERT_EQUAL(shadow(d, XEN_DOMCTL_SHADOW_OP_PEEK, &op), 0);
    CU_ASSERT_EQUAL(op.u.shadow_op.stats.dirty_count, 3);
    CU_ASSERT_EQUAL(nr_dirty(), 1);
    sim_kill_domain(d);
}

static void test_dirty_allocation_is_kept(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);
    struct xen_domctl op = { .cmd = XEN_DOMCTL_shadow_op, .domain = d };

    op.u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION;
    op.u.shadow_op.mb = 9;
    CU_ASSERT_EQUAL(sim_domctl_call(&op), 0);
    CU_ASSERT_EQUAL(shadow(d, XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION, &op), 0);
    CU_ASSERT_EQUAL(op.u.shadow_op.mb, 9);
    sim_kill_domain(d);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_dirty_enable_when_on_is_einval),
    UNIT_TEST(test_dirty_of_pv_is_refused_as_debian_does),
    UNIT_TEST(test_dirty_written_page_is_told_once),
    UNIT_TEST(test_dirty_peek_changes_nothing),
    UNIT_TEST(test_dirty_bitmap_is_whole_bytes_and_no_more),
    UNIT_TEST(test_dirty_mapped_for_writing_is_dirty_until_found_unmapped),
    UNIT_TEST(test_dirty_mapped_and_unmapped_between_looks_is_told),
    UNIT_TEST(test_dirty_mapped_for_reading_is_clean),
    UNIT_TEST(test_dirty_mapped_before_enable_is_dirty),
    UNIT_TEST(test_dirty_of_a_process_that_was_killed_ends),
    UNIT_TEST(test_dirty_device_model_says_what_it_wrote),
    UNIT_TEST(test_dirty_page_that_is_gone_is_not_dirty),
    UNIT_TEST(test_dirty_page_that_appears_is_logged_after_the_next_clean),
    UNIT_TEST(test_dirty_count_survives_off),
    UNIT_TEST(test_dirty_allocation_is_kept),
    CU_TEST_INFO_NULL,
};
SIM_MAIN("sim_dirty", tests)
