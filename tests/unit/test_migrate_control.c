/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migrations whose control channel breaks while memory is copied, and comes
 * back: one situation each; see tests/scenario/scenario.h. */
#include "config.h"

#include "../scenario/scenario_test.h"
#include "unit.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static bool logged(const struct run *r, const char *text)
{
    return strstr(r->log, text) != NULL;
}

/* Memory goes over TCP, through something that counts pages. */
#define COUNTED .opt = { .data = XLM_DATA_PLAIN }, .break_refuse = 99

/* Records of the source up to the first ROUND_BEGIN. */
static unsigned begin_of_rounds(const struct scenario *plan)
{
    struct run *r = calloc(1, sizeof(*r));
    struct scenario sc = *plan;
    unsigned unit;

    sc.cut = TO_NONE;
    if (sc.event)
        sc.event = scenario_switch;
    scenario_run(&sc, "undisturbed", r);
    SCENARIO_CHECK(r, r->nr_comebacks == 0);
    unit = r->begin_unit;
    scenario_free(r);
    free(r);
    return unit;
}

/* `plan`, cut for the first time when `after` records of the rounds are
 * there. */
static void run_cut(const struct scenario *plan, unsigned after, struct run *r)
{
    static struct scenario sc;

    sc = *plan;
    sc.cut = TO_DESTINATION;
    sc.cut_units = begin_of_rounds(plan) + after;
    scenario_run(&sc, "cut", r);
}

static void check_ten(const struct scenario *plan)
{
    struct run *r = calloc(1, sizeof(*r));
    struct scenario sc = *plan;

    /* On a fast machine one round would be all, with fewer records than are to
     * be cut. */
    sc.opt.bandwidth_bytes_s = 32 << 20;
    run_cut(&sc, 1, r);
    SCENARIO_CHECK(r, r->nr_comebacks == 11);
    SCENARIO_CHECK(r, r->src.stats.control_reconnects >= 5);
    SCENARIO_CHECK(r, r->src.stats.control_lost == 0);
    SCENARIO_CHECK(r, r->twice == 0);
    SCENARIO_CHECK(r, logged(r, "control channel lost: "));
    SCENARIO_CHECK(r, logged(r, "; trying again for 30 s"));
    SCENARIO_CHECK(r, logged(r, "control channel is back after "));
    SCENARIO_CHECK(r, logged(r, "control is back after "));
    scenario_free(r);
    free(r);
}

/* In a greeting, behind it, behind a record. */
#define TEN_TIMES                                                              \
    {                                                                          \
        2, 1, 2, 1, 2, 1, 2, 1, 2, 1                                           \
    }

static void test_migrate_control_ten_times_moves(void)
{
    const struct scenario sc = { MOVED, COUNTED, .returns = true,
                                 .control_breaks = TEN_TIMES,
                                 .writer = WRITER_FAST };

    check_ten(&sc);
}

static void test_migrate_control_ten_times_torn_moves(void)
{
    const struct scenario sc = { MOVED,
                                 COUNTED,
                                 .returns = true,
                                 .control_breaks = TEN_TIMES,
                                 .cut_torn = true,
                                 .writer = WRITER_FAST };

    check_ten(&sc);
}

static void test_migrate_control_unnoticed_by_the_destination_moves(void)
{
    const struct scenario sc = { MOVED,
                                 COUNTED,
                                 .returns = true,
                                 .control_breaks = TEN_TIMES,
                                 .cut_unseen = true,
                                 .writer = WRITER_FAST };

    check_ten(&sc);
}

static void test_migrate_control_of_pv_moves(void)
{
    const struct scenario sc = { MOVED,
                                 COUNTED,
                                 .type = XLM__TYPE_PV,
                                 .returns = true,
                                 .control_breaks = TEN_TIMES,
                                 .writer = WRITER_FAST };

    check_ten(&sc);
}

static void test_migrate_control_of_hvm_with_four_channels_moves(void)
{
    const struct scenario sc = { MOVED,
                                 COUNTED,
                                 .type = XLM__TYPE_HVM,
                                 .channels = 4,
                                 .returns = true,
                                 .control_breaks = TEN_TIMES,
                                 .writer = WRITER_FAST };

    check_ten(&sc);
}

static void test_migrate_control_and_data_both_move(void)
{
    const struct scenario sc = {
        MOVED,
        .opt = { .data = XLM_DATA_PLAIN },
        .returns = true,
        .control_breaks = TEN_TIMES,
        .breaks = { 96 + 16 + 8, 96 + 4000, 96 + 100000, 96 + 5, 96, 96 + 70001,
                    96 + 400000, 96 + 33 },
        .writer = WRITER_FAST,
    };

    check_ten(&sc);
}

