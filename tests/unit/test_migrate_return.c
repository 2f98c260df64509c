/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migrations whose data channels break and come back: one situation each; see
 * tests/scenario/scenario.h. */
#include "config.h"

#include "../scenario/scenario_test.h"
#include "chan/tcp.h"
#include "unit.h"

#include <poll.h>
#include <unistd.h>

static bool logged(struct run *r, const char *text)
{
    return strstr(r->log, text) != NULL;
}

/* In the greeting, a header, a list, contents, between records. */
#define TEN_TIMES                                                              \
    {                                                                          \
        96 + 16 + 8, 96 + 4000, 96 + 100000, 96 + 5, 96, 96 + 70001,           \
            96 + 400000, 96 + 33, 96 + 8192, 96 + 300001                       \
    }

static void test_migrate_return_ten_times_moves(void)
{
    LOOK(MOVED, .opt = { .data = XLM_DATA_PLAIN }, .breaks = TEN_TIMES,
         .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->nr_connections == 11);
    SCENARIO_CHECK(r, r->src.stats.reconnects >= 6);
    SCENARIO_CHECK(r, r->src.stats.lost_channels == 0);
    SCENARIO_CHECK(r, r->src.stats.lost_us > 0);
    SCENARIO_CHECK(r, r->twice == 0);
    SCENARIO_CHECK(r, logged(r, "data channel 0 lost: "));
    SCENARIO_CHECK(r, logged(r, "; trying again for 30 s"));
    SCENARIO_CHECK(r, logged(r, "data channel 0 is back after 0."));
    DONE();
}

static void test_migrate_return_ten_times_with_tls_moves(void)
{
    LOOK(MOVED, .opt = { .data = XLM_DATA_TLS },
         .breaks = { 4000, 100000, 70001, 400000, 3000, 33000, 8192, 300001,
                     90000, 900000 },
         .break_how = BREAK_RESET, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->src.stats.reconnects >= 9);
    DONE();
}

static void test_migrate_return_unnoticed_by_the_destination_moves(void)
{
    LOOK(MOVED, .opt = { .data = XLM_DATA_PLAIN }, .breaks = TEN_TIMES,
         .break_how = BREAK_UNSEEN, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->nr_connections == 11);
    SCENARIO_CHECK(r, r->src.stats.reconnects >= 6);
    SCENARIO_CHECK(r, r->twice == 0);
    DONE();
}

static void test_migrate_return_reset_under_a_fast_writer_moves(void)
{
    LOOK(MOVED, .opt = { .data = XLM_DATA_PLAIN, .max_rounds = 6 },
         .breaks = TEN_TIMES, .break_how = BREAK_RESET, .writer = WRITER_FAST);

    SCENARIO_CHECK(r, r->nr_connections == 11);
    SCENARIO_CHECK(r, r->src.stats.reconnects >= 6);
    DONE();
}

static void test_migrate_return_under_ballooning_moves(void)
{
    RUN(MOVED, .opt = { .data = XLM_DATA_PLAIN }, .breaks = TEN_TIMES,
        .writer = WRITER_BALLOON);
}

static void test_migrate_return_of_compressed_pages_moves(void)
{
    LOOK(MOVED, .opt = { .data = XLM_DATA_PLAIN, .compress = XLM_COMPRESS_LZ4 },
         .breaks = { 400, 3000, 96, 1000, 700, 200, 500 },
         .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->src.stats.reconnects >= 5);
    DONE();
}

static void test_migrate_return_with_a_limit_moves(void)
{
    LOOK(MOVED,
         .opt = { .data = XLM_DATA_PLAIN,
                  .bandwidth_bytes_s = 8000000,
                  .compress = XLM_COMPRESS_NONE },
         .breaks = TEN_TIMES, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->nr_connections == 11);
    SCENARIO_CHECK(r, r->src.stats.reconnects >= 6);
    SCENARIO_CHECK(r, r->twice == 0);
    DONE();
}

static void test_migrate_return_of_pv_moves(void)
{
    LOOK(MOVED, .type = XLM__TYPE_PV, .opt = { .data = XLM_DATA_PLAIN },
         .breaks = TEN_TIMES, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->nr_connections == 11);
    SCENARIO_CHECK(r, r->src.stats.reconnects >= 6);
    SCENARIO_CHECK(r, r->twice == 0);
    DONE();
}

