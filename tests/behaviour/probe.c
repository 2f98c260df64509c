/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a toolstack sees of a paused PVH domain, one line each, the same on
 * every Xen: return values, error names, states.  tests/behaviour/run compares
 * what real Xen and the simulated one answer.
 *
 * usage: probe DOMID | probe gone DOMID
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xenguest.h>

#include <xen/hvm/params.h>
#include <xen/hvm/save.h>

#define NOBODY   0x7000u       /* a domid that no domain has         */
#define HOLE     0x40000ul     /* a gfn behind the domain's RAM      */
#define FAR_AWAY 0x3fffffffful /* a gfn that cannot exist            */
#define PAGE     4096

struct probe {
    xc_interface *xch;
    xenforeignmemory_handle *fmem;
    uint32_t domid;
    xc_hypercall_buffer_t *bitmap_handle;
    uint64_t nr_gfns;
};

/* A negative result by the name of its errno. */
static void say(const char *what, long long r)
{
    int err = errno;

    if (r < 0)
        printf("%s: %s\n", what, strerrorname_np(err));
    else
        printf("%s: %lld\n", what, r);
}

/* ---- states ---- */

static bool info_of(struct probe *p, xc_domaininfo_t *info)
{
    return xc_domain_getinfolist(p->xch, p->domid, 1, info) == 1 &&
           info->domain == p->domid;
}

