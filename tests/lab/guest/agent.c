/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs in every guest of the lab: keeps memory, disk and clock busy, checks
 * them, and says once a second what it saw, on its console and in xenstore. */
#include "agent.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define NR_RECENT 10 /* seconds over which data/xlm/gap-ms is the maximum */

struct agent {
    struct work work;
    struct churn churn;
    struct disk disk;
    struct store store;
    uint64_t seq;
    unsigned recent_ms[NR_RECENT];
    unsigned max_gap_ms;
};

uint64_t agent_mono_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

void agent_sleep_until_ns(uint64_t when_ns)
{
    struct timespec t = { .tv_sec = when_ns / 1000000000,
                          .tv_nsec = when_ns % 1000000000 };

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

void agent_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, run, arg) || pthread_detach(thread)) {
        printf("AGENT cannot start a thread\n");
        exit(1);
    }
}

static unsigned recent_gap_ms(const struct agent *a)
{
    unsigned max = 0;

    for (unsigned i = 0; i < NR_RECENT; i++)
        if (a->recent_ms[i] > max)
            max = a->recent_ms[i];
    return max;
}

static uintmax_t free_kib(void)
{
    struct sysinfo i;

    return sysinfo(&i) ? 0 : (uintmax_t)i.freeram * i.mem_unit / 1024;
}

static void format_report(struct agent *a, unsigned gap_ms, char *out,
                          size_t size)
{
    char host[64], disk[24] = "none";

    if (!store_read(&a->store, "/lab/host", host, sizeof(host)))
        memcpy(host, "none", sizeof("none"));
    if (a->disk.path)
        snprintf(disk, sizeof(disk), "%ju", (uintmax_t)a->disk.acked);
    snprintf(out, size,
             "AGENT seq=%ju up=%.2f gap_ms=%u maxgap_ms=%u awake_gap_ms=%u "
             "bad=%ju laps=%ju vcpus=%u disk=%s diskerr=%ju diskok=%ju host=%s "
             "free_kib=%ju clockback=%ju",
             (uintmax_t)a->seq, agent_mono_ns() / 1e9, gap_ms, a->max_gap_ms,
             gap_take_mono_ms(), (uintmax_t)(a->work.bad + a->churn.bad),
             (uintmax_t)a->work.laps, gap_nr_vcpus(), disk,
             (uintmax_t)a->disk.errors, (uintmax_t)a->disk.verified, host,
             free_kib(), (uintmax_t)gap_nr_clock_back());
}

static void report(struct agent *a)
{
    unsigned gap_ms = gap_take_ms();
    char line[512], number[16];

    a->recent_ms[a->seq++ % NR_RECENT] = gap_ms;
    if (gap_ms > a->max_gap_ms)
        a->max_gap_ms = gap_ms;
    format_report(a, gap_ms, line, sizeof(line));
    printf("%s\n", line);
    store_write(&a->store, "data/agent", line);
    snprintf(number, sizeof(number), "%u", recent_gap_ms(a));
    store_write(&a->store, "data/xlm/gap-ms", number);
}

static void crash(void)
{
    int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, "c", 1) != 1)
        printf("AGENT cannot crash\n");
}

static void obey(struct agent *a)
{
    char cmd[32];

    if (!store_read(&a->store, "data/agent-cmd", cmd, sizeof(cmd)) || !*cmd)
        return;
    printf("AGENT command %s\n", cmd);
    store_write(&a->store, "data/agent-cmd", "");
    if (!strcmp(cmd, "crash"))
        crash();
    else if (!strcmp(cmd, "reboot"))
        reboot(RB_AUTOBOOT);
    else if (!strcmp(cmd, "poweroff"))
        reboot(RB_POWER_OFF);
    else
        printf("AGENT unknown command %s\n", cmd);
}

/* A number from the command line: all of it, within limits. */
static unsigned parse(const char *text, unsigned min, unsigned max)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*end || end == text || n < min || n > max) {
        printf("AGENT '%s': must be %u to %u\n", text, min, max);
        exit(2);
    }
    return n;
}

/* agent WORK_MB DIRTY_PAGES_PER_S CHURN_MB [DISK] */
int main(int argc, char **argv)
{
    static struct agent a = { .store = STORE_INIT };
    uint64_t next;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 4 || argc > 5)
        return 2;
    a.work.nr_pages = (size_t)parse(argv[1], 1, 1 << 20) * 256;
    a.work.dirty_pps = parse(argv[2], 0, 10000000);
    a.churn.nr_pages = (size_t)parse(argv[3], 0, 1 << 20) * 256;
    a.disk.path = argc > 4 ? argv[4] : NULL;
    work_start(&a.work);
    churn_start(&a.churn);
    gap_start();
    disk_start(&a.disk);
    for (next = agent_mono_ns();;) {
        next += 1000000000;
        agent_sleep_until_ns(next);
        report(&a);
        obey(&a);
    }
}
