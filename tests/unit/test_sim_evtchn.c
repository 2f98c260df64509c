/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <poll.h>

#include "sim_fixture.h"

/* The next port that a handle tells of; 0: none. */
static uint32_t next(const struct sim_handle *h)
{
    struct pollfd p = { .fd = h->fd, .events = POLLIN };
    uint32_t port = 0;

    if (poll(&p, 1, 0) != 1 || read(h->fd, &port, sizeof(port)) != 4)
        return 0;
    return port;
}

struct pair {
    uint32_t domid;
    uint32_t guest_port;
    int port;
    struct sim_handle dom0, guest;
};

/* As xl and xenstored do for a new domain. */
static void connect_pair(struct pair *p)
{
    struct evtchn_alloc_unbound a = { .remote_dom = 0 };

    p->domid = sim_new_domain(true, 1, NULL);
    a.dom = p->domid;
    CU_ASSERT_EQUAL(sim_call(__HYPERVISOR_event_channel_op,
                             EVTCHNOP_alloc_unbound, (uintptr_t)&a),
                    0);
    p->guest_port = a.port;
    CU_ASSERT_EQUAL_FATAL(sim_handle_open(&p->dom0, 0, true), 0);
    CU_ASSERT_EQUAL_FATAL(sim_handle_open(&p->guest, p->domid, true), 0);
    p->port = sim_bind_interdomain(&p->dom0, p->domid, a.port);
    CU_ASSERT(p->port > 0);
    CU_ASSERT_EQUAL(sim_bind_own(&p->guest, a.port), (int)a.port);
}

static void disconnect(struct pair *p)
{
    sim_handle_close(&p->guest);
    sim_handle_close(&p->dom0);
    sim_kill_domain(p->domid);
}

static void test_evtchn_bound_port_is_pending_at_once(void)
{
    struct pair p;

    connect_pair(&p);
    CU_ASSERT_EQUAL(next(&p.dom0), (uint32_t)p.port);
    CU_ASSERT_EQUAL(next(&p.dom0), 0);
    disconnect(&p);
}

static void test_evtchn_masked_port_fires_once_after_unmask(void)
{
    struct pair p;

    connect_pair(&p);
    next(&p.dom0); /* told when it was bound, and masked since */
    CU_ASSERT_EQUAL(sim_notify(&p.guest, p.guest_port), 0);
    CU_ASSERT_EQUAL(sim_notify(&p.guest, p.guest_port), 0);
    CU_ASSERT_EQUAL(next(&p.dom0), 0);
    CU_ASSERT_EQUAL(sim_unmask(&p.dom0, p.port), 0);
    CU_ASSERT_EQUAL(next(&p.dom0), (uint32_t)p.port);
    CU_ASSERT_EQUAL(sim_unmask(&p.dom0, p.port), 0);
    CU_ASSERT_EQUAL(next(&p.dom0), 0);
    disconnect(&p);
}

static void test_evtchn_notify_reaches_the_guest(void)
{
    struct pair p;

    connect_pair(&p);
    CU_ASSERT_EQUAL(sim_notify(&p.dom0, p.port), 0);
    CU_ASSERT_EQUAL(next(&p.guest), p.guest_port);
    disconnect(&p);
}

static void test_evtchn_wrong_binds_are_refused(void)
{
    struct pair p;

    connect_pair(&p);
    CU_ASSERT_EQUAL(sim_bind_interdomain(&p.dom0, p.domid, p.guest_port),
                    -EINVAL);
    CU_ASSERT_EQUAL(sim_bind_interdomain(&p.dom0, 4242, 1), -ESRCH);
    CU_ASSERT_EQUAL(sim_bind_interdomain(&p.dom0, p.domid, SIM_MAXPORT),
                    -EINVAL);
    CU_ASSERT_EQUAL(sim_notify(&p.dom0, SIM_MAXPORT + 7), -EINVAL);
    CU_ASSERT_EQUAL(sim_unbind(&p.dom0, 0), -EINVAL);
    disconnect(&p);
}

static void test_evtchn_closed_end_leaves_the_other_unbound(void)
{
    struct evtchn_status s = { 0 };
    struct pair p;

    connect_pair(&p);
    CU_ASSERT_EQUAL(sim_unbind(&p.dom0, p.port), 0);
    s.dom = p.domid;
    s.port = p.guest_port;
    CU_ASSERT_EQUAL(
        sim_call(__HYPERVISOR_event_channel_op, EVTCHNOP_status, (uintptr_t)&s),
        0);
    CU_ASSERT_EQUAL(s.status, EVTCHNSTAT_unbound);
    disconnect(&p);
}

static void test_evtchn_ports_of_the_dead_are_found_again(void)
{
    int status, port;
    struct sim_handle h;

    fflush(stdout);
    if (!fork()) {
        struct sim_handle dead;

        if (!sim_handle_open(&dead, 0, true))
            while (sim_bind_unbound(&dead, 7) > 0)
                ;
        _exit(0); /* without closing it */
    }
    wait(&status);
    CU_ASSERT_EQUAL(sim_handle_open(&h, 0, true), 0);
    port = sim_bind_unbound(&h, 7);
    CU_ASSERT(port > 0);
    sim_handle_close(&h);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_evtchn_bound_port_is_pending_at_once),
    UNIT_TEST(test_evtchn_masked_port_fires_once_after_unmask),
    UNIT_TEST(test_evtchn_notify_reaches_the_guest),
    UNIT_TEST(test_evtchn_wrong_binds_are_refused),
    UNIT_TEST(test_evtchn_closed_end_leaves_the_other_unbound),
    UNIT_TEST(test_evtchn_ports_of_the_dead_are_found_again),
    CU_TEST_INFO_NULL,
};
SIM_MAIN("sim_evtchn", tests)
