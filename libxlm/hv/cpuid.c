/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>

#include "hv/cpuid.h"

enum reg { EAX, EBX, ECX, EDX };

/*
 * The registers that hold feature bits, as in Xen's public/arch-x86/
 * cpufeatureset.h, and the bits which a guest's policy may have although the
 * maximum policy has not, or which the guest itself changes.
 */
static const struct word {
    uint32_t leaf, subleaf;
    enum reg reg;
    uint32_t ignore;
} words[] = {
    /* hypervisor, OSXSAVE, x2APIC; HTT: set by the toolstack at will */
    { 0x1, XEN_CPUID_NO_SUBLEAF, ECX, 1u << 31 | 1u << 27 | 1u << 21 },
    { 0x1, XEN_CPUID_NO_SUBLEAF, EDX, 1u << 28 },
    /* FDP_EXCPTN_ONLY, NO_FPU_SEL: absence of something, not a feature */
    { 0x7, 0, EBX, 1u << 6 | 1u << 13 },
    { 0x7, 0, ECX, 1u << 4 /* OSPKE */ },
    { 0x7, 0, EDX, 0 },
    { 0x7, 1, EAX, 0 },
    { 0xd, 1, EAX, 0 },
    { 0x80000001, XEN_CPUID_NO_SUBLEAF, ECX, 1u << 1 /* CMP_LEGACY */ },
    /* AMD repeats these of leaf 1 here; Xen adds them for guests only */
    { 0x80000001, XEN_CPUID_NO_SUBLEAF, EDX, 0x0183f3ff },
    { 0x80000007, XEN_CPUID_NO_SUBLEAF, EDX, 1u << 8 /* ITSC */ },
    { 0x80000008, XEN_CPUID_NO_SUBLEAF, EBX, 0 },
};

static uint32_t word_of(const xen_cpuid_leaf_t *leaves, size_t nr,
                        const struct word *w)
{
    for (size_t i = 0; i < nr; i++) {
        const uint32_t regs[] = { leaves[i].a, leaves[i].b, leaves[i].c,
                                  leaves[i].d };

        if (leaves[i].leaf == w->leaf && leaves[i].subleaf == w->subleaf)
            return regs[w->reg];
    }
    return 0;
}

bool xlm__cpuid_lacks(const xen_cpuid_leaf_t *guest, size_t nr_guest,
                      const xen_cpuid_leaf_t *host, size_t nr_host, char *why,
                      size_t why_bytes)
{
    static const char names[][4] = { "eax", "ebx", "ecx", "edx" };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const struct word *w = &words[i];
        uint32_t has = word_of(guest, nr_guest, w);
        uint32_t can = word_of(host, nr_host, w);
        uint32_t lacks = has & ~can & ~w->ignore;

        if (!lacks)
            continue;
        snprintf(why, why_bytes,
                 "CPUID leaf %#x%s %s: the guest has %#x, this host lacks "
                 "bits %#x of it",
                 w->leaf, w->subleaf == 1 ? ".1" : "", names[w->reg], has,
                 lacks);
        return true;
    }
    return false;
}
