/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running the conversations of stream_script.c, reading and changing them. */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stream_script.h"
#include "util/byteorder.h"
#include "util/crc32c.h"

const struct script *script_find(const char *name)
{
    for (size_t i = 0; i < nr_scripts; i++)
        if (!strcmp(scripts[i].name, name))
            return &scripts[i];
    return NULL;
}

/* ---- running them ---- */

void bytes_free(struct bytes *b)
{
    free(b->data);
    b->data = NULL;
    b->nr = 0;
}

int bytes_fd(const uint8_t *data, size_t nr)
{
    int fd = memfd_create("bytes", MFD_CLOEXEC);

    if (fd >= 0 && nr && pwrite(fd, data, nr, 0) != (ssize_t)nr) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int bytes_load(int fd, struct bytes *out)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -1;
    out->nr = (size_t)st.st_size;
    out->data = malloc(out->nr + 1);
    return pread(fd, out->data, out->nr, 0) == (ssize_t)out->nr ? 0 : -1;
}

/* The same file with a position of its own. */
static int reopen(int fd)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_RDWR | O_CLOEXEC);
}

struct end {
    struct xlm__errslot err;
    struct xlm__chan chan;
    struct xlm__flow flow;
    struct xlm__stream stream;
    unsigned failures;
};

static void count_failure(void *user, enum xlm_log_level level,
                          const char *module, const char *message)
{
    (void)module;
    (void)message;
    *(unsigned *)user += level == XLM_LOG_ERROR;
}

/* As the files of the first release have it. */
static uint64_t features(const struct script *sc)
{
    return XLM__FEATURE_LZ4 | XLM__FEATURE_ZSTD | sc->features;
}

static int end_open(struct end *e, const struct script *sc, enum xlm_role role,
                    int rfd, int wfd)
{
    int rc;

    memset(e, 0, sizeof(*e));
    xlm__errslot_init(&e->err, count_failure, &e->failures, XLM_LOG_ERROR);
    rc = xlm__chan_init(&e->chan, &e->err, rfd, wfd, -1, sc->name);
    if (!rc)
        rc = xlm__flow_init(&e->flow, &e->err, role);
    if (!rc && sc->kind == XLM__KIND_CONTROL)
        rc = xlm__stream_init_control(&e->stream, &e->chan, role, &e->flow);
    else if (!rc)
        rc = xlm__stream_init_data(&e->stream, &e->chan, role);
    xlm__stream_limits(&e->stream, sc->nr_pfns, sc->pv);
    xlm__stream_features(&e->stream, features(sc));
    return rc;
}

static void end_close(struct end *e)
{
    xlm__stream_fini(&e->stream);
    xlm__flow_destroy(&e->flow);
    xlm__chan_close(&e->chan);
    xlm__errslot_destroy(&e->err);
}

static struct xlm__greeting script_greeting(const struct script *sc,
                                            enum xlm_role role)
{
    struct xlm__greeting g;

    xlm__greeting_init(&g, sc->kind, role, 0);
    g.offered = features(sc);
    memset(g.session, 0x44, sizeof(g.session));
    if (role == XLM_SOURCE)
        memset(g.token, 0x55, sizeof(g.token));
    return g;
}

static int read_next(struct end *e)
{
    struct xlm__rec r;
    int rc = xlm__stream_read(&e->stream, &r);

    if (!rc && r.type == XLM__REC_PAGES)
        rc = xlm__stream_skip_contents(&e->stream, &r);
    return rc;
}

int script_run(const struct script *sc, struct bytes *source_out,
               struct bytes *destination_out)
{
    struct end s, d;
    struct xlm__greeting g;
    uint8_t greeting[XLM__GREETING_BYTES];
    int from_s = bytes_fd(NULL, 0), from_d = bytes_fd(NULL, 0);
    int rc;

