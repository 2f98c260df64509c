/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "sim_fixture.h"

#include <xen/hvm/save.h>

typedef struct hvm_save_descriptor descriptor;

static uint8_t ctx[SIM_MAXCTX];

static long context(uint32_t domid, bool set, void *buf, uint32_t *size)
{
    struct xen_domctl op = { .cmd = set ? XEN_DOMCTL_sethvmcontext
                                        : XEN_DOMCTL_gethvmcontext,
                             .domain = domid };
    long rc;

    op.u.hvmcontext.size = *size;
    op.u.hvmcontext.buffer.p = buf;
    rc = sim_domctl_call(&op);
    *size = op.u.hvmcontext.size;
    return rc;
}

/* HEADER of that host, one CPU record, END: as libxenguest boots a PVH. */
static uint32_t make_boot(uint32_t domid, uint64_t rip)
{
    uint32_t size = sizeof(ctx), at;
    struct hvm_hw_cpu cpu = { .rip = rip };
    descriptor d = { .typecode = HVM_SAVE_CODE(CPU), .length = sizeof(cpu) };

    CU_ASSERT_EQUAL(context(domid, false, ctx, &size), 0);
    at = sizeof(descriptor) + ((descriptor *)ctx)->length;
    memcpy(ctx + at, &d, sizeof(d));
    memcpy(ctx + at + sizeof(d), &cpu, sizeof(cpu));
    at += sizeof(d) + sizeof(cpu);
    memset(ctx + at, 0, sizeof(d));
    return at + sizeof(d);
}

static unsigned nr_records(uint32_t size, unsigned type)
{
    unsigned n = 0;

    for (uint32_t at = 0; at < size;) {
        const descriptor *d = (const descriptor *)(ctx + at);

        n += d->typecode == type;
        at += sizeof(*d) + d->length;
    }
    return n;
}

static void test_hvmctx_new_domain_has_no_cpu_up(void)
{
    uint32_t d = sim_new_domain(true, 1, NULL), size = 0;

    CU_ASSERT_EQUAL(context(d, false, NULL, &size), 0);
    CU_ASSERT(size > sizeof(descriptor));
    CU_ASSERT_EQUAL(context(d, false, ctx, &size), 0);
    CU_ASSERT_EQUAL(nr_records(size, HVM_SAVE_CODE(HEADER)), 1);
    CU_ASSERT_EQUAL(nr_records(size, HVM_SAVE_CODE(CPU)), 0);
    CU_ASSERT_EQUAL(nr_records(size, HVM_SAVE_CODE(MTRR)), 2);
    sim_kill_domain(d);
}

static void test_hvmctx_cpu_record_brings_it_up_with_registers(void)
{
    uint32_t d = sim_new_domain(true, 1, NULL), size = make_boot(d, 0x1234);

    CU_ASSERT_EQUAL(context(d, true, ctx, &size), 0);
    CU_ASSERT(sim_find(d)->vcpu[0].online);
    CU_ASSERT(!sim_find(d)->vcpu[1].online);
    CU_ASSERT_EQUAL(sim_find(d)->vcpu[0].ctx.user_regs.rip, 0x1234);
    /* The toolstack's word to a suspended kernel is in the registers. */
    sim_find(d)->vcpu[0].ctx.user_regs.rax = 1;
    size = sizeof(ctx);
    CU_ASSERT_EQUAL(context(d, false, ctx, &size), 0);
    CU_ASSERT_EQUAL(nr_records(size, HVM_SAVE_CODE(CPU)), 1);
    sim_find(d)->vcpu[0].ctx.user_regs.rax = 0;
    CU_ASSERT_EQUAL(context(d, true, ctx, &size), 0);
    CU_ASSERT_EQUAL(sim_find(d)->vcpu[0].ctx.user_regs.rax, 1);
    sim_kill_domain(d);
}

static void test_hvmctx_without_cpus_takes_all_down(void)
{
    uint32_t d = sim_new_domain(true, 1, NULL), size = make_boot(d, 1);
    const uint32_t head = sizeof(descriptor) + sizeof(struct hvm_save_header);

    CU_ASSERT_EQUAL(context(d, true, ctx, &size), 0);
    memset(ctx + head, 0, sizeof(descriptor));
    size = head + sizeof(descriptor);
    CU_ASSERT_EQUAL(context(d, true, ctx, &size), 0);
    CU_ASSERT(!sim_find(d)->vcpu[0].online);
    sim_kill_domain(d);
}

