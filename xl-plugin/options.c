/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "options.h"

#include <getopt.h>
#include <string.h>

#include "number.h"

enum {
    ID_DEBUG = 0x100,
    ID_LIVE,
    ID_DOWNTIME,
    ID_ROUNDS,
    ID_BANDWIDTH,
    ID_TIMEOUT,
    ID_ALLOW_PAUSE,
    ID_UNPAUSE,
    ID_JSON,
    ID_DRY_RUN,
    ID_VERSION,
    ID_DESCRIBE,
    ID_LIST,
};

/* clang-format off */
const struct lm_option lm_option_table[] = {
    { 'h', "help", NULL, "Print this help.", NULL },
    { 'C', NULL, "config",
      "Send <config> instead of config file from creation.", NULL },
    { 's', NULL, "sshcommand",
      "Use <sshcommand> instead of ssh; it is passed to sh.",
      "If empty, run <host> as the command." },
    { 'e', NULL, NULL,
      "Do not wait in the background (on <host>) for the death",
      "of the domain." },
    { 'p', NULL, NULL, "Do not unpause domain after migrating it.", NULL },
    { 'D', NULL, NULL, "Preserve the domain id.", NULL },
    { ID_DEBUG, "debug", NULL,
      "Tell xl at <host> to print debug messages.", NULL },
    { ID_LIVE, "live", NULL,
      "Accepted as in xl migrate; it is live where Xen can.", NULL },
    { ID_DOWNTIME, "downtime", "ms",
      "Goal for the pause, 1 to 600000 ms.  Without it the",
      "migration always finishes." },
    { ID_ROUNDS, "rounds", "n", "At most <n> live rounds, 1 to 1000.", NULL },
    { ID_BANDWIDTH, "bandwidth", "rate",
      "Send at most <rate> bytes/s.  Suffixes: k M G T (1000),",
      "Ki Mi Gi Ti (1024), bit (bits/s): 100M, 2.5Gbit." },
    { ID_TIMEOUT, "timeout", "s",
      "Give up and run on here unless <host> may start it",
      "within <s> seconds, 1 to 604800." },
    { ID_ALLOW_PAUSE, "allow-pause", NULL,
      "Where Xen cannot track writes: suspend, copy, start,",
      "even if that takes longer than --downtime." },
    { ID_UNPAUSE, "unpause-to-suspend", NULL,
      "Unpause a paused domain so that it can suspend.", NULL },
    { ID_JSON, "json", "file",
      "Write a report to <file> as JSON; - is stdout.", NULL },
    { ID_DRY_RUN, "dry-run", NULL,
      "Only print what speaks against moving it.", NULL },
    { 'v', NULL, NULL, "Print notes; twice: debug messages.", NULL },
    { 'f', NULL, NULL, "Accepted, as xl's global option.", NULL },
    { 'N', NULL, NULL, "As --dry-run, as xl's global option.", NULL },
    { 't', NULL, NULL, "Show the live line also if not on a terminal.", NULL },
    { 'T', NULL, NULL, "Put time and process id before each line.", NULL },
    { ID_VERSION, "version", NULL, "Print the version.", NULL },
};
/* clang-format on */
const size_t lm_option_count = sizeof(lm_option_table) /
                               sizeof(lm_option_table[0]);

/* For the dispatcher and the tests, not for a person: in no help text. */
static const struct option hidden[] = {
    { "describe", no_argument, NULL, ID_DESCRIBE },
    { "list-options", no_argument, NULL, ID_LIST },
};

#define TABLE_MAX 64
#define NR_HIDDEN (sizeof(hidden) / sizeof(hidden[0]))
_Static_assert(sizeof(lm_option_table) / sizeof(lm_option_table[0]) +
                       NR_HIDDEN <
                   TABLE_MAX,
               "the getopt arrays hold every option");