static void test_migrate_return_of_pv_found_by_a_scan_moves(void)
{
    LOOK(MOVED, .type = XLM__TYPE_PV,
         .opt = { .data = XLM_DATA_PLAIN, .dirty = XLM_DIRTY_SCAN },
         .breaks = TEN_TIMES, .writer = WRITER_FAST);

    SCENARIO_CHECK(r, r->nr_connections == 11);
    SCENARIO_CHECK(r, r->src.stats.reconnects >= 6);
    DONE();
}

static void test_migrate_return_of_four_channels_moves(void)
{
    LOOK(MOVED, .type = XLM__TYPE_HVM, .opt = { .data = XLM_DATA_PLAIN },
         .channels = 4, .nr_pfns = 8192, .nr_ram = 8000, .breaks = TEN_TIMES,
         .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->src.stats.reconnects >= 4);
    SCENARIO_CHECK(r, r->twice == 0);
    DONE();
}

/* At very many places of the first round, one after the other. */
static void break_everywhere(enum break_how how)
{
    struct run *r = calloc(1, sizeof(*r));
    struct scenario sc = { MOVED, .opt = { .data = XLM_DATA_PLAIN },
                           .break_how = how, .writer = WRITER_SLOW };
    char label[64];

    for (uint64_t at = 1; at < 1000000; at += at < 100 ? 7 : at / 3) {
        sc.breaks[0] = XLM__GREETING_BYTES + at;
        sc.breaks[1] = XLM__GREETING_BYTES + at / 2 + 1;
        snprintf(label, sizeof(label), "breaks after %llu bytes",
                 (unsigned long long)at);
        scenario_run(&sc, label, r);
        SCENARIO_CHECK(r, r->nr_connections == 3);
        SCENARIO_CHECK(r, r->twice == 0 || how == BREAK_RESET);
        scenario_free(r);
    }
    free(r);
}

static void test_migrate_return_after_many_numbers_of_bytes_moves(void)
{
    break_everywhere(BREAK_END);
}

static void test_migrate_return_reset_after_many_numbers_of_bytes_moves(void)
{
    break_everywhere(BREAK_RESET);
}

static void test_migrate_return_nobody_answers_stays(void)
{
    LOOK(.rc = XLM_ERR_CHANNEL, STAYED,
         .opt = { .data = XLM_DATA_TLS, .reconnect_ms = 1000 },
         .breaks = { 200000 }, .break_refuse = 1, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, strstr(r->src.message, "data channel 0 lost: ") &&
                          strstr(r->src.message, "not back within 1 s: ") &&
                          strstr(r->src.message, "Connection refused"));
    SCENARIO_CHECK(r, r->src.stats.reconnects == 0);
    DONE();
}

static void test_migrate_return_switched_off_stays(void)
{
    LOOK(.rc = SCENARIO_ANY, STAYED,
         .opt = { .data = XLM_DATA_PLAIN, .reconnect_ms = XLM_RECONNECT_OFF },
         .breaks = { 200000 }, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->nr_connections == 1);
    SCENARIO_CHECK(r, !logged(r, "trying again"));
    DONE();
}

/* Connections pass through what could break them, and does not. */
#define UNBROKEN                                                               \
    {                                                                          \
        UINT64_MAX                                                             \
    }

/* Of four pages each. */
static void wear_out_soon(struct run *r)
{
    r->src.session->key_records = 100;
}

static void test_migrate_return_of_worn_keys_moves(void)
{
    LOOK(MOVED, .opt = { .data = XLM_DATA_TLS, .compress = XLM_COMPRESS_NONE },
         .nr_pfns = 8192, .nr_ram = 8000, .breaks = UNBROKEN,
         .prepare = wear_out_soon, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->nr_connections >= 3);
    SCENARIO_CHECK(r, logged(r, "data channel 0 has another key"));
    SCENARIO_CHECK(r, !logged(r, " lost: "));
    SCENARIO_CHECK(r, r->src.stats.reconnects == 0);
    DONE();
}

static void test_migrate_return_of_worn_keys_of_four_channels_moves(void)
{
    LOOK(MOVED,
         .opt = { .data = XLM_DATA_TLS,
                  .flags = XLM_F_KTLS,
                  .compress = XLM_COMPRESS_NONE },
         .channels = 4, .nr_pfns = 8192, .nr_ram = 8000,
         .breaks = { 4000, 100000 }, .break_how = BREAK_RESET,
         .prepare = wear_out_soon, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, logged(r, " has another key"));
    DONE();
}

/* In round 1, which takes a record of TLS for four pages; four times as many
 * are not needed. */
