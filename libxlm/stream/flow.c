/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "stream/flow.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define XLM_MODULE "stream"

#define S                   XLM_SOURCE
#define D                   XLM_DESTINATION
#define STATES(first, last) XLM__FLOW_##first, XLM__FLOW_##last
#define NEXT(name)          XLM__FLOW_##name
#define SAME                (-1)

/* What else has to hold for a line of the table; 0 = nothing.  May change f.
 * Returns what is wrong, or NULL. */
typedef const char *condition_fn(struct xlm__flow *f, const union xlm__body *b);

struct line {
    enum xlm__flow_state first, last; /* states in which it may come */
    uint32_t type;
    enum xlm_role by;
    int next; /* SAME, or a state; conditions may move on from there */
    condition_fn *condition;
};

/* ---- libxc records: section 6, STATE ---- */

#define PV       1u
#define HVM      2u /* PVH and HVM: translated */
#define ALL      3u
#define XC_TIMES 8192u /* of one type: a vCPU each */

struct xc_rule {
    uint32_t type;
    unsigned domains;
    bool tail, before_check, once, needed;
};

static const struct xc_rule xc_rules[] = {
    { 0x02, PV, false, false, true, true },  /* X86_PV_INFO           */
    { 0x11, ALL, false, true, true, true },  /* X86_CPUID_POLICY      */
    { 0x12, ALL, false, true, true, true },  /* X86_MSR_POLICY        */
    { 0x10, ALL, false, false, true, true }, /* STATIC_DATA_END       */
    { 0x03, PV, false, false, true, true },  /* X86_PV_P2M_FRAMES     */
    { 0x08, ALL, true, false, true, true },  /* X86_TSC_INFO          */
    { 0x07, PV, true, false, true, true },   /* SHARED_INFO           */
    { 0x04, PV, true, false, false, true },  /* X86_PV_VCPU_BASIC     */
    { 0x05, PV, true, false, false, false }, /* X86_PV_VCPU_EXTENDED  */
    { 0x06, PV, true, false, false, false }, /* X86_PV_VCPU_XSAVE     */
    { 0x0c, PV, true, false, false, false }, /* X86_PV_VCPU_MSRS      */
    { 0x09, HVM, true, false, true, true },  /* HVM_CONTEXT           */
    { 0x0a, HVM, true, false, true, true },  /* HVM_PARAMS            */
};
#define NR_XC              (sizeof(xc_rules) / sizeof(xc_rules[0]))
#define XC_STATIC_DATA_END 0x10u
#define XC_P2M_FRAMES      0x03u

static unsigned domain_kind(const struct xlm__flow *f)
{
    return f->domain_type == XLM__WIRE_PV ? PV : HVM;
}

static const struct xc_rule *xc_find(uint32_t type)
{
    for (size_t i = 0; i < NR_XC; i++)
        if (xc_rules[i].type == type)
            return &xc_rules[i];
    return NULL;
}

static const char *xc_take(struct xlm__flow *f, const union xlm__body *b,
                           bool tail)
{
    const struct xc_rule *r = xc_find(b->state.xc_type);
    size_t i;

    if (!r || r->tail != tail || !(r->domains & domain_kind(f)))
        return "this libxc record may not travel here";
    i = (size_t)(r - xc_rules);
    if (f->xc_seen[i] >= (r->once ? 1 : XC_TIMES))
        return "this libxc record came often enough";
    if (!b->state.bytes != (r->type == XC_STATIC_DATA_END))
        return "this libxc record has a wrong length";
    if (r->before_check && f->state != XLM__FLOW_CONFIGURED)
        return "this libxc record comes before CHECK";
    f->xc_seen[i]++;
    return NULL;
}

static const char *xc_complete(const struct xlm__flow *f, bool tail, bool check)
{
    for (size_t i = 0; i < NR_XC; i++)
        if (xc_rules[i].needed && xc_rules[i].tail == tail &&
            (!check || xc_rules[i].before_check) &&
            (xc_rules[i].domains & domain_kind(f)) && !f->xc_seen[i])
            return "not all state has come";
    return NULL;
}

/* ---- conditions ---- */

