/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "toolstack/lateness.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/uuid.h"

/* comm of libxl-save-helper, cut to 15 characters */
#define HELPER "libxl-save-help"

static void mark_path(char *path, size_t bytes, const char *dir,
                      const unsigned char uuid[16])
{
    char text[XLM__UUID_TEXT];

    xlm__uuid_format(uuid, text);
    snprintf(path, bytes, "%s/xlm-%s.late", dir, text);
}

void xlm__late_mark(const char *dir, const unsigned char uuid[16])
{
    char path[128];
    int fd;

    mark_path(path, sizeof(path), dir, uuid);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        close(fd);
}

void xlm__late_clear(const char *dir, const unsigned char uuid[16])
{
    char path[128];

    mark_path(path, sizeof(path), dir, uuid);
    (void)unlink(path);
}

bool xlm__late_marked(const char *dir, const unsigned char uuid[16])
{
    char path[128];

    mark_path(path, sizeof(path), dir, uuid);
    return access(path, F_OK) == 0;
}

static ssize_t read_small(const char *proc, const char *pid, const char *name,
                          char *out, size_t bytes)
{
    char path[128];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "%s/%s/%s", proc, pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    n = read(fd, out, bytes - 1);
    close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n;
}

static bool is_moving_word(const char *word)
{
    static const char *const words[] = { "save", "migrate", "suspend",
                                         "remus" };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!strcmp(word, words[i]))
            return true;
    return false;
}

static bool is_saving(const char *proc, const char *pid)
{
    char text[1024];
    ssize_t n = read_small(proc, pid, "comm", text, sizeof(text));

    if (n <= 0)
        return false;
    if (!strncmp(text, HELPER, sizeof(HELPER) - 1))
        return true;
    if (strcmp(text, "xl\n"))
        return false;
    n = read_small(proc, pid, "cmdline", text, sizeof(text));
    for (ssize_t at = 0; at < n; at += (ssize_t)strlen(text + at) + 1)
        if (is_moving_word(text + at))
            return true;
    return false;
}

bool xlm__xl_is_saving(const char *proc)
{
    DIR *dir = opendir(proc);
    struct dirent *e;
    bool found = false;

    if (!dir)
        return true; /* it cannot be told: the careful answer */
    while (!found && (e = readdir(dir))) {
        char pid[24];

        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        snprintf(pid, sizeof(pid), "%.20s", e->d_name);
        found = is_saving(proc, pid);
    }
    closedir(dir);
    return found;
}
