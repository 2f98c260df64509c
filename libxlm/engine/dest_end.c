/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "destination"
#include "engine/dest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/watch.h"
#include "util/clock.h"

#define PERMIT_MS 600000
/* The guest's own report is written once a second, if at all. */
#define GAP_MS 4000
#define BYE_MS 10000

/* ---- what is kept until the domain is complete ---- */

int xlm__dest_keep_dm(struct xlm__dest *d, const struct xlm__dm_part *part)
{
    if (!d->dm.data) {
        d->dm.data = malloc(part->total); /* limited by the reader */
        if (!d->dm.data)
            return XLM_FAIL(&d->s->err, XLM_ERR_NOMEM,
                            "device model state of %" PRIu64 " bytes",
                            part->total);
        d->dm.bytes = part->total;
    }
    memcpy((char *)d->dm.data + part->offset, part->data, part->bytes);
    d->dm_got += part->bytes;
    return 0;
}

static int keep_node(struct xlm__xsnode *to, const struct xlm__node *from)
{
    to->path = strdup(from->path);
    to->perms = strdup(from->perms);
    to->value = malloc(from->value_bytes + 1u);
    if (!to->path || !to->perms || !to->value)
        return XLM_ERR_NOMEM;
    memcpy(to->value, from->value, from->value_bytes);
    ((char *)to->value)[from->value_bytes] = '\0';
    to->value_bytes = from->value_bytes;
    return 0;
}

int xlm__dest_keep_xenstore(struct xlm__dest *d, const struct xlm__list *l)
{
    struct xlm__node node;
    uint32_t pos = 0;
    size_t i = 0;

    d->nodes.nodes = calloc(l->nr ? l->nr : 1, sizeof(*d->nodes.nodes));
    if (!d->nodes.nodes)
        return XLM_FAIL(&d->s->err, XLM_ERR_NOMEM, "%u xenstore entries",
                        l->nr);
    d->nodes.nr = l->nr;
    while (i < l->nr && xlm__xenstore_next(l, &pos, &node))
        if (keep_node(&d->nodes.nodes[i++], &node))
            return XLM_FAIL(&d->s->err, XLM_ERR_NOMEM,
                            "xenstore entry of %u bytes", node.value_bytes);
    return 0;
}

int xlm__dest_release(struct xlm__dest *d, const struct xlm__list *l)
{
    int rc = 0;

    for (uint32_t i = 0; i < l->nr && !rc; i++) {
        struct xlm__extent e = xlm__release_at(l, i);

        rc = d->sink->ops->release(d->sink, e.first, e.nr);
    }
    return rc;
}

/* ---- complete, and wait for the permission ---- */

int xlm__dest_finish(struct xlm__dest *d)
{
    int rc;

    rc = d->ts->ops->storage_drop_cache(d->ts, &d->config);
    if (!rc && d->limit_pages)
        rc = d->hv->ops->max_pages_set(d->hv, xlm_session_domid(d->s),
                                       d->limit_pages);
    if (!rc && d->pre.begun)
        rc = xlm__dest_prebuild_commit(d);
    else if (!rc)
        rc = d->ts->ops->restore_end(d->ts, d->dm.data ? &d->dm : NULL);
    if (!rc)
        rc = d->ts->ops->xenstore_restore(d->ts, xlm_session_domid(d->s),
                                          &d->nodes);
    if (rc)
        return rc;
    d->ready = true;
    rc = xlm__send_empty(&xlm__session_control(d->s)->stream, XLM__REC_READY);
    if (rc)
        return rc;
    xlm__session_control(d->s)->chan.read_deadline_ns = xlm__deadline_ns(
        PERMIT_MS);
    return 0;
}

/* ---- after the permission: nothing stops us any more ---- */

static void tell_gap(struct xlm__dest *d, struct xlm__stream *st)
{
    uint64_t gap_us = 0;

    if (d->paused)
        return;
    if (!d->ts->ops->guest_gap(d->ts, xlm_session_domid(d->s), GAP_MS,
                               &gap_us) &&
        gap_us)
        xlm__send_guest_gap(st, gap_us);
}

/* The source's goodbye says that it has acted on our last word: nobody will
 * ever ask for the mark again. */
static void say_bye(struct xlm__dest *d)
{
    struct xlm__stream *st = &xlm__session_control(d->s)->stream;
    struct xlm__rec rec;

    if (xlm__send_empty(st, XLM__REC_BYE))
        return;
    st->chan->read_deadline_ns = xlm__deadline_ns(BYE_MS);
    while (!xlm__stream_read(st, &rec)) {
        if (rec.type != XLM__REC_BYE)
            continue;
        xlm__dest_unmark(d);
        return;
    }
}

