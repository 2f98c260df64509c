/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A PV domain that libxl's helper completes before its memory is there. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>

#include "dom/pv_scaffold.h"
#include "error_says.h"
#include "fake_hv.h"
#include "recorder.h"
#include "unit.h"

#define NR_PFNS 1000u
#define BASE    1024u /* where the scaffold is */
#define DOMID   1u
#define L4      (4u << 28 | XLM__PT_LPINTAB)

enum { TABLE = 5, GDT = 6, START = 7, P2M_0 = 8, P2M_1 = 9, DATA = 10 };
enum { STORE = 20, CONSOLE = 21 };

static struct xlm__errslot err;
static struct fake_hv *f;
static struct xlm__pv_frames *frames;
static struct xlm__pv_home home;
static struct xlm__pv_state state;
static struct recorder r;

/* ---- up to the scaffold's end ---- */

static void make_of(uint64_t nr_pfns)
{
    const struct fake_hv_config c = { .nr_pfns = nr_pfns, .pv = true };

    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    f = fake_hv_new(&err, &c);
    fake_pv_create(f);
    f->info.paused = true;
    CU_ASSERT_EQUAL_FATAL(xlm__pv_frames_new(&err, nr_pfns, &frames), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__pv_state_new(&err, &state, 4), 0);
    frames->rings[XLM__PV_RING_STORE].pfn = STORE;
    frames->rings[XLM__PV_RING_CONSOLE].pfn = CONSOLE;
    memset(&home, 0, sizeof(home));
}

static void make(void)
{
    make_of(NR_PFNS);
}

static void unmake(void)
{
    xlm__pv_state_free(&state);
    xlm__pv_frames_free(frames);
    recorder_clear(&r);
    CU_ASSERT_EQUAL(f->nr_mapped, 0);
    fake_hv_free(f);
    xlm__errslot_destroy(&err);
}

static void help(void)
{
    fake_pv_page_data(f, r.rec[1].body);
    fake_pv_complete(f, r.rec[2].body, r.rec[0].body);
}

static void build_of(uint64_t nr_pfns)
{
    bool done = false;

    make_of(nr_pfns);
    CU_ASSERT_EQUAL_FATAL(xlm__pv_scaffold_emit(frames, recorder_emit, &r), 0);
    CU_ASSERT_EQUAL_FATAL(r.nr, 3);
    help();
    CU_ASSERT_EQUAL(
        xlm__pv_scaffold_remove(&f->base, DOMID, frames, &home, &done), 0);
    CU_ASSERT_FATAL(done);
}

static void build(void)
{
    build_of(NR_PFNS);
}

static void test_scaffold_is_a_domain_of_five_pages(void)
{
    const uint32_t *p2m;

    make();
    CU_ASSERT_EQUAL_FATAL(xlm__pv_scaffold_emit(frames, recorder_emit, &r), 0);
    CU_ASSERT_EQUAL_FATAL(r.nr, 3);
    CU_ASSERT_EQUAL(r.rec[0].type, XLM__XC_X86_PV_P2M_FRAMES);
    p2m = (const uint32_t *)(const void *)r.rec[0].body;
    CU_ASSERT(p2m[0] == 0 && p2m[1] == BASE + 2);
    /* two pages of it, which are one, and start_info */
    CU_ASSERT_EQUAL(r.rec[0].bytes, 8 + 3 * 8);
    CU_ASSERT_EQUAL(p2m[2], p2m[4]);
    CU_ASSERT_EQUAL(p2m[6], BASE + 2);
    CU_ASSERT_EQUAL(r.rec[1].bytes, 8 + 5 * 8 + 5 * XLM__PAGE_SIZE);
    CU_ASSERT_EQUAL(r.rec[2].type, XLM__XC_X86_PV_VCPU_BASIC);
    CU_ASSERT_EQUAL(r.rec[2].bytes, 8 + sizeof(vcpu_guest_context_t));
    unmake();
}

