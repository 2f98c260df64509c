/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xlmdump.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct kind_of_record {
    uint32_t type;
    const char *name;
    unsigned by; /* 1 source, 2 destination, 3 both */
    unsigned on;
    uint32_t least, most;
};

/* Section 5. */
static const struct kind_of_record kinds[] = {
    { OFFER, "OFFER", 1, CONTROL, 92, 669 },
    { CONFIG, "CONFIG", 1, CONTROL, 2, 1048576 },
    { CHECK, "CHECK", 1, CONTROL, 0, 0 },
    { FINDING, "FINDING", 2, CONTROL, 18, 1104 },
    { CHECKED, "CHECKED", 2, CONTROL, 55, 433 },
    { BUILD, "BUILD", 1, CONTROL, 48, 48 },
    { BUILT, "BUILT", 2, CONTROL, 12, 1308 },
    { STATE, "STATE", 1, CONTROL, 8, 16777216 },
    { ROUND_BEGIN, "ROUND_BEGIN", 1, CONTROL, 8, 8 },
    { ROUND_END, "ROUND_END", 1, CONTROL, 24, 24 },
    { ROUND_DONE, "ROUND_DONE", 2, CONTROL, 24, 24 },
    { RELEASE, "RELEASE", 1, CONTROL, 24, 524296 },
    { DM_STATE, "DM_STATE", 1, CONTROL, 17, 16777216 },
    { XENSTORE, "XENSTORE", 1, CONTROL, 8, 2097152 },
    { TAIL_END, "TAIL_END", 1, CONTROL, 0, 0 },
    { READY, "READY", 2, CONTROL, 0, 0 },
    { PERMIT, "PERMIT", 1, CONTROL, 0, 0 },
    { COMMIT, "COMMIT", 2, CONTROL, 0, 0 },
    { RUNNING, "RUNNING", 2, CONTROL, 16, 16 },
    { NOT_RUNNING, "NOT_RUNNING", 2, CONTROL, 4, 516 },
    { BYE, "BYE", 3, CONTROL, 0, 0 },
    { ABORT, "ABORT", 3, CONTROL, 8, 520 },
    { ABORTED, "ABORTED", 2, CONTROL, 0, 0 },
    { CLOCK_PING, "CLOCK_PING", 1, CONTROL, 8, 8 },
    { CLOCK_PONG, "CLOCK_PONG", 2, CONTROL, 24, 24 },
    { GUEST_GAP, "GUEST_GAP", 2, CONTROL, 8, 8 },
    { PREBUILD, "PREBUILD", 1, CONTROL, 0, 16 },
    { PREBUILT, "PREBUILT", 2, CONTROL, 0, 0 },
    { VERIFY, "VERIFY", 1, CONTROL, 8544, 8544 },
    { SPARED, "SPARED", 1, CONTROL, 8, 524296 },
    { SUMS, "SUMS", 1, CONTROL, 32, 1048592 },
    { ASK, "ASK", 2, CONTROL, 8, 8 },
    { HASHES, "HASHES", 1, CONTROL, 4104, 4104 },
    { VERIFIED, "VERIFIED", 2, CONTROL, 24, 24 },
    { PAGES, "PAGES", 1, DATA, 16, 4202504 },
    { ZEROS, "ZEROS", 1, DATA, 24, 16392 },
    { MARK, "MARK", 1, DATA, 24, 24 },
    { CLOSE, "CLOSE", 1, DATA, 0, 0 },
    { PACKED, "PACKED", 1, DATA, 25, 1050639 },
    { TAKEN, "TAKEN", 2, DATA, 8, 8 },
};

bool fail(struct dump *d, const char *fmt, ...)
{
    va_list ap;
    int n;

    d->errors++;
    if (d->errors > 1)
        return false;
    n = snprintf(d->error, sizeof(d->error), "%s at 0x%zx: ", d->name,
                 d->record);
    va_start(ap, fmt);
    vsnprintf(d->error + n, sizeof(d->error) - (size_t)n, fmt, ap);
    va_end(ap);
    return false;
}

void say(struct dump *d, const char *fmt, ...)
{
    va_list ap;

    if (!d->out)
        return;
    va_start(ap, fmt);
    vfprintf(d->out, fmt, ap);
    va_end(ap);
}

uint64_t le(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;

    while (bytes--)
        v = v << 8 | p[bytes];
    return v;
}

bool number(struct dump *d, unsigned bytes, uint64_t *out)
{
    if (d->end - d->at < bytes)
        return fail(d, "the body ends in the middle of a field");
    *out = le(d->p + d->at, bytes);
    d->at += bytes;
    return true;
}

bool limits(struct dump *d, const char *what, uint64_t v, uint64_t least,
            uint64_t most)
{
    if (v >= least && v <= most)
        return true;
    return fail(d, "%s is %llu, allowed are %llu to %llu", what,
                (unsigned long long)v, (unsigned long long)least,
                (unsigned long long)most);
}

