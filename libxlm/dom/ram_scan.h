/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which gfns of a translated guest have memory.
 *
 * A guest of 128 MiB has a gfn space of 4 GiB, since its special pages lie
 * just below that.  Asking Xen for the type of each of a million holes takes
 * longer than sending the guest, so we ask where memory is likely, and stop
 * when we have found as many pages as Xen says the domain owns:
 *
 *      0 ......... first gap      low memory
 *      0xfc000 ... 0xfffff        ACPI tables, special pages, firmware
 *      0x100000 .. nr_pfns        memory above 4 GiB
 *      all the rest               ballooned guests, odd layouts
 *
 * Stopping is safe: Xen reports a type only for a page that the domain itself
 * owns, no gfns of a domain share a page, so as long as it owns tot_pages
 * pages and we found that many, no other gfn has one.  The figure is read
 * again at that moment; if a running guest balloons meanwhile, the bitmap is
 * only an estimate, and *nr_out is not what the domain owned before.  If the
 * figure is never met, as it would be if some of the owned pages were at no
 * gfn, everything is scanned.
 */
#ifndef XLM_DOM_RAM_SCAN_H
#define XLM_DOM_RAM_SCAN_H

#include "hv/hv.h"

/* ram has nr_pfns bits, all clear.  Errors: HYPERVISOR, NOMEM. */
int xlm__ram_scan(struct xlm__hv *hv, uint32_t domid, uint64_t nr_pfns,
                  uint64_t *ram, uint64_t *nr_out);

#endif /* XLM_DOM_RAM_SCAN_H */
