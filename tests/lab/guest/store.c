/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* From xen/include/public/io/xs_wire.h. */
enum { XS_READ = 2, XS_WRITE = 11, XS_ERROR = 16 };
#define XS_PAYLOAD_MAX 4096

struct header {
    uint32_t type;
    uint32_t req_id;
    uint32_t tx_id;
    uint32_t len;
};

struct message {
    struct header h;
    char body[XS_PAYLOAD_MAX];
};

static void store_close(struct store *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static bool store_open(struct store *s)
{
    if (s->fd < 0)
        s->fd = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);
    return s->fd >= 0;
}

static bool transfer(int fd, bool out, void *buf, size_t len)
{
    char *p = buf;

    while (len > 0) {
        ssize_t r = out ? write(fd, p, len) : read(fd, p, len);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return false;
        p += r;
        len -= r;
    }
    return true;
}

static bool exchange(struct store *s, struct message *m)
{
    uint32_t type = m->h.type;

    m->h.req_id = ++s->req_id;
    m->h.tx_id = 0;
    if (!transfer(s->fd, true, m, sizeof(m->h) + m->h.len) ||
        !transfer(s->fd, false, &m->h, sizeof(m->h)) ||
        m->h.len > sizeof(m->body) ||
        !transfer(s->fd, false, m->body, m->h.len) ||
        m->h.req_id != s->req_id) {
        store_close(s);
        return false;
    }
    return m->h.type == type;
}

bool store_read(struct store *s, const char *path, char *buf, size_t size)
{
    struct message m = { .h = { .type = XS_READ, .len = strlen(path) + 1 } };
    size_t len;

    if (m.h.len > sizeof(m.body) || !store_open(s))
        return false;
    memcpy(m.body, path, m.h.len);
    if (!exchange(s, &m))
        return false;
    len = m.h.len < size ? m.h.len : size - 1;
    memcpy(buf, m.body, len);
    buf[len] = 0;
    return true;
}

bool store_write(struct store *s, const char *path, const char *value)
{
    size_t path_len = strlen(path) + 1, len = strlen(value);
    struct message m = { .h = { .type = XS_WRITE, .len = path_len + len } };

    if (m.h.len > sizeof(m.body) || !store_open(s))
        return false;
    memcpy(m.body, path, path_len);
    memcpy(m.body + path_len, value, len);
    return exchange(s, &m);
}