static const char *offer(struct xlm__flow *f, const union xlm__body *b)
{
    f->domain_type = b->offer.domain_type;
    f->nr_pfns = b->offer.nr_pfns;
    f->dry_run = b->offer.flags & XLM__OFFER_DRY_RUN;
    f->sample = b->offer.flags & XLM__OFFER_SAMPLE;
    f->offers_prebuild = b->offer.flags & XLM__OFFER_PREBUILD;
    return NULL;
}

static const char *state_static(struct xlm__flow *f, const union xlm__body *b)
{
    return xc_take(f, b, false);
}

/* What a domain is completed from before its memory is here: the tail's
 * records, which come again there. */
static const char *xc_take_early(struct xlm__flow *f, const union xlm__body *b)
{
    size_t i = (size_t)(xc_find(b->state.xc_type) - xc_rules);

    if (!f->may_prebuild)
        return "this libxc record comes after the last round";
    if (f->xc_early[i])
        return "this libxc record came before";
    if (!b->state.bytes)
        return "this libxc record has a wrong length";
    f->xc_early[i] = true;
    return NULL;
}

static const char *state_built(struct xlm__flow *f, const union xlm__body *b)
{
    const struct xc_rule *r = xc_find(b->state.xc_type);

    if (f->prebuild)
        return "PREBUILD came before";
    if (r && r->tail && domain_kind(f) == HVM && (r->domains & HVM))
        return xc_take_early(f, b);
    return xc_take(f, b, false);
}

/* A PV guest that grew has its p2m in other pages than at first. */
static const char *p2m_again(struct xlm__flow *f, const union xlm__body *b)
{
    if (!f->prebuild || f->p2m_again)
        return f->prebuild ? "this libxc record came often enough"
                           : "this libxc record may not travel here";
    f->p2m_again = true;
    return b->state.bytes ? NULL : "this libxc record has a wrong length";
}

static const char *state_tail(struct xlm__flow *f, const union xlm__body *b)
{
    if (b->state.xc_type == XC_P2M_FRAMES && domain_kind(f) == PV)
        return p2m_again(f, b);
    return xc_take(f, b, true);
}

static const char *check(struct xlm__flow *f, const union xlm__body *b)
{
    (void)b;
    return xc_complete(f, false, true);
}

static const char *finding(struct xlm__flow *f, const union xlm__body *b)
{
    if (f->findings == XLM__FINDINGS_MAX)
        return "more than 256 findings";
    f->findings++;
    if (b->finding.severity == XLM__SEVERITY_MAX)
        f->blocking_finding = true;
    return NULL;
}

static const char *checked(struct xlm__flow *f, const union xlm__body *b)
{
    bool blocked = b->checked.verdict == XLM__VERDICT_BLOCKED;

    if (blocked != f->blocking_finding)
        return "the verdict does not follow from the findings";
    if ((b->checked.flags & XLM__CHECKED_PREBUILD) &&
        (blocked || !f->offers_prebuild))
        return blocked ? "what is blocked cannot be pre-built"
                       : "OFFER did not ask to pre-build";
    f->may_prebuild = b->checked.flags & XLM__CHECKED_PREBUILD;
    f->state = blocked ? XLM__FLOW_BLOCKED : XLM__FLOW_CHECKED;
    return NULL;
}

static const char *build(struct xlm__flow *f, const union xlm__body *b)
{
    f->port_wanted = b->build.port != XLM__PORT_NONE;
    return f->dry_run ? "OFFER said dry run" : NULL;
}

static const char *built(struct xlm__flow *f, const union xlm__body *b)
{
    return b->built.port && !f->port_wanted ? "no port was asked for" : NULL;
}

static const char *prebuild(struct xlm__flow *f, const union xlm__body *b)
{
    const bool pv = domain_kind(f) == PV;
    const char *wrong;

    if (f->sample)
        return "OFFER said sample";
    if (!f->may_prebuild || f->prebuild)
        return f->prebuild ? "it came before" : "CHECKED did not allow it";
    if (b->prebuild.has_rings != pv)
        return pv ? "it has no rings" : "it has rings";
    wrong = xc_complete(f, false, false);
    for (size_t i = 0; i < NR_XC && !wrong && !pv; i++)
        if (xc_rules[i].tail && (xc_rules[i].domains & HVM) && !f->xc_early[i])
            wrong = "not all state has come";
    f->prebuild = !wrong;
    return wrong;
}

