/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that comes and goes: taken from the kernel, filled, held, verified,
 * given back.  In a guest that balloons, what the balloon has just given back
 * is what the next one to ask gets: pages of which the toolstack may have sent
 * what they were before.
 */
#include "agent.h"

#include <stdio.h>
#include <sys/mman.h>

#define WORDS   512
#define HOLD_MS 3000
#define LOOKS   6 /* while it is held */

static uint64_t word(uint64_t turn, size_t page, unsigned i)
{
    return (turn << 40 | (uint64_t)page << 10 | i) * 0x9e3779b97f4a7c15ULL;
}

static void fill(uint64_t *mem, size_t nr_pages, uint64_t turn)
{
    for (size_t page = 0; page < nr_pages; page++)
        for (unsigned i = 0; i < WORDS; i++)
            mem[page * WORDS + i] = word(turn, page, i);
}

/* Wrong pages, not words: each counts once a look. */
static unsigned verify(const uint64_t *mem, size_t nr_pages, uint64_t turn)
{
    unsigned bad = 0;

    for (size_t page = 0; page < nr_pages; page++) {
        for (unsigned i = 0; i < WORDS; i++) {
            if (mem[page * WORDS + i] == word(turn, page, i))
                continue;
            bad++;
            break;
        }
    }
    return bad;
}

static void *churn_run(void *arg)
{
    struct churn *c = arg;
    const size_t bytes = c->nr_pages * WORDS * 8;

    for (uint64_t turn = 1;; turn++) {
        uint64_t *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (mem == MAP_FAILED) {
            agent_sleep_until_ns(agent_mono_ns() + HOLD_MS * 1000000ULL);
            continue;
        }
        fill(mem, c->nr_pages, turn);
        for (unsigned look = 0; look < LOOKS; look++) {
            unsigned bad;

            agent_sleep_until_ns(agent_mono_ns() +
                                 HOLD_MS / LOOKS * 1000000ULL);
            bad = verify(mem, c->nr_pages, turn);
            if (bad)
                printf("AGENT %u churned pages are wrong\n", bad);
            c->bad += bad;
        }
        munmap(mem, bytes);
    }
    return NULL;
}

void churn_start(struct churn *c)
{
    if (c->nr_pages)
        agent_thread(churn_run, c);
}
