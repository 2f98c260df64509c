/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The destination: the host's own "xl migrate-receive" builds the domain from
 * a stream that we write (xlstream.h); others fill its memory meanwhile.
 */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "toolstack/storage.h"
#include "toolstack/toolstack_libxl.h"
#include "toolstack/vbd.h"
#include "toolstack/xlstream.h"
#include "util/clock.h"

#define XLM_MODULE "restore"

#define BANNER_MS 30000
/* With autoballoon xl waits here for its host-wide lock, which another
 * incoming domain holds through its whole restore, and for dom0 to shrink. */
#define CREATE_MS 300000
#define SYNC_MS   60000
/* Devices, hotplug scripts, and qemu's start. */
#define READY_MS  300000
#define REPORT_MS 120000
/* Hotplug scripts on a busy host; a killed xl leaves more to clean up. */
#define ABORT_MS 30000
#define GONE_MS  30000

#define MAX_PARTS 2048

static int send_buf(struct xlm__ts *ts, struct xlm__buf *b)
{
    struct iovec part = { b->data, b->bytes };

    if (xlm__buf_bad(b))
        return XLM_FAIL(ts->base.err, XLM_ERR_NOMEM, "stream for xl");
    return xlm__xlproc_write(ts->restore.xl, &part, 1);
}

static void forget(struct xlm__restore *r)
{
    xlm__dmgate_close(&r->gate);
    xlm__xlproc_free(r->xl);
    free(r->name);
    free(r->incoming);
    memset(r, 0, sizeof(*r));
}

static int remember(struct xlm__ts *ts, const struct xlm__config *c)
{
    struct xlm__restore *r = &ts->restore;

    if (r->xl)
        return XLM_FAIL(ts->base.err, XLM_ERR_INTERNAL,
                        "a restore is under way already");
    forget(r);
    memcpy(r->uuid, c->uuid, sizeof(r->uuid));
    r->name = strdup(c->name);
    if (!r->name || asprintf(&r->incoming, "%s--incoming", c->name) < 0) {
        r->incoming = NULL;
        return XLM_FAIL(ts->base.err, XLM_ERR_NOMEM, "name of the domain");
    }
    return 0;
}

/* The JSON carries the source's domain id; only if asked is it kept. */
static int make_json(struct xlm__ts *ts, const struct xlm__config *c,
                     uint32_t flags, char **out)
{
    libxl_domain_config dc;
    int rc = xlm__ts_config_load(ts, c->json, &dc);

    if (!rc) {
        if (!(flags & XLM_F_KEEP_DOMID))
            dc.c_info.domid = 0;
        *out = libxl_domain_config_to_json(ts->ctx, &dc);
        if (!*out)
            rc = XLM_FAIL(ts->base.err, XLM_ERR_NOMEM, "configuration of %s",
                          c->name);
    }
    libxl_domain_config_dispose(&dc);
    return rc;
}

static int start_xl(struct xlm__ts *ts, uint32_t flags)
{
    const struct xlm__xlproc_params p = {
        .err = ts->base.err,
        .xl_path = ts->xl_path,
        .no_monitor = flags & XLM_F_NO_MONITOR,
        .debug = flags & XLM_F_DEBUG,
        .stop_fd = ts->base.stop_fd,
        .record_fd = ts->record_fd,
    };
    int rc = xlm__xlproc_start(&p, &ts->restore.xl);

    if (rc)
        return rc;
    return xlm__xlproc_expect(ts->restore.xl, XLM__XL_BANNER,
                              sizeof(XLM__XL_BANNER) - 1, BANNER_MS,
                              "its banner");
}

/*
 * libxl reads its header only after it has created the domain and set its
 * limits: the pipe being empty says that memory may be populated.  All that
 * comes before is in the pipe before we look.
 */
static int create(struct xlm__ts *ts, const char *json, uint32_t *domid_out)
{
    struct xlm__restore *r = &ts->restore;
    char what[96] = "the domain to be created";
    struct xlm__buf b;
    int rc;

    /* xl says no more than "code -3" if dom0 could not. */
    if (ts->dom0_gives_mib)
        snprintf(what, sizeof(what),
                 "%llu MiB of dom0's memory and the domain to be created",
                 (unsigned long long)ts->dom0_gives_mib);
    xlm__buf_init(&b, XLM__XLSTREAM_MAX_JSON + 4096);
    xlm__xlstream_begin(&b, json);
    rc = send_buf(ts, &b);
    xlm__buf_free(&b);
    if (!rc)
        rc = xlm__xlproc_sync(r->xl, CREATE_MS, what);
    if (rc)
        return rc;
    rc = libxl_name_to_domid(ts->ctx, r->incoming, domid_out);
    if (rc)
        return TS_FAIL(ts, XLM_ERR_TOOLSTACK, rc,
                       "xl has read the configuration, but there is no "
                       "domain %s",
                       r->incoming);
    r->domid = *domid_out;
    return 0;
}

