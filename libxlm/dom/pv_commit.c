/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "dom/pv_commit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>

#include <xen/io/console.h>
#include <xen/io/xs_wire.h>

#include "dom/dom_pv.h"
#include "dom/dom_x86.h"
#include "util/byteorder.h"

#define XLM_MODULE "dom"

#define VCPU_HEAD 8u /* u32 vcpu, u32 reserved */
#define PIN_BATCH 512u
/* Of a vCPU; libxc's own is the first, Xen has far less of the others. */
#define EXT_MAX   128u
#define XSAVE_MAX 65536u
#define MSRS_MAX  4096u

struct commit {
    struct xlm__hv *hv;
    uint32_t domid;
    const struct xlm__pv_frames *frames;
    const struct xlm__pv_home *home;
    const struct xlm__pv_state *last;
    uint64_t shared_info; /* its frame */
};

/* ---- keeping ---- */

static bool vcpu_state(uint32_t type, enum xlm__vcpu_state *out)
{
    switch (type) {
    case XLM__XC_X86_PV_VCPU_BASIC:
        *out = XLM__VCPU_BASIC;
        return true;
    case XLM__XC_X86_PV_VCPU_EXTENDED:
        *out = XLM__VCPU_EXT;
        return true;
    case XLM__XC_X86_PV_VCPU_XSAVE:
        *out = XLM__VCPU_XSAVE;
        return true;
    case XLM__XC_X86_PV_VCPU_MSRS:
        *out = XLM__VCPU_MSRS;
        return true;
    default:
        return false;
    }
}

static struct xlm__blob *place(struct xlm__pv_state *s, uint32_t type)
{
    switch (type) {
    case XLM__XC_X86_PV_P2M_FRAMES:
        return &s->p2m_frames;
    case XLM__XC_X86_TSC_INFO:
        return &s->tsc;
    case XLM__XC_SHARED_INFO:
        return &s->shared_info;
    default:
        return NULL;
    }
}

bool xlm__pv_state_has(uint32_t type)
{
    enum xlm__vcpu_state what;
    struct xlm__pv_state s;

    return vcpu_state(type, &what) || place(&s, type);
}

void xlm__pv_state_free(struct xlm__pv_state *s)
{
    for (uint32_t v = 0; v < s->nr_vcpus; v++)
        for (size_t i = 0; i < XLM__PV_VCPU_STATES; i++)
            free(s->vcpus[v][i].data);
    free(s->vcpus);
    free(s->p2m_frames.data);
    free(s->tsc.data);
    free(s->shared_info.data);
    memset(s, 0, sizeof(*s));
}

static int keep_blob(struct xlm__errslot *err, struct xlm__blob *b,
                     const void *data, size_t bytes)
{
    void *copy = malloc(bytes ? bytes : 1);

    if (!copy)
        return XLM_FAIL(err, XLM_ERR_NOMEM, "state of %zu bytes", bytes);
    memcpy(copy, data, bytes);
    free(b->data);
    b->data = copy;
    b->bytes = bytes;
    return 0;
}

/* Lengths of what follows the vCPU's number. */
static bool is_length(enum xlm__vcpu_state what, size_t bytes)
{
    switch (what) {
    case XLM__VCPU_BASIC:
        return bytes == sizeof(vcpu_guest_context_t);
    case XLM__VCPU_EXT:
        return bytes <= EXT_MAX;
    case XLM__VCPU_XSAVE:
        return bytes <= XSAVE_MAX;
    case XLM__VCPU_MSRS:
        return bytes <= MSRS_MAX;
    }
    return false;
}

static int keep_vcpu(struct xlm__errslot *err, struct xlm__pv_state *s,
                     enum xlm__vcpu_state what, const void *body, size_t bytes)
{
    uint32_t vcpu;

    if (bytes < VCPU_HEAD || !is_length(what, bytes - VCPU_HEAD))
        return XLM_FAIL(err, XLM_ERR_STREAM,
                        "state %d of a vcpu: %zu bytes, which is no length of "
                        "it",
                        (int)what, bytes);
    vcpu = xlm__get_le32(body);
    if (vcpu >= s->nr_vcpus)
        return XLM_FAIL(err, XLM_ERR_STREAM,
                        "state of vcpu %" PRIu32 ", the domain has %" PRIu32,
                        vcpu, s->nr_vcpus);
    return keep_blob(err, &s->vcpus[vcpu][what], (const char *)body + VCPU_HEAD,
                     bytes - VCPU_HEAD);
}