/* At every place, before, during and after the rounds. */
static void cut_everywhere(enum direction to, bool torn)
{
    struct run *r = calloc(1, sizeof(*r));
    struct scenario sc = { .rc = SCENARIO_ANY,
                           COUNTED,
                           .returns = true,
                           .cut = to,
                           .cut_torn = torn,
                           .writer = WRITER_SLOW };
    unsigned nr_back = 0, units = UINT32_MAX;
    char label[64];

    for (; sc.cut_units < units && sc.cut_units < 200; sc.cut_units++) {
        snprintf(label, sizeof(label), "cut after %u units", sc.cut_units);
        scenario_run(&sc, label, r);
        if (r->src.stats.control_reconnects) {
            nr_back++;
            SCENARIO_CHECK(r, r->src.rc == 0 && r->dst.rc == 0);
            SCENARIO_CHECK(r, r->nr_comebacks == 1);
        }
        SCENARIO_CHECK(r, r->twice == 0);
        if (r->units[to] < sc.cut_units)
            units = r->units[to];
        scenario_free(r);
    }
    CU_ASSERT_TRUE(nr_back >= (to == TO_DESTINATION ? 3 : 2));
    free(r);
}

static void test_migrate_control_cut_after_each_record_moves_or_stays(void)
{
    cut_everywhere(TO_DESTINATION, false);
    cut_everywhere(TO_DESTINATION, true);
}

static void test_migrate_control_cut_after_each_answer_moves_or_stays(void)
{
    cut_everywhere(TO_SOURCE, false);
    cut_everywhere(TO_SOURCE, true);
}

static void run_refused(struct scenario *sc, struct run *r)
{
    sc->control_refuse = 1;
    run_cut(sc, 1, r);
    SCENARIO_CHECK(r, r->src.stats.control_reconnects == 0);
    SCENARIO_CHECK(r, r->nr_comebacks == 0);
}

static void test_migrate_control_nobody_answers_stays(void)
{
    struct run *r = calloc(1, sizeof(*r));
    struct scenario sc = { .rc = SCENARIO_ANY,
                           .owner = XLM_OWNER_SOURCE,
                           .opt = { .data = XLM_DATA_PLAIN,
                                    .reconnect_ms = 1000 },
                           .returns = true,
                           .writer = WRITER_SLOW };

    run_refused(&sc, r);
    SCENARIO_CHECK(r, r->src.rc == XLM_ERR_CHANNEL);
    SCENARIO_CHECK(r, r->src.owner == XLM_OWNER_SOURCE);
    SCENARIO_CHECK(r, strstr(r->src.message, "control channel lost: ") &&
                          strstr(r->src.message,
                                 "; not back within 1 s: Connection refused"));
    /* Not for as long as it would wait otherwise. */
    SCENARIO_CHECK(r, logged(r, "and the data channels have ended"));
    scenario_free(r);
    free(r);
}

static void test_migrate_control_switched_off_stays(void)
{
    struct run *r = calloc(1, sizeof(*r));
    struct scenario sc = { .rc = SCENARIO_ANY,
                           .opt = { .data = XLM_DATA_PLAIN,
                                    .reconnect_ms = XLM_RECONNECT_OFF },
                           .returns = true,
                           .writer = WRITER_SLOW };

    run_refused(&sc, r);
    SCENARIO_CHECK(r, r->src.owner == XLM_OWNER_SOURCE && r->src.rc != 0);
    SCENARIO_CHECK(r, !logged(r, "trying again"));
    SCENARIO_CHECK(r, !logged(r, "it may come back"));
    scenario_free(r);
    free(r);
}

static void speak_old(struct run *r)
{
    r->dst.session->greeting.offered &= ~XLM__FEATURE_RETURN;
}

static void test_migrate_control_unknown_to_the_destination_stays(void)
{
    struct run *r = calloc(1, sizeof(*r));
    struct scenario sc = { .rc = SCENARIO_ANY,
                           .opt = { .data = XLM_DATA_PLAIN },
                           .returns = true,
                           .prepare = speak_old,
                           .writer = WRITER_SLOW };

    run_refused(&sc, r);
    SCENARIO_CHECK(r, r->src.owner == XLM_OWNER_SOURCE && r->src.rc != 0);
    SCENARIO_CHECK(r, !logged(r, "trying again"));
    SCENARIO_CHECK(r, !logged(r, "it may come back"));
    scenario_free(r);
    free(r);
}

static int cancel_instead(void *user, int *rfd_out, int *wfd_out)
{
    struct side *s = user;

    (void)rfd_out;
    (void)wfd_out;
    scenario_cancel(s);
    return ECONNREFUSED;
}