/* Bit by bit: slow, but there is no table to get wrong. */
static uint32_t crc32c(uint32_t crc, const uint8_t *p, size_t nr)
{
    crc = ~crc;
    while (nr--) {
        crc ^= *p++;
        for (int i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static bool is_zero(const uint8_t *p, size_t nr)
{
    while (nr--)
        if (*p++)
            return false;
    return true;
}

static void say_uuid(struct dump *d, const uint8_t *p)
{
    for (int i = 0; i < 16; i++)
        say(d, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
            p[i]);
}

/* Section 3. */
static bool greeting_fields(struct dump *d)
{
    const uint8_t *p = d->p;
    uint64_t offered = le(p + 16, 8), required = le(p + 24, 8);
    const bool may = offered & (d->kind == DATA ? RESUME : RETURN);
    bool token = !is_zero(p + 48, 32);

    if (le(p + 92, 4) != crc32c(0, p, 92))
        return fail(d, "wrong crc");
    d->resumed = le(p + 80, 4) != 0;
    if (!is_zero(p + (may ? 88 : 80), may ? 4 : 12))
        return fail(d, "reserved bytes are not zero");
    if (le(p + 84, 4) &&
        (!d->resumed || (d->kind == DATA && d->role == SOURCE)))
        return fail(d, "records taken, but not by who was asked");
    if (!le(p + 8, 2) || le(p + 10, 2) < le(p + 8, 2))
        return fail(d, "wrong range of versions");
    if (le(p + 8, 2) > 1)
        return fail(d, "version 1 is not offered");
    if (!limits(d, "kind", d->kind, CONTROL, DATA) ||
        !limits(d, "role", d->role, SOURCE, DESTINATION) ||
        !limits(d, "index", le(p + 14, 2), 0, d->kind == DATA ? 63 : 0))
        return false;
    if (required & ~offered)
        return fail(d, "it requires features that it does not offer");
    if (required & ~(0xffull | RESUME | RETURN))
        return fail(d, "it requires features that version 1 does not have");
    d->offered = offered;
    if (is_zero(p + 32, 16))
        return fail(d, "session is zero");
    if (token != (d->role == SOURCE))
        return fail(d, token ? "destination with a token"
                             : "source without a token");
    return true;
}

static bool greeting(struct dump *d)
{
    d->name = "greeting";
    if (d->nr < 96)
        return fail(d, "%zu bytes of 96", d->nr);
    if (memcmp(d->p, "XLMLIVE\n", 8))
        return fail(d, "no magic: this is not a stream of xlm");
    d->kind = d->p[12];
    d->role = d->p[13];
    if (!greeting_fields(d))
        return false;
    say(d, "0x0 greeting: %s of the %s, index %u, versions %u to %u, session ",
        d->kind == CONTROL ? "control" : "data",
        d->role == SOURCE ? "source" : "destination",
        (unsigned)le(d->p + 14, 2), (unsigned)le(d->p + 8, 2),
        (unsigned)le(d->p + 10, 2));
    say_uuid(d, d->p + 32);
    if (d->resumed)
        say(d, ", attempt %u, %u taken", (unsigned)le(d->p + 80, 4),
            (unsigned)le(d->p + 84, 4));
    say(d, "\n");
    d->at = 96;
    return true;
}

/* PAGES: bytes under the crc; 0 after an error. */
static size_t pages_covered(struct dump *d, uint32_t length)
{
    uint64_t count;

    if (d->nr - d->at < 24) {
        fail(d, "the file ends in the body");
        return 0;
    }
    count = le(d->p + d->at + 20, 4);
    if (!limits(d, "count", count, 1, 1024))
        return 0;
    if (length < 8 + 8 * count) {
        fail(d, "length %u for %u pages", length, (unsigned)count);
        return 0;
    }
    if (d->nr - d->at - 16 < 8 + 8 * count) {
        fail(d, "the file ends in the list");
        return 0;
    }
    return 8 + 8 * (size_t)count;
}

static const struct kind_of_record *find_kind(uint32_t type)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (kinds[i].type == type)
            return &kinds[i];
    return NULL;
}

static bool header_fields(struct dump *d, const struct kind_of_record *k,
                          uint32_t length)
{
    if (!d->type)
        return fail(d, "type 0");
    if (d->resumed && (d->role == SOURCE || d->kind == CONTROL)) {
        d->seq = (uint32_t)le(d->p + d->at + 8, 4);
        d->partly = true;
    }
    d->resumed = false;
    if (le(d->p + d->at + 8, 4) != d->seq)
        return fail(d, "sequence number %u, expected %u",
                    (unsigned)le(d->p + d->at + 8, 4), d->seq);
    if (!k && !(d->type & 0x80000000u))
        return fail(d, "type 0x%x is not known", d->type);
    if (!k)
        return limits(d, "length", length, 0, 1048576);
    if (k->on != d->kind || !(k->by & d->role))
        return fail(d, "not on this channel in this direction");
    return limits(d, "length", length, k->least, k->most);
}

static bool crc_and_padding(struct dump *d, uint32_t length)
{
    const uint8_t *h = d->p + d->at;
    size_t covered = length;
    uint32_t crc;

    if (d->type == PAGES) {
        covered = pages_covered(d, length);
        if (!covered)
            return false;
    } else if (d->nr - d->at - 16 < length) {
        return fail(d, "the file ends in the body");
    }
    crc = crc32c(crc32c(0, h, 12), h + 16, covered);
    if (crc != le(h + 12, 4))
        return fail(d, "crc 0x%x, computed 0x%x", (unsigned)le(h + 12, 4), crc);
    if (d->type != PAGES && d->nr - d->at - 16 < (length + 7u) / 8 * 8)
        return fail(d, "the file ends in the padding");
    if (d->type != PAGES && !is_zero(h + 16 + length, -length & 7u))
        return fail(d, "padding is not zero");
    return true;
}

/* Sections 4 and 9. */
static bool record(struct dump *d)
{
    const struct kind_of_record *k;
    struct body b = { 0 };
    uint32_t length;

    d->record = d->at;
    d->name = "record";
    if (d->nr - d->at < 16)
        return fail(d, "the file ends in a header");
    d->type = (uint32_t)le(d->p + d->at, 4);
    length = (uint32_t)le(d->p + d->at + 4, 4);
    k = find_kind(d->type);
    if (k)
        d->name = k->name;
    if (!header_fields(d, k, length) || !crc_and_padding(d, length))
        return false;
    say(d, "0x%zx #%u %s %u bytes", d->record, d->seq, d->name, length);
    d->seq++;
    d->at += 16;
    d->end = d->at + length;
    if (k && !dump_body(d, &b))
        return false;
    if (k && !dump_order(d, &b))
        return false;
    if (!k)
        say(d, ": optional, of type 0x%x", d->type);
    say(d, "\n");
    if (d->nr < d->end)
        return fail(d, "the file ends in the contents of pages");
    d->at = d->record + 16 + (length + 7u) / 8 * 8;
    return true;
}

static bool whole(struct dump *d)
{
    if (!greeting(d))
        return false;
    while (!d->finished && d->at < d->nr)
        if (!record(d))
            return false;
    d->name = "end";
    d->record = d->at;
    /* The destination ends a data channel at any time. */
    if (!d->finished && !(d->kind == DATA && d->role == DESTINATION))
        return fail(d, "the stream ends without %s",
                    d->kind == DATA ? "CLOSE" : "BYE");
    if (d->at != d->nr)
        return fail(d, "%zu bytes after the last record", d->nr - d->at);
    return true;
}

static void begin(struct dump *d, const struct dump *options, size_t nr,
                  FILE *out)
{
    *d = *options;
    d->out = out;
    d->nr = nr;
}

/* Every prefix has to be refused with exactly one error. */
static int cut_everywhere(const struct dump *options)
{
    struct dump d;

    for (size_t n = 0; n < options->nr; n++) {
        begin(&d, options, n, NULL);
        if (whole(&d) || d.errors != 1 || !d.error[0]) {
            fprintf(stderr, "cut after %zu bytes: %u errors %s\n", n, d.errors,
                    d.error);
            return 1;
        }
    }
    printf("%zu prefixes refused\n", options->nr);
    return 0;
}

static int map_file(const char *path, struct dump *d)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        perror(path);
        return 1;
    }
    d->nr = (size_t)st.st_size;
    d->p = d->nr ? mmap(NULL, d->nr, PROT_READ, MAP_PRIVATE, fd, 0)
                 : (const uint8_t *)"";
    close(fd);
    if (d->p == MAP_FAILED) {
        perror(path);
        return 1;
    }
    return 0;
}