static void wear_out_later(struct run *r)
{
    r->src.session->key_records = 70;
}

static void test_migrate_return_of_a_worn_key_without_another_moves(void)
{
    LOOK(MOVED,
         .opt = { .data = XLM_DATA_TLS,
                  .compress = XLM_COMPRESS_NONE,
                  .max_rounds = 2 },
         .breaks = UNBROKEN, .break_refuse = 1, .prepare = wear_out_later,
         .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->nr_connections == 1);
    SCENARIO_CHECK(r, logged(r, "data channel 0 keeps its key for now: "));
    SCENARIO_CHECK(r, !logged(r, "has another key"));
    DONE();
}

static void wear_out_at_once(struct run *r)
{
    r->src.session->key_records = 2;
}

static void test_migrate_return_of_a_worn_out_key_without_another_stays(void)
{
    LOOK(.rc = XLM_ERR_CHANNEL, STAYED,
         .opt = { .data = XLM_DATA_TLS, .reconnect_ms = 1000 },
         .breaks = UNBROKEN, .break_refuse = 1, .prepare = wear_out_at_once,
         .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, strstr(r->src.message, "its key is worn out, and there "
                                             "is no other: ") &&
                          strstr(r->src.message, "not back within 1 s: "));
    DONE();
}

static void test_migrate_return_of_a_key_that_is_not_worn_is_not_made(void)
{
    LOOK(MOVED, .opt = { .data = XLM_DATA_TLS }, .breaks = UNBROKEN,
         .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->nr_connections == 1);
    DONE();
}

static void speak_old(struct run *r)
{
    r->dst.session->greeting.offered &= ~XLM__FEATURE_RESUME;
}

static void test_migrate_return_unknown_to_the_destination_stays(void)
{
    LOOK(.rc = SCENARIO_ANY, STAYED, .opt = { .data = XLM_DATA_PLAIN },
         .breaks = { 200000 }, .prepare = speak_old, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->nr_connections == 1);
    DONE();
}

static void test_migrate_return_unknown_to_the_destination_moves(void)
{
    RUN(MOVED, .opt = { .data = XLM_DATA_PLAIN }, .prepare = speak_old,
        .writer = WRITER_SLOW);
}

static void test_migrate_return_cancelled_while_lost_stays(void)
{
    RUN(.rc = XLM_ERR_CANCELLED, STAYED, .opt = { .data = XLM_DATA_PLAIN },
        .breaks = { 200000 }, .break_refuse = 1,
        .event = scenario_cancel_source, .event_state = XLM_STATE_PRECOPY,
        .event_round = 1, .writer = WRITER_SLOW);
}

/* ---- by the way of the control channel ---- */

static void test_migrate_return_by_login_ten_times_moves(void)
{
    LOOK(MOVED, .data_returns = true, .breaks = TEN_TIMES,
         .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->nr_connections == 11);
    SCENARIO_CHECK(r, r->src.stats.reconnects >= 6);
    SCENARIO_CHECK(r, r->src.stats.lost_channels == 0);
    SCENARIO_CHECK(r, logged(r, "data channel 0 lost: "));
    SCENARIO_CHECK(r, logged(r, "data channel 0 is back after 0."));
    SCENARIO_CHECK(r, logged(r, "data 0 is back after "));
    DONE();
}

static void test_migrate_return_by_login_unnoticed_there_moves(void)
{
    LOOK(MOVED, .data_returns = true, .breaks = TEN_TIMES,
         .break_how = BREAK_UNSEEN, .writer = WRITER_FAST,
         .opt = { .max_rounds = 6 });

    SCENARIO_CHECK(r, r->nr_connections == 11);
    SCENARIO_CHECK(r, r->src.stats.reconnects >= 6);
    SCENARIO_CHECK(r, logged(r, "left for another connection"));
    DONE();
}

static void test_migrate_return_by_login_unnoticed_here_moves(void)
{
    LOOK(MOVED, .data_returns = true, .breaks = TEN_TIMES,
         .break_how = BREAK_HALF, .writer = WRITER_FAST,
         .opt = { .max_rounds = 6 });

    SCENARIO_CHECK(r, r->nr_connections == 11);
    SCENARIO_CHECK(r, r->src.stats.reconnects >= 6);
    DONE();
}

static void test_migrate_return_by_login_of_pv_moves(void)
{
    LOOK(MOVED, .type = XLM__TYPE_PV, .data_returns = true, .breaks = TEN_TIMES,
         .opt = { .dirty = XLM_DIRTY_SCAN }, .writer = WRITER_FAST);

    SCENARIO_CHECK(r, r->src.stats.reconnects >= 6);
    DONE();
}

