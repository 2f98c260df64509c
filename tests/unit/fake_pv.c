/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fake domain as a PV one that is built: by others, and by libxl's helper.
 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>

#include "fake_impl.h"
#include "util/bitmap.h"

#define XLM_MODULE "fake"

#define PTES 512u

int fake_op_pv_populate(struct xlm__hv *hv, uint32_t domid, size_t nr,
                        const uint64_t *pfns, uint64_t *mfns_out,
                        bool *nomem_out)
{
    struct fake_hv *f = fake(hv);
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    *nomem_out = f->free_frames < nr ||
                 f->info.tot_pages + nr > f->info.max_pages;
    if (*nomem_out)
        return fake_leave(hv);
    for (size_t i = 0; i < nr; i++) {
        if (f->info.hvm || pfns[i] >= f->nr_pfns)
            return fake_leave_fail(hv, "pv_populate: out of range");
        if (f->p2m[pfns[i]] != FAKE_NONE)
            return fake_leave_fail(hv, "pv_populate: page is there already");
        fake_give_frame(f, pfns[i]);
        mfns_out[i] = f->p2m[pfns[i]];
    }
    return fake_leave(hv);
}

/* The pfn of a frame that is the domain's. */
static bool is_own(const struct fake_hv *f, uint64_t frame, uint64_t *pfn_out)
{
    if (frame >= f->nr_frames || f->m2p[frame] >= f->nr_slots ||
        f->p2m[f->m2p[frame]] != frame)
        return false;
    *pfn_out = f->m2p[frame];
    return true;
}

/* What Xen checks of a table: all that it leads to is the domain's. */
static bool pin(struct fake_hv *f, uint64_t frame, unsigned level)
{
    const uint64_t *table = (void *)(f->frames + frame * XLM__PAGE_SIZE);
    uint64_t pfn;

    if (!is_own(f, frame, &pfn))
        return false;
    if (f->types[pfn] & XLM__PT_LTABMASK)
        return (f->types[pfn] & XLM__PT_LTABMASK) == level << 28;
    f->types[pfn] = level << 28;
    for (unsigned i = 0; i < PTES; i++) {
        uint64_t to = table[i] >> 12 & 0xffffffffff, at;

        if (!(table[i] & 1) || (level == 4 && i >= 256 && i < 272))
            continue;
        if (level > 1 ? !pin(f, to, level - 1) : !is_own(f, to, &at))
            return false;
    }
    return true;
}

int fake_op_pv_pin(struct xlm__hv *hv, uint32_t domid, size_t nr,
                   const struct xlm__pin *pins)
{
    struct fake_hv *f = fake(hv);
    int rc = fake_enter(hv, domid);
    uint64_t pfn;

    if (rc)
        return rc;
    if (f->nr_mapped)
        return fake_leave_fail(hv, "pin: it may be mapped for writing");
    for (size_t i = 0; i < nr; i++) {
        if (!pin(f, pins[i].mfn, pins[i].level) ||
            !is_own(f, pins[i].mfn, &pfn))
            return fake_leave_fail(hv, "pin: Xen would refuse it");
        f->types[pfn] |= XLM__PT_LPINTAB;
    }
    return fake_leave(hv);
}

int fake_op_pv_vcpu_set(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu,
                        enum xlm__vcpu_state what, const void *data,
                        size_t bytes)
{
    struct fake_hv *f = fake(hv);
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    if (!f->info.paused || vcpu >= FAKE_NR_VCPUS)
        return fake_leave_fail(hv, "its vcpu is set while it runs");
    if ((what == XLM__VCPU_BASIC) == f->vcpu_online[vcpu])
        return fake_leave_fail(hv, "its vcpu has other tables already");
    f->vcpu_online[vcpu] = true;
    fake_set_blob(&f->vcpu[vcpu][what], data, bytes);
    return fake_leave(hv);
}

int fake_op_pv_vcpu_reset(struct xlm__hv *hv, uint32_t domid, uint32_t vcpu)
{
    struct fake_hv *f = fake(hv);
    int rc = fake_enter(hv, domid);

    if (rc)
        return rc;
    assert(vcpu < FAKE_NR_VCPUS);
    f->vcpu_online[vcpu] = false;
    f->vcpu[vcpu][XLM__VCPU_BASIC].bytes = 0;
    return fake_leave(hv);
}

/* ---- as libxc's restore does with its stream ---- */

void fake_pv_page_data(struct fake_hv *f, const void *body)
{
    const uint32_t *head = body;
    const uint64_t *entries = (const uint64_t *)(const void *)(head + 2);
    const unsigned char *data = (const void *)(entries + head[0]);

    for (uint32_t i = 0; i < head[0]; i++, data += XLM__PAGE_SIZE) {
        const uint64_t pfn = entries[i] & 0xfffffffffffffull;

        assert(pfn < f->nr_slots);
        if (f->p2m[pfn] == FAKE_NONE)
            fake_give_frame(f, pfn);
        memcpy(f->frames + f->p2m[pfn] * XLM__PAGE_SIZE, data, XLM__PAGE_SIZE);
    }
}

static void *page_at(struct fake_hv *f, uint64_t pfn)
{
    assert(pfn < f->nr_slots && f->p2m[pfn] != FAKE_NONE);
    return f->frames + f->p2m[pfn] * XLM__PAGE_SIZE;
}

void fake_pv_complete(struct fake_hv *f, const void *vcpu0, const void *p2m)
{
    const uint64_t *leaves = (const uint64_t *)p2m + 1;
    const uint64_t last = ((const uint32_t *)p2m)[1];
    vcpu_guest_context_t ctx;
    start_info_t *s;

    memcpy(&ctx, (const char *)vcpu0 + 8, sizeof(ctx));
    s = page_at(f, ctx.user_regs.rdx);
    s->store_mfn = f->p2m[s->store_mfn];
    s->store_evtchn = FAKE_PV_STORE_PORT;
    s->console.domU.mfn = f->p2m[s->console.domU.mfn];
    s->console.domU.evtchn = FAKE_PV_CONSOLE_PORT;
    ctx.user_regs.rdx = f->p2m[ctx.user_regs.rdx];
    ctx.ctrlreg[3] = f->p2m[ctx.ctrlreg[3] >> 12] << 12;
    f->vcpu_online[0] = true;
    fake_set_blob(&f->vcpu[0][XLM__VCPU_BASIC], &ctx, sizeof(ctx));
    for (uint64_t pfn = 0; pfn <= last; pfn++)
        ((uint64_t *)page_at(f, leaves[pfn / PTES]))[pfn % PTES] = f->p2m[pfn];
}
