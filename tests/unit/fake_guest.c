/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the guest of a fake hypervisor does and is made of. */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>

#include "fake_hv.h"
#include "fake_impl.h"
#include "util/bitmap.h"

#define PER_PAGE 512u

unsigned char *fake_page(struct fake_hv *f, uint64_t pfn)
{
    uint64_t frame = pfn < f->nr_pfns ? f->p2m[pfn] : FAKE_NONE;

    return frame == FAKE_NONE ? NULL : f->frames + frame * XLM__PAGE_SIZE;
}

uint64_t fake_frame(struct fake_hv *f, uint64_t pfn)
{
    return f->p2m[pfn];
}

void fake_update_p2m(struct fake_hv *f, uint64_t pfn)
{
    const uint64_t *l1;
    uint64_t *leaf, at;

    if (!f->booted)
        return;
    l1 = (void *)(f->frames + f->p2m[FAKE_PV_L1] * XLM__PAGE_SIZE);
    at = l1[pfn / 512] >> 12;
    leaf = (void *)(f->frames + at * XLM__PAGE_SIZE);
    leaf[pfn % 512] = f->p2m[pfn];
    if (f->logging)
        xlm__bitmap_set(f->dirty, f->m2p[at]);
}

void fake_write(struct fake_hv *f, uint64_t pfn, size_t offset,
                const void *data, size_t bytes)
{
    pthread_mutex_lock(&f->lock);
    assert(fake_page(f, pfn) && offset + bytes <= XLM__PAGE_SIZE);
    memcpy(fake_page(f, pfn) + offset, data, bytes);
    if (f->logging && !xlm__bitmap_test(f->unlogged, pfn))
        xlm__bitmap_set(f->dirty, pfn);
    pthread_mutex_unlock(&f->lock);
}

void fake_fill(struct fake_hv *f, uint64_t pfn, uint64_t seed)
{
    uint64_t words[PER_PAGE];

    for (size_t i = 0; i < PER_PAGE; i++)
        words[i] = (seed + 1) * 0x9e3779b97f4a7c15ull + i;
    fake_write(f, pfn, 0, words, sizeof(words));
}

void fake_set_blob(struct xlm__blob *blob, const void *data, size_t bytes)
{
    free(blob->data);
    /* not among the allocations that tests let fail */
    if (posix_memalign(&blob->data, 16, bytes + 1))
        abort();
    memcpy(blob->data, data, bytes);
    blob->bytes = bytes;
}

void fake_set_policy(struct fake_hv *f, const void *leaves, size_t leaves_bytes,
                     const void *msrs, size_t msrs_bytes)
{
    struct xlm__blob l = { f->policy.leaves, 0 }, m = { f->policy.msrs, 0 };

    fake_set_blob(&l, leaves, leaves_bytes);
    fake_set_blob(&m, msrs, msrs_bytes);
    f->policy.leaves = l.data;
    f->policy.leaves_bytes = l.bytes;
    f->policy.msrs = m.data;
    f->policy.msrs_bytes = m.bytes;
}

static uint64_t *table(struct fake_hv *f, uint64_t pfn)
{
    return (uint64_t *)(void *)fake_page(f, pfn);
}

static uint64_t pte(struct fake_hv *f, uint64_t pfn)
{
    return fake_frame(f, pfn) << 12 | 0x67; /* present, writable, accessed */
}

struct arch_shared_info *fake_pv_shared(struct fake_hv *f)
{
    shared_info_t *s = (void *)(f->frames + f->shared_frame * XLM__PAGE_SIZE);

    return &s->arch;
}

static size_t nr_leaves(const struct fake_hv *f)
{
    return (f->nr_pfns + PER_PAGE - 1) / PER_PAGE;
}

/* What the guest's own list says is what Xen says. */
static void write_leaf(struct fake_hv *f, size_t leaf, uint64_t at_pfn)
{
    uint64_t *entries = table(f, at_pfn);

    for (size_t i = 0; i < PER_PAGE; i++) {
        uint64_t pfn = leaf * PER_PAGE + i;

        entries[i] = pfn < f->nr_pfns ? f->p2m[pfn] : FAKE_NONE;
    }
}

