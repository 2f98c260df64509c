/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xlmdump.h"

/* The states of section 8.1 that one direction can tell apart. */
enum {
    /* source */
    S_START,
    S_OFFERED,
    S_CONFIGURED,
    S_CHECKING,
    S_BUILDING, /* up to the first round */
    S_ROUND,
    S_BETWEEN,
    S_FINAL,
    S_TAIL,
    S_TAIL_ENDED,
    S_PERMITTED,
    S_ABORTING,
    /* destination */
    D_CHECKING = 0x20,
    D_CHECKED,
    D_BLOCKED,
    D_BUILT,
    D_FINAL_DONE,
    D_READY,
    D_COMMITTED,
    D_RUNNING,
    D_NOT_RUNNING,
    D_ABORTING,
    D_ABORTED,
};

static bool misplaced(struct dump *d)
{
    return fail(d, "it may not come here");
}

static bool move(struct dump *d, unsigned from, unsigned to)
{
    if (d->state != from)
        return misplaced(d);
    d->state = to;
    return true;
}

struct libxc {
    uint8_t type;
    bool pv, hvm, tail, once, needed, policy;
};

/* Section 6, STATE. */
static const struct libxc libxc[] = {
    { 0x02, true, false, false, true, true, false },
    { 0x11, true, true, false, true, true, true },
    { 0x12, true, true, false, true, true, true },
    { 0x10, true, true, false, true, true, false },
    { 0x03, true, false, false, true, true, false },
    { 0x08, true, true, true, true, true, false },
    { 0x07, true, false, true, true, true, false },
    { 0x04, true, false, true, false, true, false },
    { 0x05, true, false, true, false, false, false },
    { 0x06, true, false, true, false, false, false },
    { 0x0c, true, false, true, false, false, false },
    { 0x09, false, true, true, true, true, false },
    { 0x0a, false, true, true, true, true, false },
};
#define NR_LIBXC (sizeof(libxc) / sizeof(libxc[0]))

/* For PREBUILD, between BUILT and the first round: records of the tail. */
static bool early(struct dump *d, const struct libxc *x, size_t bytes)
{
    if (!d->offers_prebuild || d->xc_early[x->type])
        return misplaced(d);
    d->xc_early[x->type] = true;
    return bytes || fail(d, "0 bytes of libxc record 0x%x", x->type);
}

static bool state(struct dump *d, const struct body *b)
{
    size_t bytes = d->end - d->record - 16 - 8;

    if (d->state != S_CONFIGURED && d->state != S_TAIL &&
        !(d->state == S_BUILDING && !d->round && !d->prebuild))
        return misplaced(d);
    for (size_t i = 0; i < NR_LIBXC; i++) {
        const struct libxc *x = &libxc[i];

        if (x->type != b->word[0])
            continue;
        if (d->state == S_BUILDING && x->tail && x->hvm && d->domain_type != PV)
            return early(d, x, bytes);
        if (x->type == 0x03 && d->state == S_TAIL && d->domain_type == PV &&
            d->prebuild && bytes && ++d->xc_times[x->type] == 2)
            return true;
        if (!(d->domain_type == PV ? x->pv : x->hvm) ||
            x->tail != (d->state == S_TAIL) ||
            (x->policy && d->state != S_CONFIGURED))
            return misplaced(d);
        if ((x->type == 0x10) != !bytes)
            return fail(d, "%zu bytes of libxc record 0x%x", bytes, x->type);
        if (++d->xc_times[x->type] > (x->once ? 1u : 8192u))
            return fail(d, "libxc record 0x%x too often", x->type);
        return true;
    }
    return fail(d, "libxc record 0x%x is not allowed", b->word[0]);
}

static bool complete(struct dump *d, bool tail, bool policy_only)
{
    for (size_t i = 0; i < NR_LIBXC; i++) {
        const struct libxc *x = &libxc[i];

        if (x->needed && x->tail == tail && (!policy_only || x->policy) &&
            (d->domain_type == PV ? x->pv : x->hvm) && !d->xc_times[x->type])
            return fail(d, "libxc record 0x%x has not come", x->type);
    }
    return true;
}

static bool prebuild(struct dump *d)
{
    if (d->state != S_BUILDING || d->prebuild || !d->offers_prebuild ||
        d->sample)
        return misplaced(d);
    for (size_t i = 0; i < NR_LIBXC && d->domain_type != PV; i++)
        if (libxc[i].tail && libxc[i].hvm && !d->xc_early[libxc[i].type])
            return fail(d, "libxc record 0x%x has not come", libxc[i].type);
    d->prebuild = true;
    return complete(d, false, false);
}

static bool any_early(const struct dump *d)
{
    for (size_t i = 0; i < sizeof(d->xc_early); i++)
        if (d->xc_early[i])
            return true;
    return false;
}