static void test_scaffold_that_cannot_be_emitted(void)
{
    for (unsigned i = 1; i <= 3; i++) {
        make();
        r.fail_at = i;
        CU_ASSERT_EQUAL(xlm__pv_scaffold_emit(frames, recorder_emit, &r),
                        XLM_ERR_CHANNEL);
        CU_ASSERT_EQUAL(r.nr, i - 1);
        unmake();
    }
}

static void test_scaffold_leaves_two_rings(void)
{
    build();
    CU_ASSERT_EQUAL(f->info.tot_pages, 2);
    CU_ASSERT_EQUAL(home.ring_mfns[XLM__PV_RING_STORE], fake_frame(f, STORE));
    CU_ASSERT_EQUAL(home.ring_mfns[XLM__PV_RING_CONSOLE],
                    fake_frame(f, CONSOLE));
    CU_ASSERT_EQUAL(home.ring_ports[XLM__PV_RING_STORE], FAKE_PV_STORE_PORT);
    CU_ASSERT_EQUAL(home.ring_ports[XLM__PV_RING_CONSOLE],
                    FAKE_PV_CONSOLE_PORT);
    CU_ASSERT_EQUAL(frames->mfns[STORE], fake_frame(f, STORE));
    CU_ASSERT_EQUAL(frames->mfns[CONSOLE], fake_frame(f, CONSOLE));
    CU_ASSERT(!f->vcpu_online[0]);
    for (unsigned i = 0; i < XLM__PAGE_SIZE; i++)
        CU_ASSERT_EQUAL(fake_page(f, STORE)[i], 0);
    unmake();
}

/* vcpu 0 is there before the p2m is written. */
static void test_scaffold_is_looked_at_until_it_is_complete(void)
{
    bool done = true;
    uint64_t *words;

    make();
    CU_ASSERT_EQUAL(xlm__pv_scaffold_emit(frames, recorder_emit, &r), 0);
    CU_ASSERT_EQUAL(
        xlm__pv_scaffold_remove(&f->base, DOMID, frames, &home, &done), 0);
    CU_ASSERT(!done);
    help();
    words = (uint64_t *)(void *)(f->frames + f->p2m[BASE + 2] * XLM__PAGE_SIZE);
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t word = words[i];

        words[i] = 0;
        CU_ASSERT_EQUAL(
            xlm__pv_scaffold_remove(&f->base, DOMID, frames, &home, &done), 0);
        CU_ASSERT(!done);
        CU_ASSERT_EQUAL(f->info.tot_pages, 5);
        words[i] = word;
    }
    CU_ASSERT_EQUAL(
        xlm__pv_scaffold_remove(&f->base, DOMID, frames, &home, &done), 0);
    CU_ASSERT(done);
    unmake();
}

/* ---- the domain that comes ---- */

static void put(uint64_t pfn, uint32_t type)
{
    bool nomem;

    CU_ASSERT_EQUAL(
        xlm__pv_frames_populate(frames, &f->base, DOMID, 1, &pfn, &nomem), 0);
    frames->types[pfn] = (uint8_t)(type >> 28 | XLM__PV_CAME);
    memset(fake_page(f, pfn), 0, XLM__PAGE_SIZE);
}

static start_info_t *start_info(void)
{
    return (void *)fake_page(f, START);
}

static void keep(uint32_t type, const void *body, size_t bytes)
{
    CU_ASSERT_EQUAL(xlm__pv_state_keep(&err, &state, type, body, bytes), 0);
}

struct vcpu_record {
    uint32_t vcpu, reserved;
    vcpu_guest_context_t ctx;
};

