/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Exit codes, what is left where, progress lines, the JSON report. */
#include "config.h"

#include "unit.h"

#include <stdlib.h>

#include "outcome.h"
#include "progress.h"
#include "report.h"

static struct outcome outcome(int code, enum xlm_state state,
                              enum xlm_owner owner)
{
    return (struct outcome){ .name = "guest1",
                             .domid = 7,
                             .here = "hosta",
                             .there = "hostb",
                             .code = code,
                             .error_state = state,
                             .owner = owner };
}

static void test_exit_code_of_each_error(void)
{
    static const struct {
        int code;
        enum xlm_state state;
        enum xlm_owner owner;
        enum lm_exit want;
    } rows[] = {
        { 0, 0, XLM_OWNER_DESTINATION, LM_EXIT_MOVED },
        { XLM_ERR_INCOMPATIBLE, XLM_STATE_NEGOTIATING, XLM_OWNER_SOURCE,
          LM_EXIT_REFUSED },
        { XLM_ERR_VERSION, XLM_STATE_NEGOTIATING, XLM_OWNER_SOURCE,
          LM_EXIT_REFUSED },
        { XLM_ERR_BUSY, XLM_STATE_NEGOTIATING, XLM_OWNER_SOURCE,
          LM_EXIT_REFUSED },
        { XLM_ERR_BUSY, XLM_STATE_PRECOPY, XLM_OWNER_SOURCE, LM_EXIT_FAILED },
        { XLM_ERR_CHANNEL, XLM_STATE_NEGOTIATING, XLM_OWNER_SOURCE,
          LM_EXIT_FAILED },
        { XLM_ERR_TIMEOUT, XLM_STATE_PRECOPY, XLM_OWNER_SOURCE,
          LM_EXIT_FAILED },
        { XLM_ERR_CANCELLED, XLM_STATE_PRECOPY, XLM_OWNER_SOURCE,
          LM_EXIT_CANCELLED },
        { XLM_ERR_CANCELLED, XLM_STATE_SWITCHOVER, XLM_OWNER_UNKNOWN,
          LM_EXIT_UNDECIDED },
        { XLM_ERR_UNDECIDED, XLM_STATE_SWITCHOVER, XLM_OWNER_UNKNOWN,
          LM_EXIT_UNDECIDED },
        { XLM_ERR_CHANNEL, XLM_STATE_SWITCHOVER, XLM_OWNER_UNKNOWN,
          LM_EXIT_UNDECIDED },
        { XLM_ERR_CLEANUP, XLM_STATE_SWITCHOVER, XLM_OWNER_DESTINATION,
          LM_EXIT_CLEANUP },
        { XLM_ERR_TOOLSTACK, XLM_STATE_SWITCHOVER, XLM_OWNER_DESTINATION,
          LM_EXIT_CLEANUP },
        { XLM_ERR_GUEST_ENDED, XLM_STATE_PRECOPY, XLM_OWNER_SOURCE,
          LM_EXIT_ENDED },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct outcome o = outcome(rows[i].code, rows[i].state, rows[i].owner);

        CU_ASSERT_EQUAL(outcome_exit(&o), rows[i].want);
    }
}

static void test_exit_code_of_a_killed_worker_is_its_owners(void)
{
    struct outcome o = outcome(0, 0, XLM_OWNER_SOURCE);

    o.worker_killed = true;
    CU_ASSERT_EQUAL(outcome_exit(&o), LM_EXIT_FAILED);
    o.owner = XLM_OWNER_DESTINATION;
    CU_ASSERT_EQUAL(outcome_exit(&o), LM_EXIT_CLEANUP);
    o.owner = XLM_OWNER_UNKNOWN;
    CU_ASSERT_EQUAL(outcome_exit(&o), LM_EXIT_UNDECIDED);
}

static void test_exit_code_numbers_are_pinned(void)
{
    CU_ASSERT(LM_EXIT_MOVED == 0 && LM_EXIT_USAGE == 1 &&
              LM_EXIT_REFUSED == 2 && LM_EXIT_FAILED == 3 &&
              LM_EXIT_CANCELLED == 4 && LM_EXIT_UNDECIDED == 5 &&
              LM_EXIT_CLEANUP == 6 && LM_EXIT_ENDED == 7);
}

