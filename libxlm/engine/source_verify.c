/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Before the permission, the destination compares its memory with ours
 * (doc/stream-format.md section 6.2):
 *
 *   source                              destination
 *   VERIFY: two keys            ───>    (PV: notes what it passes on)
 *   suspend; note what the last
 *   round sends; last round, tail
 *   SPARED: what others write   ───>    completes the domain
 *   hash memory, SUMS           ───>    hash memory, compare
 *                               <───    ASK, if a sum differs
 *   HASHES of its pages         ───>    so that it can name them
 *                               <───    VERIFIED, READY; or ABORT
 */
#include "config.h"

#define XLM_MODULE "source"
#include "engine/source.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/keys.h"
#include "util/bitmap.h"
#include "util/clock.h"

/* Long enough to tell, short beside a round. */
#define SAMPLE_PAGES 16384u

_Static_assert((int)XLM__SPARED_LATE == (int)XLM__SPARED_KINDS + 1,
               "all kinds");
_Static_assert(sizeof(struct xlm__wire_hash) == sizeof(struct xlm__hash),
               "a hash travels as it is");

int xlm__source_verify_begin(struct xlm__source *m)
{
    uint8_t wire[XLM__VERIFY_BYTES];
    struct xlm__verify_key key;
    int rc;

    if (!(m->s->opt.flags & XLM_F_VERIFY) || (m->s->opt.flags & XLM_F_ESTIMATE))
        return 0;
    rc = xlm__verify_check(&m->s->err, m->dom->nr_pfns, m->info.tot_pages);
    if (!rc)
        rc = xlm__pagehash_draw(&m->s->err, &key.pages);
    if (!rc)
        rc = xlm__pagehash_draw(&m->s->err, &key.sums);
    if (!rc)
        rc = xlm__verify_new(&m->s->err, &key, m->dom->nr_pfns, !m->info.hvm,
                             &m->verify);
    if (!rc)
        rc = xlm__reader_new(m->dom, 0, &m->reader);
    if (!rc) {
        xlm__keys_encode(&key, wire);
        rc = xlm__send_verify(&xlm__session_control(m->s)->stream, wire);
    }
    explicit_bzero(&key, sizeof(key));
    explicit_bzero(wire, sizeof(wire));
    return rc;
}

/* ---- how long it will take ---- */

struct sampled {
    const struct xlm__pagehash *hash;
    _Atomic uint64_t none; /* so that nobody leaves the work out */
};

static void hash_batch(void *user, const struct xlm__batch *b)
{
    struct sampled *s = user;
    uint64_t none = 0;
    size_t nr;
    const struct xlm__entry *e = xlm__batch_entries(b, &nr);

    for (; nr; nr--, e++)
        none += !xlm__entry_hash(s->hash, e).hi;
    s->none += none;
}

static int read_sample(struct xlm__source *m, const struct xlm__pagehash *hash,
                       struct xlm__reading what, uint64_t *us_out)
{
    struct sampled s = { .hash = hash };
    struct xlm__reader *reader = NULL;
    uint64_t began_ns;
    int rc = xlm__reader_new(m->dom, 0, &reader);

    what.each = hash_batch;
    what.user = &s;
    began_ns = xlm__clock_ns();
    if (!rc)
        rc = xlm__reader_run(reader, &what);
    *us_out = (xlm__clock_ns() - began_ns) / XLM__NS_PER_US;
    xlm__reader_free(reader);
    return rc;
}

static uint64_t choose_sample(const struct xlm__source *m, uint64_t *pages)
{
    const uint64_t nr_pfns = m->dom->nr_pfns;
    uint64_t nr = 0;

    for (uint64_t pfn = xlm__bitmap_next(m->ram, nr_pfns, 0);
         pfn < nr_pfns && nr < SAMPLE_PAGES;
         pfn = xlm__bitmap_next(m->ram, nr_pfns, pfn + 1), nr++)
        xlm__bitmap_set(pages, pfn);
    return nr;
}