int xlm__pv_state_new(struct xlm__errslot *err, struct xlm__pv_state *s,
                      uint32_t nr_vcpus)
{
    memset(s, 0, sizeof(*s));
    s->vcpus = calloc(nr_vcpus, sizeof(*s->vcpus));
    if (!s->vcpus)
        return XLM_FAIL(err, XLM_ERR_NOMEM, "state of %" PRIu32 " vcpus",
                        nr_vcpus);
    s->nr_vcpus = nr_vcpus;
    return 0;
}

int xlm__pv_state_keep(struct xlm__errslot *err, struct xlm__pv_state *s,
                       uint32_t type, const void *body, size_t bytes)
{
    enum xlm__vcpu_state what;

    if (vcpu_state(type, &what))
        return keep_vcpu(err, s, what, body, bytes);
    return keep_blob(err, place(s, type), body, bytes);
}

static uint64_t nr_leaves(uint64_t nr_pfns)
{
    return (nr_pfns + XLM__PV_ENTRIES - 1) / XLM__PV_ENTRIES;
}

int xlm__pv_state_check(struct xlm__errslot *err, const struct xlm__pv_state *s,
                        uint64_t nr_pfns)
{
    const struct xlm__blob *b = &s->p2m_frames;

    if (b->bytes == (nr_leaves(nr_pfns) + 1) * sizeof(uint64_t) &&
        !xlm__get_le32(b->data) &&
        xlm__get_le32((const char *)b->data + 4) == nr_pfns - 1)
        return 0;
    return XLM_FAIL(err, XLM_ERR_STREAM,
                    "X86_PV_P2M_FRAMES of %zu bytes is not that of all "
                    "%" PRIu64 " pages",
                    b->bytes, nr_pfns);
}

/* ---- pages ---- */

/* A page that is no page table, and not in use here: its frame. */
static int plain_page(const struct commit *c, const char *what, uint64_t pfn,
                      uint64_t *mfn_out)
{
    const struct xlm__pv_frames *f = c->frames;

    if (pfn >= f->nr_pfns || !xlm__pv_frames_has(f, pfn) ||
        xlm__pv_frames_type(f, pfn) != XLM__PT_NOTAB ||
        xlm__pv_frames_ring(f, pfn))
        return XLM_FAIL(c->hv->err, XLM_ERR_STREAM,
                        "%s is page %#" PRIx64
                        ", which is not an ordinary page of the domain",
                        what, pfn);
    *mfn_out = f->mfns[pfn];
    return 0;
}

static int map_frames(const struct commit *c, const char *what, size_t nr,
                      const uint64_t *mfns, struct xlm__map *out)
{
    struct xlm__hv *hv = c->hv;
    int errs[XLM__MAP_MAX];
    int rc = hv->ops->map(hv, c->domid, true, nr, mfns, errs, out);

    for (size_t i = 0; i < nr && !rc; i++)
        if (errs[i])
            rc = XLM_FAIL(hv->err, XLM_ERR_HYPERVISOR,
                          "map %s of domain %u, frame %#" PRIx64 ": error %d",
                          what, c->domid, mfns[i], errs[i]);
    if (rc && out->addr)
        hv->ops->unmap(hv, out);
    return rc;
}

/* ---- virtual CPUs ---- */

static int check_rings(const struct commit *c, const start_info_t *s)
{
    const uint64_t is[XLM__PV_RINGS] = { s->store_mfn, s->console.domU.mfn };

    for (size_t i = 0; i < XLM__PV_RINGS; i++)
        if (is[i] != c->frames->rings[i].pfn)
            return XLM_FAIL(c->hv->err, XLM_ERR_CHANGED,
                            "the ring of its %s became page %#" PRIx64
                            " while the domain moved, it was %#" PRIx64,
                            i == XLM__PV_RING_STORE ? "xenstore" : "console",
                            is[i], c->frames->rings[i].pfn);
    return 0;
}

