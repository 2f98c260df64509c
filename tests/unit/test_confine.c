/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each test has a thread of its own to confine. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include <xen/xen.h>

#include <xen/sys/privcmd.h>

#include "engine/confine.h"
#include "unit.h"

#define UNKNOWN_CALL 4000
#define MAP_FD       77

typedef void body_fn(void);

static struct xlm__errslot err;
static struct xlm__confine what;
static char logged[XLM_MESSAGE_MAX];
static bool confined;

static void on_log(void *user, enum xlm_log_level level, const char *module,
                   const char *message)
{
    (void)user, (void)level, (void)module;
    snprintf(logged, sizeof(logged), "%s", message);
}

static void *thread(void *body)
{
    confined = xlm__confine_thread(&err, &what);
    CU_ASSERT_EQUAL(confined, XLM_CONFINE);
    if (confined)
        (*(body_fn **)body)();
    return NULL;
}

static void within(const struct xlm__confine *c, body_fn *body)
{
    pthread_t t;

    what = *c;
    xlm__errslot_init(&err, on_log, NULL, XLM_LOG_DEBUG);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, thread, &body), 0);
    CU_ASSERT_EQUAL(pthread_join(t, NULL), 0);
    xlm__errslot_destroy(&err);
}

static const struct xlm__confine reader = { .map_fd = MAP_FD, .who = "data 0" };
static const struct xlm__confine doorman = { .map_fd = XLM__CONFINE_NO_MAPPING,
                                             .accepts = true,
                                             .who = "the doorman" };

static bool refused(long r)
{
    return r == -1 && errno == EPERM;
}

/* ---- what is refused ---- */

static void open_all(void)
{
    CU_ASSERT(refused(syscall(SYS_open, "/dev/null", O_RDONLY)));
    CU_ASSERT(refused(open("/dev/null", O_RDONLY)));
    CU_ASSERT(refused(open("/tmp", O_TMPFILE | O_RDWR, 0600)));
    CU_ASSERT(refused(creat("/tmp/xlm-never", 0600)));
    CU_ASSERT(refused(unlink("/tmp/xlm-never")));
    CU_ASSERT(refused(rename("/tmp/xlm-never", "/tmp/xlm-neither")));
    CU_ASSERT(refused(mkdir("/tmp/xlm-never", 0700)));
    CU_ASSERT(refused(chmod("/tmp/xlm-never", 0700)));
    CU_ASSERT(refused(dup(0)));
    CU_ASSERT(refused(fcntl(0, F_DUPFD, 0)));
}

static void test_confine_files_cannot_be_opened_or_changed(void)
{
    within(&reader, open_all);
}

static void start_all(void)
{
    char *const argv[] = { (char *)(uintptr_t) "/bin/true", NULL };

    CU_ASSERT(refused(execve(argv[0], argv, argv)));
    CU_ASSERT(refused(execveat(AT_FDCWD, argv[0], argv, argv, 0)));
    CU_ASSERT(refused(fork()));
    CU_ASSERT(refused(syscall(SYS_vfork)));
    CU_ASSERT(refused(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0)));
    CU_ASSERT(refused(syscall(SYS_clone3, NULL, 0)));
}

static void test_confine_nothing_can_be_started(void)
{
    within(&reader, start_all);
}

static void connect_all(void)
{
    CU_ASSERT(refused(socket(AF_INET, SOCK_STREAM, 0)));
    CU_ASSERT(refused(socket(AF_UNIX, SOCK_STREAM, 0)));
    CU_ASSERT(refused(connect(0, NULL, 0)));
    CU_ASSERT(refused(bind(0, NULL, 0)));
    CU_ASSERT(refused(listen(0, 1)));
    CU_ASSERT(refused(accept4(0, NULL, NULL, 0)));
}

static void test_confine_nobody_can_be_connected_to(void)
{
    within(&reader, connect_all);
}