static int measure(struct xlm__source *m, const struct xlm__pagehash *hash,
                   uint64_t *pages, uint64_t *gone)
{
    struct xlm__reading what = {
        .pages = pages, .live = true, .deferred = gone, .gone = gone
    };
    uint64_t us = 0;
    int rc;

    if (!pages || !gone)
        return XLM_FAIL(&m->s->err, XLM_ERR_NOMEM, "bitmap of a sample");
    what.nr_pages = choose_sample(m, pages);
    rc = read_sample(m, hash, what, &us);
    if (!rc && what.nr_pages)
        m->verify_guess_us = us * m->nr_ram / what.nr_pages + 1;
    return rc;
}

/* The destination does it at the same time, and is thought to be as fast.  A
 * domain that is suspended while it is copied is read twice here. */
int xlm__source_verify_guess(struct xlm__source *m)
{
    struct xlm__pagehash *hash = NULL;
    uint64_t *pages, *gone;
    int rc;

    if (!(m->s->opt.flags & XLM_F_VERIFY))
        return 0;
    rc = xlm__pagehash_new(&m->s->err, &hash);
    if (rc)
        return rc;
    pages = xlm__bitmap_alloc(m->dom->nr_pfns);
    gone = xlm__bitmap_alloc(m->dom->nr_pfns);
    rc = measure(m, hash, pages, gone);
    if (m->s->opt.dirty == XLM_DIRTY_NONE)
        m->verify_guess_us *= 2;
    free(pages);
    free(gone);
    xlm__pagehash_free(hash);
    return rc;
}

/* ---- what others write to ---- */

static int spare(struct xlm__source *m, size_t nr,
                 const struct xlm__spared *pages)
{
    uint64_t *pfns = malloc((nr + 1) * sizeof(*pfns));
    struct xlm__extent *wire = calloc(nr + 1, sizeof(*wire));
    int rc = XLM_ERR_NOMEM;

    for (size_t i = 0; pfns && wire && i < nr; i++) {
        pfns[i] = pages[i].pfn;
        wire[i] = (struct xlm__extent){ pages[i].pfn, 1,
                                        (uint32_t)pages[i].kind };
        m->nr_spared[pages[i].kind]++;
    }
    if (!pfns || !wire)
        XLM_FAIL(&m->s->err, rc, "list of %zu pages", nr);
    else
        rc = xlm__verify_spare(m->verify, nr, pfns);
    if (!rc)
        rc = xlm__send_spared(&xlm__session_control(m->s)->stream, nr, wire);
    free(pfns);
    free(wire);
    return rc;
}

int xlm__source_verify_spare(struct xlm__source *m)
{
    struct xlm__spared *pages = NULL;
    size_t nr = 0;
    int rc;

    if (!m->verify)
        return 0;
    rc = xlm__spared_find(m->dom, &m->info, m->ram, XLM__SPARED_MAX, &pages,
                          &nr);
    if (!rc)
        rc = spare(m, nr, pages);
    free(pages);
    return rc;
}

/* ---- what is to be compared ---- */

/* Nobody reads the control channel meanwhile, and the domain is suspended. */
static int check(void *user)
{
    struct xlm__source *m = user;
    struct pollfd p = { .fd = xlm__session_control(m->s)->chan.rfd,
                        .events = POLLRDHUP };

    if (m->suspended && poll(&p, 1, 0) > 0)
        return XLM_FAIL(&m->s->err, XLM_ERR_CHANNEL,
                        "control: the other side has gone");
    return xlm__session_check(m->s);
}

static int note_pages(struct xlm__source *m, const uint64_t *pages, uint64_t nr)
{
    const struct xlm__reading what = {
        .pages = pages, .nr_pages = nr, .check = check, .user = m
    };

    return m->verify ? xlm__verify_note(m->verify, m->reader, what) : 0;
}

/*
 * Xen goes on writing to a suspended domain: an event for it, of a timer or of
 * a back end, is a bit in a page of event words, of shared info or of vCPU
 * info.  It logs none of that, and nobody can ask it where these pages are.  A
 * guest that ran has written to them, too, so they travel in the last round:
 * what changes of it from here on was changed by others.
 */
int xlm__source_verify_watch(struct xlm__source *m)
{
    return note_pages(m, m->todo, xlm__bitmap_count(m->todo, m->dom->nr_pfns));
}

