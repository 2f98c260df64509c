/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "toolstack/mark.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "toolstack/hostlock.h"
#include "util/uuid.h"

#define XLM_MODULE "journal"

#define MARK_BYTES 2048
#define PATH_BYTES 256

_Static_assert(MARK_BYTES >= 3 * 256 + XLM_NAME_MAX + 512,
               "the longest names fit into a mark");

static const char *const suffix[] = {
    [XLM__MARK_SENT] = "sent",
    [XLM__MARK_RECEIVED] = "received",
    [XLM__MARK_SLOWED] = "slowed",
    [XLM__MARK_LIMITED] = "limited",
};

/* What it is about ends with the domain, and so with this boot. */
static bool is_of_this_boot(enum xlm__mark_kind kind)
{
    return kind == XLM__MARK_SLOWED || kind == XLM__MARK_LIMITED;
}

static const char *directory(const char *dir)
{
    return dir ? dir : XLM__MARK_DIR;
}

static void mark_path(char path[PATH_BYTES], const char *dir,
                      enum xlm__mark_kind kind, const unsigned char uuid[16])
{
    char text[XLM__UUID_TEXT];

    xlm__uuid_format(uuid, text);
    if (!dir && is_of_this_boot(kind))
        snprintf(path, PATH_BYTES, "%s/xlm-%s.%s", XLM__HOSTLOCK_DIR, text,
                 suffix[kind]);
    else
        snprintf(path, PATH_BYTES, "%s/%s.%s", directory(dir), text,
                 suffix[kind]);
}

/* ---- its text ---- */

#define FIRST_LINE  "xlm-journal 1 phase %02u since %014" PRIu64
#define FIRST_BYTES (sizeof("xlm-journal 1 phase NN since NNNNNNNNNNNNNN") - 1)
#define SINCE_MAX   UINT64_C(100000000000000)

/* Xen's tools keep newlines out of names; a peer says what it likes. */
static void one_line(char *text)
{
    for (; *text; text++)
        if (*text == '\n')
            *text = '?';
}

static void print(const struct xlm__mark *m, char out[MARK_BYTES])
{
    char uuid[XLM__UUID_TEXT], session[XLM__UUID_TEXT];
    char boot[XLM__UUID_TEXT], peer_boot[XLM__UUID_TEXT];
    struct xlm__mark c = *m;

    xlm__uuid_format(c.uuid, uuid);
    xlm__uuid_format(c.session, session);
    xlm__uuid_format(c.boot, boot);
    xlm__uuid_format(c.peer_boot, peer_boot);
    one_line(c.peer);
    one_line(c.host);
    one_line(c.ssh);
    one_line(c.name);
    memset(out, '\n', MARK_BYTES);
    out[snprintf(out, MARK_BYTES,
                 FIRST_LINE "\nuuid %s\nsession %s\nboot %s\n"
                            "peer-boot %s\nturn %u\ndomid %u\nflags 0x%x\n"
                            "peer %s\nhost %s\nssh %s\nname %s\n",
                 c.phase % 100, c.since_s % SINCE_MAX, uuid, session, boot,
                 peer_boot, c.turn, c.domid, c.flags, c.peer, c.host, c.ssh,
                 c.name)] = '\n';
}

/* The rest of the line that begins with key, which is the next one. */
static bool take_line(const char **at, const char *key, char *out, size_t bytes)
{
    const size_t n = strlen(key);
    const char *end = strchr(*at, '\n');

    if (!end || strncmp(*at, key, n) || (size_t)(end - *at) - n >= bytes)
        return false;
    memcpy(out, *at + n, (size_t)(end - *at) - n);
    out[(size_t)(end - *at) - n] = '\0';
    *at = end + 1;
    return true;
}

static bool take_number(const char **at, const char *key, uint32_t *out)
{
    char text[16], *end;
    unsigned long v;

    if (!take_line(at, key, text, sizeof(text)) || *text < '0' || *text > '9')
        return false;
    errno = 0;
    v = strtoul(text, &end, strncmp(text, "0x", 2) ? 10 : 16);
    *out = (uint32_t)v;
    return !errno && !*end && v <= UINT32_MAX;
}

static bool take_uuid(const char **at, const char *key, unsigned char out[16])
{
    char text[XLM__UUID_TEXT];

    return take_line(at, key, text, sizeof(text)) && xlm__uuid_parse(text, out);
}