static void build_getopt(struct option longs[TABLE_MAX],
                         char shorts[2 * TABLE_MAX])
{
    char *p = shorts;

    *p++ = ':'; /* a missing value is told apart from an unknown option */
    for (size_t i = 0; i < lm_option_count; i++) {
        const struct lm_option *t = &lm_option_table[i];

        if (t->long_name)
            *longs++ = (struct option){ t->long_name, !!t->value, NULL, t->id };
        if (t->id < ID_DEBUG) {
            *p++ = (char)t->id;
            if (t->value)
                *p++ = ':';
        }
    }
    *p = 0;
    for (size_t i = 0; i < NR_HIDDEN; i++)
        *longs++ = hidden[i];
    *longs = (struct option){ 0 };
}

static const struct lm_option *find(int id)
{
    for (size_t i = 0; i < lm_option_count; i++)
        if (lm_option_table[i].id == id)
            return &lm_option_table[i];
    return NULL;
}

static void spell(const struct lm_option *t, char *out, size_t bytes)
{
    if (t->id < ID_DEBUG)
        snprintf(out, bytes, "-%c", t->id);
    else
        snprintf(out, bytes, "--%s", t->long_name);
}

static bool bad_value(int id, const char *value, const char *limits,
                      char *error)
{
    char name[32];

    spell(find(id), name, sizeof(name));
    snprintf(error, LM_ERROR_MAX, "%s '%s': %s", name, value, limits);
    return false;
}

static bool set_number(int id, const char *value, uint32_t max,
                       const char *unit, uint32_t *out, char *error)
{
    char limits[96];
    uint64_t v;

    if (number_parse(value, 1, max, &v)) {
        *out = (uint32_t)v;
        return true;
    }
    snprintf(limits, sizeof(limits),
             "a whole number of %s from 1 to %u is "
             "wanted",
             unit, max);
    return bad_value(id, value, limits, error);
}

static bool set_text(int id, const char *value, const char **out, char *error)
{
    if (!*value)
        return bad_value(id, value, "the name of a file is wanted", error);
    *out = value;
    return true;
}

static bool set_timeout(const char *value, uint32_t *ms_out, char *error)
{
    uint32_t s = 0;

    if (!set_number(ID_TIMEOUT, value, 604800, "seconds", &s, error))
        return false;
    *ms_out = s * 1000;
    return true;
}

static bool set_value(int id, const char *value, struct lm_options *o,
                      char *error)
{
    switch (id) {
    case 'C':
        return set_text(id, value, &o->config_file, error);
    case 's':
        o->ssh = value;
        return true;
    case ID_JSON:
        return set_text(id, value, &o->json, error);
    case ID_DOWNTIME:
        return set_number(id, value, 600000, "milliseconds", &o->downtime_ms,
                          error);
    case ID_ROUNDS:
        return set_number(id, value, 1000, "rounds", &o->rounds, error);
    case ID_TIMEOUT:
        return set_timeout(value, &o->timeout_ms, error);
    default:
        return rate_parse(value, &o->bandwidth_bytes_s) ||
               bad_value(id, value,
                         "a rate of " RATE_LIMITS
                         " is wanted, such as 100M, 64Mi or 2.5Gbit",
                         error);
    }
}

static void set_flag(int id, struct lm_options *o)
{
    switch (id) {
    case 'e':
        o->no_monitor = true;
        break;
    case 'p':
        o->leave_paused = true;
        break;
    case 'D':
        o->keep_domid = true;
        break;
    case 'v':
        o->verbose++;
        break;
    case 't':
        o->live_line = true;
        break;
    case 'T':
        o->timestamps = true;
        break;
    case ID_DEBUG:
        o->debug = true;
        break;
    case ID_ALLOW_PAUSE:
        o->allow_pause = true;
        break;
    case ID_UNPAUSE:
        o->unpause_to_suspend = true;
        break;
    case 'N':
    case ID_DRY_RUN:
        o->dry_run = true;
        break;
    default: /* -f and --live are accepted for xl's sake */
        break;
    }
}

