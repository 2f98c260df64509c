/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Randomised migrations in one process (scenario.h), each broken in one or two
 * ways, and recovered where that leaves nobody running: a number decides guest,
 * writer, way and faults.
 *
 * usage: soak FIRST COUNT
 *   prints a table of what was broken, how far the migration had come, and how
 *   it ended; a failure prints its number and its log: "soak NUMBER 1" again
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fault_alloc.h"
#include "scenario.h"
#include "unit.h"

#define NR_PFNS  512u
#define NR_RAM   320u
#define NR_SIDES 2

#define FAULTS(X)                                                              \
    X(NONE, "none")                                                            \
    X(CUT, "cut")           /* the control channel, between two records */     \
    X(TORN, "torn")         /* the same, within one                     */     \
    X(CUT_DATA, "data cut") /* the data channel, at a byte              */     \
    X(CORRUPT, "corrupt")   /* a bit of packed pages on a data channel  */     \
    X(CANCEL, "cancel")     /* at either side, before a record          */     \
    X(ENDS, "guest ends")   /* by itself, before a record               */     \
    X(HV, "hypercall")      /* one of either side fails                 */     \
    X(TOOLSTACK, "toolstack")                                                  \
    X(ALLOC, "allocation")

enum fault {
#define NAME(name, text) FAULT_##name,
    FAULTS(NAME)
#undef NAME
        NR_FAULTS
};

static const char *const fault_text[] = {
#define TEXT(name, text) text,
    FAULTS(TEXT)
#undef TEXT
};

enum outcome { STAYED, MOVED, ENDED, NR_OUTCOMES };

/* What a number means. */
struct plan {
    struct scenario sc;
    enum fault faults[2]; /* the wire's or an event; a call's; or NONE */
    enum direction side;  /* where the first strikes                   */
    enum direction call_side;
    unsigned nth; /* call that fails */
};

/* What an undisturbed migration of that kind has. */
struct size {
    bool known;
    unsigned units[3], hv[3], ts[3], allocs;
    uint64_t data_bytes;
};

static struct plan plan; /* of the run that goes on */
static unsigned counts[NR_FAULTS][PHASE_NR], ends[NR_FAULTS][NR_OUTCOMES];
static unsigned nr_returned, nr_recovered, nr_runs, nr_failed;
static unsigned long first, count;

/* ---- dice ---- */

static uint64_t dice;

/* splitmix64: neighbouring numbers give unrelated sequences. */
static uint64_t roll(uint64_t below)
{
    uint64_t z = dice += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % below;
}

static bool one_in(unsigned n)
{
    return roll(n) == 0;
}

/* ---- a guest, and how it moves ---- */

static void choose_guest(struct scenario *sc)
{
    static const enum xlm__domain_type types[] = { XLM__TYPE_PVH, XLM__TYPE_PVH,
                                                   XLM__TYPE_HVM,
                                                   XLM__TYPE_PV };
    static const enum xlm_compress packers[] = { XLM_COMPRESS_NONE,
                                                 XLM_COMPRESS_NONE,
                                                 XLM_COMPRESS_LZ4,
                                                 XLM_COMPRESS_ZSTD };

    *sc = (struct scenario){
        .type = types[roll(4)],
        .channels = 1 + (unsigned)roll(3),
        .nr_pfns = NR_PFNS,
        .nr_ram = NR_RAM,
        .sparse = one_in(4),
        .paused = one_in(8),
        .writer = (enum writer)roll(5),
        .rc = SCENARIO_ANY,
    };
    sc->refuse_logdirty = sc->type == XLM__TYPE_PV && one_in(2);
    sc->opt.compress = packers[roll(4)];
    sc->opt.reconnect_ms = 1000;
    sc->returns = one_in(2);
    for (size_t i = 0; i < BREAKS_MAX && one_in(2); i++)
        sc->control_breaks[i] = 1 + (unsigned)roll(4);
    if (one_in(3))
        sc->opt.flags |= XLM_F_NO_PREBUILD;
    if (one_in(8))
        sc->opt.flags |= XLM_F_LEAVE_PAUSED;
    if (sc->paused)
        sc->opt.flags |= XLM_F_UNPAUSE_TO_SUSPEND;
    if (sc->type != XLM__TYPE_PV && one_in(4))
        sc->writer = WRITER_BALLOON;
}

static unsigned nr_allocs;

static void begin_count(struct run *r)
{
    (void)r;
    fault_alloc_at(UINT32_MAX);
}

static void end_count(struct run *r)
{
    (void)r;
    nr_allocs = fault_alloc_since(UINT32_MAX);
}

