/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/choice.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

const struct xlm__method xlm__methods[XLM__METHODS] = {
    { "none", 0, 0 },   { "lz4", 1, 1 },    { "zstd:-3", 2, -3 },
    { "zstd:1", 2, 1 }, { "zstd:3", 2, 3 },
};

/* Buffers between us and the wire take this much at once: after a change,
 * what it takes to send says something about what was before. */
#define SETTLE_PLAIN  (4 * MIB)
#define SETTLE_PACKED (1 * MIB)
/* Enough for a verdict, and the memory of a rate. */
#define MEASURE (4 * MIB)
#define WINDOW  (8.0 * MIB)

/* A change has to promise this much. */
#define GAIN 0.9

/* A trial that goes wrong is ended early, and not repeated soon: 5 MiB lost at
 * half the speed are 4 % of 128 MiB. */
#define HOPELESS         1.3
#define BARRED           (128 * MIB)
#define BARRED_MAX_SHIFT 6

/* What plain sending takes now is looked up again after so much; more rarely
 * if it was much slower, which makes looking dear. */
#define LOOK_AGAIN     (256 * MIB)
#define LOOK_AGAIN_FAR (1024 * MIB)

/* Samples: the next after so much, at most 1 % of all time and the first
 * millisecond, and ever more rarely while nothing shrinks. */
#define SAMPLE_EVERY     (8 * MIB)
#define SAMPLE_EVERY_MAX (128 * MIB)
#define SAMPLE_BUDGET    0.01
#define SAMPLE_FREE_NS   1e6
#define NO_SHARE         0.97

/* A plain byte takes so long that its page is worth comparing: to copy and
 * compare 4096 bytes takes 1 to 2 us, and this is 33. */
#define SLOW_NS 8.0

static void rate_add(struct xlm__rate *r, double amount, uint64_t bytes)
{
    r->sum += amount;
    r->bytes += (double)bytes;
    if (r->bytes > WINDOW) {
        r->sum *= WINDOW / r->bytes;
        r->bytes = WINDOW;
    }
}

static double rate(const struct xlm__rate *r)
{
    return r->bytes > 0 ? r->sum / r->bytes : INFINITY;
}

/* As if it had been measured over at most so much. */
static void rate_limit(struct xlm__rate *r, double bytes)
{
    if (r->bytes > bytes) {
        r->sum *= bytes / r->bytes;
        r->bytes = bytes;
    }
}

void xlm__choice_init(struct xlm__choice *c, uint32_t codecs, double limit_ns)
{
    memset(c, 0, sizeof(*c));
    for (unsigned m = 1; m < XLM__METHODS; m++)
        c->of[m].usable = codecs >> xlm__methods[m].codec & 1;
    c->interval = SAMPLE_EVERY;
    if (limit_ns > 0) { /* as good as measured */
        rate_add(&c->plain_ns, limit_ns * (double)MEASURE, MEASURE);
        c->since = SETTLE_PLAIN + MEASURE;
        c->stale = true; /* but it may be more */
    }
}

/* ---- samples ---- */

static bool sampled(const struct xlm__choice *c, unsigned m)
{
    return !c->of[m].usable || c->of[m].share.bytes > 0;
}

unsigned xlm__choice_sample(const struct xlm__choice *c)
{
    unsigned m = c->last_sample;

    if (c->sampled_ns > SAMPLE_BUDGET * c->spent_ns + SAMPLE_FREE_NS)
        return 0;
    for (unsigned i = 1; i < XLM__METHODS; i++)
        if (!sampled(c, i))
            return i;
    if (c->bytes < c->next_sample)
        return 0;
    for (unsigned i = 1; i < XLM__METHODS; i++) {
        m = m % (XLM__METHODS - 1) + 1;
        if (c->of[m].usable && m != c->now)
            return m;
    }
    return 0;
}

static bool nothing_shrinks(const struct xlm__choice *c)
{
    for (unsigned m = 1; m < XLM__METHODS; m++)
        if (c->of[m].usable && !(rate(&c->of[m].share) > NO_SHARE))
            return false;
    return true;
}

static void plan_next_sample(struct xlm__choice *c)
{
    if (!nothing_shrinks(c))
        c->interval = SAMPLE_EVERY;
    else if (c->interval < SAMPLE_EVERY_MAX)
        c->interval *= 2;
    c->next_sample = c->bytes + c->interval;
}

static void decide_plain(struct xlm__choice *c);

