/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the machine itself can do, beside which a migration is to be seen:
 *
 *   bare copy MIB               memory to memory, 4 KiB at a time
 *   bare scan MIB               looked through for what is not zero, by AVX2
 *                               if there is that
 *   bare seal MIB               encrypted as TLS does it, AES-128-GCM by
 *                               GnuTLS, in pieces of 16 KiB
 *   bare unix MIB               from one process to another
 *   bare loop MIB               the same as xl migrate's helpers do it: one
 *                               batch of 1024 pages mapped, written to a pipe
 *                               and unmapped; read into memory of its own,
 *                               copied to pages mapped for that
 *   bare recv PORT N MIB        the same by N TCP connections: this end ...
 *   bare send HOST PORT N MIB   ... and that one
 *   bare recv|send ... map      the same, of memory that is mapped for each
 *                               2 MiB of it and unmapped again, as a guest's
 *                               has to be
 *
 * From memory that no cache has to memory that was there before, by writes and
 * reads of 1 MiB.  Prints "MILLISECONDS CPU-MICROSECONDS" (of unix and loop: of
 * both processes; of send: its own).
 */
#include "config.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK       ((size_t)1 << 20)
#define STREAMS_MAX 64
#define LIMIT_S     120

struct stream {
    int fd;
    uint8_t *at;
    int file; /* instead of at, from `first` on */
    size_t first, bytes;
    int (*move)(struct stream *s);
    pthread_t thread;
};

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static uint8_t *memory(size_t bytes, int fill)
{
    uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (p == MAP_FAILED)
        die("mmap");
    memset(p, fill, bytes);
    return p;
}

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t cpu_us(int who)
{
    struct rusage u;

    getrusage(who, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static int move_out(struct stream *s)
{
    for (size_t at = 0; at < s->bytes;) {
        size_t part = s->bytes - at < CHUNK ? s->bytes - at : CHUNK;
        ssize_t r = write(s->fd, s->at + at, part);

        if (r <= 0)
            return -1;
        at += (size_t)r;
    }
    return shutdown(s->fd, SHUT_WR);
}

static int move_in(struct stream *s)
{
    for (size_t at = 0; at < s->bytes;) {
        size_t part = s->bytes - at < CHUNK ? s->bytes - at : CHUNK;
        ssize_t r = read(s->fd, s->at + at, part);

        if (r <= 0)
            return -1;
        at += (size_t)r;
    }
    return 0;
}

static void *run(void *arg)
{
    struct stream *s = arg;

    if (s->move(s))
        die("stream");
    return NULL;
}

/* Each stream has its part of the memory; when the last one is through. */
static void run_all(struct stream *s, unsigned nr, uint8_t *memory_at,
                    size_t bytes, int (*move)(struct stream *))
{
    for (unsigned i = 0; i < nr; i++) {
        s[i].first = bytes / nr * i;
        s[i].at = memory_at ? memory_at + s[i].first : NULL;
        s[i].bytes = bytes / nr;
        s[i].move = move;
        if (pthread_create(&s[i].thread, NULL, run, &s[i]))
            die("thread");
    }
    for (unsigned i = 0; i < nr; i++)
        pthread_join(s[i].thread, NULL);
}

static void print(uint64_t began_us, uint64_t cpu)
{
    printf("%.1f %llu\n", (double)(now_us() - began_us) / 1000,
           (unsigned long long)cpu);
}

static int copy(size_t bytes)
{
    uint8_t *from = memory(bytes, 1), *to = memory(bytes, 0);
    const uint64_t began = now_us(), cpu = cpu_us(RUSAGE_SELF);

    for (size_t at = 0; at < bytes; at += 4096)
        memcpy(to + at, from + at, 4096);
    print(began, cpu_us(RUSAGE_SELF) - cpu);
    return to[bytes - 1] != 1;
}

typedef uint64_t vector __attribute__((vector_size(32), may_alias));

__attribute__((target_clones("avx2", "default"))) static bool is_zero(
    const vector *at, size_t nr)
{
    vector all = { 0 };

    for (size_t i = 0; i < nr; i++)
        all |= at[i];
    return !(all[0] | all[1] | all[2] | all[3]);
}

static int scan(size_t bytes)
{
    uint8_t *at = memory(bytes, 0);
    const uint64_t began = now_us(), cpu = cpu_us(RUSAGE_SELF);
    bool zero = true;

    for (size_t done = 0; done < bytes; done += 4096)
        zero &= is_zero((const vector *)(const void *)(at + done), 128);
    print(began, cpu_us(RUSAGE_SELF) - cpu);
    return !zero;
}

#define RECORD ((size_t)16 << 10)

static int seal(size_t bytes)
{
    static uint8_t sealed[RECORD + 16];
    uint8_t *from = memory(bytes, 1), secret[16] = { 1 };
    const gnutls_datum_t key = { secret, sizeof(secret) };
    gnutls_aead_cipher_hd_t aead;
    uint64_t nonce[2] = { 0 }, began, cpu;
    int r = gnutls_aead_cipher_init(&aead, GNUTLS_CIPHER_AES_128_GCM, &key);

    began = now_us();
    cpu = cpu_us(RUSAGE_SELF);
    for (size_t at = 0; !r && at < bytes; at += RECORD, nonce[0]++) {
        size_t size = sizeof(sealed);

        r = gnutls_aead_cipher_encrypt(aead, nonce, 12, NULL, 0, 16, from + at,
                                       RECORD, sealed, &size);
    }
    if (r < 0) {
        fprintf(stderr, "bare: %s\n", gnutls_strerror(r));
        return 2;
    }
    print(began, cpu_us(RUSAGE_SELF) - cpu);
    gnutls_aead_cipher_deinit(aead);
    return 0;
}

/* ---- as libxenguest's save and restore ---- */

#define BATCH ((size_t)1024 * 4096)

/* As a guest's memory is to a process that maps it. */
static int memory_file(size_t bytes, int fill)
{
    int fd = memfd_create("bare", MFD_CLOEXEC);
    uint8_t *p;

    if (fd < 0 || ftruncate(fd, (off_t)bytes))
        die("memfd");
    p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
             0);
    if (p == MAP_FAILED)
        die("mmap");
    memset(p, fill, bytes);
    munmap(p, bytes);
    return fd;
}

static uint8_t *map_batch(int fd, size_t at, size_t bytes, int prot)
{
    uint8_t *p = mmap(NULL, bytes, prot, MAP_SHARED | MAP_POPULATE, fd,
                      (off_t)at);

    if (p == MAP_FAILED)
        die("mmap");
    return p;
}

#define PIECE ((size_t)2 << 20)

static int move_mapped(struct stream *s, bool out)
{
    for (size_t at = 0; at < s->bytes; at += PIECE) {
        size_t part = s->bytes - at < PIECE ? s->bytes - at : PIECE, done = 0;
        uint8_t *p = map_batch(s->file, s->first + at, part,
                               out ? PROT_READ : PROT_READ | PROT_WRITE);

        while (done < part) {
            ssize_t r = out ? write(s->fd, p + done, part - done)
                            : read(s->fd, p + done, part - done);

            if (r <= 0)
                return -1;
            done += (size_t)r;
        }
        munmap(p, part);
    }
    return out ? shutdown(s->fd, SHUT_WR) : 0;
}

static int move_out_mapped(struct stream *s)
{
    return move_mapped(s, true);
}

static int move_in_mapped(struct stream *s)
{
    return move_mapped(s, false);
}

static void save(int memory_fd, int fd, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += BATCH) {
        size_t part = bytes - at < BATCH ? bytes - at : BATCH, done = 0;
        uint8_t *p = map_batch(memory_fd, at, part, PROT_READ);

        while (done < part) {
            ssize_t r = write(fd, p + done, part - done);

            if (r <= 0)
                die("write");
            done += (size_t)r;
        }
        munmap(p, part);
    }
}