static void measure(const struct scenario *plain, struct size *s)
{
    struct run *r = calloc(1, sizeof(*r));
    struct scenario sc = *plain;

    if (!r)
        abort();
    sc.prepare = begin_count;
    sc.over = end_count;
    sc.cut_data_bytes = UINT64_MAX; /* a proxy that counts */
    scenario_run(&sc, "undisturbed", r);
    SCENARIO_CHECK(r, r->src.rc == 0);
    memcpy(s->units, r->units, sizeof(s->units));
    s->hv[TO_SOURCE] = r->src.hv->calls;
    s->hv[TO_DESTINATION] = r->dst.hv->calls;
    s->ts[TO_SOURCE] = r->src.ts.calls;
    s->ts[TO_DESTINATION] = r->dst.ts.calls;
    s->data_bytes = r->src.stats.wire_bytes;
    s->allocs = nr_allocs;
    s->known = true;
    scenario_free(r);
    free(r);
}

/* Of that type: the rest makes a difference that a random number can bear. */
static const struct size *size_of(const struct scenario *sc)
{
    static struct size sizes[4];
    struct scenario plain = { .owner = XLM_OWNER_DESTINATION,
                              .type = sc->type,
                              .nr_pfns = NR_PFNS,
                              .nr_ram = NR_RAM };

    _Static_assert(XLM__TYPE_PV < 4 && XLM__TYPE_PVH < 4 && XLM__TYPE_HVM < 4,
                   "one size each");
    if (!sizes[sc->type].known)
        measure(&plain, &sizes[sc->type]);
    return &sizes[sc->type];
}

/* ---- what breaks ---- */

static void cancel(struct run *r)
{
    scenario_cancel(plan.side == TO_SOURCE ? &r->src : &r->dst);
}

static void end_guest(struct run *r)
{
    guest_may_shut_down(r, 0);
}

static void break_call(struct run *r)
{
    struct side *s = plan.call_side == TO_SOURCE ? &r->src : &r->dst;

    if (plan.faults[1] == FAULT_HV)
        s->hv->fail_call = plan.nth;
    else if (plan.faults[1] == FAULT_TOOLSTACK)
        s->ts.fail_call = plan.nth;
    else
        fault_alloc_at(plan.nth);
}

/* What was not reached must not strike those who recover. */
static void mend_calls(struct run *r)
{
    fault_alloc_at(0);
    r->src.hv->fail_call = r->dst.hv->fail_call = 0;
    r->src.ts.fail_call = r->dst.ts.fail_call = 0;
}

static void choose_event(struct scenario *sc, const struct size *s)
{
    sc->event_to = one_in(2) ? TO_SOURCE : TO_DESTINATION;
    sc->event_unit = (unsigned)roll(s->units[sc->event_to]);
    sc->event = plan.faults[0] == FAULT_CANCEL ? cancel : end_guest;
}

static void choose_wire(struct scenario *sc, const struct size *s)
{
    switch (plan.faults[0]) {
    case FAULT_CUT_DATA:
        sc->cut_data_bytes = 1 + roll(s->data_bytes);
        break;
    case FAULT_CORRUPT:
        sc->opt.compress = XLM_COMPRESS_LZ4;
        sc->corrupt = one_in(2) ? CORRUPT_PLAIN : CORRUPT_CRC_RIGHT;
        break;
    default:
        sc->cut = plan.side;
        sc->cut_units = (unsigned)roll(s->units[plan.side]);
        sc->cut_torn = plan.faults[0] == FAULT_TORN;
        break;
    }
}

/* Data channels that come back by login, and break again. */
static void choose_returns(struct scenario *sc, const struct size *s)
{
    if (plan.faults[0] == FAULT_CORRUPT || !one_in(6))
        return;
    sc->data_returns = true;
    sc->breaks[0] = sc->cut_data_bytes;
    sc->cut_data_bytes = 0;
    for (size_t i = 1; i < BREAKS_MAX && one_in(2); i++)
        sc->breaks[i] = 1 + roll(s->data_bytes);
    if (one_in(8))
        sc->break_refuse = sc->channels + (unsigned)roll(3);
    else
        sc->break_how = (enum break_how[]){ BREAK_END, BREAK_UNSEEN,
                                            BREAK_HALF }[roll(3)];
}

static void choose_call(struct scenario *sc, const struct size *s)
{
    unsigned calls = s->allocs;

    if (plan.faults[1] == FAULT_HV)
        calls = s->hv[plan.call_side];
    else if (plan.faults[1] == FAULT_TOOLSTACK)
        calls = s->ts[plan.call_side];
    plan.nth = 1 + (unsigned)roll(calls);
    sc->prepare = break_call;
}

