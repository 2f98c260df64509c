/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "options.h"

#include <getopt.h>
#include <string.h>

#include "libxlm.h"
#include "number.h"

enum {
    ID_DEBUG = OPTABLE_LONG,
    ID_LIVE,
    ID_DOWNTIME,
    ID_ROUNDS,
    ID_CHANNELS,
    ID_DATA,
    ID_PLAIN,
    ID_KTLS,
    ID_PORTS,
    ID_ADDRESS,
    ID_BANDWIDTH,
    ID_EXEMPT,
    ID_COMPRESS,
    ID_DELTA,
    ID_RECONNECT,
    ID_TIMEOUT,
    ID_DEADLINE,
    ID_ON_SLOW,
    ID_DIRTY,
    ID_ALLOW_PAUSE,
    ID_UNPAUSE,
    ID_NO_PREBUILD,
    ID_VERIFY,
    ID_TIMING,
    ID_JSON,
    ID_DRY_RUN,
    ID_ESTIMATE,
    ID_VERSION,
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
      "migration does not fail because of a busy domain." },
    { ID_ROUNDS, "rounds", "n", "At most <n> live rounds, 1 to 1000.", NULL },
    { ID_CHANNELS, "channels", "n",
      "Copy memory over <n> connections, 1 to 64.  Default: cpus",
      "here, twice that with --plain, at most 4; over ssh 1." },
    { ID_DATA, "data", "way",
      "How memory travels: tcp, to a port that <host> opens, or",
      "ssh, which is what tcp falls back to." },
    { ID_PLAIN, "plain", NULL,
      "Memory over TCP without TLS: for a wire that you trust.", NULL },
    { ID_KTLS, "ktls", NULL,
      "TLS by the kernel here, if it can do that.", NULL },
    { ID_PORTS, "port-range", "low-high",
      "Ports of which <host> opens one, 1 to 65535; default",
      LM_PORTS_TEXT "." },
    { ID_ADDRESS, "migration-address", "addr",
      "Memory goes to this address or name of <host> only.", NULL },
    { ID_BANDWIDTH, "bandwidth", "rate",
      "Send at most <rate> bytes/s.  Suffixes: k M G T (1000),",
      "Ki Mi Gi Ti (1024), bit (bits/s): 100M, 2.5Gbit." },
    { ID_EXEMPT, "exempt-last-round", NULL,
      "--bandwidth is not for what is sent in the pause.", NULL },
    { ID_COMPRESS, "compress", "how",
      "Compress pages: auto (the default, where it is faster),",
      "none, lz4 or zstd[:<level>], -5 to 9 and not 0." },
    { ID_DELTA, "delta", "mib",
      "Keep up to <mib> MiB of pages that are sent again; then",
      "only their changes travel, 0 to 65536.  Default: 64." },
    { ID_RECONNECT, "reconnect", "s",
      "Try for <s> seconds to have a connection back that breaks",
      "while memory is copied, 0 to 3600.  Default: 30." },
    { ID_TIMEOUT, "timeout", "s",
      "Give up and run on here unless <host> may start it",
      "within <s> seconds, 1 to 604800." },
    { ID_DEADLINE, "deadline", "s",
      "Goal for all of it: it runs at <host> within <s> seconds,",
      "1 to 604800." },
    { ID_ON_SLOW, "on-slow", "ways",
      "If it writes too fast for a goal: throttle it, wait",
      "(for the deadline), switch (all the same) or abort." },
    { ID_DIRTY, "dirty", "way",
      "How to find what the domain writes: log (by Xen), scan",
      "(read all again), none (suspend, copy, start), or auto." },
    { ID_ALLOW_PAUSE, "allow-pause", NULL,
      "Allow --dirty=none, or the last scan, to take longer",
      "than --downtime." },
    { ID_UNPAUSE, "unpause-to-suspend", NULL,
      "Unpause a paused domain so that it can suspend.", NULL },
    { ID_NO_PREBUILD, "no-prebuild", NULL,
      "Build devices at <host> in the pause, not before it.", NULL },
    { ID_VERIFY, "verify", NULL,
      "Compare all of its memory with what <host> has, in the",
      "pause; where it differs, the domain runs on here." },
    { ID_TIMING, "timing", NULL,
      "Wait some seconds for the domain's own word on how long",
      "it stood still, if it has one." },
    { ID_JSON, "json", "file",
      "Write a report to <file> as JSON; - is stdout.", NULL },
    { ID_DRY_RUN, "dry-run", NULL,
      "Only print what speaks against moving it.", NULL },
    { ID_ESTIMATE, "estimate", NULL,
      "Only say what moving it would take, by a sample of some",
      "seconds." },
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

