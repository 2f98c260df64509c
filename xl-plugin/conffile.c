/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "conffile.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX  512
#define LINE_BYTES 1024 /* what is longer counts as two */

struct reading {
    conffile_set *set;
    void *user;
    bool failed; /* the first error counts */
    char *error; /* of LM_ERROR_MAX bytes */
};

/* In double or single quotes, as in xl's files, or bare. */
static bool unquote(const char *text, char out[VALUE_MAX])
{
    size_t n = strlen(text);
    const char quote = *text;

    if (quote == '"' || quote == '\'') {
        if (n < 2 || text[n - 1] != quote)
            return false;
        text++;
        n -= 2;
        if (memchr(text, quote, n))
            return false;
    }
    return (size_t)snprintf(out, VALUE_MAX, "%.*s", (int)n, text) < VALUE_MAX;
}

/* inih's handler: 0 is an error, and its line is remembered. */
static int on_setting(void *user, const char *section, const char *name,
                      const char *text)
{
    struct reading *r = user;
    char value[VALUE_MAX];
    bool ok;

    if (r->failed)
        return 0;
    ok = !*section && unquote(text, value);
    if (!ok)
        snprintf(r->error, LM_ERROR_MAX,
                 *section ? "[%s]: there are no sections here"
                          : "value %s: a quote is missing, or it is longer "
                            "than 511 bytes",
                 *section ? section : text);
    else
        ok = r->set(r->user, name, value, r->error);
    r->failed = !ok;
    return ok;
}

static void set_up_inih(void)
{
    static char hash[] = "#";

    ini_allow_multiline = false;
    ini_allow_inline_comments = true;
    ini_start_comment_prefixes = hash;
    ini_inline_comment_prefixes = hash;
    ini_use_stack = false;
    ini_initial_alloc = ini_max_line = LINE_BYTES;
    ini_stop_on_first_error = true;
}

bool conffile_read(conffile_set *set, void *user, char error_out[LM_ERROR_MAX])
{
    const char *named = getenv("XLM_CONF");
    const char *path = named ? named : CONFFILE_PATH;
    char what[LM_ERROR_MAX] = "";
    struct reading r = { .set = set, .user = user, .error = what };
    FILE *f = fopen(path, "re");
    int line;

    if (!f && errno == ENOENT && !named)
        return true;
    if (!f) {
        snprintf(error_out, LM_ERROR_MAX, "%s: %s", path, strerror(errno));
        return false;
    }
    set_up_inih();
    line = ini_parse_file(f, on_setting, &r);
    if (line >= 0 && ferror(f))
        line = -1;
    fclose(f);
    if (line > 0)
        snprintf(error_out, LM_ERROR_MAX, "%s:%d: %.400s", path, line,
                 r.failed ? what : "NAME = VALUE is wanted");
    else if (line < 0)
        snprintf(error_out, LM_ERROR_MAX, "%s: %s", path,
                 line == -1 ? "cannot be read" : "no memory");
    return !line;
}