static void test_migrate_return_by_login_of_four_channels_moves(void)
{
    LOOK(MOVED, .type = XLM__TYPE_HVM, .data_returns = true, .returns = true,
         .channels = 4, .nr_pfns = 8192, .nr_ram = 8000, .breaks = TEN_TIMES,
         .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->src.stats.reconnects >= 4);
    DONE();
}

/* Control and data break at about the same time, as with a host's sshd. */
static void test_migrate_return_by_login_with_control_moves(void)
{
    LOOK(MOVED, .data_returns = true, .returns = true, .cut = TO_DESTINATION,
         .cut_units = 12, .control_breaks = { 2, 1, 2 }, .breaks = TEN_TIMES,
         .writer = WRITER_FAST, .opt = { .max_rounds = 6 });

    SCENARIO_CHECK(r, r->src.stats.reconnects >= 6);
    SCENARIO_CHECK(r, r->src.stats.control_reconnects >= 1);
    DONE();
}

static void test_migrate_return_by_login_nobody_answers_stays(void)
{
    LOOK(.rc = XLM_ERR_CHANNEL, STAYED, .opt = { .reconnect_ms = 1000 },
         .data_returns = true, .breaks = { 200000 }, .break_refuse = 1,
         .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, strstr(r->src.message, "data channel 0 lost: ") &&
                          strstr(r->src.message, "not back within 1 s: ") &&
                          strstr(r->src.message, "Connection refused"));
    DONE();
}

static void test_migrate_return_by_login_switched_off_stays(void)
{
    LOOK(.rc = SCENARIO_ANY, STAYED,
         .opt = { .reconnect_ms = XLM_RECONNECT_OFF }, .data_returns = true,
         .breaks = { 200000 }, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->nr_connections == 1);
    SCENARIO_CHECK(r, !logged(r, "trying again"));
    DONE();
}

static void test_migrate_return_by_login_unknown_there_stays(void)
{
    LOOK(.rc = SCENARIO_ANY, STAYED, .data_returns = true, .breaks = { 200000 },
         .prepare = speak_old, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->nr_connections == 1);
    DONE();
}

static void test_migrate_return_by_login_cancelled_while_lost_stays(void)
{
    RUN(.rc = XLM_ERR_CANCELLED, STAYED, .data_returns = true,
        .breaks = { 200000 }, .break_refuse = 1,
        .event = scenario_cancel_source, .event_state = XLM_STATE_PRECOPY,
        .event_round = 1, .writer = WRITER_SLOW);
}

/* ---- strangers at the port while memory is copied ---- */

