/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "toolstack/mark.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "toolstack/hostlock.h"
#include "util/uuid.h"

#define XLM_MODULE "mark"

#define RECEIVED_DIR "/var/lib/xen"
#define MARK_BYTES   1024
#define PATH_BYTES   256

_Static_assert(MARK_BYTES >= 256 + XLM_NAME_MAX + 256,
               "the longest names fit into a mark");

static const char *directory(const char *dir, enum xlm__mark_kind kind)
{
    if (dir)
        return dir;
    return kind == XLM__MARK_RECEIVED ? RECEIVED_DIR : XLM__HOSTLOCK_DIR;
}

static void mark_path(char path[PATH_BYTES], const char *dir,
                      enum xlm__mark_kind kind, const unsigned char uuid[16])
{
    static const char *const names[] = { [XLM__MARK_SENT] = "sent",
                                         [XLM__MARK_RECEIVED] = "received",
                                         [XLM__MARK_SLOWED] = "slowed" };
    char text[XLM__UUID_TEXT];

    xlm__uuid_format(uuid, text);
    snprintf(path, PATH_BYTES, "%s/xlm-%s.%s", directory(dir, kind), text,
             names[kind]);
}

/* ---- its text ---- */

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
    struct xlm__mark c = *m;

    xlm__uuid_format(c.uuid, uuid);
    xlm__uuid_format(c.session, session);
    one_line(c.peer);
    one_line(c.name);
    memset(out, '\n', MARK_BYTES);
    out[snprintf(out, MARK_BYTES,
                 "xlm-mark 1 phase %02u\nuuid %s\nsession %s\ndomid %u\n"
                 "flags 0x%x\npeer %s\nname %s\n",
                 c.phase % 100, uuid, session, c.domid, c.flags, c.peer,
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

static bool parse(const char *text, struct xlm__mark *m)
{
    memset(m, 0, sizeof(*m));
    return take_number(&text, "xlm-mark 1 phase ", &m->phase) &&
           take_uuid(&text, "uuid ", m->uuid) &&
           take_uuid(&text, "session ", m->session) &&
           take_number(&text, "domid ", &m->domid) &&
           take_number(&text, "flags ", &m->flags) &&
           take_line(&text, "peer ", m->peer, sizeof(m->peer)) &&
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
                  const char text[MARK_BYTES], bool durable)
{
    char fresh[PATH_BYTES + 8];
    int error, fd;

    snprintf(fresh, sizeof(fresh), "%s.new", path);
    fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
              0600);
    if (fd < 0)
        return errno;
    error = write_text(fd, text, durable);
    close(fd);
    if (!error && rename(fresh, path))
        error = errno;
    if (!error && durable)
        error = sync_directory(dir);
    if (error)
        unlink(fresh);
    return error;
}

static bool differs_by_phase_only(int fd, const char text[MARK_BYTES])
{
    const size_t phase = sizeof("xlm-mark 1 phase NN") - 1;
    char old[MARK_BYTES + 1];

    return !read_text(fd, old) && strlen(old) == MARK_BYTES &&
           !memcmp(old + phase, text + phase, MARK_BYTES - phase);
}

int xlm__mark_set(struct xlm__errslot *err, const char *dir,
                  enum xlm__mark_kind kind, const struct xlm__mark *m)
{
    const bool durable = kind == XLM__MARK_RECEIVED;
    char path[PATH_BYTES], text[MARK_BYTES];
    int error, fd;

    mark_path(path, dir, kind, m->uuid);
    print(m, text);
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && differs_by_phase_only(fd, text))
        error = write_text(fd, text, durable);
    else
        error = create(directory(dir, kind), path, text, durable);
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
    (void)unlink(path);
}
