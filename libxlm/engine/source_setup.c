/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "source"
#include "engine/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/host.h"
#include "util/clock.h"
#include "util/uuid.h"

/* ssh may ask a person for a password. */
#define GREETING_LIMIT_MS 120000
#define CHECK_LIMIT_MS    120000
/* xl may wait for memory to be ballooned out of dom0. */
#define BUILD_LIMIT_MS 300000

/* ---- what is to be moved ---- */

static int find_domain(struct xlm__source *m)
{
    bool exists;
    int rc;

    rc = m->hv->ops->dominfo(m->hv, m->domid, &m->info, &exists);
    if (rc)
        return rc;
    if (!exists)
        return XLM_FAIL(&m->s->err, XLM_ERR_INVAL, "no domain %u on this host",
                        m->domid);
    return m->hv->ops->hostinfo(m->hv, &m->host);
}

static int take_config(struct xlm__source *m)
{
    const char *given = m->s->opt.config_json;
    struct xlm__config other = { 0 };
    char uuid[XLM__UUID_TEXT];
    int rc;

    rc = m->ts->ops->config_get(m->ts, m->domid, &m->config);
    if (rc || !given)
        return rc;
    rc = m->ts->ops->config_parse(m->ts, given, &other);
    if (!rc && other.type != m->config.type)
        rc = XLM_FAIL(&m->s->err, XLM_ERR_INVAL,
                      "given configuration is for another type of guest than "
                      "%s",
                      m->config.name);
    if (!rc && memcmp(other.uuid, m->config.uuid, 16)) {
        xlm__uuid_format(m->config.uuid, uuid);
        rc = XLM_FAIL(&m->s->err, XLM_ERR_INVAL,
                      "given configuration has another uuid than %s: add "
                      "uuid=\"%s\" to it",
                      m->config.name, uuid);
    }
    xlm__config_free(&other);
    return rc;
}

/* Of a predecessor that died with its guardian. */
static int find_left(struct xlm__source *m)
{
    bool marked;
    int rc = m->ts->ops->mark_get(m->ts, XLM__MARK_SENT, m->info.uuid, &m->left,
                                  &marked);

    m->has_left = !rc && marked && m->left.phase == XLM__GUARD_TRACKING &&
                  m->left.domid == m->domid && xlm__host_is_boot(m->left.boot);
    return rc;
}

int xlm__source_prepare(struct xlm__source *m)
{
    int rc;

    rc = find_domain(m);
    if (!rc)
        rc = m->ts->ops->lock(m->ts, m->info.uuid);
    if (rc)
        return rc;
    m->locked = true;
    rc = find_left(m);
    /* Before the configuration is taken, which has the cap as it is. */
    if (!rc)
        rc = xlm__settings_restore(m->hv, m->ts, m->domid, m->info.uuid);
    if (rc)
        return rc;
    rc = take_config(m);
    if (rc)
        return rc;
    m->note.domid = m->domid;
    m->note.device_model = m->config.type == XLM__TYPE_HVM;
    m->note.was_paused = m->info.paused &&
                         (m->s->opt.flags & XLM_F_UNPAUSE_TO_SUSPEND);
    memcpy(m->note.uuid, m->info.uuid, 16);
    snprintf(m->note.name, sizeof(m->note.name), "%s", m->config.name);
    rc = xlm__dom_open(m->hv, &m->info, &m->dom);
    if (!rc)
        rc = m->ts->ops->has_monitor(m->ts, m->domid, &m->had_monitor);
    XLM__STATS(m->s, st->memory_pages = m->info.tot_pages);
    return rc;
}

/* ---- greeting ---- */

int xlm__source_greet(struct xlm__source *m)
{
    struct xlm_session *s = m->s;
    struct xlm__link *l = xlm__session_control(s);
    char id[XLM__UUID_TEXT];
    int rc;

    rc = xlm__link_open(l, s, 0);
    if (rc)
        return rc;
    /* Who asks for it does not want a move without. */
    if (s->opt.flags & XLM_F_VERIFY)
        s->greeting.required |= XLM__FEATURE_VERIFY;
    l->chan.read_deadline_ns = xlm__deadline_ns(GREETING_LIMIT_MS);
    rc = xlm__greeting_exchange(&l->chan, &s->greeting, NULL, &m->agreed);
    l->chan.read_deadline_ns = 0;
    if (rc)
        return rc;
    XLM__STATS(s, st->answered = 1);
    if (m->agreed.features & XLM__FEATURE_RESUME)
        m->resume_ms = s->opt.reconnect_ms;
    xlm__uuid_format(s->greeting.session, id);
    XLM_LOG(&s->err, INFO, "session %s, stream version %u", id,
            m->agreed.version);
    rc = xlm__stream_init_control(&l->stream, &l->chan, XLM_SOURCE, &s->flow);
    if (!rc)
        xlm__stream_features(&l->stream, m->agreed.features);
    if (!rc && (m->agreed.features & XLM__FEATURE_RETURN))
        rc = xlm__stream_keep(&l->stream);
    return rc;
}

