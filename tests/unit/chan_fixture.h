/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For the tests of channels. */
#ifndef XLM_TESTS_CHAN_FIXTURE_H
#define XLM_TESTS_CHAN_FIXTURE_H

#include <stdbool.h>
#include <string.h>

#include "chan/chan.h"

/* Does the last error contain that? */
static inline bool error_says(struct xlm__errslot *err, const char *text)
{
    char message[XLM_MESSAGE_MAX];

    xlm__errslot_read(err, message);
    return strstr(message, text) != NULL;
}

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
