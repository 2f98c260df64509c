/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xlmdump.h"

#include <arpa/inet.h>
#include <string.h>

static bool flags(struct dump *d, const char *what, uint64_t known,
                  uint64_t *out)
{
    if (!number(d, 4, out))
        return false;
    if (*out & ~known)
        return fail(d, "%s 0x%llx has unknown bits", what,
                    (unsigned long long)*out);
    return true;
}

bool reserved(struct dump *d)
{
    uint64_t v;

    return flags(d, "reserved field", 0, &v);
}

/* One character of a string (section 1): its bytes, 0 if it is none. */
static unsigned character(const uint8_t *p, size_t left)
{
    static const uint32_t least[] = { 0, 0x20, 0x80, 0x800, 0x10000 };
    unsigned n = p[0] < 0x80       ? 1
                 : p[0] >> 5 == 6  ? 2
                 : p[0] >> 4 == 14 ? 3
                 : p[0] >> 3 == 30 ? 4
                                   : 0;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);

    if (!n || n > left)
        return 0;
    for (unsigned i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if (c < least[n] || c == 0x7f || c > 0x10ffff ||
        (c >= 0xd800 && c <= 0xdfff))
        return 0;
    return n;
}

static bool string(struct dump *d, const char *what, size_t least, size_t most,
                   char *copy)
{
    char text[1100];
    uint64_t n;
    size_t i = 0;

    if (!number(d, 4, &n) || !limits(d, what, n, least, most))
        return false;
    if (n > d->end - d->at)
        return fail(d, "%s does not fit the body", what);
    while (i < n) {
        unsigned bytes = character(d->p + d->at + i, n - i);

        if (!bytes)
            return fail(d, "%s: byte %zu is no character", what, i);
        i += bytes;
    }
    memcpy(text, d->p + d->at, n);
    text[n] = '\0';
    d->at += n;
    say(d, " %s \"%s\"", what, text);
    if (copy)
        memcpy(copy, text, n + 1);
    return true;
}

bool skip(struct dump *d, size_t n)
{
    if (d->end - d->at < n)
        return fail(d, "the body ends in the middle of a field");
    d->at += n;
    return true;
}

static bool domid(struct dump *d)
{
    uint64_t v;

    if (!number(d, 4, &v) || !limits(d, "domid", v, 1, 0x7fef))
        return false;
    say(d, " domid %u", (unsigned)v);
    return true;
}

static bool versions(struct dump *d)
{
    return string(d, "host", 1, 255, NULL) && string(d, "Xen", 1, 63, NULL) &&
           string(d, "xlm", 1, 63, NULL);
}

static bool offer(struct dump *d, struct body *b)
{
    static const uint8_t zero[16];
    uint64_t type, pfns, pages, channels, f;
    char name[201];

    if (!domid(d) || !number(d, 4, &type) ||
        !limits(d, "domain type", type, PV, HVM) || !number(d, 8, &pfns) ||
        !limits(d, "nr_pfns", pfns, 1, 1ull << 34) || !number(d, 8, &pages) ||
        !limits(d, "memory_pages", pages, 1, pfns) ||
        !number(d, 4, &channels) ||
        !limits(d, "data channels", channels, 1, 64) ||
        !flags(d, "flags", 7, &f) || !skip(d, 8))
        return false;
    if ((f & 2) && type != PVH && !(d->offered & (type == HVM ? 4 : 32)))
        return fail(d, "type %u cannot be pre-built", (unsigned)type);
    if (!memcmp(d->p + d->at, zero, 16))
        return fail(d, "uuid is zero");
    if (!skip(d, 32) || !string(d, "name", 1, 200, name))
        return false;
    if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
        return fail(d, "name cannot be in a file name");
    d->domain_type = (uint32_t)type;
    d->nr_pfns = pfns;
    b->dry_run = f & 1;
    b->offers_prebuild = f & 2;
    b->sample = f & 4;
    say(d, " type %u nr_pfns 0x%llx", (unsigned)type, (unsigned long long)pfns);
    return versions(d);
}

static bool checked(struct dump *d)
{
    uint64_t verdict, f;

    if (!number(d, 4, &verdict) || !limits(d, "verdict", verdict, 0, 1) ||
        !skip(d, 8) || !flags(d, "flags", 1, &f))
        return false;
    if (verdict && f)
        return fail(d, "what is blocked cannot be pre-built");
    return skip(d, 24) && versions(d);
}

static bool finding(struct dump *d)
{
    uint64_t severity;
    char code[65];

    if (!number(d, 4, &severity) || !limits(d, "severity", severity, 1, 3) ||
        !string(d, "code", 1, 64, code))
        return false;
    if (strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(code))
        return fail(d, "code has other characters than a-z, 0-9 and -");
    return string(d, "message", 1, 512, NULL) &&
           string(d, "advice", 0, 512, NULL);
}