static void make_plan(unsigned long number)
{
    const struct size *s;

    dice = number;
    memset(&plan, 0, sizeof(plan));
    choose_guest(&plan.sc);
    s = size_of(&plan.sc);
    plan.side = one_in(2) ? TO_SOURCE : TO_DESTINATION;
    plan.call_side = one_in(2) ? TO_SOURCE : TO_DESTINATION;
    if (!one_in(3))
        plan.faults[0] = (enum fault)(FAULT_CUT + roll(FAULT_HV - FAULT_CUT));
    if (!plan.faults[0] || one_in(4))
        plan.faults[1] = (enum fault)(FAULT_HV + roll(NR_FAULTS - FAULT_HV));
    if (plan.faults[0] == FAULT_CANCEL || plan.faults[0] == FAULT_ENDS)
        choose_event(&plan.sc, s);
    else if (plan.faults[0])
        choose_wire(&plan.sc, s);
    choose_returns(&plan.sc, s);
    if (plan.faults[1])
        choose_call(&plan.sc, s);
    plan.sc.over = mend_calls;
}

/* ---- a run ---- */

static bool source_runs(const struct run *r)
{
    return r->src.hv->exists && !r->src.hv->info.shutdown;
}

static enum outcome judge(struct run *r)
{
    const bool there = destination_runs(r);

    SCENARIO_CHECK(r, atomic_load(&r->two_runners) == 0);
    SCENARIO_CHECK(r, !(source_runs(r) && there));
    SCENARIO_CHECK(r, r->ended || source_runs(r) || there);
    SCENARIO_CHECK(r, !there || !r->src.hv->exists || r->ended);
    if (source_runs(r)) {
        SCENARIO_CHECK(r, r->src.hv->info.paused == r->sc->paused ||
                              atomic_load(&r->pause_failed));
        SCENARIO_CHECK(r, !strcmp(r->src.ts.name, "guest"));
        SCENARIO_CHECK(r, !r->src.hv->logging || atomic_load(&r->off_failed));
    }
    if (there)
        return MOVED;
    return r->ended ? ENDED : STAYED;
}

static void tally(const struct run *r, enum outcome outcome)
{
    const int phase = atomic_load(&r->phase);

    for (int i = 0; i < 2; i++) {
        if (!plan.faults[i])
            continue;
        counts[plan.faults[i]][phase]++;
        ends[plan.faults[i]][outcome]++;
    }
}

static void run_number(unsigned long number)
{
    struct run *r = calloc(1, sizeof(*r));
    char label[96];
    unsigned before = CU_get_number_of_failures();

    if (!r)
        abort();
    make_plan(number);
    snprintf(label, sizeof(label), "soak %lu 1 (%s, %s %u)", number,
             fault_text[plan.faults[0]], fault_text[plan.faults[1]], plan.nth);
    scenario_run(&plan.sc, label, r);
    if (scenario_is_undecided(r)) {
        nr_recovered++;
        (void)scenario_recover(r);
    }
    tally(r, judge(r));
    nr_runs++;
    nr_failed += CU_get_number_of_failures() != before;
    nr_returned += r->src.stats.control_reconnects;
    scenario_free(r);
    free(r);
}

static void test_soak_random_faults_leave_one_guest(void)
{
    for (unsigned long n = first; n < first + count; n++)
        run_number(n);
}

static void print_table(void)
{
    printf("\n%-11s %7s %7s %7s %7s | %7s %7s %7s\n", "fault", "build",
           "precopy", "switch", "handoff", "stayed", "moved", "ended");
    for (int f = FAULT_NONE + 1; f < NR_FAULTS; f++)
        printf("%-11s %7u %7u %7u %7u | %7u %7u %7u\n", fault_text[f],
               counts[f][PHASE_BUILD], counts[f][PHASE_PRECOPY],
               counts[f][PHASE_SWITCH], counts[f][PHASE_HANDOFF],
               ends[f][STAYED], ends[f][MOVED], ends[f][ENDED]);
    printf("%u returned\n%u recovered\n%u passed, %u failed\n", nr_returned,
           nr_recovered, nr_runs - nr_failed, nr_failed);
}

int main(int argc, char **argv)
{
    static CU_TestInfo tests[] = {
        UNIT_TEST(test_soak_random_faults_leave_one_guest),
        CU_TEST_INFO_NULL,
    };
    int status;

    first = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
    count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (!count) {
        fprintf(stderr, "usage: soak FIRST COUNT\n");
        return 2;
    }
    status = unit_run("soak", tests, NULL);
    print_table();
    return status;
}
