/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A way to the other host with a weak place: what "xl lmigrate -s" starts,
 * around what it would have started.  Relays both directions of a control
 * channel, notes when each of its records came by, and does something at one
 * boundary between two.  Written from libxlm/doc/stream-format.md alone.
 *
 *   xlmcut -l LOG [-n s:N|d:N -x SCRIPT] CMD...
 *
 * Of the source (s) or the destination (d), greeting is number 0 and the first
 * record 1; before the first byte of number N goes on, SCRIPT is run, and the
 * channel ends if that fails.  LOG gets lines "NANOSECONDS s|d N NAME".
 */
#include "config.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GREETING_BYTES 96
#define HEADER_BYTES   16
#define KIND_CONTROL   1

static const char *const names[] = {
    "greeting",    "OFFER",      "CONFIG",   "CHECK",    "FINDING",
    "CHECKED",     "BUILD",      "BUILT",    "STATE",    "ROUND_BEGIN",
    "ROUND_END",   "ROUND_DONE", "RELEASE",  "DM_STATE", "XENSTORE",
    "TAIL_END",    "READY",      "PERMIT",   "COMMIT",   "RUNNING",
    "NOT_RUNNING", "BYE",        "ABORT",    "ABORTED",  "CLOCK_PING",
    "CLOCK_PONG",  "GUEST_GAP",  "PREBUILD", "PREBUILT",
};
#define NR_NAMES (sizeof(names) / sizeof(names[0]))

struct way {
    char side;
    int in, out; /* -1: over */
    uint8_t head[GREETING_BYTES];
    size_t head_have; /* of what comes before a body */
    uint64_t body;    /* bytes of it that are still to come */
    unsigned long nr; /* of the record that comes next */
    bool raw;         /* not a control channel: passed on as it is */
};

static int log_fd = -1;
static char strike_side;
static unsigned long strike_nr;
static const char *strike_script;
static pid_t child;

static void die(const char *what)
{
    fprintf(stderr, "xlmcut: %s: %s\n", what, strerror(errno));
    exit(125);
}

static void note(const struct way *w, const char *name)
{
    struct timespec t;
    char line[96];
    int n;

    clock_gettime(CLOCK_MONOTONIC, &t);
    n = snprintf(line, sizeof(line), "%llu %c %lu %s\n",
                 t.tv_sec * 1000000000ull + t.tv_nsec, w->side, w->nr, name);
    if (write(log_fd, line, n) != n)
        die("the log");
}

static void end_channel(void)
{
    kill(child, SIGKILL);
    exit(1);
}

/* Not with the channel in its hands. */
static void run_script(void)
{
    const int null = open("/dev/null", O_RDWR);

    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    execl(strike_script, strike_script, (char *)NULL);
    _exit(127);
}

/* What it does may take its time: the record waits. */
static void strike(const struct way *w)
{
    int status = 0;
    pid_t pid;

    if (w->side != strike_side || w->nr != strike_nr)
        return;
    note(w, "STRIKE");
    pid = fork();
    if (!pid)
        run_script();
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid < 0 || status)
        end_channel();
}

static void close_way(struct way *w)
{
    close(w->in);
    close(w->out);
    w->in = w->out = -1;
}

static bool pass_on(struct way *w, const uint8_t *data, size_t size)
{
    while (size) {
        ssize_t n = write(w->out, data, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        data += n;
        size -= n;
    }
    return true;
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

/* All of a greeting or of a record's header is there. */
static bool begin_unit(struct way *w)
{
    const size_t size = w->head_have;
    const char *name = "unknown";

    w->head_have = 0;
    if (!w->nr) {
        w->raw = memcmp(w->head, "XLMLIVE\n", 8) || w->head[12] != KIND_CONTROL;
        name = names[0];
    } else {
        const uint32_t type = get32(w->head) & 0x7fffffff;

        w->body = ((uint64_t)get32(w->head + 4) + 7) / 8 * 8;
        if (type && type < NR_NAMES)
            name = names[type];
    }
    if (!w->raw) {
        note(w, name);
        strike(w);
    }
    w->nr++;
    return pass_on(w, w->head, size);
}

static bool take(struct way *w, const uint8_t *data, size_t size)
{
    while (size) {
        const size_t want = w->nr ? HEADER_BYTES : GREETING_BYTES;
        size_t n = size;

        if (w->raw)
            return pass_on(w, data, size);
        if (w->body) {
            if (n > w->body)
                n = w->body;
            if (!pass_on(w, data, n))
                return false;
            w->body -= n;
        } else {
            if (n > want - w->head_have)
                n = want - w->head_have;
            memcpy(w->head + w->head_have, data, n);
            w->head_have += n;
            if (w->head_have == want && !begin_unit(w))
                return false;
        }
        data += n;
        size -= n;
    }
    return true;
}

static void move(struct way *w)
{
    uint8_t buf[65536];
    ssize_t n = read(w->in, buf, sizeof(buf));

    if (n < 0 && errno == EINTR)
        return;
    if (n > 0 && take(w, buf, n))
        return;
    if (n <= 0)
        pass_on(w, w->head, w->head_have); /* what is no record either */
    close_way(w);
}

static void relay(struct way *ways)
{
    /* When the other host has said its last, the rest interests nobody. */
    while (ways[1].in >= 0) {
        struct pollfd p[2];

        for (unsigned i = 0; i < 2; i++) {
            p[i].fd = ways[i].in;
            p[i].events = POLLIN;
            p[i].revents = 0;
        }
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            die("poll");
        for (unsigned i = 0; i < 2; i++)
            if (p[i].fd >= 0 && p[i].revents)
                move(&ways[i]);
    }
}

static void start_child(char **argv, struct way *ways)
{
    int to[2], from[2];

    if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
        die("pipe");
    child = fork();
    if (child < 0)
        die("fork");
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        signal(SIGPIPE, SIG_DFL);
        execvp(argv[0], argv);
        die(argv[0]);
    }
    close(to[0]);
    close(from[1]);
    ways[0] = (struct way){ .side = 's', .in = STDIN_FILENO, .out = to[1] };
    ways[1] = (struct way){ .side = 'd', .in = from[0], .out = STDOUT_FILENO };
}

static bool parse(int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "+l:n:x:")) != -1) {
        if (c == 'l')
            log_fd = open(optarg, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
                          0644);
        else if (c == 'x')
            strike_script = optarg;
        else if (c != 'n' ||
                 sscanf(optarg, "%c:%lu", &strike_side, &strike_nr) != 2)
            return false;
    }
    return log_fd >= 0 && optind < argc && !strike_side == !strike_script;
}

int main(int argc, char **argv)
{
    struct way ways[2];
    int status;

    if (!parse(argc, argv)) {
        fprintf(stderr, "usage: xlmcut -l LOG [-n s:N|d:N -x SCRIPT] CMD...\n");
        return 125;
    }
    signal(SIGPIPE, SIG_IGN);
    start_child(argv + optind, ways);
    relay(ways);
    if (ways[0].in >= 0)
        close_way(&ways[0]);
    if (waitpid(child, &status, 0) != child)
        die("waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
