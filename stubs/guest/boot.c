/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the domain builder left for the kernel, and its command line. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stubs/guest/guest.h"

#include <xen/arch-x86/hvm/start_info.h>

#define VIRT_BASE      0xffffffff80000000ULL
#define FIRST_FREE_PFN 0x400u /* translated: above what the builder loaded */
#define MAX_PPS        10000000u

/* A copy of text that may end anywhere in guest memory. */
static void copy_text(const struct guest *g, uint64_t paddr, char *out,
                      size_t size)
{
    size_t n = 0;
    const char *page;

    while (n + 1 < size && (page = guest_page(g, paddr >> PAGE_SHIFT)) &&
           page[paddr % PAGE_BYTES]) {
        out[n++] = page[paddr % PAGE_BYTES];
        paddr++;
    }
    out[n] = '\0';
}

static bool read_pv(struct guest *g)
{
    const uint64_t vaddr = g->d->vcpu[0].ctx.user_regs.rsi;
    const uint64_t pfn = (vaddr - VIRT_BASE) >> PAGE_SHIFT;
    const struct start_info *s = guest_page(g, pfn);
    struct image *im;

    if (!s)
        return false;
    copy_text(g, (pfn << PAGE_SHIFT) + offsetof(struct start_info, cmd_line),
              g->cmdline, sizeof(g->cmdline));
    /* The stack of one page is behind the page tables. */
    g->first_pfn = ((s->pt_base - VIRT_BASE) >> PAGE_SHIFT) + s->nr_pt_frames +
                   1;
    im = guest_page(g, g->first_pfn);
    if (!im)
        return false;
    memset(im, 0, PAGE_BYTES);
    im->start_info_pfn = pfn;
    im->p2m_vaddr = s->mfn_list;
    im->p2m_pfn = s->first_p2m_pfn ? s->first_p2m_pfn
                                   : (s->mfn_list - VIRT_BASE) >> PAGE_SHIFT;
    g->im = im;
    return true;
}

static bool read_hvm(struct guest *g)
{
    const uint64_t paddr = g->d->vcpu[0].ctx.user_regs.rbx;
    const char *page = paddr ? guest_page(g, paddr >> PAGE_SHIFT) : NULL;

    /* HVM has firmware instead, which asks the device model. */
    if (page) {
        const struct hvm_start_info *s = (const void *)(page +
                                                        paddr % PAGE_BYTES);

        if (s->magic == XEN_HVM_START_MAGIC_VALUE && s->cmdline_paddr)
            copy_text(g, s->cmdline_paddr, g->cmdline, sizeof(g->cmdline));
    }
    g->first_pfn = FIRST_FREE_PFN;
    g->im = guest_page(g, g->first_pfn);
    if (!g->im)
        return false;
    memset(g->im, 0, PAGE_BYTES);
    return true;
}

bool guest_read_boot(struct guest *g)
{
    return sim_is_hvm(g->d) ? read_hvm(g) : read_pv(g);
}

/* qemu's -append, as its firmware interface would tell it. */
static void ask_device_model(struct guest *g)
{
    static char args[16384];
    char pid[24], path[64];
    ssize_t n;
    int fd;

    if (!guest_read(g, "image/device-model-pid", pid, sizeof(pid)))
        return;
    snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, args, sizeof(args) - 1);
    if (fd >= 0)
        close(fd);
    for (ssize_t i = 0; i < n; i += strlen(args + i) + 1)
        if (!strcmp(args + i, "-append") && i + 8 < n)
            snprintf(g->cmdline, sizeof(g->cmdline), "%s", args + i + 8);
}

/* Value of NAME=VALUE on the command line. */
static bool option(const struct guest *g, const char *name, char *out,
                   size_t size)
{
    char copy[sizeof(g->cmdline)], *save = NULL;
    const size_t len = strlen(name);

    memcpy(copy, g->cmdline, sizeof(copy));
    for (char *word = strtok_r(copy, " \t\n", &save); word;
         word = strtok_r(NULL, " \t\n", &save))
        if (!strncmp(word, name, len) && word[len] == '=') {
            snprintf(out, size, "%s", word + len + 1);
            return true;
        }
    return false;
}

/* false: it is there, and wrong. */
static bool number(const struct guest *g, const char *name, uint64_t max,
                   uint64_t *value)
{
    char text[32], *end;

    if (!option(g, name, text, sizeof(text)))
        return true;
    *value = strtoull(text, &end, 10);
    if (*text && !*end && *value <= max)
        return true;
    guest_say(g, "%s=%s: must be 0 to %llu", name, text,
              (unsigned long long)max);
    return false;
}