static const char *prebuilt(struct xlm__flow *f, const union xlm__body *b)
{
    (void)b;
    if (!f->prebuild || f->prebuilt)
        return f->prebuilt ? "it came before" : "PREBUILD has not come";
    f->prebuilt = true;
    return NULL;
}

static bool early_without_prebuild(const struct xlm__flow *f)
{
    for (size_t i = 0; i < NR_XC; i++)
        if (f->xc_early[i] && !f->prebuild)
            return true;
    return false;
}

/* Its pages have another way into it then. */
static bool needs_prebuild(const struct xlm__flow *f)
{
    return domain_kind(f) == PV && f->may_prebuild && !f->prebuild &&
           !f->sample;
}

static const char *bye_early(struct xlm__flow *f, const union xlm__body *b)
{
    (void)b;
    return f->sample ? NULL : "OFFER did not say sample";
}

static const char *round_begin(struct xlm__flow *f, const union xlm__body *b)
{
    if (b->round.round != f->round + 1)
        return "rounds count by one from 1";
    if ((b->round.flags & XLM__ROUND_FINAL) && f->sample)
        return "OFFER said sample";
    if (early_without_prebuild(f) || needs_prebuild(f))
        return "PREBUILD has not come";
    if ((b->round.flags & XLM__ROUND_FINAL) && f->prebuild && !f->prebuilt)
        return "PREBUILT has not come";
    f->round++;
    f->state = b->round.flags & XLM__ROUND_FINAL ? XLM__FLOW_FINAL
                                                 : XLM__FLOW_ROUND;
    return f->round == 1 ? xc_complete(f, false, false) : NULL;
}

static const char *round_end(struct xlm__flow *f, const union xlm__body *b)
{
    bool final = b->round.flags & XLM__ROUND_FINAL;

    if (b->round.round != f->round || final != (f->state == XLM__FLOW_FINAL))
        return "it is not the round that was begun";
    f->ended = b->round;
    f->round_done_due = true;
    f->state = final ? XLM__FLOW_TAIL : XLM__FLOW_ROUND_ENDED;
    return NULL;
}

static const char *round_done(struct xlm__flow *f, const union xlm__body *b)
{
    if (!f->round_done_due)
        return "it came before";
    if (memcmp(&b->round, &f->ended, sizeof(f->ended)))
        return "it does not repeat ROUND_END";
    f->round_done_due = false;
    return NULL;
}

/* Page tables lead to frames already, which must not become other pages'. */
static const char *release(struct xlm__flow *f, const union xlm__body *b)
{
    (void)b;
    return f->prebuild && domain_kind(f) == PV && f->state != XLM__FLOW_FINAL
               ? "it comes in the final round, after PREBUILD of PV"
               : NULL;
}

static const char *dm_state(struct xlm__flow *f, const union xlm__body *b)
{
    if (f->domain_type != XLM__WIRE_HVM)
        return "the domain has no device model";
    if (b->dm.offset != f->dm_got || (f->dm_got && b->dm.total != f->dm_total))
        return "the parts do not follow each other";
    f->dm_total = b->dm.total;
    f->dm_got += b->dm.bytes;
    return NULL;
}

static const char *xenstore(struct xlm__flow *f, const union xlm__body *b)
{
    (void)b;
    if (f->xenstore_seen)
        return "it came before";
    f->xenstore_seen = true;
    return NULL;
}

static const char *tail_end(struct xlm__flow *f, const union xlm__body *b)
{
    (void)b;
    if (f->verify.wanted && !f->verify.spared)
        return "SPARED has not come";
    if (f->dm_got != f->dm_total)
        return "the device model's state is not complete";
    if (f->prebuild && f->domain_type == XLM__WIRE_HVM && !f->dm_got)
        return "a device model waits for its state";
    return xc_complete(f, true, false);
}

static const char *ready(struct xlm__flow *f, const union xlm__body *b)
{
    (void)b;
    if (f->verify.wanted && !f->verify.done)
        return "VERIFIED has not come";
    return f->round_done_due ? "ROUND_DONE has not come" : NULL;
}

static const char *guest_gap(struct xlm__flow *f, const union xlm__body *b)
{
    (void)b;
    if (f->gap_seen)
        return "it came before";
    f->gap_seen = true;
    return NULL;
}