static void keep_vcpu(uint32_t vcpu)
{
    struct vcpu_record v = { .vcpu = vcpu };

    v.ctx.user_regs.rdx = START;
    v.ctx.gdt_ents = 16;
    v.ctx.gdt_frames[0] = GDT;
    v.ctx.ctrlreg[3] = (uint64_t)TABLE << 12;
    v.ctx.ctrlreg[1] = (uint64_t)TABLE << 12 | 1;
    keep(XLM__XC_X86_PV_VCPU_BASIC, &v, sizeof(v));
}

static void keep_p2m(uint64_t first, uint64_t second)
{
    const uint64_t body[3] = { (uint64_t)(NR_PFNS - 1) << 32, first, second };

    keep(XLM__XC_X86_PV_P2M_FRAMES, body, sizeof(body));
}

static void keep_all(void)
{
    const struct {
        uint32_t mode, khz;
        uint64_t nsec;
        uint32_t incarnation, reserved;
    } tsc = { .mode = 1, .khz = 1234567 };
    static unsigned char shared[XLM__PAGE_SIZE];

    memset(shared, 0x77, sizeof(shared));
    memcpy(frames->rings[0].copy + 2048, "\x11\0\0\0\x12\0\0\0", 8);
    memset(frames->rings[0].copy + 2064, 0x99, 8);
    frames->rings[0].copy[5] = 's';
    memcpy(frames->rings[1].copy + 3080, "\x21\0\0\0\x22\0\0\0", 8);
    frames->rings[1].copy[3071] = 'c';
    keep(XLM__XC_X86_TSC_INFO, &tsc, sizeof(tsc));
    keep(XLM__XC_SHARED_INFO, shared, sizeof(shared));
    keep_p2m(P2M_0, P2M_1);
    keep_vcpu(0);
    keep_vcpu(2);
    keep(XLM__XC_X86_PV_VCPU_EXTENDED, "\2\0\0\0\0\0\0\0extended", 16);
    keep(XLM__XC_X86_PV_VCPU_XSAVE, "\2\0\0\0\0\0\0\0", 8); /* empty */
}

/* All that came for it, and what state it had. */
static void arrive(void)
{
    build();
    put(TABLE, L4);
    put(GDT, XLM__PT_NOTAB);
    put(START, XLM__PT_NOTAB);
    put(P2M_0, XLM__PT_NOTAB);
    put(P2M_1, XLM__PT_NOTAB);
    put(DATA, XLM__PT_NOTAB);
    start_info()->store_mfn = STORE;
    start_info()->console.domU.mfn = CONSOLE;
    keep_all();
}

static int commit(void)
{
    return xlm__pv_commit(&f->base, DOMID, frames, &home, &state);
}

static uint64_t p2m_word(uint64_t page, unsigned i)
{
    return ((const uint64_t *)(const void *)fake_page(f, page))[i];
}

static void check_vcpu(unsigned vcpu)
{
    const vcpu_guest_context_t *ctx = f->vcpu[vcpu][XLM__VCPU_BASIC].data;

    CU_ASSERT_FATAL(f->vcpu_online[vcpu]);
    CU_ASSERT(ctx->flags & VGCF_online);
    CU_ASSERT_EQUAL(ctx->ctrlreg[3], fake_frame(f, TABLE) << 12);
    CU_ASSERT_EQUAL(ctx->ctrlreg[1], fake_frame(f, TABLE) << 12);
    CU_ASSERT_EQUAL(ctx->gdt_frames[0], fake_frame(f, GDT));
    CU_ASSERT_EQUAL(ctx->user_regs.rdx, vcpu ? START : fake_frame(f, START));
}

static void test_commit_gives_back_what_was_only_led_to(void)
{
    arrive();
    put(DATA + 5, XLM__PT_NOTAB);
    frames->types[DATA + 5] = 0;
    CU_ASSERT_EQUAL_FATAL(commit(), 0);
    CU_ASSERT_PTR_NULL(fake_page(f, DATA + 5));
    CU_ASSERT_EQUAL(p2m_word(P2M_0, DATA + 5), UINT64_MAX);
    unmake();
}

