/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hypervisor and toolstack for the public functions that need no session. */
#ifndef XLM_BACKENDS_H
#define XLM_BACKENDS_H

#include "hv/hv.h"
#include "toolstack/toolstack.h"

struct xlm__backends {
    struct xlm__errslot err;
    struct xlm__hv *hv;
    struct xlm__toolstack *ts;
};

/* opt may be NULL.  Close in any case. */
int xlm__backends_open(struct xlm__backends *b, const struct xlm_options *opt);
/* Gives back rc, and in message_out the first error if there was one.  opt is
 * freed unless NULL. */
int xlm__backends_close(struct xlm__backends *b, struct xlm_options *opt,
                        int rc, char message_out[XLM_MESSAGE_MAX]);

#endif /* XLM_BACKENDS_H */
