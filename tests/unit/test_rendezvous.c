/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/rendezvous.h"
#include "unit.h"
#include "util/clock.h"

#define WAIT_MS 5000

static const unsigned char id[16] = { 0xab, 1, 2, 3 };

/* A place of its own for each test, and what is left there or open. */
struct place {
    char dir[64];
    struct xlm__errslot err;
    struct xlm__meeting at;
    struct xlm__rendezvous door;
    unsigned nr_fds;
};

static unsigned count_entries(const char *path)
{
    DIR *d = opendir(path);
    unsigned n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static void place_open(struct place *p)
{
    memset(p, 0, sizeof(*p));
    snprintf(p->dir, sizeof(p->dir), "/tmp/xlm-test-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(p->dir));
    p->nr_fds = count_entries("/proc/self/fd");
    xlm__errslot_init(&p->err, NULL, NULL, XLM_LOG_DEBUG);
    p->at = (struct xlm__meeting){ p->dir, id, 300 };
    CU_ASSERT_EQUAL_FATAL(xlm__rendezvous_open(&p->err, &p->at, &p->door), 0);
}

static void place_close(struct place *p)
{
    xlm__rendezvous_close(&p->door);
    xlm__errslot_destroy(&p->err);
    CU_ASSERT_EQUAL(count_entries("/proc/self/fd"), p->nr_fds);
    CU_ASSERT_EQUAL(rmdir(p->dir), 0); /* so nothing is left in it */
}

static void fill_greeting(unsigned char greeting[XLM_GREETING_BYTES])
{
    for (unsigned i = 0; i < XLM_GREETING_BYTES; i++)
        greeting[i] = (unsigned char)(i * 7 + 1);
}

/* ---- the joining side, in a thread ---- */

struct joiner {
    const struct place *place;
    int rfd, wfd, rc;
    atomic_bool done;
    pthread_t thread;
};

static void *join_session(void *arg)
{
    unsigned char greeting[XLM_GREETING_BYTES];
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    struct joiner *j = arg;

    fill_greeting(greeting);
    j->rc = xlm__rendezvous_join(&err, &j->place->at, j->rfd, j->wfd, greeting);
    atomic_store(&j->done, true);
    return NULL;
}

static void start(struct joiner *j)
{
    atomic_store(&j->done, false);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&j->thread, NULL, join_session, j), 0);
}

static void test_rendezvous_descriptors_are_handed_over(void)
{
    unsigned char greeting[XLM_GREETING_BYTES];
    int in[2], out[2];
    struct xlm__arrival a = { .rfd = -1 };
    struct place p;
    struct joiner j = { .place = &p };
    char c = 0;

    place_open(&p);
    CU_ASSERT_EQUAL_FATAL(pipe(in) | pipe(out), 0);
    j.rfd = in[0];
    j.wfd = out[1];
    start(&j);
    CU_ASSERT_EQUAL_FATAL(xlm__rendezvous_accept(&p.err, &p.door, WAIT_MS, &a),
                          1);
    fill_greeting(greeting);
    CU_ASSERT_EQUAL(memcmp(a.greeting, greeting, sizeof(greeting)), 0);
    CU_ASSERT_TRUE(write(in[1], "r", 1) == 1 && read(a.rfd, &c, 1) == 1);
    CU_ASSERT_EQUAL(c, 'r');
    CU_ASSERT_TRUE(write(a.wfd, "w", 1) == 1 && read(out[0], &c, 1) == 1);
    CU_ASSERT_EQUAL(c, 'w');
    /* It waits until we are done with the channel. */
    CU_ASSERT_FALSE(atomic_load(&j.done));
    close(a.rfd);
    close(a.wfd);
    close(a.conn_fd);
    pthread_join(j.thread, NULL);
    CU_ASSERT_EQUAL(j.rc, 0);
    for (int i = 0; i < 2; i++) {
        close(in[i]);
        close(out[i]);
    }
    place_close(&p);
}

static void test_rendezvous_works_between_processes(void)
{
    struct xlm__arrival a = { .rfd = -1 };
    struct place p;
    char got[6] = "";
    int fds[2], status;
    pid_t pid;

    place_open(&p);
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        struct joiner j = { .place = &p, .rfd = fds[0], .wfd = fds[1] };

        join_session(&j);
        _exit(j.rc ? 1 : 0);
    }
    CU_ASSERT_EQUAL_FATAL(xlm__rendezvous_accept(&p.err, &p.door, WAIT_MS, &a),
                          1);
    CU_ASSERT_EQUAL(write(fds[1], "hello", 5), 5);
    CU_ASSERT_EQUAL(read(a.rfd, got, 5), 5);
    CU_ASSERT_STRING_EQUAL(got, "hello");
    close(a.rfd);
    close(a.wfd);
    close(a.conn_fd);
    CU_ASSERT_TRUE(waitpid(pid, &status, 0) == pid && status == 0);
    close(fds[0]);
    close(fds[1]);
    place_close(&p);
}

