/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "stream/greeting.h"

#include <fcntl.h>
#include <pthread.h>

#include "chan/chan_pair.h"
#include "unit.h"

static struct xlm__greeting greeting(enum xlm_role role)
{
    struct xlm__greeting g;

    xlm__greeting_init(&g, XLM__KIND_CONTROL, role, 0);
    memset(g.session, 0x11, sizeof(g.session));
    if (role == XLM_SOURCE)
        memset(g.token, 0x22, sizeof(g.token));
    return g;
}

static void expect_disagree(const struct xlm__greeting *mine,
                            const struct xlm__greeting *theirs, int code,
                            const char *says)
{
    struct xlm__agreement agreed;
    char why[XLM_MESSAGE_MAX];

    CU_ASSERT_EQUAL(xlm__greeting_agree(mine, theirs, &agreed, why), code);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, says));
}

static void test_greeting_decode_gives_what_was_encoded(void)
{
    struct xlm__greeting g = greeting(XLM_SOURCE), back;
    uint8_t bytes[XLM__GREETING_BYTES];
    char why[XLM_MESSAGE_MAX];

    g.kind = XLM__KIND_DATA;
    g.index = 63;
    g.version_max = 7;
    g.offered = 5;
    g.required = 4;
    xlm__greeting_encode(&g, bytes);
    CU_ASSERT_EQUAL_FATAL(xlm__greeting_decode(bytes, &back, why), 0);
    CU_ASSERT_EQUAL(back.kind, XLM__KIND_DATA);
    CU_ASSERT_EQUAL(back.index, 63);
    CU_ASSERT_EQUAL(back.version_max, 7);
    CU_ASSERT_EQUAL(back.offered, 5);
    CU_ASSERT_EQUAL(back.required, 4);
    CU_ASSERT_EQUAL(memcmp(back.token, g.token, sizeof(g.token)), 0);
}

static struct xlm__greeting returning(enum xlm_role role)
{
    struct xlm__greeting g = greeting(role);

    g.kind = XLM__KIND_DATA;
    g.index = 2;
    g.offered |= XLM__FEATURE_RESUME;
    g.attempt = 7;
    g.taken = role == XLM_DESTINATION ? 41 : 0;
    return g;
}

static int decode(const struct xlm__greeting *g, char *why)
{
    struct xlm__greeting back;
    uint8_t bytes[XLM__GREETING_BYTES];

    xlm__greeting_encode(g, bytes);
    return xlm__greeting_decode(bytes, &back, why);
}

static void test_greeting_of_a_return_says_what_was_taken(void)
{
    struct xlm__greeting s = returning(XLM_SOURCE), back;
    struct xlm__greeting d = returning(XLM_DESTINATION);
    uint8_t bytes[XLM__GREETING_BYTES];
    struct xlm__agreement agreed;
    char why[XLM_MESSAGE_MAX];

    xlm__greeting_encode(&d, bytes);
    CU_ASSERT_EQUAL_FATAL(xlm__greeting_decode(bytes, &back, why), 0);
    CU_ASSERT_EQUAL(back.attempt, 7);
    CU_ASSERT_EQUAL(back.taken, 41);
    CU_ASSERT_EQUAL(xlm__greeting_agree(&s, &back, &agreed, why), 0);
}

/* Section 2.4: of control, each side says it. */
static void test_greeting_of_control_that_returns_says_what_was_taken(void)
{
    struct xlm__greeting s = greeting(XLM_SOURCE), back;
    uint8_t bytes[XLM__GREETING_BYTES];
    char why[XLM_MESSAGE_MAX] = "";

    s.attempt = 3;
    s.taken = 21;
    CU_ASSERT_EQUAL(decode(&s, why), XLM_ERR_STREAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "reserved"));
    s.offered |= XLM__FEATURE_RETURN;
    xlm__greeting_encode(&s, bytes);
    CU_ASSERT_EQUAL_FATAL(xlm__greeting_decode(bytes, &back, why), 0);
    CU_ASSERT_EQUAL(back.attempt, 3);
    CU_ASSERT_EQUAL(back.taken, 21);
    s.attempt = 0;
    CU_ASSERT_EQUAL(decode(&s, why), XLM_ERR_STREAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "21 records taken"));
}

static void test_greeting_answer_to_another_attempt_is_refused(void)
{
    struct xlm__greeting s = returning(XLM_SOURCE);
    struct xlm__greeting d = returning(XLM_DESTINATION);

    d.attempt = 6;
    expect_disagree(&s, &d, XLM_ERR_STREAM, "attempt 7 answered as attempt 6");
}

static void test_greeting_source_that_took_records_is_refused(void)
{
    struct xlm__greeting s = returning(XLM_SOURCE);
    char why[XLM_MESSAGE_MAX] = "";

    s.taken = 1;
    CU_ASSERT_EQUAL(decode(&s, why), XLM_ERR_STREAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "1 records taken, by the source"));
}

static void test_greeting_records_taken_without_attempt_are_refused(void)
{
    struct xlm__greeting d = returning(XLM_DESTINATION);
    char why[XLM_MESSAGE_MAX] = "";

    d.attempt = 0;
    CU_ASSERT_EQUAL(decode(&d, why), XLM_ERR_STREAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "41 records taken"));
}

