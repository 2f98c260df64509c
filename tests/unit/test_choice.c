/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/choice.h"

#include "unit.h"

#define MIB    (UINT64_C(1) << 20)
#define SAMPLE 65536u
#define BOTH   (1u << 1 | 1u << 2)

/* A world: what things take in it, and what was spent. */
struct world {
    double plain_ns;                /* a byte on the wire                 */
    double unpack_ns;               /* a raw byte at the peer, if packed  */
    double encode_ns[XLM__METHODS]; /* a raw byte                         */
    double share[XLM__METHODS];
    double spent_ns, plainly_ns; /* as it was; if all were sent plainly */
    uint64_t used[XLM__METHODS]; /* bytes sent by it                   */
    uint64_t samples;
};

/* About what one core does with text-like pages. */
static struct world text(double plain_ns)
{
    return (struct world){
        .plain_ns = plain_ns,
        .encode_ns = { 0, 1.5, 2, 3, 5 },
        .share = { 1, 0.5, 0.45, 0.33, 0.3 },
    };
}

static struct world noise(double plain_ns)
{
    return (struct world){
        .plain_ns = plain_ns,
        .encode_ns = { 0, 0.2, 0.5, 1, 2 },
        .share = { 1, 1, 1, 1, 1 },
    };
}

static void sample(struct xlm__choice *c, struct world *w)
{
    unsigned m;

    while ((m = xlm__choice_sample(c))) {
        double ns = w->encode_ns[m] * SAMPLE;

        xlm__choice_sampled(c, m, SAMPLE, (uint64_t)(w->share[m] * SAMPLE),
                            (uint64_t)ns);
        w->spent_ns += ns;
        w->samples++;
    }
}

/* The slowest stage is what counts: the wire or the peer, which do not wait
 * for each other; encoding is before both. */
static void step(struct xlm__choice *c, struct world *w)
{
    const unsigned m = c->now;
    double wire = w->share[m] * w->plain_ns * (double)MIB;
    double peer = m ? w->unpack_ns * (double)MIB : 0;
    struct xlm__choice_sent s = {
        .raw_bytes = MIB,
        .packed_bytes = (uint64_t)(w->share[m] * (double)MIB),
        .encode_ns = (uint64_t)(w->encode_ns[m] * (double)MIB),
    };

    s.total_ns = s.encode_ns + (uint64_t)(wire > peer ? wire : peer);
    w->spent_ns += (double)s.total_ns;
    w->plainly_ns += w->plain_ns * (double)MIB;
    w->used[m] += MIB;
    xlm__choice_sent(c, &s);
}

static void send_mib(struct xlm__choice *c, struct world *w, unsigned mib)
{
    while (mib--) {
        sample(c, w);
        step(c, w);
    }
}

static void test_choice_begins_plainly(void)
{
    struct world w = text(10);
    struct xlm__choice c;

    xlm__choice_init(&c, BOTH, 0);
    CU_ASSERT_EQUAL(c.now, 0);
    send_mib(&c, &w, 7);
    CU_ASSERT_EQUAL(c.now, 0);
}

static void test_choice_fast_wire_sends_plainly(void)
{
    struct world w = text(1);
    struct xlm__choice c;

    xlm__choice_init(&c, BOTH, 0);
    send_mib(&c, &w, 4096);
    CU_ASSERT_EQUAL(w.used[0], 4096 * MIB);
    CU_ASSERT(w.spent_ns < 1.05 * w.plainly_ns);
}

static void test_choice_slow_wire_takes_the_smallest(void)
{
    struct world w = text(50); /* 20 MB/s */
    struct xlm__choice c;

    xlm__choice_init(&c, BOTH, 0);
    send_mib(&c, &w, 1024);
    CU_ASSERT_STRING_EQUAL(xlm__methods[c.now].name, "zstd:1");
    CU_ASSERT(w.spent_ns < 0.42 * w.plainly_ns);
    w.plain_ns = 500;
    send_mib(&c, &w, 1600);
    CU_ASSERT_STRING_EQUAL(xlm__methods[c.now].name, "zstd:3");
}

