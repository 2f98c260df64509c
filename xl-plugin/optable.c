/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "optable.h"

#include <assert.h>
#include <getopt.h>

static const struct option hidden[] = {
    { "describe", no_argument, NULL, OPTABLE_DESCRIBE },
    { "list-options", no_argument, NULL, OPTABLE_LIST },
};
#define NR_HIDDEN (sizeof(hidden) / sizeof(hidden[0]))

static void build(const struct optable *t,
                  struct option longs[OPTABLE_MAX + NR_HIDDEN + 1],
                  char shorts[2 * OPTABLE_MAX + 2])
{
    char *p = shorts;

    assert(t->count <= OPTABLE_MAX);
    *p++ = ':'; /* a missing value is told apart from an unknown option */
    for (size_t i = 0; i < t->count; i++) {
        const struct lm_option *o = &t->rows[i];

        if (o->long_name)
            *longs++ = (struct option){ o->long_name, !!o->value, NULL, o->id };
        if (o->id < OPTABLE_LONG) {
            *p++ = (char)o->id;
            if (o->value)
                *p++ = ':';
        }
    }
    *p = 0;
    for (size_t i = 0; i < NR_HIDDEN; i++)
        *longs++ = hidden[i];
    *longs = (struct option){ 0 };
}

const struct lm_option *optable_find(const struct optable *t, int id)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->rows[i].id == id)
            return &t->rows[i];
    return NULL;
}

void optable_spell(const struct lm_option *o, char *out, size_t bytes)
{
    if (o->id < OPTABLE_LONG)
        snprintf(out, bytes, "-%c", o->id);
    else
        snprintf(out, bytes, "--%s", o->long_name);
}

/* getopt's '?' or ':': which option, and what is wrong with it. */
static void describe_misuse(const struct optable *t, int c, char **argv,
                            char *error)
{
    const struct lm_option *o = optopt ? optable_find(t, optopt) : NULL;
    char name[32];

    if (!o && optopt && optopt < OPTABLE_LONG) {
        snprintf(error, LM_ERROR_MAX, "unknown option -%c", optopt);
    } else if (!o) {
        snprintf(error, LM_ERROR_MAX, "unknown or ambiguous option %s",
                 argv[optind - 1]);
    } else {
        optable_spell(o, name, sizeof(name));
        snprintf(error, LM_ERROR_MAX,
                 c == ':' ? "%s wants a value: <%s>" : "%s takes no value",
                 name, o->value);
    }
}

int optable_next(const struct optable *t, int argc, char **argv, bool *fresh,
                 char error_out[LM_ERROR_MAX])
{
    struct option longs[OPTABLE_MAX + NR_HIDDEN + 1];
    char shorts[2 * OPTABLE_MAX + 2];
    int c;

    build(t, longs, shorts);
    opterr = 0;
    if (*fresh)
        optind = 0; /* glibc: start afresh, also when called again */
    *fresh = false;
    c = getopt_long(argc, argv, shorts, longs, NULL);
    if (c != '?' && c != ':')
        return c;
    describe_misuse(t, c, argv, error_out);
    return 0;
}

static void help_label(const struct lm_option *o, char *out, size_t bytes)
{
    char name[32];

    optable_spell(o, name, sizeof(name));
    snprintf(out, bytes, "%s%s%s%s%s%s", name,
             o->id < OPTABLE_LONG && o->long_name ? ", --" : "",
             o->id < OPTABLE_LONG && o->long_name ? o->long_name : "",
             o->value ? " <" : "", o->value ? o->value : "",
             o->value ? ">" : "");
}

void optable_help(const struct optable *t, FILE *f)
{
    char label[48];

    for (size_t i = 0; i < t->count; i++) {
        const struct lm_option *o = &t->rows[i];

        help_label(o, label, sizeof(label));
        fprintf(f, "%-21s %s\n", label, o->help);
        if (o->more)
            fprintf(f, "%-21s %s\n", "", o->more);
    }
}

void optable_list(const struct optable *t, FILE *f)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct lm_option *o = &t->rows[i];
        const char *value = o->value ? " VALUE" : "";

        if (o->id < OPTABLE_LONG)
            fprintf(f, "-%c%s\n", o->id, value);
        if (o->long_name)
            fprintf(f, "--%s%s\n", o->long_name, value);
    }
}

int optable_tell(const struct optable_about *a, enum lm_action action,
                 const char *error)
{
    switch (action) {
    case LM_HELP:
        a->help();
        return 0;
    case LM_DESCRIBE:
        puts(a->description);
        return 0;
    case LM_LIST:
        optable_list(a->table, stdout);
        return 0;
    default:
        fprintf(stderr, "%s: %s (see '%s --help')\n", a->command, error,
                a->command);
        return 1; /* as xl's own commands for wrong options */
    }
}