static void say_state(struct probe *p, const char *when)
{
    xc_domaininfo_t i;

    if (!info_of(p, &i)) {
        printf("state, %s: none\n", when);
        return;
    }
    printf(
        "state, %s: dying %d shutdown %d reason %u paused %d blocked %d "
        "running %d hvm %d\n",
        when, !!(i.flags & XEN_DOMINF_dying), !!(i.flags & XEN_DOMINF_shutdown),
        (i.flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask,
        !!(i.flags & XEN_DOMINF_paused), !!(i.flags & XEN_DOMINF_blocked),
        !!(i.flags & XEN_DOMINF_running), !!(i.flags & XEN_DOMINF_hvm_guest));
}

static void probe_info(struct probe *p)
{
    xc_domaininfo_t i;
    xen_pfn_t last = 0;

    say_state(p, "created");
    if (!info_of(p, &i))
        return;
    printf("pages: %" PRIu64 " of at most %" PRIu64 ", outstanding %" PRIu64
           ", shared %" PRIu64 ", paged %" PRIu64 "\n",
           (uint64_t)i.tot_pages, (uint64_t)i.max_pages,
           (uint64_t)i.outstanding_pages, (uint64_t)i.shr_pages,
           (uint64_t)i.paged_pages);
    printf("vcpus: online %u, greatest number %u\n", i.nr_online_vcpus,
           i.max_vcpu_id);
    say("maximum_gpfn", xc_domain_maximum_gpfn(p->xch, p->domid, &last));
    printf("greatest gfn: 0x%lx\n", (unsigned long)last);
}

static void probe_nobody(struct probe *p)
{
    uint64_t value;
    xen_pfn_t gfn = 0, last;
    int err = 0;
    void *at;

    say("nobody, pause", xc_domain_pause(p->xch, NOBODY));
    say("nobody, destroy", xc_domain_destroy(p->xch, NOBODY));
    say("nobody, hvm context",
        xc_domain_hvm_getcontext(p->xch, NOBODY, NULL, 0));
    say("nobody, hvm param",
        xc_hvm_param_get(p->xch, NOBODY, HVM_PARAM_STORE_PFN, &value));
    say("nobody, maximum_gpfn", xc_domain_maximum_gpfn(p->xch, NOBODY, &last));
    say("nobody, log-dirty off",
        xc_shadow_control(p->xch, NOBODY, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0));
    at = xenforeignmemory_map(p->fmem, NOBODY, PROT_READ, 1, &gfn, &err);
    say("nobody, map", at ? 0 : -1);
    if (at) {
        printf("nobody, the page: %s\n", strerrorname_np(-err));
        xenforeignmemory_unmap(p->fmem, at, 1);
    }
}

static void probe_pause(struct probe *p)
{
    say("pause", xc_domain_pause(p->xch, p->domid));
    say_state(p, "paused twice");
    say("unpause", xc_domain_unpause(p->xch, p->domid));
    say_state(p, "unpaused once");
}

/* ---- memory ---- */

static const struct {
    const char *name;
    xen_pfn_t gfn;
} places[] = {
    { "gfn 0", 0 },   { "gfn 0x100", 0x100 },      { "gfn 0xa0", 0xa0 },
    { "hole", HOLE }, { "special page", 0xfeffc }, { "beyond", FAR_AWAY },
};
#define NR_PLACES (sizeof(places) / sizeof(places[0]))

static void probe_types(struct probe *p)
{
    struct xen_domctl domctl = { .cmd = XEN_DOMCTL_getpageframeinfo3 };
    DECLARE_HYPERCALL_BUFFER(uint64_t, types);

    types = xc_hypercall_buffer_alloc(p->xch, types,
                                      sizeof(*types) * NR_PLACES);
    if (!types) {
        say("types", -1);
        return;
    }
    for (size_t i = 0; i < NR_PLACES; i++)
        types[i] = places[i].gfn;
    domctl.domain = (domid_t)p->domid;
    domctl.u.getpageframeinfo3.num = NR_PLACES;
    set_xen_guest_handle(domctl.u.getpageframeinfo3.array, types);
    say("page types", xc_domctl(p->xch, &domctl));
    for (size_t i = 0; i < NR_PLACES; i++)
        printf("type of %s: 0x%lx\n", places[i].name,
               (unsigned long)types[i] & XEN_DOMCTL_PFINFO_LTAB_MASK);
    xc_hypercall_buffer_free(p->xch, types);
}

static void probe_map(struct probe *p)
{
    xen_pfn_t gfns[NR_PLACES];
    int errs[NR_PLACES];
    void *at;

    for (size_t i = 0; i < NR_PLACES; i++)
        gfns[i] = places[i].gfn;
    at = xenforeignmemory_map(p->fmem, p->domid, PROT_READ, NR_PLACES, gfns,
                              errs);
    say("map some of which are not there", at ? 0 : -1);
    for (size_t i = 0; at && i < NR_PLACES; i++)
        printf("map %s: %s\n", places[i].name,
               errs[i] ? strerrorname_np(-errs[i]) : "0");
    if (at)
        xenforeignmemory_unmap(p->fmem, at, NR_PLACES);
    errno = 0;
    at = xenforeignmemory_map(p->fmem, p->domid, PROT_READ, 1, &gfns[3], NULL);
    say("map the hole alone", at ? 0 : -1);
}

static void probe_populate(struct probe *p)
{
    xen_pfn_t gfn = 0x200, many[1024];
    xc_domaininfo_t i;
    long long got;

    say("give gfn up",
        xc_domain_decrease_reservation(p->xch, p->domid, 1, 0, &gfn));
    say("give it up again",
        xc_domain_decrease_reservation(p->xch, p->domid, 1, 0, &gfn));
    say("take it back",
        xc_domain_populate_physmap(p->xch, p->domid, 1, 0, 0, &gfn));
    for (size_t j = 0; j < 1024; j++)
        many[j] = HOLE + j;
    got = xc_domain_populate_physmap(p->xch, p->domid, 1024, 0, 0, many);
    if (!info_of(p, &i))
        return;
    printf("more than it may have: %s\n", got < 0 ? strerrorname_np(errno)
                                          : i.tot_pages == i.max_pages
                                              ? "up to the limit"
                                              : "not up to the limit");
    if (got > 0)
        say("give that up", xc_domain_decrease_reservation(
                                p->xch, p->domid, (unsigned long)got, 0, many));
}

/* A limit below what it has, as a domain that is copied live gets. */
static void probe_limit(struct probe *p)
{
    xen_pfn_t gfn = 0x200;
    xc_domaininfo_t before, i;

    if (!info_of(p, &before))
        return;
    say("limit to nothing", xc_domain_setmaxmem(p->xch, p->domid, 0));
    if (info_of(p, &i))
        printf("limit, pages: %llu, has all of them: %s\n",
               (unsigned long long)i.max_pages,
               i.tot_pages == before.tot_pages ? "yes" : "no");
    say("above it, give up",
        xc_domain_decrease_reservation(p->xch, p->domid, 1, 0, &gfn));
    say("above it, take back",
        xc_domain_populate_physmap(p->xch, p->domid, 1, 0, 0, &gfn));
    say("limit as it was",
        xc_domain_setmaxmem(p->xch, p->domid,
                            before.max_pages * (PAGE / 1024)));
    if (info_of(p, &i))
        printf("it is what it was: %s\n",
               i.max_pages == before.max_pages ? "yes" : "no");
    say("below it, take back",
        xc_domain_populate_physmap(p->xch, p->domid, 1, 0, 0, &gfn));
}

/* ---- log-dirty ---- */

static long long clean(struct probe *p, uint32_t op, uint64_t pages)
{
    DECLARE_HYPERCALL_BUFFER_SHADOW(unsigned long, bitmap, p->bitmap_handle);

    (void)bitmap;
    return xc_logdirty_control(p->xch, p->domid, op, p->bitmap_handle, pages, 0,
                               NULL);
}

static void say_dirty(struct probe *p, const char *what, long long r)
{
    DECLARE_HYPERCALL_BUFFER_SHADOW(unsigned long, bitmap, p->bitmap_handle);
    unsigned nr = 0;

    if (r < 0) {
        say(what, r);
        return;
    }
    printf("%s:", what);
    for (uint64_t i = 0; i < (uint64_t)r; i++) {
        if (bitmap[i / 64] & 1ul << i % 64 && nr++ < 8)
            printf(" 0x%" PRIx64, i);
    }
    printf(" (%u)\n", nr);
}

static void touch(struct probe *p, xen_pfn_t gfn, int prot)
{
    volatile char *at = xenforeignmemory_map(p->fmem, p->domid, prot, 1, &gfn,
                                             NULL);
    char was;

    if (!at) {
        say("map to touch", -1);
        return;
    }
    was = at[8];
    if (prot & PROT_WRITE)
        at[8] = was;
    xenforeignmemory_unmap(p->fmem, (void *)(uintptr_t)at, 1);
}

#define OP(name) XEN_DOMCTL_SHADOW_OP_##name

static void probe_dirty_on(struct probe *p)
{
    xen_pfn_t gfn = 0x201;

    say("enable",
        xc_shadow_control(p->xch, p->domid, OP(ENABLE_LOGDIRTY), NULL, 0));
    say("enable again",
        xc_shadow_control(p->xch, p->domid, OP(ENABLE_LOGDIRTY), NULL, 0));
    say_dirty(p, "dirty at first", clean(p, OP(CLEAN), p->nr_gfns));
    touch(p, 0x150, PROT_READ);
    say_dirty(p, "dirty after a read", clean(p, OP(PEEK), p->nr_gfns));
    touch(p, 0x150, PROT_READ | PROT_WRITE);
    touch(p, 0x3, PROT_READ | PROT_WRITE);
    say_dirty(p, "dirty after writes", clean(p, OP(PEEK), p->nr_gfns));
    say_dirty(p, "dirty after writes, peek", clean(p, OP(PEEK), p->nr_gfns));
    say_dirty(p, "dirty, 64 pages only", clean(p, OP(CLEAN), 64));
    say_dirty(p, "dirty, the rest", clean(p, OP(CLEAN), p->nr_gfns));
    say_dirty(p, "dirty, cleaned", clean(p, OP(CLEAN), p->nr_gfns));
    xc_domain_decrease_reservation(p->xch, p->domid, 1, 0, &gfn);
    say_dirty(p, "dirty after giving up", clean(p, OP(CLEAN), p->nr_gfns));
    xc_domain_populate_physmap(p->xch, p->domid, 1, 0, 0, &gfn);
    say_dirty(p, "dirty after taking back", clean(p, OP(CLEAN), p->nr_gfns));
}

static void probe_dirty(struct probe *p)
{
    DECLARE_HYPERCALL_BUFFER(unsigned long, bitmap);

    bitmap = xc_hypercall_buffer_alloc_pages(p->xch, bitmap,
                                             p->nr_gfns / 8 / PAGE + 1);
    if (!bitmap) {
        say("bitmap", -1);
        return;
    }
    p->bitmap_handle = HYPERCALL_BUFFER(bitmap);
    say("off before it was on",
        xc_shadow_control(p->xch, p->domid, OP(OFF), NULL, 0));
    say_dirty(p, "clean before it was on", clean(p, OP(CLEAN), p->nr_gfns));
    say_dirty(p, "peek before it was on", clean(p, OP(PEEK), p->nr_gfns));
    probe_dirty_on(p);
    say("off", xc_shadow_control(p->xch, p->domid, OP(OFF), NULL, 0));
    say("off again", xc_shadow_control(p->xch, p->domid, OP(OFF), NULL, 0));
    say_dirty(p, "clean when it is off", clean(p, OP(CLEAN), p->nr_gfns));
    xc_hypercall_buffer_free_pages(p->xch, bitmap, p->nr_gfns / 8 / PAGE + 1);
}

/* ---- a guest's state ---- */

static void say_param(struct probe *p, const char *name, uint32_t index)
{
    uint64_t value = 0;
    int r = xc_hvm_param_get(p->xch, p->domid, index, &value);

    if (r)
        printf("hvm param %s: %s\n", name, strerrorname_np(errno));
    else
        printf("hvm param %s: 0x%" PRIx64 "\n", name, value);
}

static void probe_params(struct probe *p)
{
    say_param(p, "STORE_PFN", HVM_PARAM_STORE_PFN);
    say_param(p, "CONSOLE_PFN", HVM_PARAM_CONSOLE_PFN);
    say_param(p, "IDENT_PT", HVM_PARAM_IDENT_PT);
    say_param(p, "IOREQ_PFN", HVM_PARAM_IOREQ_PFN);
    say_param(p, "CALLBACK_IRQ", HVM_PARAM_CALLBACK_IRQ);
    say_param(p, "number 200", 200);
    say("set number 200", xc_hvm_param_set(p->xch, p->domid, 200, 1));
}

static void probe_context(struct probe *p)
{
    struct hvm_hw_cpu cpu;
    uint8_t little[64] = { 0 };
    int bytes = xc_domain_hvm_getcontext(p->xch, p->domid, NULL, 0);

    printf("hvm context: %s\n", bytes > 1000 ? "some bytes" : "none");
    say("hvm context, little room",
        xc_domain_hvm_getcontext(p->xch, p->domid, little, sizeof(little)));
    say("hvm context of vcpu 0",
        xc_domain_hvm_getcontext_partial(p->xch, p->domid, HVM_SAVE_CODE(CPU),
                                         0, &cpu, sizeof(cpu)));
    say("hvm context of vcpu 7",
        xc_domain_hvm_getcontext_partial(p->xch, p->domid, HVM_SAVE_CODE(CPU),
                                         7, &cpu, sizeof(cpu)));
    memset(little, 0, sizeof(little));
    say("hvm context, nonsense",
        xc_domain_hvm_setcontext(p->xch, p->domid, little, sizeof(little)));
}

static void probe_vcpu(struct probe *p)
{
    xc_vcpuinfo_t v;
    int r = xc_vcpu_getinfo(p->xch, p->domid, 0, &v);

    say("vcpu 0", r);
    if (!r)
        printf("vcpu 0: online %u blocked %u running %u\n", v.online, v.blocked,
               v.running);
    say("vcpu 9", xc_vcpu_getinfo(p->xch, p->domid, 9, &v));
}

static void probe_shutdown(struct probe *p)
{
    say("shut down as suspended",
        xc_domain_shutdown(p->xch, p->domid, SHUTDOWN_suspend));
    say_state(p, "suspended");
    say("shut down again",
        xc_domain_shutdown(p->xch, p->domid, SHUTDOWN_crash));
    say_state(p, "suspended still");
    say("resume", xc_domain_resume(p->xch, p->domid, 0));
    say_state(p, "resumed");
}

static int probe_all(struct probe *p)
{
    xen_pfn_t last = 0;

    if (xc_domain_maximum_gpfn(p->xch, p->domid, &last) < 0) {
        say("maximum_gpfn", -1);
        return 1;
    }
    p->nr_gfns = last + 1;
    probe_info(p);
    probe_nobody(p);
    probe_pause(p);
    probe_types(p);
    probe_map(p);
    probe_populate(p);
    probe_limit(p);
    probe_dirty(p);
    probe_params(p);
    probe_context(p);
    probe_vcpu(p);
    probe_shutdown(p);
    return 0;
}

int main(int argc, char **argv)
{
    struct probe p = { .xch = NULL };
    int rc = 1;

    if (argc < 2 || argc > 3)
        return 2;
    p.domid = (uint32_t)strtoul(argv[argc - 1], NULL, 10);
    p.xch = xc_interface_open(NULL, NULL, 0);
    p.fmem = xenforeignmemory_open(NULL, 0);
    if (!p.xch || !p.fmem) {
        perror("probe");
    } else if (argc == 3) {
        say_state(&p, argv[1]);
        rc = 0;
    } else {
        rc = probe_all(&p);
    }
    xenforeignmemory_close(p.fmem);
    xc_interface_close(p.xch);
    return rc;
}