int xlm__ts_restore_begin(struct xlm__toolstack *t, const struct xlm__config *c,
                          uint32_t flags, uint32_t source_xen_version,
                          uint32_t *domid_out)
{
    struct xlm__ts *ts = xlm__ts(t);
    struct xlm__buf b;
    char *json = NULL;
    int rc;

    rc = remember(ts, c);
    if (!rc)
        rc = make_json(ts, c, flags, &json);
    if (!rc)
        rc = start_xl(ts, flags);
    if (!rc)
        rc = create(ts, json, domid_out);
    free(json);
    if (rc)
        return rc;

    XLM_LOG(t->err, INFO, "%s is domain %u here", ts->restore.incoming,
            *domid_out);
    xlm__buf_init(&b, 4096);
    xlm__xlstream_libxc_begin(&b, c->type == XLM__TYPE_PV, source_xen_version);
    rc = send_buf(ts, &b);
    xlm__buf_free(&b);
    return rc;
}

static int need_xl(struct xlm__ts *ts)
{
    if (ts->restore.xl)
        return 0;
    return XLM_FAIL(ts->base.err, XLM_ERR_INTERNAL, "no restore is under way");
}

int xlm__ts_restore_record(struct xlm__toolstack *t, uint32_t type,
                           size_t nr_parts, const struct iovec *parts)
{
    struct xlm__ts *ts = xlm__ts(t);
    struct xlm__xlrec_frame frame;
    struct iovec *iov;
    size_t n;
    int rc = need_xl(ts);

    if (rc)
        return rc;
    if (nr_parts > MAX_PARTS)
        return XLM_FAIL(t->err, XLM_ERR_INTERNAL,
                        "libxc record 0x%x: %zu parts, limit %d", type,
                        nr_parts, MAX_PARTS);
    iov = calloc(nr_parts + 2, sizeof(*iov));
    if (!iov)
        return XLM_FAIL(t->err, XLM_ERR_NOMEM, "libxc record 0x%x", type);
    n = xlm__xlstream_record(&frame, type, nr_parts, parts, iov);
    if (n)
        rc = xlm__xlproc_write(ts->restore.xl, iov, n);
    else
        rc = XLM_FAIL(t->err, XLM_ERR_STREAM,
                      "libxc record 0x%x is longer than %u bytes", type,
                      XLM__LIBXC_REC_MAX);
    free(iov);
    return rc;
}

int xlm__ts_restore_sync(struct xlm__toolstack *t)
{
    struct xlm__ts *ts = xlm__ts(t);
    int rc = need_xl(ts);

    return rc ? rc
              : xlm__xlproc_sync(ts->restore.xl, SYNC_MS,
                                 "its records to be read");
}

int xlm__ts_restore_end(struct xlm__toolstack *t, const struct xlm__blob *dm)
{
    struct xlm__ts *ts = xlm__ts(t);
    const bool has_dm = dm && dm->data;
    struct xlm__buf b;
    int rc = need_xl(ts);

    if (rc)
        return rc;
    if (has_dm && dm->bytes > XLM__LIBXL_DM_MAX)
        return XLM_FAIL(t->err, XLM_ERR_STREAM,
                        "device model state of %zu bytes, limit %u", dm->bytes,
                        XLM__LIBXL_DM_MAX);
    xlm__buf_init(&b, XLM__LIBXL_DM_MAX + 4096);
    xlm__xlstream_end(&b, has_dm ? dm->data : NULL, has_dm ? dm->bytes : 0);
    rc = send_buf(ts, &b);
    xlm__buf_free(&b);
    if (!rc && ts->restore.gate.path)
        rc = xlm__ts_dm_await(ts);
    if (!rc)
        rc = xlm__xlproc_expect(ts->restore.xl, XLM__XL_READY,
                                sizeof(XLM__XL_READY), READY_MS,
                                "it to be ready to unpause");
    return rc;
}

int xlm__ts_restore_check(struct xlm__toolstack *t)
{
    struct xlm__ts *ts = xlm__ts(t);
    int rc = need_xl(ts);

    if (!rc)
        rc = xlm__xlproc_check(ts->restore.xl, "the domain's memory");
    if (!rc && xlm__dmgate_abandoned(&ts->restore.gate))
        rc = XLM_FAIL(t->err, XLM_ERR_DEVICE,
                      "the device model of domain %u has ended: see "
                      "/var/log/xen/qemu-dm-%s.log",
                      ts->restore.domid, ts->restore.incoming);
    return rc;
}

