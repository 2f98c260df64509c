/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* simxen-clock: did any domain ever run twice?  See stubs/hv/clock.c. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_DOMAINS 4096

/* One domain, wherever it is. */
struct run {
    char uuid[40];
    char host[40]; /* where it runs; empty: nowhere */
    unsigned domid;
    unsigned long long since_ns, ended_ns, seq;
};

struct line {
    char what[8], uuid[40], host[40];
    unsigned domid;
    unsigned long long ns, seq;
};

static struct run runs[MAX_DOMAINS];
static unsigned nr_runs, nr_double;

static struct run *run_of(const char *uuid)
{
    for (unsigned i = 0; i < nr_runs; i++)
        if (!strcmp(runs[i].uuid, uuid))
            return &runs[i];
    if (nr_runs == MAX_DOMAINS)
        return NULL;
    snprintf(runs[nr_runs].uuid, sizeof(runs[0].uuid), "%s", uuid);
    return &runs[nr_runs++];
}

static bool read_line(const char *text, struct line *l)
{
    return sscanf(text, "%7s %llu %39s %39s %u %llu", l->what, &l->ns, l->uuid,
                  l->host, &l->domid, &l->seq) == 6;
}

static void start(struct run *r, const struct line *l)
{
    if (*r->host && (strcmp(r->host, l->host) || r->domid != l->domid)) {
        printf("%s runs twice: on %s as %u since %llu, on %s as %u from %llu\n",
               r->uuid, r->host, r->domid, r->since_ns, l->host, l->domid,
               l->ns);
        nr_double++;
    } else if (l->ns < r->ended_ns) {
        printf("%s runs on %s from %llu, and elsewhere until %llu\n", r->uuid,
               l->host, l->ns, r->ended_ns);
        nr_double++;
    }
    snprintf(r->host, sizeof(r->host), "%s", l->host);
    r->domid = l->domid;
    r->since_ns = l->ns;
}

static void stop(struct run *r, const struct line *l)
{
    if (!strcmp(r->host, l->host) && r->domid == l->domid)
        *r->host = '\0';
    r->ended_ns = l->ns;
    if (l->seq > r->seq)
        r->seq = l->seq;
}

static void take(struct run *r, const struct line *l)
{
    if (!strcmp(l->what, "START")) {
        start(r, l);
    } else if (!strcmp(l->what, "STOP")) {
        stop(r, l);
    } else if (!strcmp(l->what, "BOOT")) {
        r->seq = l->seq;
    } else if (!strcmp(l->what, "SEQ")) {
        if (l->seq < r->seq) {
            printf("%s went back on %s: number %llu after %llu\n", r->uuid,
                   l->host, l->seq, r->seq);
            nr_double++;
        }
        r->seq = l->seq;
    }
}

static int read_all(FILE *f)
{
    char text[256];
    struct line l;

    for (unsigned n = 1; fgets(text, sizeof(text), f); n++) {
        struct run *r = read_line(text, &l) ? run_of(l.uuid) : NULL;

        if (!r) {
            fprintf(stderr, "simxen-clock: line %u: %s", n, text);
            return 2;
        }
        take(r, &l);
    }
    return 0;
}

static int check(FILE *f)
{
    int rc = read_all(f);

    if (!rc)
        printf("%u domains, %u double runs\n", nr_runs, nr_double);
    return rc ? rc : nr_double > 0;
}

/* HOST lost power: what ran there does not run any more. */
static int cut(FILE *f, const char *path, const char *host)
{
    int rc = read_all(f), fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    struct timespec t;

    if (rc || fd < 0)
        return 2;
    clock_gettime(CLOCK_MONOTONIC, &t);
    for (unsigned i = 0; i < nr_runs; i++) {
        char text[160];
        int n;

        if (strcmp(runs[i].host, host))
            continue;
        n = snprintf(text, sizeof(text), "STOP %llu %s %s %u %llu\n",
                     t.tv_sec * 1000000000ULL + t.tv_nsec, runs[i].uuid, host,
                     runs[i].domid, runs[i].seq);
        if (write(fd, text, n) != n)
            rc = 2;
    }
    close(fd);
    return rc;
}

int main(int argc, char **argv)
{
    const char *dir = getenv("SIMXEN_CLOCK");
    char path[300];
    int rc = 2;
    FILE *f;

    if (!dir || argc < 2 ||
        !((argc == 2 && !strcmp(argv[1], "check")) ||
          (argc == 3 && !strcmp(argv[1], "cut")))) {
        fprintf(stderr, "usage: SIMXEN_CLOCK=DIR simxen-clock check | "
                        "cut HOST\n");
        return 2;
    }
    snprintf(path, sizeof(path), "%s/runs", dir);
    f = fopen(path, "re");
    if (!f && errno == ENOENT)
        return 0; /* nothing ever ran */
    if (f) {
        rc = argc == 2 ? check(f) : cut(f, path, argv[2]);
        fclose(f);
    }
    return rc;
}