static void expect_where(const struct outcome *o, const char *part)
{
    char where[2048];

    outcome_where(o, where, sizeof(where));
    CU_ASSERT_PTR_NOT_NULL(strstr(where, part));
}

static void test_where_claims_only_what_is_known(void)
{
    struct outcome o = outcome(XLM_ERR_PEER, XLM_STATE_PRECOPY,
                               XLM_OWNER_SOURCE);

    expect_where(&o, "guest1 runs on at hosta; nothing is left at hostb");
    o.code = XLM_ERR_CHANNEL;
    expect_where(&o, "hostb, out of contact, removes its unfinished copy");
    o.error_state = XLM_STATE_NEGOTIATING;
    expect_where(&o, "nothing was started at hostb");
    o.owner = XLM_OWNER_UNKNOWN;
    o.error_state = XLM_STATE_SWITCHOVER;
    expect_where(&o, "undoes the move: xl lmigrate-recover guest1 hostb");
    o.owner = XLM_OWNER_DESTINATION;
    expect_where(&o, "must never run; this tries again to destroy it: xl "
                     "lmigrate-recover guest1 hostb");
    o.code = XLM_ERR_CLEANUP;
    o.first_code = XLM_ERR_CHANNEL;
    expect_where(&o, "finds out what became of guest1, and finishes the move: "
                     "xl lmigrate-recover guest1 hostb");
}

static void expect_what(const struct outcome *o, const char *text)
{
    char what[1024];

    outcome_what(o, what, sizeof(what));
    CU_ASSERT_STRING_EQUAL(what, text);
}

static void test_what_says_what_it_did_to_the_move(void)
{
    struct outcome o = outcome(XLM_ERR_UNDECIDED, XLM_STATE_SWITCHOVER,
                               XLM_OWNER_UNKNOWN);

    snprintf(o.message, sizeof(o.message), "peer closed");
    o.first_code = XLM_ERR_CHANNEL;
    expect_what(&o, "contact with hostb was lost after it got the permission "
                    "to start (peer closed)");
    o.code = XLM_ERR_CLEANUP;
    expect_what(&o, "contact with hostb was lost after it took the domain over "
                    "(peer closed)");
    o.first_code = XLM_ERR_TOOLSTACK;
    expect_what(&o, "the copy here could not be destroyed (peer closed)");
    o.code = XLM_ERR_CHANNEL;
    expect_what(&o, "peer closed");
    o.worker_killed = true;
    o.code = XLM_ERR_UNDECIDED;
    expect_what(&o, "peer closed");
}

static void expect_recover(const char *ssh, const char *name, const char *host,
                           const char *want)
{
    struct outcome o = { .ssh = ssh, .name = name, .there = host };
    char command[2048];

    outcome_recover(&o, command, sizeof(command));
    CU_ASSERT_STRING_EQUAL(command, want);
}

