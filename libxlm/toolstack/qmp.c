/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "toolstack/qmp.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <yajl/yajl_tree.h>

#include "base/log.h"
#include "util/buf.h"
#include "util/clock.h"

#define XLM_MODULE "qmp"

/* A reply to what we ask is one short line; the limit is for nonsense. */
#define LINE_LIMIT  (1u << 20)
#define READ_BYTES  4096
#define QUOTE_CHARS 60

struct qmp {
    struct xlm__errslot *err;
    const char *path;
    const char *command; /* being executed, for messages */
    int fd;
    uint64_t deadline_ns;
    uint32_t timeout_ms;
    struct xlm__buf in; /* read, not parsed yet */
};

static int wait_fd(struct qmp *q, short events)
{
    struct pollfd fd = { q->fd, events, 0 };
    int left = xlm__deadline_left_ms(q->deadline_ns);
    int r;

    do
        r = left ? poll(&fd, 1, left) : 0;
    while (r < 0 && errno == EINTR);
    if (r > 0)
        return 0;
    return XLM_FAIL(q->err, XLM_ERR_TIMEOUT, "%s: no answer to %s within %u ms",
                    q->path, q->command, q->timeout_ms);
}

static int connect_qemu(struct qmp *q)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    const size_t bytes = strlen(q->path);

    if (bytes >= sizeof(addr.sun_path))
        return XLM_FAIL(q->err, XLM_ERR_INVAL, "%s: %zu characters, limit %zu",
                        q->path, bytes, sizeof(addr.sun_path) - 1);
    memcpy(addr.sun_path, q->path, bytes);
    q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (q->fd < 0)
        return XLM_FAIL_ERRNO(q->err, XLM_ERR_SYSTEM, "socket");
    /* EAGAIN: the listener's queue is full, because libxl talks to qemu. */
    while (connect(q->fd, (struct sockaddr *)&addr, sizeof(addr))) {
        if (errno != EAGAIN && errno != EINTR)
            return XLM_FAIL_ERRNO(q->err, XLM_ERR_DEVICE, "connect to %s",
                                  q->path);
        if (xlm__deadline_over(q->deadline_ns, xlm__clock_ns()))
            return XLM_FAIL(q->err, XLM_ERR_TIMEOUT,
                            "%s: busy for more than %u ms", q->path,
                            q->timeout_ms);
        (void)poll(NULL, 0, 10);
    }
    return 0;
}

static int send_line(struct qmp *q, const char *text, size_t bytes)
{
    while (bytes) {
        ssize_t r = send(q->fd, text, bytes, MSG_NOSIGNAL);

        if (r >= 0) {
            text += r;
            bytes -= (size_t)r;
        } else if (errno == EAGAIN) {
            int rc = wait_fd(q, POLLOUT);

            if (rc)
                return rc;
        } else if (errno != EINTR) {
            return XLM_FAIL_ERRNO(q->err, XLM_ERR_DEVICE, "write to %s",
                                  q->path);
        }
    }
    return 0;
}

static int read_more(struct qmp *q)
{
    char bytes[READ_BYTES];
    ssize_t r;
    int rc = wait_fd(q, POLLIN);

    if (rc)
        return rc;
    r = recv(q->fd, bytes, sizeof(bytes), 0);
    if (r == 0)
        return XLM_FAIL(q->err, XLM_ERR_DEVICE,
                        "%s: qemu closed the connection during %s", q->path,
                        q->command);
    if (r < 0 && errno != EAGAIN && errno != EINTR)
        return XLM_FAIL_ERRNO(q->err, XLM_ERR_DEVICE, "read from %s", q->path);
    if (r > 0)
        xlm__buf_put(&q->in, bytes, (size_t)r);
    if (xlm__buf_bad(&q->in))
        return XLM_FAIL(q->err, XLM_ERR_DEVICE,
                        "%s: reply to %s is longer than %u bytes", q->path,
                        q->command, LINE_LIMIT);
    return 0;
}

static int parse(struct qmp *q, const char *line, yajl_val *out)
{
    char why[128] = "";

    *out = yajl_tree_parse(line, why, sizeof(why));
    if (*out && YAJL_IS_OBJECT(*out))
        return 0;
    yajl_tree_free(*out);
    return XLM_FAIL(q->err, XLM_ERR_DEVICE, "%s: qemu sent \"%.*s\" (%s)",
                    q->path, QUOTE_CHARS, line, why[0] ? why : "not an object");
}

