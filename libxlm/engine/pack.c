/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#define XLM_MODULE "pack"
#include "engine/pack.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/options.h"
#include "codec/codec.h"
#include "codec/delta.h"
#include "engine/choice.h"
#include "util/clock.h"

#define RAW_BYTES ((size_t)XLM__PACKED_MAX * XLM__PAGE_BYTES)

/* Less is not worth what unpacking costs the peer. */
#define LEAST_GAIN 32 /* a part of the raw bytes: 3 % */

/* Changes that take more are not worth it: encoded, most pages take less. */
#define DELTA_MOST (XLM__PAGE_BYTES / 4)

/* 64 KiB, from all over what is to be sent. */
#define SAMPLE_PAGES 16u

/* Fewer together shrink much less. */
#define ENCODE_LEAST 16u

_Static_assert(XLM__COMPRESS_LEVEL_MIN == XLM__CODEC_LEVEL_MIN &&
                   XLM__COMPRESS_LEVEL_MAX == XLM__CODEC_LEVEL_MAX,
               "what the options allow, the codec does");

struct batch {
    size_t nr;
    uint64_t pfns[XLM__PACKED_MAX];
    uint32_t types[XLM__PACKED_MAX];
};

struct xlm__packer {
    /* set once */
    struct xlm_session *s;
    struct xlm__link *link;
    struct xlm__throttle *throttle;
    bool automatic;
    struct xlm__method fixed;   /* unless automatic */
    struct xlm__sentlog *log;   /* or NULL */
    struct xlm__copies *copies; /* or NULL */
    /* owned by the thread */
    struct xlm__choice choice; /* if automatic */
    bool ready[XLM__CODEC_MAX];
    void *encoders[XLM__CODEC_MAX]; /* by number of the codec, less 1 */
    unsigned char *raw;             /* RAW_BYTES; from when it is needed */
    unsigned char *record;          /* for what xlm__send_packed() wants */
    struct batch changed, others;   /* of the pages at hand */
    size_t changed_bytes;
    struct xlm__packer_sums sums;
};

static const struct xlm__method *method(const struct xlm__packer *p)
{
    return p->automatic ? &xlm__methods[p->choice.now] : &p->fixed;
}

/* ---- lifetime ---- */

static void choose_fixed(struct xlm__packer *p)
{
    const struct xlm_options *o = &p->s->opt;

    p->fixed = xlm__methods[0];
    if (o->compress == XLM_COMPRESS_NONE)
        return;
    p->fixed.codec = o->compress == XLM_COMPRESS_LZ4 ? XLM__CODEC_LZ4
                                                     : XLM__CODEC_ZSTD;
    p->fixed.level = o->compress_level;
    p->fixed.name = xlm__codec_find(p->fixed.codec)->name;
    if (p->link->features & XLM__FEATURE_OF_CODEC(p->fixed.codec))
        return;
    XLM_LOG(&p->s->err, WARN,
            "%s: the destination does not unpack %s: nothing is compressed",
            p->link->chan.name, p->fixed.name);
    p->fixed = xlm__methods[0];
}

static void choose(struct xlm__packer *p)
{
    const double channels = p->s->nr_links - 1;
    const uint64_t limit = atomic_load(&p->s->bandwidth_bytes_s);
    uint32_t codecs = 0;

    for (uint32_t id = 1; id <= XLM__CODEC_MAX; id++)
        if (p->link->features & XLM__FEATURE_OF_CODEC(id))
            codecs |= 1u << id;
    xlm__choice_init(&p->choice, codecs,
                     limit ? channels * 1e9 / (double)limit : 0);
}

int xlm__packer_new(struct xlm_session *s, struct xlm__link *l,
                    struct xlm__throttle *t, struct xlm__packer **out)
{
    struct xlm__packer *p = calloc(1, sizeof(*p));

    if (!p)
        return XLM_FAIL(&s->err, XLM_ERR_NOMEM, "sender of %s", l->chan.name);
    p->s = s;
    p->link = l;
    p->throttle = t;
    p->automatic = s->opt.compress == XLM_COMPRESS_AUTO;
    if (p->automatic)
        choose(p);
    else
        choose_fixed(p);
    *out = p;
    return 0;
}

