/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "dom/pv_scaffold.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>

#include "dom/dom_pv.h"

#define XLM_MODULE "dom"

#define PAGE_DATA 0x01u /* of libxc's stream */
#define L4_TYPE   0x40000000u

/* Behind the last page number, at the beginning of a page of the p2m, so that
 * the last such page ends with their frames.  Of start_info these 24 bytes are
 * `magic`, which nobody reads any more. */
enum { L4, P2M, START_INFO, NR_PAGES };
_Static_assert(NR_PAGES * sizeof(uint64_t) <=
                   sizeof(((start_info_t *)0)->magic),
               "the rest of start_info is not overwritten");

static uint64_t base_of(const struct xlm__pv_frames *f)
{
    return (f->nr_pfns + XLM__PV_ENTRIES - 1) / XLM__PV_ENTRIES *
           XLM__PV_ENTRIES;
}

static int emit_p2m(const struct xlm__pv_frames *f, xlm__emit_fn *emit,
                    void *user)
{
    const uint64_t base = base_of(f), nr = base / XLM__PV_ENTRIES + 1;
    const uint32_t range[2] = { 0, (uint32_t)(base + NR_PAGES - 1) };
    uint64_t *body = malloc((nr + 1) * sizeof(*body));
    int rc;

    if (!body)
        return XLM_FAIL(f->err, XLM_ERR_NOMEM, "list of %" PRIu64 " p2m pages",
                        nr);
    memcpy(body, range, sizeof(range));
    for (uint64_t i = 0; i < nr; i++)
        body[1 + i] = base + (i + 1 < nr ? P2M : START_INFO);
    rc = emit(user, XLM__XC_X86_PV_P2M_FRAMES, body, (nr + 1) * sizeof(*body));
    free(body);
    return rc;
}

/* {u32 count, u32 0, count x u64 (type << 32 | pfn), the pages} */
static int emit_pages(const struct xlm__pv_frames *f, xlm__emit_fn *emit,
                      void *user)
{
    enum { NR = NR_PAGES + XLM__PV_RINGS };
    const uint64_t base = base_of(f);
    const size_t head = (1 + NR) * sizeof(uint64_t);
    unsigned char *body = calloc(1, head + NR * (size_t)XLM__PAGE_SIZE);
    uint64_t *word = (uint64_t *)(void *)body;
    start_info_t s;
    int rc;

    if (!body)
        return XLM_FAIL(f->err, XLM_ERR_NOMEM, "%d pages", (int)NR);
    word[0] = NR;
    for (uint64_t i = 0; i < NR_PAGES; i++)
        word[1 + i] = base + i;
    word[1 + L4] |= (uint64_t)L4_TYPE << 32;
    for (size_t i = 0; i < XLM__PV_RINGS; i++)
        word[1 + NR_PAGES + i] = f->rings[i].pfn;
    memset(&s, 0, sizeof(s));
    s.store_mfn = f->rings[XLM__PV_RING_STORE].pfn;
    s.console.domU.mfn = f->rings[XLM__PV_RING_CONSOLE].pfn;
    memcpy(body + head + START_INFO * XLM__PAGE_SIZE, &s, sizeof(s));
    rc = emit(user, PAGE_DATA, body, head + NR * (size_t)XLM__PAGE_SIZE);
    free(body);
    return rc;
}

/* It could run nothing: its page table is empty. */
static int emit_vcpu(const struct xlm__pv_frames *f, xlm__emit_fn *emit,
                     void *user)
{
    const uint64_t base = base_of(f);
    struct {
        uint32_t vcpu, reserved;
        vcpu_guest_context_t ctx;
    } *body = calloc(1, sizeof(*body));
    int rc;

    if (!body)
        return XLM_FAIL(f->err, XLM_ERR_NOMEM, "context of a vcpu");
    body->ctx.flags = VGCF_in_kernel;
    body->ctx.user_regs.rdx = base + START_INFO;
    body->ctx.ctrlreg[3] = (base + L4) << XLM__PAGE_SHIFT;
    rc = emit(user, XLM__XC_X86_PV_VCPU_BASIC, body, sizeof(*body));
    free(body);
    return rc;
}

