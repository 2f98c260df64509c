/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xlconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_tree.h>

#include "realxl.h"

#define OUTPUT_MAX                                                             \
    ((size_t)4 << 20) /* a large configuration is some 20 KiB                  \
                       */
#define LIMIT_MS 30000

static void put_tree(yajl_gen g, yajl_val v)
{
    switch (v->type) {
    case yajl_t_string:
        yajl_gen_string(g, (const unsigned char *)v->u.string,
                        strlen(v->u.string));
        break;
    case yajl_t_number: /* as written: 64-bit values do not fit a double */
        yajl_gen_number(g, v->u.number.r, strlen(v->u.number.r));
        break;
    case yajl_t_object:
        yajl_gen_map_open(g);
        for (size_t i = 0; i < v->u.object.len; i++) {
            yajl_gen_string(g, (const unsigned char *)v->u.object.keys[i],
                            strlen(v->u.object.keys[i]));
            put_tree(g, v->u.object.values[i]);
        }
        yajl_gen_map_close(g);
        break;
    case yajl_t_array:
        yajl_gen_array_open(g);
        for (size_t i = 0; i < v->u.array.len; i++)
            put_tree(g, v->u.array.values[i]);
        yajl_gen_array_close(g);
        break;
    case yajl_t_true:
    case yajl_t_false:
        yajl_gen_bool(g, YAJL_IS_TRUE(v));
        break;
    default:
        yajl_gen_null(g);
        break;
    }
}

static char *print_tree(yajl_val v)
{
    yajl_gen g = yajl_gen_alloc(NULL);
    const unsigned char *text;
    size_t bytes;
    char *out = NULL;

    if (!g)
        return NULL;
    put_tree(g, v);
    if (yajl_gen_get_buf(g, &text, &bytes) == yajl_gen_status_ok)
        out = strndup((const char *)text, bytes);
    yajl_gen_free(g);
    return out;
}

char *xlconfig_extract(const char *output, char error_out[LM_ERROR_MAX])
{
    static const char *wrapped[] = { "config", NULL };
    static const char *bare[] = { "c_info", NULL };
    const char *start = strchr(output, '{');
    yajl_val tree = NULL, config;
    char why[128] = "no '{' in it";
    char *out = NULL;

    if (start)
        tree = yajl_tree_parse(start, why, sizeof(why));
    if (!tree) {
        why[strcspn(why, "\n")] = 0;
        snprintf(error_out, LM_ERROR_MAX,
                 "xl printed no JSON (output_format=\"sxp\" in xl.conf?): %s",
                 why);
        return NULL;
    }
    config = yajl_tree_get(tree, wrapped, yajl_t_object);
    if (!config && yajl_tree_get(tree, bare, yajl_t_object))
        config = tree;
    if (config)
        out = print_tree(config);
    if (!out)
        snprintf(error_out, LM_ERROR_MAX, "%s",
                 config ? "out of memory"
                        : "what xl printed has no \"config\" object");
    yajl_tree_free(tree);
    return out;
}

static void become_xl(const char *xl, char **argv, int out)
{
    sigset_t none;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (null >= 0 && dup2(null, 0) >= 0 && dup2(out, 1) >= 0)
        execv(xl, argv);
    _exit(127);
}

/* Until end of file, OUTPUT_MAX or LIMIT_MS without a byte; NUL-terminated. */
static char *read_all(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char *out = malloc(OUTPUT_MAX);
    size_t n = 0;

    while (out && n < OUTPUT_MAX - 1) {
        ssize_t r;

        if (poll(&p, 1, LIMIT_MS) <= 0)
            break;
        r = read(fd, out + n, OUTPUT_MAX - 1 - n);
        if (r <= 0)
            break;
        n += (size_t)r;
    }
    if (out)
        out[n] = 0;
    return out;
}

/* xl's standard output, NULL if it could not be run. */
static char *run_xl(const char *xl, char **argv, int *status_out)
{
    int fds[2];
    char *out;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC))
        return NULL;
    pid = fork();
    if (!pid)
        become_xl(xl, argv, fds[1]);
    close(fds[1]);
    out = pid > 0 ? read_all(fds[0]) : NULL;
    close(fds[0]);
    if (pid > 0) {
        /* It has closed its output, or has had its time. */
        if (!out)
            kill(pid, SIGTERM);
        while (waitpid(pid, status_out, 0) < 0 && errno == EINTR)
            ;
    }
    return out;
}

char *xlconfig_of(char **argv, char error_out[LM_ERROR_MAX])
{
    char xl[PATH_MAX], *output, *config = NULL;
    int status = 0;

    if (!realxl_find(xl)) {
        snprintf(error_out, LM_ERROR_MAX, "no real xl here");
        return NULL;
    }
    output = run_xl(xl, argv, &status);
    if (output && WIFEXITED(status) && !WEXITSTATUS(status))
        config = xlconfig_extract(output, error_out);
    else
        snprintf(error_out, LM_ERROR_MAX, "%.200s refuses it", xl);
    free(output);
    return config;
}

char *xlconfig_read(const char *file, char error_out[LM_ERROR_MAX])
{
    char *argv[] = { (char *)"xl", (char *)"create", (char *)"-q",
                     (char *)"-n", (char *)file,     NULL };
    char xl[PATH_MAX], why[LM_ERROR_MAX] = "";
    char *output, *config = NULL;
    int status = 0;

    if (access(file, R_OK)) {
        snprintf(error_out, LM_ERROR_MAX, "-C '%.300s': %s", file,
                 strerror(errno));
        return NULL;
    }
    if (!realxl_find(xl)) {
        snprintf(error_out, LM_ERROR_MAX,
                 "-C '%.300s': no real xl here to read it", file);
        return NULL;
    }
    output = run_xl(xl, argv, &status);
    if (!output)
        snprintf(error_out, LM_ERROR_MAX, "-C '%.150s': cannot run %.200s",
                 file, xl);
    else if (!WIFEXITED(status) || WEXITSTATUS(status))
        snprintf(error_out, LM_ERROR_MAX,
                 "-C '%.150s': %.200s create -n refuses it (status 0x%x, see "
                 "above)",
                 file, xl, (unsigned)status);
    else if (!(config = xlconfig_extract(output, why)))
        snprintf(error_out, LM_ERROR_MAX, "-C '%.150s': %.300s", file, why);
    free(output);
    return config;
}
