/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bodies of section 6.2. */
#include "config.h"

#include "xlmdump.h"

static uint64_t all_sums(const struct dump *d)
{
    return (d->nr_pfns + 255) / 256;
}

static bool spared(struct dump *d)
{
    uint64_t count, e, next = 0;

    if (!number(d, 4, &count) || !limits(d, "count", count, 0, 65536) ||
        !reserved(d))
        return false;
    say(d, " %u pages", (unsigned)count);
    for (; count; count--) {
        if (!number(d, 8, &e))
            return false;
        if ((e >> 52 & 0xff) || !(e >> 60) || e >> 60 > 7)
            return fail(d, "page 0x%llx", (unsigned long long)e);
        e &= 0xfffffffffffffull;
        if (e < next || e >= d->nr_pfns)
            return fail(d, "pfn 0x%llx", (unsigned long long)e);
        next = e + 1;
    }
    return true;
}

static bool sums(struct dump *d, struct body *b)
{
    uint64_t count;

    if (!number(d, 8, &b->sum) || !number(d, 4, &count) ||
        !limits(d, "count", count, 1, 65536) || !reserved(d))
        return false;
    if (b->sum >= all_sums(d) || count > all_sums(d) - b->sum)
        return fail(d, "%u sums from %llu", (unsigned)count,
                    (unsigned long long)b->sum);
    b->nr_sums = count;
    say(d, " %llu..%llu", (unsigned long long)b->sum,
        (unsigned long long)(b->sum + count - 1));
    return skip(d, 16 * count);
}

static bool one_sum(struct dump *d, struct body *b, size_t more)
{
    if (!number(d, 8, &b->sum) || !limits(d, "sum", b->sum, 0, all_sums(d) - 1))
        return false;
    say(d, " %llu", (unsigned long long)b->sum);
    return skip(d, more);
}

static bool verified(struct dump *d)
{
    uint64_t count, left_out;

    if (!number(d, 8, &count) || !limits(d, "pages", count, 0, d->nr_pfns) ||
        !number(d, 8, &left_out) ||
        !limits(d, "spared pages", left_out, 0, d->nr_pfns))
        return false;
    say(d, " %llu pages, %llu not", (unsigned long long)count,
        (unsigned long long)left_out);
    return skip(d, 8);
}

/* The keys are not printed. */
bool dump_verify(struct dump *d, struct body *b)
{
    switch (d->type) {
    case VERIFY:
        return d->offered & 0x10 ? skip(d, 8544)
                                 : fail(d, "its feature was not offered");
    case SPARED:
        return spared(d);
    case SUMS:
        return sums(d, b);
    case ASK:
        return one_sum(d, b, 0);
    case HASHES:
        return one_sum(d, b, 4096);
    default:
        return verified(d);
    }
}