void xlm__packer_note(struct xlm__packer *p, struct xlm__sentlog *log)
{
    p->log = log;
}

void xlm__packer_free(struct xlm__packer *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < XLM__CODEC_MAX; i++)
        if (p->ready[i])
            xlm__codec_find(i + 1)->encoder_free(p->encoders[i]);
    free(p->raw);
    free(p->record);
    free(p);
}

void xlm__packer_copies(struct xlm__packer *p, struct xlm__copies *copies)
{
    p->copies = copies;
}

void xlm__packer_count(const struct xlm__packer *p,
                       struct xlm__packer_sums *sums)
{
    sums->raw_bytes += p->sums.raw_bytes;
    sums->packed_bytes += p->sums.packed_bytes;
    sums->delta_pages += p->sums.delta_pages;
}

/* For plain pages, of which some may be sent by their changes: codec is NULL.
 */
static int prepare(struct xlm__packer *p, const struct xlm__codec_ops *codec)
{
    bool plain = true, *ready = codec ? &p->ready[codec->id - 1] : &plain;

    if (!*ready)
        *ready = codec->encoder_new(&p->encoders[codec->id - 1]);
    if (!p->raw)
        p->raw = malloc(RAW_BYTES);
    if (!p->record)
        p->record = malloc(XLM__PACKED_FRONT + RAW_BYTES + XLM__PACKED_BEHIND);
    if (*ready && p->raw && p->record)
        return 0;
    return XLM_FAIL(&p->link->err, XLM_ERR_NOMEM, "%s: encoder for %s",
                    p->link->chan.name, codec ? codec->name : "changes");
}

/* ---- encoding ---- */

/* The first nr pages of p->raw behind p->record's front; 0: no gain. */
static size_t encode(struct xlm__packer *p, const struct xlm__method *m,
                     size_t nr)
{
    const struct xlm__codec_ops *codec = xlm__codec_find(m->codec);
    const size_t raw = nr * XLM__PAGE_BYTES;

    return codec->encode(p->encoders[codec->id - 1], m->level, p->raw, raw,
                         p->record + XLM__PACKED_FRONT, raw - raw / LEAST_GAIN);
}

static void copy_page(struct xlm__packer *p, size_t at, const void *page)
{
    memcpy(p->raw + at * XLM__PAGE_BYTES, page, XLM__PAGE_BYTES);
}

/* Copy some of the pages; how many. */
static size_t take_sample(struct xlm__packer *p,
                          const struct xlm__pages_out *pages)
{
    size_t n = 0;

    for (size_t i = 0; i < SAMPLE_PAGES; i++) {
        const void *page = pages->pages[i * pages->nr / SAMPLE_PAGES];

        if (page)
            copy_page(p, n++, page);
    }
    return n;
}

/* The first use of an encoder is slow: its memory is new. */
static void warm_up(struct xlm__packer *p, const struct xlm__method *m,
                    size_t nr)
{
    if (!(p->choice.of[m - xlm__methods].share.bytes > 0))
        encode(p, m, nr);
}

/* How would the methods do on what is sent next?  Less than a sample's pages
 * would tell little. */
static int try_samples(struct xlm__packer *p,
                       const struct xlm__pages_out *pages)
{
    unsigned i;
    int rc = 0;

    while (pages->nr >= SAMPLE_PAGES &&
           (i = xlm__choice_sample(&p->choice)) != 0) {
        const struct xlm__method *m = &xlm__methods[i];
        uint64_t begin;
        size_t nr, bytes;

        rc = prepare(p, xlm__codec_find(m->codec));
        nr = rc ? 0 : take_sample(p, pages);
        if (!nr)
            break;
        warm_up(p, m, nr);
        begin = xlm__clock_cpu_ns();
        bytes = encode(p, m, nr);
        xlm__choice_sampled(&p->choice, i, nr * XLM__PAGE_BYTES,
                            bytes ? bytes : nr * XLM__PAGE_BYTES,
                            xlm__clock_cpu_ns() - begin);
    }
    return rc;
}

/* ---- what has changed ---- */

