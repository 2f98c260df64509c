/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "hv/hv_give.h"

#include <inttypes.h>
#include <string.h>

#define XLM_MODULE "hv"

int xlm__hv_give_back(struct xlm__hv *hv, uint32_t domid, size_t nr,
                      const uint64_t *gfns)
{
    struct xlm__map map = { 0 };
    int errs[XLM__MAP_MAX];
    int rc = hv->ops->map(hv, domid, true, nr, gfns, errs, &map);

    if (rc)
        return rc;
    for (size_t i = 0; i < nr && !rc; i++) {
        if (!errs[i])
            memset((char *)map.addr + i * XLM__PAGE_SIZE, 0, XLM__PAGE_SIZE);
        else
            rc = XLM_FAIL(hv->err, XLM_ERR_HYPERVISOR,
                          "map page %#" PRIx64
                          " of domain %u to clear it: error %d",
                          gfns[i], domid, errs[i]);
    }
    hv->ops->unmap(hv, &map);
    return rc ? rc : hv->ops->depopulate(hv, domid, nr, gfns);
}
