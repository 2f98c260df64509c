/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "sim_fixture.h"

#include <xen/version.h>

#define PAGES 64u

static void info(uint32_t domid, struct xen_domctl *op)
{
    memset(op, 0, sizeof(*op));
    op->cmd = XEN_DOMCTL_getdomaininfo;
    op->domain = domid;
    CU_ASSERT_EQUAL(sim_domctl_call(op), 0);
}

static void test_domain_is_paused_when_made(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);
    struct xen_domctl op;

    info(d, &op);
    CU_ASSERT(op.u.getdomaininfo.flags & XEN_DOMINF_paused);
    CU_ASSERT(op.u.getdomaininfo.flags & XEN_DOMINF_hvm_guest);
    CU_ASSERT_EQUAL(op.u.getdomaininfo.tot_pages, PAGES);
    CU_ASSERT_EQUAL(op.u.getdomaininfo.nr_online_vcpus, 0);
    sim_kill_domain(d);
}

static void test_domain_destroyed_leaves_nothing(void)
{
    const uint64_t before = sim_hv->free_pages;
    uint32_t d = sim_new_domain(false, PAGES, NULL);
    uint32_t incarnation = sim_find(d)->incarnation;
    char path[256];

    CU_ASSERT_EQUAL(sim_hv->free_pages, before - PAGES);
    sim_kill_domain(d);
    CU_ASSERT_EQUAL(sim_hv->free_pages, before);
    CU_ASSERT_PTR_NULL(sim_find(d));
    CU_ASSERT_EQUAL(sim_simple(d, XEN_DOMCTL_pausedomain), -ESRCH);
    CU_ASSERT(sim_path(path, sizeof(path), "dom.%u.mem", incarnation));
    CU_ASSERT_EQUAL(access(path, F_OK), -1);
    for (unsigned i = SIM_MAXDOM; i < sim_hv->nr_chunks; i++)
        CU_ASSERT_EQUAL(sim_hv->chunk_owner[i], 0);
}

/* Makes it, as simxen-hvd's process does, and waits for that. */
static bool warmed(void)
{
    int status = -1;
    pid_t pid;

    sim_lock();
    pid = sim_warm_tend();
    sim_unlock();
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void test_domain_memory_that_was_used_is_clean_for_another(void)
{
    const uint64_t bytes = UINT64_C(16) << 20;
    const uint8_t *mem;
    uint64_t dirt = 0;
    char path[256];
    uint32_t d;

    sim_hv->warm_mb = 16;
    CU_ASSERT(sim_path(path, sizeof(path), "warm.mem"));
    CU_ASSERT(warmed());
    CU_ASSERT_EQUAL(access(path, F_OK), 0);
    d = sim_new_domain(true, PAGES, NULL);
    CU_ASSERT_EQUAL(access(path, F_OK), -1); /* it has that */
    memset(sim_tables(sim_find(d))->mem, 0xaa, bytes + 4096);
    sim_kill_domain(d);
    CU_ASSERT(warmed());

    d = sim_new_domain(true, PAGES, NULL);
    CU_ASSERT_EQUAL(access(path, F_OK), -1);
    mem = sim_tables(sim_find(d))->mem;
    for (uint64_t i = 0; i < bytes + 4096; i++)
        dirt += mem[i];
    CU_ASSERT_EQUAL(dirt, 0);
    sim_kill_domain(d);
    sim_hv->warm_mb = 0;
    sim_hv->warm_made = false;
}

static void test_domain_limits_are_kept(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);
    xen_pfn_t pfn = PAGES;
    struct xen_domctl op = { .cmd = XEN_DOMCTL_createdomain };

    CU_ASSERT_EQUAL(sim_reservation(XENMEM_populate_physmap, d, &pfn, 1), 0);
    CU_ASSERT_EQUAL(sim_domctl_call(&op), -EINVAL); /* no vCPU */
    op.interface_version = 1;
    CU_ASSERT_EQUAL(sim_call(__HYPERVISOR_domctl, (uintptr_t)&op, 0), -EACCES);
    sim_kill_domain(d);
}

static void test_domain_memory_of_host_ends(void)
{
    const uint64_t before = sim_hv->free_pages;
    struct xen_memory_reservation r = { .nr_extents = before + 1 };
    uint32_t d = sim_new_domain(true, PAGES, NULL);
    struct xen_domctl op = { .cmd = XEN_DOMCTL_max_mem, .domain = d };

    op.u.max_mem.max_memkb = UINT64_C(1) << 40;
    CU_ASSERT_EQUAL(sim_domctl_call(&op), 0);
    r.domid = d;
    CU_ASSERT_EQUAL(
        sim_call(__HYPERVISOR_memory_op, XENMEM_claim_pages, (uintptr_t)&r),
        -ENOMEM);
    sim_kill_domain(d);
}