static void test_choice_wire_in_between_takes_what_is_cheap(void)
{
    struct world w = text(4);
    struct xlm__choice c;

    xlm__choice_init(&c, BOTH, 0);
    send_mib(&c, &w, 64);
    CU_ASSERT_STRING_EQUAL(xlm__methods[c.now].name, "lz4");
    CU_ASSERT(w.spent_ns < w.plainly_ns);
}

static void test_choice_bandwidth_limit_is_known_from_the_start(void)
{
    struct world w = text(50);
    struct xlm__choice c;

    xlm__choice_init(&c, BOTH, 50);
    send_mib(&c, &w, 1);
    CU_ASSERT_EQUAL(w.used[0], 0);
    CU_ASSERT(c.now != 0);
}

/* The limit was not what held it up: that the encoding is slower than the
 * limit says nothing against it. */
static void test_choice_limit_that_is_not_reached_bars_nothing(void)
{
    struct world w = text(50);
    struct xlm__choice c;

    w.unpack_ns = 20;
    xlm__choice_init(&c, BOTH, 10);
    send_mib(&c, &w, 32);
    CU_ASSERT(c.now != 0);
    for (unsigned m = 0; m < XLM__METHODS; m++)
        CU_ASSERT_EQUAL(c.of[m].failures, 0);
}

static void test_choice_memory_that_does_not_shrink_is_sent_plainly(void)
{
    struct world w = noise(50);
    struct xlm__choice c;

    xlm__choice_init(&c, BOTH, 0);
    send_mib(&c, &w, 2048);
    CU_ASSERT_EQUAL(w.used[0], 2048 * MIB);
    CU_ASSERT(w.spent_ns < 1.001 * w.plainly_ns);
    /* 4 at first, then after 16, 32, 64, 128 MiB and every 128 */
    CU_ASSERT(w.samples < 4 + 4 + 16);
}

static void test_choice_samples_cost_little_on_any_wire(void)
{
    struct world w = noise(0.1);
    struct xlm__choice c;

    xlm__choice_init(&c, BOTH, 0);
    send_mib(&c, &w, 4096);
    CU_ASSERT(w.spent_ns < 1.02 * w.plainly_ns);
}

static void test_choice_encoding_is_noticed_when_memory_changes(void)
{
    struct world w = noise(50);
    struct xlm__choice c;

    xlm__choice_init(&c, BOTH, 0);
    send_mib(&c, &w, 256);
    CU_ASSERT_EQUAL(c.now, 0);
    memcpy(w.share, text(50).share, sizeof(w.share));
    send_mib(&c, &w, 160);
    CU_ASSERT(c.now != 0);
}

static void test_choice_encoding_is_given_up_when_nothing_shrinks(void)
{
    struct world w = text(50);
    struct xlm__choice c;

    xlm__choice_init(&c, BOTH, 0);
    send_mib(&c, &w, 64);
    CU_ASSERT(c.now != 0);
    memcpy(w.share, noise(50).share, sizeof(w.share));
    memset(w.used, 0, sizeof(w.used));
    send_mib(&c, &w, 512);
    CU_ASSERT(w.used[0] >= 490 * MIB);
    CU_ASSERT_EQUAL(c.now, 0);
}

/* The forecast cannot know of it. */
static void test_choice_slow_peer_costs_less_than_five_percent(void)
{
    for (unsigned mib = 128; mib <= 16384; mib *= 4) {
        struct world w = text(5);
        struct xlm__choice c;

        w.unpack_ns = 8;
        xlm__choice_init(&c, BOTH, 0);
        send_mib(&c, &w, mib);
        CU_ASSERT(w.spent_ns < 1.05 * w.plainly_ns);
        if (w.spent_ns >= 1.05 * w.plainly_ns)
            printf("    %u MiB: %.3f\n", mib, w.spent_ns / w.plainly_ns);
    }
}