static const struct optable table = {
    .rows = lm_option_table,
    .count = sizeof(lm_option_table) / sizeof(lm_option_table[0]),
};
_Static_assert(sizeof(lm_option_table) / sizeof(lm_option_table[0]) <=
                   OPTABLE_MAX,
               "the getopt arrays hold every option");

static bool bad_value(int id, const char *value, const char *limits,
                      char *error)
{
    char name[32];

    optable_spell(optable_find(&table, id), name, sizeof(name));
    snprintf(error, LM_ERROR_MAX, "%s '%s': %s", name, value, limits);
    return false;
}

static bool set_number(int id, const char *value, uint32_t min, uint32_t max,
                       const char *unit, uint32_t *out, char *error)
{
    char limits[96];
    uint64_t v;

    if (number_parse(value, min, max, &v)) {
        *out = (uint32_t)v;
        return true;
    }
    snprintf(limits, sizeof(limits),
             "a whole number of %s from %u to %u is wanted", unit, min, max);
    return bad_value(id, value, limits, error);
}

static bool set_text(int id, const char *value, const char **out, char *error)
{
    if (!*value)
        return bad_value(id, value, "the name of a file is wanted", error);
    *out = value;
    return true;
}

static bool set_seconds(int id, const char *value, uint32_t *ms_out,
                        char *error)
{
    uint32_t s = 0;

    if (!set_number(id, value, 1, 604800, "seconds", &s, error))
        return false;
    *ms_out = s * 1000;
    return true;
}

static bool set_reconnect(const char *value, uint32_t *ms_out, char *error)
{
    uint32_t s = 0;

    if (!set_number(ID_RECONNECT, value, 0, LM_RECONNECT_MAX_S, "seconds", &s,
                    error))
        return false;
    *ms_out = s ? s * 1000 : XLM_RECONNECT_OFF;
    return true;
}

const char *const lm_slow_words[LM_SLOW_COUNT] = {
    [XLM_SLOW_THROTTLE] = "throttle",
    [XLM_SLOW_WAIT] = "wait",
    [XLM_SLOW_SWITCH] = "switch",
    [XLM_SLOW_ABORT] = "abort",
};

/* The way that a word of so many bytes means; 0: none. */
static uint8_t slow_way(const char *word, size_t bytes)
{
    for (uint8_t way = 1; way < LM_SLOW_COUNT; way++)
        if (lm_slow_words[way] && strlen(lm_slow_words[way]) == bytes &&
            !strncmp(word, lm_slow_words[way], bytes))
            return way;
    return 0;
}

/* WAY, or WAY,WAY in the order of their enum; nothing follows an end. */
static bool set_on_slow(const char *value, struct lm_options *o, char *error)
{
    const char *at = value;
    uint8_t last = 0;

    memset(o->on_slow, 0, sizeof(o->on_slow));
    for (size_t i = 0; i < sizeof(o->on_slow); i++) {
        const size_t bytes = strcspn(at, ",");
        const uint8_t way = slow_way(at, bytes);

        if (way <= last || last >= XLM_SLOW_SWITCH)
            break;
        last = o->on_slow[i] = way;
        at += bytes;
        if (!*at++)
            return true;
    }
    return bad_value(ID_ON_SLOW, value,
                     "throttle, wait, switch or abort is wanted, or some of "
                     "them in this order, such as throttle,switch",
                     error);
}

bool lm_ports_parse(const char *value, uint16_t *low_out, uint16_t *high_out)
{
    const char *dash = strchr(value, '-');
    uint64_t low, high;
    char first[16];

    snprintf(first, sizeof(first), "%.*s",
             (int)(dash ? dash - value : (ptrdiff_t)strlen(value)), value);
    if (!number_parse(first, 1, 65535, &low) ||
        !number_parse(dash ? dash + 1 : first, 1, 65535, &high) || low > high)
        return false;
    *low_out = (uint16_t)low;
    *high_out = (uint16_t)high;
    return true;
}

static bool set_data(const char *value, struct lm_options *o, char *error)
{
    if (strcmp(value, "tcp") && strcmp(value, "ssh"))
        return bad_value(ID_DATA, value, "tcp or ssh is wanted", error);
    o->data_by_ssh = *value == 's';
    return true;
}