static const char *ping(struct xlm__flow *f, const union xlm__body *b)
{
    (void)b;
    if (f->pings_due == XLM__PINGS_MAX)
        return "16 pings are unanswered";
    f->pings_due++;
    return NULL;
}

static const char *pong(struct xlm__flow *f, const union xlm__body *b)
{
    (void)b;
    if (!f->pings_due)
        return "no ping is unanswered";
    f->pings_due--;
    return NULL;
}

/* Section 8.1.  The order of states in enum xlm__flow_state matters here. */
/* clang-format off */
static const struct line table[] = {
    { STATES(START, START),           XLM__REC_OFFER,       S, NEXT(OFFERED),     offer },
    { STATES(OFFERED, OFFERED),       XLM__REC_CONFIG,      S, NEXT(CONFIGURED),  NULL },
    { STATES(CONFIGURED, CONFIGURED), XLM__REC_STATE,       S, SAME,              state_static },
    { STATES(CONFIGURED, CONFIGURED), XLM__REC_CHECK,       S, NEXT(CHECKING),    check },
    { STATES(CHECKING, CHECKING),     XLM__REC_FINDING,     D, SAME,              finding },
    { STATES(CHECKING, CHECKING),     XLM__REC_CHECKED,     D, SAME,              checked },
    { STATES(CHECKED, CHECKED),       XLM__REC_BUILD,       S, NEXT(BUILDING),    build },
    { STATES(CHECKED, BLOCKED),       XLM__REC_BYE,         S, NEXT(CLOSING),     NULL },
    { STATES(BUILT, BUILT),           XLM__REC_BYE,         S, NEXT(CLOSING),     bye_early },
    { STATES(BETWEEN, BETWEEN),       XLM__REC_BYE,         S, NEXT(CLOSING),     bye_early },
    { STATES(BUILDING, BUILDING),     XLM__REC_BUILT,       D, NEXT(BUILT),       built },
    { STATES(BUILT, BUILT),           XLM__REC_STATE,       S, SAME,              state_built },
    { STATES(BUILT, BUILT),           XLM__REC_PREBUILD,    S, SAME,              prebuild },
    { STATES(BUILT, BETWEEN),         XLM__REC_PREBUILT,    D, SAME,              prebuilt },
    { STATES(BUILT, BUILT),           XLM__REC_ROUND_BEGIN, S, SAME,              round_begin },
    { STATES(BETWEEN, BETWEEN),       XLM__REC_ROUND_BEGIN, S, SAME,              round_begin },
    { STATES(ROUND, ROUND),           XLM__REC_RELEASE,     S, SAME,              release },
    { STATES(BETWEEN, FINAL),         XLM__REC_RELEASE,     S, SAME,              release },
    { STATES(ROUND, ROUND),           XLM__REC_ROUND_END,   S, SAME,              round_end },
    { STATES(FINAL, FINAL),           XLM__REC_ROUND_END,   S, SAME,              round_end },
    { STATES(ROUND_ENDED, ROUND_ENDED), XLM__REC_ROUND_DONE, D, NEXT(BETWEEN),    round_done },
    { STATES(TAIL, TAIL),             XLM__REC_STATE,       S, SAME,              state_tail },
    { STATES(TAIL, TAIL),             XLM__REC_DM_STATE,    S, SAME,              dm_state },
    { STATES(TAIL, TAIL),             XLM__REC_XENSTORE,    S, SAME,              xenstore },
    { STATES(TAIL, TAIL),             XLM__REC_TAIL_END,    S, NEXT(TAIL_ENDED),  tail_end },
    { STATES(TAIL, TAIL_ENDED),       XLM__REC_ROUND_DONE,  D, SAME,              round_done },
    { STATES(TAIL_ENDED, TAIL_ENDED), XLM__REC_READY,       D, NEXT(READY),       ready },
    { STATES(CHECKED, CHECKED),       XLM__REC_VERIFY,      S, SAME,              NULL },
    { STATES(TAIL, TAIL),             XLM__REC_SPARED,      S, SAME,              NULL },
    { STATES(TAIL_ENDED, TAIL_ENDED), XLM__REC_SUMS,        S, SAME,              NULL },
    { STATES(TAIL_ENDED, TAIL_ENDED), XLM__REC_ASK,         D, SAME,              NULL },
    { STATES(TAIL_ENDED, TAIL_ENDED), XLM__REC_HASHES,      S, SAME,              NULL },
    { STATES(TAIL_ENDED, TAIL_ENDED), XLM__REC_VERIFIED,    D, SAME,              NULL },
    { STATES(READY, READY),           XLM__REC_PERMIT,      S, NEXT(PERMITTED),   NULL },
    { STATES(PERMITTED, PERMITTED),   XLM__REC_COMMIT,      D, NEXT(COMMITTED),   NULL },
    { STATES(COMMITTED, COMMITTED),   XLM__REC_RUNNING,     D, NEXT(RUNNING),     NULL },
    { STATES(COMMITTED, COMMITTED),   XLM__REC_NOT_RUNNING, D, NEXT(NOT_RUNNING), NULL },
    { STATES(RUNNING, RUNNING),       XLM__REC_GUEST_GAP,   D, SAME,              guest_gap },
    { STATES(START, READY),           XLM__REC_ABORT,       S, NEXT(ABORTING),    NULL },
    { STATES(START, PERMITTED),       XLM__REC_ABORT,       D, NEXT(ABORTING),    NULL },
    { STATES(START, PERMITTED),       XLM__REC_ABORTED,     D, NEXT(ABORTED),     NULL },
    { STATES(ABORTING, ABORTING),     XLM__REC_ABORTED,     D, NEXT(ABORTED),     NULL },
    { STATES(ABORTING, ABORTING),     XLM__REC_BYE,         S, SAME,              NULL },
    { STATES(RUNNING, NOT_RUNNING),   XLM__REC_BYE,         S, SAME,              NULL },
    { STATES(RUNNING, NOT_RUNNING),   XLM__REC_BYE,         D, SAME,              NULL },
    { STATES(ABORTED, CLOSING),       XLM__REC_BYE,         S, SAME,              NULL },
    { STATES(ABORTED, CLOSING),       XLM__REC_BYE,         D, SAME,              NULL },
    { STATES(CLOSING, CLOSING),       XLM__REC_ABORT,       D, NEXT(ABORTING),    NULL },
    { STATES(CLOSING, CLOSING),       XLM__REC_ABORTED,     D, NEXT(ABORTED),     NULL },
    { STATES(OFFERED, NOT_RUNNING),   XLM__REC_CLOCK_PING,  S, SAME,              ping },
    { STATES(OFFERED, NOT_RUNNING),   XLM__REC_CLOCK_PONG,  D, SAME,              pong },
    { STATES(CLOSING, CLOSING),       XLM__REC_CLOCK_PONG,  D, SAME,              pong },
};
/* clang-format on */