static void test_rendezvous_session_may_come_later(void)
{
    struct xlm__arrival a = { .rfd = -1 };
    struct place p;
    struct joiner j = { .place = &p, .rfd = 0, .wfd = 1 };

    place_open(&p);
    xlm__rendezvous_close(&p.door);
    p.at.limit_ms = WAIT_MS;
    start(&j);
    CU_ASSERT_EQUAL_FATAL(xlm__rendezvous_open(&p.err, &p.at, &p.door), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__rendezvous_accept(&p.err, &p.door, WAIT_MS, &a),
                          1);
    close(a.rfd);
    close(a.wfd);
    close(a.conn_fd);
    pthread_join(j.thread, NULL);
    CU_ASSERT_EQUAL(j.rc, 0);
    place_close(&p);
}

static void test_rendezvous_without_session_is_an_error(void)
{
    unsigned char greeting[XLM_GREETING_BYTES] = { 0 };
    char text[XLM_MESSAGE_MAX];
    struct place p;
    int rc;

    place_open(&p);
    xlm__rendezvous_close(&p.door);
    rc = xlm__rendezvous_join(&p.err, &p.at, 0, 1, greeting);
    CU_ASSERT_EQUAL(rc, XLM_ERR_CHANNEL);
    xlm__errslot_read(&p.err, text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "no session at"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "300 ms"));
    place_close(&p);
}

static void test_rendezvous_nobody_comes_is_no_error(void)
{
    struct xlm__arrival a;
    struct place p;

    place_open(&p);
    CU_ASSERT_EQUAL(xlm__rendezvous_accept(&p.err, &p.door, 20, &a), 0);
    CU_ASSERT_EQUAL(xlm__errslot_code(&p.err), 0);
    place_close(&p);
}

