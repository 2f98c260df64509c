/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain's grant table, as it keeps it itself. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "hv/hv_xen.h"

#include <xen/grant_table.h>

#define XLM_MODULE "hv"

#define PER_FRAME (XLM__PAGE_SIZE / sizeof(grant_entry_v1_t))
/* Xen's own default limit is 64. */
#define FRAMES_MAX 1024u

static size_t collect(const grant_entry_v1_t *table, size_t nr, uint64_t *gfns)
{
    size_t found = 0;

    for (size_t i = 0; i < nr; i++)
        if ((table[i].flags & GTF_type_mask) == GTF_permit_access &&
            (table[i].flags & GTF_writing))
            gfns[found++] = table[i].frame;
    return found;
}

/* As many as it has: to map more would make Xen give it more.  One is there
 * from the beginning. */
static size_t nr_frames(struct xlm__hv *hv, uint32_t domid)
{
    struct gnttab_query_size q = { .dom = (domid_t)domid };

    if (xc_gnttab_query_size(xlm__hv_xen(hv)->xch, &q) || q.status ||
        !q.nr_frames)
        return 1;
    return q.nr_frames < FRAMES_MAX ? q.nr_frames : FRAMES_MAX;
}

int xlm__xen_grants_written(struct xlm__hv *hv, uint32_t domid,
                            uint64_t **gfns_out, size_t *nr_out)
{
    xenforeignmemory_handle *fmem = xlm__hv_xen(hv)->fmem;
    xenforeignmemory_resource_handle *res;
    void *table = NULL;
    uint64_t *gfns;
    size_t frames;

    *gfns_out = NULL;
    *nr_out = 0;
    /* Version 2, which no guest that we know uses, has another layout. */
    if (xc_gnttab_get_version(xlm__hv_xen(hv)->xch, domid) == 2)
        return 0;
    frames = nr_frames(hv, domid);
    gfns = malloc(frames * PER_FRAME * sizeof(*gfns));
    if (!gfns)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "grants of domain %u", domid);
    res = xenforeignmemory_map_resource(
        fmem, (domid_t)domid, XENMEM_resource_grant_table,
        XENMEM_resource_grant_table_id_shared, 0, frames, &table, PROT_READ, 0);
    if (!res) {
        free(gfns);
        return XLM_FAIL_ERRNO(hv->err, XLM_ERR_HYPERVISOR,
                              "map the grant table of domain %u", domid);
    }
    *nr_out = collect(table, frames * PER_FRAME, gfns);
    *gfns_out = gfns;
    xenforeignmemory_unmap_resource(fmem, res);
    return 0;
}