static bool take_first(const char **at, struct xlm__mark *m)
{
    char line[FIRST_BYTES + 1], again[FIRST_BYTES + 1];

    if (!take_line(at, "", line, sizeof(line)) ||
        sscanf(line, "xlm-journal 1 phase %2" SCNu32 " since %14" SCNu64,
               &m->phase, &m->since_s) != 2)
        return false;
    snprintf(again, sizeof(again), FIRST_LINE, m->phase, m->since_s);
    return !strcmp(line, again);
}

static bool parse(const char *text, struct xlm__mark *m)
{
    memset(m, 0, sizeof(*m));
    return take_first(&text, m) && take_uuid(&text, "uuid ", m->uuid) &&
           take_uuid(&text, "session ", m->session) &&
           take_uuid(&text, "boot ", m->boot) &&
           take_uuid(&text, "peer-boot ", m->peer_boot) &&
           take_number(&text, "turn ", &m->turn) &&
           take_number(&text, "domid ", &m->domid) &&
           take_number(&text, "flags ", &m->flags) &&
           take_line(&text, "peer ", m->peer, sizeof(m->peer)) &&
           take_line(&text, "host ", m->host, sizeof(m->host)) &&
           take_line(&text, "ssh ", m->ssh, sizeof(m->ssh)) &&
           take_line(&text, "name ", m->name, sizeof(m->name));
}

/* ---- its file ---- */

/* These give 0 or an errno value. */
static int read_text(int fd, char text[MARK_BYTES + 1])
{
    ssize_t n = pread(fd, text, MARK_BYTES, 0);

    if (n < 0)
        return errno;
    text[n] = '\0';
    return 0;
}

static int write_text(int fd, const char text[MARK_BYTES], bool durable)
{
    ssize_t n = pwrite(fd, text, MARK_BYTES, 0);

    if (n != MARK_BYTES)
        return n < 0 ? errno : ENOSPC;
    return durable && fdatasync(fd) ? errno : 0;
}

static int sync_directory(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = 0;

    if (fd < 0)
        return errno;
    if (fsync(fd))
        error = errno;
    close(fd);
    return error;
}

/* By another name first: a mark is whole, or not there. */
static int create(const char *dir, const char *path,
                  const char text[MARK_BYTES])
{
    char fresh[PATH_BYTES + 8];
    int error, fd;

    snprintf(fresh, sizeof(fresh), "%s.new", path);
    fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
              0600);
    if (fd < 0)
        return errno;
    error = write_text(fd, text, true);
    close(fd);
    if (!error && rename(fresh, path))
        error = errno;
    if (!error)
        error = sync_directory(dir);
    if (error)
        unlink(fresh);
    return error;
}

/* As the parent's: whoever installs us need not make it. */
static int make_directory(const char *dir)
{
    char parent[PATH_BYTES], *slash;

    if (!mkdir(dir, 0700)) {
        snprintf(parent, sizeof(parent), "%s", dir);
        slash = strrchr(parent, '/');
        if (slash && slash != parent)
            *slash = '\0';
        return sync_directory(parent);
    }
    return errno == EEXIST ? 0 : errno;
}

static bool differs_by_phase_only(const char old[MARK_BYTES + 1],
                                  const char text[MARK_BYTES])
{
    return strlen(old) == MARK_BYTES &&
           !memcmp(old + FIRST_BYTES, text + FIRST_BYTES,
                   MARK_BYTES - FIRST_BYTES);
}

/* What is there of one kind, if that can be read. */
static bool peek(const char *dir, enum xlm__mark_kind kind,
                 const unsigned char uuid[16], struct xlm__mark *out)
{
    char path[PATH_BYTES], text[MARK_BYTES + 1] = "";
    int fd;

    mark_path(path, dir, kind, uuid);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    if (read_text(fd, text))
        text[0] = '\0';
    close(fd);
    return parse(text, out);
}

/* The same for all phases of a migration, higher than all that was before. */
static uint32_t turn_of(const char *dir, enum xlm__mark_kind kind,
                        const struct xlm__mark *m)
{
    struct xlm__mark old;
    uint32_t turn = 0;

    if (is_of_this_boot(kind))
        return 0;
    if (peek(dir, kind, m->uuid, &old)) {
        if (xlm__uuid_equal(old.session, m->session))
            return old.turn;
        turn = old.turn;
    }
    kind = kind == XLM__MARK_SENT ? XLM__MARK_RECEIVED : XLM__MARK_SENT;
    if (peek(dir, kind, m->uuid, &old) && old.turn > turn)
        turn = old.turn;
    return turn + 1;
}