static void test_hvmctx_garbage_is_refused(void)
{
    uint32_t d = sim_new_domain(true, 1, NULL), size = make_boot(d, 1);
    uint32_t cut = size - sizeof(descriptor), one = 1;

    CU_ASSERT_EQUAL(context(d, true, ctx, &cut), -ENODATA);
    CU_ASSERT_EQUAL(context(d, true, ctx, &one), -ENODATA);
    CU_ASSERT_EQUAL(context(d, false, ctx, &one), -ENOSPC);
    ctx[sizeof(descriptor)] ^= 1; /* the magic number */
    CU_ASSERT_EQUAL(context(d, true, ctx, &size), -EINVAL);
    sim_kill_domain(d);
}

static void test_hvmctx_vcpu_beyond_the_last_is_refused(void)
{
    uint32_t d = sim_new_domain(true, 1, NULL), size = make_boot(d, 1);
    descriptor *cpu = (descriptor *)(ctx + sizeof(descriptor) +
                                     sizeof(struct hvm_save_header));

    cpu->instance = 2;
    CU_ASSERT_EQUAL(context(d, true, ctx, &size), -EINVAL);
    sim_kill_domain(d);
}

/* Puts a record of zeroes before END. */
static void add_record(uint32_t *size, unsigned type, unsigned bytes)
{
    const uint32_t at = *size - sizeof(descriptor);
    const descriptor d = { .typecode = type, .length = bytes };

    memcpy(ctx + at, &d, sizeof(d));
    memset(ctx + at + sizeof(d), 0, bytes + sizeof(d));
    *size += sizeof(d) + bytes;
}

static long load_one(uint32_t domid, unsigned type, unsigned bytes)
{
    uint32_t size = make_boot(domid, 1);

    add_record(&size, type, bytes);
    return context(domid, true, ctx, &size);
}

/* xen.git hvm/save.c: what was saved by an older Xen ... */
static void test_hvmctx_shorter_lapic_record_is_extended(void)
{
    const unsigned whole = HVM_SAVE_LENGTH(LAPIC);
    uint32_t d = sim_new_domain(true, 1, NULL), size = sizeof(ctx), at = 0;
    unsigned nr = 0;

    CU_ASSERT_EQUAL(load_one(d, HVM_SAVE_CODE(LAPIC), whole - 8), 0);
    CU_ASSERT_EQUAL(context(d, false, ctx, &size), 0);
    while (at < size) {
        const descriptor *s = (const descriptor *)(ctx + at);

        if (s->typecode == HVM_SAVE_CODE(LAPIC)) {
            CU_ASSERT_EQUAL(s->length, whole);
            nr++;
        }
        at += sizeof(*s) + s->length;
    }
    CU_ASSERT_EQUAL(nr, 2);
    sim_kill_domain(d);
}

/* ... is taken, and what was by a newer one is not. */
static void test_hvmctx_longer_lapic_record_is_refused(void)
{
    const unsigned whole = HVM_SAVE_LENGTH(LAPIC);
    uint32_t d = sim_new_domain(true, 1, NULL);

    CU_ASSERT_EQUAL(load_one(d, HVM_SAVE_CODE(LAPIC), whole), 0);
    CU_ASSERT_EQUAL(load_one(d, HVM_SAVE_CODE(LAPIC), whole + 8), -EINVAL);
    sim_kill_domain(d);
}

static void test_hvmctx_shorter_mtrr_record_is_refused(void)
{
    const unsigned whole = HVM_SAVE_LENGTH(MTRR);
    uint32_t d = sim_new_domain(true, 1, NULL);

    CU_ASSERT_EQUAL(load_one(d, HVM_SAVE_CODE(MTRR), whole), 0);
    CU_ASSERT_EQUAL(load_one(d, HVM_SAVE_CODE(MTRR), whole - 8), -EINVAL);
    sim_kill_domain(d);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_hvmctx_new_domain_has_no_cpu_up),
    UNIT_TEST(test_hvmctx_cpu_record_brings_it_up_with_registers),
    UNIT_TEST(test_hvmctx_without_cpus_takes_all_down),
    UNIT_TEST(test_hvmctx_garbage_is_refused),
    UNIT_TEST(test_hvmctx_vcpu_beyond_the_last_is_refused),
    UNIT_TEST(test_hvmctx_shorter_lapic_record_is_extended),
    UNIT_TEST(test_hvmctx_longer_lapic_record_is_refused),
    UNIT_TEST(test_hvmctx_shorter_mtrr_record_is_refused),
    CU_TEST_INFO_NULL,
};
SIM_MAIN("sim_hvmctx", tests)
