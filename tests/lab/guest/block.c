/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "block.h"

#include <stddef.h>
#include <string.h>

static uint64_t filler(uint64_t seq, unsigned i)
{
    return (seq + 1) * 0x9e3779b97f4a7c15ULL + i;
}

/* FNV-1a over words: finds torn and misplaced blocks, resists nobody. */
static uint64_t sum(const struct block *b)
{
    const uint64_t *word = (const uint64_t *)b;
    uint64_t h = 0xcbf29ce484222325ULL;

    for (size_t i = 0; i < offsetof(struct block, sum) / 8; i++)
        h = (h ^ word[i]) * 0x100000001b3ULL;
    return h;
}

void block_fill(struct block *b, uint64_t seq, const char *host,
                uint64_t mono_ms)
{
    memset(b, 0, sizeof(*b));
    b->magic = BLOCK_MAGIC;
    b->seq = seq;
    b->mono_ms = mono_ms;
    strncpy(b->host, host, sizeof(b->host) - 1);
    for (unsigned i = 0; i < BLOCK_NR_FILLER; i++)
        b->filler[i] = filler(seq, i);
    b->sum = sum(b);
}

bool block_valid(const struct block *b)
{
    return b->magic == BLOCK_MAGIC && b->seq != 0 && b->sum == sum(b);
}