/* zstd, or zstd:LEVEL. */
static bool parse_zstd(const char *value, struct lm_options *o)
{
    const char *level = value + 4;
    uint64_t v = 0;
    bool fast;

    if (strncmp(value, "zstd", 4) || (*level && *level != ':'))
        return false;
    fast = level[0] == ':' && level[1] == '-';
    if (*level && !number_parse(level + (fast ? 2 : 1), 1, fast ? 5 : 9, &v))
        return false;
    o->compress = XLM_COMPRESS_ZSTD;
    o->compress_level = fast ? -(int32_t)v : (int32_t)v;
    return true;
}

static bool set_compress(const char *value, struct lm_options *o, char *error)
{
    static const char *const names[] = { [XLM_COMPRESS_AUTO] = "auto",
                                         [XLM_COMPRESS_NONE] = "none",
                                         [XLM_COMPRESS_LZ4] = "lz4" };

    o->compress_level = 0;
    for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(value, names[i]))
            continue;
        o->compress = i;
        return true;
    }
    return parse_zstd(value, o) ||
           bad_value(ID_COMPRESS, value,
                     "auto, none, lz4 or zstd is wanted, or zstd:LEVEL with "
                     "a level of -5 to -1 or 1 to 9",
                     error);
}

static bool set_delta(const char *value, uint32_t *mib_out, char *error)
{
    uint32_t mib = 0;

    if (!set_number(ID_DELTA, value, 0, LM_DELTA_MAX_MIB, "MiB", &mib, error))
        return false;
    *mib_out = mib ? mib : XLM_DELTA_OFF;
    return true;
}

const char *const lm_dirty_words[] = { "auto", "log", "scan", "none" };
_Static_assert(sizeof(lm_dirty_words) / sizeof(lm_dirty_words[0]) ==
                   LM_DIRTY_COUNT,
               "a word for each enum xlm_dirty");

static bool set_dirty(const char *value, uint32_t *way_out, char *error)
{
    for (uint32_t way = 0; way < LM_DIRTY_COUNT; way++) {
        if (strcmp(value, lm_dirty_words[way]))
            continue;
        *way_out = way;
        return true;
    }
    return bad_value(ID_DIRTY, value, "auto, log, scan or none is wanted",
                     error);
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
        return set_number(id, value, 1, DOWNTIME_MAX_MS, "milliseconds",
                          &o->downtime_ms, error);
    case ID_ROUNDS:
        return set_number(id, value, 1, 1000, "rounds", &o->rounds, error);
    case ID_CHANNELS:
        return set_number(id, value, 1, LM_CHANNELS_MAX, "connections",
                          &o->channels, error);
    case ID_DATA:
        return set_data(value, o, error);
    case ID_PORTS:
        return lm_ports_parse(value, &o->port_low, &o->port_high) ||
               bad_value(id, value, LM_PORTS_LIMITS, error);
    case ID_ADDRESS:
        if (!*value)
            return bad_value(id, value, "an address or a name is wanted",
                             error);
        o->migration_address = value;
        return true;
    case ID_COMPRESS:
        return set_compress(value, o, error);
    case ID_DELTA:
        return set_delta(value, &o->delta_mib, error);
    case ID_DIRTY:
        return set_dirty(value, &o->dirty, error);
    case ID_RECONNECT:
        return set_reconnect(value, &o->reconnect_ms, error);
    case ID_TIMEOUT:
        return set_seconds(id, value, &o->timeout_ms, error);
    case ID_DEADLINE:
        return set_seconds(id, value, &o->deadline_ms, error);
    case ID_ON_SLOW:
        return set_on_slow(value, o, error);
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
    case ID_PLAIN:
        o->plain = true;
        break;
    case ID_KTLS:
        o->ktls = true;
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
    case ID_NO_PREBUILD:
        o->no_prebuild = true;
        break;
    case ID_VERIFY:
        o->verify = true;
        break;
    case ID_TIMING:
        o->timing = true;
        break;
    case ID_EXEMPT:
        o->exempt_last_round = true;
        break;
    case 'N':
    case ID_DRY_RUN:
        o->dry_run = true;
        break;
    case ID_ESTIMATE:
        o->estimate = true;
        break;
    default: /* -f and --live are accepted for xl's sake */
        break;
    }
}

bool lm_options_set(struct lm_options *o, const char *long_name,
                    const char *value, char error_out[LM_ERROR_MAX])
{
    const struct lm_option *t = NULL;

    for (size_t i = 0; !t && i < table.count; i++)
        if (table.rows[i].long_name &&
            !strcmp(table.rows[i].long_name, long_name))
            t = &table.rows[i];
    if (t && t->value)
        return set_value(t->id, value, o, error_out);
    if (!t || (strcmp(value, "0") && strcmp(value, "1"))) {
        snprintf(error_out, LM_ERROR_MAX,
                 t ? "%s '%s': 0 or 1 is wanted" : "%s is not known", long_name,
                 value);
        return false;
    }
    if (*value == '1')
        set_flag(t->id, o);
    return true;
}