static void reach_all(void)
{
    CU_ASSERT(refused(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL)));
    CU_ASSERT(refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL)));
    CU_ASSERT(refused(
        syscall(SYS_process_vm_writev, getppid(), NULL, 0, NULL, 0, 0)));
    CU_ASSERT(refused(syscall(SYS_pidfd_open, getppid(), 0)));
    CU_ASSERT(refused(kill(1, 0)));
    CU_ASSERT(refused(syscall(SYS_tgkill, 1, 1, 0)));
    CU_ASSERT(refused(setpriority(PRIO_PROCESS, 1, 1)));
    CU_ASSERT(refused(syscall(SYS_io_uring_setup, 1, NULL)));
    CU_ASSERT(refused(syscall(SYS_bpf, 0, NULL, 0)));
    CU_ASSERT(refused(syscall(SYS_mount, "a", "b", "c", 0, NULL)));
}

static void test_confine_other_processes_are_out_of_reach(void)
{
    within(&reader, reach_all);
}

static void become_all(void)
{
    struct {
        uint32_t version, pid;
    } head = { 0x20080522, 0 };
    uint32_t caps[6] = { ~0u, ~0u, 0, ~0u, ~0u, 0 };

    CU_ASSERT(refused(syscall(SYS_setuid, 0)));
    CU_ASSERT(refused(syscall(SYS_setresuid, 0, 0, 0)));
    CU_ASSERT(refused(syscall(SYS_setgroups, 0, NULL)));
    CU_ASSERT(refused(syscall(SYS_capset, &head, caps)));
    CU_ASSERT(refused(prctl(PR_SET_NAME, "other", 0, 0, 0)));
    CU_ASSERT(refused(syscall(SYS_seccomp, 1, 0, NULL)));
}

static void test_confine_credentials_stay_as_they_are(void)
{
    within(&reader, become_all);
}

static void execute_all(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CU_ASSERT_NOT_EQUAL_FATAL(p, MAP_FAILED);
    CU_ASSERT(refused(mprotect(p, 4096, PROT_READ | PROT_EXEC)));
    CU_ASSERT(refused(mprotect(p, 4096, PROT_EXEC | PROT_WRITE)));
    CU_ASSERT_EQUAL(mprotect(p, 4096, PROT_READ), 0);
    CU_ASSERT_EQUAL(munmap(p, 4096), 0);
    p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
             0);
    CU_ASSERT_EQUAL(p, MAP_FAILED);
    CU_ASSERT_EQUAL(errno, EPERM);
}

static void test_confine_memory_cannot_be_made_executable(void)
{
    within(&reader, execute_all);
}

/* No such descriptor is open: that it is asked for shows in the errno. */
static bool map_reaches(int fd, unsigned long request)
{
    errno = 0;
    return ioctl(fd, request, NULL) == -1 && errno == EBADF;
}

static void map_one(void)
{
    CU_ASSERT(map_reaches(MAP_FD, IOCTL_PRIVCMD_MMAPBATCH_V2));
    CU_ASSERT(!map_reaches(MAP_FD + 1, IOCTL_PRIVCMD_MMAPBATCH_V2));
    CU_ASSERT(!map_reaches(MAP_FD, IOCTL_PRIVCMD_HYPERCALL));
    CU_ASSERT(!map_reaches(MAP_FD, IOCTL_PRIVCMD_MMAP));
    CU_ASSERT(!map_reaches(MAP_FD, IOCTL_PRIVCMD_DM_OP));
    CU_ASSERT(!map_reaches(MAP_FD, IOCTL_PRIVCMD_MMAP_RESOURCE));
}

static void map_none(void)
{
    CU_ASSERT(!map_reaches(MAP_FD, IOCTL_PRIVCMD_MMAPBATCH_V2));
}