static bool round_counts(struct dump *d, struct body *b)
{
    const bool may_pause = d->type == ROUND_BEGIN && (d->offered & PAUSED);
    uint64_t round, f;

    if (!number(d, 4, &round) || !limits(d, "round", round, 1, 65535) ||
        !flags(d, "flags", may_pause ? 3 : 1, &f))
        return false;
    if (f == 2)
        return fail(d, "to stay paused, but not the last round");
    say(d, " round %u%s%s", (unsigned)round, f ? " final" : "",
        f & 2 ? ", stays paused" : "");
    if (d->type == ROUND_BEGIN)
        return true;
    if (!number(d, 8, &b->pages) || !number(d, 8, &b->zero_pages))
        return false;
    say(d, " pages %llu zero %llu", (unsigned long long)b->pages,
        (unsigned long long)b->zero_pages);
    return true;
}

bool extent(struct dump *d, uint64_t first, uint64_t nr, uint64_t *end)
{
    if (!nr || first > d->nr_pfns || nr > d->nr_pfns - first)
        return fail(d, "%llu pages at pfn 0x%llx, limit 0x%llx",
                    (unsigned long long)nr, (unsigned long long)first,
                    (unsigned long long)d->nr_pfns);
    if (first < *end)
        return fail(d, "pfn 0x%llx does not ascend", (unsigned long long)first);
    *end = first + nr;
    return true;
}

static bool release(struct dump *d)
{
    uint64_t count, first, nr, end = 0;

    if (!number(d, 4, &count) || !limits(d, "count", count, 1, 32768) ||
        !reserved(d))
        return false;
    while (count--)
        if (!number(d, 8, &first) || !number(d, 8, &nr) ||
            !extent(d, first, nr, &end))
            return false;
    say(d, " up to pfn 0x%llx", (unsigned long long)end);
    return true;
}

static bool dm_state(struct dump *d, struct body *b)
{
    if (!number(d, 8, &b->dm_total) ||
        !limits(d, "total", b->dm_total, 1, 67108864) ||
        !number(d, 8, &b->dm_offset))
        return false;
    b->dm_bytes = d->end - d->at;
    d->at = d->end;
    if (b->dm_offset > b->dm_total || b->dm_bytes > b->dm_total - b->dm_offset)
        return fail(
            d, "%llu bytes at %llu of %llu", (unsigned long long)b->dm_bytes,
            (unsigned long long)b->dm_offset, (unsigned long long)b->dm_total);
    return true;
}

static bool guest_path(const char *path)
{
    static const char *const own[] = { "data", "attr", "drivers", "feature",
                                       "vm-data" };
    unsigned components = 0;

    if (path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
                          "YZ0123456789-/_@.")])
        return false;
    for (const char *p = path;; p += strcspn(p, "/") + 1) {
        size_t n = strcspn(p, "/");

        if (!n || ++components > 16 || (n == 1 && p[0] == '.') ||
            (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        if (!p[n])
            break;
    }
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        size_t n = strlen(own[i]);

        if (!strncmp(path, own[i], n) && (!path[n] || path[n] == '/'))
            return true;
    }
    return !strncmp(path, "control/feature-", 16);
}

static bool guest_perms(const char *perms)
{
    for (const char *p = perms;;) {
        if (!*p || !strchr("nrwb", *p))
            return false;
        p++;
        if (!strncmp(p, "@self", 5))
            p += 5;
        else if (*p == '0')
            p++;
        else
            return false;
        if (!*p)
            return true;
        if (*p++ != ',')
            return false;
    }
}

static bool xenstore(struct dump *d)
{
    uint64_t count, bytes;
    char path[1025], perms[1024];

    if (!number(d, 4, &count) || !limits(d, "count", count, 0, 4096) ||
        !reserved(d))
        return false;
    while (count--) {
        if (!string(d, "path", 1, 1024, path))
            return false;
        if (!guest_path(path))
            return fail(d, "path \"%.60s\" is not the guest's", path);
        if (!string(d, "perms", 2, 1023, perms))
            return false;
        if (!guest_perms(perms))
            return fail(d, "permissions \"%.60s\"", perms);
        if (!number(d, 4, &bytes) ||
            !limits(d, "bytes of value", bytes, 0, 4096) || !skip(d, bytes))
            return false;
    }
    return true;
}