static void test_recover_command_is_as_a_shell_takes_it(void)
{
    char longest[600], command[2048];
    struct outcome o = { .ssh = longest, .name = "g", .there = "h" };

    expect_recover("ssh", "g", "h", "xl lmigrate-recover g h");
    expect_recover(NULL, "g", "h", "xl lmigrate-recover g h");
    expect_recover("ssh -p 2", "a b", "u@h",
                   "xl lmigrate-recover -s 'ssh -p 2' 'a b' u@h");
    expect_recover("", "g", "nc 'x' h",
                   "xl lmigrate-recover -s '' g 'nc '\\''x'\\'' h'");
    memset(longest, '\'', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    outcome_recover(&o, command, sizeof(command)); /* the sanitizer looks */
    CU_ASSERT(strlen(command) < sizeof(command));
}

static void test_error_names_follow_the_header(void)
{
    CU_ASSERT_STRING_EQUAL(error_name(0), "OK");
    CU_ASSERT_STRING_EQUAL(error_name(XLM_ERR_GUEST_SILENT), "GUEST_SILENT");
    CU_ASSERT_STRING_EQUAL(error_name(-999), "UNKNOWN");
}

static void test_units_are_short(void)
{
    char b[UNIT_MAX];

    CU_ASSERT_STRING_EQUAL(format_bytes(0, b), "0 B");
    CU_ASSERT_STRING_EQUAL(format_bytes(1023, b), "1023 B");
    CU_ASSERT_STRING_EQUAL(format_bytes(1536, b), "1.5 KiB");
    CU_ASSERT_STRING_EQUAL(format_bytes(UINT64_C(3) << 40, b), "3.0 TiB");
    CU_ASSERT(strlen(format_bytes(UINT64_MAX, b)) < UNIT_MAX);
    CU_ASSERT_STRING_EQUAL(format_seconds(352499, b), "0.352 s");
    CU_ASSERT_STRING_EQUAL(format_seconds(83000000, b), "83.0 s");
    CU_ASSERT(strlen(format_seconds(UINT64_MAX, b)) < UNIT_MAX);
}

static struct progress progress(void)
{
    return (struct progress){ .name = "guest1",
                              .there = "hostb",
                              .round = 3,
                              .round_start_us = 1000000 };
}

static void test_live_line_has_every_figure(void)
{
    struct progress p = progress();
    struct xlm_stats s = { .size = sizeof(s),
                           .round = 3,
                           .elapsed_us = 2000000,
                           .round_pages = 51200,
                           .round_sent_pages = 25600,
                           .dirty_rate_pages_s = 1200,
                           .expected_blackout_us = 350000 };
    char line[256];

    progress_format_live(&p, XLM_STATE_PRECOPY, &s, line, sizeof(line));
    CU_ASSERT_STRING_EQUAL(line,
                           "guest1: round 3  50% 25600 pages left 100.0 MiB/s "
                           "dirty 1200/s pause ~0.350 s ETA 2 s");
}

static void test_live_line_tells_of_lost_connections(void)
{
    struct progress p = progress();
    struct xlm_stats s = { .size = sizeof(s), .round = 3, .lost_channels = 2 };
    char line[256];

    progress_format_live(&p, XLM_STATE_PRECOPY, &s, line, sizeof(line));
    CU_ASSERT_PTR_NOT_NULL(strstr(line, " ETA ?, 2 connections lost"));
    s.lost_channels = 1;
    progress_format_live(&p, XLM_STATE_PRECOPY, &s, line, sizeof(line));
    CU_ASSERT_PTR_NOT_NULL(strstr(line, ", 1 connection lost"));
}

static void test_live_line_survives_odd_counters(void)
{
    struct progress p = progress();
    struct xlm_stats s = { .size = sizeof(s), .round = 3 };
    char line[256];

    progress_format_live(&p, XLM_STATE_PRECOPY, &s, line, sizeof(line));
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "100% 0 pages left 0 B/s"));
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "ETA ?"));
    s.round_pages = 10;
    s.round_sent_pages = 20;
    progress_format_live(&p, XLM_STATE_PRECOPY, &s, line, sizeof(line));
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "100% 0 pages left"));
}

/* What report_json() writes, as a string to free. */
static char *json_of(const struct outcome *o)
{
    char *text = NULL;
    size_t bytes;
    FILE *f = open_memstream(&text, &bytes);

    CU_ASSERT(report_json(f, o));
    fclose(f);
    return text;
}

static void test_json_of_a_failure_names_it(void)
{
    struct outcome o = outcome(XLM_ERR_CHANNEL, XLM_STATE_PRECOPY,
                               XLM_OWNER_SOURCE);
    char *text;

    snprintf(o.message, sizeof(o.message), "read: \"quoted\"\tend");
    text = json_of(&o);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"name\": \"CHANNEL\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\\\"quoted\\\"\\tend"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"exit_code\": 3"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"stats\": null"));
    free(text);
}

static void test_json_says_what_was_done_for_a_goal_out_of_reach(void)
{
    struct outcome o = outcome(0, 0, XLM_OWNER_DESTINATION);
    char *text;

    o.stats.size = sizeof(o.stats);
    text = json_of(&o);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"on_slow\": null"));
    free(text);
    o.stats.on_slow = XLM_SLOW_WAIT;
    text = json_of(&o);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"on_slow\": \"wait\""));
    free(text);
}