/* xl -> its report: 1 running, 0 it gave the domain up, negative: no report. */
static int read_report(struct xlm__ts *ts)
{
    struct xlm__xlproc *xl = ts->restore.xl;
    unsigned char code;
    int rc;

    rc = xlm__xlproc_expect(xl, XLM__XL_REPORT, sizeof(XLM__XL_REPORT),
                            REPORT_MS, "its report");
    if (!rc)
        rc = xlm__xlproc_read(xl, &code, 1, REPORT_MS, "its report");
    if (rc)
        return rc;
    if (!code)
        return 1;
    XLM_SOFT(ts->base.err, XLM_ERR_TOOLSTACK,
             "xl could not start %s (code %u) and destroys it",
             ts->restore.name, code);
    rc = xlm__xlproc_expect(xl, XLM__XL_GO, sizeof(XLM__XL_GO), REPORT_MS,
                            "it to have removed its copy");
    return rc ? rc : 0;
}

/* Is it ours, by uuid, and of that name? */
static bool is_named(struct xlm__ts *ts, uint32_t domid, const char *want,
                     bool *paused_out)
{
    char *name = libxl_domid_to_name(ts->ctx, domid);
    libxl_dominfo info;
    bool is_it;

    libxl_dominfo_init(&info);
    is_it = name && !strcmp(name, want) &&
            !libxl_domain_info(ts->ctx, &info, domid) &&
            !memcmp(libxl_uuid_bytearray(&info.uuid), ts->restore.uuid, 16);
    *paused_out = is_it && info.paused;
    libxl_dominfo_dispose(&info);
    free(name);
    return is_it;
}

static bool is_incoming(struct xlm__ts *ts, uint32_t domid)
{
    bool paused;

    return is_named(ts, domid, ts->restore.incoming, &paused);
}

/* Renamed, and never unpaused. */
static bool is_held(struct xlm__ts *ts, uint32_t domid)
{
    bool paused;

    return is_named(ts, domid, ts->restore.name, &paused) && paused;
}

/* Ours, by uuid, but xl had not named it yet, or not any more.  What has run is
 * not what xl makes here, whatever xenstore says; what is dying is on its way.
 */
static bool is_unnamed(struct xlm__ts *ts, uint32_t domid)
{
    char *name = libxl_domid_to_name(ts->ctx, domid);
    libxl_dominfo info;
    bool is_it;

    libxl_dominfo_init(&info);
    is_it = !name && !libxl_domain_info(ts->ctx, &info, domid) && info.paused &&
            !info.dying && !info.cpu_time &&
            !memcmp(libxl_uuid_bytearray(&info.uuid), ts->restore.uuid, 16);
    libxl_dominfo_dispose(&info);
    free(name);
    return is_it;
}

/* One host may be both, and the source's domain here as well. */
static bool find_unnamed(struct xlm__ts *ts, uint32_t *domid_out)
{
    const struct xlm__restore *r = &ts->restore;
    uint32_t first;

    if (r->domid) {
        *domid_out = r->domid;
        return is_unnamed(ts, r->domid);
    }
    if (ts->hv->ops->find_uuid(ts->hv, r->uuid, 0, &first) || !first)
        return false;
    *domid_out = first;
    return is_unnamed(ts, first) ||
           (!ts->hv->ops->find_uuid(ts->hv, r->uuid, first, domid_out) &&
            *domid_out && is_unnamed(ts, *domid_out));
}

/* The domain that xl left, by its temporary name or, paused, by its own; false:
 * there is none.  Before xl has created it, or if a name is not there yet, its
 * id is not known. */
static bool find_leftover(struct xlm__ts *ts, uint32_t *domid_out)
{
    const uint32_t domid = ts->restore.domid;

    *domid_out = domid;
    return (domid && (is_incoming(ts, domid) || is_held(ts, domid))) ||
           (!libxl_name_to_domid(ts->ctx, ts->restore.incoming, domid_out) &&
            is_incoming(ts, *domid_out)) ||
           find_unnamed(ts, domid_out);
}

/* Somebody took its pauses back: nothing is undone then, nor proven. */
static int check_stopped(struct xlm__ts *ts)
{
    const struct xlm__restore *r = &ts->restore;
    bool paused;

    if (!r->domid || !is_named(ts, r->domid, r->name, &paused) || paused)
        return 0;
    return XLM_FAIL(ts->base.err, XLM_ERR_TOOLSTACK,
                    "%s (domain %u) was unpaused here by somebody else",
                    r->name, r->domid);
}

/* Destroy it, and see it gone.  No other thread may be in a hypercall: libxl
 * forks to destroy, and libxencall's lock, one for the process, would stay
 * locked in the child for ever. */
