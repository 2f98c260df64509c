/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The CPU policy that hosts and guests have: this machine's, without the
 * leaves beyond what Xen 4.17 knows.  There must be exactly as many as
 * libxenguest makes of a policy again, or it says ENOBUFS.
 */
#include "config.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

#include "stubs/hv/sim.h"

#define MAX_BASIC    0xdu
#define MAX_EXTENDED 0x80000008u
#define MAX_CACHES   6

struct list {
    xen_cpuid_leaf_t *leaf;
    unsigned nr, max;
};

static void add(struct list *l, uint32_t leaf, uint32_t subleaf, uint32_t a,
                uint32_t b, uint32_t c, uint32_t d)
{
    if (l->nr < l->max)
        l->leaf[l->nr] = (xen_cpuid_leaf_t){ leaf, subleaf, a, b, c, d };
    l->nr++;
}

static uint32_t limit(uint32_t n, uint32_t max)
{
    return n < max ? n : max;
}

/* eax and ecx tell whether there is another subleaf. */
static void add_real(struct list *l, uint32_t leaf, uint32_t subleaf,
                     uint32_t *a_out, uint32_t *c_out)
{
    const uint32_t in = subleaf == XEN_CPUID_NO_SUBLEAF ? 0 : subleaf;
    uint32_t a, b, c, d;

    __cpuid_count(leaf, in, a, b, c, d);
    *a_out = a;
    *c_out = c;
    if (leaf == 0)
        a = limit(a, MAX_BASIC);
    if (leaf == 0x80000000u)
        a = limit(a, MAX_EXTENDED);
    if (leaf == 1) {
        b &= 0x00ffff00; /* without the APIC id */
        c &= ~(1u << 31 | 1u << 24 | 1u << 3);
    }
    if (leaf == 7)
        a = 0;                    /* one subleaf */
    if (leaf == 0xd && in == 0) { /* x87, SSE and AVX */
        a = 7;
        d = 0;
    }
    if (leaf == 0xd && in == 1)
        c = d = 0;
    add(l, leaf, subleaf, a, b, c, d);
}

static void add_subleaves(struct list *l, uint32_t leaf)
{
    const unsigned max = leaf == 4 ? MAX_CACHES : leaf == 0xd ? 3 : 2;
    uint32_t a, c;

    for (unsigned i = 0; i < max; i++) {
        add_real(l, leaf, i, &a, &c);
        if ((leaf == 4 && !(a & 31)) || (leaf == 0xb && !(c >> 8 & 255)) ||
            leaf == 7)
            break;
    }
}

unsigned sim_cpuid_leaves(xen_cpuid_leaf_t *leaves, unsigned max)
{
    struct list l = { .leaf = leaves, .max = max };
    uint32_t basic, extended, a, b, c, d;

    __cpuid(0, basic, b, c, d);
    __cpuid(0x80000000u, extended, b, c, d);
    for (uint32_t i = 0; i <= limit(basic, MAX_BASIC); i++)
        if (i == 4 || i == 7 || i == 0xb || i == 0xd)
            add_subleaves(&l, i);
        else
            add_real(&l, i, XEN_CPUID_NO_SUBLEAF, &a, &c);
    add(&l, 0x40000000, XEN_CPUID_NO_SUBLEAF, 0, 0, 0, 0);
    add(&l, 0x40000100, XEN_CPUID_NO_SUBLEAF, 0, 0, 0, 0);
    for (uint32_t i = 0x80000000u; i <= limit(extended, MAX_EXTENDED); i++)
        add_real(&l, i, XEN_CPUID_NO_SUBLEAF, &a, &c);
    return l.nr < max ? l.nr : max;
}

/* In the order of public/arch-x86/cpufeatureset.h. */
unsigned sim_cpuid_featureset(uint32_t *words, unsigned max)
{
    uint32_t f[20] = { 0 }, a, b, c, d;
    const unsigned nr = max < 20 ? max : 20;

    __cpuid(1, a, b, c, d);
    f[0] = d;
    f[1] = c & ~(1u << 31 | 1u << 3);
    __cpuid(0x80000001u, a, b, c, d);
    f[2] = d;
    f[3] = c;
    __cpuid_count(0xd, 1, a, b, c, d);
    f[4] = a;
    __cpuid_count(7, 0, a, b, c, d);
    f[5] = b;
    f[6] = c;
    f[9] = d;
    __cpuid(0x80000007u, a, b, c, d);
    f[7] = d;
    __cpuid(0x80000008u, a, b, c, d);
    f[8] = b;
    memcpy(words, f, nr * sizeof(f[0]));
    return nr;
}

long sim_cpu_policy_copy(struct xen_domctl_cpu_policy *out,
                         const xen_cpuid_leaf_t *leaves, unsigned nr_leaves,
                         const xen_msr_entry_t *msrs, unsigned nr_msrs)
{
    if ((out->leaves.p && out->nr_leaves < nr_leaves) ||
        (out->msrs.p && out->nr_msrs < nr_msrs))
        return -ENOBUFS;
    if (out->leaves.p)
        memcpy(out->leaves.p, leaves, nr_leaves * sizeof(*leaves));
    if (out->msrs.p)
        memcpy(out->msrs.p, msrs, nr_msrs * sizeof(*msrs));
    out->nr_leaves = nr_leaves;
    out->nr_msrs = nr_msrs;
    return 0;
}