static void test_json_counts_what_came_back(void)
{
    struct outcome o = outcome(0, 0, XLM_OWNER_DESTINATION);
    char *text;

    o.stats.size = sizeof(o.stats);
    o.stats.reconnects = 3;
    o.stats.resent_pages = 77;
    o.stats.lost_us = 1200000;
    text = json_of(&o);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"reconnects\": 3"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"resent_pages\": 77"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"lost_us\": 1200000"));
    free(text);
}

static void test_json_counts_what_changes_went_alone(void)
{
    struct outcome o = outcome(0, 0, XLM_OWNER_DESTINATION);
    char *text;

    o.stats.size = sizeof(o.stats);
    o.stats.delta_pages = 4711;
    text = json_of(&o);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"delta_pages\": 4711"));
    free(text);
}

static void test_json_has_an_estimate_if_there_is_one(void)
{
    struct outcome o = outcome(0, 0, XLM_OWNER_SOURCE);
    char *text;

    o.estimate = true;
    o.stats.size = sizeof(o.stats);
    text = json_of(&o);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"estimate\": null"));
    free(text);
    o.stats.estimated = 1;
    o.stats.estimated_total_us = 1234;
    text = json_of(&o);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"result\": \"possible\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"total_us\": 1234"));
    free(text);
    o.code = XLM_ERR_NOCONVERGE;
    o.error_state = XLM_STATE_NEGOTIATING;
    CU_ASSERT_EQUAL(outcome_exit(&o), LM_EXIT_REFUSED);
}

static void test_json_that_cannot_be_written_is_told(void)
{
    struct outcome o = outcome(0, 0, XLM_OWNER_DESTINATION);
    FILE *full = fopen("/dev/full", "w");

    CU_ASSERT_FALSE(report_json(full, &o));
    fclose(full);
}

static void test_json_with_an_invalid_name_is_not_cut_silently(void)
{
    struct outcome o = outcome(0, 0, XLM_OWNER_DESTINATION);
    char *text;

    o.name = "caf\xe9";
    text = json_of(&o);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"domid\": 7"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"log\": null"));
    free(text);
}

static void test_findings_count_blockers(void)
{
    const struct xlm_finding block = { XLM_FINDING_BLOCK, "c", "m", "a" };
    const struct xlm_finding note = { XLM_FINDING_NOTE, "c", "m", NULL };
    struct findings f = { 0 };

    findings_add(&f, &note);
    findings_add(&f, &block);
    CU_ASSERT_EQUAL(f.nr, 2);
    CU_ASSERT_EQUAL(f.nr_blocking, 1);
    CU_ASSERT_STRING_EQUAL(f.list[0].advice, "");
    findings_free(&f);
    CU_ASSERT_EQUAL(f.nr, 0);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_exit_code_of_each_error),
    UNIT_TEST(test_exit_code_of_a_killed_worker_is_its_owners),
    UNIT_TEST(test_exit_code_numbers_are_pinned),
    UNIT_TEST(test_where_claims_only_what_is_known),
    UNIT_TEST(test_what_says_what_it_did_to_the_move),
    UNIT_TEST(test_recover_command_is_as_a_shell_takes_it),
    UNIT_TEST(test_error_names_follow_the_header),
    UNIT_TEST(test_units_are_short),
    UNIT_TEST(test_live_line_has_every_figure),
    UNIT_TEST(test_live_line_tells_of_lost_connections),
    UNIT_TEST(test_live_line_survives_odd_counters),
    UNIT_TEST(test_json_of_a_failure_names_it),
    UNIT_TEST(test_json_says_what_was_done_for_a_goal_out_of_reach),
    UNIT_TEST(test_json_counts_what_came_back),
    UNIT_TEST(test_json_counts_what_changes_went_alone),
    UNIT_TEST(test_json_has_an_estimate_if_there_is_one),
    UNIT_TEST(test_json_that_cannot_be_written_is_told),
    UNIT_TEST(test_json_with_an_invalid_name_is_not_cut_silently),
    UNIT_TEST(test_findings_count_blockers),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("plugin_report", tests)