/* The guest has turned its frames into pfns before it suspended. */
static int set_start_info(const struct commit *c, uint64_t mfn)
{
    const struct xlm__pv_home *h = c->home;
    struct xlm__map map = { 0 };
    start_info_t *s;
    int rc = map_frames(c, "start_info", 1, &mfn, &map);

    if (rc)
        return rc;
    s = map.addr;
    rc = check_rings(c, s);
    if (!rc) {
        s->nr_pages = c->frames->nr_pfns;
        s->shared_info = c->shared_info << XLM__PAGE_SHIFT;
        s->flags = 0;
        s->store_mfn = h->ring_mfns[XLM__PV_RING_STORE];
        s->store_evtchn = h->ring_ports[XLM__PV_RING_STORE];
        s->console.domU.mfn = h->ring_mfns[XLM__PV_RING_CONSOLE];
        s->console.domU.evtchn = h->ring_ports[XLM__PV_RING_CONSOLE];
    }
    c->hv->ops->unmap(c->hv, &map);
    return rc;
}

static int root_table(const struct commit *c, uint32_t vcpu, const char *what,
                      uint64_t *reg)
{
    const struct xlm__pv_frames *f = c->frames;
    const uint64_t pfn = *reg >> XLM__PAGE_SHIFT;

    if (pfn >= f->nr_pfns || !xlm__pv_frames_has(f, pfn) ||
        xlm__pv_pt_level(xlm__pv_frames_type(f, pfn)) != 4)
        return XLM_FAIL(c->hv->err, XLM_ERR_STREAM,
                        "vcpu %" PRIu32 ": %s is page %#" PRIx64
                        ", which is no page table of level 4",
                        vcpu, what, pfn);
    *reg = f->mfns[pfn] << XLM__PAGE_SHIFT;
    return 0;
}

/* The opposite of xlm__pv_vcpu_convert(). */
static int localise_vcpu(const struct commit *c, uint32_t vcpu,
                         vcpu_guest_context_t *ctx)
{
    const uint64_t ents = ctx->gdt_ents;
    uint64_t mfn;
    int rc = 0;

    if (ents > FIRST_RESERVED_GDT_ENTRY)
        return XLM_FAIL(c->hv->err, XLM_ERR_STREAM,
                        "vcpu %" PRIu32 ": GDT of %" PRIu64
                        " entries, limit %u",
                        vcpu, ents, (unsigned)FIRST_RESERVED_GDT_ENTRY);
    for (unsigned i = 0; i < (ents + 511) / 512 && !rc; i++) {
        rc = plain_page(c, "a frame of the GDT", ctx->gdt_frames[i], &mfn);
        if (!rc)
            ctx->gdt_frames[i] = mfn;
    }
    if (!rc)
        rc = root_table(c, vcpu, "cr3", &ctx->ctrlreg[3]);
    if (!rc && ctx->ctrlreg[1] & 1)
        rc = root_table(c, vcpu, "cr1 (user cr3)", &ctx->ctrlreg[1]);
    ctx->flags |= VGCF_online;
    return rc;
}

static int set_basic(const struct commit *c, uint32_t vcpu,
                     const struct xlm__blob *b)
{
    vcpu_guest_context_t *ctx;
    uint64_t mfn;
    int rc = 0;

    ctx = malloc(sizeof(*ctx));
    if (!ctx)
        return XLM_FAIL(c->hv->err, XLM_ERR_NOMEM, "context of vcpu %" PRIu32,
                        vcpu);
    memcpy(ctx, b->data, sizeof(*ctx));
    if (vcpu == 0) {
        rc = plain_page(c, "start_info", ctx->user_regs.rdx, &mfn);
        if (!rc)
            rc = set_start_info(c, mfn);
        if (!rc)
            ctx->user_regs.rdx = mfn;
    }
    if (!rc)
        rc = localise_vcpu(c, vcpu, ctx);
    if (!rc)
        rc = c->hv->ops->pv_vcpu_set(c->hv, c->domid, vcpu, XLM__VCPU_BASIC,
                                     ctx, sizeof(*ctx));
    free(ctx);
    return rc;
}

