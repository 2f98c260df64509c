/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Says every sim.report-ms what the guest saw, in the words of
 * tests/lab/guest/agent.c, and does what the toolstack asks for. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "stubs/guest/guest.h"

#define MS_NS 1000000ULL

static unsigned take_ms(struct guest *g, bool awake)
{
    uint64_t longest = 0;

    for (uint32_t i = 0; i < g->im->nr_vcpus; i++) {
        struct cpu_image *c = &g->im->cpu[i];
        const uint64_t ns = atomic_exchange(
            awake ? &c->awake_gap_ns : &c->gap_ns, 0);

        if (ns > longest)
            longest = ns;
    }
    return longest / 1000000;
}

static void format_report(struct guest *g, unsigned gap_ms, unsigned awake_ms,
                          const char *host, char *out, size_t size)
{
    const struct image *im = g->im;
    uint64_t bad = 0, verified = 0;

    for (uint32_t i = 0; i < im->nr_vcpus; i++) {
        bad += im->cpu[i].bad;
        verified += im->cpu[i].nr_verified;
    }
    snprintf(out, size,
             "AGENT seq=%ju up=%.2f gap_ms=%u maxgap_ms=%u awake_gap_ms=%u "
             "bad=%ju laps=%ju vcpus=%u disk=none diskerr=0 diskok=0 host=%s "
             "clockback=%u",
             (uintmax_t)im->reports,
             (guest_now_ns() - im->boot_ns - im->absent_ns) / 1e9, gap_ms,
             im->max_gap_ms, awake_ms, (uintmax_t)bad,
             (uintmax_t)(verified / im->nr_work), im->nr_vcpus, host,
             im->clock_back);
}

static unsigned recent_gap_ms(const struct image *im)
{
    unsigned max = 0;

    for (unsigned i = 0; i < NR_RECENT; i++)
        if (im->recent_ms[i] > max)
            max = im->recent_ms[i];
    return max;
}

static void report(struct guest *g)
{
    char line[512], number[16], host[64] = "none";
    struct image *im = g->im;
    unsigned gap_ms;

    guest_read(g, "/lab/host", host, sizeof(host));
    guest_enter(g);
    gap_ms = take_ms(g, false);
    im->recent_ms[im->reports++ % NR_RECENT] = gap_ms;
    if (gap_ms > im->max_gap_ms)
        im->max_gap_ms = gap_ms;
    format_report(g, gap_ms, take_ms(g, true), host, line, sizeof(line) - 2);
    guest_mark(g, g->first_pfn);
    guest_leave(g);
    guest_write(g, "data/agent", line);
    snprintf(number, sizeof(number), "%u", recent_gap_ms(im));
    guest_write(g, "data/xlm/gap-ms", number);
    memcpy(line + strlen(line), "\r\n", 3);
    guest_print(g, line);
}

static void obey(struct guest *g)
{
    char cmd[32];

    if (!guest_read(g, "data/agent-cmd", cmd, sizeof(cmd)) || !*cmd)
        return;
    guest_write(g, "data/agent-cmd", "");
    guest_say(g, "command %s", cmd);
    if (!strcmp(cmd, "crash"))
        guest_end(g, SHUTDOWN_crash);
    else if (!strcmp(cmd, "reboot"))
        guest_end(g, SHUTDOWN_reboot);
    else if (!strcmp(cmd, "poweroff"))
        guest_end(g, SHUTDOWN_poweroff);
}

/* What has to be true whenever the domain is suspended: in a quantum. */
static void prepare(struct guest *g)
{
    vcpu_guest_context_t *c = &g->d->vcpu[0].ctx;

    g->im->suspends++;
    g->im->suspend_ns = guest_now_ns();
    c->user_regs.rax = 0; /* the toolstack makes it 1 to cancel */
    c->user_regs.rcx = g->im->suspends;
    if (!sim_is_hvm(g->d))
        guest_pv_before_suspend(g);
    guest_mark(g, g->first_pfn);
}

static void suspend(struct guest *g)
{
    bool cancelled;

    guest_say(g, "suspend %llu", (unsigned long long)g->im->suspends + 1);
    guest_enter(g);
    prepare(g);
    guest_leave(g);
    sim_lock();
    if (g->d->used && g->d->incarnation == g->incarnation)
        sim_domain_shutdown(g->d, SHUTDOWN_suspend);
    sim_unlock();
    guest_enter(g); /* when it may run again, here */
    cancelled = g->d->vcpu[0].ctx.user_regs.rax == 1;
    g->im->absent_ns += guest_now_ns() - g->im->suspend_ns;
    if (!sim_is_hvm(g->d))
        guest_pv_resume_in_place(g);
    guest_mark(g, g->first_pfn);
    guest_say(g, "resumed in place%s after %.1f ms",
              cancelled ? ", cancelled," : "",
              (guest_now_ns() - g->im->suspend_ns) / 1e6);
    if (!cancelled)
        guest_connect(g);
    guest_leave(g);
}

static void control(struct guest *g)
{
    char what[32];

    g->shutdown_changed = false;
    if (!guest_read(g, "control/shutdown", what, sizeof(what)) || !*what)
        return;
    guest_write(g, "control/shutdown", "");
    if (!strcmp(what, "suspend"))
        suspend(g);
    else if (!strcmp(what, "reboot"))
        guest_end(g, SHUTDOWN_reboot);
    else if (!strcmp(what, "poweroff") || !strcmp(what, "halt"))
        guest_end(g, SHUTDOWN_poweroff);
    else
        guest_say(g, "control/shutdown: '%s' is not known", what);
}

static void follow_target(struct guest *g)
{
    char target[24];

    g->target_changed = false;
    if (!g->im->balloon ||
        !guest_read(g, "memory/target", target, sizeof(target)))
        return;
    if (guest_balloon(g, strtoull(target, NULL, 10)))
        g->target_changed = true; /* go on after a look at other things */
}

static void say_features(struct guest *g)
{
    static const char *const path[] = { "control/feature-poweroff",
                                        "control/feature-reboot",
                                        "control/feature-suspend" };

    for (unsigned i = 0; i < sizeof(path) / sizeof(path[0]); i++)
        guest_write(g, path[i], "1");
}

void guest_agent(struct guest *g)
{
    uint64_t next = guest_now_ns();

    say_features(g);
    for (;;) {
        if (g->shutdown_changed)
            control(g);
        if (g->target_changed)
            follow_target(g);
        if (guest_now_ns() >= next) {
            report(g);
            obey(g);
            next = guest_now_ns() + g->im->report_ms * MS_NS;
        }
        if (!g->shutdown_changed && !g->target_changed)
            guest_wait(g, next);
    }
}