static void add(struct batch *to, const struct xlm__pages_out *pages, size_t i)
{
    to->pfns[to->nr] = pages->pfns[i];
    to->types[to->nr++] = pages->types[i];
}

/* Copy pages that all have contents; those of which little has changed go
 * behind p->record's front as that, the others stay in p->raw. */
static void sort(struct xlm__packer *p, const struct xlm__pages_out *pages)
{
    unsigned char *to = p->record + XLM__PACKED_FRONT;
    size_t n = 0;

    p->changed.nr = p->others.nr = p->changed_bytes = 0;
    for (size_t i = 0; i < pages->nr; i++) {
        const size_t at = p->others.nr;

        copy_page(p, at, pages->pages[i]);
        if (p->copies)
            n = xlm__copies_delta(p->copies, pages->pfns[i],
                                  p->raw + at * XLM__PAGE_BYTES,
                                  to + p->changed_bytes, DELTA_MOST);
        add(n ? &p->changed : &p->others, pages, i);
        p->changed_bytes += n;
    }
}

/* Of what all of them took, that of the others. */
static uint64_t part_of(const struct xlm__packer *p, uint64_t ns)
{
    return ns * p->others.nr / (p->changed.nr + p->others.nr);
}

/* ---- sending ---- */

/* What was sent from there on. */
static int note(struct xlm__packer *p, const struct xlm__point *at, size_t nr,
                const uint64_t *numbers)
{
    return p->log ? xlm__sent_pages(p->log, &p->link->err, at, nr, numbers) : 0;
}

static int send_as_is(struct xlm__packer *p, const struct xlm__pages_out *pages,
                      struct xlm__choice_sent *sent)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < pages->nr; i++)
        bytes += pages->pages[i] ? XLM__PAGE_BYTES : 0;
    sent->raw_bytes = sent->packed_bytes = bytes;
    xlm__throttle_wait(p->throttle, bytes, p->s->stop_fd);
    return xlm__send_pages(&p->link->stream, pages);
}

/* From p->raw: what is sent is what was kept. */
static int send_copied(struct xlm__packer *p, struct xlm__choice_sent *sent)
{
    const void *pages[XLM__PACKED_MAX];
    const struct xlm__pages_out out = { p->others.nr, p->others.pfns,
                                        p->others.types, pages };

    for (size_t i = 0; i < out.nr; i++)
        pages[i] = p->raw + i * XLM__PAGE_BYTES;
    return send_as_is(p, &out, sent);
}

static int send_packed(struct xlm__packer *p, const struct batch *pages,
                       uint32_t codec, size_t bytes)
{
    const struct xlm__packed_out out = {
        pages->nr,
        pages->pfns,
        pages->types,
        codec,
        p->record + XLM__PACKED_FRONT,
        bytes,
    };

    xlm__throttle_wait(p->throttle, bytes, p->s->stop_fd);
    return xlm__send_packed(&p->link->stream, &out);
}

static int send_changed(struct xlm__packer *p)
{
    struct xlm__point at;
    int rc;

    xlm__stream_point(&p->link->stream, &at);
    rc = send_packed(p, &p->changed, XLM__PACKED_DELTA, p->changed_bytes);
    if (rc)
        return rc;
    p->sums.raw_bytes += p->changed.nr * XLM__PAGE_BYTES;
    p->sums.packed_bytes += p->changed_bytes;
    p->sums.delta_pages += p->changed.nr;
    return note(p, &at, p->changed.nr, p->changed.pfns);
}

static int send_others(struct xlm__packer *p, struct xlm__choice_sent *sent)
{
    const struct xlm__method *m = method(p);
    const uint64_t begin = xlm__clock_cpu_ns();
    const size_t bytes = m->codec ? encode(p, m, p->others.nr) : 0;

    sent->encode_ns += xlm__clock_cpu_ns() - begin;
    if (!bytes)
        return send_copied(p, sent);
    sent->raw_bytes = p->others.nr * XLM__PAGE_BYTES;
    sent->packed_bytes = bytes;
    return send_packed(p, &p->others, m->codec, bytes);
}

