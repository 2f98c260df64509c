/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For the tests of channels. */
#ifndef XLM_TESTS_CHAN_FIXTURE_H
#define XLM_TESTS_CHAN_FIXTURE_H

#include "chan/chan.h"
#include "error_says.h"

/* More than fits between the two ends at once: by a thread of its own. */
struct writing {
    struct xlm__chan *chan;
    struct iovec *iov;
    size_t nr;
    int rc;
};

static inline void *write_all(void *arg)
{
    struct writing *w = arg;

    w->rc = xlm__chan_writev(w->chan, w->iov, w->nr);
    return NULL;
}

#endif /* XLM_TESTS_CHAN_FIXTURE_H */
