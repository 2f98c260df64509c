/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The options of a command.  One table feeds getopt_long, --help, and the
 * tests that compare the man page and the bash completion with it.
 */
#ifndef XLM_PLUGIN_OPTABLE_H
#define XLM_PLUGIN_OPTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define LM_ERROR_MAX 512

/* What the options ask for. */
enum lm_action { LM_RUN, LM_HELP, LM_VERSION, LM_DESCRIBE, LM_LIST, LM_BAD };

/* One row: an option has a short name, a long name or both. */
struct lm_option {
    int id; /* the short name, or a number from OPTABLE_LONG on */
    const char *long_name;
    const char *value; /* name of its value in --help, NULL: takes none   */
    const char *help;  /* one line                                        */
    const char *more;  /* second line or NULL                             */
};
#define OPTABLE_LONG 0x100

/* For the dispatcher and the tests, not for a person: in no help text. */
enum { OPTABLE_DESCRIBE = 0x1000, OPTABLE_LIST };

struct optable {
    const struct lm_option *rows;
    size_t count; /* at most OPTABLE_MAX */
};
#define OPTABLE_MAX 60

/* getopt_long's next, from the start if *fresh; optarg and optind as it has
 * them.  -1 at the end, 0 for misuse: error_out is one line then. */
int optable_next(const struct optable *t, int argc, char **argv, bool *fresh,
                 char error_out[LM_ERROR_MAX]);

const struct lm_option *optable_find(const struct optable *t, int id);
/* "-C" or "--json". */
void optable_spell(const struct lm_option *o, char *out, size_t bytes);

/* The rows in xl's own layout. */
void optable_help(const struct optable *t, FILE *f);
/* One option a line, "-C VALUE" or "--live", for the completion's test. */
void optable_list(const struct optable *t, FILE *f);

/* A command, for those who do not want to run it. */
struct optable_about {
    const char *command; /* "xl lmigrate-ctl"                               */
    const char *description;
    void (*help)(void);
    const struct optable *table;
};

/* Do what was asked for instead of running it; error is what LM_BAD says.
 * Returns the exit status. */
int optable_tell(const struct optable_about *a, enum lm_action action,
                 const char *error);

#endif /* XLM_PLUGIN_OPTABLE_H */