static void test_greeting_zero_session_is_refused(void)
{
    struct xlm__greeting g = greeting(XLM_SOURCE), back;
    uint8_t bytes[XLM__GREETING_BYTES];
    char why[XLM_MESSAGE_MAX];

    memset(g.session, 0, sizeof(g.session));
    xlm__greeting_encode(&g, bytes);
    CU_ASSERT_EQUAL(xlm__greeting_decode(bytes, &back, why), XLM_ERR_STREAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "session uuid is zero"));
}

static void test_greeting_zero_source_token_is_refused(void)
{
    struct xlm__greeting g = greeting(XLM_SOURCE), back;
    uint8_t bytes[XLM__GREETING_BYTES];
    char why[XLM_MESSAGE_MAX];

    memset(g.token, 0, sizeof(g.token));
    xlm__greeting_encode(&g, bytes);
    CU_ASSERT_EQUAL(xlm__greeting_decode(bytes, &back, why), XLM_ERR_STREAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "token is zero"));
}

static void test_greeting_common_version_is_the_smaller_maximum(void)
{
    struct xlm__greeting s = greeting(XLM_SOURCE);
    struct xlm__greeting d = greeting(XLM_DESTINATION);
    struct xlm__agreement agreed;
    char why[XLM_MESSAGE_MAX];

    s.version_max = 5;
    d.version_min = 3;
    d.version_max = 4;
    s.offered = 6;
    d.offered = 3;
    CU_ASSERT_EQUAL(xlm__greeting_agree(&s, &d, &agreed, why), 0);
    CU_ASSERT_EQUAL(agreed.version, 4);
    CU_ASSERT_EQUAL(agreed.features, 2);
}

static void test_greeting_no_common_version_is_refused_on_both_sides(void)
{
    struct xlm__greeting s = greeting(XLM_SOURCE);
    struct xlm__greeting d = greeting(XLM_DESTINATION);

    d.version_min = 2;
    d.version_max = 3;
    expect_disagree(&s, &d, XLM_ERR_VERSION, "1 to 1 here, 2 to 3 there");
    expect_disagree(&d, &s, XLM_ERR_VERSION, "2 to 3 here, 1 to 1 there");
}

static void test_greeting_required_feature_is_refused_on_both_sides(void)
{
    struct xlm__greeting s = greeting(XLM_SOURCE);
    struct xlm__greeting d = greeting(XLM_DESTINATION);

    s.offered = s.required = 1ull << 63;
    expect_disagree(&s, &d, XLM_ERR_VERSION, "lacks features 0x8000");
    expect_disagree(&d, &s, XLM_ERR_VERSION, "requires features 0x8000");
}

static void test_greeting_same_role_is_refused(void)
{
    struct xlm__greeting s = greeting(XLM_SOURCE);

    expect_disagree(&s, &s, XLM_ERR_STREAM, "is a source, too");
}

static void test_greeting_other_channel_is_refused(void)
{
    struct xlm__greeting s = greeting(XLM_SOURCE);
    struct xlm__greeting d = greeting(XLM_DESTINATION);

    d.kind = XLM__KIND_DATA;
    expect_disagree(&s, &d, XLM_ERR_STREAM, "answered as kind 2");
    d = greeting(XLM_DESTINATION);
    d.session[15] ^= 1;
    expect_disagree(&s, &d, XLM_ERR_STREAM, "another session");
}

static void test_greeting_only_the_right_token_may_join(void)
{
    struct xlm__greeting control = greeting(XLM_SOURCE), data = control;

    CU_ASSERT_FALSE(xlm__greeting_may_join(&control, &data, XLM__KIND_DATA));
    data.kind = XLM__KIND_DATA;
    CU_ASSERT_TRUE(xlm__greeting_may_join(&control, &data, XLM__KIND_DATA));
    data.token[31] ^= 1;
    CU_ASSERT_FALSE(xlm__greeting_may_join(&control, &data, XLM__KIND_DATA));
    data.token[31] ^= 1;
    data.session[0] ^= 1;
    CU_ASSERT_FALSE(xlm__greeting_may_join(&control, &data, XLM__KIND_DATA));
    data.session[0] ^= 1;
    data.role = XLM_DESTINATION;
    CU_ASSERT_FALSE(xlm__greeting_may_join(&control, &data, XLM__KIND_DATA));
}

/* What is recorded when the other side says this and, or not, closes. */
static void hear(const char *words, bool close_it, int code, const char *says)
{
    struct xlm__errslot err;
    struct xlm__chan a, b;
    uint8_t bytes[XLM__GREETING_BYTES];
    char text[XLM_MESSAGE_MAX];

    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    CU_ASSERT_EQUAL_FATAL(xlm__chan_pair(&a, &b, &err, -1, "control"), 0);
    CU_ASSERT_EQUAL(xlm__chan_write(&a, words, strlen(words)), 0);
    if (close_it)
        xlm__chan_close(&a);
    CU_ASSERT_EQUAL(xlm__greeting_read(&b, bytes), code);
    xlm__errslot_read(&err, text);
    if (!strstr(text, says)) {
        printf("    said: %s\n", text);
        CU_FAIL("another message was expected");
    }
    xlm__chan_close(&a);
    xlm__chan_close(&b);
    xlm__errslot_destroy(&err);
}

