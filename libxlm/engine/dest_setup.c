/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "destination"
#include "engine/dest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dom/dom.h"
#include "engine/host.h"
#include "hv/hv_narrow.h"
#include "util/clock.h"
#include "util/uuid.h"

#define GREETING_LIMIT_MS 30000
#define KEPT_MAX          (32u << 20)

/* ---- greeting ---- */

/* Answer a greeting that is already here.  Errors stay with the channel. */
static int answer(struct xlm__dest *d, struct xlm__link *l, uint32_t taken,
                  struct xlm__greeting *theirs, struct xlm__agreement *agreed)
{
    struct xlm__greeting mine = d->s->greeting;
    uint8_t wire[XLM__GREETING_BYTES];
    char why[XLM_MESSAGE_MAX];
    int rc;

    rc = xlm__greeting_decode(l->greeting, theirs, why);
    if (rc)
        return XLM_FAIL(l->chan.err, rc, "%s: %s", l->chan.name, why);
    mine.kind = theirs->kind;
    mine.index = theirs->index;
    mine.attempt = theirs->attempt;
    mine.taken = taken;
    if (mine.kind == XLM__KIND_DATA)
        mine.offered &= ~XLM__FEATURE_RETURN;
    if (mine.kind == XLM__KIND_DATA && !l->may_return)
        mine.offered &= ~XLM__FEATURE_RESUME;
    memcpy(mine.session, theirs->session, sizeof(mine.session));
    memset(mine.token, 0, sizeof(mine.token));
    xlm__greeting_encode(&mine, wire);
    /* It is told what we are even if we do not agree, so that it can say so. */
    rc = xlm__chan_write(&l->chan, wire, sizeof(wire));
    if (rc)
        return rc;
    rc = xlm__greeting_agree(&mine, theirs, agreed, why);
    if (rc)
        return XLM_FAIL(l->chan.err, rc, "%s: %s", l->chan.name, why);
    l->chan.read_bytes += l->greeted ? XLM__GREETING_BYTES : 0;
    return 0;
}

/* *theirs_out is what it said. */
int xlm__dest_answer(struct xlm__dest *d, struct xlm__link *l,
                     struct xlm__greeting *theirs_out)
{
    struct xlm__agreement agreed = { 0 };
    int rc = answer(d, l, 0, theirs_out, &agreed);

    if (rc)
        return xlm__link_promote(l, d->s, rc);
    l->features = agreed.features;
    l->may_return &= (agreed.features & XLM__FEATURE_RESUME) != 0;
    return 0;
}

int xlm__dest_answer_again(struct xlm__dest *d, struct xlm__link *l,
                           uint32_t taken)
{
    struct xlm__agreement agreed;
    struct xlm__greeting theirs;

    return answer(d, l, taken, &theirs, &agreed);
}

int xlm__dest_read_greeting(struct xlm__link *l)
{
    int rc;

    if (l->greeted)
        return 0;
    l->chan.read_deadline_ns = xlm__deadline_ns(GREETING_LIMIT_MS);
    rc = xlm__greeting_read(&l->chan, l->greeting);
    l->chan.read_deadline_ns = 0;
    return rc;
}

int xlm__dest_greet(struct xlm__dest *d)
{
    struct xlm_session *s = d->s;
    struct xlm__link *l = xlm__session_control(s);
    struct xlm__greeting theirs;
    const struct xlm__meeting at = { .dir = s->run_dir,
                                     .session = theirs.session };
    char id[XLM__UUID_TEXT];
    int rc;

    rc = xlm__link_open(l, s, 0);
    if (!rc)
        rc = xlm__dest_read_greeting(l);
    if (!rc)
        rc = xlm__dest_answer(d, l, &theirs);
    if (rc)
        return rc;
    memcpy(s->greeting.session, theirs.session, sizeof(theirs.session));
    memcpy(s->greeting.token, theirs.token, sizeof(theirs.token));
    xlm__uuid_format(theirs.session, id);
    XLM_LOG(&s->err, INFO, "session %s", id);
    rc = xlm__stream_init_control(&l->stream, &l->chan, XLM_DESTINATION,
                                  &s->flow);
    if (!rc)
        xlm__stream_features(&l->stream, l->features);
    d->control_may_return = l->features & XLM__FEATURE_RETURN;
    if (!rc && d->control_may_return)
        rc = xlm__stream_keep(&l->stream);
    /* Before anything slow: the data channels may be here already. */
    if (!rc && (s->nr_links == 1 || d->control_may_return))
        rc = xlm__rendezvous_open(&s->err, &at, &d->door);
    return rc;
}

/* ---- preflight ---- */

static int pass_on(struct xlm__dest *d, const struct xlm__state_rec *st)
{
    return xlm__dest_keeps_state(d, st->xc_type)
               ? xlm__dest_keep_tail(d, st)
               : xlm__dest_relay(d, st->xc_type, st->data, st->bytes);
}

