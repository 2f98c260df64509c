/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What "xl lmigrate-ctl" may ask for, from a command line and from a socket. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "../cli/fakexlm.h"
#include "control.h"
#include "ctlwords.h"
#include "unit.h"

static char error[LM_ERROR_MAX];

/* A request as it comes, without its newline; of any bytes. */
static bool line(const void *text, size_t bytes, struct ctl_request *r)
{
    char copy[CTL_LINE_MAX + 1];

    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    error[0] = '\0';
    return ctl_parse_line(copy, bytes, r, error);
}

static bool text(const char *t, struct ctl_request *r)
{
    return line(t, strlen(t), r);
}

static void refused(const char *t, const char *part)
{
    struct ctl_request r;

    CU_ASSERT(!text(t, &r));
    CU_ASSERT(strstr(error, part) != NULL);
}

static void test_ctl_each_command_is_known(void)
{
    static const struct {
        const char *text;
        enum ctl_verb verb;
    } all[] = { { "xlm-ctl/1 status", CTL_STATUS },
                { "xlm-ctl/1 cancel", CTL_CANCEL },
                { "xlm-ctl/1 switch", CTL_SWITCH } };
    struct ctl_request r;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        CU_ASSERT(text(all[i].text, &r));
        CU_ASSERT_EQUAL(r.verb, all[i].verb);
        CU_ASSERT(!r.has_downtime && !r.has_bandwidth);
    }
}

static void test_ctl_set_takes_values_as_the_options_do(void)
{
    struct ctl_request r;

    CU_ASSERT(text("xlm-ctl/1 set downtime=600000 bandwidth=64Ki", &r));
    CU_ASSERT_EQUAL(r.verb, CTL_SET);
    CU_ASSERT(r.has_downtime && r.has_bandwidth);
    CU_ASSERT_EQUAL(r.downtime_ms, 600000);
    CU_ASSERT_EQUAL(r.bandwidth_bytes_s, 65536);
    CU_ASSERT(text("xlm-ctl/1 set bandwidth=1T", &r));
    CU_ASSERT(!r.has_downtime);
    CU_ASSERT_EQUAL(r.bandwidth_bytes_s, UINT64_C(1000000000000));
    CU_ASSERT(text("xlm-ctl/1 set downtime=none bandwidth=none", &r));
    CU_ASSERT(r.has_downtime && r.has_bandwidth);
    CU_ASSERT(!r.downtime_ms && !r.bandwidth_bytes_s);
}

static void test_ctl_values_out_of_range_are_refused(void)
{
    refused("xlm-ctl/1 set downtime=0", "downtime '0'");
    refused("xlm-ctl/1 set downtime=600001", "from 1 to 600000");
    refused("xlm-ctl/1 set downtime=-1", "downtime '-1'");
    refused("xlm-ctl/1 set downtime=", "downtime ''");
    refused("xlm-ctl/1 set downtime=0x10", "downtime '0x10'");
    refused("xlm-ctl/1 set downtime=18446744073709551617", "600000");
    refused("xlm-ctl/1 set bandwidth=65535", "64Ki to 1T bytes/s");
    refused("xlm-ctl/1 set bandwidth=1.1T", "64Ki to 1T bytes/s");
    refused("xlm-ctl/1 set bandwidth=", "bandwidth ''");
    refused("xlm-ctl/1 set downtime=1 downtime=1", "twice");
    refused("xlm-ctl/1 set bandwidth=1M bandwidth=none", "twice");
    refused("xlm-ctl/1 set speed=1M", "set 'speed=1M'");
}

static void test_ctl_misshapen_lines_are_refused(void)
{
    refused("", "empty");
    refused("status", "xlm-ctl/1 is wanted");
    refused("xlm-ctl/1", "command ''");
    refused("xlm-ctl/2 status", "xlm-ctl/1 is wanted");
    refused("xlm-ctl/1 ", "command ''");
    refused("xlm-ctl/1  status", "command ''");
    refused(" xlm-ctl/1 status", "xlm-ctl/1 is wanted");
    refused("xlm-ctl/1 Status", "command 'Status'");
    refused("xlm-ctl/1 status ", "no argument");
    refused("xlm-ctl/1 cancel now", "no argument");
    refused("xlm-ctl/1 set", "downtime=MS or bandwidth=RATE");
    refused("xlm-ctl/1 set a b c d", "too many words");
    refused("xlm-ctl/1 cancel\r", "character");
    refused("xlm-ctl/1 cancel\tx", "character");
    refused("xlm-ctl/1 \x1b[2J", "character");
    refused("xlm-ctl/1 canc\xc3\xa9l", "character");
}

static void test_ctl_nul_does_not_end_a_line(void)
{
    struct ctl_request r;

    CU_ASSERT(!line("xlm-ctl/1 cancel\0", 17, &r));
    CU_ASSERT(!line("xlm-ctl/1 cancel\0and more", 25, &r));
}

/* Every single byte of a good request changed to every other value. */
static void test_ctl_every_changed_byte_is_refused(void)
{
    static const char good[] = "xlm-ctl/1 switch";
    const size_t bytes = sizeof(good) - 1;
    char changed[sizeof(good)];
    struct ctl_request r;

    for (size_t at = 0; at < bytes; at++)
        for (int c = 0; c < 256; c++) {
            memcpy(changed, good, sizeof(good));
            changed[at] = (char)c;
            CU_ASSERT_EQUAL(line(changed, bytes, &r),
                            !memcmp(changed, good, bytes));
        }
}

static void test_ctl_line_says_what_was_parsed(void)
{
    char set[] = "set", down[] = "downtime=300", rate[] = "bandwidth=2.5Gbit";
    char *words[] = { set, down, rate }, out[CTL_LINE_MAX];

    CU_ASSERT(ctl_line(3, words, out));
    CU_ASSERT_STRING_EQUAL(out,
                           "xlm-ctl/1 set downtime=300 bandwidth=2.5Gbit\n");
}

