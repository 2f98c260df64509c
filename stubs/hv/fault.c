/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SIMXEN_FAULT: calls that fail by rule.
 *
 *   RULE[;RULE...]    RULE = [COMM/]CALL[:N[+]]=ACTION
 *
 * COMM is the beginning of a process's name, or, with a dot after it, all of
 * it; CALL may end with '*'; N counts the calls of this process that fit, from
 * 1; "+": that one and all after it.
 * ACTION: an errno, delay=MS, kill, killafter, short, nomem or cut.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stubs/hv/sim.h"

#define MAX_RULES 16

enum action { FAIL, DELAY, KILL, KILL_AFTER, SHORT, NO_MEMORY, CUT };

struct rule {
    char call[64];
    bool prefix, onwards;
    unsigned long n, seen;
    enum action action;
    unsigned long value; /* errno or ms */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[MAX_RULES];
static unsigned nr_rules;

/* What opens a file or starts a process: a thread that makes a call may have
 * given up both (libxlm/engine/confine.h), so one of our own does it. */
struct deed {
    const char *note; /* for faults.log; NULL: nothing */
    unsigned long seen;
    bool cut;
};
static pthread_mutex_t deed_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t deed_changed = PTHREAD_COND_INITIALIZER;
static const struct deed *deed; /* not done yet; under deed_lock */
static pid_t doer;              /* whose thread it is; 0: nobody's */

static bool parse_number(const char *text, unsigned long *out)
{
    char *end;

    *out = strtoul(text, &end, 10);
    return end != text && !*end;
}

static bool parse_action(struct rule *r, const char *text)
{
    static const struct {
        const char *name;
        enum action action;
    } known[] = { { "kill", KILL },
                  { "killafter", KILL_AFTER },
                  { "short", SHORT },
                  { "nomem", NO_MEMORY },
                  { "cut", CUT } };
    int err;

    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (!strcmp(text, known[i].name)) {
            r->action = known[i].action;
            return true;
        }
    if (!strncmp(text, "delay=", 6)) {
        r->action = DELAY;
        return parse_number(text + 6, &r->value);
    }
    r->action = FAIL;
    if (sim_errno_by_name(text, &err)) {
        r->value = err;
        return true;
    }
    return parse_number(text, &r->value) && r->value > 0 && r->value < 4096;
}

static bool parse_count(struct rule *r, char *text)
{
    size_t len = strlen(text);

    if (len && text[len - 1] == '+') {
        r->onwards = true;
        text[len - 1] = '\0';
    }
    return parse_number(text, &r->n) && r->n > 0;
}

static bool is_process(const char *text)
{
    const size_t len = strlen(text);

    if (len && text[len - 1] == '.')
        return strlen(sim_process()) == len - 1 &&
               !strncmp(sim_process(), text, len - 1);
    return !strncmp(sim_process(), text, len);
}

/* *mine_out: it is for this process. */
static bool parse_rule(char *text, struct rule *r, bool *mine_out)
{
    char *action = strchr(text, '='), *comm = strchr(text, '/'), *count;

    memset(r, 0, sizeof(*r));
    r->n = 1;
    if (!action)
        return false;
    *action++ = '\0';
    *mine_out = true;
    if (comm && comm < action) {
        *comm++ = '\0';
        *mine_out = is_process(text);
        text = comm;
    }
    count = strchr(text, ':');
    if (count) {
        *count++ = '\0';
        if (!parse_count(r, count))
            return false;
    }
    if (!*text || strlen(text) >= sizeof(r->call))
        return false;
    memcpy(r->call, text, strlen(text) + 1);
    if (r->call[strlen(r->call) - 1] == '*') {
        r->prefix = true;
        r->call[strlen(r->call) - 1] = '\0';
    }
    return parse_action(r, action);
}

/* The host loses power: somebody outside ends it, and us. */
static void power_cut(void)
{
    char path[512];

    if (sim_path(path, sizeof(path), "powercut") && !fork()) {
        execl(path, path, (char *)NULL);
        _exit(111);
    }
    for (;;)
        pause();
}

static void do_deed(const struct deed *d)
{
    if (d->note)
        sim_note("faults.log", "%s: call %lu", d->note, d->seen);
    if (d->cut)
        power_cut();
}

static void *do_deeds(void *unused)
{
    pthread_mutex_lock(&deed_lock);
    for (;;) {
        while (!deed)
            pthread_cond_wait(&deed_changed, &deed_lock);
        do_deed(deed);
        deed = NULL;
        pthread_cond_broadcast(&deed_changed);
    }
    return unused;
}

/* Signals are not for this thread. */
static void start_doer(void)
{
    sigset_t all, before;
    pthread_t t;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!pthread_create(&t, NULL, do_deeds, NULL))
        doer = getpid();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* A child of a fork has no such thread. */
static void have_done(const struct deed *d)
{
    if (doer != getpid()) {
        do_deed(d);
        return;
    }
    pthread_mutex_lock(&deed_lock);
    while (deed)
        pthread_cond_wait(&deed_changed, &deed_lock);
    deed = d;
    pthread_cond_broadcast(&deed_changed);
    while (deed == d)
        pthread_cond_wait(&deed_changed, &deed_lock);
    pthread_mutex_unlock(&deed_lock);
}

/* A rule that cannot be read would make a test pass that tests nothing. */
static void parse(void)
{
    const char *env = getenv("SIMXEN_FAULT");
    char *copy = env ? strdup(env) : NULL, *save = NULL, *text;

    for (text = copy ? strtok_r(copy, ";", &save) : NULL; text;
         text = strtok_r(NULL, ";", &save)) {
        bool mine;

        if (nr_rules == MAX_RULES ||
            !parse_rule(text, &rules[nr_rules], &mine)) {
            fprintf(stderr, "simxen: SIMXEN_FAULT: cannot read '%s'\n", env);
            _exit(111);
        }
        nr_rules += mine;
    }
    free(copy);
    if (nr_rules)
        start_doer();
}

static bool fits(const struct rule *r, const char *call)
{
    return r->prefix ? !strncmp(call, r->call, strlen(r->call))
                     : !strcmp(call, r->call);
}

static void sleep_ms(unsigned long ms)
{
    const struct timespec t = { .tv_sec = ms / 1000,
                                .tv_nsec = ms % 1000 * 1000000L };

    nanosleep(&t, NULL);
}

/* Where there is no free page, Xen populates none, and says how many that
 * were. */
static void no_memory(const char *call, struct sim_fault *f)
{
    const bool counts = !strcmp(call, "memory_op.populate_physmap") ||
                        !strcmp(call, "memory_op.increase_reservation");

    f->kind = counts ? SIM_FAULT_NOTHING : SIM_FAULT_ERRNO;
    f->err = ENOMEM;
}

static void apply(const struct rule *r, const char *call, struct sim_fault *f)
{
    switch (r->action) {
    case FAIL:
        f->kind = SIM_FAULT_ERRNO;
        f->err = r->value;
        break;
    case SHORT:
        f->kind = SIM_FAULT_SHORT;
        break;
    case NO_MEMORY:
        no_memory(call, f);
        break;
    case DELAY:
        sleep_ms(r->value);
        break;
    case KILL:
        raise(SIGKILL);
        break;
    case KILL_AFTER:
        f->kill_after = true;
        break;
    case CUT:
        have_done(&(struct deed){ .cut = true });
    }
}

struct sim_fault sim_fault_begin(const char *call)
{
    struct sim_fault f = { SIM_FAULT_NONE, 0, false };

    pthread_once(&once, parse);
    for (unsigned i = 0; i < nr_rules; i++) {
        struct rule *r = &rules[i];
        bool now;

        if (!fits(r, call))
            continue;
        pthread_mutex_lock(&lock);
        r->seen++;
        now = r->seen == r->n || (r->onwards && r->seen > r->n);
        pthread_mutex_unlock(&lock);
        if (!now)
            continue;
        sim_log("FAULT %s: call %lu", call, r->seen);
        if (r->seen == r->n)
            have_done(&(struct deed){ .note = call, .seen = r->seen });
        apply(r, call, &f);
    }
    return f;
}

void sim_fault_end(const struct sim_fault *f)
{
    if (f->kill_after)
        raise(SIGKILL);
}
