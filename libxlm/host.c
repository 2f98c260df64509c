/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Public functions that need no session. */
#include "config.h"

#define XLM_MODULE "host"
#include "libxlm.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "backends.h"
#include "base/options.h"
#include "chan/chan.h"
#include "engine/guard.h"
#include "engine/rendezvous.h"
#include "stream/greeting.h"
#include "toolstack/toolstack.h"
#include "util/clock.h"
#include "util/uuid.h"

/* Which channel it is, nobody knows yet: one for data is silent until the
 * domain is built, and that may have to wait for others (source_setup.c has
 * 300 s for it).  A peer that is gone is told by the end of the stream. */
#define GREETING_LIMIT_MS 360000

/* A session that a control channel comes back to has been there for long. */
#define RETURN_LIMIT_MS 1u

_Static_assert(XLM_UUID_MAX == XLM__UUID_TEXT,
               "the public header says how long a uuid is");
_Static_assert(XLM_GREETING_BYTES == XLM__GREETING_BYTES,
               "the public header says how long a greeting is");

int xlm_guard(int fd, const struct xlm_options *opt, enum xlm_owner *owner_out,
              char message_out[XLM_MESSAGE_MAX])
{
    struct xlm__guard_note last;
    struct xlm_options known;
    struct xlm__backends b = { .hv = NULL };
    bool ours = false;
    int rc;

    message_out[0] = '\0';
    rc = xlm__options_copy(&known, opt, XLM_DESTINATION, message_out);
    if (rc)
        return rc;
    xlm__errslot_init(&b.err, known.log, known.user, XLM_LOG_DEBUG);
    rc = xlm__guard_listen(&b.err, fd, &last);
    if (rc)
        return xlm__backends_close(&b, &known, rc, message_out);
    *owner_out = XLM_OWNER_SOURCE;
    if (last.phase == XLM__GUARD_NONE || last.phase == XLM__GUARD_DONE) {
        if (last.phase == XLM__GUARD_DONE)
            *owner_out = (enum xlm_owner)last.owner;
        return xlm__backends_close(&b, &known, 0, message_out);
    }
    xlm__errslot_destroy(&b.err);
    rc = xlm__backends_open(&b, &known);
    if (!rc)
        rc = xlm__guard_enter(b.ts, &last, &ours, message_out);
    *owner_out = XLM_OWNER_UNKNOWN;
    if (!rc && ours)
        rc = xlm__guard_undo(&b.err, b.hv, b.ts, &last, owner_out, message_out);
    /* The lock ends with the toolstack. */
    return xlm__backends_close(&b, &known, rc, message_out);
}

int xlm_monitor(uint32_t *domid, const struct xlm_options *opt,
                char message_out[XLM_MESSAGE_MAX])
{
    struct xlm_options known;
    struct xlm__backends b = { .hv = NULL };
    int rc;

    message_out[0] = '\0';
    rc = xlm__options_copy(&known, opt, XLM_DESTINATION, message_out);
    if (rc)
        return rc;
    xlm__errslot_init(&b.err, known.log, known.user, XLM_LOG_DEBUG);
    rc = xlm__toolstack_monitor(&b.err, domid);
    return xlm__backends_close(&b, &known, rc, message_out);
}

int xlm_domain_find(const char *name_id_or_uuid, uint32_t *domid_out,
                    char name_out[XLM_NAME_MAX],
                    char message_out[XLM_MESSAGE_MAX])
{
    struct xlm__backends b;
    int rc;

    message_out[0] = '\0';
    rc = xlm__backends_open(&b, NULL);
    if (!rc)
        rc = b.ts->ops->find(b.ts, name_id_or_uuid, domid_out, name_out);
    return xlm__backends_close(&b, NULL, rc, message_out);
}

int xlm_domain_uuid(uint32_t domid, char uuid_out[XLM_UUID_MAX],
                    char message_out[XLM_MESSAGE_MAX])
{
    struct xlm__backends b;
    struct xlm__dominfo info;
    bool exists = false;
    int rc;

    message_out[0] = '\0';
    rc = xlm__backends_open(&b, NULL);
    if (!rc)
        rc = b.hv->ops->dominfo(b.hv, domid, &info, &exists);
    if (!rc && !exists)
        rc = XLM_FAIL(&b.err, XLM_ERR_INVAL, "no domain %u on this host",
                      domid);
    if (!rc)
        xlm__uuid_format(info.uuid, uuid_out);
    return xlm__backends_close(&b, NULL, rc, message_out);
}

/* The descriptors stay the caller's, so the channel gets copies. */
static int read_greeting(struct xlm__errslot *err, int rfd, int wfd,
                         unsigned char greeting[XLM_GREETING_BYTES])
{
    struct xlm__chan c = { .rfd = -1, .wfd = -1 };
    int r = fcntl(rfd, F_DUPFD_CLOEXEC, 3);
    int w = fcntl(wfd, F_DUPFD_CLOEXEC, 3);
    int rc;

    if (r < 0 || w < 0)
        rc = XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "copy descriptors %d, %d", rfd,
                            wfd);
    else
        rc = xlm__chan_init(&c, err, r, w, -1, "new channel");
    if (rc) {
        if (r >= 0)
            close(r);
        if (w >= 0)
            close(w);
        return rc;
    }
    c.read_deadline_ns = xlm__deadline_ns(GREETING_LIMIT_MS);
    rc = xlm__greeting_read(&c, greeting);
    xlm__chan_close(&c);
    return rc;
}

/* So that the source need not try again: section 2.4. */
static void say_no_session(int wfd, const struct xlm__greeting *theirs)
{
    uint8_t wire[XLM__GREETING_BYTES];
    struct xlm__greeting g;

    xlm__greeting_init(&g, XLM__KIND_CONTROL, XLM_DESTINATION, 0);
    memcpy(g.session, theirs->session, sizeof(g.session));
    xlm__greeting_encode(&g, wire);
    if (write(wfd, wire, sizeof(wire)) < 0)
        return; /* it has gone, too */
}

int xlm_channel_join(int rfd, int wfd,
                     unsigned char greeting_out[XLM_GREETING_BYTES],
                     char message_out[XLM_MESSAGE_MAX])
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    struct xlm__meeting at = { 0 };
    struct xlm__greeting g;
    int rc;

    message_out[0] = '\0';
    rc = read_greeting(&err, rfd, wfd, greeting_out);
    if (rc) {
        xlm__errslot_read(&err, message_out);
        return rc;
    }
    rc = xlm__greeting_decode(greeting_out, &g, message_out);
    if (rc || (g.kind == XLM__KIND_CONTROL && !g.attempt))
        return rc;
    at.session = g.session;
    if (g.attempt)
        at.limit_ms = RETURN_LIMIT_MS;
    rc = xlm__rendezvous_join(&err, &at, rfd, wfd, greeting_out);
    if (rc == XLM_ERR_CHANNEL && g.kind == XLM__KIND_CONTROL)
        say_no_session(wfd, &g);
    xlm__errslot_read(&err, message_out);
    return rc ? rc : 1;
}