static void restore(int memory_fd, int fd, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += BATCH) {
        size_t part = bytes - at < BATCH ? bytes - at : BATCH, done = 0;
        uint8_t *own = malloc(part), *p;

        if (!own)
            die("malloc");
        while (done < part) {
            ssize_t r = read(fd, own + done, part - done);

            if (r <= 0)
                die("read");
            done += (size_t)r;
        }
        p = map_batch(memory_fd, at, part, PROT_READ | PROT_WRITE);
        for (size_t i = 0; i < part; i += 4096)
            memcpy(p + i, own + i, 4096);
        munmap(p, part);
        free(own);
    }
}

static int as_xl(size_t bytes)
{
    const int from = memory_file(bytes, 1), to = memory_file(bytes, 0);
    uint64_t began, cpu;
    int fds[2], status;
    pid_t pid;

    if (pipe(fds))
        die("pipe");
    began = now_us();
    cpu = cpu_us(RUSAGE_SELF);
    pid = fork();
    if (pid < 0)
        die("fork");
    close(fds[!!pid ? 0 : 1]);
    if (!pid) {
        restore(to, fds[0], bytes);
        _exit(0);
    }
    save(from, fds[1], bytes);
    if (waitpid(pid, &status, 0) != pid || status)
        die("reader");
    print(began, cpu_us(RUSAGE_SELF) - cpu + cpu_us(RUSAGE_CHILDREN));
    return 0;
}

