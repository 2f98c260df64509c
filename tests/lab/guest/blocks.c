/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * blocks FILE [MAX_MOVES]: reads the numbered blocks of a guest's disk and
 * judges them: every number from the newest back to the oldest that can still
 * be there, and no two hosts that wrote in turns. With MAX_MOVES, no more
 * changes of the host than that.
 */
#include "block.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A guest stays at a host for longer than this many blocks (of 50 ms): a
 * shorter run between two others means that two hosts wrote in turns. */
#define MIN_RUN 10

struct disk {
    struct block *blocks;
    uint64_t nr;
};

static int map_disk(const char *path, struct disk *d)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) || st.st_size < BLOCK_SIZE) {
        perror(path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    d->nr = st.st_size / BLOCK_SIZE;
    d->blocks = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (d->blocks == MAP_FAILED) {
        perror("mmap");
        return -1;
    }
    return 0;
}

static uint64_t newest(const struct disk *d)
{
    uint64_t max = 0;

    for (uint64_t i = 0; i < d->nr; i++)
        if (block_valid(&d->blocks[i]) && d->blocks[i].seq > max)
            max = d->blocks[i].seq;
    return max;
}

static const struct block *block_at(const struct disk *d, uint64_t seq)
{
    return &d->blocks[seq % d->nr];
}

/* The slot after the newest may be half written at this very moment. */
static uint64_t oldest(const struct disk *d, uint64_t last)
{
    return last < d->nr ? 1 : last - d->nr + 2;
}

static unsigned count_missing(const struct disk *d, uint64_t first,
                              uint64_t last)
{
    unsigned missing = 0;

    for (uint64_t seq = first; seq <= last; seq++) {
        const struct block *b = block_at(d, seq);

        if (block_valid(b) && b->seq == seq)
            continue;
        if (missing++ < 5)
            printf("block %ju: %s\n", (uintmax_t)seq,
                   block_valid(b) ? "another number is there" : "not valid");
    }
    return missing;
}

struct runs {
    unsigned moves;
    unsigned interleaved;
};

/* Prints one line a run of blocks with the same host; counts runs too short
 * to be a stay. The first and the last may be cut. */
static struct runs count_runs(const struct disk *d, uint64_t first,
                              uint64_t last)
{
    struct runs r = { 0 };
    uint64_t start = first;

    for (uint64_t seq = first; seq <= last; seq++) {
        const char *host = block_at(d, seq)->host;

        if (seq < last && !strcmp(host, block_at(d, seq + 1)->host))
            continue;
        printf("run %s %ju..%ju\n", host, (uintmax_t)start, (uintmax_t)seq);
        r.moves += seq != last;
        r.interleaved += start != first && seq != last &&
                         seq - start + 1 < MIN_RUN;
        start = seq + 1;
    }
    return r;
}

/* Prints the verdict; returns the exit status. */
static int judge(const struct disk *d, uint64_t last, unsigned max_moves)
{
    uint64_t first = oldest(d, last);
    unsigned missing = count_missing(d, first, last);
    struct runs r = { 0 };

    if (missing == 0)
        r = count_runs(d, first, last);
    printf("blocks first=%ju last=%ju missing=%u moves=%u interleaved=%u\n",
           (uintmax_t)first, (uintmax_t)last, missing, r.moves, r.interleaved);
    return missing > 0 || r.interleaved > 0 || r.moves > max_moves;
}

int main(int argc, char **argv)
{
    unsigned long max_moves = UINT_MAX;
    struct disk d;
    uint64_t last;
    char *end = "";

    if (argc == 3)
        max_moves = strtoul(argv[2], &end, 10);
    if (argc < 2 || argc > 3 || *end || max_moves > UINT_MAX) {
        fprintf(stderr, "usage: blocks FILE [MAX_MOVES]\n");
        return 2;
    }
    if (map_disk(argv[1], &d))
        return 2;
    last = newest(&d);
    if (last == 0) {
        printf("blocks: none\n");
        return 1;
    }
    return judge(&d, last, max_moves);
}
