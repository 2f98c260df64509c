/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two channels in one process, connected to each other: for tests. */
#ifndef XLM_CHAN_CHAN_PAIR_H
#define XLM_CHAN_CHAN_PAIR_H

#include "chan/chan.h"

/* Both record their failures in err.  Errors: SYSTEM. */
int xlm__chan_pair(struct xlm__chan *a, struct xlm__chan *b,
                   struct xlm__errslot *err, int stop_fd, const char *name);

#endif /* XLM_CHAN_CHAN_PAIR_H */
