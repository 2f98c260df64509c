/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl lmigrate-monitor: handles a domain's reboot, shutdown and crash as its
 * configuration says, as the daemon of "xl create" does.  Started after a
 * migration that failed, because that daemon leaves with the suspend.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libxlm.h"
#include "logfile.h"
#include "stdfds.h"
#include "watched.h"

#define DESCRIPTION  "Handle reboot and shutdown of a domain in the background"
#define EXIT_FAILED  3
#define LEAVE_MS     2000
#define EXIT_WATCHED MONITOR_EXIT_WATCHED

struct monitor {
    bool foreground;
    bool quiet;
    unsigned verbose;
    uint32_t domid;
    char name[XLM_NAME_MAX];
    struct logfile log;
};

static void on_log(void *user, enum xlm_log_level level, const char *module,
                   const char *message)
{
    struct monitor *m = user;

    logfile_write(&m->log, level, module, message);
    if (m->foreground && (level <= XLM_LOG_INFO || m->verbose))
        fprintf(stderr, "%s: %s: %s\n", log_level_name(level), module, message);
}

/* The child goes on; the parent's exit says that the daemon stands. */
static int daemonize(struct monitor *m)
{
    int null, out;

    switch (fork()) {
    case -1:
        return -1;
    case 0:
        break;
    default:
        _exit(0);
    }
    setsid();
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    out = m->log.fd >= 0 ? m->log.fd : null;
    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        return -1;
    if (chdir("/"))
        return -1;
    return 0;
}

static int watch(struct monitor *m)
{
    struct xlm_options opt = {
        .size = sizeof(opt), .domid = m->domid, .log = on_log, .user = m
    };
    char message[XLM_MESSAGE_MAX] = "";
    int rc = xlm_monitor(&m->domid, &opt, message);

    if (rc)
        on_log(m, XLM_LOG_ERROR, "xl lmigrate-monitor", message);
    return rc ? EXIT_FAILED : 0;
}

/*
 * The xl daemon that leaves because of a suspend may still be on its way out:
 * it has LEAVE_MS for that.
 */
static bool stays_watched(const char *name)
{
    const struct timespec pause = { .tv_nsec = 50 * 1000000 };

    for (int ms = 0; ms < LEAVE_MS; ms += 50) {
        if (!domain_is_watched(name))
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

static int start(struct monitor *m, const char *domain)
{
    char message[XLM_MESSAGE_MAX] = "";
    int rc = xlm_domain_find(domain, &m->domid, m->name, message);

    if (rc) {
        fprintf(stderr, "xl lmigrate-monitor: %s\n", message);
        return rc == XLM_ERR_INVAL ? 1 : EXIT_FAILED;
    }
    /* Two of them would both act on its reboot. */
    if (stays_watched(m->name)) {
        if (!m->quiet)
            fprintf(
                stderr,
                "xl lmigrate-monitor: %s has a daemon already: its log in %s "
                "is open\n",
                m->name, logfile_directory());
        return EXIT_WATCHED;
    }
    logfile_open(&m->log, "xlm-monitor", m->name);
    signal(SIGPIPE, SIG_IGN);
    if (!m->foreground && daemonize(m)) {
        fprintf(stderr, "xl lmigrate-monitor: %s: no daemon: %s\n", m->name,
                strerror(errno));
        return EXIT_FAILED;
    }
    rc = watch(m);
    logfile_close(&m->log);
    return rc;
}

static const struct option longs[] = {
    { "help", no_argument, NULL, 'h' },
    { "describe", no_argument, NULL, 'D' },
    { 0 },
};

int main(int argc, char **argv)
{
    struct monitor m = { .log = { .fd = -1 } };
    int c;

    if (!stdfds_ensure())
        return EXIT_FAILED;
    while ((c = getopt_long(argc, argv, "FqvTtfh", longs, NULL)) != -1) {
        switch (c) {
        case 'F':
            m.foreground = true;
            break;
        case 'q':
            m.quiet = true;
            break;
        case 'v':
            m.verbose++;
            break;
        case 'T':
        case 't':
        case 'f':
            break;
        case 'D':
            puts(DESCRIPTION);
            return 0;
        case 'h':
            puts("Usage: xl [-v] lmigrate-monitor [-F] <Domain>\n\n" DESCRIPTION
                 ".\n\nOptions:\n\n"
                 "-h, --help            Print this help.\n"
                 "-F                    Run in foreground.\n"
                 "-q                    Say nothing if there is a daemon "
                 "already.\n"
                 "-v                    With -F: print debug messages.");
            return 0;
        default:
            return 1;
        }
    }
    if (argc - optind != 1) {
        fprintf(stderr,
                "xl lmigrate-monitor: 1 argument is wanted, <Domain>, not %d\n",
                argc - optind);
        return 1;
    }
    return start(&m, argv[optind]);
}