static void test_migrate_control_cancelled_while_lost_stays(void)
{
    struct run *r = calloc(1, sizeof(*r));
    const struct scenario sc = { .rc = SCENARIO_ANY,
                                 .opt = { .data = XLM_DATA_PLAIN },
                                 .reopen = cancel_instead,
                                 .writer = WRITER_SLOW };

    run_cut(&sc, 1, r);
    SCENARIO_CHECK(r, r->src.rc == XLM_ERR_CANCELLED);
    SCENARIO_CHECK(r, r->src.owner == XLM_OWNER_SOURCE);
    scenario_free(r);
    free(r);
}

static int end_guest_instead(void *user, int *rfd_out, int *wfd_out)
{
    struct side *s = user;

    (void)rfd_out;
    (void)wfd_out;
    guest_may_shut_down(s->run, 0);
    return ECONNREFUSED;
}

static void test_migrate_control_guest_ends_while_lost_is_told(void)
{
    struct run *r = calloc(1, sizeof(*r));
    const struct scenario sc = { .rc = SCENARIO_ANY,
                                 .opt = { .data = XLM_DATA_PLAIN },
                                 .reopen = end_guest_instead,
                                 .writer = WRITER_SLOW };

    run_cut(&sc, 1, r);
    SCENARIO_CHECK(r, r->src.rc == XLM_ERR_GUEST_ENDED);
    scenario_free(r);
    free(r);
}

/* ---- a login that finds no session ---- */

struct login {
    int fd;
    pthread_t thread;
};

static void *log_in(void *arg)
{
    unsigned char greeting[XLM_GREETING_BYTES];
    char message[XLM_MESSAGE_MAX];
    struct login *l = arg;
    int rc = xlm_channel_join(l->fd, l->fd, greeting, message);

    CU_ASSERT_EQUAL(rc, XLM_ERR_CHANNEL);
    close(l->fd);
    return NULL;
}

static struct login the_login;

/* The session is not where that looks for it. */
static int log_in_elsewhere(void *user, int *rfd_out, int *wfd_out)
{
    int fds[2];

    (void)user;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
        abort();
    the_login.fd = fds[1];
    if (pthread_create(&the_login.thread, NULL, log_in, &the_login))
        abort();
    *rfd_out = *wfd_out = fds[0];
    return 0;
}

static void await_login(struct run *r)
{
    if (r->sc->cut != TO_NONE)
        pthread_join(the_login.thread, NULL);
}

static void test_migrate_control_session_is_over_stays_at_once(void)
{
    struct run *r = calloc(1, sizeof(*r));
    const struct scenario sc = { .rc = SCENARIO_ANY,
                                 .opt = { .data = XLM_DATA_PLAIN },
                                 .reopen = log_in_elsewhere,
                                 .over = await_login,
                                 .writer = WRITER_SLOW };

    run_cut(&sc, 1, r);
    SCENARIO_CHECK(r, r->src.rc == XLM_ERR_CHANNEL);
    SCENARIO_CHECK(r, r->src.owner == XLM_OWNER_SOURCE);
    SCENARIO_CHECK(r, strstr(r->src.message, "does not wait for us any more"));
    scenario_free(r);
    free(r);
}

/* ---- strangers ---- */