/* A greeting as the source would send it; was it answered? */
static bool is_answered(struct run *r, uint16_t index, uint32_t attempt,
                        bool token)
{
    struct xlm__greeting g;
    struct xlm__endpoint to;
    uint8_t bytes[XLM__GREETING_BYTES];
    struct pollfd p = { .events = POLLIN };
    size_t nr = 0;
    ssize_t n;

    xlm__greeting_init(&g, XLM__KIND_DATA, XLM_SOURCE, index);
    g.offered |= XLM__FEATURE_RESUME;
    g.attempt = attempt;
    memcpy(g.session, r->src.session->greeting.session, sizeof(g.session));
    memcpy(g.token, r->src.session->greeting.token, sizeof(g.token));
    g.token[0] ^= !token;
    xlm__greeting_encode(&g, bytes);
    xlm__tcp_resolve(breaker_address(XLM_DESTINATION),
                     r->src.session->opt.port_low, &to, 1, &nr);
    p.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(p.fd, (struct sockaddr *)&to.sa, to.len) ||
        write(p.fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
        abort();
    n = poll(&p, 1, 5000) > 0 ? read(p.fd, bytes, sizeof(bytes)) : -1;
    close(p.fd);
    SCENARIO_CHECK(r, n >= 0 || errno == ECONNRESET);
    return n > 0;
}

static void come_with_a_wrong_token(struct run *r)
{
    SCENARIO_CHECK(r, !is_answered(r, 0, 5, false));
}

static void come_for_another_channel(struct run *r)
{
    SCENARIO_CHECK(r, !is_answered(r, 1, 5, true));
    SCENARIO_CHECK(r, !is_answered(r, 63, 5, true));
}

static void come_as_a_new_channel(struct run *r)
{
    SCENARIO_CHECK(r, !is_answered(r, 0, 0, true));
    SCENARIO_CHECK(r, !is_answered(r, 1, 0, true));
}

/* The channel broke once by then. */
static void come_again(struct run *r)
{
    SCENARIO_CHECK(r, r->src.session->stats.reconnects == 1);
    SCENARIO_CHECK(r, !is_answered(r, 0, 1, true));
}

#define STRANGER(event_, round_, writer_)                                      \
    LOOK(MOVED, .opt = { .data = XLM_DATA_PLAIN }, .breaks = { 200000 },       \
         .event = event_, .event_state = XLM_STATE_PRECOPY,                    \
         .event_round = round_, .writer = writer_);                            \
    SCENARIO_CHECK(r, r->src.stats.reconnects == 1);                           \
    SCENARIO_CHECK(r, r->twice == 0);                                          \
    SCENARIO_CHECK(r, atomic_load(&r->event_done));                            \
    DONE()

static void test_migrate_return_with_a_wrong_token_is_refused(void)
{
    STRANGER(come_with_a_wrong_token, 1, WRITER_SLOW);
}

static void test_migrate_return_of_an_unknown_channel_is_refused(void)
{
    STRANGER(come_for_another_channel, 1, WRITER_SLOW);
}

static void test_migrate_return_as_a_new_channel_is_refused(void)
{
    STRANGER(come_as_a_new_channel, 1, WRITER_SLOW);
}

static void test_migrate_return_of_an_old_attempt_is_refused(void)
{
    STRANGER(come_again, 2, WRITER_FAST);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_migrate_return_ten_times_moves),
    UNIT_TEST(test_migrate_return_ten_times_with_tls_moves),
    UNIT_TEST(test_migrate_return_unnoticed_by_the_destination_moves),
    UNIT_TEST(test_migrate_return_reset_under_a_fast_writer_moves),
    UNIT_TEST(test_migrate_return_under_ballooning_moves),
    UNIT_TEST(test_migrate_return_of_compressed_pages_moves),
    UNIT_TEST(test_migrate_return_with_a_limit_moves),
    UNIT_TEST(test_migrate_return_of_pv_moves),
    UNIT_TEST(test_migrate_return_of_pv_found_by_a_scan_moves),
    UNIT_TEST(test_migrate_return_of_four_channels_moves),
    UNIT_TEST(test_migrate_return_after_many_numbers_of_bytes_moves),
    UNIT_TEST(test_migrate_return_reset_after_many_numbers_of_bytes_moves),
    UNIT_TEST(test_migrate_return_of_worn_keys_moves),
    UNIT_TEST(test_migrate_return_of_worn_keys_of_four_channels_moves),
    UNIT_TEST(test_migrate_return_of_a_worn_key_without_another_moves),
    UNIT_TEST(test_migrate_return_of_a_worn_out_key_without_another_stays),
    UNIT_TEST(test_migrate_return_of_a_key_that_is_not_worn_is_not_made),
    UNIT_TEST(test_migrate_return_nobody_answers_stays),
    UNIT_TEST(test_migrate_return_switched_off_stays),
    UNIT_TEST(test_migrate_return_unknown_to_the_destination_stays),
    UNIT_TEST(test_migrate_return_unknown_to_the_destination_moves),
    UNIT_TEST(test_migrate_return_cancelled_while_lost_stays),
    UNIT_TEST(test_migrate_return_by_login_ten_times_moves),
    UNIT_TEST(test_migrate_return_by_login_unnoticed_there_moves),
    UNIT_TEST(test_migrate_return_by_login_unnoticed_here_moves),
    UNIT_TEST(test_migrate_return_by_login_of_pv_moves),
    UNIT_TEST(test_migrate_return_by_login_of_four_channels_moves),
    UNIT_TEST(test_migrate_return_by_login_with_control_moves),
    UNIT_TEST(test_migrate_return_by_login_nobody_answers_stays),
    UNIT_TEST(test_migrate_return_by_login_switched_off_stays),
    UNIT_TEST(test_migrate_return_by_login_unknown_there_stays),
    UNIT_TEST(test_migrate_return_by_login_cancelled_while_lost_stays),
    UNIT_TEST(test_migrate_return_with_a_wrong_token_is_refused),
    UNIT_TEST(test_migrate_return_of_an_unknown_channel_is_refused),
    UNIT_TEST(test_migrate_return_as_a_new_channel_is_refused),
    UNIT_TEST(test_migrate_return_of_an_old_attempt_is_refused),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("migrate_return", tests)
