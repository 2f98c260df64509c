/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A simulated host in a directory of its own, without processes. */
#ifndef TESTS_SIM_FIXTURE_H
#define TESTS_SIM_FIXTURE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stubs/hv/sim.h"
#include "unit.h"

#define SIM_MAIN(name, tests)                                                  \
    int main(int argc, char **argv)                                            \
    {                                                                          \
        int rc = 99;                                                           \
                                                                               \
        if (sim_begin())                                                       \
            rc = unit_run(name, tests, argc > 1 ? argv[1] : NULL);             \
        sim_end();                                                             \
        return rc;                                                             \
    }

static char sim_dir[64];

static inline bool sim_begin(void)
{
    snprintf(sim_dir, sizeof(sim_dir), "%s/simxen-test.XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    if (!mkdtemp(sim_dir))
        return false;
    setenv("SIMXEN_STATE", sim_dir, 1);
    setenv("SIMXEN_CLOCK", sim_dir, 1);
    setenv("SIMXEN_MEM_MB", "256", 1);
    unsetenv("SIMXEN_FAULT");
    return !sim_attach();
}

static inline void sim_end(void)
{
    char cmd[128];

    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", sim_dir);
    if (!*sim_dir || system(cmd))
        fprintf(stderr, "cannot remove '%s'\n", sim_dir);
}

static inline long sim_call(unsigned op, uint64_t a, uint64_t b)
{
    const uint64_t args[6] = { a, b, 0, 0, 0, 0 };

    return sim_hypercall(op, args);
}

static inline long sim_domctl_call(struct xen_domctl *op)
{
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    return sim_call(__HYPERVISOR_domctl, (uintptr_t)op, 0);
}

static inline long sim_simple(uint32_t domid, uint32_t cmd)
{
    struct xen_domctl op = { .cmd = cmd, .domain = domid };

    return sim_domctl_call(&op);
}

static inline long sim_reservation(unsigned cmd, uint32_t domid,
                                   xen_pfn_t *frames, unsigned nr)
{
    struct xen_memory_reservation r = { .nr_extents = nr, .domid = domid };

    set_xen_guest_handle(r.extent_start, frames);
    return sim_call(__HYPERVISOR_memory_op, cmd, (uintptr_t)&r);
}

/* A domain of nr pages from 0 on; frames, if any, become its gfns or mfns. */
static inline uint32_t sim_new_domain(bool hvm, unsigned nr, xen_pfn_t *frames)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_createdomain };
    uint32_t domid;
    xen_pfn_t *own = calloc(nr, sizeof(*own));

    op.u.createdomain.max_vcpus = 2;
    op.u.createdomain.handle[0] = 0x5a;
    if (hvm)
        op.u.createdomain.flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap;
    CU_ASSERT_EQUAL_FATAL(sim_domctl_call(&op), 0);
    domid = op.domain;
    op.cmd = XEN_DOMCTL_max_mem;
    op.u.max_mem.max_memkb = nr * 4u;
    CU_ASSERT_EQUAL(sim_domctl_call(&op), 0);
    for (unsigned i = 0; i < nr; i++)
        own[i] = i;
    CU_ASSERT_EQUAL(sim_reservation(XENMEM_populate_physmap, domid, own, nr),
                    nr);
    if (frames)
        memcpy(frames, own, nr * sizeof(*own));
    free(own);
    return domid;
}

static inline void sim_kill_domain(uint32_t domid)
{
    CU_ASSERT_EQUAL(sim_simple(domid, XEN_DOMCTL_destroydomain), 0);
}

static inline struct sim_domain *sim_find(uint32_t domid)
{
    struct sim_domain *d;

    sim_lock();
    d = sim_domain(domid);
    sim_unlock();
    return d;
}

static inline void *sim_map_one(uint32_t domid, uint64_t frame, int prot)
{
    int err = 0;
    void *p = sim_map(domid, NULL, prot, 0, 1, &frame, &err);

    if (p && err) {
        munmap(p, 4096);
        p = NULL;
    }
    return p;
}

#endif