static void count(struct xlm__packer *p, struct xlm__choice_sent *sent,
                  uint64_t begin_ns)
{
    const unsigned before = p->choice.now;

    p->sums.raw_bytes += sent->raw_bytes;
    p->sums.packed_bytes += sent->packed_bytes;
    if (!p->automatic)
        return;
    sent->total_ns += xlm__clock_ns() - begin_ns;
    xlm__choice_sent(&p->choice, sent);
    if (p->choice.now != before)
        XLM_LOG(&p->s->err, DEBUG, "%s: compression: %s after %s",
                p->link->chan.name, xlm__methods[p->choice.now].name,
                xlm__methods[before].name);
}

static int send_plain(struct xlm__packer *p, const struct xlm__pages_out *pages)
{
    const uint64_t begin = xlm__clock_ns();
    struct xlm__choice_sent sent = { 0 };
    struct xlm__point at;
    int rc;

    for (size_t i = 0; p->copies && i < pages->nr; i++)
        xlm__copies_forget(p->copies, pages->pfns[i]);
    xlm__stream_point(&p->link->stream, &at);
    rc = send_as_is(p, pages, &sent);
    if (rc)
        return rc;
    count(p, &sent, begin);
    return note(p, &at, pages->nr, pages->pfns);
}

/* Pages that all have contents, in two records.  flush_pages() takes the first
 * ones of its list for those that were sent; if only `changed` went, these may
 * be others, so all are noted, and what did not arrive goes again. */
static int send_encoded(struct xlm__packer *p,
                        const struct xlm__pages_out *pages)
{
    struct xlm__choice_sent sent = { 0 };
    uint64_t begin = xlm__clock_ns(), cpu = xlm__clock_cpu_ns();
    struct xlm__point at;
    int rc = prepare(p, xlm__codec_find(method(p)->codec)), noted;

    if (rc)
        return rc;
    sort(p, pages);
    /* The codec is judged by its own pages alone. */
    sent.encode_ns = part_of(p, xlm__clock_cpu_ns() - cpu);
    sent.total_ns = part_of(p, xlm__clock_ns() - begin);
    if (p->changed.nr)
        rc = send_changed(p);
    if (rc || !p->others.nr)
        return rc;
    begin = xlm__clock_ns();
    xlm__stream_point(&p->link->stream, &at);
    rc = send_others(p, &sent);
    if (!rc)
        count(p, &sent, begin);
    if (rc && !p->changed.nr)
        return rc;
    noted = note(p, &at, p->others.nr, p->others.pfns);
    return noted ? noted : rc; /* what is not noted is lost: no return */
}

/* Are contents copied, to be encoded or compared? */
static bool is_copied(const struct xlm__packer *p)
{
    return method(p)->codec ||
           (p->copies && p->automatic && xlm__copies_wanted(p->copies) &&
            xlm__choice_is_slow(&p->choice));
}

static size_t within(uint64_t n, size_t least, size_t most)
{
    return n < least ? least : n > most ? most : (size_t)n;
}

/* What goes next in one record: as much as the limit allows if nothing is
 * encoded, else neighbours with contents, or without. */
static size_t slice(const struct xlm__packer *p,
                    const struct xlm__pages_out *pages, size_t from,
                    bool copied)
{
    const uint64_t part = xlm__throttle_part(p->throttle) / XLM__PAGE_BYTES;
    const size_t most = within(part, ENCODE_LEAST, XLM__PACKED_MAX);
    const bool contents = pages->pages[from];
    size_t nr = 1;

    if (!copied)
        return within(part, 1, pages->nr - from);
    while (nr < most && from + nr < pages->nr &&
           (pages->pages[from + nr] != NULL) == contents)
        nr++;
    return nr;
}

int xlm__packer_send(struct xlm__packer *p, const struct xlm__pages_out *pages)
{
    int rc = p->automatic ? try_samples(p, pages) : 0;

    for (size_t i = 0; !rc && i < pages->nr;) {
        const bool copied = is_copied(p);
        const struct xlm__pages_out some = {
            .nr = slice(p, pages, i, copied),
            .pfns = pages->pfns + i,
            .types = pages->types + i,
            .pages = pages->pages + i,
        };

        rc = copied && some.pages[0] ? send_encoded(p, &some)
                                     : send_plain(p, &some);
        i += some.nr;
    }
    return rc;
}
