/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Against a server thread on a socket in a directory of our own. */
#include "config.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "toolstack/qmp.h"
#include "unit.h"
#include "util/clock.h"

#define GREETING "{\"QMP\":{\"version\":{},\"capabilities\":[]}}\r\n"
#define OK       "{\"return\":{}}\r\n"
#define EVENT    "{\"event\":\"STOP\",\"timestamp\":{\"seconds\":1}}\r\n"

/* What the server says: pieces[i] before it has read i lines; NULL ends.  A
 * piece beginning with '|' is sent byte by byte. */
struct server {
    char dir[64];
    char path[96];
    int fd;
    const char *pieces[4];
    size_t huge; /* so many bytes of one line after the last piece */
    bool hang;   /* keep the connection open, say nothing more      */
    char heard[1024];
    pthread_t thread;
};

static void say(int fd, const char *text)
{
    if (text[0] != '|') {
        (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
        return;
    }
    for (text++; *text; text++) {
        (void)!send(fd, text, 1, MSG_NOSIGNAL);
        (void)poll(NULL, 0, 1);
    }
}

static bool hear_line(struct server *s, int fd)
{
    size_t at = strlen(s->heard);

    for (;;) {
        char c;

        if (recv(fd, &c, 1, 0) != 1)
            return false;
        if (at < sizeof(s->heard) - 1)
            s->heard[at++] = c;
        if (c == '\n')
            return true;
    }
}

static void *serve(void *arg)
{
    struct server *s = arg;
    int fd = accept(s->fd, NULL, NULL);
    char junk[4096];
    bool talking = true;

    for (int i = 0; i < 4 && s->pieces[i] && talking; i++) {
        say(fd, s->pieces[i]);
        if (i < 2)
            talking = hear_line(s, fd);
    }
    memset(junk, 'x', sizeof(junk));
    for (size_t n = 0; n < s->huge; n += sizeof(junk))
        if (send(fd, junk, sizeof(junk), MSG_NOSIGNAL) < 0)
            break;
    /* The client closes first when it has had enough. */
    while (s->hang && recv(fd, junk, sizeof(junk), 0) > 0)
        ;
    close(fd);
    return NULL;
}

static void server_open(struct server *s)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    snprintf(s->dir, sizeof(s->dir), "/tmp/xlm-qmp-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(s->dir));
    snprintf(s->path, sizeof(s->path), "%s/q", s->dir);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", s->path);
    s->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CU_ASSERT_FATAL(!bind(s->fd, (struct sockaddr *)&addr, sizeof(addr)));
    CU_ASSERT_FATAL(!listen(s->fd, 1));
}

static void server_close(struct server *s)
{
    close(s->fd);
    unlink(s->path);
    rmdir(s->dir);
}

/* One exchange; the client's code and message. */
static int talk(struct server *s, uint32_t timeout_ms, char *message)
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    int rc;

    server_open(s);
    CU_ASSERT_FATAL(!pthread_create(&s->thread, NULL, serve, s));
    rc = xlm__qmp_command(&err, s->path, "stop", NULL, timeout_ms);
    pthread_join(s->thread, NULL);
    server_close(s);
    CU_ASSERT_EQUAL(rc, xlm__errslot_read(&err, message));
    return rc;
}

static void test_qmp_command_is_negotiated_then_sent(void)
{
    struct server s = { .pieces = { GREETING, OK, OK } };
    char message[XLM_MESSAGE_MAX];

    CU_ASSERT_EQUAL(talk(&s, 5000, message), 0);
    CU_ASSERT_STRING_EQUAL(s.heard, "{\"execute\":\"qmp_capabilities\"}\r\n"
                                    "{\"execute\":\"stop\"}\r\n");
}

/* One query; the member "status" of its answer. */
static void query(struct server *s, char status[16])
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    const struct xlm__qmp_text want = { "status", status, 16 };

    server_open(s);
    CU_ASSERT_FATAL(!pthread_create(&s->thread, NULL, serve, s));
    CU_ASSERT_EQUAL(xlm__qmp_query(&err, s->path, "query-status", &want, 5000),
                    0);
    pthread_join(s->thread, NULL);
    server_close(s);
}

static void test_qmp_query_gives_the_wanted_member(void)
{
    struct server s = { .pieces = { GREETING, OK,
                                    EVENT "{\"return\":{\"running\":false,"
                                          "\"status\":\"inmigrate\"}}\r\n" } };
    char status[16] = "?";

    query(&s, status);
    CU_ASSERT_STRING_EQUAL(status, "inmigrate");
}

static void test_qmp_query_of_what_is_not_there_is_empty(void)
{
    struct server s = { .pieces = { GREETING, OK, OK } };
    char status[16] = "?";

    query(&s, status);
    CU_ASSERT_STRING_EQUAL(status, "");
}

static void test_qmp_arguments_are_sent(void)
{
    struct server s = { .pieces = { GREETING, OK, OK } };
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;

    server_open(&s);
    CU_ASSERT_FATAL(!pthread_create(&s.thread, NULL, serve, &s));
    CU_ASSERT_EQUAL(xlm__qmp_command(&err, s.path, "xen-set-global-dirty-log",
                                     "{\"enable\":true}", 5000),
                    0);
    pthread_join(s.thread, NULL);
    server_close(&s);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.heard,
                                  "{\"execute\":\"xen-set-global-dirty-log\","
                                  "\"arguments\":{\"enable\":true}}\r\n"));
}