static void map_any(void)
{
    CU_ASSERT(map_reaches(MAP_FD, IOCTL_PRIVCMD_MMAPBATCH_V2));
    CU_ASSERT(map_reaches(MAP_FD + 1, IOCTL_PRIVCMD_MMAPBATCH_V2));
    CU_ASSERT(!map_reaches(MAP_FD, IOCTL_PRIVCMD_HYPERCALL));
}

static void test_confine_maps_by_the_one_descriptor_only(void)
{
    const struct xlm__confine any = { .map_fd = XLM__CONFINE_ANY_MAPPING,
                                      .who = "data 0" };

    within(&reader, map_one);
    within(&doorman, map_none);
    within(&any, map_any);
}

/* A C library that is newer than the list falls back to an older call. */
static void call_unknown(void)
{
    CU_ASSERT_EQUAL(syscall(UNKNOWN_CALL), -1);
    CU_ASSERT_EQUAL(errno, ENOSYS);
    CU_ASSERT(refused(syscall(0x40000000 + SYS_read, 0, NULL, 0)));
}

static void test_confine_a_newer_call_is_as_if_not_there(void)
{
    within(&reader, call_unknown);
}

/* ---- what is left ---- */

/* More than an arena's first piece, and pieces that are mapped and moved. */
static void allocate(void)
{
    char *all[64], *p, *larger;

    for (size_t i = 0; i < 64; i++) {
        all[i] = malloc(100000);
        CU_ASSERT_PTR_NOT_NULL_FATAL(all[i]);
        memset(all[i], 1, 100000);
    }
    for (size_t i = 0; i < 64; i++)
        free(all[i]);
    p = malloc(8u << 20);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    larger = realloc(p, 32u << 20);
    CU_ASSERT_PTR_NOT_NULL(larger);
    free(larger ? larger : p);
}

static void work(void)
{
    const struct timespec nap = { 0, 1000 };
    unsigned char random[16];
    struct timespec now;
    struct rlimit limit;
    int fds[2] = { what.map_fd, -1 };

    allocate();
    CU_ASSERT_EQUAL(nanosleep(&nap, NULL), 0);
    CU_ASSERT_EQUAL(clock_gettime(CLOCK_REALTIME, &now), 0);
    CU_ASSERT_EQUAL(syscall(SYS_getrandom, random, sizeof(random), 0),
                    (long)sizeof(random));
    CU_ASSERT_EQUAL(write(fds[0], "abc", 3), 3);
    CU_ASSERT(fcntl(fds[0], F_GETFL) >= 0);
    CU_ASSERT_EQUAL(close(fds[0]), 0);
    CU_ASSERT_EQUAL(sched_yield(), 0);
    CU_ASSERT(refused(getrlimit(RLIMIT_NICE, &limit)));
}

static void test_confine_what_the_work_needs_is_left(void)
{
    char got[3] = "";
    int fds[2];
    struct xlm__confine c = reader;

    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    c.map_fd = fds[1];
    within(&c, work);
    if (confined) {
        CU_ASSERT_EQUAL(read(fds[0], got, 3), 3);
        CU_ASSERT_EQUAL(memcmp(got, "abc", 3), 0);
    } else {
        close(fds[1]);
    }
    close(fds[0]);
}

/* The rest of the line of /proc/.../status that begins so, or "". */
static void read_status(const char *path, const char *key, char value[64])
{
    const size_t n = strlen(key);
    FILE *f = fopen(path, "re");
    char line[256];

    value[0] = '\0';
    while (f && fgets(line, sizeof(line), f))
        if (!strncmp(line, key, n))
            snprintf(value, 64, "%.*s", (int)strcspn(line + n, "\n"), line + n);
    if (f)
        fclose(f);
}

static const char self[] = "/proc/thread-self/status";

/* What the thread keeps: CAP_SYS_NICE, if it is there to keep. */
static unsigned long long kept_capability(void)
{
    char caps[64];

    read_status(self, "CapEff:\t", caps);
    return strtoull(caps, NULL, 16) & 1ull << 23;
}

