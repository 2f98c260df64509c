/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From one simulated host to another with nothing in between, for what a
 * migration costs by itself: the command there gets the very pipes that "xl
 * migrate" has here.
 *
 *   pipe serve SOCKET        in one host, until it is killed
 *   pipe SOCKET CMD...       in another: as "ssh HOST CMD..."
 *
 * The socket's name is one that both hosts see.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR_FDS 3
#define LIMIT  65536

static void die(const char *what)
{
    perror(what);
    exit(255);
}

static int unix_socket(const char *path, struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    *at = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (fd < 0)
        die("socket");
    if (strlen(path) >= sizeof(at->sun_path)) {
        fprintf(stderr, "pipe: '%s' is longer than %zu\n", path,
                sizeof(at->sun_path) - 1);
        exit(255);
    }
    memcpy(at->sun_path, path, strlen(path) + 1);
    return fd;
}

union control {
    char room[CMSG_SPACE(NR_FDS * sizeof(int))];
    struct cmsghdr align;
};

static int ask(const char *path, char **words)
{
    static char command[LIMIT];
    const int fds[NR_FDS] = { 0, 1, 2 };
    struct iovec text = { command, 0 };
    union control control = { .room = { 0 } };
    struct msghdr m = { .msg_iov = &text,
                        .msg_iovlen = 1,
                        .msg_control = control.room,
                        .msg_controllen = sizeof(control.room) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    struct sockaddr_un at;
    int fd = unix_socket(path, &at);
    unsigned char status;

    for (; *words; words++) {
        int n = snprintf(command + text.iov_len, LIMIT - text.iov_len, "%s%s",
                         text.iov_len ? " " : "", *words);

        text.iov_len += (size_t)n;
        if (text.iov_len >= LIMIT)
            die("command");
    }
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(fds));
    memcpy(CMSG_DATA(c), fds, sizeof(fds));
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) ||
        sendmsg(fd, &m, 0) < 0)
        die(path);
    for (int i = 0; i < 2; i++) /* they are the other host's now */
        close(i);
    return read(fd, &status, 1) == 1 ? status : 255;
}

static void answer(int fd)
{
    static char command[LIMIT];
    int fds[NR_FDS], status;
    unsigned char code;
    struct iovec text = { command, LIMIT - 1 };
    union control control;
    struct msghdr m = { .msg_iov = &text,
                        .msg_iovlen = 1,
                        .msg_control = control.room,
                        .msg_controllen = sizeof(control.room) };
    struct cmsghdr *c;
    pid_t pid;

    if (recvmsg(fd, &m, MSG_CMSG_CLOEXEC) <= 0 || !(c = CMSG_FIRSTHDR(&m)) ||
        c->cmsg_len != CMSG_LEN(sizeof(fds)))
        exit(255);
    memcpy(fds, CMSG_DATA(c), sizeof(fds));
    signal(SIGCHLD, SIG_DFL);
    pid = fork();
    if (!pid) {
        for (int i = 0; i < NR_FDS; i++)
            dup2(fds[i], i);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < NR_FDS; i++)
        close(fds[i]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        exit(255);
    code = WIFEXITED(status) ? (unsigned char)WEXITSTATUS(status) : 255;
    exit(write(fd, &code, 1) != 1);
}

_Noreturn static void serve(const char *path)
{
    struct sockaddr_un at;
    int fd = unix_socket(path, &at);

    signal(SIGCHLD, SIG_IGN);
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 8))
        die(path);
    for (;;) {
        int one = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        pid_t pid = one < 0 ? -1 : fork();

        if (!pid)
            answer(one);
        if (one >= 0)
            close(one);
        if (pid < 0)
            die("accept");
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "serve"))
        serve(argv[2]);
    if (argc < 3) {
        fprintf(stderr, "usage: pipe serve SOCKET | pipe SOCKET CMD...\n");
        return 255;
    }
    return ask(argv[1], argv + 2);
}
