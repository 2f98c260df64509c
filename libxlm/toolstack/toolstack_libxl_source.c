/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done to a domain at the source, except suspending it. */
#include "config.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "toolstack/findmonitor.h"
#include "toolstack/qmp.h"
#include "toolstack/storage.h"
#include "toolstack/toolstack_libxl.h"
#include "toolstack/vbd.h"
#include "toolstack/xlstream.h"
#include "util/clock.h"

#define XLM_MODULE "source"

/* libxl's own names (libxl_internal.h, libxl_qmp.c). */
#define QMP_SOCKET "/run/xen/qmp-libxl-%u"
#define DM_SAVE    "/var/lib/xen/qemu-save.%u"

/* qemu's block/file-posix.c: Failed to get "write" lock, Failed to get shared
 * "write" lock, Failed to lock byte 201. */
#define IMAGE_LOCKED   " lock"
#define IMAGES_MS      60000
#define IMAGES_TICK_MS 100

/* libxl's information calls a PVH domain HVM; what it wrote down does not. */
static int is_hvm(struct xlm__ts *ts, uint32_t domid, bool *out)
{
    libxl_dominfo info;
    char path[64], *type;
    int rc;

    libxl_dominfo_init(&info);
    rc = libxl_domain_info(ts->ctx, &info, domid);
    *out = !rc && info.domain_type == LIBXL_DOMAIN_TYPE_HVM;
    libxl_dominfo_dispose(&info);
    if (rc)
        return TS_FAIL(ts, XLM_ERR_TOOLSTACK, rc, "ask about domain %u", domid);
    if (!*out)
        return 0;
    snprintf(path, sizeof(path), "/libxl/%u/type", domid);
    type = xs_read(ts->xs, XBT_NULL, path, NULL);
    *out = !type || strcmp(type, "pvh");
    free(type);
    return 0;
}

static int qmp(struct xlm__ts *ts, uint32_t domid, const char *command,
               const char *arguments)
{
    char path[64];

    snprintf(path, sizeof(path), QMP_SOCKET, domid);
    return xlm__qmp_command(ts->base.err, path, command, arguments,
                            XLM__QMP_TIMEOUT_MS);
}

int xlm__ts_dm_logdirty(struct xlm__toolstack *t, uint32_t domid, bool on)
{
    struct xlm__ts *ts = xlm__ts(t);
    bool hvm;
    int rc = is_hvm(ts, domid, &hvm);

    if (rc || !hvm)
        return rc;
    return qmp(ts, domid, "xen-set-global-dirty-log",
               on ? "{\"enable\":true}" : "{\"enable\":false}");
}

static int has_qdisk(struct xlm__ts *ts, uint32_t domid, bool *out)
{
    struct xlm__vbd *list = NULL;
    size_t nr = 0;
    int rc = xlm__vbd_list(ts->base.err, ts->xs, domid, &list, &nr);

    *out = false;
    for (size_t i = 0; i < nr && !rc; i++)
        *out |= !strcmp(list[i].kind, "qdisk");
    free(list);
    return rc;
}

/*
 * storage_settle() stops the qemu that serves a PV or PVH domain's disks;
 * libxl knows nothing of that.  "cont" does no harm to one that runs, so this
 * needs no memory of who stopped it, which the guardian would not have.
 */
static void qdisk_cont(struct xlm__ts *ts, uint32_t domid)
{
    bool hvm, qdisk;

    if (is_hvm(ts, domid, &hvm) || hvm || has_qdisk(ts, domid, &qdisk) ||
        !qdisk)
        return;
    (void)qmp(ts, domid, "cont", NULL);
}

/* libxl leaves what it saved for a stream that was never written. */
static void remove_dm_save(uint32_t domid)
{
    char path[64];

    snprintf(path, sizeof(path), DM_SAVE, domid);
    (void)unlink(path);
}

/*
 * An HVM domain's qemu let its images go when it saved its state, and takes
 * them back with "cont".  It cannot while one at the destination has them,
 * which that host is about to end: libxl asks once, and then gives up.
 */