/* A greeting as the source would send it; was it answered, and as what? */
static bool is_answered(struct run *r, uint32_t attempt, uint32_t taken,
                        bool token, struct xlm__greeting *out)
{
    struct xlm__greeting g = r->src.session->greeting;
    uint8_t bytes[XLM__GREETING_BYTES];
    char why[XLM_MESSAGE_MAX];
    struct pollfd p = { .events = POLLIN };
    ssize_t n;

    g.attempt = attempt;
    g.taken = taken;
    g.token[0] ^= !token;
    xlm__greeting_encode(&g, bytes);
    p.fd = joiner_start(r);
    if (write(p.fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
        abort();
    n = poll(&p, 1, 5000) > 0 ? read(p.fd, bytes, sizeof(bytes)) : -1;
    close(p.fd);
    SCENARIO_CHECK(r, n >= 0);
    if (n <= 0)
        return false;
    SCENARIO_CHECK(r, n == (ssize_t)sizeof(bytes) &&
                          !xlm__greeting_decode(bytes, out, why));
    return true;
}

static void come_with_a_wrong_token(struct run *r)
{
    struct xlm__greeting g;

    SCENARIO_CHECK(r, !is_answered(r, 5, 1, false, &g));
}

static void come_without_an_attempt(struct run *r)
{
    struct xlm__greeting g;

    SCENARIO_CHECK(r, !is_answered(r, 0, 0, true, &g));
}

/* It broke once by then; without us there would be no end of rounds. */
static void come_again(struct run *r)
{
    struct xlm__greeting g;

    SCENARIO_CHECK(r, r->src.session->stats.control_reconnects == 1);
    SCENARIO_CHECK(r, !is_answered(r, 1, 1, true, &g));
    scenario_switch(r);
}

static void come_with_too_many(struct run *r)
{
    struct xlm__greeting g = { 0 };

    SCENARIO_CHECK(r, is_answered(r, 5, 100000, true, &g));
    SCENARIO_CHECK(r, g.attempt == 0);
}

static void be_a_stranger(void (*event)(struct run *r))
{
    struct run *r = calloc(1, sizeof(*r));
    const struct scenario sc = { MOVED,
                                 COUNTED,
                                 .returns = true,
                                 .event = event,
                                 .event_state = XLM_STATE_PRECOPY,
                                 .event_round = 1,
                                 .writer = WRITER_FAST };

    scenario_run(&sc, "stranger", r);
    SCENARIO_CHECK(r, atomic_load(&r->event_done));
    SCENARIO_CHECK(r, r->src.stats.control_reconnects == 0);
    SCENARIO_CHECK(r, r->twice == 0);
    scenario_free(r);
    free(r);
}

static void test_migrate_control_with_a_wrong_token_is_refused(void)
{
    be_a_stranger(come_with_a_wrong_token);
}

static void test_migrate_control_without_an_attempt_is_refused(void)
{
    be_a_stranger(come_without_an_attempt);
}

static void test_migrate_control_of_an_old_attempt_is_refused(void)
{
    struct run *r = calloc(1, sizeof(*r));
    const struct scenario sc = { MOVED,
                                 .opt = { .data = XLM_DATA_PLAIN,
                                          .downtime_ms = 20,
                                          .fixed_pause_ms = 5,
                                          .bandwidth_bytes_s = 60 << 20 },
                                 .break_refuse = 99,
                                 .nr_pfns = 4096,
                                 .nr_ram = 4096,
                                 .returns = true,
                                 .event = come_again,
                                 .event_state = XLM_STATE_PRECOPY,
                                 .event_round = 2,
                                 .writer = WRITER_FAST };

    run_cut(&sc, 1, r);
    SCENARIO_CHECK(r, atomic_load(&r->event_done));
    SCENARIO_CHECK(r, r->src.stats.control_reconnects == 1);
    SCENARIO_CHECK(r, r->twice == 0);
    scenario_free(r);
    free(r);
}

static void test_migrate_control_that_took_what_was_not_sent_is_refused(void)
{
    LOOK(.rc = SCENARIO_ANY,
         .opt = { .data = XLM_DATA_PLAIN, .reconnect_ms = 1000 },
         .returns = true, .event = come_with_too_many,
         .event_state = XLM_STATE_PRECOPY, .event_round = 1,
         .writer = WRITER_FAST);

    SCENARIO_CHECK(r, r->src.owner == XLM_OWNER_SOURCE && r->src.rc != 0);
    SCENARIO_CHECK(r, strstr(r->dst.message, "took 100000 records"));
    DONE();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_migrate_control_ten_times_moves),
    UNIT_TEST(test_migrate_control_ten_times_torn_moves),
    UNIT_TEST(test_migrate_control_unnoticed_by_the_destination_moves),
    UNIT_TEST(test_migrate_control_of_pv_moves),
    UNIT_TEST(test_migrate_control_of_hvm_with_four_channels_moves),
    UNIT_TEST(test_migrate_control_and_data_both_move),
    UNIT_TEST(test_migrate_control_cut_after_each_record_moves_or_stays),
    UNIT_TEST(test_migrate_control_cut_after_each_answer_moves_or_stays),
    UNIT_TEST(test_migrate_control_nobody_answers_stays),
    UNIT_TEST(test_migrate_control_switched_off_stays),
    UNIT_TEST(test_migrate_control_unknown_to_the_destination_stays),
    UNIT_TEST(test_migrate_control_cancelled_while_lost_stays),
    UNIT_TEST(test_migrate_control_guest_ends_while_lost_is_told),
    UNIT_TEST(test_migrate_control_session_is_over_stays_at_once),
    UNIT_TEST(test_migrate_control_with_a_wrong_token_is_refused),
    UNIT_TEST(test_migrate_control_without_an_attempt_is_refused),
    UNIT_TEST(test_migrate_control_of_an_old_attempt_is_refused),
    UNIT_TEST(test_migrate_control_that_took_what_was_not_sent_is_refused),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("migrate_control", tests)