bool lm_options_arguments(int argc, char **argv, struct lm_options *o,
                          char error_out[LM_ERROR_MAX])
{
    if (argc - optind != 2) {
        snprintf(error_out, LM_ERROR_MAX,
                 "2 arguments are wanted, <Domain> and <host>, not %d",
                 argc - optind);
        return false;
    }
    o->domain = argv[optind];
    o->host = argv[optind + 1];
    if (!*o->domain || !*o->host) {
        snprintf(error_out, LM_ERROR_MAX, "%s is empty",
                 *o->domain ? "<host>" : "<Domain>");
        return false;
    }
    /* ssh would read such a name as one of its options. */
    if (*o->ssh && o->host[0] == '-') {
        snprintf(error_out, LM_ERROR_MAX, "<host> '%s' begins with '-'",
                 o->host);
        return false;
    }
    return true;
}

/* A way to deal with what cannot happen, or that would never end. */
static bool slow_fits(const struct lm_options *o, char *error)
{
    const char *need = NULL, *word = lm_slow_words[o->on_slow[0]];

    if (o->on_slow[0] && !o->downtime_ms && !o->deadline_ms)
        need = "--downtime or --deadline";
    if (o->on_slow[0] == XLM_SLOW_THROTTLE && !o->downtime_ms)
        need = "--downtime";
    for (size_t i = 0; i < sizeof(o->on_slow) && !need; i++)
        if (o->on_slow[i] == XLM_SLOW_WAIT &&
            !(o->downtime_ms && o->deadline_ms))
            need = "--downtime and --deadline", word = "wait";
    if (!need && o->estimate && o->dry_run) {
        snprintf(error, LM_ERROR_MAX, "--estimate is more than --dry-run");
        return false;
    }
    if (need)
        snprintf(error, LM_ERROR_MAX, "--on-slow %s needs %s", word, need);
    return !need;
}

/* What is about TCP would silently mean nothing. */
static bool fit_together(const struct lm_options *o, char *error)
{
    const char *name = o->plain               ? "--plain"
                       : o->migration_address ? "--migration-address"
                       : o->port_low          ? "--port-range"
                                              : NULL;

    if (!o->data_by_ssh || !name)
        return slow_fits(o, error);
    snprintf(error, LM_ERROR_MAX, "%s is for --data tcp, not for --data ssh",
             name);
    return false;
}

/* Defaults that mean nothing beside what the command line asks for. */
static void forget_presets(struct lm_options *o,
                           const struct lm_options *preset)
{
    if (preset->plain && !preset->data_by_ssh && o->data_by_ssh)
        o->plain = false;
    if (!o->downtime_ms && !o->deadline_ms &&
        !memcmp(o->on_slow, preset->on_slow, sizeof(o->on_slow)))
        memset(o->on_slow, 0, sizeof(o->on_slow));
}

enum lm_action lm_options_parse(int argc, char **argv,
                                const struct lm_options *preset,
                                struct lm_options *o,
                                char error_out[LM_ERROR_MAX])
{
    bool fresh = true;
    int c;

    *o = preset ? *preset : (struct lm_options){ .ssh = "ssh" };
    while ((c = optable_next(&table, argc, argv, &fresh, error_out)) != -1) {
        switch (c) {
        case 0:
            return LM_BAD;
        case 'h':
            return LM_HELP;
        case ID_VERSION:
            return LM_VERSION;
        case OPTABLE_DESCRIBE:
            return LM_DESCRIBE;
        case OPTABLE_LIST:
            return LM_LIST;
        }
        if (!optable_find(&table, c)->value)
            set_flag(c, o);
        else if (!set_value(c, optarg, o, error_out))
            return LM_BAD;
    }
    if (preset)
        forget_presets(o, preset);
    return fit_together(o, error_out) &&
                   lm_options_arguments(argc, argv, o, error_out)
               ? LM_RUN
               : LM_BAD;
}

void lm_options_help(FILE *f)
{
    fprintf(f,
            "Usage: xl [-vfNtT] lmigrate [options] <Domain> <host>\n\n"
            "%s.\n\nOptions:\n\n",
            LM_DESCRIPTION);
    optable_help(&table, f);
    fprintf(f, "\n<Domain> is a name, an id or a uuid.  See xl-lmigrate(1).\n");
}

void lm_options_list(FILE *f)
{
    optable_list(&table, f);
}