static void images_back(struct xlm__ts *ts, uint32_t domid)
{
    const uint64_t deadline_ns = xlm__deadline_ns(IMAGES_MS);
    bool hvm, told = false;

    if (is_hvm(ts, domid, &hvm) || !hvm)
        return; /* libxl will say what is wrong */
    for (;;) {
        struct xlm__errslot quiet = XLM__ERRSLOT_INITIALIZER;
        char path[64], why[XLM_MESSAGE_MAX];

        snprintf(path, sizeof(path), QMP_SOCKET, domid);
        if (!xlm__qmp_command(&quiet, path, "cont", NULL, XLM__QMP_TIMEOUT_MS))
            return;
        xlm__errslot_read(&quiet, why);
        xlm__errslot_destroy(&quiet);
        if (!strstr(why, IMAGE_LOCKED) ||
            xlm__deadline_over(deadline_ns, xlm__clock_ns()))
            return;
        if (!told)
            XLM_LOG(ts->base.err, WARN,
                    "domain %u waits up to %u s for its disks: %s", domid,
                    IMAGES_MS / 1000, why);
        told = true;
        (void)poll(NULL, 0, IMAGES_TICK_MS);
    }
}

int xlm__ts_resume(struct xlm__toolstack *t, uint32_t domid)
{
    struct xlm__ts *ts = xlm__ts(t);
    int rc;

    qdisk_cont(ts, domid);
    images_back(ts, domid);
    /* 1: the guest learns that the suspend was cancelled and goes on with its
     * devices as they are.  Continues an HVM domain's qemu, too. */
    rc = libxl_domain_resume(ts->ctx, domid, 1, NULL);
    remove_dm_save(domid);
    if (rc)
        return TS_FAIL(ts, XLM_ERR_TOOLSTACK, rc, "resume domain %u", domid);
    return 0;
}

int xlm__ts_dm_continue(struct xlm__toolstack *t, uint32_t domid)
{
    struct xlm__ts *ts = xlm__ts(t);
    bool hvm;
    int rc = is_hvm(ts, domid, &hvm);

    if (rc || !hvm)
        return rc;
    return qmp(ts, domid, "cont", NULL);
}

int xlm__ts_destroy(struct xlm__toolstack *t, uint32_t domid)
{
    struct xlm__ts *ts = xlm__ts(t);
    int rc = libxl_domain_destroy(ts->ctx, domid, NULL);

    remove_dm_save(domid);
    if (rc && rc != ERROR_DOMAIN_NOTFOUND)
        return TS_FAIL(ts, XLM_ERR_TOOLSTACK, rc, "destroy domain %u", domid);
    return 0;
}

int xlm__ts_rename(struct xlm__toolstack *t, uint32_t domid, const char *from,
                   const char *to)
{
    struct xlm__ts *ts = xlm__ts(t);
    char *name = libxl_domid_to_name(ts->ctx, domid);
    const bool is_it = name && !strcmp(name, from);
    int rc;

    free(name);
    if (!is_it)
        return 0;
    rc = libxl_domain_rename(ts->ctx, domid, from, to);
    if (rc)
        return TS_FAIL(ts, XLM_ERR_TOOLSTACK, rc,
                       "rename domain %u from %s to %s", domid, from, to);
    return 0;
}

static int read_file(struct xlm__ts *ts, const char *path, int fd,
                     struct xlm__blob *out)
{
    struct stat st;
    size_t at = 0;
    char *data;

    if (fstat(fd, &st))
        return XLM_FAIL_ERRNO(ts->base.err, XLM_ERR_DEVICE, "stat %s", path);
    if (st.st_size <= 0 || st.st_size > XLM__LIBXL_DM_MAX)
        return XLM_FAIL(ts->base.err, XLM_ERR_DEVICE,
                        "%s: %lld bytes, limit %u", path, (long long)st.st_size,
                        XLM__LIBXL_DM_MAX);
    data = malloc((size_t)st.st_size);
    if (!data)
        return XLM_FAIL(ts->base.err, XLM_ERR_NOMEM, "%s: %lld bytes", path,
                        (long long)st.st_size);
    while (at < (size_t)st.st_size) {
        ssize_t r = read(fd, data + at, (size_t)st.st_size - at);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            free(data);
            return XLM_FAIL_ERRNO(ts->base.err, XLM_ERR_DEVICE,
                                  "read %s: %zu bytes of %lld", path, at,
                                  (long long)st.st_size);
        }
        at += (size_t)r;
    }
    out->data = data;
    out->bytes = at;
    return 0;
}

int xlm__ts_dm_state(struct xlm__toolstack *t, uint32_t domid,
                     struct xlm__blob *out)
{
    struct xlm__ts *ts = xlm__ts(t);
    char path[64];
    bool hvm;
    int rc;
    int fd;