/* ---- preflight ---- */

/* Of a PV domain the destination has to know its rings beforehand. */
static int find_rings(struct xlm__source *m)
{
    uint64_t store = 0, console = 0;
    int rc;

    if (m->config.type != XLM__TYPE_PV)
        return 0;
    rc = m->ts->ops->ring_frames(m->ts, m->domid, &store, &console);
    m->first.has_rings = !rc && store && console &&
                         m->dom->ops->pfn_of(m->dom, store,
                                             &m->first.store_pfn) &&
                         m->dom->ops->pfn_of(m->dom, console,
                                             &m->first.console_pfn) &&
                         store != console;
    return rc;
}

static bool may_be_prebuilt(const struct xlm__source *m)
{
    const uint64_t features = m->agreed.features;

    switch (m->config.type) {
    case XLM__TYPE_PVH:
        return true;
    case XLM__TYPE_HVM:
        return features & XLM__FEATURE_PREBUILD_DM;
    default:
        return m->first.has_rings && features & XLM__FEATURE_PREBUILD_PV;
    }
}

static uint32_t offer_flags(const struct xlm__source *m)
{
    uint32_t flags = m->s->opt.flags & XLM_F_DRY_RUN ? XLM__OFFER_DRY_RUN : 0;

    if (m->s->opt.flags & XLM_F_ESTIMATE)
        flags |= XLM__OFFER_SAMPLE;

    if (may_be_prebuilt(m) && !(m->s->opt.flags & XLM_F_NO_PREBUILD))
        flags |= XLM__OFFER_PREBUILD;
    return flags;
}

static int send_offer(struct xlm__source *m)
{
    struct xlm__offer o = {
        .domid = m->domid,
        .domain_type = (uint32_t)m->config.type,
        .nr_pfns = m->dom->nr_pfns,
        .memory_pages = m->info.tot_pages,
        .nr_data_channels = xlm__source_channels(m),
        .flags = offer_flags(m),
        .xen_major = m->host.xen_major,
        .xen_minor = m->host.xen_minor,
    };

    if (strlen(m->config.name) > XLM__DOMNAME_MAX)
        return XLM_FAIL(&m->s->err, XLM_ERR_INVAL,
                        "name %.32s... has %zu bytes, limit %u", m->config.name,
                        strlen(m->config.name), XLM__DOMNAME_MAX);
    memcpy(o.uuid, m->info.uuid, sizeof(o.uuid));
    xlm__host_boot_id(o.boot_id);
    snprintf(o.name, sizeof(o.name), "%s", m->config.name);
    xlm__host_name(o.hostname, sizeof(o.hostname));
    snprintf(o.xen_version, sizeof(o.xen_version), "%s", m->host.xen_version);
    snprintf(o.xlm_version, sizeof(o.xlm_version), "%d.%d.%d",
             XLM_VERSION_MAJOR, XLM_VERSION_MINOR, XLM_VERSION_PATCH);
    return xlm__send_offer(&xlm__session_control(m->s)->stream, &o);
}

static int emit(void *user, uint32_t type, const void *body, size_t bytes)
{
    struct xlm__source *m = user;

    return xlm__send_state(&xlm__session_control(m->s)->stream, type, body,
                           bytes);
}

/* What the toolstack objects to and the caller has agreed to. */
static bool is_allowed(const struct xlm__source *m, const struct xlm_finding *f)
{
    return (m->s->opt.flags & XLM_F_UNPAUSE_TO_SUSPEND) &&
           !strcmp(f->code, "paused");
}

static int tell_own_findings(struct xlm__source *m)
{
    size_t nr;
    int rc;

    m->findings = xlm__findings_new();
    if (!m->findings)
        return XLM_FAIL(&m->s->err, XLM_ERR_NOMEM, "list of findings");
    rc = m->ts->ops->check_source(m->ts, m->domid, &m->config, m->findings);
    if (!rc)
        rc = xlm__source_probe(m);
    if (!rc)
        rc = xlm__source_probe_cap(m);
    if (rc)
        return rc;
    nr = xlm__findings_count(m->findings);
    for (size_t i = 0; i < nr; i++) {
        const struct xlm_finding *f = xlm__findings_get(m->findings, i);

        if (is_allowed(m, f))
            continue;
        xlm__session_finding(m->s, f);
        m->blocked |= f->severity == XLM_FINDING_BLOCK;
    }
    return 0;
}