static int set_vcpu(const struct commit *c, uint32_t vcpu)
{
    const struct xlm__blob *parts = c->last->vcpus[vcpu];
    int rc = 0;

    if (parts[XLM__VCPU_BASIC].data)
        rc = set_basic(c, vcpu, &parts[XLM__VCPU_BASIC]);
    else if (vcpu == 0)
        rc = XLM_FAIL(c->hv->err, XLM_ERR_STREAM, "vcpu 0 has no context");
    for (unsigned i = XLM__VCPU_EXT; i < XLM__PV_VCPU_STATES && !rc; i++)
        if (parts[i].bytes)
            rc = c->hv->ops->pv_vcpu_set(c->hv, c->domid, vcpu,
                                         (enum xlm__vcpu_state)i, parts[i].data,
                                         parts[i].bytes);
    return rc;
}

/* Xen wants to know of vcpu 0 which tables are strict, before it sees one. */
static int set_vcpus(const struct commit *c)
{
    int rc = 0;

    for (uint32_t v = 0; v < c->last->nr_vcpus && !rc; v++)
        rc = set_vcpu(c, v);
    return rc;
}

/* ---- page tables, p2m ---- */

static int pin_tables(const struct commit *c)
{
    const struct xlm__pv_frames *f = c->frames;
    struct xlm__pin pins[PIN_BATCH];
    size_t n = 0;
    int rc = 0;

    for (uint64_t pfn = 0; pfn < f->nr_pfns && !rc; pfn++) {
        const uint32_t type = xlm__pv_frames_type(f, pfn);

        if (!(type & XLM__PT_LPINTAB) || !xlm__pv_pt_level(type) ||
            !xlm__pv_frames_has(f, pfn))
            continue;
        pins[n].level = xlm__pv_pt_level(type);
        pins[n++].mfn = f->mfns[pfn];
        if (n == PIN_BATCH) {
            rc = c->hv->ops->pv_pin(c->hv, c->domid, n, pins);
            n = 0;
        }
    }
    return rc || !n ? rc : c->hv->ops->pv_pin(c->hv, c->domid, n, pins);
}

/* As libxc does: nothing is known of pages without memory. */
static void write_p2m(const struct xlm__pv_frames *f, uint64_t first,
                      uint64_t *out, size_t nr)
{
    for (size_t i = 0; i < nr && first + i < f->nr_pfns; i++)
        out[i] = xlm__pv_frames_has(f, first + i) ? f->mfns[first + i]
                                                  : UINT64_MAX;
}

static int set_p2m(const struct commit *c)
{
    const uint64_t *pfns = (const uint64_t *)c->last->p2m_frames.data;
    const uint64_t nr = nr_leaves(c->frames->nr_pfns);
    uint64_t mfns[XLM__MAP_MAX];
    int rc = xlm__pv_state_check(c->hv->err, c->last, c->frames->nr_pfns);

    for (uint64_t at = 0; at < nr && !rc;) {
        struct xlm__map map = { 0 };
        size_t n = nr - at < XLM__MAP_MAX ? nr - at : XLM__MAP_MAX;

        for (size_t i = 0; i < n && !rc; i++)
            rc = plain_page(c, "a page of the p2m", pfns[1 + at + i], &mfns[i]);
        if (!rc)
            rc = map_frames(c, "p2m", n, mfns, &map);
        if (rc)
            break;
        write_p2m(c->frames, at * XLM__PV_ENTRIES, map.addr,
                  n * XLM__PV_ENTRIES);
        c->hv->ops->unmap(c->hv, &map);
        at += n;
    }
    return rc;
}

/* ---- shared info, rings ---- */

