/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "toolstack/vbd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "toolstack/toolstack.h"

#define XLM_MODULE "disk"

#define PATH_BYTES      512
#define STATE_CONNECTED 4 /* XenbusStateConnected */

/* False if the node is not there (or not a string that fits). */
static bool read_node(struct xs_handle *xs, char *out, size_t bytes,
                      const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static bool read_node(struct xs_handle *xs, char *out, size_t bytes,
                      const char *fmt, ...)
{
    char path[PATH_BYTES];
    unsigned len = 0;
    char *value;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    out[0] = '\0';
    if (n < 0 || (size_t)n >= sizeof(path))
        return false;
    value = xs_read(xs, XBT_NULL, path, &len);
    if (!value)
        return false;
    if (len < bytes && !memchr(value, '\0', len)) {
        memcpy(out, value, len);
        out[len] = '\0';
    } else {
        len = 0;
    }
    free(value);
    return len > 0;
}

static bool to_number(const char *text, unsigned long max, unsigned long *out)
{
    char *end;

    errno = 0;
    *out = strtoul(text, &end, 10);
    return !errno && end != text && !*end && *text != '-' && *out <= max;
}

static bool read_number(struct xs_handle *xs, const char *dir, const char *name,
                        unsigned long max, unsigned long *out)
{
    char text[32];

    return read_node(xs, text, sizeof(text), "%s/%s", dir, name) &&
           to_number(text, max, out);
}

/* A ring of several pages has its indexes in the first one. */
static bool read_ring(struct xs_handle *xs, const char *dir, struct xlm__vbd *v)
{
    unsigned long ref;

    if (!read_number(xs, dir, "ring-ref", UINT32_MAX, &ref) &&
        !read_number(xs, dir, "ring-ref0", UINT32_MAX, &ref))
        return false;
    v->ring_refs[v->nr_rings++] = (uint32_t)ref;
    return true;
}

static int read_rings(struct xlm__errslot *err, struct xs_handle *xs,
                      const char *front, struct xlm__vbd *v)
{
    unsigned long queues = 1;
    char text[32];

    if (read_node(xs, text, sizeof(text), "%s/multi-queue-num-queues", front) &&
        (!to_number(text, XLM__VBD_MAX_QUEUES, &queues) || !queues))
        return XLM_FAIL(err, XLM_ERR_DEVICE,
                        "disk %s: the guest says %s queues, limit %d", v->name,
                        text, XLM__VBD_MAX_QUEUES);
    if (queues == 1 && read_ring(xs, front, v))
        return 0;
    for (unsigned long q = 0; q < queues; q++) {
        char dir[PATH_BYTES];

        snprintf(dir, sizeof(dir), "%.400s/queue-%lu", front, q);
        if (!read_ring(xs, dir, v))
            return XLM_FAIL(err, XLM_ERR_DEVICE,
                            "disk %s is connected, but the guest names no "
                            "ring for queue %lu",
                            v->name, q);
    }
    return 0;
}

static void read_backend(struct xs_handle *xs, const char *back,
                         struct xlm__vbd *v)
{
    char mode[8];

    if (!read_node(xs, v->name, sizeof(v->name), "%s/dev", back))
        snprintf(v->name, sizeof(v->name), "?");
    read_node(xs, mode, sizeof(mode), "%s/mode", back);
    v->readonly = mode[0] == 'r';
    read_node(xs, v->params, sizeof(v->params), "%s/params", back);
    read_node(xs, v->device, sizeof(v->device), "%s/physical-device-path",
              back);
    read_node(xs, v->node, sizeof(v->node), "%s/node", back);
}

/* back: /local/domain/<backend>/backend/<kind>/<domid>/<devid> */
static bool parse_back(const char *back, struct xlm__vbd *v)
{
    return sscanf(back, "/local/domain/%u/backend/%15[a-z0-9]/",
                  &v->backend_domid, v->kind) == 2;
}

static int read_vbd(struct xlm__errslot *err, struct xs_handle *xs,
                    uint32_t domid, const char *devid, struct xlm__vbd *v)
{
    char back[PATH_BYTES];
    char front[PATH_BYTES];
    unsigned long state;

    memset(v, 0, sizeof(*v));
    if (!read_node(xs, back, sizeof(back), "/libxl/%u/device/vbd/%s/backend",
                   domid, devid) ||
        !parse_back(back, v))
        return XLM_FAIL(err, XLM_ERR_DEVICE,
                        "disk %s of domain %u: no backend is named in "
                        "/libxl/%u/device/vbd/%s",
                        devid, domid, domid, devid);
    read_backend(xs, back, v);
    snprintf(front, sizeof(front), "/local/domain/%u/device/vbd/%s", domid,
             devid);
    v->connected = read_number(xs, front, "state", 99, &state) &&
                   state == STATE_CONNECTED;
    return v->connected ? read_rings(err, xs, front, v) : 0;
}

int xlm__vbd_list(struct xlm__errslot *err, struct xs_handle *xs,
                  uint32_t domid, struct xlm__vbd **list_out, size_t *nr_out)
{
    char path[PATH_BYTES];
    unsigned nr = 0;
    char **ids;
    struct xlm__vbd *list;
    int rc = 0;

    snprintf(path, sizeof(path), "/libxl/%u/device/vbd", domid);
    ids = xs_directory(xs, XBT_NULL, path, &nr);
    if (!ids && errno != ENOENT)
        return XLM_FAIL_ERRNO(err, XLM_ERR_TOOLSTACK, "xenstore: list %s",
                              path);
    if (nr > XLM__VBD_MAX) {
        free(ids);
        return XLM_FAIL(err, XLM_ERR_DEVICE, "domain %u: %u disks, limit %d",
                        domid, nr, XLM__VBD_MAX);
    }
    list = calloc(nr + 1, sizeof(*list));
    if (!list)
        rc = XLM_FAIL(err, XLM_ERR_NOMEM, "list of %u disks", nr);
    for (unsigned i = 0; i < nr && !rc; i++)
        rc = read_vbd(err, xs, domid, ids[i], &list[i]);
    free(ids);
    if (rc) {
        free(list);
        return rc;
    }
    *list_out = list;
    *nr_out = nr;
    return 0;
}

const char *xlm__vbd_params_path(const char *params)
{
    const char *slash = strchr(params, '/');

    if (!slash)
        return NULL;
    /* Only a format name may come before it: "nbd:host:port/export" and
     * "http://..." are no local paths. */
    for (const char *c = params; c < slash; c++)
        if (*c == ':' && c + 1 != slash)
            return NULL;
    return slash[1] == '/' ? NULL : slash;
}