static void test_commit_leaves_what_is_behind_the_p2m(void)
{
    arrive();
    memset(fake_page(f, P2M_1), 0x44, XLM__PAGE_SIZE);
    CU_ASSERT_EQUAL_FATAL(commit(), 0);
    CU_ASSERT_EQUAL(p2m_word(P2M_1, NR_PFNS - 512), 0x4444444444444444);
    unmake();
}

static void test_commit_sets_vcpus(void)
{
    arrive();
    CU_ASSERT_EQUAL_FATAL(commit(), 0);
    check_vcpu(0);
    check_vcpu(2);
    CU_ASSERT(!f->vcpu_online[1]);
    CU_ASSERT_EQUAL(f->vcpu[2][XLM__VCPU_EXT].bytes, 8);
    CU_ASSERT_EQUAL(f->vcpu[2][XLM__VCPU_XSAVE].bytes, 0);
    CU_ASSERT_EQUAL(f->types[TABLE], L4);
    CU_ASSERT_EQUAL(f->tsc.khz, 1234567);
    unmake();
}

static void test_commit_says_where_it_is(void)
{
    const start_info_t *s;

    arrive();
    start_info()->flags = 0xff;
    CU_ASSERT_EQUAL_FATAL(commit(), 0);
    s = start_info();
    CU_ASSERT_EQUAL(s->nr_pages, NR_PFNS);
    CU_ASSERT_EQUAL(s->flags, 0);
    CU_ASSERT_EQUAL(s->shared_info, f->shared_frame << 12);
    CU_ASSERT_EQUAL(s->store_mfn, fake_frame(f, STORE));
    CU_ASSERT_EQUAL(s->store_evtchn, FAKE_PV_STORE_PORT);
    CU_ASSERT_EQUAL(s->console.domU.mfn, fake_frame(f, CONSOLE));
    CU_ASSERT_EQUAL(s->console.domU.evtchn, FAKE_PV_CONSOLE_PORT);
    CU_ASSERT_EQUAL(p2m_word(P2M_0, DATA), fake_frame(f, DATA));
    CU_ASSERT_EQUAL(p2m_word(P2M_0, DATA + 1), UINT64_MAX);
    CU_ASSERT_EQUAL(p2m_word(P2M_0, STORE), fake_frame(f, STORE));
    unmake();
}

static void test_commit_gives_no_event_of_the_source(void)
{
    const shared_info_t *s;

    arrive();
    CU_ASSERT_EQUAL_FATAL(commit(), 0);
    s = (const void *)(f->frames + f->shared_frame * XLM__PAGE_SIZE);
    CU_ASSERT(!s->evtchn_pending[0] && !s->evtchn_pending[63]);
    CU_ASSERT_EQUAL(s->evtchn_mask[63], ~0ul);
    CU_ASSERT_EQUAL(s->vcpu_info[31].evtchn_pending_sel, 0);
    CU_ASSERT_EQUAL(s->vcpu_info[31].evtchn_upcall_pending, 0x77);
    CU_ASSERT_EQUAL(s->arch.pfn_to_mfn_frame_list_list, 0);
    CU_ASSERT_EQUAL(s->arch.max_pfn, 0x7777777777777777);
    CU_ASSERT_EQUAL(s->wc_sec, 0); /* this host's */
    unmake();
}

static void test_commit_puts_rings_where_they_are_used(void)
{
    const unsigned char *store, *console;

    arrive();
    memset(fake_page(f, STORE) + 2064, 0x55, 8); /* xenstored's own */
    CU_ASSERT_EQUAL_FATAL(commit(), 0);
    store = fake_page(f, STORE);
    console = fake_page(f, CONSOLE);
    CU_ASSERT_EQUAL(store[5], 's');
    CU_ASSERT(store[2048] == 0x11 && store[2052] == 0x12);
    CU_ASSERT_EQUAL(store[2064], 0x55);
    CU_ASSERT_EQUAL(console[3071], 'c');
    /* Nobody would be told that there is something in it. */
    CU_ASSERT(console[3080] == 0x22 && console[3084] == 0x22);
    unmake();
}

