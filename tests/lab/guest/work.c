/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every page of the work memory:
 *
 *   word 0           generation word, rewritten each time it is dirtied
 *   word 1 .. 510    pattern of the page's number, never rewritten
 *   word 511         the generation word again
 *
 * The generation is kept elsewhere too: a page that arrives with an older
 * content is found, not only one with a wrong content.
 */
#include "agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define WORDS 512
#define LAP_S 4 /* all of it is verified in about this time */

static uint64_t pattern(uint64_t page, unsigned word)
{
    return (page + 1) * 0x9e3779b97f4a7c15ULL ^ (uint64_t)word << 32 ^ word;
}

static uint64_t stamp(uint64_t page, uint32_t generation)
{
    return pattern(page, 0) + generation;
}

static void stamp_page(struct work *w, size_t page)
{
    uint64_t *mem = w->mem + page * WORDS;

    mem[0] = stamp(page, w->generation[page]);
    mem[WORDS - 1] = mem[0];
}

static void fill(struct work *w)
{
    for (size_t page = 0; page < w->nr_pages; page++) {
        for (unsigned i = 1; i < WORDS - 1; i++)
            w->mem[page * WORDS + i] = pattern(page, i);
        stamp_page(w, page);
    }
}

static void dirty_page(struct work *w, size_t page)
{
    w->generation[page]++;
    stamp_page(w, page);
}

static unsigned verify_page(const struct work *w, size_t page)
{
    const uint64_t *mem = w->mem + page * WORDS;
    uint64_t want = stamp(page, w->generation[page]);
    unsigned bad = (mem[0] != want) + (mem[WORDS - 1] != want);

    for (unsigned i = 1; i < WORDS - 1; i++)
        bad += mem[i] != pattern(page, i);
    return bad;
}

/* The n-th page of a walk over all of them that jumps about. */
static size_t scatter(const struct work *w, uint64_t n)
{
    return n * 7919 % w->nr_pages; /* a prime beyond every common factor */
}

static void *work_run(void *arg)
{
    struct work *w = arg;
    const unsigned ticks_per_s = 1000 / TICK_MS;
    uint64_t nr_dirtied = 0, nr_verified = 0;

    fill(w);
    for (uint64_t tick = 1;; tick++) {
        uint64_t next = agent_mono_ns() + TICK_MS * 1000000ULL;
        uint64_t dirty_goal = tick * w->dirty_pps / ticks_per_s;
        uint64_t verify_goal = tick * w->nr_pages / (LAP_S * ticks_per_s);

        while (nr_dirtied < dirty_goal)
            dirty_page(w, scatter(w, nr_dirtied++));
        for (; nr_verified < verify_goal; nr_verified++)
            w->bad += verify_page(w, nr_verified % w->nr_pages);
        w->laps = nr_verified / w->nr_pages;
        /* Late ticks are not made up for: a guest that has too little CPU
         * would never sleep again, and take it from dom0. */
        agent_sleep_until_ns(next);
    }
    return NULL;
}

void work_start(struct work *w)
{
    w->mem = mmap(NULL, w->nr_pages * WORDS * 8, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    w->generation = calloc(w->nr_pages, sizeof(*w->generation));
    if (w->mem == MAP_FAILED || !w->generation) {
        printf("AGENT cannot get %zu pages of work memory\n", w->nr_pages);
        exit(1);
    }
    agent_thread(work_run, w);
}
