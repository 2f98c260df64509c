/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxenevtchn */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stubs/hv/sim.h"

#include <xentoollog.h>

#include <xenevtchn.h>

struct xenevtchn_handle {
    struct sim_handle sim;
};

static int fail(int err)
{
    errno = -err;
    return -1;
}

xenevtchn_handle *xenevtchn_open(xentoollog_logger *logger,
                                 unsigned int open_flags)
{
    int err = sim_attach();
    xenevtchn_handle *h;

    (void)logger;
    if (err) {
        errno = -err;
        return NULL;
    }
    h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    err = sim_handle_open(&h->sim, 0, !(open_flags & XENEVTCHN_NO_CLOEXEC));
    if (!err)
        return h;
    free(h);
    errno = -err;
    return NULL;
}

xenevtchn_handle *xenevtchn_fdopen(xentoollog_logger *logger, int fd,
                                   unsigned open_flags)
{
    (void)logger;
    (void)fd;
    (void)open_flags;
    sim_unsupported("evtchn.fdopen");
    errno = ENOSYS;
    return NULL;
}

int xenevtchn_close(xenevtchn_handle *h)
{
    if (!h)
        return 0;
    sim_handle_close(&h->sim);
    free(h);
    return 0;
}

int xenevtchn_fd(xenevtchn_handle *h)
{
    return h->sim.fd;
}

int xenevtchn_restrict(xenevtchn_handle *h, domid_t domid)
{
    (void)h;
    (void)domid;
    sim_unsupported("evtchn.restrict");
    return fail(-EOPNOTSUPP);
}

/* A call that rules may break; port or error of what it did. */
#define CALL(name, what)                                                       \
    do {                                                                       \
        struct sim_fault fault = sim_fault_begin("evtchn." name);              \
        int got = fault.kind == SIM_FAULT_ERRNO ? -fault.err : (what);         \
                                                                               \
        sim_log("evtchn." name " = %d", got);                                  \
        sim_fault_end(&fault);                                                 \
        return got < 0 ? fail(got) : got;                                      \
    } while (0)

int xenevtchn_notify(xenevtchn_handle *h, evtchn_port_t port)
{
    CALL("notify", sim_notify(&h->sim, port));
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *h,
                                                      uint32_t domid)
{
    CALL("bind_unbound_port", sim_bind_unbound(&h->sim, domid));
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *h,
                                                     uint32_t domid,
                                                     evtchn_port_t remote_port)
{
    CALL("bind_interdomain", sim_bind_interdomain(&h->sim, domid, remote_port));
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *h,
                                              unsigned int virq)
{
    CALL("bind_virq", sim_bind_virq(&h->sim, virq));
}

int xenevtchn_unbind(xenevtchn_handle *h, evtchn_port_t port)
{
    CALL("unbind", sim_unbind(&h->sim, port));
}

int xenevtchn_unmask(xenevtchn_handle *h, evtchn_port_t port)
{
    CALL("unmask", sim_unmask(&h->sim, port));
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *h)
{
    uint32_t port;
    ssize_t n;

    do
        n = read(h->sim.fd, &port, sizeof(port));
    while (n < 0 && errno == EINTR);
    return n == sizeof(port) ? (int)port : -1;
}

/*
 * xenstored finds dom0's ring in /proc/xen/, which nobody may create.  This
 * library comes before libc where xenstored's symbols are looked up, so that
 * its open() is the one below.
 */
static int redirected(const char *symbol, const char *path, int flags,
                      mode_t mode)
{
    static const char from[] = "/proc/xen/";
    int (*real)(const char *, int, ...);
    void *p = dlsym(RTLD_NEXT, symbol);
    const char *state = getenv("SIMXEN_STATE");
    char other[512];

    memcpy(&real, &p, sizeof(real));
    if (!state || strncmp(path, from, sizeof(from) - 1))
        return real(path, flags, mode);
    snprintf(other, sizeof(other), "%s/xen-proc/%s", state,
             path + sizeof(from) - 1);
    return real(other, flags, mode);
}

#define OPEN(name)                                                             \
    int name(const char *path, int flags, ...)                                 \
    {                                                                          \
        mode_t mode = 0;                                                       \
                                                                               \
        if (flags & (O_CREAT | __O_TMPFILE)) {                                 \
            va_list args;                                                      \
                                                                               \
            va_start(args, flags);                                             \
            mode = va_arg(args, mode_t);                                       \
            va_end(args);                                                      \
        }                                                                      \
        return redirected(#name, path, flags, mode);                           \
    }
OPEN(open)
OPEN(open64)
