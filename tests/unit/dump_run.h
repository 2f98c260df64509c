/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Run the built xlmdump over bytes in memory. */
#ifndef XLM_TESTS_DUMP_RUN_H
#define XLM_TESTS_DUMP_RUN_H

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stream_script.h"

/* Exit code; text gets what it wrote to stderr. -1: it did not run. */
static inline int dump_run(const struct script *sc, const char *option,
                           const struct bytes *b, char text[512])
{
    const char *top = getenv("top_builddir");
    char tool[512], file[64], pfns[32];
    char *argv[] = { tool,         (char *)(uintptr_t)option,
                     (char *)"-n", pfns,
                     (char *)"-t", (char *)(uintptr_t)sc->dump_as,
                     file,         NULL };
    int in = bytes_fd(b->data, b->nr), said = bytes_fd(NULL, 0);
    posix_spawn_file_actions_t actions;
    int status = -1;
    ssize_t n;
    pid_t pid;

    snprintf(tool, sizeof(tool), "%s/tests/tools/xlmdump", top ? top : ".");
    snprintf(file, sizeof(file), "/proc/%d/fd/%d", (int)getpid(), in);
    snprintf(pfns, sizeof(pfns), "%llu", (unsigned long long)sc->nr_pfns);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, said, 2);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (posix_spawn(&pid, tool, &actions, NULL, argv, environ) ||
        waitpid(pid, &status, 0) != pid)
        status = -1;
    posix_spawn_file_actions_destroy(&actions);
    n = pread(said, text, 511, 0);
    text[n > 0 ? n : 0] = '\0';
    close(in);
    close(said);
    return status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif /* XLM_TESTS_DUMP_RUN_H */
