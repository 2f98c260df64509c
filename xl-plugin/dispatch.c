/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The xl that comes first on the PATH: runs the xl-COMMAND programs of our
 * directory, and the real xl for everything else, as git does with its
 * commands.
 *
 * xl's global options go to our commands as their first options.  A command
 * answers --describe with one line for "xl help", and --help.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "realxl.h"

#define PREFIX       "xl-"
#define CHECKER      "lmigrate-recover" /* recover_start.c */
#define EXIT_NO_XL   127                /* as a shell says "not found" */
#define EXIT_REFUSED 2                  /* LM_EXIT_REFUSED */

static bool command_path(const char *command, char out[PATH_MAX])
{
    struct stat st;

    if (!*command || strchr(command, '/'))
        return false;
    return snprintf(out, PATH_MAX, "%s/" PREFIX "%s", exec_directory(),
                    command) < PATH_MAX &&
           !stat(out, &st) && S_ISREG(st.st_mode) && !access(out, X_OK);
}

/* A command of ours, not the object files and pages of a build directory. */
static int is_command(const struct dirent *d)
{
    char path[PATH_MAX];

    return !strncmp(d->d_name, PREFIX, strlen(PREFIX)) &&
           !strchr(d->d_name, '.') &&
           command_path(d->d_name + strlen(PREFIX), path);
}

/* Run path with argv; its stdout goes to out unless that is -1. */
static pid_t start(const char *path, char **argv, int out)
{
    pid_t pid = fork();

    if (pid)
        return pid;
    if (out < 0 || dup2(out, 1) >= 0)
        execv(path, argv);
    _exit(126);
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return EXIT_FAILURE;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void print_description(const char *path, const char *command)
{
    char *argv[] = { (char *)path, (char *)"--describe", NULL };
    char line[160] = "";
    int fds[2];
    ssize_t n = 0;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC))
        return;
    pid = start(path, argv, fds[1]);
    close(fds[1]);
    if (pid > 0) {
        n = read(fds[0], line, sizeof(line) - 1);
        close(fds[0]);
        if (wait_for(pid))
            n = 0;
    }
    line[n > 0 ? n : 0] = 0;
    line[strcspn(line, "\n")] = 0;
    /* xl's own layout: see help() in its xl.c. */
    printf(" %-19s ", command);
    if (strlen(command) > 19)
        printf("\n %-19s ", "");
    printf("%s\n", line);
}

static void list_commands(void)
{
    struct dirent **list;
    char path[PATH_MAX];
    int n = scandir(exec_directory(), &list, is_command, alphasort);

    for (int i = 0; i < n; i++) {
        const char *command = list[i]->d_name + strlen(PREFIX);

        if (command_path(command, path))
            print_description(path, command);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    fflush(stdout);
}

static int no_real_xl(void)
{
    const char *named = getenv("XLM_REAL_XL");

    fprintf(stderr,
            "xl: there is no xl of Xen here: %s is none, and there is no "
            "other on the PATH; only the commands in %s work\n",
            named && *named ? named : XLM_REAL_XL, exec_directory());
    return EXIT_NO_XL;
}

static int run_real(char **argv)
{
    char path[PATH_MAX];

    if (!realxl_find(path))
        return no_real_xl();
    execv(path, argv);
    fprintf(stderr, "xl: %s: %s\n", path, strerror(errno));
    return 126;
}

/* The real xl's list, then ours in the same layout. */
static int help_all(char **argv)
{
    char path[PATH_MAX];
    int rc = EXIT_NO_XL;
    pid_t pid;

    if (realxl_find(path)) {
        pid = start(path, argv, -1);
        rc = pid > 0 ? wait_for(pid) : EXIT_FAILURE;
    } else {
        no_real_xl();
        printf("Usage xl [-vfNtT] <subcommand> [args]\n\n"
               "xl full list of subcommands:\n\n");
    }
    list_commands();
    return rc;
}

/* path GLOBALS... REST..., where GLOBALS are the first nr of argv. */
static int run_ours(const char *path, int argc, char **argv, int command)
{
    char **args = calloc((size_t)argc + 1, sizeof(*args));
    int n = 0;

    if (!args)
        return EXIT_FAILURE;
    args[n++] = (char *)path;
    for (int i = 1; i < argc; i++)
        if (i != command && (i > command || strcmp(argv[i], "--")))
            args[n++] = argv[i];
    execv(path, args);
    fprintf(stderr, "xl: %s: %s\n", path, strerror(errno));
    free(args);
    return 126;
}

/* ---- what would start a domain that runs elsewhere ---- */

static bool is_checked(const char *command)
{
    static const char *const checked[] = { "create", "restore", "save",
                                           "migrate" };

    for (size_t i = 0; i < sizeof(checked) / sizeof(*checked); i++)
        if (!strcmp(command, checked[i]))
            return true;
    return false;
}

static bool is_dry_run(char **argv, int command)
{
    for (int i = 1; i < command; i++)
        if (argv[i][0] == '-' && argv[i][1] != '-' && strchr(argv[i], 'N'))
            return true;
    return false;
}

/* False: it has said why not.  Where the checker is not installed, nothing
 * ever moved away by it either. */
static bool may_run(int argc, char **argv, int command)
{
    char path[PATH_MAX];
    char **args;
    pid_t pid;
    int rc;

    if (is_dry_run(argv, command) || !command_path(CHECKER, path))
        return true;
    args = calloc((size_t)(argc - command) + 3, sizeof(*args));
    if (!args)
        return false;
    args[0] = path;
    args[1] = (char *)"--may-start";
    memcpy(args + 2, argv + command, (size_t)(argc - command) * sizeof(*args));
    pid = start(path, args, -1);
    rc = pid > 0 ? wait_for(pid) : -1;
    free(args);
    if (rc && rc != EXIT_REFUSED)
        fprintf(stderr,
                "xl %s: refused: %s could not tell whether it may be "
                "done (%d)\n",
                argv[command], path, rc);
    return rc == 0;
}

static int help_command(const char *path)
{
    char *args[] = { (char *)path, (char *)"--help", NULL };

    execv(path, args);
    fprintf(stderr, "xl: %s: %s\n", path, strerror(errno));
    return 126;
}

static bool is_global(const char *arg)
{
    return arg[0] == '-' && arg[1] && !arg[1 + strspn(arg + 1, "vftTN")];
}

/* Index of the command, argc if there is none, -1 for what xl must judge. */
static int find_command(int argc, char **argv)
{
    int i = 1;

    while (i < argc && is_global(argv[i]))
        i++;
    if (i < argc && !strcmp(argv[i], "--"))
        i++;
    else if (i < argc && argv[i][0] == '-')
        return -1;
    return i;
}

int main(int argc, char **argv)
{
    char path[PATH_MAX];
    int c = find_command(argc, argv);
    const char *topic;

    if (c < 0)
        return run_real(argv);
    if (c >= argc)
        return help_all(argv);
    if (!strcmp(argv[c], "help")) {
        topic = argv[c + 1];
        if (!topic || !strcmp(topic, "help"))
            return help_all(argv);
        if (command_path(topic, path))
            return help_command(path);
    }
    if (command_path(argv[c], path))
        return run_ours(path, argc, argv, c);
    if (is_checked(argv[c]) && !may_run(argc, argv, c))
        return EXIT_FAILURE;
    return run_real(argv);
}