/* More than a mapping has, and than is pinned at once; what of the p2m is only
 * holes is one page. */
static void test_commit_of_a_big_domain(void)
{
    enum { BIG = 530000, LEAVES = (BIG + 511) / 512, TABLES = 514 };
    static uint64_t p2m[1 + LEAVES];
    size_t wrong = 0;

    build_of(BIG);
    put(GDT, XLM__PT_NOTAB);
    put(START, XLM__PT_NOTAB);
    put(P2M_0, XLM__PT_NOTAB);
    put(P2M_1, XLM__PT_NOTAB);
    put(BIG - 1, XLM__PT_NOTAB);
    put(TABLE, L4);
    for (unsigned i = 0; i < TABLES; i++)
        put(1000 + i, L4);
    start_info()->store_mfn = STORE;
    start_info()->console.domU.mfn = CONSOLE;
    keep_all();
    p2m[0] = (uint64_t)(BIG - 1) << 32;
    for (unsigned i = 0; i < LEAVES; i++)
        p2m[1 + i] = i + 1 == LEAVES ? P2M_1 : P2M_0;
    keep(XLM__XC_X86_PV_P2M_FRAMES, p2m, sizeof(p2m));
    CU_ASSERT_EQUAL_FATAL(commit(), 0);
    for (unsigned i = 0; i < TABLES; i++)
        wrong += f->types[1000 + i] != L4;
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(p2m_word(P2M_1, (BIG - 1) % 512), fake_frame(f, BIG - 1));
    CU_ASSERT_EQUAL(p2m_word(P2M_0, 7), UINT64_MAX); /* the last of them */
    unmake();
}

/* ---- what a peer may have sent instead ---- */

static void refused(int rc, const char *text)
{
    CU_ASSERT_EQUAL(commit(), rc);
    CU_ASSERT(error_says(&err, text));
    unmake();
}

static void test_commit_ring_elsewhere_is_refused(void)
{
    arrive();
    start_info()->store_mfn = STORE + 1;
    refused(XLM_ERR_CHANGED, "the ring of its xenstore became page 0x15 while "
                             "the domain moved, it was 0x14");
    arrive();
    start_info()->console.domU.mfn = 0;
    refused(XLM_ERR_CHANGED, "the ring of its console became page 0");
}

static void with_vcpu(uint64_t rdx, uint64_t ents, uint64_t gdt, uint64_t cr3,
                      uint64_t cr1)
{
    struct vcpu_record v = { .vcpu = 0 };

    arrive();
    v.ctx.user_regs.rdx = rdx;
    v.ctx.gdt_ents = ents;
    v.ctx.gdt_frames[0] = gdt;
    v.ctx.ctrlreg[3] = cr3 << 12;
    v.ctx.ctrlreg[1] = cr1;
    keep(XLM__XC_X86_PV_VCPU_BASIC, &v, sizeof(v));
}

static void test_commit_user_and_kernel_tables_are_two(void)
{
    const vcpu_guest_context_t *ctx;

    with_vcpu(START, 0, 0, TABLE, (uint64_t)DATA << 12 | 1);
    put(DATA, L4);
    CU_ASSERT_EQUAL_FATAL(commit(), 0);
    ctx = f->vcpu[0][XLM__VCPU_BASIC].data;
    CU_ASSERT_EQUAL(ctx->ctrlreg[3], fake_frame(f, TABLE) << 12);
    CU_ASSERT_EQUAL(ctx->ctrlreg[1], fake_frame(f, DATA) << 12);
    unmake();
}

