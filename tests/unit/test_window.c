/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A sender that has made our code compute whatever it likes: what the handle
 * itself, and the kernel behind it, let through.  On simxen, whose
 * libxenforeignmemory is held to a domain as the real one is.
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

/* First: xenctrl.h has another set_xen_guest_handle(). */
#include "sim_fixture.h"

#include "engine/confine.h"
#include "error_says.h"
#include "hv/hv_xen.h"
#include "mem/sink.h"

#define NR_PAGES 16u
#define NR_PFNS  1024u

static struct xlm__errslot err;
static struct xlm__hv host = { .err = &err };
static uint32_t ours, theirs;
static struct xlm__hv *w;
static int fd;
static char logged[XLM_MESSAGE_MAX];

static void on_log(void *user, enum xlm_log_level level, const char *module,
                   const char *message)
{
    (void)user, (void)module;
    if (level == XLM_LOG_INFO)
        snprintf(logged, sizeof(logged), "%s", message);
}

static void make(void)
{
    logged[0] = '\0';
    xlm__errslot_init(&err, on_log, NULL, XLM_LOG_DEBUG);
    ours = sim_new_domain(true, NR_PAGES, NULL);
    theirs = sim_new_domain(true, NR_PAGES, NULL);
    w = NULL;
    fd = 0;
    CU_ASSERT_EQUAL_FATAL(xlm__xen_window(&host, ours, &w, &fd), 0);
}

static void unmake(void)
{
    if (w)
        w->ops->close(w);
    sim_kill_domain(ours);
    sim_kill_domain(theirs);
    xlm__errslot_destroy(&err);
}

static int map_one(uint32_t domid, uint64_t gfn, struct xlm__map *map, int *e)
{
    return w->ops->map(w, domid, true, 1, &gfn, e, map);
}

static void test_window_shows_its_own_domain(void)
{
    struct xlm__map map;
    int e = 0;

    make();
    CU_ASSERT_PTR_NOT_NULL_FATAL(w);
    CU_ASSERT_EQUAL_FATAL(map_one(ours, 3, &map, &e), 0);
    CU_ASSERT_EQUAL(e, 0);
    memset(map.addr, 0x77, XLM__PAGE_SIZE);
    w->ops->unmap(w, &map);
    unmake();
}

static void test_window_no_other_domain_can_be_mapped(void)
{
    static const uint32_t ids[] = { 0, DOMID_SELF, DOMID_XEN, DOMID_IO };
    struct xlm__map map;
    int e = 0;

    make();
    CU_ASSERT_PTR_NOT_NULL_FATAL(w);
    CU_ASSERT_EQUAL(map_one(theirs, 3, &map, &e), XLM_ERR_HYPERVISOR);
    CU_ASSERT(error_says(&err, "Operation not permitted"));
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        CU_ASSERT_EQUAL(map_one(ids[i], 3, &map, &e), XLM_ERR_HYPERVISOR);
    unmake();
}

/* Not by any frame number either: a frame of another domain, or of the host,
 * is none of this one's. */
static void test_window_frames_beyond_the_domain_are_refused(void)
{
    static const uint64_t gfns[] = { NR_PAGES, 0x100000, 1ull << 40,
                                     UINT64_MAX };
    struct xlm__map map;

    make();
    CU_ASSERT_PTR_NOT_NULL_FATAL(w);
    for (size_t i = 0; i < sizeof(gfns) / sizeof(gfns[0]); i++) {
        int e = 0;

        if (map_one(ours, gfns[i], &map, &e))
            continue;
        CU_ASSERT_NOT_EQUAL(e, 0);
        w->ops->unmap(w, &map);
    }
    unmake();
}

static void test_window_the_handle_cannot_be_turned_to_another(void)
{
    struct xlm__map map;
    int e = 0;

    make();
    CU_ASSERT_PTR_NOT_NULL_FATAL(w);
    CU_ASSERT_EQUAL(
        xenforeignmemory_restrict(xlm__hv_xen(w)->fmem, (domid_t)theirs), -1);
    CU_ASSERT_EQUAL(errno, EINVAL);
    CU_ASSERT_EQUAL(
        xenforeignmemory_restrict(xlm__hv_xen(w)->fmem, (domid_t)ours), 0);
    CU_ASSERT_EQUAL(map_one(theirs, 3, &map, &e), XLM_ERR_HYPERVISOR);
    unmake();
}

/* ---- from within a thread that is confined ---- */

static void *map_confined(void *unused)
{
    const struct xlm__confine c = { .map_fd = fd, .who = "data 0" };
    struct xlm__map map;
    int e = 0;

    xlm__confine_thread(&err, &c);
    CU_ASSERT_EQUAL_FATAL(map_one(ours, 5, &map, &e), 0);
    CU_ASSERT_EQUAL(e, 0);
    memset(map.addr, 0x55, XLM__PAGE_SIZE);
    w->ops->unmap(w, &map);
    CU_ASSERT_EQUAL(map_one(theirs, 5, &map, &e), XLM_ERR_HYPERVISOR);
    return unused;
}