static void test_ctl_line_too_long_is_not_cut(void)
{
    char word[CTL_LINE_MAX], out[CTL_LINE_MAX], *words[] = { word };
    const size_t room = CTL_LINE_MAX - sizeof("xlm-ctl/1 ") - 1;

    memset(word, 'x', sizeof(word));
    word[room] = '\0';
    CU_ASSERT(ctl_line(1, words, out));
    CU_ASSERT_EQUAL(strlen(out), CTL_LINE_MAX - 1);
    word[room] = 'x';
    word[room + 1] = '\0';
    CU_ASSERT(!ctl_line(1, words, out));
}

/* ---- answers ---- */

static struct xlm_session session;
static struct job job;

static void begin(enum xlm_state state)
{
    memset(&session, 0, sizeof(session));
    pthread_mutex_init(&session.lock, NULL);
    session.state = state;
    memset(&job, 0, sizeof(job));
    job.log.fd = -1;
    console_init(&job.con, -1, false, false, "");
    snprintf(job.name, sizeof(job.name), "guest1");
    job.opt.host = "host\"b\n"; /* as somebody may write it */
}

/* The answer to a request has this in it. */
static void answers(const char *request, const char *part)
{
    char copy[CTL_LINE_MAX], *answer;

    snprintf(copy, sizeof(copy), "%s", request);
    answer = control_answer(&job, &session, copy, strlen(copy), 4711);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    CU_ASSERT(strstr(answer, part) != NULL);
    CU_ASSERT_EQUAL(strchr(answer, '\n'), answer + strlen(answer) - 1);
    CU_ASSERT(strlen(answer) < CTL_ANSWER_MAX);
    free(answer);
}

static void test_answer_is_one_line_whatever_the_names(void)
{
    begin(XLM_STATE_PRECOPY);
    answers("xlm-ctl/1 status", "\"destination\":\"host\\\"b\\n\"");
    memset(job.name, '\x1b', XLM_NAME_MAX - 1);
    answers("xlm-ctl/1 status", "\"ok\":true");
    answers("xlm-ctl/1 cancel", "\"ok\":true");
}

static void test_answer_each_counter_under_its_name(void)
{
    begin(XLM_STATE_PRECOPY);
    session.stats.wire_bytes = UINT64_C(1) << 40;
    session.stats.wire_rate_bytes_s = 123456789;
    session.stats.expected_blackout_us = 350000;
    session.stats.channels = 4;
    session.stats.data = XLM_DATA_TLS;
    session.stats.dirty = XLM_DIRTY_SCAN;
    fakexlm_show(&session);
    answers("xlm-ctl/1 status", "\"wire_bytes\":1099511627776");
    answers("xlm-ctl/1 status", "\"wire_rate_bytes_s\":123456789");
    answers("xlm-ctl/1 status", "\"expected_blackout_us\":350000");
    answers("xlm-ctl/1 status", "\"channels\":4");
    answers("xlm-ctl/1 status", "\"data\":\"tls\",\"dirty\":\"scan\"");
    session.stats.data = session.stats.dirty = UINT32_MAX;
    fakexlm_show(&session);
    answers("xlm-ctl/1 status", "\"data\":null,\"dirty\":null");
}

static void test_answer_too_early_and_too_late(void)
{
    begin(XLM_STATE_NEGOTIATING);
    answers("xlm-ctl/1 switch", "\"error\":\"not-now\"");
    begin(XLM_STATE_SWITCHOVER);
    answers("xlm-ctl/1 switch", "\"error\":\"too-late\"");
    answers("xlm-ctl/1 set downtime=1", "\"error\":\"too-late\"");
    answers("xlm-ctl/1 set bandwidth=1M", "\"ok\":true");
    begin(XLM_STATE_COMPLETED);
    answers("xlm-ctl/1 cancel", "\"error\":\"too-late\"");
    CU_ASSERT(!session.cancelled);
    answers("xlm-ctl/1 switch", "its migration is over");
    answers("xlm-ctl/1 set bandwidth=1M", "\"error\":\"too-late\"");
    answers("xlm-ctl/1 status", "\"state\":\"completed\"");
}

/* What fails as a whole changes nothing. */
static void test_answer_bad_request_changes_nothing(void)
{
    begin(XLM_STATE_PRECOPY);
    answers("xlm-ctl/1 set downtime=5 bandwidth=1", "\"bad-request\"");
    CU_ASSERT_EQUAL(session.downtime_ms, 0);
    begin(XLM_STATE_SWITCHOVER);
    answers("xlm-ctl/1 set bandwidth=1M downtime=5", "\"too-late\"");
    CU_ASSERT_EQUAL(session.limit_bytes_s, 0);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_ctl_each_command_is_known),
    UNIT_TEST(test_ctl_set_takes_values_as_the_options_do),
    UNIT_TEST(test_ctl_values_out_of_range_are_refused),
    UNIT_TEST(test_ctl_misshapen_lines_are_refused),
    UNIT_TEST(test_ctl_nul_does_not_end_a_line),
    UNIT_TEST(test_ctl_every_changed_byte_is_refused),
    UNIT_TEST(test_ctl_line_says_what_was_parsed),
    UNIT_TEST(test_ctl_line_too_long_is_not_cut),
    UNIT_TEST(test_answer_is_one_line_whatever_the_names),
    UNIT_TEST(test_answer_each_counter_under_its_name),
    UNIT_TEST(test_answer_too_early_and_too_late),
    UNIT_TEST(test_answer_bad_request_changes_nothing),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("control", tests)
