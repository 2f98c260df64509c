/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ssh without the cryptography, for migrations in an emulated machine.
 *
 *   plainsh HOST CMD...      runs CMD by a shell on HOST, as ssh does
 *   plainsh --serve PORT     the other end; gives a root shell to anybody who
 *                            can connect: for the lab's private wire only
 *
 * The client opens two connections. On the first it sends "PORT CMD\0", where
 * PORT is its own for the second; from then on the first one is CMD's stdin
 * and stdout, and its two directions end independently of each other. The
 * second is CMD's stderr, and ends with a NUL and the exit status, a byte. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_PORT 7000
#define COMMAND_MAX  65536
#define CHUNK        65536

static void die(const char *what)
{
    fprintf(stderr, "plainsh: %s: %s\n", what, strerror(errno));
    exit(255);
}

static void write_all(int fd, const char *data, size_t size)
{
    ssize_t r;

    while (size > 0) {
        r = write(fd, data, size);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            die("write");
        data += r;
        size -= (size_t)r;
    }
}

/* A host that lost power or its cable is found out in half a minute, as by ssh
 * with ServerAliveInterval; with PLAINSH_PATIENT=S, as by one without, only if
 * something is on its way, S seconds after it was sent: kernels differ in how
 * often they try again. */
static int tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    const char *patient = getenv("PLAINSH_PATIENT");
    const int idle_s = 10, interval_s = 5, count = 4, watch = patient == NULL;
    /* 0: the kernel's limit */
    const int dead_ms = watch ? 0 : (int)strtoul(patient, NULL, 10) * 1000;

    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &watch, sizeof(watch)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s)) ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s,
                   sizeof(interval_s)) ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count)) ||
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms,
                   sizeof(dead_ms)) ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
        die("socket");
    return fd;
}

static int listen_on(unsigned short port, unsigned short *port_out)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    socklen_t size = sizeof(at);
    int fd = tcp_socket();

    if (bind(fd, (struct sockaddr *)&at, size) < 0 || listen(fd, 16) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) < 0)
        die("listen");
    *port_out = ntohs(at.sin_port);
    return fd;
}

static int connect_to(struct in_addr host, unsigned port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((unsigned short)port),
                              .sin_addr = host };
    int fd = tcp_socket();

    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("connect");
    return fd;
}

/* The program is static, so the resolver is not there: /etc/hosts is. */
static struct in_addr resolve(const char *name)
{
    char line[256], address[64], found[64];
    struct in_addr host;
    FILE *hosts;

    if (inet_aton(name, &host) != 0)
        return host;
    hosts = fopen("/etc/hosts", "re");
    while (hosts != NULL && fgets(line, sizeof(line), hosts) != NULL)
        if (sscanf(line, "%63s %63s", address, found) == 2 &&
            strcmp(found, name) == 0 && inet_aton(address, &host) != 0) {
            fclose(hosts);
            return host;
        }
    fprintf(stderr, "plainsh: %s: not in /etc/hosts\n", name);
    exit(255);
}

/* ---- server ---- */

/* Byte by byte: what follows the NUL belongs to the command. */
static bool read_request(int fd, char *request, size_t size)
{
    for (size_t n = 0; n < size; n++) {
        if (read(fd, request + n, 1) != 1)
            return false;
        if (request[n] == '\0')
            return true;
    }
    return false;
}

static void run(const char *command, int data, int errors)
{
    if (dup2(data, 0) < 0 || dup2(data, 1) < 0 || dup2(errors, 2) < 0)
        _exit(126);
    signal(SIGCHLD, SIG_DFL);
    execl("/bin/bash", "bash", "-c", command, (char *)NULL);
    _exit(127);
}