static int set_shared_info(const struct commit *c)
{
    const struct xlm__blob *b = &c->last->shared_info;
    const shared_info_t *from = b->data;
    struct xlm__map map = { 0 };
    shared_info_t *to;
    int rc;

    if (b->bytes != XLM__PAGE_SIZE)
        return XLM_FAIL(c->hv->err, XLM_ERR_STREAM,
                        "SHARED_INFO of %zu bytes, expected %u", b->bytes,
                        XLM__PAGE_SIZE);
    rc = map_frames(c, "shared info", 1, &c->shared_info, &map);
    if (rc)
        return rc;
    to = map.addr;
    memcpy(to->vcpu_info, from->vcpu_info, sizeof(to->vcpu_info));
    memcpy(&to->arch, &from->arch, sizeof(to->arch));
    to->arch.pfn_to_mfn_frame_list_list = 0;
    memset(to->evtchn_pending, 0, sizeof(to->evtchn_pending));
    memset(to->evtchn_mask, 0xff, sizeof(to->evtchn_mask));
    for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
        to->vcpu_info[i].evtchn_pending_sel = 0;
    c->hv->ops->unmap(c->hv, &map);
    return 0;
}

/* The two numbers of a ring at once: who looks at it meanwhile sees either
 * nothing to do or what there is, never one of them alone. */
static void set_indices(unsigned char *to, const unsigned char *from, size_t at,
                        bool drained)
{
    uint32_t pair[2]; /* consumer's, producer's */
    uint64_t both;

    memcpy(pair, from + at, sizeof(pair));
    if (drained)
        pair[0] = pair[1];
    memcpy(&both, pair, sizeof(both));
    __atomic_store_n((uint64_t *)(void *)(to + at), both, __ATOMIC_RELEASE);
}

/* public/io/xs_wire.h and console.h: data of both directions, indices of both;
 * what follows these is the host's own.  xenstored may answer a request as soon
 * as it is there: what was answered before comes first. */
static const struct {
    const char *what;
    size_t data, indices[2];
    /* The second direction is empty: xenconsoled looks at it when it is told,
     * which only the guest does, who does not while it is full.  What the guest
     * wrote last, the source's xenconsoled has. */
    bool drained;
} ring_of[XLM__PV_RINGS] = {
    { "xenstore ring",
      offsetof(struct xenstore_domain_interface, req_cons),
      { offsetof(struct xenstore_domain_interface, rsp_cons),
        offsetof(struct xenstore_domain_interface, req_cons) },
      false },
    { "console ring",
      offsetof(struct xencons_interface, in_cons),
      { offsetof(struct xencons_interface, in_cons),
        offsetof(struct xencons_interface, out_cons) },
      true },
};

static int set_ring(const struct commit *c, size_t i)
{
    const unsigned char *from = c->frames->rings[i].copy;
    struct xlm__map map = { 0 };
    int rc = map_frames(c, ring_of[i].what, 1, &c->home->ring_mfns[i], &map);

    if (rc)
        return rc;
    memcpy(map.addr, from, ring_of[i].data);
    set_indices(map.addr, from, ring_of[i].indices[0], false);
    set_indices(map.addr, from, ring_of[i].indices[1], ring_of[i].drained);
    c->hv->ops->unmap(c->hv, &map);
    return 0;
}

int xlm__pv_commit(struct xlm__hv *hv, uint32_t domid,
                   struct xlm__pv_frames *frames,
                   const struct xlm__pv_home *home,
                   const struct xlm__pv_state *last)
{
    struct commit c = { hv, domid, frames, home, last, 0 };
    struct xlm__dominfo info;
    struct xlm__tsc tsc;
    bool exists;
    int rc;

    rc = hv->ops->dominfo(hv, domid, &info, &exists);
    if (!rc && !exists)
        rc = XLM_FAIL(hv->err, XLM_ERR_TOOLSTACK, "domain %u is gone", domid);
    if (rc)
        return rc;
    c.shared_info = info.shared_info_mfn;
    rc = xlm__tsc_decode(hv->err, last->tsc.data, last->tsc.bytes, &tsc);
    if (!rc)
        rc = hv->ops->tsc_set(hv, domid, &tsc);
    if (!rc)
        rc = set_shared_info(&c);
    if (!rc)
        rc = set_vcpus(&c);
    if (!rc)
        rc = pin_tables(&c);
    if (!rc)
        rc = xlm__pv_frames_trim(frames, hv, domid);
    if (!rc)
        rc = set_p2m(&c);
    for (size_t i = 0; i < XLM__PV_RINGS && !rc; i++)
        rc = set_ring(&c, i);
    return rc;
}