static void test_rendezvous_socket_is_for_the_owner_alone(void)
{
    struct place p;
    struct stat st;

    place_open(&p);
    CU_ASSERT_EQUAL(stat(p.door.path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
    place_close(&p);
}

/* ---- strangers ---- */

static int connect_to(const struct place *p)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(sa.sun_path, p->door.path, sizeof(sa.sun_path));
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

/* So many bytes and copies of stdin's descriptor, then the end. */
static void stranger(size_t bytes, int nr_fds)
{
    unsigned char data[XLM_GREETING_BYTES] = { 0 };
    union {
        char bytes[CMSG_SPACE(8 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = { data, bytes };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct xlm__arrival a;
    struct place p;
    int fd;

    place_open(&p);
    fd = connect_to(&p);
    memset(&control, 0, sizeof(control));
    if (nr_fds) {
        struct cmsghdr *c;

        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE((size_t)nr_fds * sizeof(int));
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t)nr_fds * sizeof(int));
    }
    if (bytes)
        CU_ASSERT_EQUAL(sendmsg(fd, &m, MSG_NOSIGNAL), (ssize_t)bytes);
    shutdown(fd, SHUT_WR);
    CU_ASSERT_EQUAL(xlm__rendezvous_accept(&p.err, &p.door, WAIT_MS, &a), 0);
    CU_ASSERT_EQUAL(read(fd, data, 1), 0); /* turned away */
    close(fd);
    place_close(&p);
}

static void test_rendezvous_stranger_without_a_word_is_turned_away(void)
{
    stranger(0, 0);
}

static void test_rendezvous_stranger_with_half_a_greeting_is_turned_away(void)
{
    stranger(XLM_GREETING_BYTES / 2, 2);
}

static void test_rendezvous_stranger_without_descriptors_is_turned_away(void)
{
    stranger(XLM_GREETING_BYTES, 0);
}

static void test_rendezvous_stranger_with_one_descriptor_is_turned_away(void)
{
    stranger(XLM_GREETING_BYTES, 1);
}

static void test_rendezvous_stranger_with_many_descriptors_is_turned_away(void)
{
    stranger(XLM_GREETING_BYTES, 8);
}

/* A second session of the same id must not take the first one's place. */
static void test_rendezvous_second_of_an_id_leaves_the_first_alone(void)
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    struct xlm__rendezvous second;
    struct place p;
    int fd;

    place_open(&p);
    CU_ASSERT_EQUAL(xlm__rendezvous_open(&err, &p.at, &second), XLM_ERR_SYSTEM);
    xlm__rendezvous_close(&second);
    fd = connect_to(&p);
    close(fd);
    place_close(&p);
}

/* ---- what killed receivers leave ---- */

static const char *const left_path =
    "/xlm-00112233445566778899aabbccddeeff.sock";
static const char *const half_path =
    "/xlm-00112233445566778899aabbccddeeff.bind";

/* As a killed receiver leaves it, while a channel comes that has a minute. */
static void test_rendezvous_session_that_died_is_not_waited_for(void)
{
    unsigned char greeting[XLM_GREETING_BYTES] = { 0 };
    char text[XLM_MESSAGE_MAX];
    struct place p;

    place_open(&p);
    p.at.limit_ms = 60000;
    close(p.door.listen_fd);
    p.door.listen_fd = -1;
    CU_ASSERT_EQUAL(xlm__rendezvous_join(&p.err, &p.at, 0, 1, greeting),
                    XLM_ERR_CHANNEL);
    xlm__errslot_read(&p.err, text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "after 0 ms: Connection refused"));
    unlink(p.door.path);
    place_close(&p);
}

/* As a killed process leaves it. */
static void leave_socket(const char *path, bool old)
{
    const struct timespec long_ago[2] = { { .tv_sec = 1000 },
                                          { .tv_sec = 1000 } };
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    close(fd);
    if (old)
        CU_ASSERT_EQUAL(utimensat(AT_FDCWD, path, long_ago, 0), 0);
}

static bool is_swept(const char *name, bool old)
{
    char path[128];
    struct place p;
    bool gone;

    place_open(&p);
    snprintf(path, sizeof(path), "%s%s", p.dir, name);
    leave_socket(path, old);
    xlm__rendezvous_sweep(p.dir, NULL);
    gone = access(path, F_OK) != 0;
    CU_ASSERT_EQUAL(access(p.door.path, F_OK), 0);
    unlink(path);
    place_close(&p);
    return gone;
}

static void test_rendezvous_sweep_takes_what_nobody_listens_at(void)
{
    CU_ASSERT_TRUE(is_swept(left_path, false));
    CU_ASSERT_TRUE(is_swept(half_path, true));
    /* Its maker may be between two steps. */
    CU_ASSERT_FALSE(is_swept(half_path, false));
}

static void test_rendezvous_sweep_leaves_what_is_not_ours(void)
{
    CU_ASSERT_FALSE(is_swept("/other.sock", true));
    CU_ASSERT_FALSE(is_swept("/xlm-0011.sock", true));
    CU_ASSERT_FALSE(
        is_swept("/xlm-00112233445566778899aabbccddeeff.socket", true));
}

static void test_rendezvous_sweep_leaves_who_listens(void)
{
    struct place p;

    place_open(&p);
    xlm__rendezvous_sweep(p.dir, NULL);
    CU_ASSERT_EQUAL(access(p.door.path, F_OK), 0);
    /* Without the kernel's list nobody knows: nothing is done. */
    xlm__rendezvous_sweep(p.dir, "/nonexistent");
    CU_ASSERT_EQUAL(access(p.door.path, F_OK), 0);
    xlm__rendezvous_sweep(p.dir, "/dev/null");
    CU_ASSERT_NOT_EQUAL(access(p.door.path, F_OK), 0);
    place_close(&p);
}

static void test_rendezvous_next_session_sweeps(void)
{
    struct xlm__rendezvous door;
    unsigned char next[16] = { 9 };
    struct xlm__meeting at;
    char path[128];
    struct place p;

    place_open(&p);
    snprintf(path, sizeof(path), "%s%s", p.dir, left_path);
    leave_socket(path, true);
    at = p.at;
    at.session = next;
    CU_ASSERT_EQUAL(xlm__rendezvous_open(&p.err, &at, &door), 0);
    CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
    xlm__rendezvous_close(&door);
    place_close(&p);
}

static void test_rendezvous_path_too_long_is_an_error(void)
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    struct xlm__rendezvous door;
    unsigned char greeting[XLM_GREETING_BYTES] = { 0 };
    char dir[120];
    const struct xlm__meeting at = { dir, id, 0 };

    memset(dir, 'd', sizeof(dir) - 1);
    dir[sizeof(dir) - 1] = '\0';
    CU_ASSERT_EQUAL(xlm__rendezvous_open(&err, &at, &door), XLM_ERR_SYSTEM);
    xlm__rendezvous_close(&door);
    CU_ASSERT_EQUAL(xlm__rendezvous_join(&err, &at, 0, 1, greeting),
                    XLM_ERR_SYSTEM);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_rendezvous_descriptors_are_handed_over),
    UNIT_TEST(test_rendezvous_works_between_processes),
    UNIT_TEST(test_rendezvous_session_may_come_later),
    UNIT_TEST(test_rendezvous_without_session_is_an_error),
    UNIT_TEST(test_rendezvous_session_that_died_is_not_waited_for),
    UNIT_TEST(test_rendezvous_nobody_comes_is_no_error),
    UNIT_TEST(test_rendezvous_socket_is_for_the_owner_alone),
    UNIT_TEST(test_rendezvous_stranger_without_a_word_is_turned_away),
    UNIT_TEST(test_rendezvous_stranger_with_half_a_greeting_is_turned_away),
    UNIT_TEST(test_rendezvous_stranger_without_descriptors_is_turned_away),
    UNIT_TEST(test_rendezvous_stranger_with_one_descriptor_is_turned_away),
    UNIT_TEST(test_rendezvous_stranger_with_many_descriptors_is_turned_away),
    UNIT_TEST(test_rendezvous_second_of_an_id_leaves_the_first_alone),
    UNIT_TEST(test_rendezvous_sweep_takes_what_nobody_listens_at),
    UNIT_TEST(test_rendezvous_sweep_leaves_what_is_not_ours),
    UNIT_TEST(test_rendezvous_sweep_leaves_who_listens),
    UNIT_TEST(test_rendezvous_next_session_sweeps),
    UNIT_TEST(test_rendezvous_path_too_long_is_an_error),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("rendezvous", tests)