static void boot_tables(struct fake_hv *f)
{
    const uint64_t va = FAKE_PV_VADDR;

    memset(table(f, FAKE_PV_L4), 0, XLM__PAGE_SIZE);
    memset(table(f, FAKE_PV_L3), 0, XLM__PAGE_SIZE);
    memset(table(f, FAKE_PV_L2), 0, XLM__PAGE_SIZE);
    memset(table(f, FAKE_PV_L1), 0, XLM__PAGE_SIZE);
    table(f, FAKE_PV_L4)[va >> 39 & 511] = pte(f, FAKE_PV_L3);
    /* Xen's own, as a real L4 has: not a page of the guest. */
    table(f, FAKE_PV_L4)[256] = f->shared_frame << 12 | 1;
    table(f, FAKE_PV_L3)[va >> 30 & 511] = pte(f, FAKE_PV_L2);
    table(f, FAKE_PV_L2)[va >> 21 & 511] = pte(f, FAKE_PV_L1);
    for (size_t i = 0; i < nr_leaves(f); i++) {
        table(f, FAKE_PV_L1)[i] = pte(f, FAKE_PV_LEAVES + i);
        write_leaf(f, i, FAKE_PV_LEAVES + i);
    }
    f->types[FAKE_PV_L4] = 0x4u << 28 | XLM__PT_LPINTAB;
    f->types[FAKE_PV_L3] = 0x3u << 28;
    f->types[FAKE_PV_L2] = 0x2u << 28;
    f->types[FAKE_PV_L1] = 0x1u << 28;
}

static void boot_vcpu(struct fake_hv *f)
{
    vcpu_guest_context_t ctx;

    memset(&ctx, 0, sizeof(ctx));
    ctx.user_regs.rdx = fake_frame(f, FAKE_PV_START);
    ctx.gdt_ents = 16;
    ctx.gdt_frames[0] = fake_frame(f, FAKE_PV_GDT);
    ctx.ctrlreg[3] = fake_frame(f, FAKE_PV_L4) << 12;
    ctx.ctrlreg[1] = fake_frame(f, FAKE_PV_L4) << 12;
    fake_set_blob(&f->vcpu[0][XLM__VCPU_BASIC], &ctx, sizeof(ctx));
    fake_set_blob(&f->vcpu[0][XLM__VCPU_EXT], "ext", 4);
    f->vcpu_online[0] = true;
}

/* As a guest leaves it when it suspends; the rings have been used. */
static void boot_rings(struct fake_hv *f)
{
    const uint32_t store[4] = { 0x1005, 0x1005, 0x2007, 0x2009 };
    const uint32_t console[4] = { 3, 3, 0x10, 0x20 };
    start_info_t *s = (void *)fake_page(f, FAKE_PV_START);

    s->store_mfn = FAKE_PV_STORE;
    s->console.domU.mfn = FAKE_PV_CONSOLE;
    memset(fake_page(f, FAKE_PV_STORE), 's', 2048);
    memcpy(fake_page(f, FAKE_PV_STORE) + 2048, store, sizeof(store));
    memset(fake_page(f, FAKE_PV_CONSOLE), 'c', 3072);
    memcpy(fake_page(f, FAKE_PV_CONSOLE) + 3072, console, sizeof(console));
}

void fake_pv_create(struct fake_hv *f)
{
    assert(!f->info.hvm);
    /* A frame of Xen's own, that no pfn leads to. */
    f->shared_frame = 0;
    assert(!xlm__bitmap_test(f->used, 0));
    xlm__bitmap_set(f->used, 0);
    f->free_frames--;
    f->info.shared_info_mfn = f->shared_frame;
    memset(f->frames, 0, XLM__PAGE_SIZE);
}

void fake_pv_boot(struct fake_hv *f)
{
    struct arch_shared_info *arch;

    assert(nr_leaves(f) <= PER_PAGE);
    fake_pv_create(f);
    boot_tables(f);
    boot_vcpu(f);
    boot_rings(f);
    f->booted = true;
    arch = fake_pv_shared(f);
    arch->max_pfn = f->nr_pfns;
    arch->p2m_cr3 = fake_frame(f, FAKE_PV_L4) << 12;
    arch->p2m_vaddr = FAKE_PV_VADDR;
    arch->p2m_generation = 2;
}

void fake_pv_rewrite(struct fake_hv *f)
{
    for (size_t i = 0; i < nr_leaves(f); i++)
        write_leaf(f, i, FAKE_PV_LEAVES + i);
}

void fake_pv_move_leaf(struct fake_hv *f, size_t leaf, uint64_t pfn)
{
    struct arch_shared_info *arch = fake_pv_shared(f);

    arch->p2m_generation++;
    write_leaf(f, leaf, pfn);
    table(f, FAKE_PV_L1)[leaf] = pte(f, pfn);
    arch->p2m_generation++;
}