/* Whatever a wire, an encoder and a memory may be. */
static void test_choice_never_costs_five_percent(void)
{
    for (double wire = 0.2; wire < 200; wire *= 1.3)
        for (double slow = 0.25; slow <= 8; slow *= 2)
            for (double share = 0.1; share <= 1; share += 0.15) {
                struct world w = text(wire);
                struct xlm__choice c;

                for (unsigned m = 1; m < XLM__METHODS; m++) {
                    w.encode_ns[m] *= slow;
                    w.share[m] = share;
                }
                xlm__choice_init(&c, BOTH, 0);
                send_mib(&c, &w, 512);
                CU_ASSERT(w.spent_ns < 1.05 * w.plainly_ns);
                if (w.spent_ns >= 1.05 * w.plainly_ns)
                    printf("    wire %.2f, encoder x%.2f, share %.2f: %.3f\n",
                           wire, slow, share, w.spent_ns / w.plainly_ns);
            }
}

static void test_choice_faster_wire_is_noticed(void)
{
    struct world w = text(50);
    struct xlm__choice c;

    xlm__choice_init(&c, BOTH, 0);
    send_mib(&c, &w, 512);
    CU_ASSERT(c.now != 0);
    w.plain_ns = 0.5;
    send_mib(&c, &w, 1100);
    CU_ASSERT_EQUAL(c.now, 0);
}

static void test_choice_slower_wire_is_noticed(void)
{
    struct world w = text(0.5);
    struct xlm__choice c;

    xlm__choice_init(&c, BOTH, 0);
    send_mib(&c, &w, 256);
    CU_ASSERT_EQUAL(c.now, 0);
    w.plain_ns = 50;
    send_mib(&c, &w, 16);
    CU_ASSERT(c.now != 0);
}

static void test_choice_uses_only_what_the_peer_unpacks(void)
{
    struct world w = text(50);
    struct xlm__choice c;

    xlm__choice_init(&c, 1u << 1, 0);
    send_mib(&c, &w, 64);
    CU_ASSERT_STRING_EQUAL(xlm__methods[c.now].name, "lz4");
    xlm__choice_init(&c, 0, 0);
    send_mib(&c, &w, 64);
    CU_ASSERT_EQUAL(c.now, 0);
    CU_ASSERT_EQUAL(c.sampled_ns, 0);
}

static void test_choice_knows_a_slow_wire(void)
{
    const struct xlm__choice_sent sent = { MIB, MIB, 0, 20 * MIB };
    struct xlm__choice c;

    xlm__choice_init(&c, BOTH, 0);
    CU_ASSERT_FALSE(xlm__choice_is_slow(&c)); /* nothing is known */
    for (int i = 0; i < 32; i++)
        xlm__choice_sent(&c, &sent);
    CU_ASSERT_TRUE(xlm__choice_is_slow(&c));
    xlm__choice_init(&c, BOTH, 7);
    CU_ASSERT_FALSE(xlm__choice_is_slow(&c));
    xlm__choice_init(&c, BOTH, 9);
    CU_ASSERT_TRUE(xlm__choice_is_slow(&c));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_choice_begins_plainly),
    UNIT_TEST(test_choice_fast_wire_sends_plainly),
    UNIT_TEST(test_choice_slow_wire_takes_the_smallest),
    UNIT_TEST(test_choice_wire_in_between_takes_what_is_cheap),
    UNIT_TEST(test_choice_bandwidth_limit_is_known_from_the_start),
    UNIT_TEST(test_choice_limit_that_is_not_reached_bars_nothing),
    UNIT_TEST(test_choice_memory_that_does_not_shrink_is_sent_plainly),
    UNIT_TEST(test_choice_samples_cost_little_on_any_wire),
    UNIT_TEST(test_choice_encoding_is_noticed_when_memory_changes),
    UNIT_TEST(test_choice_encoding_is_given_up_when_nothing_shrinks),
    UNIT_TEST(test_choice_slow_peer_costs_less_than_five_percent),
    UNIT_TEST(test_choice_never_costs_five_percent),
    UNIT_TEST(test_choice_faster_wire_is_noticed),
    UNIT_TEST(test_choice_slower_wire_is_noticed),
    UNIT_TEST(test_choice_uses_only_what_the_peer_unpacks),
    UNIT_TEST(test_choice_knows_a_slow_wire),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("choice", tests)