static bool begin_round(struct dump *d, const struct body *b)
{
    if (d->state != S_BUILDING && d->state != S_BETWEEN)
        return misplaced(d);
    if (b->word[1] && d->sample)
        return fail(d, "the last round of a sample");
    if (any_early(d) && !d->prebuild)
        return fail(d, "PREBUILD has not come");
    if (b->word[0] != d->round + 1)
        return fail(d, "round %u after round %u", b->word[0], d->round);
    d->round++;
    d->state = b->word[1] ? S_FINAL : S_ROUND;
    return d->round > 1 || complete(d, false, false);
}

static bool end_round(struct dump *d, const struct body *b)
{
    if (d->state != S_ROUND && d->state != S_FINAL)
        return misplaced(d);
    if (b->word[0] != d->round || !b->word[1] != (d->state == S_ROUND))
        return fail(d, "it is not the round that was begun");
    d->state = d->state == S_FINAL ? S_TAIL : S_BETWEEN;
    return true;
}

static bool dm_state(struct dump *d, const struct body *b)
{
    if (d->state != S_TAIL || d->domain_type != HVM)
        return misplaced(d);
    if (b->dm_offset != d->dm_got || (d->dm_got && b->dm_total != d->dm_total))
        return fail(d, "the parts do not follow each other");
    d->dm_total = b->dm_total;
    d->dm_got += b->dm_bytes;
    return true;
}

static bool tail_end(struct dump *d)
{
    if (d->verify && !d->spared)
        return fail(d, "SPARED has not come");
    if (d->state == S_TAIL && d->dm_got != d->dm_total)
        return fail(d, "the device model's state is not complete");
    if (d->prebuild && d->domain_type == HVM && !d->dm_got)
        return fail(d, "a device model waits for its state");
    return move(d, S_TAIL, S_TAIL_ENDED) && complete(d, true, false);
}

/* ---- section 6.2 ---- */

static bool once(struct dump *d, unsigned state, bool *seen)
{
    if (d->state != state || *seen)
        return misplaced(d);
    *seen = true;
    return true;
}

static bool sums(struct dump *d, const struct body *b)
{
    if (d->state != S_TAIL_ENDED || !d->verify || b->sum != d->sums)
        return misplaced(d);
    d->sums += b->nr_sums;
    return true;
}

static bool all_sums(const struct dump *d)
{
    return d->sums == (d->nr_pfns + 255) / 256;
}

static bool verify(struct dump *d, const struct body *b)
{
    switch (d->type) {
    case VERIFY:
        return d->dry_run || d->sample ? misplaced(d)
                                       : once(d, S_CHECKING, &d->verify);
    case SPARED:
        return d->verify ? once(d, S_TAIL, &d->spared) : misplaced(d);
    case SUMS:
        return sums(d, b);
    case HASHES:
        return (d->state == S_TAIL_ENDED && all_sums(d) && d->verify &&
                ++d->asks <= 16) ||
               misplaced(d);
    case ASK:
        return (d->state == D_FINAL_DONE && !d->verified && ++d->asks <= 16) ||
               misplaced(d);
    default:
        return once(d, D_FINAL_DONE, &d->verified);
    }
}

static bool bye(struct dump *d)
{
    d->finished = true;
    return true;
}

static bool source(struct dump *d, const struct body *b)
{
    switch (d->type) {
    case OFFER:
        d->sample = b->sample;
        d->dry_run = b->dry_run;
        d->offers_prebuild = b->offers_prebuild;
        return move(d, S_START, S_OFFERED);
    case CONFIG:
        return move(d, S_OFFERED, S_CONFIGURED);
    case STATE:
        return state(d, b);
    case CHECK:
        return move(d, S_CONFIGURED, S_CHECKING) && complete(d, false, true);
    case BUILD:
        return d->dry_run ? misplaced(d) : move(d, S_CHECKING, S_BUILDING);
    case PREBUILD:
        return prebuild(d);
    case ROUND_BEGIN:
        return begin_round(d, b);
    case ROUND_END:
        return end_round(d, b);
    case RELEASE:
        return (d->state >= S_ROUND && d->state <= S_FINAL &&
                (d->state == S_FINAL || d->domain_type != PV ||
                 !d->prebuild)) ||
               misplaced(d);
    case DM_STATE:
        return dm_state(d, b);
    case XENSTORE:
        if (d->state != S_TAIL || d->xenstore)
            return misplaced(d);
        d->xenstore = true;
        return true;
    case TAIL_END:
        return tail_end(d);
    case PERMIT:
        return d->verify && !all_sums(d) ? fail(d, "not all sums have come")
                                         : move(d, S_TAIL_ENDED, S_PERMITTED);
    case ABORT:
        if (d->state > S_TAIL_ENDED)
            return misplaced(d);
        d->state = S_ABORTING;
        return true;
    case CLOCK_PING:
        return (d->state != S_START && d->state != S_ABORTING) || misplaced(d);
    case BYE: /* what the destination said is not in this file */
        return bye(d);
    default:
        return misplaced(d);
    }
}