static void serve(int data, struct in_addr peer)
{
    char *request = malloc(COMMAND_MAX), *command;
    char trailer[2] = { 0, 0 };
    int errors, status;
    unsigned long port;
    pid_t pid;

    if (request == NULL || !read_request(data, request, COMMAND_MAX))
        exit(1);
    port = strtoul(request, &command, 10);
    errors = connect_to(peer, (unsigned)port);
    signal(SIGCHLD, SIG_DFL);
    pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0)
        run(command + 1, data, errors);
    close(data);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            die("waitpid");
    trailer[1] = (char)(WIFEXITED(status) ? WEXITSTATUS(status)
                                          : 128 + WTERMSIG(status));
    write_all(errors, trailer, sizeof(trailer));
    exit(0);
}

static void serve_for_ever(unsigned short port)
{
    int listener = listen_on(port, &port), data;
    struct sockaddr_in peer;
    socklen_t size;

    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        size = sizeof(peer);
        data = accept4(listener, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC);
        if (data < 0)
            continue;
        if (fork() == 0) {
            int one = 1;

            setsockopt(data, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
            close(listener);
            serve(data, peer.sin_addr);
        }
        close(data);
    }
}

/* ---- client ---- */

static void send_request(int data, unsigned port, char **words)
{
    char head[16];

    write_all(data, head, (size_t)snprintf(head, sizeof(head), "%u ", port));
    for (; *words != NULL; words++) {
        write_all(data, *words, strlen(*words));
        if (words[1] != NULL)
            write_all(data, " ", 1);
    }
    write_all(data, "", 1);
}

/* Returns false at the end of from. */
static bool copy(int from, int to)
{
    static char chunk[CHUNK];
    ssize_t r = read(from, chunk, sizeof(chunk));

    if (r < 0 && errno == EINTR)
        return true;
    if (r <= 0)
        return false;
    write_all(to, chunk, (size_t)r);
    return true;
}

/* Returns the status, or -1 while there is none. */
static int copy_errors(int from)
{
    static bool nul_seen;
    char chunk[4096], *nul;
    ssize_t r = read(from, chunk, sizeof(chunk));

    if (r <= 0)
        return 255;
    if (nul_seen)
        return (unsigned char)chunk[0];
    nul = memchr(chunk, 0, (size_t)r);
    if (nul == NULL) {
        write_all(2, chunk, (size_t)r);
        return -1;
    }
    nul_seen = true;
    write_all(2, chunk, (size_t)(nul - chunk));
    return nul + 1 < chunk + r ? (unsigned char)nul[1] : -1;
}

static int relay(int data, int errors)
{
    struct pollfd p[3] = { { 0, POLLIN, 0 },
                           { data, POLLIN, 0 },
                           { errors, POLLIN, 0 } };
    int status = -1;

    while (p[1].fd >= 0 || status < 0) {
        if (poll(p, 3, -1) < 0 && errno != EINTR)
            die("poll");
        if (p[1].fd >= 0 && p[1].revents != 0 && !copy(data, 1)) {
            p[0].fd = p[1].fd = -1;
            close(1);
        }
        if (p[2].fd >= 0 && p[2].revents != 0) {
            status = copy_errors(errors);
            if (status >= 0)
                p[2].fd = -1;
        }
        if (p[0].fd >= 0 && p[0].revents != 0 && !copy(0, data)) {
            p[0].fd = -1;
            shutdown(data, SHUT_WR);
        }
    }
    return status;
}

int main(int argc, char **argv)
{
    unsigned short port;
    int listener, data, errors;

    if (argc == 3 && strcmp(argv[1], "--serve") == 0)
        serve_for_ever((unsigned short)strtoul(argv[2], NULL, 10));
    if (argc < 3) {
        fprintf(stderr, "usage: plainsh HOST CMD...\n");
        return 255;
    }
    data = connect_to(resolve(argv[1]), DEFAULT_PORT);
    listener = listen_on(0, &port);
    send_request(data, port, argv + 2);
    errors = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (errors < 0)
        die("accept");
    return relay(data, errors);
}