static void test_commit_vcpu_of_other_pages_is_refused(void)
{
    with_vcpu(NR_PFNS, 1, GDT, TABLE, 0);
    refused(XLM_ERR_STREAM, "start_info is page 0x3e8");
    with_vcpu(DATA + 1, 1, GDT, TABLE, 0); /* no memory */
    refused(XLM_ERR_STREAM, "start_info is page 0xb");
    with_vcpu(TABLE, 1, GDT, TABLE, 0);
    refused(XLM_ERR_STREAM, "start_info is page 0x5");
    with_vcpu(STORE, 1, GDT, TABLE, 0);
    refused(XLM_ERR_STREAM, "start_info is page 0x14");
    with_vcpu(START, 1, UINT64_MAX, TABLE, 0);
    refused(XLM_ERR_STREAM, "a frame of the GDT is page 0xffff");
    with_vcpu(START, 100000, GDT, TABLE, 0);
    refused(XLM_ERR_STREAM, "GDT of 100000 entries");
    with_vcpu(START, 1, GDT, DATA, 0);
    refused(XLM_ERR_STREAM, "cr3 is page 0xa, which is no page table");
    with_vcpu(START, 1, GDT, NR_PFNS, 0);
    refused(XLM_ERR_STREAM, "cr3 is page 0x3e8");
    with_vcpu(START, 1, GDT, TABLE, (uint64_t)DATA << 12 | 1);
    refused(XLM_ERR_STREAM, "cr1 (user cr3) is page 0xa");
}

static void test_commit_p2m_of_other_pages_is_refused(void)
{
    const uint64_t shorter[2] = { (uint64_t)(NR_PFNS - 1) << 32, P2M_0 };
    const uint64_t later[3] = { (uint64_t)(NR_PFNS - 1) << 32 | 1, P2M_0,
                                P2M_1 };

    arrive();
    keep_p2m(P2M_0, NR_PFNS);
    refused(XLM_ERR_STREAM, "a page of the p2m is page 0x3e8");
    arrive();
    keep_p2m(TABLE, P2M_1);
    refused(XLM_ERR_STREAM, "a page of the p2m is page 0x5");
    arrive();
    keep_p2m(CONSOLE, P2M_1);
    refused(XLM_ERR_STREAM, "a page of the p2m is page 0x15");
    arrive();
    keep(XLM__XC_X86_PV_P2M_FRAMES, shorter, sizeof(shorter));
    refused(XLM_ERR_STREAM, "X86_PV_P2M_FRAMES of 16 bytes");
    arrive();
    keep(XLM__XC_X86_PV_P2M_FRAMES, later, sizeof(later));
    refused(XLM_ERR_STREAM, "X86_PV_P2M_FRAMES of 24 bytes");
    arrive();
    keep(XLM__XC_X86_PV_P2M_FRAMES, "x", 1);
    refused(XLM_ERR_STREAM, "X86_PV_P2M_FRAMES of 1 bytes");
}

static void test_commit_state_of_other_lengths_is_refused(void)
{
    arrive();
    keep(XLM__XC_X86_TSC_INFO, "x", 1);
    refused(XLM_ERR_STREAM, "X86_TSC_INFO of 1 bytes");
    arrive();
    keep(XLM__XC_SHARED_INFO, "x", 1);
    refused(XLM_ERR_STREAM, "SHARED_INFO of 1 bytes");
}

static void not_kept(uint32_t type, const char *body, size_t bytes,
                     const char *text)
{
    CU_ASSERT_EQUAL(xlm__pv_state_keep(&err, &state, type, body, bytes),
                    XLM_ERR_STREAM);
    CU_ASSERT(error_says(&err, text));
    xlm__errslot_destroy(&err);
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
}