static int ask_peer(struct xlm__source *m)
{
    struct xlm__stream *st = &xlm__session_control(m->s)->stream;
    const char *json = m->s->opt.config_json;
    struct xlm__rec rec;
    int rc;

    rc = find_rings(m);
    if (!rc)
        rc = send_offer(m);
    if (!rc)
        rc = xlm__send_config(st, json ? json : m->config.json);
    if (!rc)
        rc = m->dom->ops->emit_static(m->dom, emit, m);
    if (!rc)
        rc = xlm__send_empty(st, XLM__REC_CHECK);
    if (!rc)
        rc = xlm__source_await(m, XLM__REC_CHECKED, CHECK_LIMIT_MS, &rec);
    if (rc)
        return rc;
    m->peer = rec.u.checked;
    m->prebuild = m->peer.flags & XLM__CHECKED_PREBUILD;
    return 0;
}

int xlm__source_preflight(struct xlm__source *m)
{
    int rc;

    rc = tell_own_findings(m);
    if (!rc)
        rc = ask_peer(m);
    if (rc)
        return rc;
    XLM_LOG(&m->s->err, INFO,
            "destination %s: Xen %s, xlm %s, %" PRIu64 " MiB free",
            m->peer.hostname, m->peer.xen_version, m->peer.xlm_version,
            m->peer.free_pages >> 8);
    if (m->blocked || m->peer.verdict == XLM__VERDICT_BLOCKED)
        return XLM_FAIL(&m->s->err, XLM_ERR_INCOMPATIBLE,
                        "%s cannot be moved to %s as things are: see the "
                        "findings above",
                        m->config.name, xlm__source_peer(m));
    return 0;
}

/* ---- build ---- */

static uint32_t build_flags(const struct xlm__source *m)
{
    static const struct {
        uint32_t ours, wire;
    } map[] = {
        { XLM_F_LEAVE_PAUSED, XLM__BUILD_LEAVE_PAUSED },
        { XLM_F_NO_MONITOR, XLM__BUILD_NO_MONITOR },
        { XLM_F_KEEP_DOMID, XLM__BUILD_KEEP_DOMID },
        { XLM_F_DEBUG, XLM__BUILD_DEBUG },
    };
    uint32_t flags = 0;

    for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++)
        if (m->s->opt.flags & map[i].ours)
            flags |= map[i].wire;
    if (m->info.paused) /* as long as nobody changes that */
        flags |= XLM__BUILD_LEAVE_PAUSED;
    return flags;
}

/* What it is completed from: its state as it is now, which the tail replaces,
 * or a PV domain's rings.  From then on the pause has no devices to build. */
static int prebuild(struct xlm__source *m)
{
    int rc = 0;

    if (!m->first.has_rings)
        rc = m->dom->ops->emit_tail(m->dom, emit, m);
    return rc ? rc
              : xlm__send_prebuild(&xlm__session_control(m->s)->stream,
                                   &m->first);
}

/* Of pages that are sent again.  PV: at the destination they do not stay where
 * they could be changed. */
static size_t nr_copies(const struct xlm__source *m)
{
    const uint64_t nr = ((uint64_t)m->s->opt.delta_mib << 20) / XLM__PAGE_BYTES;

    /* A channel that does not take changes would not note what it sends. */
    for (unsigned i = 1; i < m->s->nr_links; i++)
        if (!(m->s->links[i].features & XLM__FEATURE_DELTA))
            return 0;
    if (m->s->opt.compress == XLM_COMPRESS_NONE || !m->info.hvm ||
        (m->s->opt.flags & XLM_F_ESTIMATE))
        return 0;
    return nr < m->dom->nr_pfns ? nr : m->dom->nr_pfns;
}

int xlm__source_build(struct xlm__source *m)
{
    struct xlm__build b = { .flags = build_flags(m) };
    const struct xlm__again again = { xlm__source_dial_again, m, m->resume_ms };
    struct xlm__rec rec;
    int rc;

    rc = xlm__source_ask_port(m, &b);
    if (!rc && (b.port || m->s->opt.reopen_data ||
                (m->agreed.features & XLM__FEATURE_RETURN)))
        b.resume_s = (m->resume_ms + 999) / 1000;
    if (!rc)
        rc = xlm__source_verify_begin(m);
    if (!rc)
        rc = xlm__send_build(&xlm__session_control(m->s)->stream, &b);
    if (rc)
        return rc;
    m->built = true;
    rc = xlm__source_await(m, XLM__REC_BUILT, BUILD_LIMIT_MS, &rec);
    if (rc)
        return rc;
    if (!(m->s->opt.flags & XLM_F_ESTIMATE))
        XLM_LOG(&m->s->err, INFO, "%s is domain %u at %s", m->config.name,
                rec.u.built.domid, xlm__source_peer(m));
    rc = xlm__source_connect(m, &rec.u.built, b.key);
    explicit_bzero(b.key, sizeof(b.key));
    if (!rc)
        xlm__source_return_begin(m);
    if (!rc)
        rc = xlm__source_clock(m);
    if (!rc)
        rc = xlm__pages_open(m->s, m->dom, &again, nr_copies(m), &m->pool);
    if (!rc && m->prebuild && !(m->s->opt.flags & XLM_F_ESTIMATE))
        rc = prebuild(m);
    return rc;
}
