/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The session of the imitation of libxlm (fakexlm.c). */
#ifndef XLM_TESTS_FAKEXLM_H
#define XLM_TESTS_FAKEXLM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "libxlm.h"

#define FAKE_CHANNELS 65
#define FAKE_UUID     "01010101-0101-0101-0101-010101010101"

struct xlm_session {
    enum xlm_role role;
    struct xlm_options opt;
    int rfd[FAKE_CHANNELS], wfd[FAKE_CHANNELS];
    int nr;
    atomic_bool cancelled, switched;
    _Atomic uint64_t limit_bytes_s;
    atomic_uint downtime_ms;
    _Atomic enum xlm_state state;
    enum xlm_owner owner;
    struct xlm_error_info error;
    char message[XLM_MESSAGE_MAX];
    struct xlm_stats stats; /* of the thread that runs it */
    pthread_mutex_t lock;
    struct xlm_stats shown; /* under lock: as last told   */
};

static inline const char *mode(void)
{
    const char *m = getenv("FAKE_XLM");

    return m ? m : "hello";
}

static inline int is(const char *m)
{
    return !strcmp(mode(), m);
}

/* What the command made of its options, for the test to read, into the file
 * that the variable names. */
void fake_dump(const struct xlm_options *o, const char *variable);

/* Others see the stats as they are now. */
void fakexlm_show(struct xlm_session *s);

#endif /* XLM_TESTS_FAKEXLM_H */
