/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Event channels.  Who listens has a handle: a FIFO in the state directory out
 * of which numbers of ports come.  It survives fork and exec, and a FIFO that
 * nobody has open any more tells that its owner died.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stubs/hv/sim.h"

static int open_fifo(uint32_t id)
{
    char path[512];

    if (!sim_path(path, sizeof(path), "ev/%u", id))
        return -1;
    return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

void sim_fire(struct sim_domain *d, uint32_t port)
{
    struct sim_port *p = &d->port[port];
    int fd;

    if (p->masked) {
        p->again = true;
        return;
    }
    p->masked = true;
    if (!p->handle)
        return;
    fd = open_fifo(p->handle);
    if (fd < 0)
        return;
    if (write(fd, &port, sizeof(port)) != sizeof(port))
        p->again = true; /* full: its owner sleeps, and will unmask */
    close(fd);
}

void sim_notify_remote(struct sim_domain *d, uint32_t port)
{
    const struct sim_port *p = &d->port[port];
    struct sim_domain *remote;

    if (p->state != SIM_PORT_INTERDOMAIN)
        return;
    remote = sim_domain(p->remote_dom);
    if (remote)
        sim_fire(remote, p->remote_port);
}

void sim_send_virq(unsigned virq)
{
    struct sim_domain *dom0 = &sim_hv->dom[0];

    for (uint32_t i = 1; i < SIM_MAXPORT; i++)
        if (dom0->port[i].state == SIM_PORT_VIRQ && dom0->port[i].virq == virq)
            sim_fire(dom0, i);
}

static void close_port(struct sim_domain *d, uint32_t port)
{
    struct sim_port *p = &d->port[port];

    if (p->state == SIM_PORT_INTERDOMAIN) {
        struct sim_domain *remote = sim_domain(p->remote_dom);

        if (remote) {
            struct sim_port *q = &remote->port[p->remote_port];

            q->state = SIM_PORT_UNBOUND;
            q->remote_dom = d->domid;
        }
    }
    memset(p, 0, sizeof(*p));
}

void sim_close_ports(struct sim_domain *d)
{
    for (uint32_t i = 1; i < SIM_MAXPORT; i++)
        if (d->port[i].state)
            close_port(d, i);
}

/* As the kernel does when it closes a dead process's files. */
static void collect_dead(struct sim_domain *d)
{
    for (uint32_t i = 1; i < SIM_MAXPORT; i++) {
        int fd;

        if (!d->port[i].state || !d->port[i].handle)
            continue;
        fd = open_fifo(d->port[i].handle);
        if (fd >= 0)
            close(fd);
        else if (errno == ENXIO || errno == ENOENT)
            close_port(d, i);
    }
}

static int find_free(const struct sim_domain *d)
{
    for (int i = 1; i < SIM_MAXPORT; i++)
        if (!d->port[i].state)
            return i;
    return -ENOSPC;
}

static int new_port(struct sim_domain *d, enum sim_port_state state)
{
    int port = find_free(d);

    if (port < 0) {
        collect_dead(d);
        port = find_free(d);
    }
    if (port > 0) {
        memset(&d->port[port], 0, sizeof(d->port[port]));
        d->port[port].state = state;
    }
    return port;
}

int sim_alloc_unbound(struct sim_domain *d, uint32_t remote)
{
    int port = new_port(d, SIM_PORT_UNBOUND);

    if (port > 0)
        d->port[port].remote_dom = remote == DOMID_SELF ? 0 : remote;
    return port;
}

int sim_handle_open(struct sim_handle *h, uint32_t domid, bool cloexec)
{
    char path[512];

    sim_lock();
    h->id = sim_hv->next_handle++;
    sim_unlock();
    h->domid = domid;
    if (!sim_path(path, sizeof(path), "ev/%u", h->id))
        return -ENAMETOOLONG;
    if (mkfifo(path, 0600))
        return -errno;
    h->fd = open(path, O_RDWR | (cloexec ? O_CLOEXEC : 0));
    if (h->fd < 0) {
        int err = -errno;

        unlink(path);
        return err;
    }
    return 0;
}

void sim_handle_close(struct sim_handle *h)
{
    struct sim_domain *d;
    char path[512];

    sim_lock();
    d = sim_domain(h->domid);
    for (uint32_t i = 1; d && i < SIM_MAXPORT; i++)
        if (d->port[i].state && d->port[i].handle == h->id)
            close_port(d, i);
    sim_unlock();
    if (sim_path(path, sizeof(path), "ev/%u", h->id))
        unlink(path);
    close(h->fd);
}

/* A port of the handle's domain, with the lock held; NULL and no lock: none. */
static struct sim_domain *lock_port(const struct sim_handle *h, uint32_t port)
{
    struct sim_domain *d;

    sim_lock();
    d = sim_domain(h->domid);
    if (d && port > 0 && port < SIM_MAXPORT && d->port[port].state)
        return d;
    sim_unlock();
    return NULL;
}

static struct sim_domain *lock_own(const struct sim_handle *h)
{
    struct sim_domain *d;

    sim_lock();
    d = sim_domain(h->domid);
    if (!d)
        sim_unlock();
    return d;
}

int sim_bind_unbound(struct sim_handle *h, uint32_t remote)
{
    struct sim_domain *d = lock_own(h);
    int port;

    if (!d)
        return -ESRCH;
    port = sim_alloc_unbound(d, remote);
    if (port > 0)
        d->port[port].handle = h->id;
    sim_unlock();
    return port;
}

static int bind_to(struct sim_domain *d, struct sim_handle *h,
                   struct sim_domain *remote, uint32_t remote_port)
{
    struct sim_port *q = &remote->port[remote_port];
    int port;

    if (q->state != SIM_PORT_UNBOUND || q->remote_dom != d->domid)
        return -EINVAL;
    port = new_port(d, SIM_PORT_INTERDOMAIN);
    if (port < 0)
        return port;
    d->port[port].remote_dom = remote->domid;
    d->port[port].remote_port = remote_port;
    d->port[port].handle = h->id;
    q->state = SIM_PORT_INTERDOMAIN;
    q->remote_dom = d->domid;
    q->remote_port = port;
    sim_fire(d, port); /* Xen makes a port pending when it is bound */
    return port;
}

int sim_bind_interdomain(struct sim_handle *h, uint32_t remote, uint32_t port)
{
    struct sim_domain *d = lock_own(h), *r;
    int own;

    if (!d)
        return -ESRCH;
    r = sim_domain(remote);
    if (!r)
        own = -ESRCH;
    else
        own = port > 0 && port < SIM_MAXPORT ? bind_to(d, h, r, port) : -EINVAL;
    sim_unlock();
    return own;
}

int sim_bind_virq(struct sim_handle *h, unsigned virq)
{
    struct sim_domain *d = lock_own(h);
    int port;

    if (!d)
        return -ESRCH;
    port = new_port(d, SIM_PORT_VIRQ);
    if (port > 0) {
        d->port[port].virq = virq;
        d->port[port].handle = h->id;
    }
    sim_unlock();
    return port;
}

int sim_bind_own(struct sim_handle *h, uint32_t port)
{
    struct sim_domain *d = lock_port(h, port);

    if (!d)
        return -EINVAL;
    d->port[port].handle = h->id;
    d->port[port].masked = d->port[port].again = false;
    sim_unlock();
    return port;
}

int sim_unbind(struct sim_handle *h, uint32_t port)
{
    struct sim_domain *d = lock_port(h, port);

    if (!d)
        return -EINVAL;
    close_port(d, port);
    sim_unlock();
    return 0;
}

int sim_notify(struct sim_handle *h, uint32_t port)
{
    struct sim_domain *d = lock_port(h, port);

    if (!d)
        return -EINVAL;
    sim_notify_remote(d, port);
    sim_unlock();
    return 0;
}

int sim_unmask(struct sim_handle *h, uint32_t port)
{
    struct sim_domain *d = lock_port(h, port);
    struct sim_port *p;

    if (!d)
        return -EINVAL;
    p = &d->port[port];
    p->masked = false;
    if (p->again) {
        p->again = false;
        sim_fire(d, port);
    }
    sim_unlock();
    return 0;
}

static long status(struct evtchn_status *s)
{
    static const uint32_t of[] = {
        [SIM_PORT_FREE] = EVTCHNSTAT_closed,
        [SIM_PORT_UNBOUND] = EVTCHNSTAT_unbound,
        [SIM_PORT_INTERDOMAIN] = EVTCHNSTAT_interdomain,
        [SIM_PORT_VIRQ] = EVTCHNSTAT_virq,
    };
    const struct sim_domain *d = sim_domain(s->dom);
    const struct sim_port *p;

    if (!d)
        return -ESRCH;
    if (s->port >= SIM_MAXPORT)
        return -EINVAL;
    p = &d->port[s->port];
    s->status = of[p->state];
    s->vcpu = 0;
    if (p->state == SIM_PORT_UNBOUND)
        s->u.unbound.dom = p->remote_dom;
    if (p->state == SIM_PORT_INTERDOMAIN) {
        s->u.interdomain.dom = p->remote_dom;
        s->u.interdomain.port = p->remote_port;
    }
    if (p->state == SIM_PORT_VIRQ)
        s->u.virq = p->virq;
    return 0;
}

static long alloc_unbound(struct evtchn_alloc_unbound *a)
{
    struct sim_domain *d = sim_domain(a->dom);
    int port;

    if (!d)
        return -ESRCH;
    port = sim_alloc_unbound(d, a->remote_dom);
    if (port < 0)
        return port;
    a->port = port;
    return 0;
}

long sim_event_channel_op(unsigned cmd, void *arg)
{
    struct sim_domain *d;

    switch (cmd) {
    case EVTCHNOP_alloc_unbound:
        return alloc_unbound(arg);
    case EVTCHNOP_status:
        return status(arg);
    case EVTCHNOP_reset:
        d = sim_domain(((struct evtchn_reset *)arg)->dom);
        if (!d)
            return -ESRCH;
        sim_close_ports(d);
        return 0;
    }
    return -ENOSYS;
}