int xlm__flow_init(struct xlm__flow *f, struct xlm__errslot *err,
                   enum xlm_role role)
{
    memset(f, 0, sizeof(*f));
    f->err = err;
    f->role = role;
    if (pthread_mutex_init(&f->lock, NULL))
        return XLM_FAIL(err, XLM_ERR_NOMEM, "mutex");
    return 0;
}

void xlm__flow_destroy(struct xlm__flow *f)
{
    if (f->err)
        pthread_mutex_destroy(&f->lock);
    f->err = NULL;
}

const char *xlm__flow_name(enum xlm__flow_state state)
{
    static const char *const names[] = {
#define NAME(name) #name,
        XLM__FLOW_MAP(NAME)
#undef NAME
    };

    return (size_t)state < sizeof(names) / sizeof(names[0]) ? names[state]
                                                            : "?";
}

enum xlm__flow_state xlm__flow_state(struct xlm__flow *f)
{
    enum xlm__flow_state state;

    pthread_mutex_lock(&f->lock);
    state = f->state;
    pthread_mutex_unlock(&f->lock);
    return state;
}

void xlm__flow_domain(struct xlm__flow *f, uint64_t *nr_pfns_out, bool *pv_out)
{
    pthread_mutex_lock(&f->lock);
    *nr_pfns_out = f->nr_pfns;
    *pv_out = f->domain_type == XLM__WIRE_PV;
    pthread_mutex_unlock(&f->lock);
}

/*
 * A received record that its sender may have sent before it knew that one side
 * has given up (section 8.4).
 */
