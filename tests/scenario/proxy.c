/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A wire that breaks where it is told to. */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scenario.h"
#include "stream/format.h"
#include "util/byteorder.h"
#include "util/crc32c.h"

#define TORN_BYTES 9u

struct pump {
    struct proxy *proxy;
    enum direction direction;
    int from, to;
    uint64_t bytes;
    unsigned *units;
    pthread_t thread;
};

struct proxy {
    struct proxy_cut cut;
    int fds[2];
    struct pump pumps[2];
};

/* What was written is still read; nothing more is written by anybody. */
static void cut(struct proxy *p)
{
    shutdown(p->fds[0], SHUT_RDWR);
    if (!p->cut.unseen)
        shutdown(p->fds[1], SHUT_RDWR);
}

static bool write_all(int fd, const unsigned char *data, size_t bytes)
{
    while (bytes) {
        ssize_t n = send(fd, data, bytes, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        data += n;
        bytes -= (size_t)n;
    }
    return true;
}

/* Exactly so many bytes, or false at the end. */
static bool pass(struct pump *p, size_t bytes)
{
    unsigned char buf[16384];

    while (bytes) {
        size_t want = bytes < sizeof(buf) ? bytes : sizeof(buf);
        ssize_t n = read(p->from, buf, want);

        if (n <= 0 || !write_all(p->to, buf, (size_t)n))
            return false;
        bytes -= (size_t)n;
        p->bytes += (size_t)n;
    }
    return true;
}

static bool read_all(struct pump *p, unsigned char *data, size_t bytes)
{
    while (bytes) {
        ssize_t n = read(p->from, data, bytes);

        if (n <= 0)
            return false;
        data += n;
        bytes -= (size_t)n;
        p->bytes += (size_t)n;
    }
    return true;
}

/* The one allocation that a test lets fail may be ours: the next does not. */
static void *own_memory(size_t bytes)
{
    void *p = calloc(1, bytes);

    if (!p)
        p = calloc(1, bytes);
    assert(p);
    return p;
}

/* The first of the packed bytes becomes another: no frame begins like that. */
static void change(const struct proxy_cut *c, unsigned char *head,
                   unsigned char *body, size_t length)
{
    uint32_t crc = xlm__crc32c(0, head, 12);

    body[sizeof(struct xlm__wire_packed) + 8 * xlm__get_le32(body + 4)] ^= 0x10;
    if (c->corrupt == CORRUPT_CRC_RIGHT)
        xlm__put_le32(head + 12, xlm__crc32c(crc, body, length));
}

static bool pass_changed(struct pump *p, unsigned char *head, size_t length)
{
    const size_t padded = (length + 7) / 8 * 8;
    unsigned char *body = own_memory(padded);
    bool ok;

    ok = read_all(p, body, padded);
    if (ok)
        change(&p->proxy->cut, head, body, length);
    ok = ok && write_all(p->to, head, XLM__HEADER_BYTES) &&
         write_all(p->to, body, padded);
    free(body);
    p->proxy->cut.corrupt = CORRUPT_NONE;
    return ok;
}

static bool pass_unit(struct pump *p)
{
    const struct proxy_cut *c = &p->proxy->cut;
    unsigned char head[XLM__GREETING_BYTES];
    size_t bytes = *p->units ? XLM__HEADER_BYTES : XLM__GREETING_BYTES;
    size_t length;

    if (!read_all(p, head, bytes))
        return false;
    if (c->before)
        c->before(c->user, p->direction, *p->units,
                  *p->units ? xlm__get_le32(head) : 0);
    length = *p->units ? xlm__get_le32(head + 4) : 0;
    if (*p->units && p->direction == TO_DESTINATION && c->corrupt &&
        xlm__get_le32(head) == XLM__REC_PACKED)
        return pass_changed(p, head, length);
    if (!write_all(p->to, head, bytes))
        return false;
    if (!*p->units)
        return true;
    return pass(p, (length + 7) / 8 * 8);
}

static bool is_cut(const struct pump *p)
{
    const struct proxy_cut *c = &p->proxy->cut;

    return c->direction == p->direction &&
           (!c->phase || atomic_load(c->phase) < PHASE_SWITCH);
}

static void pump_records(struct pump *p)
{
    const struct proxy_cut *c = &p->proxy->cut;

    for (;;) {
        if (is_cut(p) && *p->units == c->after) {
            if (c->torn)
                pass(p, TORN_BYTES);
            cut(p->proxy);
            return;
        }
        if (!pass_unit(p))
            return;
        ++*p->units;
    }
}

/* What there is; false at the end. */
static bool pass_some(struct pump *p)
{
    unsigned char buf[16384];
    ssize_t n = read(p->from, buf, sizeof(buf));

    p->bytes += n > 0 ? (size_t)n : 0;
    return n > 0 && write_all(p->to, buf, (size_t)n);
}

static void throw_away(struct pump *p)
{
    unsigned char buf[16384];

    shutdown(p->to, SHUT_WR);
    while (read(p->from, buf, sizeof(buf)) > 0)
        ;
}

static void pump_bytes(struct pump *p)
{
    if (is_cut(p)) {
        pass(p, p->proxy->cut.after);
        if (is_cut(p)) {
            p->proxy->cut.half ? throw_away(p) : cut(p->proxy);
            return;
        }
    }
    while (pass_some(p))
        ;
}

static void *pump(void *arg)
{
    struct pump *p = arg;

    if (p->proxy->cut.records)
        pump_records(p);
    else
        pump_bytes(p);
    if (!p->proxy->cut.unseen || p->direction == TO_SOURCE)
        shutdown(p->to, SHUT_WR);
    /* The other end is gone: whoever writes here is to learn it. */
    shutdown(p->from, SHUT_RD);
    return NULL;
}

struct proxy *proxy_start(int src_fd, int dst_fd, const struct proxy_cut *c,
                          unsigned units[3])
{
    struct proxy *p = own_memory(sizeof(*p));

    p->cut = *c;
    p->fds[0] = src_fd;
    p->fds[1] = dst_fd;
    for (int i = 0; i < 2; i++) {
        p->pumps[i] = (struct pump){
            .proxy = p,
            .direction = i ? TO_SOURCE : TO_DESTINATION,
            .from = p->fds[i],
            .to = p->fds[1 - i],
            .units = &units[i ? TO_SOURCE : TO_DESTINATION],
        };
        if (pthread_create(&p->pumps[i].thread, NULL, pump, &p->pumps[i]))
            abort();
    }
    return p;
}

void proxy_end(struct proxy *p)
{
    if (!p)
        return;
    for (int i = 0; i < 2; i++)
        pthread_join(p->pumps[i].thread, NULL);
    close(p->fds[0]);
    close(p->fds[1]);
    free(p);
}