static bool round_done(struct dump *d, const struct body *b)
{
    if (d->state != D_BUILT)
        return misplaced(d);
    if (b->word[0] != d->round + 1)
        return fail(d, "round %u after round %u", b->word[0], d->round);
    d->round++;
    if (b->word[1])
        d->state = D_FINAL_DONE;
    return true;
}

static bool verdict(struct dump *d, const struct body *b)
{
    if (d->state != D_CHECKING)
        return misplaced(d);
    if (b->word[0] != d->blocking)
        return fail(d, "the verdict does not follow from the findings");
    d->state = b->word[0] ? D_BLOCKED : D_CHECKED;
    return true;
}

static bool destination_ends(struct dump *d)
{
    if (d->type == BYE)
        return d->state == D_CHECKED || d->state == D_BLOCKED ||
                       d->state == D_BUILT || d->state == D_RUNNING ||
                       d->state == D_NOT_RUNNING || d->state == D_ABORTED
                   ? bye(d)
                   : misplaced(d);
    if (d->state > D_READY && !(d->state == D_ABORTING && d->type == ABORTED))
        return misplaced(d);
    d->state = d->type == ABORT ? D_ABORTING : D_ABORTED;
    return true;
}

static bool destination(struct dump *d, const struct body *b)
{
    switch (d->type) {
    case FINDING:
        if (d->state != D_CHECKING || ++d->findings > 256)
            return misplaced(d);
        d->blocking |= b->word[0] == 3;
        return true;
    case CHECKED:
        return verdict(d, b);
    case BUILT:
        return move(d, D_CHECKED, D_BUILT);
    case ROUND_DONE:
        return round_done(d, b);
    case PREBUILT:
        if (d->state != D_BUILT || d->prebuild)
            return misplaced(d);
        d->prebuild = true;
        return true;
    case READY:
        return move(d, D_FINAL_DONE, D_READY);
    case COMMIT:
        return move(d, D_READY, D_COMMITTED);
    case RUNNING:
        return move(d, D_COMMITTED, D_RUNNING);
    case NOT_RUNNING:
        return move(d, D_COMMITTED, D_NOT_RUNNING);
    case CLOCK_PONG:
        return d->state < D_ABORTING || misplaced(d);
    case BYE:
    case ABORT:
    case ABORTED:
        return destination_ends(d);
    default: /* GUEST_GAP */
        if (d->state != D_RUNNING || d->gap)
            return misplaced(d);
        d->gap = true;
        return true;
    }
}

/* Section 7: TAKEN never counts backwards; d->pages is the last one's. */
static bool taken(struct dump *d, const struct body *b)
{
    if (b->word[0] < d->pages)
        return fail(d, "%u after %u", b->word[0], (unsigned)d->pages);
    d->pages = b->word[0];
    return true;
}

/* Section 7.  d->state: 0 in a round, 1 after the final MARK. */
static bool data(struct dump *d, const struct body *b)
{
    if (d->type == TAKEN)
        return taken(d, b);
    if (d->partly && !d->round && d->type != CLOSE)
        d->round = b->word[0];
    if (!d->round)
        d->round = 1;
    if (d->type == CLOSE) {
        d->finished = true;
        return (!d->pages && !d->zero_pages) || misplaced(d);
    }
    if (d->state)
        return misplaced(d);
    if (b->word[0] != d->round)
        return fail(d, "round %u in round %u", b->word[0], d->round);
    if (d->type == MARK) {
        if (!d->partly &&
            (b->pages != d->pages || b->zero_pages != d->zero_pages))
            return fail(d, "it does not count what came");
        d->round++;
        d->partly = false;
        d->pages = d->zero_pages = 0;
        d->state = b->word[1];
        return true;
    }
    d->pages += b->pages;
    d->zero_pages += b->zero_pages;
    return d->pages + d->zero_pages <= d->nr_pfns ||
           fail(d, "more pages in a round than the domain has");
}

bool dump_order(struct dump *d, const struct body *b)
{
    const bool compares = d->type >= VERIFY && d->type <= VERIFIED;

    if (d->kind == DATA)
        return data(d, b);
    if (d->partly) /* section 2.4: what came before is in another file */
        return true;
    if (d->role == SOURCE)
        return compares ? verify(d, b) : source(d, b);
    if (d->state < D_CHECKING)
        d->state = D_CHECKING;
    return compares ? verify(d, b) : destination(d, b);
}
