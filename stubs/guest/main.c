/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* simxen-guest DOMID: started by simxen-hvd when a domain may run. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "stubs/guest/guest.h"

uint64_t guest_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

void guest_say(const struct guest *g, const char *format, ...)
{
    const uint64_t now = guest_now_ns();
    char line[512];
    va_list args;
    int n = snprintf(line, sizeof(line),
                     "%llu.%06llu d%u: ", (unsigned long long)now / 1000000000,
                     (unsigned long long)now / 1000 % 1000000, g->domid);

    va_start(args, format);
    n += vsnprintf(line + n, sizeof(line) - n - 1, format, args);
    va_end(args);
    if (n > (int)sizeof(line) - 2)
        n = sizeof(line) - 2;
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0)
        return; /* nobody to tell */
}

static void really_enter(struct guest *g)
{
    if (sim_enter(g->d, g->incarnation, KERNEL_SLOT))
        return;
    guest_say(g, "exit");
    sim_handle_close(&g->events);
    _exit(0);
}

void guest_enter(struct guest *g)
{
    if (!g->depth++)
        really_enter(g);
}

void guest_leave(struct guest *g)
{
    if (!--g->depth)
        sim_leave(g->d, KERNEL_SLOT);
}

void guest_sleep(struct guest *g, uint64_t until_ns)
{
    const uint64_t now = guest_now_ns();
    struct pollfd p = { .fd = g->events.fd, .events = POLLIN };

    if (g->depth)
        sim_leave(g->d, KERNEL_SLOT);
    if (until_ns > now)
        poll(&p, 1, (until_ns - now) / 1000000 + 1);
    if (g->depth)
        really_enter(g);
}

/* Who holds the hypervisor's lock may wait for the end of a quantum, so inside
 * of one nobody may wait for that lock. */
void guest_step_out(struct guest *g)
{
    if (g->depth)
        sim_leave(g->d, KERNEL_SLOT);
}

void guest_step_in(struct guest *g)
{
    if (g->depth)
        really_enter(g);
}

static bool may_run(const struct guest *g)
{
    return g->d->used && g->d->incarnation == g->incarnation &&
           !sim_is_stopped(g->d);
}

void guest_lock(struct guest *g)
{
    guest_step_out(g);
    sim_lock();
    while (!may_run(g)) {
        sim_unlock();
        really_enter(g);
        sim_leave(g->d, KERNEL_SLOT);
        sim_lock();
    }
}

void guest_unlock(struct guest *g)
{
    sim_unlock();
    guest_step_in(g);
}

void guest_mark(struct guest *g, uint64_t pfn)
{
    sim_mark_pfn(g->d, g->t, pfn);
}

void guest_end(struct guest *g, unsigned reason)
{
    sim_leave(g->d, KERNEL_SLOT);
    g->depth = 0;
    sim_lock();
    if (g->d->used && g->d->incarnation == g->incarnation)
        sim_domain_shutdown(g->d, reason);
    sim_unlock();
    /* A kernel that is shut down stays until somebody destroys it. */
    guest_enter(g);
    guest_say(g, "runs again after its end");
    _exit(1);
}

static bool attach(struct guest *g, const char *domid)
{
    char *end;
    unsigned long id = strtoul(domid, &end, 10);
    int err = sim_attach();

    if (err || *end || !id || id >= DOMID_FIRST_RESERVED) {
        fprintf(stderr, "simxen-guest: domain '%s': %s\n", domid,
                strerror(err ? -err : EINVAL));
        return false;
    }
    g->domid = id;
    sim_lock();
    g->d = sim_domain(g->domid);
    if (g->d) {
        g->incarnation = g->d->incarnation;
        g->t = sim_tables(g->d);
    }
    sim_unlock();
    return g->d && g->t && !sim_handle_open(&g->events, g->domid, true);
}

/* Which of the two is in the registers, as the machine's only memory of it. */
bool guest_is_resume(const struct guest *g)
{
    return g->d->vcpu[0].ctx.user_regs.rbx == GUEST_MAGIC;
}

static bool boot(struct guest *g)
{
    if (!guest_read_boot(g) || !guest_connect(g) || !guest_configure(g))
        return false;
    guest_clear_tables(g);
    sim_clock_note(g->d, "BOOT", g->im->seq);
    guest_say(g, "boot: %llu work pages, %u vCPUs, RAM of %llu pages",
              (unsigned long long)g->im->nr_work, g->im->nr_vcpus,
              (unsigned long long)g->im->nr_ram);
    return true;
}

static bool resume(struct guest *g)
{
    const struct sim_vcpu *v = &g->d->vcpu[0];

    g->first_pfn = v->ctx.user_regs.rbp;
    g->im = guest_page(g, g->first_pfn);
    if (!g->im || g->im->magic != GUEST_MAGIC ||
        g->im->suspends != v->ctx.user_regs.rcx) {
        guest_say(g, "registers of suspend %llu, memory of %llu: crash",
                  (unsigned long long)v->ctx.user_regs.rcx,
                  g->im ? (unsigned long long)g->im->suspends : 0ULL);
        return false;
    }
    g->im->absent_ns += guest_now_ns() - g->im->suspend_ns;
    guest_mark(g, g->first_pfn);
    if (!sim_is_hvm(g->d))
        guest_pv_announce(g);
    else
        g->d->hvm_param[HVM_PARAM_CALLBACK_IRQ] = g->im->pv_drivers;
    sim_clock_note(g->d, "SEQ", g->im->seq);
    guest_say(g, "resume %llu: seq %llu, away for %.1f ms",
              (unsigned long long)g->im->suspends,
              (unsigned long long)g->im->seq,
              (guest_now_ns() - g->im->suspend_ns) / 1e6);
    return guest_connect(g);
}

int main(int argc, char **argv)
{
    static struct guest g;
    bool ok;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    if (argc != 2 || !attach(&g, argv[1]))
        return 1;
    guest_enter(&g);
    ok = guest_map_pfns(&g) && (guest_is_resume(&g) ? resume(&g) : boot(&g));
    if (!ok || !guest_start_cpus(&g)) {
        guest_say(&g, "cannot go on");
        guest_end(&g, SHUTDOWN_crash);
    }
    guest_leave(&g);
    guest_agent(&g);
    return 0;
}