static bool under_way(const struct xlm__flow *f, uint32_t type)
{
    if (f->role == XLM_DESTINATION) /* our ABORT or ABORTED is on its way */
        return f->gave_up && type != XLM__REC_BYE;
    if (!f->abort_sent || f->state != XLM__FLOW_ABORTING)
        return false;
    return type == XLM__REC_FINDING || type == XLM__REC_CHECKED ||
           type == XLM__REC_BUILT || type == XLM__REC_PREBUILT ||
           type == XLM__REC_ROUND_DONE || type == XLM__REC_READY ||
           type == XLM__REC_ASK || type == XLM__REC_VERIFIED ||
           type == XLM__REC_ABORT || type == XLM__REC_CLOCK_PONG;
}

static const struct line *find_line(const struct xlm__flow *f, uint32_t type,
                                    enum xlm_role by)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].type == type && table[i].by == by &&
            f->state >= table[i].first && f->state <= table[i].last)
            return &table[i];
    return NULL;
}

static void after_bye(struct xlm__flow *f, enum xlm_role by)
{
    if (by == XLM_SOURCE)
        f->bye_source = true;
    else
        f->bye_destination = true;
    if (f->bye_source && f->bye_destination)
        f->state = XLM__FLOW_DONE;
}

static void after_abort(struct xlm__flow *f, bool sent, uint32_t type)
{
    if (sent && !f->abort_received)
        f->gave_up = true;
    if (type == XLM__REC_ABORT)
        *(sent ? &f->abort_sent : &f->abort_received) = true;
    if (type == XLM__REC_ABORTED && !sent)
        f->abort_received = true; /* nothing of ours is of use any more */
}

/* Take the record; what is wrong with it, or NULL. */
static const char *take(struct xlm__flow *f, bool sent, uint32_t type,
                        const union xlm__body *b, enum xlm_role by)
{
    const struct line *l = find_line(f, type, by);
    const char *wrong;

    if (!l)
        return "not in this state";
    wrong = l->condition ? l->condition(f, b) : xlm__flow_verify(f, type, b);
    if (wrong)
        return wrong;
    if (l->next != SAME)
        f->state = (enum xlm__flow_state)l->next;
    if (type == XLM__REC_ABORT || type == XLM__REC_ABORTED)
        after_abort(f, sent, type);
    if (type == XLM__REC_BYE)
        after_bye(f, by);
    return NULL;
}

/* Why a record of ours is of no use any more, or 0. */
static int given_up(const struct xlm__flow *f, uint32_t type)
{
    if (type == XLM__REC_ABORTED || type == XLM__REC_BYE)
        return 0;
    if (f->abort_received)
        return XLM_ERR_PEER;
    return f->abort_sent || f->gave_up ? XLM_ERR_CANCELLED : 0;
}

static const char *step(struct xlm__flow *f, bool sent, uint32_t type,
                        const union xlm__body *b, bool *ignore_out)
{
    enum xlm_role by = sent == (f->role == XLM_SOURCE) ? XLM_SOURCE
                                                       : XLM_DESTINATION;

    if (by == XLM_SOURCE ? f->bye_source : f->bye_destination)
        return "its sender has said BYE";
    if (!sent && under_way(f, type)) {
        f->abort_received |= type == XLM__REC_ABORT;
        *ignore_out = true;
        return NULL;
    }
    return take(f, sent, type, b, by);
}

int xlm__flow_step(struct xlm__flow *f, bool sent, uint32_t type,
                   const union xlm__body *body, uint64_t offset,
                   bool *ignore_out)
{
    enum xlm__flow_state before;
    const char *wrong = NULL;
    int useless;

    *ignore_out = false;
    pthread_mutex_lock(&f->lock);
    before = f->state;
    useless = sent ? given_up(f, type) : 0;
    if (!useless)
        wrong = step(f, sent, type, body, ignore_out);
    pthread_mutex_unlock(&f->lock);

    if (useless)
        return useless;
    if (wrong && sent)
        return XLM_FAIL(f->err, XLM_ERR_INTERNAL,
                        "%s cannot be sent in state %s: %s",
                        xlm__rec_name(type), xlm__flow_name(before), wrong);
    if (wrong)
        return XLM_FAIL(
            f->err, XLM_ERR_STREAM, "%s at 0x%" PRIx64 " in state %s: %s",
            xlm__rec_name(type), offset, xlm__flow_name(before), wrong);
    return 0;
}
