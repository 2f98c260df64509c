/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The vCPUs: each writes to its own share of the work pages and verifies it.
 * A page as in tests/lab/guest/work.c:
 *
 *   word 0           generation word, rewritten each time it is dirtied
 *   word 1 .. 510    sim.content of the page's number, never rewritten
 *   word 511         the generation word again
 *
 * or all zero, for ever.  vCPU v has pages v, v + n, v + 2n, ...
 */
#include "config.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "stubs/guest/guest.h"

#define WORDS       512
#define TICK_NS     10000000ULL
#define QUANTUM     64 /* pages written or verified before it may be stopped */
#define BURST_MS    100
#define BURST_TIMES 10
#define LATE_NS     200000000ULL /* more is not made up for */
#define COMPUTE_US  1000         /* between two looks at whether it may go on */

struct cpu {
    struct guest *g;
    struct cpu_image *im;
    unsigned nr;
    uint64_t nr_pages; /* its share */
    uint64_t busy_ns;  /* it computes until then */
};

static struct cpu cpus[SIM_MAXVCPU];

/* SplitMix64's last step: what looks like noise. */
static uint64_t scatter(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    return x ^ x >> 31;
}

/* Words in no order, and one in eight that is a number of no pattern: shrinks
 * about as memory of programs does. */
static uint64_t text(uint64_t noise)
{
    static const char words[32][8] = {
        "the     ", "domain  ", "memory  ", "page    ", "of a    ", "kernel  ",
        "0x0000  ", "struct  ", "return  ", "is not  ", "network ", "disk    ",
        "buffer  ", "process ", "thread  ", "string  ", "<html>  ", "</html> ",
        "index   ", "value = ", "if (a)  ", "else {  ", "}       ", "        ",
        "status  ", "request ", "response", "error   ", "warning ", "host    ",
        "address ", "version ",
    };
    uint64_t word;

    if (noise % 8 == 0)
        return noise;
    memcpy(&word, words[noise >> 8 & 31], sizeof(word));
    return word;
}

static uint64_t pattern(const struct guest *g, uint64_t page, unsigned word)
{
    switch (g->im->content) {
    case TEXT:
        return text(scatter(page << 9 | word));
    case RANDOM:
        return scatter(page << 9 | word);
    default:
        return (page + 1) * 0x9e3779b97f4a7c15ULL ^ (uint64_t)word << 32 ^ word;
    }
}

static uint64_t work_pfn(const struct guest *g, uint64_t page)
{
    return guest_ram_pfn(g, 1 + g->im->nr_work / 1024 + 1 + page);
}

static uint32_t *generation(const struct guest *g, uint64_t page,
                            uint64_t *pfn_out)
{
    uint32_t *table;

    *pfn_out = guest_ram_pfn(g, 1 + page / 1024);
    table = guest_page(g, *pfn_out);
    return table ? &table[page % 1024] : NULL;
}

/* By its place in a share, so that each vCPU has as many. */
static bool is_zero(const struct guest *g, uint64_t page)
{
    return page / g->im->nr_vcpus % 100 < g->im->zero_percent;
}

static void write_page(struct guest *g, uint64_t page)
{
    const uint64_t pfn = work_pfn(g, page);
    uint64_t *word = guest_page(g, pfn), table_pfn;
    uint32_t *gen = generation(g, page, &table_pfn);

    if (!word || !gen)
        return; /* verification tells */
    ++*gen;
    word[0] = word[WORDS - 1] = pattern(g, page, 0) + *gen;
    guest_mark(g, pfn);
    guest_mark(g, table_pfn);
}

static unsigned check_page(const struct guest *g, uint64_t page)
{
    const uint64_t *word = guest_page(g, work_pfn(g, page));
    uint64_t table_pfn, want, seen = 0;
    const uint32_t *gen = generation(g, page, &table_pfn);
    unsigned bad;

    if (!word || !gen)
        return WORDS;
    if (is_zero(g, page)) {
        for (unsigned i = 0; i < WORDS; i++)
            seen |= word[i];
        return seen != 0;
    }
    want = pattern(g, page, 0) + *gen;
    bad = (word[0] != want) + (word[WORDS - 1] != want);
    for (unsigned i = 1; i < WORDS - 1; i++)
        bad += word[i] != pattern(g, page, i);
    return bad;
}