/* *out stays as it is if the option is not given. */
static bool one_of(const struct guest *g, const char *name, size_t nr,
                   const char *const *names, unsigned *out)
{
    char text[32];

    if (!option(g, name, text, sizeof(text)))
        return true;
    for (unsigned i = 0; i < nr; i++)
        if (!strcmp(text, names[i])) {
            *out = i;
            return true;
        }
    guest_say(g, "%s=%s: there is no such thing", name, text);
    return false;
}

static bool parse_work(const struct guest *g, struct image *im)
{
    static const char *const writers[] = {
        [IDLE] = "idle",   [UNIFORM] = "uniform", [HOTSPOT] = "hotspot",
        [SWEEP] = "sweep", [BURST] = "burst",
    };
    static const char *const contents[] = {
        [PATTERN] = "pattern", [TEXT] = "text", [RANDOM] = "random"
    };
    unsigned writer = UNIFORM, content = PATTERN;

    if (!one_of(g, "sim.writer", 5, writers, &writer) ||
        !one_of(g, "sim.content", 3, contents, &content))
        return false;
    im->writer = writer;
    im->content = content;
    return true;
}

static bool parse_options(struct guest *g, struct image *im)
{
    uint64_t mb = 32, pps = 2000, zero = 0, lap = 4, page_us = 0;
    uint64_t report_ms = 1000;
    char text[16];

    if (!number(g, "lab.work", 1u << 20, &mb) ||
        !number(g, "lab.writer", MAX_PPS, &pps) ||
        !number(g, "sim.zero", 100, &zero) ||
        !number(g, "sim.lap", 3600, &lap) ||
        !number(g, "sim.page-us", 1000, &page_us) ||
        !number(g, "sim.report-ms", 60000, &report_ms) || !parse_work(g, im))
        return false;
    im->nr_work = mb * 256;
    im->pps = im->writer == IDLE ? 0 : pps;
    im->zero_percent = zero;
    im->lap_s = lap;
    im->page_us = page_us;
    im->report_ms = report_ms ? report_ms : 1;
    im->balloon = !option(g, "sim.balloon", text, sizeof(text)) ||
                  strcmp(text, "no");
    return true;
}

static uint32_t count_vcpus(struct guest *g)
{
    uint32_t n = 0;
    char path[48], text[16];

    for (uint32_t i = 0; i < g->d->max_vcpus; i++) {
        snprintf(path, sizeof(path), "cpu/%u/availability", i);
        if (!guest_read(g, path, text, sizeof(text)) || strcmp(text, "online"))
            break;
        n++;
    }
    return n ? n : 1;
}

static void set_registers(struct guest *g)
{
    vcpu_guest_context_t *c = &g->d->vcpu[0].ctx;

    if (sim_is_hvm(g->d)) {
        for (uint32_t i = 0; i < g->im->nr_vcpus; i++)
            g->d->vcpu[i].online = true;
        g->d->hvm_param[HVM_PARAM_CALLBACK_IRQ] = 1;
    } else {
        c->user_regs.rdx = sim_idx_to_mfn(g->d, g->tab[g->im->start_info_pfn]);
        guest_pv_announce(g);
    }
    c->user_regs.rbx = GUEST_MAGIC;
    c->user_regs.rbp = g->first_pfn;
    c->user_regs.rcx = 0;
}

bool guest_configure(struct guest *g)
{
    struct image *im = g->im;
    char target[24];
    uint64_t need;

    if (sim_is_hvm(g->d) && !*g->cmdline)
        ask_device_model(g);
    if (!parse_options(g, im))
        return false;
    im->magic = GUEST_MAGIC;
    im->boot_ns = guest_now_ns();
    im->nr_vcpus = count_vcpus(g);
    im->pv_drivers = true;
    im->nr_ram = guest_count_ram(g);
    need = 1 + im->nr_work / 1024 + 1 + im->nr_work;
    if (need > im->nr_ram) {
        guest_say(g, "lab.work: %llu pages with their tables, %llu are free",
                  (unsigned long long)need, (unsigned long long)im->nr_ram);
        return false;
    }
    if (guest_read(g, "memory/target", target, sizeof(target)))
        im->balloon_offset = (int64_t)g->d->tot_pages -
                             (int64_t)(strtoull(target, NULL, 10) / 4);
    set_registers(g);
    guest_mark(g, g->first_pfn);
    return true;
}