/* getopt's '?' or ':': which option, and what is wrong with it. */
static void describe_misuse(int c, char **argv, char *error)
{
    const struct lm_option *t = optopt ? find(optopt) : NULL;
    char name[32];

    if (!t && optopt && optopt < ID_DEBUG) {
        snprintf(error, LM_ERROR_MAX, "unknown option -%c", optopt);
    } else if (!t) {
        snprintf(error, LM_ERROR_MAX, "unknown or ambiguous option %s",
                 argv[optind - 1]);
    } else {
        spell(t, name, sizeof(name));
        snprintf(error, LM_ERROR_MAX,
                 c == ':' ? "%s wants a value: <%s>" : "%s takes no value",
                 name, t->value);
    }
}

static enum lm_action take_arguments(int argc, char **argv,
                                     struct lm_options *o, char *error)
{
    if (argc - optind != 2) {
        snprintf(error, LM_ERROR_MAX,
                 "2 arguments are wanted, <Domain> and <host>, not %d",
                 argc - optind);
        return LM_BAD;
    }
    o->domain = argv[optind];
    o->host = argv[optind + 1];
    if (!*o->domain || !*o->host) {
        snprintf(error, LM_ERROR_MAX, "%s is empty",
                 *o->domain ? "<host>" : "<Domain>");
        return LM_BAD;
    }
    /* ssh would read such a name as one of its options. */
    if (*o->ssh && o->host[0] == '-') {
        snprintf(error, LM_ERROR_MAX, "<host> '%s' begins with '-'", o->host);
        return LM_BAD;
    }
    return LM_RUN;
}

enum lm_action lm_options_parse(int argc, char **argv, struct lm_options *o,
                                char error_out[LM_ERROR_MAX])
{
    struct option longs[TABLE_MAX];
    char shorts[2 * TABLE_MAX];
    int c;

    *o = (struct lm_options){ .ssh = "ssh" };
    build_getopt(longs, shorts);
    opterr = 0;
    optind = 0; /* glibc: start afresh, also when called again */
    while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        switch (c) {
        case 'h':
            return LM_HELP;
        case ID_VERSION:
            return LM_VERSION;
        case ID_DESCRIBE:
            return LM_DESCRIBE;
        case ID_LIST:
            return LM_LIST;
        case '?':
        case ':':
            describe_misuse(c, argv, error_out);
            return LM_BAD;
        }
        if (!find(c)->value)
            set_flag(c, o);
        else if (!set_value(c, optarg, o, error_out))
            return LM_BAD;
    }
    return take_arguments(argc, argv, o, error_out);
}

static void help_label(const struct lm_option *t, char *out, size_t bytes)
{
    char name[32];

    spell(t, name, sizeof(name));
    snprintf(out, bytes, "%s%s%s%s%s%s", name,
             t->id < ID_DEBUG && t->long_name ? ", --" : "",
             t->id < ID_DEBUG && t->long_name ? t->long_name : "",
             t->value ? " <" : "", t->value ? t->value : "",
             t->value ? ">" : "");
}

void lm_options_help(FILE *f)
{
    char label[48];

    fprintf(f,
            "Usage: xl [-vfNtT] lmigrate [options] <Domain> <host>\n\n"
            "%s.\n\nOptions:\n\n",
            LM_DESCRIPTION);
    for (size_t i = 0; i < lm_option_count; i++) {
        const struct lm_option *t = &lm_option_table[i];

        help_label(t, label, sizeof(label));
        fprintf(f, "%-21s %s\n", label, t->help);
        if (t->more)
            fprintf(f, "%-21s %s\n", "", t->more);
    }
    fprintf(f, "\n<Domain> is a name, an id or a uuid.  See xl-lmigrate(1).\n");
}

void lm_options_list(FILE *f)
{
    for (size_t i = 0; i < lm_option_count; i++) {
        const struct lm_option *t = &lm_option_table[i];
        const char *value = t->value ? " VALUE" : "";

        if (t->id < ID_DEBUG)
            fprintf(f, "-%c%s\n", t->id, value);
        if (t->long_name)
            fprintf(f, "--%s%s\n", t->long_name, value);
    }
}
