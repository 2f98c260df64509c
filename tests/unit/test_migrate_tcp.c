/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migrations whose data channels are TCP connections: one situation each; see
 * tests/scenario/scenario.h. */
#include "config.h"

#include "../scenario/scenario_test.h"
#include "chan/ktls.h"
#include "unit.h"

static bool logged(struct run *r, const char *text)
{
    return strstr(r->log, text) != NULL;
}

static void test_migrate_tcp_with_tls_moves(void)
{
    LOOK(MOVED, .opt = { .data = XLM_DATA_TLS }, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->src.stats.channels == 1);
    SCENARIO_CHECK(r, r->src.stats.data == XLM_DATA_TLS);
    SCENARIO_CHECK(r, logged(r, "1 data channels over TCP with TLS 1.3 "));
    SCENARIO_CHECK(r, logged(r, " to 127.0.0.1 port"));
    DONE();
}

/* Also where the kernel does not take it, which is said. */
static void test_migrate_tcp_with_tls_of_the_kernel_moves(void)
{
    LOOK(MOVED, .opt = { .data = XLM_DATA_TLS, .flags = XLM_F_KTLS },
         .channels = 4, .nr_pfns = 8192, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, logged(r, xlm__ktls_exists()
                                    ? "4 data channels over TCP with TLS 1.3 "
                                      "in the kernel to "
                                    : "4 data channels over TCP with TLS 1.3, "
                                      "not in the kernel to "));
    DONE();
}

static void test_migrate_tcp_without_tls_moves(void)
{
    LOOK(MOVED, .opt = { .data = XLM_DATA_PLAIN }, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->src.stats.data == XLM_DATA_PLAIN);
    SCENARIO_CHECK(r, !logged(r, "TLS"));
    DONE();
}

static void test_migrate_tcp_eight_tls_channels_move(void)
{
    LOOK(MOVED, .opt = { .data = XLM_DATA_TLS }, .channels = 8, .nr_pfns = 8192,
         .nr_ram = 8000, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->src.stats.channels == 8);
    DONE();
}

static void test_migrate_tcp_pv_over_four_tls_channels_moves(void)
{
    RUN(MOVED, .type = XLM__TYPE_PV, .opt = { .data = XLM_DATA_TLS },
        .channels = 4, .writer = WRITER_SLOW);
}

static void test_migrate_tcp_hvm_over_four_tls_channels_moves(void)
{
    RUN(MOVED, .type = XLM__TYPE_HVM, .opt = { .data = XLM_DATA_TLS },
        .channels = 4, .writer = WRITER_BALLOON);
}

static void test_migrate_tcp_no_port_falls_back(void)
{
    LOOK(MOVED, .opt = { .data = XLM_DATA_TLS }, .channels = 3, .no_port = true,
         .fallback = true);

    SCENARIO_CHECK(r, r->src.stats.channels == 3);
    SCENARIO_CHECK(r, r->src.stats.data == XLM_DATA_GIVEN);
    SCENARIO_CHECK(r, logged(r, "memory goes the way of the control channel: "
                                "a port there of"));
    SCENARIO_CHECK(r, logged(r, "cannot be reached: listen on TCP port"));
    DONE();
}

static void test_migrate_tcp_unknown_address_falls_back(void)
{
    LOOK(MOVED,
         .opt = { .data = XLM_DATA_PLAIN,
                  .data_address = "no.such.host.invalid" },
         .channels = 2, .fallback = true);

    SCENARIO_CHECK(r, r->src.stats.data == XLM_DATA_GIVEN);
    SCENARIO_CHECK(r, logged(r, "cannot be reached: no.such.host.invalid: "));
    DONE();
}

static void test_migrate_tcp_no_port_and_no_other_way_stays(void)
{
    LOOK(.rc = XLM_ERR_CHANNEL, STAYED, .opt = { .data = XLM_DATA_TLS },
         .no_port = true);

    SCENARIO_CHECK(r, strstr(r->src.message, "a port there of ") &&
                          strstr(r->src.message, "Address already in use"));
    DONE();
}

static void change_token(struct run *r)
{
    memset(r->src.session->greeting.token, 0x77,
           sizeof(r->src.session->greeting.token));
}

/* The source's data channels bring another token than its control channel did:
 * the destination closes them, and the source has no other way. */
static void test_migrate_tcp_wrong_token_is_turned_away(void)
{
    LOOK(.rc = SCENARIO_ANY, STAYED, .opt = { .data = XLM_DATA_PLAIN },
         .event = change_token, .event_to = TO_SOURCE,
         .event_type = XLM__REC_BUILT);

    SCENARIO_CHECK(r, strstr(r->src.message, "cannot be reached"));
    SCENARIO_CHECK(r, logged(r, "connections that were not ours"));
    DONE();
}

static void test_migrate_tcp_cancelled_while_connecting_stays(void)
{
    RUN(.rc = XLM_ERR_CANCELLED, STAYED, .opt = { .data = XLM_DATA_TLS },
        .channels = 4, .event = scenario_cancel_source, .event_to = TO_SOURCE,
        .event_type = XLM__REC_BUILT);
}

static void test_migrate_tcp_cancelled_in_precopy_stays(void)
{
    RUN(.rc = XLM_ERR_CANCELLED, STAYED, .opt = { .data = XLM_DATA_TLS },
        .channels = 4, .event = scenario_cancel_source,
        .event_state = XLM_STATE_PRECOPY, .event_round = 1,
        .writer = WRITER_FAST);
}

static void test_migrate_tcp_control_cut_while_connecting_stays(void)
{
    RUN(.rc = SCENARIO_ANY, STAYED, .opt = { .data = XLM_DATA_TLS },
        .channels = 2, .cut = TO_SOURCE, .cut_units = 3);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_migrate_tcp_with_tls_moves),
    UNIT_TEST(test_migrate_tcp_with_tls_of_the_kernel_moves),
    UNIT_TEST(test_migrate_tcp_without_tls_moves),
    UNIT_TEST(test_migrate_tcp_eight_tls_channels_move),
    UNIT_TEST(test_migrate_tcp_pv_over_four_tls_channels_moves),
    UNIT_TEST(test_migrate_tcp_hvm_over_four_tls_channels_moves),
    UNIT_TEST(test_migrate_tcp_no_port_falls_back),
    UNIT_TEST(test_migrate_tcp_unknown_address_falls_back),
    UNIT_TEST(test_migrate_tcp_no_port_and_no_other_way_stays),
    UNIT_TEST(test_migrate_tcp_wrong_token_is_turned_away),
    UNIT_TEST(test_migrate_tcp_cancelled_while_connecting_stays),
    UNIT_TEST(test_migrate_tcp_cancelled_in_precopy_stays),
    UNIT_TEST(test_migrate_tcp_control_cut_while_connecting_stays),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("migrate_tcp", tests)
