/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Translated guests: PVH and HVM.  Their gfn is their pfn. */
#include "config.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>

#include <xen/hvm/params.h>

#include "dom/dom_x86.h"
#include "dom/ram_scan.h"

#define XLM_MODULE "dom"

/* What Xen keeps for a guest and libxc's own save code sends, in its order:
 * xen.git tools/libs/guest/xg_sr_save_x86_hvm.c.  Event channels are not
 * among them: those of the destination are new. */
static const unsigned params[] = {
    HVM_PARAM_STORE_PFN,
    HVM_PARAM_IOREQ_PFN,
    HVM_PARAM_BUFIOREQ_PFN,
    HVM_PARAM_PAGING_RING_PFN,
    HVM_PARAM_MONITOR_RING_PFN,
    HVM_PARAM_SHARING_RING_PFN,
    HVM_PARAM_VM86_TSS_SIZED,
    HVM_PARAM_CONSOLE_PFN,
    HVM_PARAM_ACPI_IOPORTS_LOCATION,
    HVM_PARAM_VIRIDIAN,
    HVM_PARAM_IDENT_PT,
    HVM_PARAM_VM_GENERATION_ID_ADDR,
    HVM_PARAM_IOREQ_SERVER_PFN,
    HVM_PARAM_NR_IOREQ_SERVER_PAGES,
    HVM_PARAM_X87_FIP_WIDTH,
    HVM_PARAM_MCA_CAP,
};
#define NR_PARAMS (sizeof(params) / sizeof(params[0]))

/* HVM_PARAMS of libxc's stream. */
struct hvm_params {
    uint32_t count, reserved;
    struct {
        uint64_t index, value;
    } entry[NR_PARAMS];
};

static void hvm_close(struct xlm__dom *dom)
{
    free(dom);
}

static int hvm_ram(struct xlm__dom *dom, uint64_t *ram, uint64_t *nr_out)
{
    return xlm__ram_scan(dom->hv, dom->domid, dom->nr_pfns, ram, nr_out);
}

static int hvm_gfns(struct xlm__dom *dom, size_t nr, const uint64_t *pfns,
                    uint64_t *gfns_out)
{
    (void)dom;
    memcpy(gfns_out, pfns, nr * sizeof(*pfns));
    return 0;
}

static bool hvm_needs_copy(uint32_t type)
{
    (void)type;
    return false;
}

static int hvm_page_out(struct xlm__dom *dom, uint64_t pfn, uint32_t type,
                        const void *in, void *out, bool live,
                        enum xlm__page_fate *fate_out)
{
    (void)dom;
    (void)pfn;
    (void)type;
    (void)live;
    memcpy(out, in, XLM__PAGE_SIZE);
    *fate_out = XLM__PAGE_SEND;
    return 0;
}

static int hvm_emit_static(struct xlm__dom *dom, xlm__emit_fn *emit, void *user)
{
    int rc = xlm__emit_policies(dom, emit, user);

    return rc ? rc : emit(user, XLM__XC_STATIC_DATA_END, NULL, 0);
}

static int emit_context(struct xlm__dom *dom, xlm__emit_fn *emit, void *user)
{
    struct xlm__blob ctx = { 0 };
    int rc = dom->hv->ops->hvm_context_get(dom->hv, dom->domid, &ctx);

    if (!rc)
        rc = emit(user, XLM__XC_HVM_CONTEXT, ctx.data, ctx.bytes);
    free(ctx.data);
    return rc;
}

static int emit_params(struct xlm__dom *dom, xlm__emit_fn *emit, void *user)
{
    struct hvm_params rec = { 0 };

    for (size_t i = 0; i < NR_PARAMS; i++) {
        uint64_t value;
        int rc = dom->hv->ops->hvm_param_get(dom->hv, dom->domid, params[i],
                                             &value);

        if (rc)
            return rc;
        if (!value)
            continue;
        rec.entry[rec.count].index = params[i];
        rec.entry[rec.count].value = value;
        rec.count++;
    }
    if (!rec.count)
        return 0;
    return emit(user, XLM__XC_HVM_PARAMS, &rec,
                offsetof(struct hvm_params, entry) +
                    rec.count * sizeof(rec.entry[0]));
}

static int hvm_emit_tail(struct xlm__dom *dom, xlm__emit_fn *emit, void *user)
{
    int rc = xlm__emit_tsc(dom, emit, user);

    if (!rc)
        rc = emit_context(dom, emit, user);
    if (!rc)
        rc = emit_params(dom, emit, user);
    return rc;
}

static const struct xlm__dom_ops hvm_ops = {
    .close = hvm_close,
    .ram = hvm_ram,
    .gfns = hvm_gfns,
    .needs_copy = hvm_needs_copy,
    .page_out = hvm_page_out,
    .emit_static = hvm_emit_static,
    .emit_tail = hvm_emit_tail,
};

int xlm__dom_open_hvm(struct xlm__hv *hv, const struct xlm__dominfo *info,
                      struct xlm__dom **dom_out)
{
    struct xlm__dom *dom = calloc(1, sizeof(*dom));
    int rc;

    if (!dom)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "handle of domain %u",
                        info->domid);
    dom->ops = &hvm_ops;
    dom->hv = hv;
    dom->domid = info->domid;
    rc = hv->ops->nr_pfns(hv, info->domid, &dom->nr_pfns);
    if (rc) {
        free(dom);
        return rc;
    }
    *dom_out = dom;
    return 0;
}
