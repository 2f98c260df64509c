/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One thread writes block after block and counts a block only when the disk
 * has answered its write and the flush behind it. */
#include "agent.h"
#include "block.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PERIOD_MS  50
#define NR_AT_ONCE 64   /* blocks a read */
#define NR_VERIFY  128U /* after so many blocks, that many are read again */

struct writer {
    struct disk *d;
    int fd;
    uint64_t nr_blocks;
    struct block *buf; /* NR_AT_ONCE of them */
    struct store store;
    uint64_t sums[NR_VERIFY]; /* of the last blocks, by number */
};

static bool read_at(struct writer *w, uint64_t first, unsigned nr)
{
    ssize_t len = (ssize_t)nr * BLOCK_SIZE;

    return pread(w->fd, w->buf, len, first * BLOCK_SIZE) == len;
}

/* An agent before us, in this guest before its reboot, may have written. */
static uint64_t find_last(struct writer *w)
{
    uint64_t last = 0;

    for (uint64_t i = 0; i < w->nr_blocks; i += NR_AT_ONCE) {
        if (!read_at(w, i, NR_AT_ONCE)) {
            w->d->errors++;
            continue;
        }
        for (unsigned j = 0; j < NR_AT_ONCE; j++)
            if (block_valid(&w->buf[j]) && w->buf[j].seq > last)
                last = w->buf[j].seq;
    }
    return last;
}

/* The sum covers host and time: a copy of this guest that runs elsewhere and
 * writes the same numbers is found too. */
static void verify(struct writer *w, uint64_t seq)
{
    const struct block *b = w->buf;
    bool read = read_at(w, seq % w->nr_blocks, 1);

    if (read && block_valid(b) && b->sum == w->sums[seq % NR_VERIFY]) {
        w->d->verified++;
        return;
    }
    w->d->errors++;
    if (!read)
        printf("AGENT block %ju cannot be read\n", (uintmax_t)seq);
    else
        printf("AGENT block %ju is lost: block %ju of %.*s is there\n",
               (uintmax_t)seq, (uintmax_t)(block_valid(b) ? b->seq : 0),
               BLOCK_HOST_SIZE, block_valid(b) ? b->host : "nobody");
}

static void verify_lap(struct writer *w, uint64_t first, uint64_t last)
{
    for (uint64_t seq = first; seq <= last; seq++)
        verify(w, seq);
}

static bool append(struct writer *w, uint64_t seq)
{
    char host[BLOCK_HOST_SIZE];

    if (!store_read(&w->store, "/lab/host", host, sizeof(host)))
        memcpy(host, "none", sizeof("none"));
    block_fill(w->buf, seq, host, agent_mono_ns() / 1000000);
    w->sums[seq % NR_VERIFY] = w->buf->sum;
    return pwrite(w->fd, w->buf, BLOCK_SIZE, seq % w->nr_blocks * BLOCK_SIZE) ==
               BLOCK_SIZE &&
           fdatasync(w->fd) == 0;
}

static bool writer_open(struct writer *w)
{
    off_t size;

    w->fd = open(w->d->path, O_RDWR | O_DIRECT | O_CLOEXEC);
    if (w->fd < 0)
        return false;
    size = lseek(w->fd, 0, SEEK_END);
    w->nr_blocks = size > 0 ? size / BLOCK_SIZE : 0;
    w->nr_blocks -= w->nr_blocks % NR_AT_ONCE;
    w->buf = aligned_alloc(BLOCK_SIZE, NR_AT_ONCE * BLOCK_SIZE);
    return w->nr_blocks >= 2 * NR_VERIFY && w->buf;
}

static void *disk_run(void *arg)
{
    struct writer w = { .d = arg, .fd = -1, .store = STORE_INIT };
    uint64_t seq, first;

    if (!writer_open(&w)) {
        printf("AGENT disk %s: cannot be used\n", w.d->path);
        w.d->errors++;
        return NULL;
    }
    seq = find_last(&w);
    w.d->acked = seq;
    for (first = seq + 1;;) {
        agent_sleep_until_ns(agent_mono_ns() + PERIOD_MS * 1000000ULL);
        if (!append(&w, seq + 1)) {
            w.d->errors++;
            continue;
        }
        w.d->acked = ++seq;
        if (seq - first + 1 == NR_VERIFY) {
            verify_lap(&w, first, seq);
            first = seq + 1;
        }
    }
    return NULL;
}

void disk_start(struct disk *d)
{
    if (d->path)
        agent_thread(disk_run, d);
}