static int usage(void)
{
    fputs("usage: xlmdump [-q] [-c] [-n NR_PFNS] [-t pv|pvh|hvm] FILE\n"
          "Print one recorded direction of one channel, greeting included.\n"
          "  -q  say nothing but the error\n"
          "  -c  instead, check that every prefix of it is refused\n"
          "  -n, -t  of a data channel: what OFFER said\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct dump options = { .nr_pfns = 1ull << 34 }, d;
    bool quiet = false, cut = false;
    int opt;

    while ((opt = getopt(argc, argv, "qcn:t:")) != -1) {
        if (opt == 'q')
            quiet = true;
        else if (opt == 'c')
            cut = true;
        else if (opt == 'n')
            options.nr_pfns = strtoull(optarg, NULL, 0);
        else if (opt == 't')
            options.domain_type = !strcmp(optarg, "pv")    ? PV
                                  : !strcmp(optarg, "pvh") ? PVH
                                                           : HVM;
        else
            return usage();
    }
    if (optind + 1 != argc)
        return usage();
    if (map_file(argv[optind], &options))
        return 2;
    if (cut)
        return cut_everywhere(&options);
    begin(&d, &options, options.nr, quiet ? NULL : stdout);
    if (whole(&d))
        return 0;
    say(&d, "\n");
    fflush(stdout);
    fprintf(stderr, "%s\n", d.error);
    return 1;
}