static void test_qmp_everything_in_single_bytes_is_understood(void)
{
    struct server s = { .pieces = { "|" GREETING, "|" OK, "|" EVENT OK } };
    char message[XLM_MESSAGE_MAX];

    CU_ASSERT_EQUAL(talk(&s, 20000, message), 0);
}

static void test_qmp_events_before_the_reply_are_skipped(void)
{
    struct server s = { .pieces = { GREETING, EVENT OK, EVENT EVENT OK } };
    char message[XLM_MESSAGE_MAX];

    CU_ASSERT_EQUAL(talk(&s, 5000, message), 0);
}

static void test_qmp_error_reply_is_quoted(void)
{
    struct server s = { .pieces = { GREETING, OK,
                                    "{\"error\":{\"class\":\"CommandNotFound\","
                                    "\"desc\":\"no stop here\"}}\r\n" } };
    char message[XLM_MESSAGE_MAX];

    CU_ASSERT_EQUAL(talk(&s, 5000, message), XLM_ERR_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "CommandNotFound: no stop here"));
    CU_ASSERT_PTR_NOT_NULL(strstr(message, s.path));
}

static void test_qmp_no_greeting_times_out(void)
{
    struct server s = { .hang = true };
    char message[XLM_MESSAGE_MAX];
    const uint64_t begin = xlm__clock_ns();

    CU_ASSERT_EQUAL(talk(&s, 150, message), XLM_ERR_TIMEOUT);
    CU_ASSERT_TRUE(xlm__clock_ns() - begin >= 150 * XLM__NS_PER_MS);
    CU_ASSERT_TRUE(xlm__clock_ns() - begin < 5 * XLM__NS_PER_S);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "150 ms"));
}

static void test_qmp_no_reply_times_out(void)
{
    struct server s = { .pieces = { GREETING, OK, EVENT }, .hang = true };
    char message[XLM_MESSAGE_MAX];

    CU_ASSERT_EQUAL(talk(&s, 1500, message), XLM_ERR_TIMEOUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "stop"));
}

static void test_qmp_closed_connection_is_named(void)
{
    struct server s = { .pieces = { GREETING, OK } };
    char message[XLM_MESSAGE_MAX];

    s.pieces[2] = "";
    CU_ASSERT_EQUAL(talk(&s, 5000, message), XLM_ERR_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "closed"));
}

static void test_qmp_garbage_is_quoted(void)
{
    struct server s = { .pieces = { "this is no JSON\r\n" }, .hang = true };
    char message[XLM_MESSAGE_MAX];

    CU_ASSERT_EQUAL(talk(&s, 5000, message), XLM_ERR_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "this is no JSON"));
}

static void test_qmp_message_without_meaning_is_refused(void)
{
    struct server s = { .pieces = { GREETING, OK, "{\"a\":1}\r\n" },
                        .hang = true };
    char message[XLM_MESSAGE_MAX];

    CU_ASSERT_EQUAL(talk(&s, 5000, message), XLM_ERR_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "return"));
}

static void test_qmp_endless_line_is_refused(void)
{
    struct server s = { .pieces = { GREETING, OK, "" },
                        .huge = 4u << 20,
                        .hang = true };
    char message[XLM_MESSAGE_MAX];

    CU_ASSERT_EQUAL(talk(&s, 20000, message), XLM_ERR_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "1048576"));
}

static void test_qmp_no_socket_is_a_device_error(void)
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;

    CU_ASSERT_EQUAL(
        xlm__qmp_command(&err, "/nonexistent/qmp", "stop", NULL, 1000),
        XLM_ERR_DEVICE);
}

static void test_qmp_path_too_long_is_refused(void)
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    char path[200];

    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    CU_ASSERT_EQUAL(xlm__qmp_command(&err, path, "stop", NULL, 1000),
                    XLM_ERR_INVAL);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_qmp_command_is_negotiated_then_sent),
    UNIT_TEST(test_qmp_query_gives_the_wanted_member),
    UNIT_TEST(test_qmp_query_of_what_is_not_there_is_empty),
    UNIT_TEST(test_qmp_arguments_are_sent),
    UNIT_TEST(test_qmp_everything_in_single_bytes_is_understood),
    UNIT_TEST(test_qmp_events_before_the_reply_are_skipped),
    UNIT_TEST(test_qmp_error_reply_is_quoted),
    UNIT_TEST(test_qmp_no_greeting_times_out),
    UNIT_TEST(test_qmp_no_reply_times_out),
    UNIT_TEST(test_qmp_closed_connection_is_named),
    UNIT_TEST(test_qmp_garbage_is_quoted),
    UNIT_TEST(test_qmp_message_without_meaning_is_refused),
    UNIT_TEST(test_qmp_endless_line_is_refused),
    UNIT_TEST(test_qmp_no_socket_is_a_device_error),
    UNIT_TEST(test_qmp_path_too_long_is_refused),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("qmp", tests)