static void test_domain_pv_frames_are_its_own(void)
{
    xen_pfn_t one[PAGES], two[PAGES];
    uint32_t d = sim_new_domain(false, PAGES, one);
    uint32_t e = sim_new_domain(false, PAGES, two);
    uint64_t idx;

    CU_ASSERT_NOT_EQUAL(one[5], two[5]);
    CU_ASSERT_EQUAL(sim_m2p_get(one[5]), 5);
    CU_ASSERT_EQUAL(sim_frame_to_idx(sim_find(d), one[5], &idx), 0);
    CU_ASSERT_EQUAL(sim_frame_to_idx(sim_find(e), one[5], &idx), -EINVAL);
    CU_ASSERT_PTR_NULL(sim_map_one(e, one[5], PROT_READ));
    sim_kill_domain(d);
    sim_kill_domain(e);
}

static void test_domain_types_of_pages_are_told(void)
{
    xen_pfn_t mfn[PAGES], types[3];
    uint32_t d = sim_new_domain(false, PAGES, mfn);
    struct mmuext_op pin = { .cmd = MMUEXT_PIN_L4_TABLE };
    uint64_t args[6] = { (uintptr_t)&pin, 1, 0, d };
    uint64_t *table = sim_map_one(d, mfn[1], PROT_READ | PROT_WRITE);
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getpageframeinfo3, .domain = d };

    table[0] = mfn[2] << 12 | 1; /* an L3 */
    munmap(table, 4096);
    pin.arg1.mfn = mfn[1];
    CU_ASSERT_EQUAL(sim_hypercall(__HYPERVISOR_mmuext_op, args), 0);
    types[0] = mfn[1];
    types[1] = mfn[2];
    types[2] = mfn[0] + (UINT64_C(1) << 40);
    op.u.getpageframeinfo3.num = 3;
    set_xen_guest_handle(op.u.getpageframeinfo3.array, types);
    CU_ASSERT_EQUAL(sim_domctl_call(&op), 0);
    CU_ASSERT_EQUAL(types[0],
                    XEN_DOMCTL_PFINFO_L4TAB | XEN_DOMCTL_PFINFO_LPINTAB);
    CU_ASSERT_EQUAL(types[1], XEN_DOMCTL_PFINFO_L3TAB);
    CU_ASSERT_EQUAL(types[2], XEN_DOMCTL_PFINFO_XTAB);
    sim_kill_domain(d);
}

struct runner {
    struct sim_domain *d;
    uint32_t incarnation;
    _Atomic bool inside;
    _Atomic unsigned long turns;
};

static void *run(void *arg)
{
    struct runner *r = arg;

    while (sim_enter(r->d, r->incarnation, 0)) {
        r->inside = true;
        r->turns++;
        r->inside = false;
        sim_leave(r->d, 0);
    }
    return NULL;
}

static void wait_turns(const struct runner *r)
{
    const unsigned long seen = r->turns;

    for (unsigned ms = 0; r->turns == seen && ms < 5000; ms++)
        usleep(1000);
    CU_ASSERT_NOT_EQUAL(r->turns, seen);
}

/* Nothing runs when the call is back, a thousand times; and it runs again. */
static void test_domain_pause_is_synchronous(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);
    struct runner r = { .d = sim_find(d) };
    pthread_t thread;

    r.incarnation = r.d->incarnation;
    r.d->guest_pid = getpid();
    CU_ASSERT_EQUAL(pthread_create(&thread, NULL, run, &r), 0);
    for (unsigned i = 0; i < 1000; i++) {
        unsigned long turns;

        CU_ASSERT_EQUAL(sim_simple(d, XEN_DOMCTL_unpausedomain), 0);
        if (i % 100 == 0)
            wait_turns(&r);
        CU_ASSERT_EQUAL(sim_simple(d, XEN_DOMCTL_pausedomain), 0);
        turns = r.turns;
        CU_ASSERT(!r.inside);
        sched_yield();
        CU_ASSERT_EQUAL(r.turns, turns);
    }
    r.d->guest_pid = 0;
    sim_kill_domain(d);
    pthread_join(thread, NULL);
}

/* A process may be killed at any time, and no domain stands still for it. */
static void test_domain_held_by_a_killed_process_goes_on(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);
    int status;

    fflush(stdout);
    if (!fork()) {
        sim_lock();
        sim_domain_hold(sim_domain(d));
        kill(getpid(), SIGKILL);
    }
    wait(&status);
    CU_ASSERT(WIFSIGNALED(status));
    CU_ASSERT_EQUAL(sim_find(d)->held, 0);
    CU_ASSERT_EQUAL(sim_simple(d, XEN_DOMCTL_unpausedomain), 0);
    CU_ASSERT(!sim_is_stopped(sim_find(d)));
    sim_kill_domain(d);
}