void xlm__choice_sampled(struct xlm__choice *c, unsigned method,
                         uint64_t raw_bytes, uint64_t packed_bytes, uint64_t ns)
{
    struct xlm__choice_of *m = &c->of[method];

    /* The last three or so samples, or what was sent before. */
    rate_limit(&m->encode_ns, 2.0 * (double)raw_bytes);
    rate_limit(&m->share, 2.0 * (double)raw_bytes);
    rate_add(&m->encode_ns, (double)ns, raw_bytes);
    rate_add(&m->share, (double)packed_bytes, raw_bytes);
    c->sampled_ns += (double)ns;
    c->last_sample = method;
    for (unsigned i = 1; i < XLM__METHODS; i++)
        if (!sampled(c, i))
            return;
    plan_next_sample(c);
    if (!c->now)
        decide_plain(c);
}

/* ---- the choice ---- */

static double forecast(const struct xlm__choice *c, unsigned m)
{
    const double plain = rate(&c->plain_ns);

    if (!m)
        return plain;
    return rate(&c->of[m].encode_ns) + rate(&c->of[m].share) * plain;
}

static bool eligible(const struct xlm__choice *c, unsigned m)
{
    return !m || (c->of[m].usable && c->of[m].share.bytes > 0 &&
                  c->bytes >= c->of[m].barred_until);
}

static unsigned best(const struct xlm__choice *c)
{
    unsigned found = 0;

    for (unsigned m = 1; m < XLM__METHODS; m++)
        if (eligible(c, m) && forecast(c, m) < forecast(c, found))
            found = m;
    return found;
}

static void change(struct xlm__choice *c, unsigned m)
{
    c->now = m;
    c->since = 0;
    if (m)
        memset(&c->of[m].seen_ns, 0, sizeof(c->of[m].seen_ns));
    else
        c->stale = true;
}

static bool disappoints(const struct xlm__choice *c)
{
    const struct xlm__rate *seen = &c->of[c->now].seen_ns;
    const double limit = rate(&c->plain_ns);

    if (seen->bytes >= (double)MEASURE)
        return rate(seen) > limit;
    return seen->bytes >= (double)MIB && rate(seen) > HOPELESS * limit;
}

static void bar(struct xlm__choice *c)
{
    struct xlm__choice_of *m = &c->of[c->now];
    unsigned shift = m->failures < BARRED_MAX_SHIFT ? m->failures
                                                    : BARRED_MAX_SHIFT;

    m->failures++;
    m->barred_until = c->bytes + (BARRED << shift);
}

static uint64_t look_again(const struct xlm__choice *c)
{
    return rate(&c->plain_ns) > 2 * rate(&c->of[c->now].seen_ns)
               ? LOOK_AGAIN_FAR
               : LOOK_AGAIN;
}

static void decide_packed(struct xlm__choice *c)
{
    unsigned to = best(c);

    if (c->since >= MIB && forecast(c, c->now) > forecast(c, 0)) {
        change(c, 0); /* the memory is another here */
    } else if (disappoints(c)) {
        if (!c->stale)
            bar(c);
        change(c, 0);
    } else if (c->since >= look_again(c)) {
        change(c, 0);
    } else if (c->since >= MEASURE &&
               forecast(c, to) < GAIN * forecast(c, c->now)) {
        change(c, to);
    }
}

static void decide_plain(struct xlm__choice *c)
{
    unsigned to = best(c);

    if (c->since >= SETTLE_PLAIN + MEASURE && to &&
        forecast(c, to) < GAIN * forecast(c, 0))
        change(c, to);
}

void xlm__choice_sent(struct xlm__choice *c, const struct xlm__choice_sent *s)
{
    struct xlm__choice_of *m = &c->of[c->now];
    bool settled = c->since >= (c->now ? SETTLE_PACKED : SETTLE_PLAIN);

    c->bytes += s->raw_bytes;
    c->since += s->raw_bytes;
    c->spent_ns += (double)s->total_ns;
    if (c->now) {
        rate_add(&m->encode_ns, (double)s->encode_ns, s->raw_bytes);
        rate_add(&m->share, (double)s->packed_bytes, s->raw_bytes);
    }
    if (settled && !c->now && c->stale) {
        memset(&c->plain_ns, 0, sizeof(c->plain_ns));
        c->stale = false;
    }
    if (settled)
        rate_add(c->now ? &m->seen_ns : &c->plain_ns, (double)s->total_ns,
                 s->raw_bytes);
    if (c->now)
        decide_packed(c);
    else
        decide_plain(c);
}

bool xlm__choice_is_slow(const struct xlm__choice *c)
{
    return c->plain_ns.bytes > 0 && rate(&c->plain_ns) >= SLOW_NS;
}
