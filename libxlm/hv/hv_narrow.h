/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What threads that handle a peer's bytes may ask of the hypervisor: one
 * domain, and of that only
 *
 *   map, unmap             through a descriptor that the kernel holds to this
 *                          domain, where it can (hv_ops.window)
 *   populate, depopulate,  done by a thread of the handle's own: these are
 *   dominfo, hostinfo      hypercalls, and who may make one may make any
 *
 * The other members are NULL.  Another domain is an INTERNAL error.
 */
#ifndef XLM_HV_HV_NARROW_H
#define XLM_HV_HV_NARROW_H

#include "hv/hv.h"

/* hv is borrowed.  Errors: NOMEM, SYSTEM, HYPERVISOR. */
int xlm__hv_narrow(struct xlm__hv *hv, uint32_t domid, struct xlm__hv **out);

/* What map() is done through; -1: the kernel does not hold it to the domain,
 * or it is not a descriptor. */
int xlm__hv_narrow_fd(const struct xlm__hv *narrow);

#endif /* XLM_HV_HV_NARROW_H */