static void test_greeting_stranger_is_quoted(void)
{
    hear("bash: xl: command not found\n", true, XLM_ERR_STREAM,
         "control: the other side is not xlm: it said "
         "\"bash: xl: command not found\\n\"");
}

static void test_greeting_stranger_that_stays_is_quoted(void)
{
    hear("login: ", false, XLM_ERR_STREAM, "it said \"login: \"");
}

static void test_greeting_stranger_is_escaped_and_cut_at_64_bytes(void)
{
    hear("\x1b[31m\"0123456789012345678901234567890123456789012345678901234"
         "567890123456789",
         true, XLM_ERR_STREAM,
         "\"\\x1b[31m\\x2201234567890123456789012345678901234567890123456789"
         "01234567\"");
}

static void test_greeting_silence_is_named(void)
{
    hear("", true, XLM_ERR_CHANNEL, "closed without a word");
}

static void test_greeting_cut_short_is_named(void)
{
    hear("XLMLIVE\n123", true, XLM_ERR_CHANNEL,
         "closed after 11 bytes of its greeting");
}

struct side {
    struct xlm__errslot err;
    struct xlm__chan chan;
    struct xlm__greeting g;
    struct xlm__agreement agreed;
    int rc;
};

static void *answer(void *arg)
{
    struct side *d = arg;

    d->rc = xlm__greeting_exchange(&d->chan, &d->g, NULL, &d->agreed);
    return NULL;
}

static void exchange(struct side *s, struct side *d)
{
    struct xlm__errslot none;
    pthread_t t;

    xlm__errslot_init(&none, NULL, NULL, XLM_LOG_DEBUG);
    xlm__errslot_init(&s->err, NULL, NULL, XLM_LOG_DEBUG);
    xlm__errslot_init(&d->err, NULL, NULL, XLM_LOG_DEBUG);
    CU_ASSERT_EQUAL_FATAL(
        xlm__chan_pair(&s->chan, &d->chan, &none, -1, "control"), 0);
    s->chan.err = &s->err;
    d->chan.err = &d->err;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, answer, d), 0);
    answer(s);
    pthread_join(t, NULL);
    xlm__chan_close(&s->chan);
    xlm__chan_close(&d->chan);
}

static void test_greeting_exchange_agrees(void)
{
    struct side s = { .g = greeting(XLM_SOURCE) };
    struct side d = { .g = greeting(XLM_DESTINATION) };

    exchange(&s, &d);
    CU_ASSERT_EQUAL(s.rc, 0);
    CU_ASSERT_EQUAL(d.rc, 0);
    CU_ASSERT_EQUAL(s.agreed.version, 1);
    CU_ASSERT_EQUAL(d.agreed.version, 1);
}

static void test_greeting_exchange_both_sides_say_why_not(void)
{
    struct side s = { .g = greeting(XLM_SOURCE) };
    struct side d = { .g = greeting(XLM_DESTINATION) };

    d.g.version_min = d.g.version_max = 2;
    exchange(&s, &d);
    CU_ASSERT_EQUAL(s.rc, XLM_ERR_VERSION);
    CU_ASSERT_EQUAL(d.rc, XLM_ERR_VERSION);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.err.text, "2 to 2 there"));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_greeting_decode_gives_what_was_encoded),
    UNIT_TEST(test_greeting_of_a_return_says_what_was_taken),
    UNIT_TEST(test_greeting_answer_to_another_attempt_is_refused),
    UNIT_TEST(test_greeting_source_that_took_records_is_refused),
    UNIT_TEST(test_greeting_records_taken_without_attempt_are_refused),
    UNIT_TEST(test_greeting_zero_session_is_refused),
    UNIT_TEST(test_greeting_zero_source_token_is_refused),
    UNIT_TEST(test_greeting_common_version_is_the_smaller_maximum),
    UNIT_TEST(test_greeting_of_control_that_returns_says_what_was_taken),
    UNIT_TEST(test_greeting_no_common_version_is_refused_on_both_sides),
    UNIT_TEST(test_greeting_required_feature_is_refused_on_both_sides),
    UNIT_TEST(test_greeting_same_role_is_refused),
    UNIT_TEST(test_greeting_other_channel_is_refused),
    UNIT_TEST(test_greeting_only_the_right_token_may_join),
    UNIT_TEST(test_greeting_stranger_is_quoted),
    UNIT_TEST(test_greeting_stranger_that_stays_is_quoted),
    UNIT_TEST(test_greeting_stranger_is_escaped_and_cut_at_64_bytes),
    UNIT_TEST(test_greeting_silence_is_named),
    UNIT_TEST(test_greeting_cut_short_is_named),
    UNIT_TEST(test_greeting_exchange_agrees),
    UNIT_TEST(test_greeting_exchange_both_sides_say_why_not),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("greeting", tests)