static int over_unix(size_t bytes)
{
    struct stream s = { 0 };
    uint8_t *from = memory(bytes, 1), *to = memory(bytes, 0);
    uint64_t began, cpu;
    int fds[2], status;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
        die("socketpair");
    began = now_us();
    cpu = cpu_us(RUSAGE_SELF);
    pid = fork();
    if (pid < 0)
        die("fork");
    s.fd = fds[!pid];
    close(fds[!!pid]);
    run_all(&s, 1, pid ? from : to, bytes, pid ? move_out : move_in);
    if (!pid)
        _exit(to[bytes - 1] != 1);
    if (waitpid(pid, &status, 0) != pid || status)
        die("reader");
    print(began, cpu_us(RUSAGE_SELF) - cpu + cpu_us(RUSAGE_CHILDREN));
    return 0;
}

static struct addrinfo *find(const char *host, const char *port)
{
    const struct addrinfo hints = { .ai_flags = host ? 0 : AI_PASSIVE,
                                    .ai_family = AF_INET,
                                    .ai_socktype = SOCK_STREAM };
    struct addrinfo *found;
    int rc = getaddrinfo(host, port, &hints, &found);

    if (rc) {
        fprintf(stderr, "%s: %s\n", host ? host : port, gai_strerror(rc));
        exit(2);
    }
    return found;
}

static int recv_all(const char *port, unsigned nr, size_t bytes, bool map)
{
    struct addrinfo *at = find(NULL, port);
    struct stream s[STREAMS_MAX] = { { 0 } };
    uint8_t *to = map ? NULL : memory(bytes, 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    int file = map ? memory_file(bytes, 0) : -1;
    uint64_t began, cpu;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
        bind(fd, at->ai_addr, at->ai_addrlen) || listen(fd, STREAMS_MAX))
        die("listen");
    freeaddrinfo(at);
    fprintf(stderr, "ready\n");
    began = now_us();
    cpu = cpu_us(RUSAGE_SELF);
    for (unsigned i = 0; i < nr; i++) {
        s[i].file = file;
        if ((s[i].fd = accept(fd, NULL, NULL)) < 0)
            die("accept");
    }
    run_all(s, nr, to, bytes, map ? move_in_mapped : move_in);
    print(began, cpu_us(RUSAGE_SELF) - cpu);
    return 0;
}

static int send_all(const char *host, const char *port, unsigned nr,
                    size_t bytes, bool map)
{
    struct addrinfo *at = find(host, port);
    struct stream s[STREAMS_MAX] = { { 0 } };
    uint8_t *from = map ? NULL : memory(bytes, 1);
    int file = map ? memory_file(bytes, 1) : -1;
    uint64_t began, cpu;
    char end;

    began = now_us();
    cpu = cpu_us(RUSAGE_SELF);
    for (unsigned i = 0; i < nr; i++) {
        s[i].file = file;
        s[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (s[i].fd < 0 || connect(s[i].fd, at->ai_addr, at->ai_addrlen))
            die("connect");
    }
    freeaddrinfo(at);
    run_all(s, nr, from, bytes, map ? move_out_mapped : move_out);
    for (unsigned i = 0; i < nr; i++) /* it has read all, and ended */
        if (read(s[i].fd, &end, 1) < 0)
            die("end");
    print(began, cpu_us(RUSAGE_SELF) - cpu);
    return 0;
}

static size_t number(const char *text, size_t most)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (!*text || *end || !n || n > most) {
        fprintf(stderr, "bare: '%s' is not a number from 1 to %zu\n", text,
                most);
        exit(2);
    }
    return n;
}

static size_t mib(const char *text)
{
    return number(text, 1 << 20) * CHUNK;
}

int main(int argc, char **argv)
{
    bool map;

    alarm(LIMIT_S);
    if (argc == 3 && !strcmp(argv[1], "copy"))
        return copy(mib(argv[2]));
    if (argc == 3 && !strcmp(argv[1], "scan"))
        return scan(mib(argv[2]));
    if (argc == 3 && !strcmp(argv[1], "seal"))
        return seal(mib(argv[2]));
    if (argc == 3 && !strcmp(argv[1], "unix"))
        return over_unix(mib(argv[2]));
    if (argc == 3 && !strcmp(argv[1], "loop"))
        return as_xl(mib(argv[2]));
    map = argc > 5 && !strcmp(argv[argc - 1], "map");
    argc -= map;
    if (argc == 5 && !strcmp(argv[1], "recv"))
        return recv_all(argv[2], (unsigned)number(argv[3], STREAMS_MAX),
                        mib(argv[4]), map);
    if (argc == 6 && !strcmp(argv[1], "send"))
        return send_all(argv[2], argv[3],
                        (unsigned)number(argv[4], STREAMS_MAX), mib(argv[5]),
                        map);
    fprintf(
        stderr,
        "usage: bare copy MIB | scan MIB | seal MIB | unix MIB | loop MIB |\n"
        "       recv PORT N MIB [map] | send HOST PORT N MIB [map]\n");
    return 2;
}
