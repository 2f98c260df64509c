/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Virtual CPUs of PV guests. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom/dom_pv.h"

#define XLM_MODULE "dom"

/* More than any Xen gives a PV guest (MAX_VIRT_CPUS is 8192). */
#define NR_VCPUS_MAX 8192u

static bool convert(const struct xlm__pv_view *v, uint64_t mfn, uint32_t vcpu,
                    const char *what, uint64_t *pfn_out, char *why)
{
    if (xlm__pv_mfn_to_pfn(v, mfn, pfn_out))
        return true;
    snprintf(why, XLM__PV_WHY_BYTES,
             "vcpu %" PRIu32 ": %s names mfn %#" PRIx64
             ", which is not among the guest's pages",
             vcpu, what, mfn);
    return false;
}

static bool convert_gdt(const struct xlm__pv_view *v, uint32_t vcpu,
                        vcpu_guest_context_t *ctx, char *why)
{
    unsigned frames;

    if (ctx->gdt_ents > FIRST_RESERVED_GDT_ENTRY) {
        snprintf(why, XLM__PV_WHY_BYTES,
                 "vcpu %" PRIu32 ": GDT of %lu entries, limit %u", vcpu,
                 ctx->gdt_ents, (unsigned)FIRST_RESERVED_GDT_ENTRY);
        return false;
    }
    frames = (unsigned)(ctx->gdt_ents + 511) / 512;
    for (unsigned i = 0; i < frames; i++) {
        uint64_t pfn;

        if (!convert(v, ctx->gdt_frames[i], vcpu, "a GDT frame", &pfn, why))
            return false;
        ctx->gdt_frames[i] = pfn;
    }
    return true;
}

bool xlm__pv_vcpu_convert(const struct xlm__pv_view *v, uint32_t vcpu,
                          vcpu_guest_context_t *ctx,
                          char why[XLM__PV_WHY_BYTES])
{
    uint64_t pfn;

    /* The hypercall that suspends a guest takes its start_info in rdx. */
    if (vcpu == 0) {
        if (!convert(v, ctx->user_regs.rdx, vcpu, "rdx (start_info)", &pfn,
                     why))
            return false;
        ctx->user_regs.rdx = pfn;
    }
    if (!convert_gdt(v, vcpu, ctx, why))
        return false;
    if (!convert(v, ctx->ctrlreg[3] >> XLM__PAGE_SHIFT, vcpu, "cr3", &pfn, why))
        return false;
    ctx->ctrlreg[3] = pfn << XLM__PAGE_SHIFT;
    if (!ctx->ctrlreg[1])
        return true;
    /* The user-space page table; bit 0 says that there is one. */
    if (!convert(v, ctx->ctrlreg[1] >> XLM__PAGE_SHIFT, vcpu, "cr1 (user cr3)",
                 &pfn, why))
        return false;
    ctx->ctrlreg[1] = pfn << XLM__PAGE_SHIFT | 1;
    return true;
}

/* X86_PV_VCPU_*: {u32 vcpu, u32 0} and the state; nothing if no state. */
static int emit_blob(struct xlm__dom *dom, uint32_t vcpu, uint32_t type,
                     const struct xlm__blob *blob, xlm__emit_fn *emit,
                     void *user)
{
    const uint32_t head[2] = { vcpu, 0 };
    unsigned char *body;
    int rc;

    if (!blob->bytes)
        return 0;
    body = malloc(sizeof(head) + blob->bytes);
    if (!body)
        return XLM_FAIL(dom->hv->err, XLM_ERR_NOMEM,
                        "state of vcpu %" PRIu32 ": %zu bytes", vcpu,
                        blob->bytes);
    memcpy(body, head, sizeof(head));
    memcpy(body + sizeof(head), blob->data, blob->bytes);
    rc = emit(user, type, body, sizeof(head) + blob->bytes);
    free(body);
    return rc;
}

static int convert_blob(struct xlm__dom *dom, const struct xlm__pv_view *v,
                        uint32_t vcpu, struct xlm__blob *blob)
{
    char why[XLM__PV_WHY_BYTES];

    if (blob->bytes != sizeof(vcpu_guest_context_t))
        return XLM_FAIL(dom->hv->err, XLM_ERR_HYPERVISOR,
                        "context of vcpu %" PRIu32 ": %zu bytes, expected %zu",
                        vcpu, blob->bytes, sizeof(vcpu_guest_context_t));
    if (!xlm__pv_vcpu_convert(v, vcpu, blob->data, why))
        return XLM_FAIL(dom->hv->err, XLM_ERR_INCOMPATIBLE, "domain %u: %s",
                        dom->domid, why);
    return 0;
}

static int emit_vcpu(struct xlm__dom *dom, const struct xlm__pv_view *v,
                     uint32_t vcpu, xlm__emit_fn *emit, void *user)
{
    static const struct {
        enum xlm__vcpu_state what;
        uint32_t type;
    } parts[] = {
        { XLM__VCPU_BASIC, XLM__XC_X86_PV_VCPU_BASIC },
        { XLM__VCPU_EXT, XLM__XC_X86_PV_VCPU_EXTENDED },
        { XLM__VCPU_XSAVE, XLM__XC_X86_PV_VCPU_XSAVE },
        { XLM__VCPU_MSRS, XLM__XC_X86_PV_VCPU_MSRS },
    };
    struct xlm__hv *hv = dom->hv;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct xlm__blob blob = { 0 };
        int rc;

        rc = hv->ops->pv_vcpu_get(hv, dom->domid, vcpu, parts[i].what, &blob);
        if (!rc && parts[i].what == XLM__VCPU_BASIC)
            rc = convert_blob(dom, v, vcpu, &blob);
        if (!rc)
            rc = emit_blob(dom, vcpu, parts[i].type, &blob, emit, user);
        free(blob.data);
        if (rc)
            return rc;
    }
    return 0;
}

int xlm__pv_emit_vcpus(struct xlm__dom *dom, const struct xlm__pv_view *v,
                       xlm__emit_fn *emit, void *user)
{
    struct xlm__hv *hv = dom->hv;
    struct xlm__dominfo info;
    bool exists = false;
    int rc = hv->ops->dominfo(hv, dom->domid, &info, &exists);

    if (rc)
        return rc;
    if (!exists)
        return XLM_FAIL(hv->err, XLM_ERR_GUEST_ENDED, "domain %u is gone",
                        dom->domid);
    if (info.max_vcpu_id >= NR_VCPUS_MAX)
        return XLM_FAIL(hv->err, XLM_ERR_INCOMPATIBLE,
                        "domain %u: highest vcpu is %" PRIu32 ", limit %u",
                        dom->domid, info.max_vcpu_id, NR_VCPUS_MAX - 1);
    for (uint32_t vcpu = 0; vcpu <= info.max_vcpu_id; vcpu++) {
        bool online = false;

        rc = hv->ops->pv_vcpu_online(hv, dom->domid, vcpu, &online);
        if (!rc && online)
            rc = emit_vcpu(dom, v, vcpu, emit, user);
        if (rc)
            return rc;
    }
    return 0;
}