static bool outlives_power(enum xlm__mark_kind kind, uint32_t phase)
{
    return kind == XLM__MARK_RECEIVED || phase == XLM__GUARD_PERMITTED ||
           phase >= XLM__GUARD_RUNNING;
}

int xlm__mark_set(struct xlm__errslot *err, const char *dir,
                  enum xlm__mark_kind kind, const struct xlm__mark *m)
{
    char path[PATH_BYTES], text[MARK_BYTES], old[MARK_BYTES + 1] = "";
    struct xlm__mark c = *m;
    int error = 0, fd;

    c.since_s = (uint64_t)time(NULL);
    c.turn = turn_of(dir, kind, m);
    mark_path(path, dir, kind, m->uuid);
    print(&c, text);
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && !read_text(fd, old) && differs_by_phase_only(old, text)) {
        error = write_text(fd, text, outlives_power(kind, m->phase));
    } else {
        error = make_directory(directory(dir));
        if (!error)
            error = create(directory(dir), path, text);
    }
    if (fd >= 0)
        close(fd);
    if (!error)
        return 0;
    errno = error;
    return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "write %s", path);
}

int xlm__mark_get(struct xlm__errslot *err, const char *dir,
                  enum xlm__mark_kind kind, const unsigned char uuid[16],
                  struct xlm__mark *out, bool *exists_out)
{
    char path[PATH_BYTES], text[MARK_BYTES + 1];
    int error, fd;

    mark_path(path, dir, kind, uuid);
    *exists_out = false;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return 0;
    error = fd < 0 ? errno : read_text(fd, text);
    if (fd >= 0)
        close(fd);
    errno = error;
    if (error)
        return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "read %s", path);
    if (!parse(text, out) || !xlm__uuid_equal(out->uuid, uuid))
        return XLM_FAIL(err, XLM_ERR_SYSTEM, "%s is damaged, or of a newer xlm",
                        path);
    *exists_out = true;
    return 0;
}

void xlm__mark_clear(const char *dir, enum xlm__mark_kind kind,
                     const unsigned char uuid[16])
{
    char path[PATH_BYTES];

    mark_path(path, dir, kind, uuid);
    /* If that fails it says less than is known, but nothing wrong. */
    if (!unlink(path) && !is_of_this_boot(kind))
        (void)sync_directory(directory(dir));
}

/* ---- all of them ---- */

/* "UUID.sent" or "UUID.received". */
static bool read_name(const char *name, enum xlm__mark_kind *kind,
                      unsigned char uuid[16])
{
    char text[XLM__UUID_TEXT];

    if (strlen(name) < sizeof(text) || name[sizeof(text) - 1] != '.')
        return false;
    memcpy(text, name, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    name += sizeof(text);
    if (!strcmp(name, suffix[XLM__MARK_SENT]))
        *kind = XLM__MARK_SENT;
    else if (!strcmp(name, suffix[XLM__MARK_RECEIVED]))
        *kind = XLM__MARK_RECEIVED;
    else
        return false;
    return xlm__uuid_parse(text, uuid);
}

static int is_mark(const struct dirent *d)
{
    unsigned char uuid[16];
    enum xlm__mark_kind kind;

    return read_name(d->d_name, &kind, uuid);
}

/* One that has gone meanwhile is not worth a word. */
static int visit(const char *dir, const char *name, xlm__mark_fn *fn,
                 void *user)
{
    unsigned char uuid[16];
    enum xlm__mark_kind kind;
    char path[PATH_BYTES];
    struct xlm__mark m;

    if (!read_name(name, &kind, uuid))
        return 0;
    if (peek(dir, kind, uuid, &m) && xlm__uuid_equal(m.uuid, uuid))
        return fn(user, kind, uuid, &m);
    mark_path(path, dir, kind, uuid);
    return access(path, F_OK) ? 0 : fn(user, kind, uuid, NULL);
}

int xlm__mark_each(struct xlm__errslot *err, const char *dir, xlm__mark_fn *fn,
                   void *user)
{
    struct dirent **list = NULL;
    int nr = scandir(directory(dir), &list, is_mark, alphasort);
    int rc = 0;

    if (nr < 0 && errno == ENOENT)
        return 0;
    if (nr < 0)
        return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM, "read %s", directory(dir));
    for (int i = 0; i < nr; i++) {
        if (!rc)
            rc = visit(dir, list[i]->d_name, fn, user);
        free(list[i]);
    }
    free(list);
    return rc;
}