void guest_clear_tables(struct guest *g)
{
    for (uint64_t i = 0; i <= g->im->nr_work / 1024; i++) {
        const uint64_t pfn = guest_ram_pfn(g, 1 + i);

        memset(guest_page(g, pfn), 0, PAGE_BYTES);
        guest_mark(g, pfn);
    }
}

static void fill_page(struct guest *g, uint64_t page)
{
    const uint64_t pfn = work_pfn(g, page);
    uint64_t *word = guest_page(g, pfn);

    memset(word, 0, PAGE_BYTES);
    guest_mark(g, pfn);
    if (is_zero(g, page))
        return;
    for (unsigned i = 1; i < WORDS - 1; i++)
        word[i] = pattern(g, page, i);
    write_page(g, page);
}

/* Every vCPU fills its share, between reports and suspends. */
static bool fill_some(struct cpu *c)
{
    for (unsigned i = 0; i < QUANTUM && c->im->nr_filled < c->nr_pages; i++)
        fill_page(c->g, c->im->nr_filled++ * c->g->im->nr_vcpus + c->nr);
    return c->im->nr_filled < c->nr_pages;
}

static uint64_t random64(struct cpu_image *im)
{
    im->random ^= im->random << 13;
    im->random ^= im->random >> 7;
    im->random ^= im->random << 17;
    return im->random;
}

/* Which of its pages a vCPU writes next. */
static uint64_t pick(const struct cpu *c)
{
    const uint64_t n = c->nr_pages, r = random64(c->im);

    switch (c->g->im->writer) {
    case HOTSPOT: /* nine of ten writes to a tenth of the memory */
        return r % 10 && n > 10 ? r / 10 % (n / 10) : r / 10 % n;
    case SWEEP:
        return c->im->sweep++ % n;
    default:
        return r % n;
    }
}

/* Pages for which it has to compute a while come one by one. */
static unsigned pages_at_once(const struct guest *g)
{
    if (!g->im->page_us || COMPUTE_US / g->im->page_us > QUANTUM)
        return QUANTUM;
    return COMPUTE_US / g->im->page_us;
}

static void write_some(struct cpu *c, uint64_t goal)
{
    const struct guest *g = c->g;
    const unsigned most = pages_at_once(g);

    for (unsigned i = 0; i < most && c->im->nr_dirtied < goal; i++) {
        uint64_t place = pick(c);

        c->im->nr_dirtied++;
        /* The zero pages of each hundred are its first. */
        if (place % 100 < g->im->zero_percent)
            place += g->im->zero_percent - place % 100;
        if (place < c->nr_pages && g->im->zero_percent < 100)
            write_page(c->g, place * g->im->nr_vcpus + c->nr);
    }
}

static void verify_some(struct cpu *c, uint64_t goal)
{
    for (unsigned i = 0; i < QUANTUM && c->im->nr_verified < goal; i++) {
        const uint64_t place = c->im->nr_verified++ % c->nr_pages;
        const uint64_t page = place * c->g->im->nr_vcpus + c->nr;
        const unsigned bad = check_page(c->g, page);

        if (bad && !c->im->bad)
            guest_say(c->g, "work page %llu (pfn %#llx): %u bad words",
                      (unsigned long long)page,
                      (unsigned long long)work_pfn(c->g, page), bad);
        c->im->bad += bad;
    }
}

static void note(_Atomic uint64_t *longest, uint64_t gap)
{
    uint64_t seen = *longest;

    while (gap > seen && !atomic_compare_exchange_weak(longest, &seen, gap))
        ;
}

static void tick(struct cpu *c, uint64_t now)
{
    struct image *im = c->g->im;

    if (c->im->last_ns && now < c->im->last_ns) {
        im->clock_back++;
    } else if (c->im->last_ns) {
        const uint64_t gap = now - c->im->last_ns;
        const uint64_t away = im->absent_ns - c->im->absent_ns;

        note(&c->im->gap_ns, gap);
        note(&c->im->awake_gap_ns, gap > away ? gap - away : 0);
    }
    c->im->last_ns = now;
    c->im->absent_ns = im->absent_ns;
}

/* Pages that it should have written by now; what it could not do while it was
 * stopped is dropped. */
