/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dm_op: what a device model asks for.  No vCPU ever does I/O, so its server
 * is registered, and nothing is sent to it. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "stubs/hv/sim.h"

#include <xen/hvm/dm_op.h>
#include <xen/hvm/ioreq.h>

static long create_server(struct sim_domain *d, struct xen_dm_op *op)
{
    const struct sim_tables *t = sim_tables(d);
    shared_iopage_t *page;
    int port;

    if (!t)
        return -ENOMEM;
    page = (void *)(t->mem + ((SIM_XH_BASE + SIM_XF_IOREQ + 1) << 12));
    memset(page, 0, 4096);
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        port = sim_alloc_unbound(d, 0);
        if (port < 0)
            return port;
        page->vcpu_ioreq[i].vp_eport = port;
    }
    port = sim_alloc_unbound(d, 0);
    if (port < 0)
        return port;
    d->hvm_param[HVM_PARAM_BUFIOREQ_EVTCHN] = port;
    op->u.create_ioreq_server.id = 0;
    return 0;
}

static long modified(struct sim_domain *d, const struct xen_dm_op_buf *buf,
                     unsigned nr_extents)
{
    const struct xen_dm_op_modified_memory_extent *e = buf->h.p;

    if (buf->size / sizeof(*e) < nr_extents)
        return -EINVAL;
    for (unsigned i = 0; i < nr_extents; i++)
        for (uint64_t k = 0; k < e[i].nr; k++) {
            uint64_t idx;

            if (!sim_frame_to_idx(d, e[i].first_pfn + k, &idx))
                sim_mark_idx(d, idx);
        }
    return 0;
}

static long one_op(struct sim_domain *d, struct xen_dm_op *op, unsigned nr,
                   const struct xen_dm_op_buf *bufs)
{
    switch (op->op) {
    case XEN_DMOP_create_ioreq_server:
        return create_server(d, op);
    case XEN_DMOP_get_ioreq_server_info:
        op->u.get_ioreq_server_info.ioreq_gfn = 0;
        op->u.get_ioreq_server_info.bufioreq_gfn = 0;
        op->u.get_ioreq_server_info.bufioreq_port =
            d->hvm_param[HVM_PARAM_BUFIOREQ_EVTCHN];
        return 0;
    case XEN_DMOP_track_dirty_vram: /* no guest draws */
        if (nr > 1)
            memset(bufs[1].h.p, 0, bufs[1].size);
        return 0;
    case XEN_DMOP_modified_memory:
        return nr > 1 ? modified(d, &bufs[1], op->u.modified_memory.nr_extents)
                      : -EINVAL;
    case XEN_DMOP_remote_shutdown:
        sim_domain_shutdown(d, op->u.remote_shutdown.reason);
        return 0;
#ifdef XEN_DMOP_nr_vcpus
    case XEN_DMOP_nr_vcpus:
        op->u.nr_vcpus.vcpus = d->max_vcpus;
        return 0;
#endif
    case XEN_DMOP_map_io_range_to_ioreq_server:
    case XEN_DMOP_unmap_io_range_from_ioreq_server:
    case XEN_DMOP_set_ioreq_server_state:
    case XEN_DMOP_destroy_ioreq_server:
    case XEN_DMOP_set_isa_irq_level:
    case XEN_DMOP_set_pci_intx_level:
    case XEN_DMOP_set_pci_link_route:
    case XEN_DMOP_set_mem_type:
        return 0;
    }
    return -EOPNOTSUPP;
}

long sim_dm_op(uint32_t domid, unsigned nr, const struct xen_dm_op_buf *bufs)
{
    struct sim_domain *d = sim_domain(domid);

    if (!d)
        return -ESRCH;
    if (!sim_is_hvm(d) || !nr || bufs[0].size < sizeof(uint32_t))
        return -EINVAL;
    return one_op(d, bufs[0].h.p, nr, bufs);
}