static bool may_be_less_nice;

static void be_nice_again(void)
{
    const int own = getpriority(PRIO_PROCESS, 0);

    CU_ASSERT_EQUAL(setpriority(PRIO_PROCESS, 0, own + 1), 0);
    if (may_be_less_nice)
        CU_ASSERT_EQUAL(setpriority(PRIO_PROCESS, 0, own), 0);
}

static void test_confine_priority_can_be_given_back(void)
{
    may_be_less_nice = kept_capability() != 0;
    within(&reader, be_nice_again);
}

static void accept_only(void)
{
    CU_ASSERT_EQUAL(accept4(MAP_FD, NULL, NULL, 0), -1);
    CU_ASSERT_EQUAL(errno, EBADF);
    CU_ASSERT(refused(socket(AF_INET, SOCK_STREAM, 0)));
}

static void test_confine_the_doorman_accepts(void)
{
    within(&doorman, accept_only);
}

/* ---- whom it concerns ---- */

static bool status_is(const char *path, const char *key, const char *value)
{
    char is[64];

    read_status(path, key, is);
    return !strcmp(is, value);
}

static char task[64];
static pthread_barrier_t ready, looked;

static void be_looked_at(void)
{
    snprintf(task, sizeof(task), "/proc/self/task/%d/status", (int)gettid());
    pthread_barrier_wait(&ready);
    pthread_barrier_wait(&looked);
}

static void *run_within(void *arg)
{
    (void)arg;
    within(&reader, be_looked_at);
    return NULL;
}

static void test_confine_the_other_threads_are_as_before(void)
{
    char caps[32];
    pthread_t t;

    if (!XLM_CONFINE)
        return;
    pthread_barrier_init(&ready, NULL, 2);
    pthread_barrier_init(&looked, NULL, 2);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, run_within, NULL), 0);
    pthread_barrier_wait(&ready);
    CU_ASSERT(status_is(task, "NoNewPrivs:\t", "1"));
    CU_ASSERT(status_is(task, "Seccomp:\t", "2"));
    snprintf(caps, sizeof(caps), "%016llx", kept_capability());
    CU_ASSERT(status_is(task, "CapEff:\t", caps));
    CU_ASSERT(status_is(task, "CapPrm:\t", caps));
    CU_ASSERT(status_is(self, "NoNewPrivs:\t", "0"));
    CU_ASSERT(status_is(self, "Seccomp:\t", "0"));
    pthread_barrier_wait(&looked);
    pthread_join(t, NULL);
    CU_ASSERT_EQUAL(system("true"), 0); /* xl can be started */
    pthread_barrier_destroy(&ready);
    pthread_barrier_destroy(&looked);
}

static void nothing(void)
{
}

static void test_confine_says_what_it_did(void)
{
    within(&reader, nothing);
    CU_ASSERT_PTR_NOT_NULL(strstr(logged, XLM_CONFINE ? "data 0 is confined"
                                                      : "not in this build"));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_confine_files_cannot_be_opened_or_changed),
    UNIT_TEST(test_confine_nothing_can_be_started),
    UNIT_TEST(test_confine_nobody_can_be_connected_to),
    UNIT_TEST(test_confine_other_processes_are_out_of_reach),
    UNIT_TEST(test_confine_credentials_stay_as_they_are),
    UNIT_TEST(test_confine_memory_cannot_be_made_executable),
    UNIT_TEST(test_confine_maps_by_the_one_descriptor_only),
    UNIT_TEST(test_confine_a_newer_call_is_as_if_not_there),
    UNIT_TEST(test_confine_what_the_work_needs_is_left),
    UNIT_TEST(test_confine_priority_can_be_given_back),
    UNIT_TEST(test_confine_the_doorman_accepts),
    UNIT_TEST(test_confine_the_other_threads_are_as_before),
    UNIT_TEST(test_confine_says_what_it_did),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("confine", tests)