static int start(struct xlm__dest *d, struct xlm__running *r,
                 bool *never_ran_out)
{
    struct xlm__watch watch = { .started = false };
    bool running = false;
    int rc;

    *never_ran_out = false;
    /* One that stays paused keeps xl's own pause; nobody could tell later
     * whether ours was taken back. */
    rc = d->paused ? xlm__dest_let_go(d) : 0;
    /* The last moment: whoever finds no such mark knows that xl was not told,
     * and never will be. */
    if (!rc)
        rc = xlm__dest_mark(d, XLM__RECEIVED_GO);
    if (rc) {
        *never_ran_out = !d->ts->ops->restore_abort(d->ts);
        return rc;
    }
    if (!d->paused)
        xlm__watch_start(&watch, d->hv, xlm_session_domid(d->s),
                         XLM__WATCH_UNPAUSED);
    rc = d->ts->ops->restore_go(d->ts, &running);
    if (!rc && running && !d->paused) {
        rc = xlm__dest_let_go(d);
        *never_ran_out = rc && xlm__dest_never_ran(d);
    }
    r->unpaused_ns = xlm__watch_end(&watch, xlm__clock_ns());
    r->domid = xlm_session_domid(d->s);
    r->flags = d->paused ? XLM__RUNNING_PAUSED : 0;
    if (rc || running)
        return rc;
    rc = d->ts->ops->restore_abort(d->ts);
    if (rc) /* it is still there, and might run one day */
        return rc;
    *never_ran_out = true;
    return XLM_FAIL(&d->s->err, XLM_ERR_TOOLSTACK,
                    "%s could not be started, and nothing is left of it",
                    d->config.name);
}

int xlm__dest_commit(struct xlm__dest *d)
{
    struct xlm__stream *st = &xlm__session_control(d->s)->stream;
    struct xlm__running r = { 0 };
    char text[XLM_MESSAGE_MAX];
    bool never_ran;
    int rc, lost, noted;

    atomic_store(&d->s->way_out, XLM__WAY_SEALED);
    st->chan->stop_fd = -1;
    st->chan->write_deadline_ns = xlm__deadline_ns(BYE_MS);
    xlm__session_set_owner(d->s, XLM_OWNER_DESTINATION);
    XLM_LOG(&d->s->err, INFO, "permission to run %s came", d->config.name);
    /* If this does not reach the source, it stays suspended there: go on. */
    lost = xlm__send_empty(st, XLM__REC_COMMIT);
    rc = start(d, &r, &never_ran);
    d->building = false;
    if (rc && !never_ran) /* it may run: say nothing that is not proven */
        return rc;
    /* If this fails, recovery finds "may have run": less, but not wrong. */
    noted = xlm__dest_mark(d, rc ? XLM__RECEIVED_NEVER : XLM__RECEIVED_RUNS);
    if (!rc && !noted)
        xlm__dest_forget_departure(d);
    if (rc) {
        xlm__session_set_owner(d->s, XLM_OWNER_SOURCE);
        xlm__errslot_read(&d->s->err, text);
        lost = xlm__send_not_running(st, text);
        (void)lost;
        say_bye(d);
        return rc;
    }
    if (!lost)
        lost = xlm__send_running(st, &r);
    if (lost)
        XLM_LOG(&d->s->err, WARN, "%s runs here, but the source does not know",
                d->config.name);
    else
        tell_gap(d, st);
    say_bye(d);
    return 0;
}

/* ---- undo ---- */

/* A source that waits for us there learns that it is over. */
static void close_data(struct xlm_session *s)
{
    for (unsigned i = 1; i < s->nr_links; i++)
        xlm__link_hang_up(&s->links[i]);
}

int xlm__dest_give_up(struct xlm__dest *d, int rc)
{
    struct xlm__stream *st = &xlm__session_control(d->s)->stream;
    char text[XLM_MESSAGE_MAX];
    enum xlm__flow_state state;
    int undone = 0;

    xlm__errslot_read(&d->s->err, text);
    xlm__session_stop(d->s);
    xlm__dest_prebuild_end(d);
    if (st->chan) {
        st->chan->stop_fd = -1;
        st->chan->write_deadline_ns = xlm__deadline_ns(BYE_MS);
        st->chan->read_deadline_ns = xlm__deadline_ns(BYE_MS);
    }
    if (st->flow) {
        state = xlm__flow_state(st->flow);
        if (state != XLM__FLOW_ABORTING && state != XLM__FLOW_START)
            xlm__send_abort(st, rc, text[0] ? text : xlm_strerror(rc));
    }
    xlm__dest_data_stop(d);
    close_data(d->s);
    if (d->building)
        undone = d->ts->ops->restore_abort(d->ts);
    d->building = undone != 0;
    if (!d->ready) /* no permission can be on its way */
        xlm__dest_unmark(d);
    if (st->flow && !undone && !xlm__send_empty(st, XLM__REC_ABORTED))
        say_bye(d);
    return rc;
}