static void test_commit_vcpu_state_of_other_lengths_is_not_kept(void)
{
    static char much[8 + 65536 + 1];

    make();
    not_kept(XLM__XC_X86_PV_VCPU_BASIC, much, 9,
             "state 0 of a vcpu: 9 bytes, which is no length of it");
    not_kept(XLM__XC_X86_PV_VCPU_BASIC, much, 3, "state 0 of a vcpu: 3 bytes");
    not_kept(XLM__XC_X86_PV_VCPU_EXTENDED, much, 8 + 129, "state 1");
    not_kept(XLM__XC_X86_PV_VCPU_XSAVE, much, sizeof(much), "state 2");
    not_kept(XLM__XC_X86_PV_VCPU_MSRS, much, 8 + 4097, "state 3");
    not_kept(XLM__XC_X86_PV_VCPU_MSRS, "\4\0\0\0\0\0\0\0", 8,
             "state of vcpu 4, the domain has 4");
    unmake();
}

static void test_commit_without_vcpu_0_is_refused(void)
{
    arrive();
    free(state.vcpus[0][XLM__VCPU_BASIC].data);
    memset(state.vcpus[0], 0, sizeof(state.vcpus[0]));
    refused(XLM_ERR_STREAM, "vcpu 0 has no context");
}

static void test_commit_table_that_xen_refuses(void)
{
    arrive();
    ((uint64_t *)(void *)fake_page(f, TABLE))[1] = 0x7f000067;
    refused(XLM_ERR_HYPERVISOR, "Xen would refuse it");
}

static void test_commit_each_call_of_the_hypervisor_may_fail(void)
{
    unsigned n = 1;
    int rc;

    do {
        arrive();
        f->fail_call = n++;
        rc = commit();
        CU_ASSERT(rc == (f->fail_call ? 0 : XLM_ERR_HYPERVISOR));
        unmake();
    } while (rc && n < 100);
    CU_ASSERT(n > 12);
}

static void test_commit_only_these_records_are_kept(void)
{
    CU_ASSERT(xlm__pv_state_has(XLM__XC_X86_PV_P2M_FRAMES));
    CU_ASSERT(xlm__pv_state_has(XLM__XC_X86_TSC_INFO));
    CU_ASSERT(xlm__pv_state_has(XLM__XC_X86_PV_VCPU_MSRS));
    CU_ASSERT(!xlm__pv_state_has(XLM__XC_X86_PV_INFO));
    CU_ASSERT(!xlm__pv_state_has(XLM__XC_STATIC_DATA_END));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_scaffold_is_a_domain_of_five_pages),
    UNIT_TEST(test_scaffold_that_cannot_be_emitted),
    UNIT_TEST(test_scaffold_leaves_two_rings),
    UNIT_TEST(test_scaffold_is_looked_at_until_it_is_complete),
    UNIT_TEST(test_commit_gives_back_what_was_only_led_to),
    UNIT_TEST(test_commit_leaves_what_is_behind_the_p2m),
    UNIT_TEST(test_commit_sets_vcpus),
    UNIT_TEST(test_commit_says_where_it_is),
    UNIT_TEST(test_commit_gives_no_event_of_the_source),
    UNIT_TEST(test_commit_puts_rings_where_they_are_used),
    UNIT_TEST(test_commit_of_a_big_domain),
    UNIT_TEST(test_commit_user_and_kernel_tables_are_two),
    UNIT_TEST(test_commit_ring_elsewhere_is_refused),
    UNIT_TEST(test_commit_vcpu_of_other_pages_is_refused),
    UNIT_TEST(test_commit_p2m_of_other_pages_is_refused),
    UNIT_TEST(test_commit_state_of_other_lengths_is_refused),
    UNIT_TEST(test_commit_vcpu_state_of_other_lengths_is_not_kept),
    UNIT_TEST(test_commit_without_vcpu_0_is_refused),
    UNIT_TEST(test_commit_table_that_xen_refuses),
    UNIT_TEST(test_commit_each_call_of_the_hypervisor_may_fail),
    UNIT_TEST(test_commit_only_these_records_are_kept),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("pv_commit", tests)