static void test_domain_shutdown_is_told_and_undone(void)
{
    uint32_t d = sim_new_domain(true, PAGES, NULL);
    struct sched_remote_shutdown s = { .domain_id = d,
                                       .reason = SHUTDOWN_suspend };
    struct sim_handle h;
    struct xen_domctl op;
    uint32_t port = 0;
    int virq;

    CU_ASSERT_EQUAL(sim_handle_open(&h, 0, true), 0);
    virq = sim_bind_virq(&h, VIRQ_DOM_EXC);
    CU_ASSERT(virq > 0);
    CU_ASSERT_EQUAL(
        sim_call(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, (uintptr_t)&s),
        0);
    CU_ASSERT_EQUAL(read(h.fd, &port, sizeof(port)), sizeof(port));
    CU_ASSERT_EQUAL(port, (uint32_t)virq);
    info(d, &op);
    CU_ASSERT(op.u.getdomaininfo.flags & XEN_DOMINF_shutdown);
    CU_ASSERT_EQUAL(op.u.getdomaininfo.flags >> XEN_DOMINF_shutdownshift &
                        XEN_DOMINF_shutdownmask,
                    SHUTDOWN_suspend);
    CU_ASSERT_EQUAL(sim_simple(d, XEN_DOMCTL_resumedomain), 0);
    info(d, &op);
    CU_ASSERT(!(op.u.getdomaininfo.flags & XEN_DOMINF_shutdown));
    sim_handle_close(&h);
    sim_kill_domain(d);
}

/* xen.git common/domctl.c: up to 4.17 a question for one is answered for the
 * next. */
static void test_domain_info_of_one_that_is_gone(void)
{
    uint32_t gone = sim_new_domain(true, 1, NULL);
    uint32_t next = sim_new_domain(true, 1, NULL);
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo, .domain = gone };
    long rc;

    sim_kill_domain(gone);
    rc = sim_domctl_call(&op);
    if (SIM_XEN_MINOR <= 17) {
        CU_ASSERT_EQUAL(rc, 0);
        CU_ASSERT_EQUAL(op.domain, next);
    } else {
        CU_ASSERT_EQUAL(rc, -ESRCH);
    }
    sim_kill_domain(next);
}

static void test_domain_version_is_that_of_the_headers(void)
{
    char extra[sizeof(xen_extraversion_t)];

    CU_ASSERT_EQUAL(sim_call(__HYPERVISOR_xen_version, XENVER_version, 0),
                    4 << 16 | SIM_XEN_MINOR);
    CU_ASSERT_EQUAL(sim_call(__HYPERVISOR_xen_version, XENVER_extraversion,
                             (uintptr_t)extra),
                    0);
#ifdef XENVER_extraversion2
    uint32_t room[16];
    struct xen_varbuf *buf = (struct xen_varbuf *)room;
    const long size = sim_call(__HYPERVISOR_xen_version, XENVER_extraversion2,
                               0);

    CU_ASSERT_EQUAL(size, (long)strlen(extra));
    buf->len = 2;
    CU_ASSERT_EQUAL(sim_call(__HYPERVISOR_xen_version, XENVER_extraversion2,
                             (uintptr_t)buf),
                    -ENOBUFS);
    buf->len = sizeof(room) - sizeof(*buf);
    CU_ASSERT_EQUAL(sim_call(__HYPERVISOR_xen_version, XENVER_extraversion2,
                             (uintptr_t)buf),
                    size);
    CU_ASSERT(!memcmp(buf->buf, extra, size));
#endif
}

static void test_domain_unsupported_call_is_logged_once(void)
{
    char path[256], line[256];
    unsigned n = 0;
    FILE *f;

    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(sim_call(__HYPERVISOR_hypfs_op, 0, 0), -ENOSYS);
    CU_ASSERT(sim_path(path, sizeof(path), "unsupported.log"));
    f = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    while (fgets(line, sizeof(line), f))
        n += strstr(line, "hypfs_op") != NULL;
    fclose(f);
    CU_ASSERT_EQUAL(n, 1);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_domain_is_paused_when_made),
    UNIT_TEST(test_domain_destroyed_leaves_nothing),
    UNIT_TEST(test_domain_memory_that_was_used_is_clean_for_another),
    UNIT_TEST(test_domain_limits_are_kept),
    UNIT_TEST(test_domain_memory_of_host_ends),
    UNIT_TEST(test_domain_pv_frames_are_its_own),
    UNIT_TEST(test_domain_types_of_pages_are_told),
    UNIT_TEST(test_domain_pause_is_synchronous),
    UNIT_TEST(test_domain_held_by_a_killed_process_goes_on),
    UNIT_TEST(test_domain_shutdown_is_told_and_undone),
    UNIT_TEST(test_domain_info_of_one_that_is_gone),
    UNIT_TEST(test_domain_version_is_that_of_the_headers),
    UNIT_TEST(test_domain_unsupported_call_is_logged_once),
    CU_TEST_INFO_NULL,
};
SIM_MAIN("sim_domain", tests)