int xlm__source_verify_send(struct xlm__source *m)
{
    int rc = note_pages(m, m->ram, m->nr_ram);

    if (rc || !m->verify)
        return rc;
    xlm__verify_add_up(m->verify);
    xlm__source_write_by(m);
    return xlm__send_sums(
        &xlm__session_control(m->s)->stream, xlm__verify_nr_sums(m->verify),
        (const struct xlm__wire_hash *)xlm__verify_sums(m->verify));
}

/* Pages that were written to after they were sent, by a back end that copies
 * into a suspended domain, say: Xen's log has them, or, as nothing but others
 * changes them now, another scan. */
static int find_late(struct xlm__source *m)
{
    uint64_t nr = 0;
    int rc = 0;

    if (m->late)
        return 0;
    m->late = xlm__bitmap_alloc(m->dom->nr_pfns);
    if (!m->late)
        return XLM_FAIL(&m->s->err, XLM_ERR_NOMEM, "bitmap of memory");
    if (m->dirty)
        rc = m->dirty->ops->fetch(m->dirty, true, m->late, &nr);
    /* The log was lost: nothing is known, so nothing is excused. */
    if (!rc && nr >= m->nr_ram)
        xlm__bitmap_zero(m->late, m->dom->nr_pfns);
    return rc;
}

static bool is_late(const struct xlm__source *m, uint64_t pfn)
{
    return pfn < m->dom->nr_pfns && !xlm__verify_spares(m->verify, pfn) &&
           (xlm__bitmap_test(m->late, pfn) ||
            xlm__verify_changed(m->verify, pfn));
}

static int answer(struct xlm__source *m, uint64_t sum)
{
    struct xlm__hash hashes[XLM__SUM_PAGES];
    int rc = find_late(m);

    if (!rc)
        rc = xlm__verify_note_sum(m->verify, m->reader, m->ram, sum);
    if (rc)
        return rc;
    xlm__verify_pages_of(m->verify, sum, hashes);
    for (uint64_t i = 0; i < XLM__SUM_PAGES; i++)
        if (is_late(m, sum * XLM__SUM_PAGES + i))
            hashes[i] = (struct xlm__hash){ UINT64_MAX, UINT64_MAX };
    return xlm__send_hashes(&xlm__session_control(m->s)->stream, sum,
                            (const struct xlm__wire_hash *)hashes);
}

/* ---- the result ---- */

static void name_spared(const struct xlm__source *m, char *out, size_t bytes)
{
    size_t at = 0;

    *out = '\0';
    for (unsigned k = 1; k <= XLM__SPARED_LATE; k++)
        if (m->nr_spared[k] && at < bytes)
            at += (size_t)snprintf(out + at, bytes - at, "%s%s %" PRIu64,
                                   at ? ", " : ": ", xlm__spared_name(k),
                                   m->nr_spared[k]);
}

static void note(struct xlm__source *m, const struct xlm__verified *v)
{
    char spared[XLM_MESSAGE_MAX / 2];
    uint64_t listed = 0;

    for (unsigned k = 1; k < XLM__SPARED_LATE; k++)
        listed += m->nr_spared[k];
    m->nr_spared[XLM__SPARED_LATE] = v->spared > listed ? v->spared - listed
                                                        : 0;
    name_spared(m, spared, sizeof(spared));
    XLM__STATS(m->s, {
        st->verified = 1;
        st->verified_pages = v->pages;
        st->verify_spared_pages = v->spared;
        st->verify_us = v->us;
    });
    XLM_LOG(&m->s->err, INFO,
            "verified %" PRIu64 " pages%s (%" PRIu64 " excluded%s) in %.2f s "
            "of the pause",
            v->pages,
            m->info.hvm || m->prebuilt
                ? ""
                : ", as xl's helper there was given them",
            v->spared, spared, (double)v->us / 1e6);
}

int xlm__source_verify_take(struct xlm__source *m, const struct xlm__rec *rec,
                            bool *mine_out)
{
    *mine_out = rec->type == XLM__REC_ASK || rec->type == XLM__REC_VERIFIED;
    if (rec->type == XLM__REC_ASK)
        return answer(m, rec->u.asked);
    if (rec->type == XLM__REC_VERIFIED)
        note(m, &rec->u.verified);
    return 0;
}

void xlm__source_verify_free(struct xlm__source *m)
{
    xlm__reader_free(m->reader);
    xlm__verify_free(m->verify);
    free(m->late);
}