static void test_window_can_be_used_by_a_confined_thread(void)
{
    pthread_t t;

    make();
    CU_ASSERT_PTR_NOT_NULL_FATAL(w);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, map_confined, NULL), 0);
    pthread_join(t, NULL);
    unmake();
}

/* ---- what the sink checks before ---- */

static void test_window_pages_beyond_the_offer_do_not_reach_it(void)
{
    static const uint64_t pfns[] = { NR_PFNS, 1ull << 40, UINT64_MAX };
    static const uint32_t type;
    struct xlm__sink *s = NULL;
    struct xlm__job *j = NULL;
    void *page;

    make();
    CU_ASSERT_PTR_NOT_NULL_FATAL(w);
    CU_ASSERT_EQUAL_FATAL(xlm__sink_open_hvm(w, ours, NR_PFNS, &s), 0);
    CU_ASSERT_EQUAL_FATAL(s->ops->job_new(s, &j), 0);
    for (size_t i = 0; i < sizeof(pfns) / sizeof(pfns[0]); i++) {
        CU_ASSERT_EQUAL(s->ops->begin(j, 1, &pfns[i], &type, &page),
                        XLM_ERR_STREAM);
        CU_ASSERT_EQUAL(s->ops->zero(j, pfns[i], 1, 0), XLM_ERR_STREAM);
    }
    CU_ASSERT_EQUAL(s->ops->zero(j, 1, UINT64_MAX, 0), XLM_ERR_STREAM);
    s->ops->job_free(j);
    s->ops->close(s);
    unmake();
}

/* ---- a host that cannot ---- */

static int window_of_old_kernel(void)
{
    uint32_t d = sim_new_domain(true, 1, NULL);
    int rc;

    xlm__errslot_init(&err, on_log, NULL, XLM_LOG_DEBUG);
    rc = xlm__xen_window(&host, d, &w, &fd);
    sim_kill_domain(d);
    return rc || w || fd != -1 || xlm__errslot_code(&err) ||
           !strstr(logged, "not held to domain");
}

static void test_window_without_the_kernel_there_is_none(void)
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (!pid) {
        setenv("SIMXEN_FAULT", "foreignmemory.restrict=EOPNOTSUPP", 1);
        _exit(window_of_old_kernel());
    }
    CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_EQUAL(status, 0);
}

/* ---- faults of simxen in a thread that opens and starts nothing ---- */

static int fault_confined(void)
{
    pthread_t t;

    make();
    if (pthread_create(&t, NULL, map_confined, NULL))
        return 1;
    pthread_join(t, NULL);
    return 2;
}

static void dies_by(const char *rule)
{
    char log[128], line[128] = "";
    int status;
    pid_t pid;
    FILE *f;

    CU_ASSERT_FATAL(sim_path(log, sizeof(log), "faults.log"));
    unlink(log);
    fflush(stdout);
    pid = fork();
    if (!pid) {
        setenv("SIMXEN_FAULT", rule, 1);
        alarm(20); /* a power cut that nobody makes is waited for */
        _exit(fault_confined());
    }
    CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    f = fopen(log, "re");
    CU_ASSERT(f && fgets(line, sizeof(line), f));
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "foreignmemory.map: call 1"));
    if (f)
        fclose(f);
}

static void make_power_cut(void)
{
    char path[128];
    FILE *f;

    CU_ASSERT_FATAL(sim_path(path, sizeof(path), "powercut"));
    f = fopen(path, "we");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs("#!/bin/sh\nkill -9 $PPID\n", f);
    fchmod(fileno(f), 0755);
    fclose(f);
}

static void test_window_faults_come_true_in_a_confined_thread(void)
{
    make_power_cut();
    dies_by("foreignmemory.map=kill");
    dies_by("foreignmemory.map=killafter");
    dies_by("foreignmemory.map=cut");
}

static CU_TestInfo tests[] = {
    /* first: rules of faults are read once a process */
    UNIT_TEST(test_window_faults_come_true_in_a_confined_thread),
    UNIT_TEST(test_window_without_the_kernel_there_is_none),
    UNIT_TEST(test_window_shows_its_own_domain),
    UNIT_TEST(test_window_no_other_domain_can_be_mapped),
    UNIT_TEST(test_window_frames_beyond_the_domain_are_refused),
    UNIT_TEST(test_window_the_handle_cannot_be_turned_to_another),
    UNIT_TEST(test_window_can_be_used_by_a_confined_thread),
    UNIT_TEST(test_window_pages_beyond_the_offer_do_not_reach_it),
    CU_TEST_INFO_NULL,
};

SIM_MAIN("window", tests)
