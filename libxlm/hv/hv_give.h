/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory that a domain had here for a while goes back to Xen, which does not
 * clear it (free_domheap_pages() of xen/common/page_alloc.c; scrub-domheap is
 * off): the next domain would read what the source's guest had in it once. */
#ifndef XLM_HV_HV_GIVE_H
#define XLM_HV_HV_GIVE_H

#include "hv/hv.h"

/* Clear these pages (nr <= XLM__MAP_MAX), and give them back.  Errors:
 * HYPERVISOR. */
int xlm__hv_give_back(struct xlm__hv *hv, uint32_t domid, size_t nr,
                      const uint64_t *gfns);

#endif /* XLM_HV_HV_GIVE_H */