/* The key is secret: only whether there is one. */
static bool build(struct dump *d)
{
    uint64_t f, seconds, kind, low, high;
    bool key = false;

    if (!flags(d, "flags", 15, &f) || !number(d, 4, &seconds) ||
        !limits(d, "reserved seconds", seconds, 0,
                d->offered & RESUME ? 3600 : 0) ||
        !number(d, 4, &kind) || !limits(d, "kind of port", kind, 0, 2) ||
        !number(d, 2, &low) || !number(d, 2, &high))
        return false;
    if (low > high || (!low && high) || (high && !kind))
        return fail(d, "ports %u to %u for kind %u", (unsigned)low,
                    (unsigned)high, (unsigned)kind);
    for (size_t i = 0; i < 32 && d->at + i < d->end; i++)
        key |= d->p[d->at + i] != 0;
    if (key != (kind == 2))
        return fail(d, "%s key for a port of kind %u", key ? "a" : "no",
                    (unsigned)kind);
    say(d, " port kind %u of %u..%u", (unsigned)kind, (unsigned)low,
        (unsigned)high);
    return skip(d, 32);
}

static bool address(struct dump *d)
{
    unsigned char binary[16];
    char text[46];

    if (!string(d, "address", 2, 45, text))
        return false;
    return inet_pton(AF_INET, text, binary) == 1 ||
           inet_pton(AF_INET6, text, binary) == 1 ||
           fail(d, "address \"%s\" is none", text);
}

static bool built(struct dump *d)
{
    uint64_t port, nr;

    if (!domid(d) || !number(d, 2, &port) || !number(d, 2, &nr) ||
        !limits(d, "addresses", nr, 0, port ? 16 : 0) ||
        !string(d, "why", 0, port ? 0 : 512, NULL))
        return false;
    say(d, " port %u", (unsigned)port);
    while (nr--)
        if (!address(d))
            return false;
    return true;
}

static bool pong(struct dump *d)
{
    uint64_t t2, t3;

    if (!skip(d, 8) || !number(d, 8, &t2) || !number(d, 8, &t3))
        return false;
    return t3 >= t2 || fail(d, "t3 is before t2");
}

/* Nothing, or the rings of a PV domain. */
static bool prebuild(struct dump *d)
{
    uint64_t store, console;

    if (d->domain_type != PV)
        return d->at == d->end || fail(d, "rings of a domain that is not PV");
    if (!number(d, 8, &store) || !number(d, 8, &console))
        return false;
    return (store < d->nr_pfns && console < d->nr_pfns && store != console) ||
           fail(d, "rings at 0x%llx and 0x%llx", (unsigned long long)store,
                (unsigned long long)console);
}

static bool other(struct dump *d, struct body *b)
{
    uint64_t v;

    if (d->type >= VERIFY && d->type <= VERIFIED)
        return dump_verify(d, b);
    switch (d->type) {
    case CONFIG:
        if (memchr(d->p + d->at, 0, d->end - d->at))
            return fail(d, "a byte is zero");
        d->at = d->end;
        return true;
    case STATE:
        if (!number(d, 4, &v) || !reserved(d))
            return false;
        say(d, " libxc record 0x%x", (unsigned)v);
        d->at = d->end;
        return true;
    case RUNNING:
        return skip(d, 8) && domid(d) && flags(d, "flags", 1, &v);
    case NOT_RUNNING:
        return string(d, "text", 0, 512, NULL);
    case ABORT:
        return number(d, 4, &v) && limits(d, "error", v, 1, 255) &&
               string(d, "text", 0, 512, NULL);
    case PREBUILD:
        return prebuild(d);
    case CLOCK_PONG:
        return pong(d);
    case TAKEN:
        return number(d, 4, &v) && reserved(d);
    default:
        return skip(d, d->end - d->at); /* fixed length, any value */
    }
}

static bool by_type(struct dump *d, struct body *b)
{
    switch (d->type) {
    case OFFER:
        return offer(d, b);
    case FINDING:
        return finding(d);
    case CHECKED:
        return checked(d);
    case BUILD:
        return build(d);
    case BUILT:
        return built(d);
    case ROUND_BEGIN:
    case ROUND_END:
    case ROUND_DONE:
    case MARK:
        return round_counts(d, b);
    case RELEASE:
        return release(d);
    case DM_STATE:
        return dm_state(d, b);
    case XENSTORE:
        return xenstore(d);
    case PAGES:
        return dump_pages(d, b);
    case PACKED:
        return dump_packed(d, b);
    case ZEROS:
        return dump_zeros(d, b);
    default:
        return other(d, b);
    }
}

bool dump_body(struct dump *d, struct body *b)
{
    size_t at = d->at;

    if (d->end - at >= 8) {
        b->word[0] = (uint32_t)le(d->p + at, 4);
        b->word[1] = (uint32_t)le(d->p + at + 4, 4);
    }
    if (!by_type(d, b))
        return false;
    if (d->at != d->end)
        return fail(d, "%zu bytes after the last field", d->end - d->at);
    return true;
}