static uint64_t write_goal(struct cpu *c, uint64_t now)
{
    const struct image *im = c->g->im;
    const uint64_t share = im->pps / im->nr_vcpus +
                           (c->nr < im->pps % im->nr_vcpus);
    uint64_t spent = now - c->im->credit_ns, goal;

    if (im->writer == BURST) {
        const uint64_t ms = spent / 1000000, part = ms % 1000;
        const uint64_t on = ms / 1000 * BURST_MS +
                            (part < BURST_MS ? part : BURST_MS);

        goal = share * BURST_TIMES * on / 1000;
    } else {
        goal = (uint64_t)(share * (spent / 1e9));
    }
    if (c->im->credit_ns && goal >= c->im->nr_dirtied &&
        (!share || (goal - c->im->nr_dirtied) / (double)share * 1e9 <
                       LATE_NS * (im->writer == BURST ? BURST_TIMES : 1)))
        return goal;
    c->im->credit_ns = now;
    c->im->nr_dirtied = 0;
    return 0;
}

static uint64_t verify_goal(const struct cpu *c, uint64_t verified)
{
    const uint64_t per_s = 1000000000ULL / TICK_NS;

    return c->g->im->lap_s
               ? verified + c->nr_pages / (c->g->im->lap_s * per_s) + 1
               : verified;
}

static uint64_t cpu_time_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* What the quantum has cost: what we used, and what the guest is said to have
 * computed for the pages that it wrote.  That takes a vCPU as long. */
static void pay(struct cpu *c, uint64_t began_ns, uint64_t nr_written)
{
    const uint64_t us = nr_written * c->g->im->page_us;
    const uint64_t now = guest_now_ns();

    sim_sched_charge(c->g->d, cpu_time_ns() - began_ns + us * 1000);
    if (c->busy_ns + TICK_NS < now)
        c->busy_ns = now - TICK_NS;
    c->busy_ns += us * 1000;
}

static void sleep_until(uint64_t when_ns)
{
    const struct timespec t = { .tv_sec = when_ns / 1000000000,
                                .tv_nsec = when_ns % 1000000000 };

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static bool one_quantum(struct cpu *c, uint64_t *check_goal, bool first)
{
    struct guest *g = c->g;
    const uint64_t now = guest_now_ns(), began_ns = cpu_time_ns();
    uint64_t goal, written = 0;
    bool more;

    if (c->g->im->page_us && c->busy_ns > now)
        sleep_until(c->busy_ns);
    sim_sched_wait(g->d, g->incarnation);
    if (!sim_enter(g->d, g->incarnation, c->nr))
        return false;
    if (first) {
        tick(c, guest_now_ns());
        *check_goal = verify_goal(c, c->im->nr_verified);
    }
    more = fill_some(c);
    if (!more) {
        goal = write_goal(c, now);
        written = c->im->nr_dirtied;
        write_some(c, goal);
        written = c->im->nr_dirtied - written;
        verify_some(c, *check_goal);
        more = c->im->nr_dirtied < goal || c->im->nr_verified < *check_goal;
    }
    __atomic_store_n(&g->d->guest_seq, ++g->im->seq, __ATOMIC_RELAXED);
    guest_mark(g, g->first_pfn);
    sim_leave(g->d, c->nr);
    pay(c, began_ns, written);
    return more;
}

static bool is_gone(const struct guest *g)
{
    return !g->d->used || g->d->incarnation != g->incarnation;
}

static void *cpu_run(void *arg)
{
    struct cpu *c = arg;
    uint64_t check_goal = 0;

    while (!is_gone(c->g)) {
        const uint64_t next = guest_now_ns() + TICK_NS;

        if (one_quantum(c, &check_goal, true))
            while (guest_now_ns() < next && one_quantum(c, &check_goal, false))
                ;
        sleep_until(next);
    }
    return NULL;
}

bool guest_start_cpus(struct guest *g)
{
    const uint32_t n = g->im->nr_vcpus;

    for (uint32_t i = 0; i < n; i++) {
        pthread_t thread;
        struct cpu *c = &cpus[i];

        c->g = g;
        c->im = &g->im->cpu[i];
        c->nr = i;
        c->nr_pages = g->im->nr_work / n;
        if (!c->im->random)
            c->im->random = 88172645463325252ULL + i;
        if (!c->nr_pages || pthread_create(&thread, NULL, cpu_run, c) ||
            pthread_detach(thread))
            return false;
    }
    return true;
}