int xlm__pv_scaffold_emit(const struct xlm__pv_frames *f, xlm__emit_fn *emit,
                          void *user)
{
    int rc = emit_p2m(f, emit, user);

    if (!rc)
        rc = emit_pages(f, emit, user);
    return rc ? rc : emit_vcpu(f, emit, user);
}

/* ---- and away with it ---- */

/* What the helper left in the frame; *done_out: it is done with it. */
static int read_start_info(struct xlm__hv *hv, uint32_t domid, uint64_t mfn,
                           uint64_t l4, uint64_t mfns_out[NR_PAGES],
                           struct xlm__pv_home *home_out, bool *done_out)
{
    struct xlm__map map = { 0 };
    start_info_t s;
    int err = 0, rc;

    rc = hv->ops->map(hv, domid, false, 1, &mfn, &err, &map);
    if (!rc && err)
        rc = XLM_FAIL(hv->err, XLM_ERR_HYPERVISOR,
                      "map frame %#" PRIx64 " of domain %u: error %d", mfn,
                      domid, err);
    if (!rc)
        memcpy(&s, map.addr, sizeof(s));
    if (map.addr)
        hv->ops->unmap(hv, &map);
    if (rc)
        return rc;
    memcpy(mfns_out, s.magic, NR_PAGES * sizeof(*mfns_out));
    *done_out = mfns_out[L4] == l4 && mfns_out[P2M] &&
                mfns_out[START_INFO] == mfn;
    home_out->ring_mfns[XLM__PV_RING_STORE] = s.store_mfn;
    home_out->ring_ports[XLM__PV_RING_STORE] = s.store_evtchn;
    home_out->ring_mfns[XLM__PV_RING_CONSOLE] = s.console.domU.mfn;
    home_out->ring_ports[XLM__PV_RING_CONSOLE] = s.console.domU.evtchn;
    return 0;
}

/* vcpu 0 is given its context, and then the p2m is written. */
static int look(struct xlm__hv *hv, uint32_t domid, uint64_t mfns_out[NR_PAGES],
                struct xlm__pv_home *home_out, bool *done_out)
{
    const vcpu_guest_context_t *ctx;
    struct xlm__blob b = { 0 };
    bool online = false;
    int rc;

    *done_out = false;
    rc = hv->ops->pv_vcpu_online(hv, domid, 0, &online);
    if (rc || !online)
        return rc;
    rc = hv->ops->pv_vcpu_get(hv, domid, 0, XLM__VCPU_BASIC, &b);
    ctx = b.data;
    if (!rc && b.bytes == sizeof(*ctx))
        rc = read_start_info(hv, domid, ctx->user_regs.rdx,
                             ctx->ctrlreg[3] >> XLM__PAGE_SHIFT, mfns_out,
                             home_out, done_out);
    free(b.data);
    return rc;
}

int xlm__pv_scaffold_remove(struct xlm__hv *hv, uint32_t domid,
                            struct xlm__pv_frames *frames,
                            struct xlm__pv_home *home_out, bool *done_out)
{
    uint64_t mfns[NR_PAGES] = { 0 };
    int rc = look(hv, domid, mfns, home_out, done_out);

    if (rc || !*done_out)
        return rc;
    rc = hv->ops->pv_vcpu_reset(hv, domid, 0);
    if (!rc)
        rc = hv->ops->depopulate(hv, domid, NR_PAGES, mfns);
    for (size_t i = 0; i < XLM__PV_RINGS && !rc; i++)
        frames->mfns[frames->rings[i].pfn] = home_out->ring_mfns[i];
    return rc;
}
