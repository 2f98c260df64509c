/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages of a suspended domain that do not stay what they were when they were
 * sent: others than the domain write to them, here or at the destination.
 */
#ifndef XLM_DOM_SPARED_H
#define XLM_DOM_SPARED_H

#include "dom/dom.h"

enum xlm__spared_kind { /* numbers of doc/stream-format.md, SPARED     */
                        XLM__SPARED_XENSTORE =
                            1, /* the ring that xenstored uses                */
                        XLM__SPARED_CONSOLE, /* xenconsoled's */
                        XLM__SPARED_IOREQ, /* Xen and a device model share these
                                              three    */
                        XLM__SPARED_BUFIOREQ,
                        XLM__SPARED_IOREQ_SERVER,
                        XLM__SPARED_VM86_TSS, /* Xen fills it where a vCPU is
                                                 loaded             */
                        XLM__SPARED_GRANTED,  /* a back end has mapped it for
                                                 writing, which Xen */
                        /* does not log before it is unmapped              */
                        XLM__SPARED_LATE, /* not sent: found to be written to
                                             after the last */
                        /* look at Xen's log                               */
};

struct xlm__spared {
    uint64_t pfn;
    enum xlm__spared_kind kind;
};

/* For a person: "console". */
const char *xlm__spared_name(unsigned kind);

/* Ascending, each once, at most `most` of them.  ram: what has memory.
 * *out is free()d by the caller.  Errors: HYPERVISOR, NOMEM. */
int xlm__spared_find(struct xlm__dom *dom, const struct xlm__dominfo *info,
                     const uint64_t *ram, size_t most, struct xlm__spared **out,
                     size_t *nr_out);

#endif /* XLM_DOM_SPARED_H */