    rc = end_open(&s, sc, XLM_SOURCE, reopen(from_d), from_s);
    if (!rc)
        rc = end_open(&d, sc, XLM_DESTINATION, reopen(from_s), from_d);
    if (rc)
        return rc;
    g = script_greeting(sc, XLM_SOURCE);
    xlm__greeting_encode(&g, greeting);
    rc = xlm__chan_write(&s.chan, greeting, sizeof(greeting));
    g = script_greeting(sc, XLM_DESTINATION);
    xlm__greeting_encode(&g, greeting);
    if (!rc)
        rc = xlm__chan_write(&d.chan, greeting, sizeof(greeting));
    if (!rc)
        rc = xlm__greeting_read(&s.chan, greeting);
    if (!rc)
        rc = xlm__greeting_read(&d.chan, greeting);
    for (size_t i = 0; !rc && i < sc->nr_steps; i++) {
        bool by_s = sc->steps[i].by == XLM_SOURCE;

        rc = sc->steps[i].send(by_s ? &s.stream : &d.stream);
        if (!rc)
            rc = read_next(by_s ? &d : &s);
        if (rc)
            fprintf(stderr, "%s step %zu: %s%s\n", sc->name, i, s.err.text,
                    d.err.text);
    }
    if (!rc)
        rc = bytes_load(from_s, source_out);
    if (!rc)
        rc = bytes_load(from_d, destination_out);
    end_close(&s);
    end_close(&d);
    return rc;
}

static int read_greeting(struct end *e, const struct script *sc,
                         enum xlm_role by)
{
    struct xlm__greeting theirs, mine;
    struct xlm__agreement agreed;
    uint8_t bytes[XLM__GREETING_BYTES];
    char why[XLM_MESSAGE_MAX];
    int rc = xlm__greeting_read(&e->chan, bytes);

    if (rc)
        return rc;
    rc = xlm__greeting_decode(bytes, &theirs, why);
    mine = script_greeting(sc, by == XLM_SOURCE ? XLM_DESTINATION : XLM_SOURCE);
    if (!rc)
        rc = xlm__greeting_agree(&mine, &theirs, &agreed, why);
    if (rc)
        rc = xlm__fail(&e->err, "test", rc, 0, "%s", why);
    return rc;
}

static int read_end(struct end *e)
{
    uint8_t byte;
    size_t got;
    int rc = xlm__chan_read_some(&e->chan, &byte, 1, &got);

    if (!rc && got)
        rc = xlm__fail(&e->err, "test", XLM_ERR_STREAM, 0,
                       "bytes after the last record");
    return rc;
}

int script_read(const struct script *sc, enum xlm_role by, const uint8_t *data,
                size_t nr, char text[XLM_MESSAGE_MAX], unsigned *failures)
{
    struct end e;
    int rc = end_open(&e, sc, by == XLM_SOURCE ? XLM_DESTINATION : XLM_SOURCE,
                      bytes_fd(data, nr), open("/dev/null", O_WRONLY));

    if (!rc)
        rc = read_greeting(&e, sc, by);
    for (size_t i = 0; !rc && i < sc->nr_steps; i++)
        rc = sc->steps[i].by == by ? read_next(&e)
                                   : sc->steps[i].send(&e.stream);
    if (!rc && (sc->kind == XLM__KIND_CONTROL || by == XLM_SOURCE))
        rc = read_end(&e);
    xlm__errslot_read(&e.err, text);
    *failures = e.failures;
    end_close(&e);
    return rc;
}

/* ---- changing them ---- */

static size_t record_bytes(const struct bytes *b, size_t at)
{
    return 16 + ((xlm__get_le32(b->data + at + 4) + 7) & ~(size_t)7);
}

size_t record_at(const struct bytes *b, unsigned i)
{
    size_t at = XLM__GREETING_BYTES;

    while (at < b->nr && i--)
        at += record_bytes(b, at);
    return at < b->nr ? at : 0;
}

size_t record_of(const struct bytes *b, uint32_t type)
{
    for (unsigned i = 0; record_at(b, i); i++)
        if (xlm__get_le32(b->data + record_at(b, i)) == type)
            return record_at(b, i);
    return 0;
}

void record_fix(struct bytes *b, size_t at)
{
    uint8_t *h = b->data + at;
    uint32_t bytes = xlm__get_le32(h + 4);
    uint32_t crc = xlm__crc32c(0, h, 12);

    if (xlm__get_le32(h) == XLM__REC_PAGES)
        bytes = 8 + 8 * xlm__get_le32(h + 20);
    if (at + 16 + bytes > b->nr)
        bytes = (uint32_t)(b->nr - at - 16);
    xlm__put_le32(h + 12, xlm__crc32c(crc, h + 16, bytes));
}