int xlm__dest_keep_state(struct xlm__dest *d, const struct xlm__state_rec *st)
{
    struct xlm__kept *k;

    if (d->building)
        return pass_on(d, st);
    if (d->kept_bytes + st->bytes > KEPT_MAX)
        return XLM_FAIL(&d->s->err, XLM_ERR_STREAM,
                        "static state of %zu bytes, limit %u",
                        d->kept_bytes + st->bytes, KEPT_MAX);
    k = malloc(sizeof(*k) + st->bytes);
    if (!k)
        return XLM_FAIL(&d->s->err, XLM_ERR_NOMEM, "state of %u bytes",
                        st->bytes);
    k->next = NULL;
    k->type = st->xc_type;
    k->bytes = st->bytes;
    memcpy(k->data, st->data, st->bytes);
    *d->kept_end = k;
    d->kept_end = &k->next;
    d->kept_bytes += st->bytes;
    if (st->xc_type == XLM__XC_X86_CPUID_POLICY) {
        d->policy.leaves = k->data;
        d->policy.leaves_bytes = k->bytes;
    } else if (st->xc_type == XLM__XC_X86_MSR_POLICY) {
        d->policy.msrs = k->data;
        d->policy.msrs_bytes = k->bytes;
    }
    return 0;
}

/* "4.20" is a release; what comes after is its maintainers', and free. */
int xlm__dest_compare_xen(struct xlm__dest *d)
{
    struct xlm__hostinfo host;
    int rc = d->hv->ops->hostinfo(d->hv, &host);

    if (rc)
        return rc;
    d->older = host.xen_major < d->offer.xen_major ||
               (host.xen_major == d->offer.xen_major &&
                host.xen_minor < d->offer.xen_minor);
    return 0;
}

static int refuse_older(struct xlm__dest *d, const struct xlm__hostinfo *host)
{
    return xlm__findings_add(
        d->findings, XLM_FINDING_BLOCK, "xen-older",
        "upgrade this host first, or shut the domain down and start it here",
        "%s comes from Xen %s and this host has %s: Xen moves a domain "
        "to the same release or a newer one only",
        d->offer.name, d->offer.xen_version, host->xen_version);
}

static int check_cpu(struct xlm__dest *d)
{
    char why[XLM_MESSAGE_MAX / 2] = "";
    bool ok = true;
    int rc;

    if (!d->policy.leaves)
        return 0;
    d->policy.hvm = d->offer.domain_type != XLM__WIRE_PV;
    rc = d->hv->ops->cpu_policy_check(d->hv, &d->policy, &ok, why, sizeof(why));
    if (rc || ok)
        return rc;
    return xlm__findings_add(d->findings, XLM_FINDING_BLOCK, "cpu-policy",
                             "restart the guest with a cpuid= configuration "
                             "that both hosts have",
                             "the CPU that %s was started with is more than "
                             "this host has: %s",
                             d->offer.name, why);
}

/* Without its configuration, and with a CPU policy of a later Xen, all other
 * answers would be about what this host does not know. */
static int collect_findings(struct xlm__dest *d,
                            const struct xlm__hostinfo *host)
{
    int rc;

    d->findings = xlm__findings_new();
    if (!d->findings)
        return XLM_FAIL(&d->s->err, XLM_ERR_NOMEM, "list of findings");
    if (d->older)
        return refuse_older(d, host);
    if (memcmp(d->config.uuid, d->offer.uuid, 16))
        XLM_LOG(&d->s->err, WARN,
                "configuration has another uuid than the "
                "domain it came with");
    rc = check_cpu(d);
    if (!rc)
        rc = d->ts->ops->check_destination(d->ts, d->hv, &d->config,
                                           d->offer.memory_pages, d->findings);
    if (!rc)
        rc = xlm__dest_may_prebuild(d);
    return rc;
}

static int send_findings(struct xlm__dest *d)
{
    struct xlm__stream *st = &xlm__session_control(d->s)->stream;
    size_t nr = xlm__findings_count(d->findings);
    int rc = 0;

    for (size_t i = 0; i < nr && !rc; i++)
        rc = xlm__send_finding(st, xlm__findings_get(d->findings, i));
    return rc;
}

int xlm__dest_check(struct xlm__dest *d)
{
    struct xlm__checked c = { 0 };
    struct xlm__hostinfo host;
    int rc;

    rc = d->hv->ops->hostinfo(d->hv, &host);
    if (!rc)
        rc = collect_findings(d, &host);
    if (!rc)
        rc = send_findings(d);
    if (rc)
        return rc;
    c.verdict = xlm__findings_blocked(d->findings) ? XLM__VERDICT_BLOCKED
                                                   : XLM__VERDICT_OK;
    c.xen_major = host.xen_major;
    c.xen_minor = host.xen_minor;
    c.flags = d->pre.allowed ? XLM__CHECKED_PREBUILD : 0;
    c.free_pages = host.free_pages;
    xlm__host_boot_id(c.boot_id);
    xlm__host_name(c.hostname, sizeof(c.hostname));
    snprintf(c.xen_version, sizeof(c.xen_version), "%s", host.xen_version);
    snprintf(c.xlm_version, sizeof(c.xlm_version), "%d.%d.%d",
             XLM_VERSION_MAJOR, XLM_VERSION_MINOR, XLM_VERSION_PATCH);
    return xlm__send_checked(&xlm__session_control(d->s)->stream, &c);
}

