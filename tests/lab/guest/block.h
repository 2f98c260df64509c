/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The numbered blocks that a guest's agent appends to its disk and that
 * "lab guest blocks" reads again.
 *
 *   0       8       16      24              56              4088    4096
 *   | magic | seq   | time  | host, NUL pad | filler of seq | sum   |
 *
 * Block seq is at (seq % number of blocks); numbers begin with 1. Only this
 * machine and its guests use it: native byte order.
 */
#ifndef LAB_BLOCK_H
#define LAB_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define BLOCK_SIZE      4096
#define BLOCK_MAGIC     0x6b6c62626d6c78ULL /* "xlmbblk" */
#define BLOCK_HOST_SIZE 32
#define BLOCK_NR_FILLER ((BLOCK_SIZE - 32 - BLOCK_HOST_SIZE) / 8)

struct block {
    uint64_t magic;
    uint64_t seq;
    uint64_t mono_ms; /* the writer's CLOCK_MONOTONIC */
    char host[BLOCK_HOST_SIZE];
    uint64_t filler[BLOCK_NR_FILLER];
    uint64_t sum;
};

_Static_assert(sizeof(struct block) == BLOCK_SIZE, "one block, one page");

/* Makes block SEQ as HOST would write it at MONO_MS. */
void block_fill(struct block *b, uint64_t seq, const char *host,
                uint64_t mono_ms);

/* Is it a whole block that some agent wrote? */
bool block_valid(const struct block *b);

#endif