static int remove_leftover(struct xlm__ts *ts)
{
    struct xlm__restore *r = &ts->restore;
    const uint64_t until = xlm__clock_ns() + GONE_MS * XLM__NS_PER_MS;
    uint32_t domid;
    int rc;

    if (!find_leftover(ts, &domid))
        return check_stopped(ts);
    XLM_LOG(ts->base.err, WARN, "xl left %s (domain %u): it is destroyed",
            r->incoming, domid);
    rc = libxl_domain_destroy(ts->ctx, domid, NULL);
    if (rc && rc != ERROR_DOMAIN_NOTFOUND)
        return TS_FAIL(ts, XLM_ERR_TOOLSTACK, rc,
                       "%s (domain %u) is left here: destroying it failed",
                       r->incoming, domid);
    while (find_leftover(ts, &domid)) {
        if (xlm__clock_ns() >= until)
            return XLM_FAIL(ts->base.err, XLM_ERR_TOOLSTACK,
                            "%s (domain %u) is left here, dying for more than "
                            "%d s",
                            r->incoming, domid, GONE_MS / 1000);
        (void)poll(NULL, 0, 100);
    }
    return 0;
}

/* xl is gone, or silent and then killed, after it was given the permission:
 * what the domain is called says whether it did its part. */
static int judge_without_report(struct xlm__ts *ts, bool *named_out)
{
    struct xlm__restore *r = &ts->restore;
    struct xlm__dominfo info;
    bool exists = false;
    int rc;

    xlm__xlproc_close_stdin(r->xl);
    if (!xlm__xlproc_ended(r->xl, ABORT_MS))
        xlm__xlproc_kill(r->xl);
    if (is_incoming(ts, r->domid) || is_unnamed(ts, r->domid)) {
        *named_out = false;
        return 0;
    }
    rc = xlm__hv_dominfo_of(ts->hv, r->domid, r->uuid, &info, &exists);
    *named_out = exists && !info.dying;
    if (!rc && !*named_out)
        XLM_LOG(ts->base.err, WARN, "%s is gone here, and xl did not say why",
                r->name);
    return rc;
}

int xlm__ts_restore_go(struct xlm__toolstack *t, bool *named_out)
{
    struct xlm__ts *ts = xlm__ts(t);
    struct xlm__restore *r = &ts->restore;
    struct iovec go = { (void *)XLM__XL_GO, sizeof(XLM__XL_GO) };
    int rc = need_xl(ts);

    if (rc)
        return rc;
    xlm__xlproc_ignore_stop(r->xl);
    /* Without a report the domain itself says what happened. */
    xlm__xlproc_fail_softly(r->xl);
    rc = xlm__xlproc_write(r->xl, &go, 1);
    if (!rc)
        rc = read_report(ts);
    if (rc < 0)
        return judge_without_report(ts, named_out);
    *named_out = rc == 1;
    xlm__xlproc_close_stdin(r->xl);
    if (!xlm__xlproc_ended(r->xl, ABORT_MS))
        XLM_LOG(t->err, WARN, "xl has reported, but does not end");
    return 0;
}

int xlm__ts_restore_abort(struct xlm__toolstack *t)
{
    struct xlm__ts *ts = xlm__ts(t);
    struct xlm__restore *r = &ts->restore;
    int rc;

    if (!r->xl)
        return 0;
    xlm__xlproc_ignore_stop(r->xl);
    /* A device model that waits ends now, and with it libxl's wait for it. */
    xlm__dmgate_close(&r->gate);
    /* At the end of its input xl destroys its own copy. */
    xlm__xlproc_close_stdin(r->xl);
    if (!xlm__xlproc_ended(r->xl, ABORT_MS))
        xlm__xlproc_kill(r->xl);
    rc = remove_leftover(ts);
    if (!rc)
        forget(r);
    return rc;
}

void xlm__ts_restore_close(struct xlm__ts *ts)
{
    forget(&ts->restore);
}

int xlm__ts_storage_drop_cache(struct xlm__toolstack *t,
                               const struct xlm__config *c)
{
    libxl_domain_config dc;
    int rc = xlm__ts_config_load(xlm__ts(t), c->json, &dc);

    for (int i = 0; i < dc.num_disks && !rc; i++) {
        const libxl_device_disk *d = &dc.disks[i];

        /* A path with a script is the script's own affair. */
        if (d->pdev_path && d->pdev_path[0] == '/' && !d->script)
            rc = xlm__storage_drop_path(t->err, d->vdev ? d->vdev : "?",
                                        d->pdev_path);
    }
    libxl_domain_config_dispose(&dc);
    return rc;
}