/* The next message, to be freed with yajl_tree_free(). */
static int read_message(struct qmp *q, yajl_val *out)
{
    unsigned char *end;
    size_t bytes;
    int rc;

    for (;;) {
        end = q->in.bytes ? memchr(q->in.data, '\n', q->in.bytes) : NULL;
        if (!end) {
            rc = read_more(q);
            if (rc)
                return rc;
            continue;
        }
        *end = '\0';
        bytes = (size_t)(end - q->in.data) + 1;
        /* Between messages there may be more than one line end. */
        rc = strspn((char *)q->in.data, " \t\r") == bytes - 1
                 ? 1
                 : parse(q, (char *)q->in.data, out);
        q->in.bytes -= bytes;
        memmove(q->in.data, q->in.data + bytes, q->in.bytes);
        if (rc <= 0)
            return rc;
    }
}

static yajl_val member(yajl_val object, const char *name)
{
    const char *path[] = { name, NULL };

    return yajl_tree_get(object, path, yajl_t_any);
}

static const char *string_member(yajl_val object, const char *name)
{
    yajl_val v = object ? member(object, name) : NULL;

    return v && YAJL_IS_STRING(v) ? YAJL_GET_STRING(v) : "?";
}

static int fail_refused(struct qmp *q, yajl_val error)
{
    return XLM_FAIL(q->err, XLM_ERR_DEVICE, "%s: qemu refuses %s: %s: %s",
                    q->path, q->command, string_member(error, "class"),
                    string_member(error, "desc"));
}

static void copy_member(yajl_val object, const struct xlm__qmp_text *want)
{
    yajl_val v = member(object, want->name);

    snprintf(want->out, want->bytes, "%s",
             v && YAJL_IS_STRING(v) ? YAJL_GET_STRING(v) : "");
}

/* Read up to the message that has `key`; events are skipped.  want: what of it
 * the caller wants to have, NULL = nothing. */
static int wait_message(struct qmp *q, const char *key,
                        const struct xlm__qmp_text *want)
{
    for (;;) {
        yajl_val message = NULL;
        bool found;
        int rc = read_message(q, &message);

        if (rc)
            return rc;
        found = member(message, key) != NULL;
        if (!found && member(message, "error"))
            rc = fail_refused(q, member(message, "error"));
        else if (!found && !member(message, "event"))
            rc = XLM_FAIL(q->err, XLM_ERR_DEVICE,
                          "%s: a message without \"%s\" during %s", q->path,
                          key, q->command);
        if (found && want)
            copy_member(member(message, key), want);
        yajl_tree_free(message);
        if (found || rc)
            return rc;
    }
}

static int execute(struct qmp *q, const char *command, const char *arguments,
                   const struct xlm__qmp_text *want)
{
    struct xlm__buf out;
    int rc;

    xlm__buf_init(&out, LINE_LIMIT);
    if (arguments)
        xlm__buf_printf(&out, "{\"execute\":\"%s\",\"arguments\":%s}\r\n",
                        command, arguments);
    else
        xlm__buf_printf(&out, "{\"execute\":\"%s\"}\r\n", command);
    q->command = command;
    if (xlm__buf_bad(&out))
        rc = XLM_FAIL(q->err, XLM_ERR_NOMEM, "QMP command %s", command);
    else
        rc = send_line(q, (char *)out.data, out.bytes);
    xlm__buf_free(&out);
    return rc ? rc : wait_message(q, "return", want);
}

static int exchange(struct xlm__errslot *err, const char *socket_path,
                    const char *command, const char *arguments,
                    const struct xlm__qmp_text *want, uint32_t timeout_ms)
{
    struct qmp q = { .err = err,
                     .path = socket_path,
                     .command = "connect",
                     .fd = -1,
                     .timeout_ms = timeout_ms };
    int rc;

    q.deadline_ns = xlm__clock_ns() + timeout_ms * XLM__NS_PER_MS;
    xlm__buf_init(&q.in, LINE_LIMIT);
    rc = connect_qemu(&q);
    if (!rc)
        rc = wait_message(&q, "QMP", NULL);
    if (!rc)
        rc = execute(&q, "qmp_capabilities", NULL, NULL);
    if (!rc)
        rc = execute(&q, command, arguments, want);
    if (!rc)
        XLM_LOG(err, DEBUG, "%s: %s", socket_path, command);
    xlm__buf_free(&q.in);
    if (q.fd >= 0)
        close(q.fd);
    return rc;
}

int xlm__qmp_command(struct xlm__errslot *err, const char *socket_path,
                     const char *command, const char *arguments,
                     uint32_t timeout_ms)
{
    return exchange(err, socket_path, command, arguments, NULL, timeout_ms);
}

int xlm__qmp_query(struct xlm__errslot *err, const char *socket_path,
                   const char *command, const struct xlm__qmp_text *want,
                   uint32_t timeout_ms)
{
    return exchange(err, socket_path, command, NULL, want, timeout_ms);
}
