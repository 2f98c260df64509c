/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "destination"
#include "engine/dest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "util/clock.h"

/* The source compares the configuration once more, and writes to its disk. */
#define PERMIT_MS 120000
/* A device model that has its state holds the locks of its images, for which
 * the source's waits IMAGES_MS (toolstack_libxl_source.c) when contact is lost.
 */
#define PERMIT_DM_MS 30000
#define LOOK_MS      1000

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

int xlm__dest_domain(struct xlm__dest *d, struct xlm__dominfo *out)
{
    const uint32_t domid = xlm_session_domid(d->s);
    bool exists;
    int rc = xlm__hv_dominfo_of(d->hv, domid, d->config.uuid, out, &exists);

    if (rc || (exists && !out->dying))
        return rc;
    return XLM_FAIL(&d->s->err, XLM_ERR_TOOLSTACK,
                    "domain %u was destroyed here by somebody else", domid);
}

/* The source has nothing to say now, unless it gives up; with SUMS to come it
 * cannot be seen. */
int xlm__dest_still_wanted(struct xlm__dest *d)
{
    int rc = 0;

    if (d->dm.data && !d->compare.verify)
        rc = xlm__chan_poll(&xlm__session_control(d->s)->chan, 0);
    if (rc <= 0)
        return rc;
    return XLM_FAIL(&d->s->err, XLM_ERR_CHANNEL,
                    "the source gave up before its device model's state was "
                    "loaded");
}

static int complete(struct xlm__dest *d)
{
    int rc;

    if (d->pre.begun)
        return xlm__dest_prebuild_commit(d);
    rc = xlm__dest_verify_before_dm(d);
    if (!rc)
        rc = xlm__dest_still_wanted(d);
    return rc ? rc : d->ts->ops->restore_end(d->ts, d->dm.data ? &d->dm : NULL);
}

int xlm__dest_finish(struct xlm__dest *d)
{
    int rc;

    rc = d->ts->ops->storage_drop_cache(d->ts, &d->config);
    if (!rc && d->limit_pages)
        rc = d->hv->ops->max_pages_set(d->hv, xlm_session_domid(d->s),
                                       d->limit_pages);
    if (!rc)
        rc = complete(d);
    if (!rc)
        rc = d->ts->ops->xenstore_restore(d->ts, xlm_session_domid(d->s),
                                          &d->nodes);
    if (rc)
        return rc;
    return d->compare.verify ? xlm__dest_verify_read(d) : xlm__dest_ready(d);
}

int xlm__dest_ready(struct xlm__dest *d)
{
    int rc;

    d->ready = true;
    rc = xlm__send_empty(&xlm__session_control(d->s)->stream, XLM__REC_READY);
    if (rc)
        return rc;
    xlm__session_control(d->s)->chan.read_deadline_ns = xlm__deadline_ns(
        d->dm.data ? PERMIT_DM_MS : PERMIT_MS);
    return 0;
}

/* A channel that may return has its descriptor from its thread. */
static int look_at_wire(struct xlm__dest *d)
{
    int rc = 0;

    pthread_mutex_lock(&d->lock);
    for (unsigned i = 0; i < d->nr_threads && !rc; i++) {
        const struct xlm__dest_channel *c = &d->channels[i];
        const int fd = c->link->may_return ? c->live_fd : c->link->chan.rfd;

        rc = xlm__session_look_at(d->s, i + 1, fd, "the source");
    }
    pthread_mutex_unlock(&d->lock);
    return rc;
}

/* TCP tells whether the other host is there; a login may be silent for hours.
 * The permission has its own limit, and while the source reads all memory to
 * compare it there is none. */
static bool may_be_lost(const struct xlm__dest *d)
{
    return d->by_login && d->no_return && !d->ready && !d->compare.verify;
}

static bool is_still(struct xlm__dest *d, uint64_t since_ns)
{
    const uint64_t data_ns = atomic_load(&d->heard_ns);

    if (data_ns > since_ns)
        since_ns = data_ns;
    return may_be_lost(d) &&
           xlm__clock_ns() - since_ns > d->s->still_ms * XLM__NS_PER_MS;
}

int xlm__dest_await_word(struct xlm__dest *d)
{
    struct xlm__chan *control = &xlm__session_control(d->s)->chan;
    const uint64_t since_ns = xlm__clock_ns();
    int rc, left;

    do {
        rc = look_at_wire(d);
        if (rc)
            return rc;
        if (is_still(d, since_ns))
            return XLM_FAIL(&d->s->err, XLM_ERR_TIMEOUT,
                            "nothing came from the source for %u s, with its "
                            "domain suspended",
                            d->s->still_ms / 1000);
        left = control->read_deadline_ns
                   ? xlm__deadline_left_ms(control->read_deadline_ns)
                   : LOOK_MS;
        rc = xlm__chan_poll(control, left < LOOK_MS ? left : LOOK_MS);
    } while (!rc && left);
    return 0; /* who reads is told the rest */
}

int xlm__dest_read_word(struct xlm__dest *d, struct xlm__rec *rec)
{
    struct xlm__link *l = xlm__session_control(d->s);
    const bool limited = may_be_lost(d);
    int rc;

    if (limited)
        l->chan.read_deadline_ns = xlm__deadline_ns(d->s->still_ms);
    rc = xlm__stream_read(&l->stream, rec);
    if (limited)
        l->chan.read_deadline_ns = 0;
    return rc;
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
    xlm__dest_control_never(d);
    if (st->chan) {
        st->chan->stop_fd = -1;
        st->chan->write_deadline_ns = xlm__deadline_ns(XLM__DEST_BYE_MS);
        st->chan->read_deadline_ns = xlm__deadline_ns(XLM__DEST_BYE_MS);
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
        xlm__dest_say_bye(d);
    return rc;
}
