/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * May this command of xl start that domain here?  The dispatcher asks before
 *
 *   xl create     name and uuid as the real xl's dry run has them
 *   xl restore    those in the head of the saved domain
 *   xl save, xl migrate    of a copy that waits for xl lmigrate-recover: what
 *                 is written away would run when it is restored
 *
 * What cannot be read is left to the real xl, which then says why.
 */
#include "config.h"

#include "recover.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <yajl/yajl_tree.h>

#include "xlconfig.h"

#define CONFIG_MAX ((size_t)4 << 20)

struct start {
    const char *command;
    char **argv;                       /* behind the command */
    char name[XLM_NAME_MAX], uuid[40]; /* of what would be started */
    bool refused;
};

/* ---- what would be started ---- */

static void take(const char *value, char *out, size_t bytes)
{
    snprintf(out, bytes, "%s", value ? value : "");
}

static void take_config(struct start *s, const char *json)
{
    static const char *name[] = { "c_info", "name", NULL };
    static const char *uuid[] = { "c_info", "uuid", NULL };
    yajl_val tree = yajl_tree_parse(json, NULL, 0);

    if (!tree)
        return;
    take(YAJL_GET_STRING(yajl_tree_get(tree, name, yajl_t_string)), s->name,
         sizeof(s->name));
    take(YAJL_GET_STRING(yajl_tree_get(tree, uuid, yajl_t_string)), s->uuid,
         sizeof(s->uuid));
    yajl_tree_free(tree);
}

/* What is read here is not there for xl any more. */
static bool reads_a_pipe(char **argv)
{
    struct stat st;

    for (; *argv; argv++)
        if (!stat(*argv, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
            return true;
    return false;
}

static void read_create(struct start *s)
{
    char error[LM_ERROR_MAX] = "";
    char **args, *json;
    size_t nr = 0, n = 0;

    while (s->argv[nr])
        nr++;
    args = calloc(nr + 5, sizeof(*args));
    if (!args || reads_a_pipe(s->argv)) {
        free(args);
        return;
    }
    args[n++] = (char *)"xl";
    args[n++] = (char *)"create";
    args[n++] = (char *)"-q";
    args[n++] = (char *)"-n";
    memcpy(args + n, s->argv, nr * sizeof(*args));
    json = xlconfig_of(args, error);
    if (json)
        take_config(s, json);
    free(json);
    free(args);
}

/* struct save_file_header of xl.h; then a length, and the configuration. */
struct saved {
    char magic[32];
    uint32_t byteorder, mandatory, optional, bytes;
};
static const char saved_magic[32] = "Xen saved domain, xl format\n \0 \r";
#define SAVED_ORDER 0x01020304u
#define SAVED_JSON  1u

static bool read_saved_head(int fd, struct saved *h)
{
    return pread(fd, h, sizeof(*h), 0) == (ssize_t)sizeof(*h) &&
           !memcmp(h->magic, saved_magic, sizeof(h->magic)) &&
           h->byteorder == SAVED_ORDER && (h->mandatory & SAVED_JSON) &&
           h->bytes > 4 && h->bytes <= CONFIG_MAX;
}

static void read_saved(struct start *s, const char *path)
{
    struct saved h;
    struct stat st;
    char *text = NULL;
    ssize_t n;
    int fd = -1;

    if (!stat(path, &st) && S_ISREG(st.st_mode))
        fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (read_saved_head(fd, &h) && (text = malloc(h.bytes)) != NULL) {
        n = pread(fd, text, h.bytes - 4, sizeof(h) + 4);
        text[n > 0 ? n : 0] = '\0';
        take_config(s, text);
    }
    free(text);
    close(fd);
}

/* ---- is it in the journal ---- */

static void refuse(struct start *s, const struct xlm_journal_entry *e)
{
    char when[32] = "";
    time_t t = (time_t)e->since_s;
    struct tm tm;

    s->refused = true;
    if (localtime_r(&t, &tm))
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
    if (e->todo == XLM_JOURNAL_REPAIR)
        fprintf(stderr,
                "xl %s: refused: %s, about this domain, is damaged: "
                "see '" RECOVER_NAME " --all'\n",
                s->command, e->path);
    else if (e->todo == XLM_JOURNAL_NOTHING)
        fprintf(stderr,
                "xl %s: refused: %s moved to %s at %s, and may run there; two "
                "of one domain destroy its disk. If it runs nowhere: "
                "'" RECOVER_NAME " --forget %s', then this again\n",
                s->command, e->name, e->peer, when, e->name);
    else
        fprintf(stderr,
                "xl %s: refused: since its migration to %s at %s it is not "
                "decided whether %s runs there; two of one domain destroy its "
                "disk. '" RECOVER_NAME " %s' finds out\n",
                s->command, e->peer, when, e->name, e->name);
}

static void compare_start(void *user, const struct xlm_journal_entry *e)
{
    struct start *s = user;

    if (e->keeps && !s->refused &&
        ((*s->uuid && !strcasecmp(s->uuid, e->uuid)) ||
         (*s->name && !strcmp(s->name, e->name))))
        refuse(s, e);
}

/* Is one of its arguments the copy that waits? */
static void compare_copy(void *user, const struct xlm_journal_entry *e)
{
    char away[XLM_NAME_MAX + 16], id[16];
    struct start *s = user;

    if (e->todo != XLM_JOURNAL_RECOVER || e->copy_gone || !e->keeps)
        return;
    snprintf(away, sizeof(away), "%s--migratedaway", e->name);
    snprintf(id, sizeof(id), "%u", e->domid);
    for (char **a = s->argv; *a && !s->refused; a++)
        if (!strcmp(*a, e->name) || !strcmp(*a, away) || !strcmp(*a, id) ||
            !strcasecmp(*a, e->uuid))
            refuse(s, e);
}

static void count_kept(void *user, const struct xlm_journal_entry *e)
{
    *(unsigned *)user += e->keeps != 0;
}

static bool only_asks(char **argv)
{
    for (; *argv; argv++)
        if (!strcmp(*argv, "-n") || !strcmp(*argv, "--dryrun") ||
            !strcmp(*argv, "-h") || !strcmp(*argv, "--help"))
            return true;
    return false;
}

int recover_may_start(int argc, char **argv)
{
    struct start s = { .command = argv[0], .argv = argv + 1 };
    char message[XLM_MESSAGE_MAX] = "";
    xlm_journal_fn *compare = compare_start;
    unsigned kept = 0;

    (void)argc;
    if (only_asks(s.argv))
        return 0;
    if (xlm_journal_read(count_kept, &kept, message)) {
        fprintf(stderr, "xl %s: refused: %s\n", s.command, message);
        return LM_EXIT_REFUSED;
    }
    if (!kept)
        return 0;
    if (!strcmp(s.command, "create"))
        read_create(&s);
    else if (!strcmp(s.command, "restore"))
        for (char **a = s.argv; *a; a++)
            read_saved(&s, *a);
    else
        compare = compare_copy;
    if (xlm_journal_read(compare, &s, message)) {
        fprintf(stderr, "xl %s: refused: %s\n", s.command, message);
        return LM_EXIT_REFUSED;
    }
    return s.refused ? LM_EXIT_REFUSED : 0;
}