/* ---- build ---- */

int xlm__dest_relay(struct xlm__dest *d, uint32_t type, const void *data,
                    size_t bytes)
{
    const struct iovec part = { (void *)(uintptr_t)data, bytes };

    return d->ts->ops->restore_record(d->ts, type, 1, &part);
}

static int relay_kept(struct xlm__dest *d)
{
    int rc = 0;

    for (struct xlm__kept *k = d->kept; k && !rc; k = k->next) {
        const struct xlm__state_rec st = { .xc_type = k->type,
                                           .bytes = k->bytes,
                                           .data = k->data };

        rc = pass_on(d, &st);
    }
    return rc;
}

static int relay_pages(void *user, uint32_t type, size_t nr,
                       const struct iovec *parts)
{
    struct xlm__dest *d = user;

    return d->ts->ops->restore_record(d->ts, type, nr, parts);
}

static int open_sink(struct xlm__dest *d, uint32_t domid)
{
    int rc;

    if (xlm__dest_is_pv(d) && !d->pre.frames)
        return xlm__sink_open_pv(d->hv, domid, d->offer.nr_pfns, relay_pages, d,
                                 &d->sink);
    rc = xlm__hv_narrow(d->hv, domid, &d->narrow);
    if (rc)
        return rc;
    if (d->pre.frames)
        return xlm__sink_open_frames(d->narrow, domid, d->pre.frames, &d->sink);
    return xlm__sink_open_hvm(d->narrow, domid, d->offer.nr_pfns, &d->sink);
}

static uint32_t restore_flags(uint32_t build)
{
    uint32_t flags = 0;

    if (build & XLM__BUILD_NO_MONITOR)
        flags |= XLM_F_NO_MONITOR;
    if (build & XLM__BUILD_KEEP_DOMID)
        flags |= XLM_F_KEEP_DOMID;
    if (build & XLM__BUILD_DEBUG)
        flags |= XLM_F_DEBUG;
    return flags;
}

/*
 * libxl limits the domain to its ballooning target and 1 MiB. A guest that has
 * not reached a lower target yet has more, so for the time of the copying the
 * limit is what it had at the source.
 */
static int make_room(struct xlm__dest *d, uint32_t domid)
{
    struct xlm__dominfo info;
    bool exists;
    int rc;

    rc = d->hv->ops->dominfo(d->hv, domid, &info, &exists);
    if (rc || !exists || d->offer.memory_pages <= info.max_pages)
        return rc;
    d->limit_pages = info.max_pages;
    return d->hv->ops->max_pages_set(d->hv, domid, d->offer.memory_pages);
}

int xlm__dest_build(struct xlm__dest *d, const struct xlm__build *b)
{
    struct xlm_session *s = d->s;
    const uint32_t flags = b->flags;
    uint32_t domid;
    int rc;

    rc = d->ts->ops->lock(d->ts, d->config.uuid);
    if (rc)
        return rc;
    d->locked = true;
    d->build_flags = flags;
    d->paused = flags & XLM__BUILD_LEAVE_PAUSED;
    d->building = true;
    rc = d->ts->ops->restore_begin(
        d->ts, &d->config, restore_flags(flags),
        d->offer.xen_major << 16 | (d->offer.xen_minor & 0xffff), &domid);
    if (!rc)
        rc = xlm__dest_hold(d, domid);
    if (!rc)
        rc = make_room(d, domid);
    if (!rc)
        rc = xlm__dest_prebuild_begin(d, domid);
    if (!rc)
        rc = relay_kept(d);
    if (!rc)
        rc = d->ts->ops->restore_sync(d->ts);
    if (!rc)
        rc = open_sink(d, domid);
    if (!rc)
        rc = xlm__dest_verify_sink(d);
    if (rc)
        return rc;
    pthread_mutex_lock(&s->lock);
    s->domid = domid;
    pthread_mutex_unlock(&s->lock);
    rc = xlm__dest_join(d, b, domid);
    if (!rc)
        rc = xlm__dest_data_start(d);
    if (!rc)
        xlm__session_event(s, XLM__EV_BUILT);
    return rc;
}

int xlm__dest_build_sample(struct xlm__dest *d, const struct xlm__build *b)
{
    int rc = xlm__sink_open_null(d->hv, d->offer.nr_pfns, &d->sink);

    if (!rc)
        rc = xlm__dest_join(d, b, d->offer.domid);
    return rc ? rc : xlm__dest_data_start(d);
}