    *out = (struct xlm__blob){ 0 };
    rc = is_hvm(ts, domid, &hvm);
    if (rc || !hvm)
        return rc;
    snprintf(path, sizeof(path), DM_SAVE, domid);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return XLM_FAIL_ERRNO(ts->base.err, XLM_ERR_DEVICE,
                              "device model state of domain %u: open %s", domid,
                              path);
    rc = read_file(ts, path, fd, out);
    close(fd);
    if (!rc)
        remove_dm_save(domid);
    return rc;
}

/*
 * Order matters: requests answered first, then qemu's caches ("stop" drains
 * and flushes every image, again even if the guest was stopped before), then
 * the kernel's.
 */
int xlm__ts_storage_settle(struct xlm__toolstack *t, struct xlm__hv *hv,
                           uint32_t domid, const struct xlm__config *c,
                           uint32_t timeout_ms)
{
    struct xlm__ts *ts = xlm__ts(t);
    const struct xlm__storage_params p = {
        .err = t->err,
        .xs = ts->xs,
        .hv = hv,
        .domid = domid,
        .timeout_ms = timeout_ms,
        .stop_fd = t->stop_fd,
    };
    bool qdisk = false;
    int rc;

    (void)c;
    rc = xlm__storage_drain(&p, &qdisk);
    if (!rc && qdisk)
        rc = qmp(ts, domid, "stop", NULL);
    if (!rc)
        rc = xlm__storage_flush(&p);
    return rc;
}

/* A decimal number below a domain's node; it may be the guest's own word. */
static bool read_number(struct xlm__ts *ts, uint32_t domid, const char *what,
                        unsigned long *out)
{
    char *text = xlm__ts_read(ts, "/local/domain/%u/%s", domid, what);
    char *end;
    bool ok;

    if (!text)
        return false;
    errno = 0;
    *out = strtoul(text, &end, 10);
    ok = !errno && end != text && !*end && text[0] != '-';
    free(text);
    return ok;
}

/* What libxl wrote when it built the domain: of a PV one, frame numbers. */
int xlm__ts_ring_frames(struct xlm__toolstack *t, uint32_t domid,
                        uint64_t *store_out, uint64_t *console_out)
{
    unsigned long mfn;

    *store_out = read_number(xlm__ts(t), domid, "store/ring-ref", &mfn) ? mfn
                                                                        : 0;
    *console_out = read_number(xlm__ts(t), domid, "console/ring-ref", &mfn)
                       ? mfn
                       : 0;
    return 0;
}

int xlm__ts_has_monitor(struct xlm__toolstack *t, uint32_t domid, bool *out)
{
    struct xlm__ts *ts = xlm__ts(t);
    char *name = libxl_domid_to_name(ts->ctx, domid);

    if (!name)
        return TS_FAIL(ts, XLM_ERR_TOOLSTACK, ERROR_DOMAIN_NOTFOUND,
                       "name of domain %u", domid);
    *out = xlm__find_monitor("/proc", name);
    free(name);
    return 0;
}

static bool read_gap(struct xlm__ts *ts, uint32_t domid, uint64_t *us_out)
{
    unsigned long ms;

    /* The guest writes what it likes; a day is more than any pause. */
    if (!read_number(ts, domid, "data/xlm/gap-ms", &ms) || ms >= 86400000)
        return false;
    *us_out = ms * 1000;
    return true;
}

/*
 * The node does not travel, so what is there was written here.  The guest may
 * write once before it has noticed the gap itself: a little longer is looked,
 * and the longest counts.
 */
#define GAP_SETTLE_MS 2500
#define GAP_POLL_MS   100

int xlm__ts_guest_gap(struct xlm__toolstack *t, uint32_t domid,
                      uint32_t timeout_ms, int unless_fd, uint64_t *gap_us_out)
{
    struct pollfd unless = { .fd = unless_fd, .events = POLLIN };
    uint64_t until = xlm__clock_ns() + timeout_ms * XLM__NS_PER_MS;
    bool seen = false;
    uint64_t gap_us;

    *gap_us_out = 0;
    for (;;) {
        const uint64_t now = xlm__clock_ns();

        if (read_gap(xlm__ts(t), domid, &gap_us)) {
            const uint64_t settle = now + GAP_SETTLE_MS * XLM__NS_PER_MS;

            if (!seen && settle < until)
                until = settle;
            seen = true;
            if (gap_us > *gap_us_out)
                *gap_us_out = gap_us;
        }
        if (now >= until)
            return 0;
        if (poll(&unless, 1, GAP_POLL_MS) > 0)
            break;
    }
    *gap_us_out = 0; /* it may not have been the last word */
    return 0;
}
