/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxencall: hypercalls are function calls here, and their buffers plain
 * memory. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stubs/hv/sim.h"

#include <xentoollog.h>

#include <xencall.h>

#define PAGE_BYTES 4096

struct xencall_handle {
    int fd; /* for who wants one to look at */
};

xencall_handle *xencall_open(xentoollog_logger *logger, unsigned open_flags)
{
    xencall_handle *h;
    int err = sim_attach();

    (void)logger;
    (void)open_flags;
    if (err) {
        errno = -err;
        return NULL;
    }
    h = calloc(1, sizeof(*h));
    if (h)
        h->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return h;
}

int xencall_close(xencall_handle *h)
{
    if (!h)
        return 0;
    if (h->fd >= 0)
        close(h->fd);
    free(h);
    return 0;
}

int xencall_fd(xencall_handle *h)
{
    return h->fd;
}

static long call(unsigned op, uint64_t a1, uint64_t a2, uint64_t a3,
                 uint64_t a4, uint64_t a5)
{
    const uint64_t args[6] = { a1, a2, a3, a4, a5, 0 };
    long rc = sim_hypercall(op, args);

    if (rc >= 0)
        return rc;
    errno = -rc;
    return -1;
}

int xencall0(xencall_handle *h, unsigned int op)
{
    (void)h;
    return call(op, 0, 0, 0, 0, 0);
}

int xencall1(xencall_handle *h, unsigned int op, uint64_t a1)
{
    (void)h;
    return call(op, a1, 0, 0, 0, 0);
}

int xencall2(xencall_handle *h, unsigned int op, uint64_t a1, uint64_t a2)
{
    (void)h;
    return call(op, a1, a2, 0, 0, 0);
}

long xencall2L(xencall_handle *h, unsigned int op, uint64_t a1, uint64_t a2)
{
    (void)h;
    return call(op, a1, a2, 0, 0, 0);
}

int xencall3(xencall_handle *h, unsigned int op, uint64_t a1, uint64_t a2,
             uint64_t a3)
{
    (void)h;
    return call(op, a1, a2, a3, 0, 0);
}

int xencall4(xencall_handle *h, unsigned int op, uint64_t a1, uint64_t a2,
             uint64_t a3, uint64_t a4)
{
    (void)h;
    return call(op, a1, a2, a3, a4, 0);
}

int xencall5(xencall_handle *h, unsigned int op, uint64_t a1, uint64_t a2,
             uint64_t a3, uint64_t a4, uint64_t a5)
{
    (void)h;
    return call(op, a1, a2, a3, a4, a5);
}

void *xencall_alloc_buffer_pages(xencall_handle *h, size_t nr)
{
    void *p = NULL;

    (void)h;
    if (posix_memalign(&p, PAGE_BYTES, nr * PAGE_BYTES))
        return NULL;
    memset(p, 0, nr * PAGE_BYTES);
    return p;
}

void xencall_free_buffer_pages(xencall_handle *h, void *p, size_t nr)
{
    (void)h;
    (void)nr;
    free(p);
}

void *xencall_alloc_buffer(xencall_handle *h, size_t size)
{
    (void)h;
    return calloc(1, size ? size : 1);
}

void xencall_free_buffer(xencall_handle *h, void *p)
{
    (void)h;
    free(p);
}

int xencall_buffers_never_fault(xencall_handle *h)
{
    (void)h;
    return 1;
}
