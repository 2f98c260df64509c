/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "chan/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define XLM_MODULE "chan"

/* How long data may stay unacknowledged before the peer counts as gone. */
#define DEAD_MS 30000

/* ---- listening ---- */

static struct xlm__endpoint any_address(int family)
{
    struct xlm__endpoint e;

    memset(&e, 0, sizeof(e));
    e.sa.ss_family = (sa_family_t)family;
    e.len = family == AF_INET6 ? sizeof(struct sockaddr_in6)
                               : sizeof(struct sockaddr_in);
    return e;
}

static void set_port(struct xlm__endpoint *e, uint16_t port)
{
    if (e->sa.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&e->sa)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)&e->sa)->sin_port = htons(port);
}

/* The address of all is one socket for both families; -1 and errno. */
static int listen_on(const struct xlm__endpoint *e)
{
    const int yes = 1, no = 0;
    int fd, saved;

    fd = socket(e->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    /* A connection of an earlier migration may still be in TIME_WAIT. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (e->sa.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
    if (!bind(fd, (const struct sockaddr *)&e->sa, e->len) &&
        !listen(fd, SOMAXCONN))
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof(sa);

    getsockname(fd, (struct sockaddr *)&sa, &len);
    return ntohs(sa.ss_family == AF_INET6
                     ? ((struct sockaddr_in6 *)&sa)->sin6_port
                     : ((struct sockaddr_in *)&sa)->sin_port);
}

/* The first free port of the range; -1 and errno. */
static int listen_in(struct xlm__endpoint *at, uint16_t low, uint16_t high)
{
    int fd = -1;

    for (unsigned port = low; port <= high; port++) {
        set_port(at, (uint16_t)port);
        fd = listen_on(at);
        if (fd >= 0 || errno != EADDRINUSE)
            break;
    }
    return fd;
}

int xlm__tcp_listen(struct xlm__errslot *err, const char *address, uint16_t low,
                    uint16_t high, uint16_t *port_out)
{
    struct xlm__endpoint at = any_address(AF_INET6);
    const char *wrong = NULL;
    size_t nr = 0;
    int fd;

    if (address) {
        wrong = xlm__tcp_resolve(address, 0, &at, 1, &nr);
        if (wrong)
            return XLM_FAIL(err, XLM_ERR_SYSTEM, "listen at %s: %s", address,
                            wrong);
    }
    fd = listen_in(&at, low, high);
    /* Kernels without IPv6 say EAFNOSUPPORT, those with it switched off
     * EADDRNOTAVAIL. */
    if (fd < 0 && !address && errno != EADDRINUSE && errno != EACCES) {
        at = any_address(AF_INET);
        fd = listen_in(&at, low, high);
    }
    if (fd < 0)
        return XLM_FAIL_ERRNO(err, XLM_ERR_SYSTEM,
                              "listen on TCP port %u to %u%s%s", low, high,
                              address ? " at " : "", address ? address : "");
    *port_out = port_of(fd);
    return fd;
}

/* ---- addresses ---- */

static bool is_reachable(const struct ifaddrs *i)
{
    const struct sockaddr_in6 *six = (const void *)i->ifa_addr;

    if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) ||
        (i->ifa_flags & IFF_LOOPBACK))
        return false;
    if (i->ifa_addr->sa_family == AF_INET6)
        return !IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr);
    return i->ifa_addr->sa_family == AF_INET;
}

static void address_text(const struct sockaddr *sa,
                         char out[XLM__ADDRESS_BYTES])
{
    const void *at =
        sa->sa_family == AF_INET6
            ? (const void *)&((const struct sockaddr_in6 *)(const void *)sa)
                  ->sin6_addr
            : &((const struct sockaddr_in *)(const void *)sa)->sin_addr;

    if (!inet_ntop(sa->sa_family, at, out, XLM__ADDRESS_BYTES))
        snprintf(out, XLM__ADDRESS_BYTES, "?");
}

void xlm__tcp_local_address(int fd, char out[XLM__ADDRESS_BYTES])
{
    struct sockaddr_storage sa = { .ss_family = AF_INET };
    socklen_t len = sizeof(sa);

    getsockname(fd, (struct sockaddr *)&sa, &len);
    address_text((struct sockaddr *)&sa, out);
}

size_t xlm__tcp_own_addresses(char out[][XLM__ADDRESS_BYTES], size_t most)
{
    struct ifaddrs *list, *i;
    size_t nr = 0;

    if (getifaddrs(&list))
        return 0;
    for (i = list; i && nr < most; i = i->ifa_next)
        if (is_reachable(i))
            address_text(i->ifa_addr, out[nr++]);
    freeifaddrs(list);
    return nr;
}

bool xlm__tcp_is_address(const char *text)
{
    unsigned char binary[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, text, binary) == 1 ||
           inet_pton(AF_INET6, text, binary) == 1;
}

static bool is_in(const struct xlm__endpoint *list, size_t nr,
                  const struct addrinfo *a)
{
    for (size_t i = 0; i < nr; i++)
        if (list[i].len == a->ai_addrlen &&
            !memcmp(&list[i].sa, a->ai_addr, a->ai_addrlen))
            return true;
    return false;
}

const char *xlm__tcp_resolve(const char *host, uint16_t port,
                             struct xlm__endpoint *list, size_t most,
                             size_t *nr)
{
    const struct addrinfo want = { .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICSERV };
    struct addrinfo *found, *a;
    char service[8];
    int r;

    snprintf(service, sizeof(service), "%u", port);
    r = getaddrinfo(host, service, &want, &found);
    if (r)
        return gai_strerror(r);
    for (a = found; a && *nr < most; a = a->ai_next) {
        struct xlm__endpoint *e = &list[*nr];

        if (a->ai_addrlen > sizeof(e->sa) || is_in(list, *nr, a))
            continue;
        memset(e, 0, sizeof(*e));
        memcpy(&e->sa, a->ai_addr, a->ai_addrlen);
        e->len = a->ai_addrlen;
        address_text(a->ai_addr, e->text);
        (*nr)++;
    }
    freeaddrinfo(found);
    return NULL;
}

void xlm__tcp_tune(int fd)
{
    const int yes = 1, idle_s = 10, between_s = 5, times = 4, dead_ms = DEAD_MS;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between_s, sizeof(between_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
}

bool xlm__tcp_is_lost(int sys_errno)
{
    return sys_errno == ETIMEDOUT || sys_errno == EHOSTUNREACH ||
           sys_errno == ENETUNREACH;
}

int xlm__tcp_fault(int fd)
{
    struct pollfd p = { .fd = fd };
    socklen_t bytes = sizeof(int);
    int reason = 0;

    if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLERR) ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &bytes))
        return 0;
    return reason;
}

void xlm__tcp_dead_after(int fd, unsigned ms)
{
    const int dead_ms = ms ? (int)ms : DEAD_MS;

    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
}
